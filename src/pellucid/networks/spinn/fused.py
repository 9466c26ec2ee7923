"""The steps of ``stepwise.py`` on a GPU: what lies between two products is one kernel (``triton_kernels.py``).

A GPU waits for each operation that Python gives it. Reading 128 sentences forward and back takes 3,800 of torch's,
and here 12 a step: gather, product, gates, for the tracker and for Reduce, and the same back.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from pellucid.networks.spinn import triton_kernels as kernels
from pellucid.networks.spinn.stepwise import indices, weights_back

if TYPE_CHECKING:
    from pellucid.networks.spinn.batched import Plan

__all__ = ["backward", "forward"]

BLOCK = 128  # columns a program


class _Launches:
    """Gives kernels to a GPU; Triton looks at the arguments of each the first time, and they stay of one kind.

    Its look takes half the time of a launch. Where this Triton wants to be called in another way, it looks each time.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.built: dict[Any, Any] = {}
        self.stream = torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else None

    def __call__(self, kernel: Any, rows: int, columns: int, *arguments: Any) -> None:
        """Let a kernel do so many rows."""
        grid = (rows, (columns + BLOCK - 1) // BLOCK, 1)
        built = self.built.get(kernel)
        if built is not None:
            try:
                built[grid](*arguments, BLOCK, stream=self.stream)
                return
            except TypeError:
                pass
        self.built[kernel] = kernel[grid](*arguments, BLOCK=BLOCK, enable_fp_fusion=True)


def _steps(array: Tensor, starts: Any) -> tuple[Tensor, ...]:
    """Return the rows of each step."""
    return array.split(np.diff(starts).tolist())


def forward(
    made: "Plan", h: Tensor, c: Tensor, P: Tensor, e: Tensor, m: Tensor, W: Tensor, b: Tensor, V: Tensor, d: Tensor,
    X: Tensor, Z: Tensor, Y: Tensor, G: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Fill h, c, e, m and what the way back needs: X, Z (gates), Y, G (gates)."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T = 1 + made.leaves, h.shape[1], e.shape[1]
    W, b, V, d, M = W.contiguous(), b.contiguous(), V.contiguous(), d.contiguous(), H if multiply else 0
    reduces, tracks = made.reduce_start.tolist(), made.track_start.tolist()
    Xs, Zs, do = _steps(X, made.reduce_start), _steps(Z, made.reduce_start), _Launches(h)
    if T:
        Ys, Gs, own = _steps(Y, made.track_start), _steps(G, made.track_start), V[H:]
        torch.mm(h[:base], V[:H], out=P)
    for step in range(len(reduces) - 1):
        if T:
            start, stop = tracks[step], tracks[step + 1]
            before, remembered = (tracks[step - 1], T) if step else (0, 0)
            do(kernels.see, stop - start, 2 * H + T, Y, h, e, top, second, start, before, remembered, H, T)
            torch.mm(Ys[step], own, out=Gs[step])
            do(kernels.track, stop - start, T, G, P, buffer, d, m, e, start, before, remembered, T)
        start, stop = reduces[step], reduces[step + 1]
        if stop > start:
            do(kernels.bring, stop - start, len(W), X, h, e, left, right, track_of, start, H, T, M)
            torch.mm(Xs[step], W, out=Zs[step])
            do(kernels.reduce, stop - start, H, Z, b, h, c, left, right, start, base, H)


def backward(
    made: "Plan", h: Tensor, c: Tensor, e: Tensor, m: Tensor, W: Tensor, V: Tensor, X: Tensor, Z: Tensor, Y: Tensor,
    G: Tensor, dh: Tensor, dc: Tensor, de: Tensor, dm: Tensor, dP: Tensor, dX: Tensor, dY: Tensor, dW: Tensor,
    db: Tensor, dV: Tensor, dd: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Turn the gradients of h, c, e into those of leaves and weights; Z and G become their own gradients."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T, M = 1 + made.leaves, h.shape[1], e.shape[1], h.shape[1] if multiply else 0
    reduces, tracks = made.reduce_start.tolist(), made.track_start.tolist()
    Zs, W_turned, do = _steps(Z, made.reduce_start), W.T, _Launches(h)
    if T:
        Gs, own_turned = _steps(G, made.track_start), V[H:].T
    for step in range(len(reduces) - 2, -1, -1):
        start, stop = reduces[step], reduces[step + 1]
        if stop > start:
            do(kernels.reduce_back, stop - start, H, Z, c, dh, dc, left, right, start, base, H)
            torch.mm(Zs[step], W_turned, out=dX[: stop - start])
            do(kernels.give, stop - start, len(W), dX, h, dh, de, left, right, track_of, start, H, T, M)
        if T:
            start, stop = tracks[step], tracks[step + 1]
            before, remembered = (tracks[step - 1], T) if step else (0, 0)
            do(kernels.track_back, stop - start, T, G, m, dm, de, dP, buffer, start, before, remembered, T)
            torch.mm(Gs[step], own_turned, out=dY[: stop - start])
            do(kernels.give_seen, stop - start, 2 * H + T, dY, dh, de, top, second, start, before, remembered, H, T)
    weights_back(h[:base], V, X, Z, Y, G, dh[:base], dP, dW, db, dV, dd)
