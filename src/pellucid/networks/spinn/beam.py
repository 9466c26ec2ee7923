"""Parsing with a beam: of each sentence the k likeliest beginnings are kept, not the likeliest step alone.

A hypothesis is a stack, a place in the buffer, the tracker's state and a score: the sum of log p(transition), where p
is among the transitions that are possible (one that has no alternative costs nothing). All hypotheses of all
sentences advance together; after each transition the k best of each sentence go on. With k = 1 this is the machine's
own way. All parses of n words take 2n - 1 transitions, so that scores compare.

Stacks and histories are not copied: a transition makes a node, which knows the state on top, the node of the stack
below, the node before, and what was done. Two hypotheses share what they have in common, and the work grows with n.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import InvalidArgumentError
from pellucid.networks.spinn.machine import Cell, reduce, track_lstm
from pellucid.trees import REDUCE

__all__ = ["beam_parse"]


class _Nodes:
    """What transitions made; node 0 is the empty stack, whose state is row 0, zeros. Room doubles when it is full."""

    def __init__(self, leaves: Tensor, hidden: int) -> None:
        nothing = leaves.new_zeros(1, hidden)
        self.h, self.c = (torch.cat([nothing, part]) for part in (leaves[:, :hidden], leaves[:, hidden:]))
        self.rows, self.count = len(self.h), 1
        self.state, self.below, self.before = (np.zeros(1, np.int64) for _ in range(3))
        self.done = np.zeros(1, np.uint8)

    def add(self, before: np.ndarray, done: np.ndarray, state: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Return the numbers of new nodes (M,)."""
        new = np.arange(self.count, self.count + len(before))
        self.count += len(before)
        if self.count > len(self.state):
            self.state, self.below, self.before, self.done = (
                np.concatenate([old, np.zeros(self.count, old.dtype)])
                for old in (self.state, self.below, self.before, self.done)
            )
        self.state[new], self.below[new], self.before[new], self.done[new] = state, below, before, done
        return new

    def add_states(self, h: Tensor, c: Tensor) -> np.ndarray:
        """Return the rows of new states (M,)."""
        new = np.arange(self.rows, self.rows + len(h))
        self.rows += len(h)
        if self.rows > len(self.h):
            self.h, self.c = (torch.cat([old, old.new_empty(self.rows, old.shape[1])]) for old in (self.h, self.c))
        self.h[new[0] : self.rows], self.c[new[0] : self.rows] = h, c
        return new

    def histories(self, node: np.ndarray, lengths: np.ndarray) -> list[np.ndarray]:
        """Return all that was done, 2n - 1 transitions each, up to these nodes (B,)."""
        steps = 2 * lengths - 1
        found = np.zeros((len(node), steps.max()), np.uint8)  # (B, T)
        for step in range(found.shape[1])[::-1]:
            going = np.flatnonzero(step < steps)
            found[going, step] = self.done[node[going]]
            node[going] = self.before[node[going]]
        return [row[:count] for row, count in zip(found, steps.tolist(), strict=True)]


@torch.no_grad()
def beam_parse(cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray], width: int) -> list[np.ndarray]:
    """Return the best transitions that a beam of ``width`` finds for each sentence; leaves (V, 2H)."""
    if not cell.predict:
        raise InvalidArgumentError("a beam needs a cell that predicts transitions; set predict=True")
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    words, begin = 1 + np.concatenate(tokens), lengths.cumsum() - lengths
    nodes, last = _Nodes(leaves, cell.hidden), np.zeros(len(tokens), np.int64)
    sentence = np.arange(len(tokens))  # (M,) whose hypothesis each is
    node, read, score = sentence * 0, sentence * 0, np.zeros(len(tokens))  # of each hypothesis
    e = m = leaves.new_zeros(len(tokens), cell.tracker)
    for step in range(2 * int(lengths.max()) - 1):
        n = lengths[sentence]
        buffer = np.where(read < n, words[begin[sentence] + np.minimum(read, n - 1)], 0)
        below = nodes.below[node]
        seen = [nodes.h[torch.from_numpy(row).to(e.device)] for row in (buffer, nodes.state[node], nodes.state[below])]
        e, m = track_lstm(cell, [*seen, e], m)
        logits = (e @ cell.U + cell.u).double().cpu().numpy()  # (M, 2) of SHIFT, of REDUCE
        logits[read == n, 0], logits[below == 0, 1] = -np.inf, -np.inf
        total = score[:, None] + logits - np.logaddexp(logits[:, :1], logits[:, 1:])  # (M, 2)
        kept = _best(total, sentence, width)
        parent, transition = kept // 2, kept % 2
        sentence, score = sentence[parent], total.ravel()[kept]
        node, below, read, state = node[parent], below[parent], read[parent] + 1 - transition, buffer[parent]
        chosen = torch.from_numpy(parent).to(e.device)
        e, m = e[chosen], m[chosen]
        down = np.flatnonzero(transition == REDUCE)
        if len(down):
            children = [torch.from_numpy(nodes.state[child[down]]).to(e.device) for child in (below, node)]
            left, right = ((nodes.h[rows], nodes.c[rows]) for rows in children)
            state[down] = nodes.add_states(*reduce(cell, left, right, e[torch.from_numpy(down).to(e.device)]))
        node = nodes.add(node, transition, state, np.where(transition == REDUCE, nodes.below[below], node))
        is_done = step + 1 == 2 * lengths[sentence] - 1
        if is_done.any():
            whose, first = np.unique(sentence[is_done], return_index=True)  # the best of each comes first
            last[whose] = node[is_done][first]
            going = np.flatnonzero(~is_done)
            sentence, score, node, read = sentence[going], score[going], node[going], read[going]
            chosen = torch.from_numpy(going).to(e.device)
            e, m = e[chosen], m[chosen]
    return nodes.histories(last, lengths)


def _best(total: np.ndarray, sentence: np.ndarray, width: int) -> np.ndarray:
    """Return the places in ``total`` (M, 2), flat, of each sentence's best, best first, at most ``width`` of each."""
    scores, whose = total.ravel(), np.repeat(sentence, 2)
    order = np.lexsort((-scores, whose))  # stable: of equals SHIFT comes first, as in the machine
    order = order[np.isfinite(scores[order])]
    first = np.searchsorted(whose[order], whose[order])
    return order[np.arange(len(order)) - first < width]
