"""The steps of ``stepwise.py`` on a GPU: what lies between two products is one kernel (``triton_kernels.py``).

A GPU waits for each operation that Python gives it. Reading 128 sentences forward and back takes 3,800 of torch's,
and here 12 a step: gather, product, gates, for the tracker and for Reduce, and the same back.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pellucid.networks.spinn import triton_kernels as kernels
from pellucid.networks.spinn.stepwise import indices, weights_back

if TYPE_CHECKING:
    from pellucid.networks.spinn.batched import Plan

__all__ = ["backward", "forward"]

BLOCK = 128  # columns a program


def _do(kernel: Any, rows: int, columns: int, *arguments: Any) -> None:
    """Let a kernel do so many rows."""
    kernel[(rows, (columns + BLOCK - 1) // BLOCK)](*arguments, BLOCK=BLOCK, enable_fp_fusion=True)


def forward(
    made: "Plan", h: Tensor, c: Tensor, P: Tensor, e: Tensor, m: Tensor, W: Tensor, b: Tensor, V: Tensor, d: Tensor,
    X: Tensor, Z: Tensor, Y: Tensor, G: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Fill h, c, e, m and what the way back needs: X, Z (gates), Y, G (gates)."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T = 1 + made.leaves, h.shape[1], e.shape[1]
    W, b, V, d, M = W.contiguous(), b.contiguous(), V.contiguous(), d.contiguous(), H if multiply else 0
    reduces, tracks = made.reduce_start.tolist(), made.track_start.tolist()
    if T:
        torch.mm(h[:base], V[:H], out=P)
    for step in range(len(reduces) - 1):
        if T:
            start, stop = tracks[step], tracks[step + 1]
            before, remembered = (tracks[step - 1], T) if step else (0, 0)
            _do(kernels.see, stop - start, 2 * H + T, Y, h, e, top, second, start, before, remembered, H, T)
            torch.mm(Y[start:stop], V[H:], out=G[start:stop])
            _do(kernels.track, stop - start, T, G, P, buffer, d, m, e, start, before, remembered, T)
        start, stop = reduces[step], reduces[step + 1]
        if stop > start:
            _do(kernels.bring, stop - start, len(W), X, h, e, left, right, track_of, start, H, T, M)
            torch.mm(X[start:stop], W, out=Z[start:stop])
            _do(kernels.reduce, stop - start, H, Z, b, h, c, left, right, start, base, H)


def backward(
    made: "Plan", h: Tensor, c: Tensor, e: Tensor, m: Tensor, W: Tensor, V: Tensor, X: Tensor, Z: Tensor, Y: Tensor,
    G: Tensor, dh: Tensor, dc: Tensor, de: Tensor, dm: Tensor, dP: Tensor, dX: Tensor, dY: Tensor, dW: Tensor,
    db: Tensor, dV: Tensor, dd: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Turn the gradients of h, c, e into those of leaves and weights; Z and G become their own gradients."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T, M = 1 + made.leaves, h.shape[1], e.shape[1], h.shape[1] if multiply else 0
    reduces, tracks = made.reduce_start.tolist(), made.track_start.tolist()
    for step in range(len(reduces) - 2, -1, -1):
        start, stop = reduces[step], reduces[step + 1]
        if stop > start:
            _do(kernels.reduce_back, stop - start, H, Z, c, dh, dc, left, right, start, base, H)
            torch.mm(Z[start:stop], W.T, out=dX[: stop - start])
            _do(kernels.give, stop - start, len(W), dX, h, dh, de, left, right, track_of, start, H, T, M)
        if T:
            start, stop = tracks[step], tracks[step + 1]
            before, remembered = (tracks[step - 1], T) if step else (0, 0)
            _do(kernels.track_back, stop - start, T, G, m, dm, de, dP, buffer, start, before, remembered, T)
            torch.mm(G[start:stop], V[H:].T, out=dY[: stop - start])
            _do(kernels.give_seen, stop - start, 2 * H + T, dY, dh, de, top, second, start, before, remembered, H, T)
    weights_back(h[:base], V, X, Z, Y, G, dh[:base], dP, dW, db, dV, dd)
