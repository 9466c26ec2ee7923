"""SPINN's arithmetic over flat memory: every step one product, rows only where there is work.

States stand in one thin stack, h and c (1 + V + R, H): row 0 is the empty place (zero), then V leaves, then one row
for each of R reduces in the order in which they happen. A plan (``tree_plan.py``) says which rows each step takes;
a step is a transition of all sentences at once, or, without tracker, a level of all trees. The equations stand in
``networks/spinn/machine.py``; gates are kept after their activation and turn into their own gradient on the way back.

Every array that is written or read row by row has room behind it (``vectors.py``). A row's last vector may spoil the
next row only where that is written later, or masks what is not its own.
"""

import numpy as np

from pellucid.parts.compiled.packed import add_packed, add_packed_tn, pack, pack_turned, panel_size
from pellucid.parts.compiled.product import add_product, add_product_nt, add_product_tn
from pellucid.parts.compiled.vectors import (
    ROOM,
    first,
    lanes,
    load,
    logistic,
    same,
    select,
    size_with_room,
    store,
    tanh,
    with_room,
)
from pellucid.parts.compiling import kernel

__all__ = ["backward", "forward", "parse", "room_to_parse"]


@kernel(inner=True, apart=True)
def _packed(weights, space):
    """Return the panels of weights (k, n) and the space that is left, or nothing where there is none."""
    if not space.size:
        return space, space
    size = panel_size(space.itemsize, weights.shape[0], weights.shape[1])
    pack(weights, space)
    return space[:size], space[size:]


@kernel(inner=True)
def _packed_turned(weights, space):
    """Return the panels of the transposed weights and the space that is left, or nothing where there is none."""
    if not space.size:
        return space, space
    size = panel_size(space.itemsize, weights.shape[1], weights.shape[0])
    pack_turned(weights, space)
    return space[:size], space[size:]


@kernel(inner=True)
def _multiply(a, weights, packed, out):
    """Add A W to out (rows, n)."""
    if packed.size:
        add_packed(a, packed, out, a.shape[0], a.shape[1], out.shape[1])
    else:
        add_product(a, weights, out, a.shape[0], a.shape[1], out.shape[1])


@kernel(inner=True)
def _multiply_turned(a, weights, packed, out):
    """Add A Wᵀ to out (rows, k)."""
    if packed.size:
        add_packed(a, packed, out, a.shape[0], a.shape[1], out.shape[1])
    else:
        add_product_nt(a, weights, out, a.shape[0], a.shape[1], out.shape[1])


@kernel(inner=True)
def _slopes(a, d, out, space):
    """Add Aᵀ D to out; without space BLAS multiplies."""
    if space.size:
        add_packed_tn(a, d, out, space)
    else:
        add_product_tn(a, d, out, a.shape[1], a.shape[0], d.shape[1])


@kernel(inner=True)
def _with_room(row):
    """Return a copy of a row with room behind it."""
    out = np.zeros(row.size + ROOM, row.dtype)
    for j in range(row.size):
        out[j] = row[j]
    return out


@kernel(inner=True)
def _place(source, source_at, target, target_at, size):
    """Copy a row; beyond its end is spoilt."""
    for j in range(0, size, lanes(target)):
        store(target, target_at + j, load(source, source_at + j))


@kernel(inner=True)
def _place_sum(x, x_at, y, y_at, target, target_at, size):
    """Write the sum of two rows; beyond its end is spoilt."""
    for j in range(0, size, lanes(target)):
        store(target, target_at + j, load(x, x_at + j) + load(y, y_at + j))


@kernel(inner=True)
def _clear(target, target_at, size):
    """Write zeros; beyond the end is spoilt."""
    zero = same(target, 0)
    for j in range(0, size, lanes(target)):
        store(target, target_at + j, zero)


@kernel(inner=True)
def _add(source, source_at, target, target_at, size):
    """Add a row."""
    zero = same(target, 0)
    for j in range(0, size, lanes(target)):
        own = select(first(target, size - j), load(source, source_at + j), zero)
        store(target, target_at + j, load(target, target_at + j) + own)


@kernel(inner=True)
def _add_product(x, x_at, y, y_at, target, target_at, size):
    """Add the product, number by number, of two rows."""
    zero = same(target, 0)
    for j in range(0, size, lanes(target)):
        own = select(first(target, size - j), load(x, x_at + j) * load(y, y_at + j), zero)
        store(target, target_at + j, load(target, target_at + j) + own)


