"""The machine, one sentence at a time, is the oracle; torch's autograd through it gives the gradients."""

from copy import deepcopy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.errors import InvalidArgumentError, InvalidDataError  # noqa: E402
from pellucid.networks.spinn import batched  # noqa: E402
from pellucid.networks.spinn.batched import encode, plan  # noqa: E402
from pellucid.networks.spinn.machine import Cell, machine  # noqa: E402
from pellucid.networks.spinn.parsing import parse  # noqa: E402

CELLS = [(5, 0, False, False), (5, 0, False, True), (4, 3, False, False), (6, 3, True, False), (3, 4, True, True)]


def random_tree(rng, n):
    """Return transitions of a random binary tree over n words."""
    steps, shifts, depth = [], 0, 0
    for _ in range(2 * n - 1):
        reduce = depth > 1 and (shifts == n or rng.random() < 0.5)
        steps.append(int(reduce))
        shifts += not reduce
        depth += -1 if reduce else 1
    return np.array(steps, np.uint8)


def batch(seed, leaves=7, sentences=6):
    rng = np.random.default_rng(seed)
    lengths = [1, *rng.integers(1, 12, sentences)]
    rng.shuffle(lengths)
    return [rng.integers(0, leaves, n) for n in lengths], [random_tree(rng, n) for n in lengths]


def cell_of(setting, seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    hidden, tracker, predict, multiply = setting
    cell = Cell(hidden, tracker, predict=predict, multiply=multiply).to(dtype)
    with torch.no_grad():  # biases too must matter
        for weights in cell.parameters():
            weights.add_(0.3 * torch.randn_like(weights))
    return cell, torch.randn(7, 2 * hidden, dtype=dtype, requires_grad=True)


def results(function, cell, leaves, *arguments, **keywords):
    """Return outputs and all gradients of a loss in which every output has a weight of its own."""
    for tensor in (leaves, *cell.parameters()):
        tensor.grad = None
    found = function(cell, leaves, *arguments, **keywords)
    generator = torch.Generator().manual_seed(1)
    outputs = [found.h] if found.logits is None else [found.h, found.logits]
    weights = [torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out.dtype) for out in outputs]
    sum((out * weight).sum() for out, weight in zip(outputs, weights, strict=True)).backward()
    return [*outputs, leaves.grad, *(weights.grad for weights in cell.parameters() if weights.numel())]


@pytest.mark.parametrize("setting", CELLS)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [False, True])
def test_batched_is_the_machine_in_outputs_and_all_gradients(setting, seed, share):
    cell, leaves = cell_of(setting, seed)
    tokens, transitions = batch(seed)
    expected = results(machine, cell, leaves, tokens, transitions)
    found = results(encode, cell, leaves, tokens, transitions, share=share)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


@pytest.mark.parametrize("setting", CELLS)
def test_where_weights_are_not_packed_blas_computes_the_same(setting, monkeypatch):
    monkeypatch.setattr("pellucid.parts.processor.is_fast", lambda: False)
    cell, leaves = cell_of(setting)
    tokens, transitions = batch(4)
    expected = results(machine, cell, leaves, tokens, transitions)
    found = results(encode, cell, leaves, tokens, transitions)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-10)
    if cell.predict:
        for one, other in zip(
            machine(cell, leaves, tokens).transitions, parse(cell, leaves, tokens).transitions, strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("packed", [True, False])
def test_sentences_of_one_word_have_one_step_and_are_the_machine_too(packed, monkeypatch):
    if not packed:
        monkeypatch.setattr("pellucid.parts.processor.is_fast", lambda: False)
    cell, leaves = cell_of((5, 3, True, False))
    tokens, transitions = [np.array([0]), np.array([2])], [np.zeros(1, np.uint8)] * 2
    expected = results(machine, cell, leaves, tokens, transitions)
    found = results(encode, cell, leaves, tokens, transitions)
    for one, other in zip(expected, found, strict=True):
        if one is None:  # the machine never came to Reduce
            assert not other.any()
        else:
            torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("hidden", "tracker"), [(50, 20), (70, 0), (33, 17)])
def test_sizes_beyond_one_vector_are_the_machine_too(hidden, tracker):
    cell, leaves = cell_of((hidden, tracker, tracker > 0, True))
    tokens, transitions = batch(5, sentences=30)
    expected = results(machine, cell, leaves, tokens, transitions)
    for _ in range(2):  # the second time in memory that was used before
        found = results(encode, cell, leaves, tokens, transitions)
        for one, other in zip(expected, found, strict=True):
            torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("hidden", "tracker"), [(260, 0), (260, 256)])
def test_float32_of_many_units_is_the_machine_to_rounding(hidden, tracker):
    """So large products go by the matrix unit where there is one."""
    torch.manual_seed(0)
    cell = Cell(hidden, tracker)
    leaves = torch.randn(7, 2 * hidden, requires_grad=True)
    tokens, transitions = batch(5, sentences=40)
    found = results(encode, cell, leaves, tokens, transitions)
    exact = results(machine, deepcopy(cell).double(), leaves.detach().double().requires_grad_(), tokens, transitions)
    for one, other in zip(exact, found, strict=True):
        torch.testing.assert_close(other.double(), one, rtol=0, atol=3e-6 * float(one.detach().abs().max()))


