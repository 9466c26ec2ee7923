"""Own parses at speed: what ``machine.py`` does without given transitions, all sentences a transition at a time."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import InvalidArgumentError
from pellucid.networks.spinn.batched import _flat
from pellucid.networks.spinn.machine import Cell, Encoded

__all__ = ["parse"]


@torch.no_grad()
def parse(cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray]) -> Encoded:
    """Read sentences by the cell's own transitions (masked), without gradient; on the CPU, in compiled code."""
    from pellucid.parts.compiled.parsing import doubled
    from pellucid.parts.compiled.parsing import parse as compiled

    if not cell.predict:
        raise InvalidArgumentError("transitions must be given to a cell that predicts none; or set predict=True")
    words, lengths = _flat(tokens, len(leaves))
    order = np.argsort(-lengths, kind="stable")
    H, T, base, R = cell.hidden, cell.tracker, 1 + len(leaves), int((lengths - 1).sum())
    table, W, b, V, d, U, u = (
        tensor.detach().cpu().numpy() for tensor in (leaves, cell.W, cell.b, cell.V, cell.d, cell.U, cell.u)
    )
    h, c = (np.empty((base + R, H), table.dtype) for _ in range(2))
    h[0], c[0] = 0, 0
    h[1:base], c[1:base] = table[:, :H], table[:, H:]
    V = doubled(V, T)
    taken, roots = np.empty((len(lengths), 2 * int(lengths.max()) - 1), np.uint8), np.empty(len(lengths), np.int64)
    compiled(
        words, (lengths.cumsum() - lengths)[order], lengths[order], h, c, doubled(W, H), doubled(b, H), V[:H],
        np.concatenate([V[H : 2 * H], V[2 * H : 3 * H]], 1), V[3 * H :], doubled(d, T), U[:, 1] - U[:, 0], u[1] - u[0], taken, roots,
        cell.multiply,
    )  # fmt: skip
    back = np.argsort(order)
    transitions = [taken[row, : 2 * n - 1] for row, n in zip(back.tolist(), lengths.tolist(), strict=True)]
    return Encoded(torch.from_numpy(h[roots[back]]).to(leaves.device), transitions, None)
