"""The peer of the SPINN tasks: buffers and stacks as Python lists of states, bundled anew for every transition.

This is how the article and its readers write it: each example has a list for its buffer and one for its stack,
whose entries are rows (1, 2H); a step concatenates what it needs of all examples, runs torch's own layers on it,
and splits the result again. Written freshly for today's torch.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Spinn", "padded"]

WAIT = 2  # a transition beyond the end of a sentence


def bundle(states: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return h and c (n, H) of n rows (1, 2H)."""
    h, c = torch.chunk(torch.cat(list(states), 0), 2, 1)
    return h, c


def unbundle(state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return n rows (1, 2H) of h and c (n, H)."""
    return torch.split(torch.cat(list(state), 1), 1, 0)


class Reduce(nn.Module):
    """Two children to one state, by a linear layer a child and one for the tracker."""

    def __init__(self, hidden: int, tracker: int) -> None:
        super().__init__()
        self.left = nn.Linear(hidden, 5 * hidden)
        self.right = nn.Linear(hidden, 5 * hidden, bias=False)
        if tracker:
            self.track = nn.Linear(tracker, 5 * hidden, bias=False)

    def forward(self, lefts: list[Tensor], rights: list[Tensor], trackings: list[Any]) -> tuple[Tensor, ...]:
        left, right = bundle(lefts), bundle(rights)
        z = self.left(left[0]) + self.right(right[0])
        if hasattr(self, "track"):
            z = z + self.track(bundle(trackings)[0])
        a, i, f_left, f_right, o = z.chunk(5, 1)
        c = a.tanh() * i.sigmoid() + f_left.sigmoid() * left[1] + f_right.sigmoid() * right[1]
        return unbundle((o.sigmoid() * c.tanh(), c))


class Spinn(nn.Module):
    """The whole, with the weights of a ``Cell``."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        H, T = cell.hidden, cell.tracker
        self.reduce = Reduce(H, T)
        self.tracker = nn.LSTMCell(3 * H, T) if T else None
        with torch.no_grad():
            self.reduce.left.weight.copy_(cell.W[:H].T)
            self.reduce.left.bias.copy_(cell.b)
            self.reduce.right.weight.copy_(cell.W[H : 2 * H].T)
            if self.tracker is not None:
                self.reduce.track.weight.copy_(cell.W[2 * H :].T)
                order = torch.arange(4 * T).view(4, T)[[1, 2, 0, 3]].flatten()  # torch's: i, f, g, o
                self.tracker.weight_ih.copy_(cell.V[: 3 * H].T[order])
                self.tracker.weight_hh.copy_(cell.V[3 * H :].T[order])
                self.tracker.bias_ih.copy_(cell.d[order])
                self.tracker.bias_hh.zero_()

    def forward(self, buffers: Tensor, transitions: Sequence[Sequence[int]]) -> Tensor:
        """Return h (B, H) of buffers (L, B, 2H), last word first, and a list of transitions a step."""
        queues = [list(torch.split(b.squeeze(1), 1, 0)) for b in torch.split(buffers, 1, 1)]
        stacks = [[queue[0], queue[0]] for queue in queues]
        state: Any = None
        for step in transitions:
            tracked: Iterator[Any] | tuple[Tensor, ...] = repeat(None)
            if self.tracker is not None:
                seen = [bundle(queue[-1] for queue in queues)[0]]
                seen += [bundle(stack[-place] for stack in stacks)[0] for place in (1, 2)]
                state = self.tracker(torch.cat(seen, 1), state)
                tracked = unbundle(state)
            lefts, rights, trackings = [], [], []
            for transition, queue, stack, tracking in zip(step, queues, stacks, tracked, strict=False):
                if transition == 0:
                    stack.append(queue.pop())
                elif transition == 1:
                    rights.append(stack.pop())
                    lefts.append(stack.pop())
                    trackings.append(tracking)
            if rights:
                reduced = iter(self.reduce(lefts, rights, trackings))
                for transition, stack in zip(step, stacks, strict=True):
                    if transition == 1:
                        stack.append(next(reduced))
        return bundle(stack.pop() for stack in stacks)[0]


def padded(
    leaves: Tensor, tokens: Sequence[np.ndarray], transitions: Sequence[np.ndarray]
) -> tuple[Tensor, list[list[int]]]:
    """Return the buffers (L, B, 2H), zero rows first, then words from last to first, and transitions a step."""
    longest = max(map(len, tokens))
    buffers = leaves.new_zeros(longest + 1, len(tokens), leaves.shape[1])
    steps = np.full((2 * longest - 1, len(tokens)), WAIT)
    for k, (words, own) in enumerate(zip(tokens, transitions, strict=True)):
        buffers[-len(words) :, k] = leaves[torch.from_numpy(words[::-1].copy())]
        steps[: len(own), k] = own
    return buffers, steps.tolist()
