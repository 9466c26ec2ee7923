"""Reading sentences by the cell's own transitions, all sentences a transition at a time, forward only.

What of the tracker's input belongs to one state is multiplied once, when the state is made: P = h V_buffer + d of
words, Q = h [V_top, V_second] of all. A step then adds three rows and the product of the T numbers before it. Since
tanh(x) = 2 σ(2x) - 1, the weights of all that goes through tanh come doubled (``doubled``), and one loop of logistic
functions over a block of rows serves every gate. The equations stand in ``networks/spinn/machine.py``.
"""

import numpy as np

from pellucid.parts.compiled.activation import logistic, tanh
from pellucid.parts.compiling import kernel

__all__ = ["doubled", "parse"]


def doubled(weights: np.ndarray, size: int) -> np.ndarray:
    """Return weights (..., n · size) with the first ``size`` columns, those of the tanh, times two."""
    made = weights.copy()
    made[..., :size] *= 2
    return made


@kernel(exact=True, inner=True)
def _logistic(z):
    for j in range(z.size):
        z[j] = logistic(z[j])


@kernel(exact=True, inner=True)
def _tanh(z, t):
    for j in range(z.size):
        t[j] = tanh(z[j])


@kernel(inner=True)
def _place(source, target):
    for j in range(target.size):
        target[j] = source[j]


@kernel(inner=True)
def _track(count, buffer, top, second, P, Q, V, e, m, G, t):
    """Advance the tracker of the first ``count`` sentences: e, m (B, T), G (B, 4T), t (B, T) scratch."""
    T = e.shape[1]
    np.dot(e[:count], V, G[:count])
    for k in range(count):
        g, p, q, r = G[k], P[buffer[k]], Q[top[k]], Q[second[k]]
        for j in range(g.size):
            g[j] += p[j] + q[j] + r[g.size + j]
    _logistic(G[:count].reshape(count * 4 * T))
    two, one = e.dtype.type(2), e.dtype.type(1)
    for k in range(count):
        g, memory = G[k], m[k]
        for j in range(T):
            memory[j] = (two * g[j] - one) * g[T + j] + g[2 * T + j] * memory[j]
    _tanh(m[:count].reshape(count * T), t[:count].reshape(count * T))
    for k in range(count):
        out, g, own = t[k], G[k], e[k]
        for j in range(T):
            own[j] = g[3 * T + j] * out[j]


@kernel(inner=True)
def _reduce(count, new, left, right, who, h, c, e, W, b, X, Z, t, multiply):
    """Make ``count`` states, from row ``new`` of h and c on, by reduces of left, right beside the tracker ``who``."""
    H, T = h.shape[1], e.shape[1]
    for r in range(count):
        x = X[r]
        _place(h[left[r]], x[:H])
        _place(h[right[r]], x[H : 2 * H])
        if multiply:
            for j in range(H):
                x[2 * H + j] = x[j] * x[H + j]
        _place(e[who[r]], x[x.size - T :])
    np.dot(X[:count], W, Z[:count])
    for r in range(count):
        z = Z[r]
        for j in range(z.size):
            z[j] += b[j]
    _logistic(Z[:count].reshape(count * 5 * H))
    two, one = c.dtype.type(2), c.dtype.type(1)
    for r in range(count):
        z, memory, first, last = Z[r], c[new + r], c[left[r]], c[right[r]]
        for j in range(H):
            memory[j] = (two * z[j] - one) * z[H + j] + z[2 * H + j] * first[j] + z[3 * H + j] * last[j]
    _tanh(c[new : new + count].reshape(count * H), t[:count].reshape(count * H))
    for r in range(count):
        z, out, own = Z[r], t[r], h[new + r]
        for j in range(H):
            own[j] = z[4 * H + j] * out[j]


@kernel()
def parse(words, starts, lengths, h, c, W, b, V_buffer, V_pair, V_own, d, choice, bias, taken, roots, multiply):
    """Read sentences; they come longest first: of sentence k the words are words[starts[k] : starts[k] + lengths[k]].

    h, c (1 + V + R, H) hold the empty place and the leaves, then the reduces in the order of the steps. W (K, 5H), b,
    V_buffer (H, 4T), V_pair (H, 8T), V_own (T, 4T), d are doubled where tanh follows; e choice + bias is what speaks
    for REDUCE. taken (B, 2n - 1) and roots (B,) are written.
    """
    B, H, T, R = lengths.size, h.shape[1], V_own.shape[0], 0
    for k in range(B):
        R += lengths[k] - 1
    base, rows, active = h.shape[0] - R, 0, B
    P, Q = np.empty((base, 4 * T), h.dtype), np.empty((base + R, 8 * T), h.dtype)
    np.dot(h[:base], V_buffer, P)
    np.dot(h[:base], V_pair, Q[:base])
    for row in range(base):
        for j in range(4 * T):
            P[row, j] += d[j]
    e, m, G = np.zeros((B, T), h.dtype), np.zeros((B, T), h.dtype), np.empty((B, 4 * T), h.dtype)
    X, Z = np.empty((B, W.shape[0]), h.dtype), np.empty((B, 5 * H), h.dtype)
    t_track, t_reduce = np.empty((B, T), h.dtype), np.empty((B, H), h.dtype)
    buffer, top, second = np.empty(B, np.int64), np.empty(B, np.int64), np.empty(B, np.int64)
    left, right, who = np.empty(B, np.int64), np.empty(B, np.int64), np.empty(B, np.int64)
    stack, depth, read = np.empty((B, lengths[0]), np.int64), np.zeros(B, np.int64), np.zeros(B, np.int64)
    for step in range(2 * lengths[0] - 1):
        while step >= 2 * lengths[active - 1] - 1:
            active -= 1
        for k in range(active):
            buffer[k] = 1 + words[starts[k] + read[k]] if read[k] < lengths[k] else 0
            top[k] = stack[k, depth[k] - 1] if depth[k] > 0 else 0
            second[k] = stack[k, depth[k] - 2] if depth[k] > 1 else 0
        _track(active, buffer, top, second, P, Q, V_own, e, m, G, t_track)
        count = 0
        for k in range(active):
            score, own = bias, e[k]
            for j in range(T):
                score += own[j] * choice[j]
            if depth[k] > 1 and (score > 0 or read[k] == lengths[k]):
                left[count], right[count], who[count] = second[k], top[k], k
                depth[k] -= 1
                stack[k, depth[k] - 1] = base + rows + count
                count += 1
                taken[k, step] = 1
            else:
                stack[k, depth[k]] = buffer[k]
                depth[k] += 1
                read[k] += 1
                taken[k, step] = 0
        if count:
            new = base + rows
            _reduce(count, new, left, right, who, h, c, e, W, b, X, Z, t_reduce, multiply)
            np.dot(h[new : new + count], V_pair, Q[new : new + count])
            rows += count
    for k in range(B):
        roots[k] = stack[k, 0]
