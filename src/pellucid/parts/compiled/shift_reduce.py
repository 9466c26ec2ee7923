"""SPINN's arithmetic over flat memory: every step one product, rows only where there is work.

States stand in one thin stack, h and c (1 + V + R, H): row 0 is the empty place (zero), then V leaves, then one row
for each of R reduces in the order in which they happen. A plan (``tree_plan.py``) says which rows each step takes;
a step is a transition of all sentences at once, or, without tracker, a level of all trees. The equations stand in
``networks/spinn/machine.py``; gates are kept after their activation and turn into their own gradient on the way back.
"""

import numpy as np

from pellucid.parts.compiled.activation import logistic, tanh
from pellucid.parts.compiling import kernel

__all__ = ["backward", "forward", "parse"]


@kernel(exact=True, inner=True)
def _gates(z, size):
    """Replace z by tanh of its first part and logistic of the others, in place."""
    first, rest = z[:size], z[size:]
    for j in range(first.size):
        first[j] = tanh(first[j])
    for j in range(rest.size):
        rest[j] = logistic(rest[j])


@kernel(exact=True, inner=True)
def _out(c, o, h):
    """Write h = o tanh(c)."""
    for j in range(h.size):
        h[j] = o[j] * tanh(c[j])


@kernel(exact=True, inner=True)
def _tanh(c, t):
    for j in range(t.size):
        t[j] = tanh(c[j])


@kernel(inner=True)
def _place(source, target):
    for j in range(target.size):
        target[j] = source[j]


@kernel(inner=True)
def _add(source, target):
    for j in range(target.size):
        target[j] += source[j]


@kernel(inner=True)
def _add_product(x, y, target):
    for j in range(target.size):
        target[j] += x[j] * y[j]


@kernel(inner=True)
def _product(x, y, target):
    for j in range(target.size):
        target[j] = x[j] * y[j]


@kernel(inner=True)
def _reduce(first, last, base, left, right, track_of, h, c, e, W, b, X, Z, multiply):
    """Do the reduces first ... last - 1: X (R, K) their inputs, Z (R, 5H) their gates."""
    H, T = h.shape[1], e.shape[1]
    at = 3 * H if multiply else 2 * H
    for r in range(first, last):
        x = X[r]
        _place(h[left[r]], x[:H])
        _place(h[right[r]], x[H : 2 * H])
        if multiply:
            _product(x[:H], x[H : 2 * H], x[2 * H : 3 * H])
        if T:
            _place(e[track_of[r]], x[at:])
    np.dot(X[first:last], W, Z[first:last])
    for r in range(first, last):
        z, memory = Z[r], c[base + r]
        _add(b, z)
        _gates(z, H)
        _product(z[:H], z[H : 2 * H], memory)
        _add_product(z[2 * H : 3 * H], c[left[r]], memory)
        _add_product(z[3 * H : 4 * H], c[right[r]], memory)
        _out(memory, z[4 * H :], h[base + r])


@kernel(inner=True)
def _track(first, last, before, buffer, top, second, P, h, e, m, V, d, Y, G):
    """Do the tracker's rows first ... last - 1; ``before`` is where the step before starts, or -1."""
    H, T = h.shape[1], e.shape[1]
    for s in range(first, last):
        y = Y[s]
        _place(h[top[s]], y[:H])
        _place(h[second[s]], y[H : 2 * H])
        if before >= 0:
            _place(e[before + s - first], y[2 * H :])
        else:
            y[2 * H :] = 0
    np.dot(Y[first:last], V[H:], G[first:last])
    for s in range(first, last):
        g, memory = G[s], m[s]
        _add(P[buffer[s]], g)
        _add(d, g)
        _gates(g, T)
        _product(g[:T], g[T : 2 * T], memory)
        if before >= 0:
            _add_product(g[2 * T : 3 * T], m[before + s - first], memory)
        _out(memory, g[3 * T :], e[s])


