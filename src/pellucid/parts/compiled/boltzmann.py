"""Contrastive divergence of a restricted Boltzmann machine, many minibatches a call: see ``networks/rbm.py``.

The model's half of a batch (B rows) and the data's (n rows) stand one above the other in V (B + n, D) and
P (B + n, H), so that the probabilities of the hidden units and the two outer products take one product each.
"""

import numpy as np

from pellucid.parts.compiled.activation import logistic
from pellucid.parts.compiled.product import product, product_nt, product_tn
from pellucid.parts.compiling import kernel

__all__ = ["contrast"]

HALF = 2.0**26


@kernel(inner=True)
def uniforms(rng, u, n):
    """Write n uniform numbers from [0, 1): two of one draw, its upper 26 and its lower 27 bits."""
    one = u.dtype.type(1) / u.dtype.type(HALF)
    for i in range(0, n - 1, 2):
        draw = rng.random() * HALF
        upper = np.int64(draw)
        u[i] = u.dtype.type(upper) * one
        u[i + 1] = u.dtype.type(draw - upper)
    if n % 2:
        u[n - 1] = u.dtype.type(rng.random())


@kernel(inner=True)
def probabilities(z, bias, first, last):
    """Replace rows first to last of z (., K) by σ(z + bias)."""
    K = bias.size
    for start in range(first * K, last * K, K):
        row = z[start : start + K]
        for j in range(K):
            row[j] = logistic(row[j] + bias[j])


@kernel(inner=True)
def drawn(p, u, s, n):
    """Write to s, n units, 1 where u < p and else 0."""
    one, zero = s.dtype.type(1), s.dtype.type(0)
    for i in range(n):
        s[i] = one if u[i] < p[i] else zero


@kernel()
def contrast(  # noqa: PLR0915  # one call a chunk: helpers with so many arrays would hide the equations
    X, first, last, B, W, b, c, dW, db, dc, chain, V, P, G, u, active, rng, rate, momentum, decay, target, cost, k,
    persistent, gaussian,
):  # fmt: skip
    """Learn from the minibatches first to last of X: W, b, c, their velocities, the chain and rng move on in place.

    All arrays are flat: X (N, D), W (H, D), b (D,), c (H,), the velocities dW, db, dc alike, chain (B, H),
    V (2B, D), P (2B, H), G (H, D), u (B max(D, H),), active (H,). One call leaves in V and P the last batch's
    v and p(h = 1 | v), those of P times ± 1 / rows.
    """
    D, H, N = b.size, c.size, X.size // b.size
    one, zero = W.dtype.type(1), W.dtype.type(0)
    rate, momentum, decay = W.dtype.type(rate), W.dtype.type(momentum), W.dtype.type(decay)
    target, cost = W.dtype.type(target), W.dtype.type(cost)
    keep = W.dtype.type(0.9)
    for batch in range(first, last):
        start = batch * B
        n = min(B, N - start)
        m = B if persistent else n
        # The data's half, below the model's.
        low, top = m * D, m * H
        for i in range(n * D):
            V[low + i] = X[start * D + i]
        if not persistent:
            product_nt(V[low : low + n * D], W, P[: n * H], n, D, H)
            probabilities(P, c, 0, n)
            uniforms(rng, u, n * H)
            drawn(P, u, chain, n * H)
        for round_ in range(k):
            product(chain[: m * H], W, V[: m * D], m, H, D)
            if gaussian:
                for i in range(m):
                    for j in range(D):
                        V[i * D + j] += b[j] + W.dtype.type(rng.standard_normal())
            else:
                probabilities(V, b, 0, m)
                uniforms(rng, u, m * D)
                drawn(V, u, V, m * D)
            if round_ < k - 1:
                product_nt(V[: m * D], W, P[: m * H], m, D, H)
                probabilities(P, c, 0, m)
                uniforms(rng, u, m * H)
                drawn(P, u, chain, m * H)
        product_nt(V[: (m + n) * D], W, P[: (m + n) * H], m + n, D, H)
        probabilities(P, c, 0, m + n)
        if persistent:
            uniforms(rng, u, m * H)
            drawn(P, u, chain, m * H)
        # Velocities: the pull of the data minus that of the model.
        for j in range(D):
            db[j] *= momentum
        for j in range(H):
            dc[j] *= momentum
        share = rate / W.dtype.type(m)
        for i in range(m):
            row, seen = P[i * H : (i + 1) * H], V[i * D : (i + 1) * D]
            for j in range(H):
                row[j] *= -share
                dc[j] += row[j]
            for j in range(D):
                db[j] -= share * seen[j]
        share = rate / W.dtype.type(n)
        if cost > zero:
            # Units that are on too often are held to have been on less, and those too seldom more.
            for j in range(H):
                mean = zero
                for i in range(n):
                    mean += P[top + i * H + j]
                active[j] = keep * active[j] + (one - keep) * mean / W.dtype.type(n)
            for i in range(n):
                for j in range(H):
                    P[top + i * H + j] += cost * (target - active[j])
        for i in range(n):
            row, seen = P[top + i * H : top + (i + 1) * H], V[low + i * D : low + (i + 1) * D]
            for j in range(H):
                row[j] *= share
                dc[j] += row[j]
            for j in range(D):
                db[j] += share * seen[j]
        product_tn(P[: (m + n) * H], V[: (m + n) * D], G, H, m + n, D)
        if momentum > zero or decay > zero:
            shrink = rate * decay
            for i in range(W.size):
                dW[i] = momentum * dW[i] + G[i] - shrink * W[i]
                W[i] += dW[i]
        else:
            for i in range(W.size):
                W[i] += G[i]
        for j in range(D):
            b[j] += db[j]
        for j in range(H):
            c[j] += dc[j]
