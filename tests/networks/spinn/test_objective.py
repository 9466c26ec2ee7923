"""The loss of a share: weighted by rows, shares add up to the whole batch, whatever is counted in them."""

import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.data.english import generate_english  # noqa: E402
from pellucid.networks.spinn import objective as module  # noqa: E402
from pellucid.networks.spinn.examples import examples, node_labels, sides, words_of  # noqa: E402
from pellucid.networks.spinn.model import TreeClassifier  # noqa: E402
from pellucid.networks.spinn.objective import Material, Objective  # noqa: E402
from pellucid.scaling.processes import ALONE, Processes  # noqa: E402
from pellucid.spinn import Tree  # noqa: E402

SST = [
    "(3 (2 a) (4 (4 good) (2 film)))",
    "(1 (1 bad) (2 film))",
    "(4 (3 (2 a) (3 (2 very) (4 (4 good) (2 film)))) (2 .))",
    "(0 (1 (1 bad) (1 bad)) (0 (2 film) (2 .)))",
    "(3 (4 good) (2 .))",
]


def of_nodes():
    found = examples([Tree.parse(line) for line in SST], needs_trees=True)
    targets = np.array([3, 1, 4, 0, 3])
    nodes = node_labels(found, targets, np.arange(5))
    nodes[2][:4] = -1  # so that nodes are not counted alike with and without a label
    return found, targets, nodes, {"sides": 1, "encoder": "treelstm"}


def of_transitions():
    pairs = list(generate_english({"train": 5})["train"])
    found = examples(pairs, needs_trees=True)
    return found, np.arange(5) % 3, None, {"sides": 2, "encoder": "spinn", "tracker": 4, "predict": True}


@pytest.fixture(params=[of_nodes, of_transitions])
def problem(request):
    """A network in float64 and what it learns from."""
    found, targets, nodes, settings = request.param()
    words = words_of(found, lowercase=False, min_count=1)
    torch.manual_seed(0)
    model = TreeClassifier(len(words), 5, embedding=4, hidden=6, mlp=7, **settings).double()
    lengths = np.array([sum(len(part.words) for part in parts) for parts in found])
    return model, Material(sides(found, words), targets, nodes, lengths, None)


def slopes(problem, together, monkeypatch):
    """Return the loss, its slopes and the number of rows of the one batch of an epoch."""
    monkeypatch.setattr(module, "join", lambda: together)
    model, material = problem
    made = Objective(model, material, transition_weight=0.7, draw=None)
    (rows,) = made.batches(np.random.default_rng(0), 5)
    model.zero_grad()
    value, size = made.loss(together.share(rows))
    value.backward()
    grads = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    return float(value.detach()), grads, size


def test_shares_add_up_to_the_batch(problem, monkeypatch):
    whole, expected, size = slopes(problem, ALONE, monkeypatch)
    parts = [slopes(problem, Processes(rank, 2), monkeypatch) for rank in range(2)]
    assert [n for _, _, n in parts] == [3, 2]
    assert sum(value * n for value, _, n in parts) / size == pytest.approx(whole, abs=1e-13)
    for place, slope in enumerate(expected):
        found = sum(of[place] * n for _, of, n in parts) / size
        torch.testing.assert_close(found, slope, rtol=0, atol=1e-13)


def test_the_next_batch_is_made_ready_on_another_thread_and_batches_keep_their_order(problem, monkeypatch):
    monkeypatch.setattr(module, "join", lambda: ALONE)
    model, material = problem
    made = Objective(model, material, transition_weight=1.0, draw=None)
    prepare, threads = model.prepare, []

    def prepared(*args, **settings):
        threads.append(threading.current_thread().name)
        return prepare(*args, **settings)

    monkeypatch.setattr(model, "prepare", prepared)
    losses = [(rows.tolist(), float(made.loss(rows)[0].detach())) for rows in made.batches(np.random.default_rng(0), 2)]
    assert len(threads) == len(losses) == 2
    assert all(name.startswith("pellucid-batch") for name in threads)
    for rows, value in losses:
        batch = prepare(module.chosen(material.sides, np.array(rows)), train=True, nodes=material.nodes is not None)
        assert made.model(batch).logits.shape[0] == (len(batch.nodes) if material.nodes is not None else len(rows))
        monkeypatch.setattr(made, "_batch", type("Ready", (), {"result": lambda self, batch=batch: batch})())
        assert float(made.loss(np.array(rows))[0].detach()) == value


def test_the_share_of_padding_is_that_of_rectangles(problem, monkeypatch):
    monkeypatch.setattr(module, "join", lambda: ALONE)
    model, material = problem
    made = Objective(model, material, transition_weight=1.0, draw=None)
    assert made.padding_share == 0
    places = words = 0
    for rows in made.batches(np.random.default_rng(0), 2):
        made.loss(rows)
        lengths = [len(side.tokens[row]) for side in material.sides for row in rows]
        places, words = places + len(lengths) * max(lengths), words + sum(lengths)
    assert made.padding_share == 1 - words / places