@kernel()
def forward(
    reduce_start, left, right, track_of, track_start, buffer, top, second,
    h, c, P, e, m, W, b, V, d, X, Z, Y, G, multiply,
):  # fmt: skip
    """Fill h, c from row 1 + leaves on, and the tracker's e, m (S, T); P (1 + leaves, 4T) is h V of the buffer."""
    base, T = h.shape[0] - left.size, e.shape[1]
    if T:
        np.dot(h[:base], V[: h.shape[1]], P)
    for step in range(reduce_start.size - 1):
        if T:
            before = track_start[step - 1] if step else -1
            _track(track_start[step], track_start[step + 1], before, buffer, top, second, P, h, e, m, V, d, Y, G)
        first, last = reduce_start[step], reduce_start[step + 1]
        if last > first:
            _reduce(first, last, base, left, right, track_of, h, c, e, W, b, X, Z, multiply)


@kernel(inner=True)
def _slope(dc, value, gate, scratch):
    """Replace a logistic gate by its gradient, dc · value · gate (1 - gate)."""
    one = scratch.dtype.type(1)
    for j in range(gate.size):
        scratch[j] = dc[j] * value[j]
    for j in range(gate.size):
        gate[j] = scratch[j] * gate[j] * (one - gate[j])


@kernel(inner=True)
def _opened(dh, o, t, dc):
    """Add dh o (1 - t²) to dc and replace o by dh t o (1 - o), where t = tanh(c)."""
    one = t.dtype.type(1)
    for j in range(dc.size):
        dc[j] += dh[j] * o[j] * (one - t[j] * t[j])
    for j in range(dc.size):
        t[j] = dh[j] * t[j]
    for j in range(dc.size):
        o[j] = t[j] * o[j] * (one - o[j])


@kernel(inner=True)
def _written(dc, a, i, t):
    """Replace a = tanh(.) by dc i (1 - a²) and i by dc a i (1 - i)."""
    one = t.dtype.type(1)
    for j in range(t.size):
        t[j] = dc[j] * a[j] * i[j] * (one - i[j])
    for j in range(t.size):
        a[j] = dc[j] * i[j] * (one - a[j] * a[j])
    for j in range(t.size):
        i[j] = t[j]


@kernel(inner=True)
def _reduce_back(first, last, base, left, right, track_of, h, c, e, W, Z, dh, dc, de, dX, t, multiply):
    H, T = h.shape[1], e.shape[1]
    at = 3 * H if multiply else 2 * H
    for r in range(first, last):
        z, d = Z[r], dc[base + r]
        f_left, f_right = z[2 * H : 3 * H], z[3 * H : 4 * H]
        _tanh(c[base + r], t[:H])
        _opened(dh[base + r], z[4 * H :], t[:H], d)
        _add_product(d, f_left, dc[left[r]])
        _add_product(d, f_right, dc[right[r]])
        _slope(d, c[left[r]], f_left, t[:H])
        _slope(d, c[right[r]], f_right, t[:H])
        _written(d, z[:H], z[H : 2 * H], t[:H])
    np.dot(Z[first:last], W.T, dX[: last - first])
    for r in range(first, last):
        x = dX[r - first]
        _add(x[:H], dh[left[r]])
        _add(x[H : 2 * H], dh[right[r]])
        if multiply:
            _add_product(x[2 * H : 3 * H], h[right[r]], dh[left[r]])
            _add_product(x[2 * H : 3 * H], h[left[r]], dh[right[r]])
        if T:
            _add(x[at:], de[track_of[r]])


@kernel(inner=True)
def _track_back(first, last, before, buffer, top, second, m, V, G, dh, dP, de, dm, dY, t):
    H, T = dh.shape[1], m.shape[1]
    for s in range(first, last):
        g, d = G[s], dm[s]
        _tanh(m[s], t[:T])
        _opened(de[s], g[3 * T :], t[:T], d)
        forget = g[2 * T : 3 * T]
        if before >= 0:
            _add_product(d, forget, dm[before + s - first])
            _slope(d, m[before + s - first], forget, t[:T])
        else:
            forget[:] = 0
        _written(d, g[:T], g[T : 2 * T], t[:T])
        _add(g, dP[buffer[s]])
    np.dot(G[first:last], V[H:].T, dY[: last - first])
    for s in range(first, last):
        y = dY[s - first]
        _add(y[:H], dh[top[s]])
        _add(y[H : 2 * H], dh[second[s]])
        if before >= 0:
            _add(y[2 * H :], de[before + s - first])