@kernel(inner=True, apart=True)
def _reduce(start, stop, base, left, right, track_of, h, c, e, W, packed, b, X, Z, multiply):
    """Do the reduces start ... stop - 1: X (R, K) their inputs, Z (R, 5H) their gates."""
    H, T, K, wide = h.shape[1], e.shape[1], X.shape[1], lanes(h)
    for r in range(start, stop):
        x, one, two = r * K, left[r] * H, right[r] * H
        _place(h, one, X, x, H)
        _place(h, two, X, x + H, H)
        if multiply:
            for j in range(0, H, wide):
                store(X, x + 2 * H + j, load(h, one + j) * load(h, two + j))
        if T:
            _place(e, track_of[r] * T, X, x + K - T, T)
        _place(b, 0, Z, r * 5 * H, 5 * H)
    _multiply(X[start:stop], W, packed, Z[start:stop])
    for r in range(start, stop):
        z, one, two, new = r * 5 * H, left[r] * H, right[r] * H, (base + r) * H
        for j in range(z, z + H, wide):
            inside, at = first(h, z + H - j), j - z
            sum_a, sum_i, sum_o = load(Z, j), load(Z, j + H), load(Z, j + 4 * H)
            sum_left, sum_right = load(Z, j + 2 * H), load(Z, j + 3 * H)
            a, i, o, f_left, f_right = (
                tanh(sum_a),
                logistic(sum_i),
                logistic(sum_o),
                logistic(sum_left),
                logistic(sum_right),
            )
            store(Z, j, select(inside, a, sum_a))
            store(Z, j + H, select(inside, i, sum_i))
            store(Z, j + 2 * H, select(inside, f_left, sum_left))
            store(Z, j + 3 * H, select(inside, f_right, sum_right))
            store(Z, j + 4 * H, select(inside, o, sum_o))
            memory = a * i + f_left * load(c, one + at) + f_right * load(c, two + at)
            store(c, new + at, memory)
            store(h, new + at, o * tanh(memory))


@kernel(inner=True, apart=True)
def _own_weights(V, H):
    """Return the tracker's weights (H + T, 4T) of what is new at every step: the top of the stack and itself."""
    own = with_room(max(0, V.shape[0] - 2 * H), V.shape[1], V)
    for k in range(own.shape[0]):
        source = H + k if k < H else 2 * H + k
        for j in range(V.shape[1]):
            own[k, j] = V[source, j]
    return own


@kernel(inner=True, apart=True)
def _track(start, stop, before, buffer, top, second, P, Q, h, e, m, own, packed, Y, G):
    """Do the tracker's rows start ... stop - 1; ``before`` is where the step before starts, or -1."""
    H, T, K, wide = h.shape[1], e.shape[1], Y.shape[1], lanes(h)
    remembered = T if before >= 0 else 0
    zero = same(h, 0)
    for s in range(start, stop):
        if before >= 0:  # at the first step the stack is empty and nothing is remembered
            _place(h, top[s] * H, Y, s * K, H)
            _place(e, (before + s - start) * T, Y, s * K + H, T)
        _place_sum(P, buffer[s] * 4 * T, Q, second[s] * 4 * T, G, s * 4 * T, 4 * T)
    if before >= 0:
        _multiply(Y[start:stop], own, packed, G[start:stop])
    for s in range(start, stop):
        z, past = s * 4 * T, (max(before, 0) + s - start) * T
        for j in range(z, z + T, wide):
            inside, at = first(h, z + T - j), j - z
            sum_g, sum_i, sum_f, sum_o = load(G, j), load(G, j + T), load(G, j + 2 * T), load(G, j + 3 * T)
            g, i, f, o = tanh(sum_g), logistic(sum_i), logistic(sum_f), logistic(sum_o)
            store(G, j, select(inside, g, sum_g))
            store(G, j + T, select(inside, i, sum_i))
            store(G, j + 2 * T, select(inside, f, sum_f))
            store(G, j + 3 * T, select(inside, o, sum_o))
            memory = g * i + f * select(first(m, remembered - at), load(m, past + at), zero)
            # Beyond the row may lie what the step before remembers of the next sentence (``parse``).
            store(m, s * T + at, select(inside, memory, load(m, s * T + at)))
            store(e, s * T + at, o * tanh(memory))


