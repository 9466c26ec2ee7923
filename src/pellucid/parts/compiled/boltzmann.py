"""Contrastive divergence of a restricted Boltzmann machine, many minibatches a call: see ``networks/rbm.py``.

The model's half of a batch (m rows) and the data's (n rows) stand one above the other in V (m + n, D) and
P (m + n, H), so that the probabilities of the hidden units and the change of the weights take one product each. The
weights stand here with a row for each visible unit, W (D, H): BLAS is up to twice as quick at small batches so.

Uniform numbers come in blocks: NumPy's generator draws where a block starts, and SplitMix64 (Steele, Lea, Flood 2014)
counts on from there. Its numbers do not wait for each other, so the compiler makes several at once.
"""

import numpy as np

from pellucid.parts.compiled.activation import logistic
from pellucid.parts.compiled.memory import floor, uncounted
from pellucid.parts.compiled.product import add_product, add_product_nt, add_product_tn, copy
from pellucid.parts.compiling import kernel

__all__ = ["contrast", "drawn"]

GAMMA, FIRST, SECOND = (np.uint64(x) for x in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
S8, S11, S27, S30, S31, S40 = (np.uint64(bits) for bits in (8, 11, 27, 30, 31, 40))
LOW_24 = np.uint64(2**24 - 1)


@kernel(inner=True)
def mixed(x):
    """Return 64 random bits: SplitMix64's output for the counter x."""
    x = (x ^ (x >> S30)) * FIRST
    x = (x ^ (x >> S27)) * SECOND
    return x ^ (x >> S31)


@kernel()
def drawn(rng, p, s):
    """Write to s (n,) units that are 1 with the probabilities p (n,), to 24 bits in float32 and 53 in float64, else 0.

    The two must not be one array, nor overlap: the compiler would draw unit after unit.
    """
    one, zero = s.dtype.type(1), s.dtype.type(0)
    start = np.uint64(rng.random() * 2.0**53) << S11
    if s.itemsize == 4:
        # Two units of one draw, half an array apart; whole numbers of 24 bits are exact in float32.
        half, scale = (s.size + 1) // 2, p.dtype.type(2.0**24)
        upper_s, upper_p = s[half:], p[half:]
        for i in range(upper_s.size):
            bits = mixed(start + np.uint64(i) * GAMMA)
            s[i] = one if np.int32(bits >> S40) < scale * p[i] else zero
            upper_s[i] = one if np.int32((bits >> S8) & LOW_24) < scale * upper_p[i] else zero
        if half > upper_s.size:
            bits = mixed(start + np.uint64(half) * GAMMA)
            s[half - 1] = one if np.int32(bits >> S40) < scale * p[half - 1] else zero
    else:
        scale = p.dtype.type(2.0**53)
        for i in range(s.size):
            s[i] = one if np.int64(mixed(start + np.uint64(i) * GAMMA) >> S11) < scale * p[i] else zero


@kernel(inner=True)
def given(bias, z):
    """Write the bias (K,) to each row of z (., K)."""
    for start in range(0, z.size, bias.size):
        copy(bias, z[start : start + bias.size])


@kernel(inner=True)
def squashed(z):
    """Replace every z by σ(z)."""
    for i in range(z.size):
        z[i] = logistic(z[i])


@kernel(inner=True)
def mean_hiddens(V, W, c, P, rows):
    """Write P(h = 1 | v) of each row of V (rows, D) to P (rows, H)."""
    given(c, P)
    add_product(V, W, P, rows, V.size // rows, c.size)
    squashed(P)


@kernel(inner=True)
def sample_visibles(rng, chain, W, b, Z, V, rows, gaussian):
    """Draw V (rows, D) given the hidden units chain (rows, H); Z (rows, D) is for what lies between."""
    given(b, Z)
    add_product_nt(chain, W, Z, rows, chain.size // rows, b.size)
    if gaussian:
        for i in range(V.size):
            V[i] = Z[i] + V.dtype.type(rng.standard_normal())
    else:
        squashed(Z)
        drawn(rng, Z, V)


@kernel(inner=True)
def pulled(P, V, rows, share, db, dc):
    """Multiply P (rows, H) by the share, and add the pull of these rows on the biases: their sums to db and dc."""
    least = floor(P)
    D, H = db.size, dc.size
    for row in range(rows):
        p, v = P[row * H : (row + 1) * H], V[row * D : (row + 1) * D]
        for j in range(H):
            x = share * p[j]
            p[j] = x if abs(x) >= least else x * P.dtype.type(0)
            dc[j] += p[j]
        for j in range(D):
            db[j] += share * v[j]


@kernel(inner=True)
def sparsified(P, rows, active, target, cost):
    """Let units that are on too often have been on less, and those too seldom more: P (rows, H), active (H,)."""
    H = active.size
    keep, one = active.dtype.type(0.9), active.dtype.type(1)
    for j in range(H):
        mean = active.dtype.type(0)
        for row in range(rows):
            mean += P[row * H + j]
        active[j] = keep * active[j] + (one - keep) * mean / active.dtype.type(rows)
    for row in range(rows):
        for j in range(H):
            P[row * H + j] += cost * (target - active[j])


@kernel(inner=True)
def faded(dW, W, momentum, shrink):
    """Let the velocity fade, and pull towards weights of zero."""
    least = floor(dW)
    for i in range(W.size):
        x = momentum * dW[i] - shrink * W[i]
        dW[i] = x if abs(x) >= least else x * dW.dtype.type(0)


@kernel(inner=True)
def added(change, target):
    """Add the change (n,) to the target (n,)."""
    for i in range(target.size):
        target[i] += change[i]


@kernel()
def contrast(
    X, first, rates, B, W, b, c, dW, db, dc, chain, V, P, Z, active, rng, momentum, decay, target, cost, k, persistent,
    gaussian,
):  # fmt: skip
    """Learn from minibatches of X, from the ``first`` on, one for each of the learning rates; again from its begin.

    W, b, c, their velocities, the chain and rng move on in place. All arrays are flat: X (N, D), rates (batches,),
    W (D, H), b (D,), c (H,), the velocities dW, db, dc alike, chain (B, H), V (2B, D), P (2B, H), Z (B, D),
    active (H,). A call leaves in V and P the last batch's v and p(h = 1 | v), those of P times ± 1 / rows.
    """
    D, H, N, number = b.size, c.size, X.size // b.size, W.dtype.type
    X, W, b, c, dW, db, dc = (
        uncounted(X), uncounted(W), uncounted(b), uncounted(c), uncounted(dW), uncounted(db), uncounted(dc),
    )  # fmt: skip
    chain, V, P, Z, active = uncounted(chain), uncounted(V), uncounted(P), uncounted(Z), uncounted(active)
    momentum, target, cost = number(momentum), number(target), number(cost)
    plain, per_epoch = momentum == 0 and decay == 0, (N + B - 1) // B
    for batch in range(first, first + rates.size):
        rate, start = rates[batch - first], batch % per_epoch * B
        n = min(B, N - start)
        m = B if persistent else n
        h, v, p = chain[: m * H], V[: m * D], P[: m * H]
        copy(X[start * D : (start + n) * D], V[m * D :])
        if not persistent:
            mean_hiddens(V[m * D : (m + n) * D], W, c, p, n)
            drawn(rng, p, h)
        for left in range(k - 1, -1, -1):
            sample_visibles(rng, h, W, b, Z[: m * D], v, m, gaussian)
            if left:
                mean_hiddens(v, W, c, p, m)
                drawn(rng, p, h)
        mean_hiddens(V[: (m + n) * D], W, c, P[: (m + n) * H], m + n)
        if persistent:
            drawn(rng, p, h)
        if cost > 0:
            sparsified(P[m * H :], n, active, target, cost)
        # Velocities: the pull of the data minus that of the model.
        for j in range(D):
            db[j] *= momentum
        for j in range(H):
            dc[j] *= momentum
        pulled(p, v, m, number(-rate / m), db, dc)
        pulled(P[m * H :], V[m * D :], n, number(rate / n), db, dc)
        if plain:
            add_product_tn(V, P, W, D, m + n, H)
        else:
            faded(dW, W, momentum, number(rate * decay))
            add_product_tn(V, P, dW, D, m + n, H)
            added(dW, W)
        added(db, b)
        added(dc, c)