@kernel()
def backward(
    reduce_start, left, right, track_of, track_start, buffer, top, second,
    h, c, e, m, W, V, X, Z, Y, G, dh, dc, de, dm, dP, dX, dY, dW, db, dV, dd, t, multiply,
):  # fmt: skip
    """Turn the gradients of h, c, e into those of the leaves (rows 1 ... of dh, dc) and weights; Z and G are spent.

    dh, dc, de, dm, dP come with what is known from outside, else zero; dX and dY are scratch for one step.
    """
    base, H, T = h.shape[0] - left.size, h.shape[1], e.shape[1]
    for step in range(reduce_start.size - 2, -1, -1):
        first, last = reduce_start[step], reduce_start[step + 1]
        if last > first:
            _reduce_back(first, last, base, left, right, track_of, h, c, e, W, Z, dh, dc, de, dX, t, multiply)
        if T:
            before = track_start[step - 1] if step else -1
            _track_back(
                track_start[step], track_start[step + 1], before, buffer, top, second, m, V, G, dh, dP, de, dm, dY, t
            )
    np.dot(X.T, Z, dW)
    for r in range(Z.shape[0]):
        _add(Z[r], db)
    if T:
        # h is done with: what the buffer's share gives goes where the leaves' h stood.
        np.dot(h[:base].T, dP, dV[:H])
        np.dot(Y.T, G, dV[H:])
        for s in range(G.shape[0]):
            _add(G[s], dd)
        np.dot(dP, V[:H].T, h[:base])
        for v in range(base):
            _add(h[v], dh[v])


@kernel()
def parse(
    tokens, lengths, h, c, P, e, m, W, b, V, d, U, u, X, Z, Y, G, left, right, track_of, buffer, top, second,
    stack, depth, read, taken, roots, multiply,
):  # fmt: skip
    """Read sentences by the cell's own transitions, all at once; rows come longest first.

    tokens (B, n) are rows of the leaves, lengths (B,); taken (B, 2n - 1) and roots (B,) are written. The order of
    the reduces, and so of the rows of h, is that of the steps.
    """
    base, B, T, done, rows = h.shape[0] - left.size, lengths.size, e.shape[1], 0, 0
    np.dot(h[:base], V[: h.shape[1]], P)
    active, before = B, -1
    for step in range(2 * lengths[0] - 1):
        while step >= 2 * lengths[active - 1] - 1:
            active -= 1
        # The tracker's last two steps alone are kept: they take turns.
        first = 0 if step % 2 == 0 else B
        for k in range(active):
            buffer[first + k] = 1 + tokens[k, read[k]] if read[k] < lengths[k] else 0
            top[first + k] = stack[k, depth[k] - 1] if depth[k] > 0 else 0
            second[first + k] = stack[k, depth[k] - 2] if depth[k] > 1 else 0
        _track(first, first + active, before, buffer, top, second, P, h, e, m, V, d, Y, G)
        before, rows = first, done
        for k in range(active):
            shift, reduce = u[0], u[1]
            for j in range(T):
                shift += e[first + k, j] * U[j, 0]
                reduce += e[first + k, j] * U[j, 1]
            if depth[k] > 1 and (reduce > shift or read[k] == lengths[k]):
                left[rows], right[rows], track_of[rows] = stack[k, depth[k] - 2], stack[k, depth[k] - 1], first + k
                depth[k] -= 1
                stack[k, depth[k] - 1] = base + rows
                rows += 1
                taken[k, step] = 1
            else:
                stack[k, depth[k]] = 1 + tokens[k, read[k]]
                depth[k] += 1
                read[k] += 1
                taken[k, step] = 0
        if rows > done:
            _reduce(done, rows, base, left, right, track_of, h, c, e, W, b, X, Z, multiply)
        done = rows
    for k in range(B):
        roots[k] = stack[k, 0]
