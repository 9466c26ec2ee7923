"""The steps of ``batched.py`` as torch operations, for devices whose memory compiled loops cannot see."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from pellucid.networks.spinn.batched import Plan

__all__ = ["backward", "forward", "indices", "weights_back"]


def indices(made: "Plan", device: Any) -> list[Tensor]:
    """Return left, right, track_of, buffer, top and second on the device, brought there at once."""
    second = np.concatenate([[0], made.covered])[made.second]
    found = (made.left, made.right, made.track_of, made.buffer, made.top, second)
    return list(torch.from_numpy(np.concatenate(found)).to(device).split([len(one) for one in found]))


def forward(
    made: "Plan", h: Tensor, c: Tensor, P: Tensor, e: Tensor, m: Tensor, W: Tensor, b: Tensor, V: Tensor, d: Tensor,
    X: Tensor, Z: Tensor, Y: Tensor, G: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Fill h, c, e, m and what the way back needs: X, Z (gates), Y, G (gates)."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T = 1 + made.leaves, h.shape[1], e.shape[1]
    if T:
        torch.mm(h[:base], V[:H], out=P)
    for step in range(len(made.reduce_start) - 1):
        if T:
            now = slice(made.track_start[step], made.track_start[step + 1])
            n = now.stop - now.start
            before = slice(made.track_start[step - 1], made.track_start[step - 1] + n) if step else None
            past = h.new_zeros(n, T) if before is None else e[before]
            torch.cat([h[top[now]], h[second[now]], past], 1, out=Y[now])
            g, i, f, o = (torch.addmm(d, Y[now], V[H:]) + P[buffer[now]]).chunk(4, 1)
            G[now] = torch.cat([g.tanh(), i.sigmoid(), f.sigmoid(), o.sigmoid()], 1)
            g, i, f, o = G[now].chunk(4, 1)
            m[now] = g * i if before is None else g * i + f * m[before]
            e[now] = o * m[now].tanh()
        now = slice(made.reduce_start[step], made.reduce_start[step + 1])
        if now.stop == now.start:
            continue
        one, two = h[left[now]], h[right[now]]
        parts = [one, two, *([one * two] if multiply else []), *([e[track_of[now]]] if T else [])]
        torch.cat(parts, 1, out=X[now])
        z = torch.addmm(b, X[now], W)
        Z[now] = torch.cat([z[:, :H].tanh(), z[:, H:].sigmoid()], 1)
        a, i, f_left, f_right, o = Z[now].chunk(5, 1)
        new = slice(base + now.start, base + now.stop)
        c[new] = a * i + f_left * c[left[now]] + f_right * c[right[now]]
        h[new] = o * c[new].tanh()


def backward(
    made: "Plan", h: Tensor, c: Tensor, e: Tensor, m: Tensor, W: Tensor, V: Tensor, X: Tensor, Z: Tensor, Y: Tensor,
    G: Tensor, dh: Tensor, dc: Tensor, de: Tensor, dm: Tensor, dP: Tensor, dX: Tensor, dY: Tensor, dW: Tensor,
    db: Tensor, dV: Tensor, dd: Tensor, multiply: bool,
) -> None:  # fmt: skip
    """Turn the gradients of h, c, e into those of leaves and weights; Z and G become their own gradients."""
    left, right, track_of, buffer, top, second = indices(made, h.device)
    base, H, T = 1 + made.leaves, h.shape[1], e.shape[1]
    for step in range(len(made.reduce_start) - 2, -1, -1):
        now = slice(made.reduce_start[step], made.reduce_start[step + 1])
        if now.stop > now.start:
            new = slice(base + now.start, base + now.stop)
            L, R = left[now], right[now]
            a, i, f_left, f_right, o = Z[now].chunk(5, 1)
            t = c[new].tanh()
            d = dc[new] + dh[new] * o * (1 - t * t)
            dc.index_add_(0, L, d * f_left)
            dc.index_add_(0, R, d * f_right)
            Z[now] = torch.cat(
                [
                    d * i * (1 - a * a), d * a * i * (1 - i),
                    d * c[L] * f_left * (1 - f_left), d * c[R] * f_right * (1 - f_right),
                    dh[new] * t * o * (1 - o),
                ],
                1,
            )  # fmt: skip
            x = Z[now] @ W.T
            dh.index_add_(0, L, x[:, :H] + x[:, 2 * H : 3 * H] * h[R] if multiply else x[:, :H])
            dh.index_add_(0, R, x[:, H : 2 * H] + x[:, 2 * H : 3 * H] * h[L] if multiply else x[:, H : 2 * H])
            if T:
                de.index_add_(0, track_of[now], x[:, -T:])
        if not T:
            continue
        now = slice(made.track_start[step], made.track_start[step + 1])
        n = now.stop - now.start
        g, i, f, o = G[now].chunk(4, 1)
        t = m[now].tanh()
        d = dm[now] + de[now] * o * (1 - t * t)
        past = torch.zeros_like(d)
        if step:
            before = slice(made.track_start[step - 1], made.track_start[step - 1] + n)
            past = m[before]
            dm[before] += d * f
        G[now] = torch.cat(
            [d * i * (1 - g * g), d * g * i * (1 - i), d * past * f * (1 - f), de[now] * t * o * (1 - o)], 1
        )
        dP.index_add_(0, buffer[now], G[now])
        y = G[now] @ V[H:].T
        dh.index_add_(0, top[now], y[:, :H])
        dh.index_add_(0, second[now], y[:, H : 2 * H])
        if step:
            de[before] += y[:, 2 * H :]
    weights_back(h[:base], V, X, Z, Y, G, dh[:base], dP, dW, db, dV, dd)


def weights_back(
    h: Tensor, V: Tensor, X: Tensor, Z: Tensor, Y: Tensor, G: Tensor, dh: Tensor, dP: Tensor, dW: Tensor, db: Tensor,
    dV: Tensor, dd: Tensor,
) -> None:  # fmt: skip
    """Write the gradients of the weights, and add to dh those of the leaves h (1 + V, H) that the buffer showed."""
    torch.mm(X.T, Z, out=dW)
    torch.sum(Z, 0, out=db)
    if len(dd):
        H = h.shape[1]
        dV[:H], dV[H:] = h.T @ dP, Y.T @ G
        torch.sum(G, 0, out=dd)
        dh += dP @ V[:H].T
