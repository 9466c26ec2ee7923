"""Parsing with a beam: of each sentence the k likeliest beginnings are kept, not the likeliest step alone.

A hypothesis is a stack, a place in the buffer, the tracker's state and a score: the sum of log p(transition), where p
is among the transitions that are possible (one that has no alternative costs nothing). All hypotheses of all
sentences advance together; after each transition the k best of each sentence go on. With k = 1 this is the machine's
own way. All parses of n words take 2n - 1 transitions, so that scores compare.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import InvalidArgumentError
from pellucid.networks.spinn.machine import Cell, reduce, track_lstm
from pellucid.trees import REDUCE

__all__ = ["beam_parse"]


@torch.no_grad()
def beam_parse(cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray], width: int) -> list[np.ndarray]:
    """Return the best transitions that a beam of ``width`` finds for each sentence; leaves (V, 2H)."""
    if not cell.predict:
        raise InvalidArgumentError("a beam needs a cell that predicts transitions; set predict=True")
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    longest = int(lengths.max())
    words = np.zeros((len(tokens), longest), np.int64)  # (B, n) rows of the leaves; indices only
    for row, own in enumerate(tokens):
        words[row, : len(own)] = 1 + own
    H, nothing = cell.hidden, leaves.new_zeros(1, cell.hidden)
    h, c = (torch.cat([nothing, part]) for part in (leaves[:, :H], leaves[:, H:]))  # row 0 is the empty place
    sentence = np.arange(len(tokens))  # (M,) whose hypothesis each is
    stack, depth, read = np.zeros((len(tokens), longest), np.int64), sentence * 0, sentence * 0
    history, score = np.zeros((len(tokens), 2 * longest - 1), np.uint8), np.zeros(len(tokens))
    e = m = leaves.new_zeros(len(tokens), cell.tracker)
    found: list[np.ndarray] = [np.zeros(0, np.uint8)] * len(tokens)
    for step in range(2 * longest - 1):
        n = lengths[sentence]
        buffer = np.where(read < n, words[sentence, np.minimum(read, n - 1)], 0)
        every = np.arange(len(sentence))
        top = np.where(depth > 0, stack[every, depth - 1], 0)
        second = np.where(depth > 1, stack[every, depth - 2], 0)
        e, m = track_lstm(cell, [h[buffer], h[top], h[second], e], m)
        logits = (e @ cell.U + cell.u).double().cpu().numpy()  # (M, 2) of SHIFT, of REDUCE
        logits[read == n, 0], logits[depth < 2, 1] = -np.inf, -np.inf
        total = score[:, None] + logits - np.logaddexp(logits[:, :1], logits[:, 1:])  # (M, 2)
        kept = _best(total, sentence, width)
        parent, transition = kept // 2, kept % 2
        sentence, score, history = sentence[parent], total.ravel()[kept], history[parent]
        history[:, step] = transition
        stack, depth, read, buffer = stack[parent], depth[parent], read[parent], buffer[parent]
        chosen = torch.from_numpy(parent).to(e.device)
        e, m = e[chosen], m[chosen]
        made = buffer.copy()
        down = np.flatnonzero(transition == REDUCE)
        if len(down):
            left, right = stack[down, depth[down] - 2], stack[down, depth[down] - 1]
            new_h, new_c = reduce(
                cell, (h[left], c[left]), (h[right], c[right]), e[torch.from_numpy(down).to(e.device)]
            )
            made[down] = len(h) + np.arange(len(down))
            h, c = torch.cat([h, new_h]), torch.cat([c, new_c])
        depth, read = depth + 1 - 2 * transition, read + 1 - transition
        stack[np.arange(len(depth)), depth - 1] = made
        is_done = step + 1 == 2 * lengths[sentence] - 1
        for row in np.flatnonzero(is_done)[::-1]:  # the best of each sentence comes first, so it is written last
            found[sentence[row]] = history[row, : step + 1].copy()
        if is_done.any():
            going = np.flatnonzero(~is_done)
            sentence, score, history = sentence[going], score[going], history[going]
            stack, depth, read = stack[going], depth[going], read[going]
            chosen = torch.from_numpy(going).to(e.device)
            e, m = e[chosen], m[chosen]
    return found


def _best(total: np.ndarray, sentence: np.ndarray, width: int) -> np.ndarray:
    """Return the places in ``total`` (M, 2), flat, of each sentence's best, best first, at most ``width`` of each."""
    scores, whose = total.ravel(), np.repeat(sentence, 2)
    order = np.lexsort((-scores, whose))  # stable: of equals SHIFT comes first, as in the machine
    order = order[np.isfinite(scores[order])]
    first = np.searchsorted(whose[order], whose[order])
    return order[np.arange(len(order)) - first < width]