@kernel(inner=True, apart=True)
def _cover(start, stop, covered, h, V, packed, C, Q):
    """Write what the tracker's gates get from states that a word comes to lie upon: C (N, H) these, Q (1 + N, 4T)."""
    H, gates = h.shape[1], Q.shape[1]
    if stop > start:
        for n in range(start, stop):
            _place(h, covered[n] * H, C, n * H, H)
        _clear(Q, (1 + start) * gates, (stop - start) * gates)
        _multiply(C[start:stop], V[2 * H : 3 * H], packed, Q[1 + start : 1 + stop])


@kernel(inner=True, apart=True)
def _see_buffer(h, base, V, d, P, space):
    """Write what the tracker's gates get from each state that may come from the buffer, and d: P (1 + leaves, 4T)."""
    H = h.shape[1]
    d = _with_room(d)
    for v in range(base):
        _place(d, 0, P, v * P.shape[1], P.shape[1])
    _multiply(h[:base], V[:H], _packed(V[:H], space)[0], P)


@kernel(inner=True, apart=True)
def _set_leaves(leaves, h, c):
    """Write the empty place and the leaves (V, 2H), which have no room behind them."""
    count, H = leaves.shape[0], h.shape[1]
    inside = max(0, count - 1 - lanes(h) // (2 * H))  # rows whose last vector does not reach beyond all leaves
    _clear(h, 0, H)
    _clear(c, 0, H)
    for v in range(inside):
        _place(leaves, 2 * v * H, h, (1 + v) * H, H)
        _place(leaves, (2 * v + 1) * H, c, (1 + v) * H, H)
    for v in range(inside, count):
        for j in range(H):
            h[1 + v, j], c[1 + v, j] = leaves[v, j], leaves[v, H + j]


@kernel()
def forward(
    reduce_start, left, right, track_of, track_start, buffer, top, second, cover_start, covered,
    leaves, h, c, P, Q, e, m, W, b, V, d, X, Z, Y, G, C, multiply, space,
):  # fmt: skip
    """Fill h, c from the leaves (V, 2H) on, and the tracker's e, m (S, T); P (1 + V, 4T) and Q (1 + N, 4T) are scratch.

    ``space`` is for the panels of the weights (``packed.py``); where there is none BLAS multiplies.
    """
    base, H, T, b = h.shape[0] - left.size, h.shape[1], e.shape[1], _with_room(b)
    _set_leaves(leaves, h, c)
    W_packed, space = _packed(W, space)
    own = _own_weights(V, H)
    own_packed, space = _packed(own, space)
    V_packed, space = _packed(V[2 * H : 3 * H], space)
    if T:
        _see_buffer(h, base, V, d, P, space)
        _clear(Q, 0, 4 * T)
    for step in range(reduce_start.size - 1):
        if T:
            before = track_start[step - 1] if step else -1
            _track(
                track_start[step], track_start[step + 1], before, buffer, top, second, P, Q, h, e, m, own, own_packed,
                Y, G,
            )  # fmt: skip
            _cover(cover_start[step], cover_start[step + 1], covered, h, V, V_packed, C, Q)
        start, stop = reduce_start[step], reduce_start[step + 1]
        if stop > start:
            _reduce(start, stop, base, left, right, track_of, h, c, e, W, W_packed, b, X, Z, multiply)


@kernel(inner=True)
def _reduce_back(start, stop, base, left, right, track_of, h, c, e, W, packed, Z, dh, dc, de, dX, db, multiply):
    H, T, K, wide = h.shape[1], e.shape[1], dX.shape[1], lanes(h)
    one, zero = same(h, 1), same(h, 0)
    for r in range(start, stop):
        z, left_at, right_at, new = r * 5 * H, left[r] * H, right[r] * H, (base + r) * H
        for j in range(z, z + H, wide):
            inside, at = first(h, z + H - j), j - z
            a, i, o, f_left, f_right = (
                load(Z, j),
                load(Z, j + H),
                load(Z, j + 4 * H),
                load(Z, j + 2 * H),
                load(Z, j + 3 * H),
            )
            t, slope = tanh(load(c, new + at)), load(dh, new + at)
            d = load(dc, new + at) + slope * o * (one - t * t)
            store(dc, left_at + at, load(dc, left_at + at) + select(inside, d * f_left, zero))
            store(dc, right_at + at, load(dc, right_at + at) + select(inside, d * f_right, zero))
            store(Z, j, select(inside, d * i * (one - a * a), a))
            store(Z, j + H, select(inside, d * a * i * (one - i), i))
            store(Z, j + 2 * H, select(inside, d * load(c, left_at + at) * f_left * (one - f_left), f_left))
            store(Z, j + 3 * H, select(inside, d * load(c, right_at + at) * f_right * (one - f_right), f_right))
            store(Z, j + 4 * H, select(inside, slope * t * o * (one - o), o))
    _clear(dX, 0, (stop - start) * K)
    _multiply_turned(Z[start:stop], W, packed, dX[: stop - start])
    for r in range(start, stop):
        x, left_at, right_at = (r - start) * K, left[r] * H, right[r] * H
        _add(Z, r * 5 * H, db, 0, 5 * H)
        _add(dX, x, dh, left_at, H)
        _add(dX, x + H, dh, right_at, H)
        if multiply:
            _add_product(dX, x + 2 * H, h, right_at, dh, left_at, H)
            _add_product(dX, x + 2 * H, h, left_at, dh, right_at, H)
        if T:
            _add(dX, x + K - T, de, track_of[r] * T, T)


@kernel(inner=True)
def _track_back(start, stop, before, buffer, top, second, m, own, packed, G, dh, dP, dQ, de, dm, dY, dd):
    H, T, K, wide = dh.shape[1], m.shape[1], dY.shape[1], lanes(m)
    remembered = T if before >= 0 else 0
    one, zero = same(m, 1), same(m, 0)
    for s in range(start, stop):
        z, past = s * 4 * T, (max(before, 0) + s - start) * T
        for j in range(z, z + T, wide):
            inside, at = first(m, z + T - j), j - z
            kept = first(m, remembered - at)
            g, i, f, o = load(G, j), load(G, j + T), load(G, j + 2 * T), load(G, j + 3 * T)
            t, slope = tanh(load(m, s * T + at)), load(de, s * T + at)
            d = load(dm, s * T + at) + slope * o * (one - t * t)
            store(dm, past + at, load(dm, past + at) + select(kept, d * f, zero))
            memory = select(kept, load(m, past + at), zero)
            store(G, j, select(inside, d * i * (one - g * g), g))
            store(G, j + T, select(inside, d * g * i * (one - i), i))
            store(G, j + 2 * T, select(inside, d * memory * f * (one - f), f))
            store(G, j + 3 * T, select(inside, slope * t * o * (one - o), o))
    for s in range(start, stop):
        _add(G, s * 4 * T, dP, buffer[s] * 4 * T, 4 * T)
        _add(G, s * 4 * T, dQ, second[s] * 4 * T, 4 * T)
        _add(G, s * 4 * T, dd, 0, 4 * T)
    if before < 0:
        return
    _clear(dY, 0, (stop - start) * K)
    _multiply_turned(G[start:stop], own, packed, dY[: stop - start])
    for s in range(start, stop):
        y = (s - start) * K
        _add(dY, y, dh, top[s] * H, H)
        _add(dY, y + H, de, (before + s - start) * T, T)


@kernel(inner=True)
def _cover_back(start, stop, covered, V, packed, dQ, dC, dh):
    H = dh.shape[1]
    if stop > start:
        _clear(dC, 0, (stop - start) * H)
        _multiply_turned(dQ[1 + start : 1 + stop], V[2 * H : 3 * H], packed, dC[: stop - start])
        for n in range(start, stop):
            _add(dC, (n - start) * H, dh, covered[n] * H, H)


@kernel()
def backward(
    reduce_start, left, right, track_of, track_start, buffer, top, second, cover_start, covered,
    h, c, e, m, W, V, X, Z, Y, G, C, wanted, d_wanted, d_e, dh, dc, de, dm, dP, dQ, dX, dY, dC,
    dW, db, dV, dd, d_leaves, multiply, space,
):  # fmt: skip
    """Turn the gradients of h's ``wanted`` rows and of e, (S, T) or of no rows, into those of leaves and weights.

    Z and G are spent; dX, dY and dC are scratch for one step.
    """
    base, H, T = h.shape[0] - left.size, h.shape[1], e.shape[1]
    for gradient in (dh, dc, de, dm, dP, dQ, dW, dV):
        _clear(gradient, 0, gradient.size)
    for gradient in (db, dd):
        _clear(gradient, 0, gradient.size)
    for k in range(wanted.size):
        for j in range(H):
            dh[wanted[k], j] += d_wanted[k, j]
    for s in range(d_e.shape[0]):
        for j in range(T):
            de[s, j] = d_e[s, j]
    W_packed, space = _packed_turned(W, space)
    own = _own_weights(V, H)
    own_packed, space = _packed_turned(own, space)
    V_packed, space = _packed_turned(V[2 * H : 3 * H], space)
    for step in range(reduce_start.size - 2, -1, -1):
        start, stop = reduce_start[step], reduce_start[step + 1]
        if stop > start:
            _reduce_back(
                start, stop, base, left, right, track_of, h, c, e, W, W_packed, Z, dh, dc, de, dX, db, multiply
            )
        if T:
            _cover_back(cover_start[step], cover_start[step + 1], covered, V, V_packed, dQ, dC, dh)
            before, start, stop = track_start[step - 1] if step else -1, track_start[step], track_start[step + 1]
            _track_back(start, stop, before, buffer, top, second, m, own, own_packed, G, dh, dP, dQ, de, dm, dY, dd)
    _slopes(X, Z, dW, space)
    if T:
        _slopes(h[:base], dP, dV[:H], space)
        _slopes(C, dQ[1:], dV[2 * H : 3 * H], space)
        own.fill(0)
        later = track_start[1]  # the first step has no rows of Y
        _slopes(Y[later:], G[later:], own, space)
        for k in range(H + T):
            target = H + k if k < H else 2 * H + k
            for j in range(4 * T):
                dV[target, j] = own[k, j]
        _multiply_turned(dP, V[:H], _packed_turned(V[:H], space)[0], dh[:base])
    for v in range(d_leaves.shape[0]):
        _place(dh, (1 + v) * H, d_leaves, 2 * v * H, H)
        _place(dc, (1 + v) * H, d_leaves, (2 * v + 1) * H, H)


def room_to_parse(leaves: int, B: int, words: int, H: int, T: int, inputs: int) -> int:
    """Return how many numbers, at most, the eleven arrays of ``parse`` take, to read B sentences of so many words."""
    states = 1 + leaves + words - B
    of_steps = B * (inputs + 5 * H) + 2 * B * (H + 7 * T)
    return 2 * states * H + (states + 1) * 4 * T + (words - B) * H + of_steps + 11 * size_with_room(1)


@kernel(inner=True)
def _carve(memory, at, rows, columns):
    """Return an array in ``memory`` with room behind it, and the place where the next one starts."""
    size = rows * columns
    return memory[at : at + size].reshape(rows, columns), at + size_with_room(size)


@kernel(inner=True)
def _longest_first(lengths):
    """Return the order (B,) of sentences, the longest first, and of each how many words it has and where they begin."""
    B, longest = lengths.size, 0
    for n in lengths:
        longest = max(longest, n)
    places = np.zeros(longest + 2, np.int64)
    for n in lengths:
        places[longest - n + 1] += 1
    for n in range(longest + 1):
        places[n + 1] += places[n]
    order, count, first_word = np.empty(B, np.int64), np.empty(B, np.int64), np.empty(B, np.int64)
    word = 0
    for k in range(B):
        n = lengths[k]
        place = places[longest - n]
        order[place], count[place], first_word[place] = k, n, word
        places[longest - n] += 1
        word += n
    return order, count, first_word


@kernel(inner=True)
def _choose(
    step, start, active, e, choice, bias, count, order, first_word, buffer, top, stack, depth, read, below,
    rows, left, right, track_of, covered, covers, taken,
):  # fmt: skip
    """Take a transition of each active sentence; return how many were reduces, and how many states words lie upon."""
    reduces = 0
    for k in range(active):
        score, seen, place = bias, e[start + k], 2 * first_word[k] - order[k] + step
        for j in range(choice.size):
            score += seen[j] * choice[j]
        if depth[k] > 1 and (score > 0 or read[k] == count[k]):
            left[reduces], right[reduces], track_of[reduces] = stack[k, depth[k] - 2], top[start + k], start + k
            depth[k] -= 1
            stack[k, depth[k] - 1] = rows + reduces
            reduces += 1
            taken[place] = 1
        else:
            if depth[k] > 0:
                covered[covers] = top[start + k]
                covers += 1
                below[k, depth[k] - 1] = covers
            stack[k, depth[k]] = buffer[start + k]
            depth[k] += 1
            read[k] += 1
            taken[place] = 0
    return reduces, covers


@kernel()
def parse(words, lengths, leaves, W, b, V, d, U, u, space, memory, multiply, out, taken):
    """Read sentences by the cell's own transitions, all at once, the longest first.

    ``words``, rows of the leaves, are those of one sentence after another; the second of e U + u less the first speaks
    for REDUCE. The sentences' h, out (B, H), and all transitions in a row, taken, are written. The rows of h are in the
    order of the steps: X and Z have room for the reduces of one, e, m, Y and G for two steps of the tracker.
    """
    B, H, T, K, rows, b = lengths.size, out.shape[1], d.size // 4, W.shape[0], 1 + leaves.shape[0], _with_room(b)
    R = words.size - B
    h, at = _carve(memory, 0, rows + R, H)
    c, at = _carve(memory, at, rows + R, H)
    P, at = _carve(memory, at, rows, 4 * T)
    Q, at = _carve(memory, at, 1 + R, 4 * T)
    C, at = _carve(memory, at, R, H)
    X, at = _carve(memory, at, B, K)
    Z, at = _carve(memory, at, B, 5 * H)
    e, at = _carve(memory, at, 2 * B, T)
    m, at = _carve(memory, at, 2 * B, T)
    Y, at = _carve(memory, at, 2 * B, H + T)
    G, at = _carve(memory, at, 2 * B, 4 * T)
    W_packed, space = _packed(W, space)
    own = _own_weights(V, H)
    own_packed, space = _packed(own, space)
    V_packed, space = _packed(V[2 * H : 3 * H], space)
    _set_leaves(leaves, h, c)
    _see_buffer(h, rows, V, d, P, space)
    _clear(Q, 0, 4 * T)
    order, count, first_word = _longest_first(lengths)
    choice, bias = np.empty(T, U.dtype), u[1] - u[0]
    for j in range(T):
        choice[j] = U[j, 1] - U[j, 0]
    left, right, track_of = np.empty(B, np.int64), np.empty(B, np.int64), np.empty(B, np.int64)
    buffer, top, second = np.empty(2 * B, np.int64), np.empty(2 * B, np.int64), np.empty(2 * B, np.int64)
    stack, depth, read = np.empty((B, count[0]), np.int64), np.zeros(B, np.int64), np.zeros(B, np.int64)
    below = np.zeros((B, count[0] + 1), np.int64)  # the row of Q of each place of a stack
    covered, covers = np.empty(R, np.int64), np.int64(0)  # a literal would be compiled for itself
    active, before = B, -1
    for step in range(2 * count[0] - 1):
        while step >= 2 * count[active - 1] - 1:
            active -= 1
        # The tracker's last two steps alone are kept: they take turns.
        start = 0 if step % 2 == 0 else B
        for k in range(active):
            buffer[start + k] = 1 + words[first_word[k] + read[k]] if read[k] < count[k] else 0
            top[start + k] = stack[k, depth[k] - 1] if depth[k] > 0 else 0
            second[start + k] = below[k, depth[k] - 2] if depth[k] > 1 else 0
        _track(start, start + active, before, buffer, top, second, P, Q, h, e, m, own, own_packed, Y, G)
        first_cover = covers
        reduces, covers = _choose(
            step, start, active, e, choice, bias, count, order, first_word, buffer, top, stack, depth, read, below,
            rows, left, right, track_of, covered, covers, taken,
        )  # fmt: skip
        _cover(first_cover, covers, covered, h, V, V_packed, C, Q)
        if reduces:
            _reduce(0, reduces, rows, left, right, track_of, h, c, e, W, W_packed, b, X, Z, multiply)
        before, rows = start, rows + reduces
    for k in range(B):
        for j in range(H):
            out[order[k], j] = h[stack[k, 0], j]
