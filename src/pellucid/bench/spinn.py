"""The SPINN tasks: sentences of given parses, forward and backward, against the article's list-of-stacks code.

Both have the same weights and sentences and compute the same function; quality is the mean of h², so that a
difference shows. Making the plan of indices from the transitions is part of Pellucid's time. The peer's buffers
stand padded before the clock starts. ``article`` has its transitions in a tensor, as published, whose elements
today's torch compares one by one; ``article-lists`` has them as Python's integers, which is quicker.
A place that is empty is zero for both.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.peers import has_torch

__all__ = ["TASKS", "random_sentences", "random_transitions"]

SHORTEST, LONGEST = 10, 18  # words: 14 in the mean


def random_transitions(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return the transitions of a binary tree over n words, each split uniform."""
    steps: list[int] = []
    waiting = [n]  # sizes of subtrees, 0 for a REDUCE that is due
    while waiting:
        size = waiting.pop()
        if size == 0:
            steps.append(1)
        elif size == 1:
            steps.append(0)
        else:
            left = int(rng.integers(1, size))
            waiting += [0, size - left, left]
    return np.array(steps, np.uint8)


def random_sentences(seed: int, count: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return tokens, all different, and transitions of ``count`` sentences."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(SHORTEST, LONGEST + 1, count)
    starts = np.concatenate([[0], lengths.cumsum()])
    tokens = [np.arange(first, last) for first, last in pairwise(starts)]
    return tokens, [random_transitions(rng, int(n)) for n in lengths]


def reading(hidden: int, tracker: int, batch: int) -> Task:
    """Return the task of reading one batch, forward and backward."""

    def task(setting: Setting) -> Comparison:
        import torch

        from pellucid.networks.spinn.batched import plan
        from pellucid.networks.spinn.machine import Cell

        torch.manual_seed(0)
        cell = Cell(hidden, tracker)
        tokens, transitions = random_sentences(0, batch)
        leaves = torch.randn(sum(map(len, tokens)), 2 * hidden, requires_grad=True)

        def ours() -> Contender:
            from pellucid.networks.spinn.batched import encode

            def work(seed: int) -> Any:
                cell.zero_grad()
                leaves.grad = None
                h = encode(cell, leaves, tokens, transitions).h
                h.sum().backward()
                return h

            return Contender(work, lambda h: float(h.detach().square().mean()))

        def article(as_tensor: bool) -> Contender:
            from pellucid.bench.list_stacks import Spinn, padded

            model = Spinn(cell)
            buffers, listed = padded(leaves.detach(), tokens, transitions)
            steps: Any = torch.tensor(listed) if as_tensor else listed
            buffers.requires_grad_()

            def work(seed: int) -> Any:
                model.zero_grad()
                buffers.grad = None
                h = model(buffers, steps)
                h.sum().backward()
                return h

            return Contender(work, lambda h: float(h.detach().square().mean()))

        made = plan(tokens, transitions, len(leaves), tracker=tracker > 0)
        contenders: dict[str, Callable[[], Contender]] = {
            OURS: ours,
            "article": lambda: article(True),
            "article-lists": lambda: article(False),
        }
        per = f"{batch} sentences of {SHORTEST}-{LONGEST} words, hidden {hidden}, tracker {tracker}, both ways, float32"
        return Comparison(per, contenders, products(made, hidden, tracker))

    return task


def products(made: Any, hidden: int, tracker: int) -> tuple[tuple[int, int, int, int], ...]:
    """Return the products (m, k, n, count) of a plan: one a step each way, one a weight at the end."""
    inputs, found = 2 * hidden + tracker, []
    for starts, gates in ((made.reduce_start, 5 * hidden), (made.track_start, 4 * tracker)):
        if len(starts) < 2 or not gates:
            continue
        for n in np.diff(starts):
            found += [(int(n), inputs, gates, 1), (int(n), gates, inputs, 1)]
        found.append((inputs, int(starts[-1]), gates, 1))
    if tracker:
        rows, gates = made.leaves, 4 * tracker
        found += [(rows, hidden, gates, 1), (rows, gates, hidden, 1), (hidden, rows, gates, 1)]
    return tuple(product for product in found if 0 not in product)


SIZES = {
    "spinn-50": (50, 20, 64),
    "spinn-128": (128, 64, 64),
    "spinn-300": (300, 64, 128),
    "treelstm-50": (50, 0, 64),
    "treelstm-128": (128, 0, 64),
    "treelstm-300": (300, 0, 128),
}
# Without PyTorch there is nothing to compare.
TASKS: dict[str, Task] = {name: reading(*sizes) for name, sizes in SIZES.items()} if has_torch() else {}
