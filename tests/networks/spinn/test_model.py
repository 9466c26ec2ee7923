"""Encoders beside plain torch, one sentence at a time; every node beside its own subtree; the article's sizes."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.networks.spinn.batched import encode, plan  # noqa: E402
from pellucid.networks.spinn.machine import machine  # noqa: E402
from pellucid.networks.spinn.model import Side, TreeClassifier, node_rows, open_transitions  # noqa: E402
from pellucid.trees import Tree  # noqa: E402

RNG = np.random.default_rng(0)
LENGTHS = (1, 7, 3, 3, 12, 2)


def random_tree(n):
    steps, shifts, depth = [], 0, 0
    for _ in range(2 * n - 1):
        reduce = depth > 1 and (shifts == n or RNG.random() < 0.5)
        steps.append(int(reduce))
        shifts += not reduce
        depth += -1 if reduce else 1
    return np.array(steps, np.uint8)


def side(lengths=LENGTHS):
    return Side([RNG.integers(0, 9, n) for n in lengths], [random_tree(n) for n in lengths])


def module(encoder, **settings):
    torch.manual_seed(1)
    sizes = {"embedding": 4, "hidden": 5, "tracker": 3, "mlp": 6, "sides": 1} | settings
    return TreeClassifier(9, 3, encoder=encoder, **sizes).double().eval()


@pytest.mark.parametrize("encoder", ["lstm", "gru", "rnn"])
def test_a_sequence_encoder_is_the_plain_one_of_torch_sentence_by_sentence(encoder):
    model, given = module(encoder), side()
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[encoder]
    plain = kind(5, 5).double()
    plain.load_state_dict(model.sequence.state_dict())
    expected = torch.stack(
        [plain(model.project(model.embedding(torch.from_numpy(words))))[0][-1] for words in given.tokens]
    )
    found = model.encode(model.prepare([given]))[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    one, other = (
        torch.autograd.grad(h.square().sum(), weights)
        for h, weights in ((found, list(model.sequence.parameters())), (expected, list(plain.parameters())))
    )
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_the_sum_is_the_sum_of_the_projected_words():
    model, given = module("sum"), side()
    expected = [model.project(model.embedding(torch.from_numpy(words))).sum(0) for words in given.tokens]
    torch.testing.assert_close(model.encode(model.prepare([given]))[0], torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize("encoder", ["treelstm", "spinn"])
def test_leaves_of_each_token_and_of_each_word_give_the_same(encoder):
    """Dropout of almost nothing makes each token a leaf of its own; in training it must not change the sentences."""
    given = [side(), side()]
    plain, each = module(encoder, sides=2), module(encoder, sides=2, dropout_embedding=1e-300)
    each.train()
    one, other = plain.prepare(given, train=True), each.prepare(given, train=True)
    assert len(one.words) < len(other.words)
    torch.testing.assert_close(each(other).logits, plain(one).logits, rtol=0, atol=1e-12)


def test_own_parses_are_those_of_the_machine():
    model, given = module("spinn", predict=True), side()
    h, _, taken = model.encode(model.prepare([given], own=True))
    expected = machine(model.cell, model.project(model.embedding.weight), given.tokens)
    torch.testing.assert_close(h, expected.h, rtol=0, atol=1e-12)
    for one, two in zip(taken, expected.transitions, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_transition_loss_is_that_of_the_machine_where_there_is_a_choice():
    model, given = module("spinn", predict=True), side()
    found = model(model.prepare([given], train=True)).transition_loss
    logits = machine(model.cell, model.project(model.embedding.weight), given.tokens, given.transitions).logits
    losses, at = [], 0
    for words, steps in zip(given.tokens, given.transitions, strict=True):
        shifts = depth = 0
        for step in steps:
            if shifts < len(words) and depth > 1:
                losses.append(-logits[at].log_softmax(0)[int(step)])
            shifts, depth, at = shifts + (step == 0), depth + (1 if step == 0 else -1), at + 1
    torch.testing.assert_close(found, torch.stack(losses).mean(), rtol=0, atol=1e-12)


def test_sentences_without_a_choice_cost_nothing():
    places, right = open_transitions([np.array([0], np.uint8), np.array([0, 0, 1], np.uint8)], np.array([1, 2]))
    assert len(places) == len(right) == 0
    model = module("spinn", predict=True)
    given = Side([np.array([1]), np.array([2, 3])], [np.array([0], np.uint8), np.array([0, 0, 1], np.uint8)])
    assert model(model.prepare([given], train=True)).transition_loss.item() == 0.0


def subtrees(words, steps):
    """Return (words, transitions) of every node, in the order of the transitions."""
    tree = Tree([f"w{word}" for word in words], steps)
    made = []
    for t, (begin, end) in enumerate(tree.spans().tolist()):
        n = 2 * (end - begin) - 1
        made.append((np.asarray(words[begin:end]), np.asarray(steps[t - n + 1 : t + 1])))
    return made


@pytest.mark.parametrize("share", [True, False])
def test_every_node_without_tracker_is_its_own_subtree_read_alone(share):
    model, given = module("treelstm", multiply=True), side((1, 6, 6, 9))
    given = Side([*given.tokens, given.tokens[3]], [*given.transitions, given.transitions[3]])  # equal subtrees too
    leaves = model.project(model.embedding.weight)
    made = plan(given.tokens, given.transitions, 9, tracker=False, share=share)
    rows = node_rows(made, given.tokens, given.transitions)
    found = encode(model.cell, leaves, [], made=made, wanted=rows).h
    parts = [part for words, steps in zip(*given, strict=True) for part in subtrees(words, steps)]
    expected = machine(model.cell, leaves, [w for w, _ in parts], [s for _, s in parts]).h
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    one, other = (torch.autograd.grad(h.square().sum(), model.cell.W, retain_graph=True)[0] for h in (found, expected))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_every_node_with_tracker_is_what_the_machine_puts_on_the_stack(monkeypatch):
    from pellucid.networks.spinn import machine as room

    model, given = module("spinn"), side((1, 6, 9, 3))
    leaves = model.project(model.embedding.weight)
    made = plan(given.tokens, given.transitions, 9)
    found = encode(model.cell, leaves, [], made=made, wanted=node_rows(made, given.tokens, given.transitions)).h
    reduced = []
    plain = room.reduce

    def kept(*arguments):
        reduced.append(plain(*arguments))
        return reduced[-1]

    monkeypatch.setattr(room, "reduce", kept)
    expected = []
    for words, steps in zip(*given, strict=True):
        reduced.clear()
        machine(model.cell, leaves, [words], [steps])
        rows, inner = iter(words), iter([h for h, _ in reduced])
        expected += [next(inner) if step else leaves[next(rows)][:5] for step in steps]
    torch.testing.assert_close(found, torch.stack(expected), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("tracker", "published"), [(64, 3_715_591), (0, 3_372_295)])
def test_the_articles_model_has_the_articles_number_of_weights(tracker, published):
    """Torch's LSTM cell has two biases where the tracker here has one: 4T weights fewer. Embeddings are apart."""
    model = TreeClassifier(
        2, 3, sides=2, encoder="spinn" if tracker else "treelstm", embedding=300, hidden=300, tracker=tracker,
        mlp=1024, mlp_layers=2, features="plain", batch_norm=True,
    )  # fmt: skip
    count = sum(weights.numel() for weights in model.parameters()) - model.embedding.weight.numel()
    assert count == published - 4 * tracker
