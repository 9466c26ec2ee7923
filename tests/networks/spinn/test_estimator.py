import inspect
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.data.listops import generate_listops  # noqa: E402
from pellucid.data.logic import generate_logic  # noqa: E402
from pellucid.errors import InvalidArgumentError, InvalidDataError  # noqa: E402
from pellucid.networks.spinn.machine import machine  # noqa: E402
from pellucid.networks.spinn.model import pair_features  # noqa: E402
from pellucid.spinn import SPINNClassifier, Tree  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def logic():
    return generate_logic({"train": 150, "test": 40}, bins={"train": range(3), "test": range(3)})


@pytest.fixture(scope="module")
def listops():
    return generate_listops({"train": 600, "test": 200}, min_length=4, max_length=6)


def small(**settings):
    return SPINNClassifier(**{"hidden": 12, "embedding": 8, "tracker": 4, "mlp": 16, "random_state": 0, **settings})


def majority(train, test):
    labels, counts = np.unique(train.y, return_counts=True)
    return np.mean(test.y == labels[counts.argmax()])


@pytest.mark.parametrize("encoder", ["treelstm", "spinn"])
def test_it_learns_listops_better_than_the_majority_and_than_chance_by_far(encoder, listops):
    train, test = listops["train"], listops["test"]
    model = small(encoder=encoder, hidden=24, max_iter=20, learning_rate_init=0.01).fit(train, train.y)
    assert model.score(test, test.y) > majority(train, test) + 0.2
    assert model.loss_curve_[-1] < model.loss_curve_[0]


@pytest.mark.parametrize("encoder", ["treelstm", "spinn", "sum"])
def test_pairs_are_learned_and_seeded_runs_are_equal(encoder, logic):
    train, test = logic["train"], logic["test"]
    first, second = (small(encoder=encoder, max_iter=12, learning_rate_init=0.01) for _ in range(2))
    torch.manual_seed(1)
    first.fit(train, train.y)
    torch.manual_seed(2)
    steps = list(second.steps(train, train.y))
    assert [step.loss for step in steps] == first.loss_curve_
    assert np.array_equal(first.predict_proba(test), second.predict_proba(test))
    assert first.score(train, train.y) > majority(train, train)
    assert np.allclose(first.predict_proba(test).sum(1), 1)


@pytest.mark.parametrize("encoder", ["treelstm", "spinn"])
@pytest.mark.parametrize("features", ["symmetric", "plain"])
def test_the_logits_are_those_of_the_readable_machine(encoder, features, logic):
    pairs = list(logic["test"])[:9]
    model = small(encoder=encoder, features=features, max_iter=1).fit(logic["train"], logic["train"].y)
    net, words = model.model_, model.vocabulary_
    with torch.no_grad():
        leaves = net.project(net.embedding.weight)
        a, b = (
            machine(net.cell, leaves, [words.indices(t.words) for t in side], [t.transitions for t in side]).h
            for side in zip(*(pair.trees for pair in pairs), strict=True)
        )
        expected = net.head(pair_features(a, b, features)).softmax(1)
    assert np.allclose(model.predict_proba(pairs), expected, atol=1e-5)


def test_the_room_that_people_read_stays_short():
    lines = Path(inspect.getsourcefile(machine)).read_text(encoding="utf-8").splitlines()
    assert len(lines) < 200


def test_a_pickled_model_predicts_the_same(logic):
    model = small(max_iter=1).fit(logic["train"], logic["train"].y)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(logic["test"]), model.predict_proba(logic["test"]))


TREE = Tree.parse("( a b )")


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        ([], [], "at least one sentence"),
        (["a b"], ["x"], "text at row 0, and this model reads given parses"),
        (TREE, ["x"], "got Tree"),
        ([TREE, (TREE, TREE)], ["x", "y"], "either single sentences or pairs"),
        ([TREE, TREE], ["x"], "give one target a sample"),
        ([TREE, TREE], ["x", "x"], "two classes or more"),
        ([TREE, TREE], ["x", None], "None at row 1"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(X, y, words):
    model = small()
    with pytest.raises(InvalidDataError, match=words):
        model.fit(X, y)
    assert not hasattr(model, "model_")


@pytest.mark.parametrize(
    "wrong", [{"encoder": "tree"}, {"hidden": 0}, {"clip": 0}, {"features": "x"}, {"multiply": 1}, {"max_iter": 1.5}]
)
def test_bad_parameters_are_refused(wrong):
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        small(**wrong).fit([TREE, TREE], ["x", "y"])


def test_a_pair_model_refuses_single_trees(logic):
    model = small(max_iter=1).fit(logic["train"], logic["train"].y)
    with pytest.raises(InvalidDataError, match="pairs of sentences as in fit"):
        model.predict([TREE])