def test_a_batch_in_flight_keeps_its_memory():
    cell, leaves = cell_of((20, 9, False, False))
    tokens, transitions = batch(6)
    alone = results(encode, cell, leaves, tokens, transitions)
    leaves.grad = None
    first = encode(cell, leaves, tokens, transitions).h
    others = [encode(cell, leaves, *batch(seed)).h for seed in (7, 8, 9)]
    encode(cell, leaves, *batch(7)).h.sum().backward()
    leaves.grad = None
    generator = torch.Generator().manual_seed(1)
    (first * torch.randn(first.shape, generator=generator, dtype=first.dtype)).sum().backward()
    torch.testing.assert_close(leaves.grad, alone[1], rtol=0, atol=0)
    assert all(other.isfinite().all() for other in others)


def test_the_number_of_threads_changes_no_bit():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    from pellucid.parts.processor import is_fast

    if not is_fast():
        pytest.skip("BLAS multiplies on this machine")
    cell, leaves = cell_of((96, 48, False, False), dtype=torch.float32)
    tokens, transitions = batch(2, sentences=64)
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            found.append(results(encode, cell, leaves, tokens, transitions))
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("setting", CELLS)
def test_torch_operations_are_the_machine_too(setting, monkeypatch):
    cell, leaves = cell_of(setting)
    tokens, transitions = batch(3)
    expected = results(machine, cell, leaves, tokens, transitions)
    monkeypatch.setattr(batched, "_is_compiled", lambda tensor: False)
    monkeypatch.setattr("pellucid.parts.compiled.shift_reduce.forward", None)
    found = results(encode, cell, leaves, tokens, transitions)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


@pytest.mark.parametrize("seed", range(8))
def test_own_transitions_are_those_of_the_machine(seed):
    cell, leaves = cell_of((6, 3, True, False), seed)
    tokens, _ = batch(seed, sentences=12)
    expected, found = machine(cell, leaves, tokens), parse(cell, leaves, tokens)
    for one, other in zip(expected.transitions, found.transitions, strict=True):
        np.testing.assert_array_equal(one, other)
    torch.testing.assert_close(found.h, expected.h.detach(), rtol=0, atol=1e-10)
    torch.testing.assert_close(encode(cell, leaves, tokens).h, expected.h, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("hidden", "tracker"), [(1, 1), (2, 2), (3, 3), (5, 4), (6, 5), (20, 9)])
@pytest.mark.parametrize("sentences", [1, 2, 3, 5])
def test_rows_much_shorter_than_a_vector_spoil_no_other_sentence(hidden, tracker, sentences):
    cell, leaves = cell_of((hidden, tracker, True, True))
    cell, leaves = cell.float(), leaves.detach().float().requires_grad_()
    with torch.no_grad():
        for weight in cell.parameters():
            weight.mul_(3)
    tokens, transitions = batch(7, sentences=sentences)
    expected, found = machine(cell, leaves, tokens), parse(cell, leaves, tokens)
    for one, other in zip(expected.transitions, found.transitions, strict=True):
        np.testing.assert_array_equal(one, other)
    torch.testing.assert_close(found.h, expected.h.detach(), rtol=0, atol=1e-5)
    pairs = zip(*(results(way, cell, leaves, tokens, transitions) for way in (machine, encode)), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


def test_equal_subtrees_are_computed_once():
    tokens, transitions = [np.array([0, 1, 2])] * 3, [np.array([0, 0, 1, 0, 1], np.uint8)] * 3
    assert plan(tokens, transitions, 3, tracker=False, share=True).left.size == 2
    assert plan(tokens, transitions, 3, tracker=False, share=False).left.size == 6


def test_float32_agrees_to_its_own_precision():
    cell, leaves = cell_of((6, 3, True, False), dtype=torch.float32)
    tokens, transitions = batch(1)
    for one, other in zip(
        results(machine, cell, leaves, tokens, transitions),
        results(encode, cell, leaves, tokens, transitions),
        strict=True,
    ):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("tokens", "transitions", "message"),
    [
        ([[0, 1]], [[0, 1, 0]], "transition 1 of sentence 0 cannot be done"),
        ([[0], [0, 1]], [[0], [0, 0, 0]], "transition 2 of sentence 1 cannot be done"),
        ([[0, 1]], [[0, 0, 2]], "got 2"),
        ([[0, 1]], [[0, 0]], "2 words take 3 transitions, got 2 in sentence 0"),
        ([[0, 9]], [[0, 0, 1]], "0 to 6, got 9"),
        ([[]], [[]], "got none in sentence 0"),
        ([], [], "at least one sentence"),
    ],
)
def test_what_cannot_be_read_is_named(tokens, transitions, message):
    cell, leaves = cell_of((4, 0, False, False))
    with pytest.raises(InvalidDataError, match=message):
        encode(cell, leaves, [np.array(s, int) for s in tokens], [np.array(t, np.uint8) for t in transitions])


def test_a_cell_that_predicts_nothing_needs_transitions():
    cell, leaves = cell_of((4, 3, False, False))
    for function in (machine, encode):
        with pytest.raises(InvalidArgumentError, match="predict=True"):
            function(cell, leaves, [np.array([0])])


def test_without_torch_the_extra_is_named(monkeypatch):
    from pellucid.errors import MissingExtraError
    from pellucid.networks import spinn

    monkeypatch.setattr(spinn, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pellucid\[torch\]"):
        _ = spinn.Cell


def test_a_plan_for_another_table_is_refused():
    cell, leaves = cell_of((4, 0, False, False))
    made = batched.plan([np.array([0])], [np.array([0], np.uint8)], 3, tracker=False)
    with pytest.raises(InvalidArgumentError, match="3 leaves without tracker"):
        encode(cell, leaves, [], made=made)
