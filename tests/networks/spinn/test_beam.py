"""The beam beside full enumeration: every tree over a few words, scored by the machine."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.errors import InvalidArgumentError  # noqa: E402
from pellucid.networks.spinn.beam import beam_parse  # noqa: E402
from pellucid.networks.spinn.machine import Cell, machine  # noqa: E402

CATALAN = {1: 1, 2: 1, 3: 2, 4: 5, 5: 14, 6: 42}


def setup(seed):
    torch.manual_seed(seed)
    cell = Cell(4, 3, predict=True).double()
    with torch.no_grad():
        for weights in cell.parameters():
            weights.add_(0.7 * torch.randn_like(weights))
    rng = np.random.default_rng(seed)
    return cell, torch.randn(7, 8, dtype=torch.float64), [rng.integers(0, 7, n) for n in (6, 1, 4, 5, 3, 2, 6)]


def every(n):
    """Return the transitions of all trees over n words."""
    found = []

    def go(steps, shifts, depth):
        if len(steps) == 2 * n - 1:
            found.append(np.array(steps, np.uint8))
            return
        if shifts < n:
            go([*steps, 0], shifts + 1, depth + 1)
        if depth > 1:
            go([*steps, 1], shifts, depth - 1)

    go([], 0, 0)
    return found


def score(cell, leaves, words, steps):
    """Return Σ log p of the transitions, p among those that are possible."""
    logits = machine(cell, leaves, [words], [steps]).logits.detach()
    total, shifts, depth = 0.0, 0, 0
    for row, step in zip(logits, steps, strict=True):
        if shifts < len(words) and depth > 1:
            total += float(row.log_softmax(0)[int(step)])
        shifts, depth = shifts + (step == 0), depth + (1 if step == 0 else -1)
    return total


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_the_machines_own_way(seed):
    cell, leaves, tokens = setup(seed)
    for one, two in zip(beam_parse(cell, leaves, tokens, 1), machine(cell, leaves, tokens).transitions, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_that_drops_nothing_finds_the_best_of_all_trees(seed):
    cell, leaves, tokens = setup(seed)
    found = beam_parse(cell, leaves, tokens, 100)
    for words, steps in zip(tokens, found, strict=True):
        trees = every(len(words))
        assert len(trees) == CATALAN[len(words)]
        best = max(trees, key=lambda tree, words=words: score(cell, leaves, words, tree))
        np.testing.assert_array_equal(steps, best)


def test_a_wider_beam_is_better_in_the_mean():
    totals = dict.fromkeys((1, 3, 100), 0.0)
    for seed in range(12):
        cell, leaves, tokens = setup(seed)
        for width in totals:
            found = beam_parse(cell, leaves, tokens, width)
            totals[width] += sum(score(cell, leaves, words, steps) for words, steps in zip(tokens, found, strict=True))
    assert totals[1] < totals[3] <= totals[100]


def test_the_work_grows_with_the_words_not_with_their_square(monkeypatch):
    torch.manual_seed(0)
    cell, leaves, plain = Cell(4, 3, predict=True), torch.randn(7, 8), torch.cat
    copied = []
    monkeypatch.setattr(torch, "cat", lambda parts, *more: copied.append(sum(map(len, parts))) or plain(parts, *more))
    totals = []
    for n in (200, 400, 800):
        copied.clear()
        (steps,) = beam_parse(cell, leaves, [np.arange(n) % 7], 3)
        assert len(steps) == 2 * n - 1
        totals.append(sum(copied))
    assert totals[2] - totals[1] < 2.5 * (totals[1] - totals[0])


def test_a_cell_that_predicts_nothing_is_refused():
    with pytest.raises(InvalidArgumentError, match="predict=True"):
        beam_parse(Cell(4, 3), torch.zeros(7, 8), [np.array([0])], 2)
