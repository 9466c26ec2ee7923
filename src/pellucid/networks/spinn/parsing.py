"""Own parses at speed: what ``machine.py`` does without given transitions, all sentences a transition at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import InvalidArgumentError
from pellucid.networks.spinn.batched import _flat, _give_back, _memory, _space, _weights, _workspace
from pellucid.networks.spinn.machine import Cell, Encoded

__all__ = ["parse"]


@torch.no_grad()
def parse(cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray]) -> Encoded:
    """Read sentences by the cell's own transitions (masked), without gradient; on the CPU, in compiled code."""
    from pellucid.parts.compiled.shift_reduce import parse as compiled

    if not cell.predict:
        raise InvalidArgumentError("transitions must be given to a cell that predicts none; or set predict=True")
    words, lengths = _flat(tokens, len(leaves))
    order = np.argsort(-lengths, kind="stable")
    H, T, B, base, R = cell.hidden, cell.tracker, len(lengths), 1 + len(leaves), int((lengths - 1).sum())
    table, W, b, V, d, U, u = (
        _memory(tensor.cpu()) for tensor in (leaves, cell.W, cell.b, cell.V, cell.d, cell.U, cell.u)
    )
    shapes = [
        (base + R, H), (base + R, H), (base, 4 * T), (1 + R, 4 * T), (2 * B, T), (2 * B, T),
        (B, len(W)), (B, 5 * H), (2 * B, H + T), (2 * B, 4 * T), (R, H),
    ]  # fmt: skip
    space, *arrays = _workspace([_space(table.dtype, _weights(H, T, len(W))), *shapes], table.dtype)
    h, c, P, Q, e, m, X, Z, Y, G, C = arrays
    taken, roots = np.empty((B, 2 * int(lengths.max()) - 1), np.uint8), np.empty(B, np.int64)
    compiled(
        words, (lengths.cumsum() - lengths)[order], lengths[order], table, h, c, P, Q, e, m, W, b, V, d,
        U[:, 1] - U[:, 0], u[1] - u[0], X, Z, Y, G, C, taken, roots, cell.multiply, space,
    )  # fmt: skip
    back = np.argsort(order)
    transitions = [taken[row, : 2 * n - 1] for row, n in zip(back.tolist(), lengths.tolist(), strict=True)]
    out = h[roots[back]]  # a copy
    _give_back(h)
    return Encoded(torch.from_numpy(out).to(leaves.device), transitions, None)
