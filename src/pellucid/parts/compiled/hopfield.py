"""Asynchronous recall, compiled: see ``networks/hopfield.py`` for the equations.

Two forms of the same network. ``matrix_sweeps`` keeps the local fields, which change only where a unit flips: one
pass over them takes the flip in and finds the next unit that will flip, so that a unit that stays costs nothing.
``factor_sweeps`` (Hebb's rule) keeps the overlaps m = X s and never sees a matrix: the field of unit i is

    h_i = Σ_p x_pi m_p - P s_i

and where one pattern's overlap outweighs all others together, x_pi m_p alone tells its sign. What is left over
is summed a block of patterns at a time, until the rest is too small to matter. Both are exact in whole numbers.

Overlaps come from patterns and states as bits: m_p = N - 2 (how many bits of x_p and s differ), an eighth of the bytes.
"""

import numpy as np

from pellucid.parts.compiled.memory import fetch, uncounted
from pellucid.parts.compiling import kernel

__all__ = ["BLOCK", "factor_glauber", "factor_sweeps", "fields", "matrix_glauber", "matrix_sweeps", "overlaps"]

# Patterns whose part of a field is summed before the rest is weighed again; one cache line of them.
BLOCK = 64
# Flips that are taken into the overlaps together.
TOGETHER = 256
# Units whose patterns are asked for before their turn comes.
AHEAD = 6
ONE = np.uint64(1)


@kernel()
def overlaps(packed, bits, N, m):
    """Leave the overlaps of states (n, K) with patterns (P, K), both 64 units a word, in m (n, P)."""
    for r in range(len(packed)):
        for p in range(len(bits)):
            apart = np.uint64(0)
            for k in range(packed.shape[1]):
                # How many bits of a word are set, as the processor's own instruction (the compiler knows this form).
                w = packed[r, k] ^ bits[p, k]
                w = w - ((w >> ONE) & np.uint64(0x5555555555555555))
                w = (w & np.uint64(0x3333333333333333)) + ((w >> np.uint64(2)) & np.uint64(0x3333333333333333))
                w = (w + (w >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
                apart += (w * np.uint64(0x0101010101010101)) >> np.uint64(56)
            m[r, p] = N - 2 * np.int64(apart)


@kernel()
def fields(X, m, S, H):
    """Leave m X - P S (n, N) in H, from overlaps m (n, P), patterns X (P, N), states S (n, N), all whole numbers.

    What is too large for H on the way does no harm, if only the result fits: whole numbers wrap around.
    """
    P, N = X.shape
    for r in range(len(S)):
        h, s = H[r], S[r]
        for j in range(N):
            h[j] = -P * s[j]
        p = 0
        while p + 4 <= P:
            a, b, c, d = X[p], X[p + 1], X[p + 2], X[p + 3]
            ma, mb, mc, md = m[r, p], m[r, p + 1], m[r, p + 2], m[r, p + 3]
            for j in range(N):
                h[j] += ma * a[j] + mb * b[j] + mc * c[j] + md * d[j]
            p += 4
        while p < P:
            for j in range(N):
                h[j] += m[r, p] * X[p, j]
            p += 1


@kernel(inner=True)
def first_against(h, s, slack, place, now, none):
    """Return how many places after ``now`` the first unit stands whose field is against its state; ``none`` if none."""
    best = none
    for j in range(len(h)):
        away = place.dtype.type(place[j] - now)  # wraps around for units that have had their turn
        against = (h[j] < 0 if s[j] > 0 else h[j] > 0) if slack is None else h[j] * s[j] < -slack[j]
        best = min(best, away if against else none)
    return best


@kernel(inner=True)
def take_in(h, s, row, twice, slack, place, now, none):
    """Change the fields h (N,) by ``twice`` the weights ``row`` of a unit that flipped; else as ``first_against``."""
    best = none
    for j in range(len(h)):
        h[j] -= h.dtype.type(twice * row[j])
        away = place.dtype.type(place[j] - now)
        against = (h[j] < 0 if s[j] > 0 else h[j] > 0) if slack is None else h[j] * s[j] < -slack[j]
        best = min(best, away if against else none)
    return best


@kernel()
def matrix_sweeps(W, S, H, slack, unit, orders, places, first, most, done, sweeps, flips):
    """Run up to ``most`` sweeps on each row of S (n, N) that is not done, with its fields H (n, N), in place.

    H holds the bias, and ``unit`` times the weights' sums. A field within ``slack`` (N,) of zero (None: zero itself)
    keeps the state. Sweep k visits the units as ``orders[k]`` says, modulo their number; ``places`` are its inverse.
    ``first`` is the number of the first sweep. A sweep without a flip ends a row.
    """
    W, S, H, orders, places = uncounted(W), uncounted(S), uncounted(H), uncounted(orders), uncounted(places)
    n, N = S.shape
    none = places.dtype.type(~places.dtype.type(0))
    for r in range(n):
        if done[r]:
            continue
        s, h = S[r], H[r]
        for k in range(first, first + most):
            order, place = orders[k % len(orders)], places[k % len(orders)]
            before = flips[r]
            now = np.int64(0)
            away = first_against(h, s, slack, place, places.dtype.type(now), none)
            while away < N:
                now += np.int64(away)
                i = order[now]
                twice = 2 * unit * s[i]
                s[i] = -s[i]
                flips[r] += 1
                away = take_in(h, s, W[i], h.dtype.type(twice), slack, place, places.dtype.type(now), none)
            sweeps[r] += 1
            if flips[r] == before:
                done[r] = True
                break


@kernel(inner=True)
def weigh(m, guess, rest):
    """Leave in rest[k] the most that the patterns from block k on, without ``guess``, can add to any field.

    Returns the block up to which a sum is hardly ever decided, since more is left than ``guess`` speaks for.
    """
    P = len(m)
    total = np.int64(0)
    for k in range(len(rest) - 2, -1, -1):
        block = m[k * BLOCK : min(P, (k + 1) * BLOCK)]
        for p in range(len(block)):
            total += abs(np.int64(block[p]))
        rest[k] = total - (abs(np.int64(m[guess])) if guess >= k * BLOCK else 0)
    for k in range(len(rest)):
        if rest[k] <= abs(np.int64(m[guess])):
            return k
    return len(rest) - 1


@kernel(inner=True)
def turn(x, m, sign, rest):
    """Take a flip of the unit with the row x (P,), whose state was ``sign``, into m; let rest grow to stay above."""
    P = len(m)
    two = m.dtype.type(2 * sign)
    for p in range(P):
        m[p] -= m.dtype.type(two * x[p])
    for k in range(len(rest) - 1):
        rest[k] += 2 * (P - k * BLOCK)


@kernel(inner=True)
def turn_all(X, s, waiting, count, m):
    """Take the first ``count`` units in ``waiting``, which have flipped in s, into m; four rows are fetched at once."""
    P = len(m)
    q = 0
    while q + 4 <= count:
        i, j, k, h = waiting[q], waiting[q + 1], waiting[q + 2], waiting[q + 3]
        a, b, c, d = X[i], X[j], X[k], X[h]
        sa, sb, sc, sd = s[i], s[j], s[k], s[h]
        for p in range(P):
            m[p] += m.dtype.type(2 * (sa * a[p] + sb * b[p] + sc * c[p] + sd * d[p]))
        q += 4
    while q < count:
        for p in range(P):
            m[p] += m.dtype.type(2 * s[waiting[q]] * X[waiting[q], p])
        q += 1


@kernel(inner=True)
def partial(x, m, start, stop, held):
    """Return Σ x_p m_p of the patterns from ``start`` to ``stop``, ``held`` of them at a time in 32 bits."""
    total = np.int64(0)
    while start < stop:
        end = min(stop, start + held)
        some, their = x[start:end], m[start:end]  # counted from 0, or the compiler sees no vectors
        part = np.int32(0)
        for p in range(len(some)):
            part += np.int32(np.int32(some[p]) * np.int32(their[p]))
        total += part
        start = end
    return total


@kernel(inner=True)
def opposed(x, m, known, sign, guess, rest, likely, held):
    """Say whether the field is against the state ``sign``; ``known`` is the part of their product already known.

    The sum goes on only as long as what is left of it could change the answer; before block ``likely`` nobody asks.
    """
    P = len(m)
    start = 0
    stop = min(P, max(1, likely) * BLOCK)
    for k in range(max(1, likely), len(rest)):
        part = partial(x, m, start, stop, held)
        if start <= guess < stop:
            part -= np.int64(x[guess]) * m[guess]
        known += sign * part
        if known >= rest[k]:
            return False
        if known < -rest[k]:
            return True
        start, stop = stop, min(P, stop + BLOCK)
    return False


@kernel()
def factor_sweeps(  # noqa: PLR0915  (one loop over the units: what is decided, and what is not)
    X, bits, S, apart, low, high, orders, most, done, sweeps, flips, m
):
    """Do what ``matrix_sweeps`` does with Hebb's weights X Xᵀ of units X (N, P), without them.

    ``bits`` (P, K) are the patterns and ``apart`` (n, K) the states as bits, ``low`` and ``high`` (N,) the whole
    numbers around the bias (empty: none); ``apart`` and m (P,) are for working in.
    """
    X, bits, S, apart, m = uncounted(X), uncounted(bits), uncounted(S), uncounted(apart), uncounted(m)
    N, P = X.shape
    rest = np.zeros((P + BLOCK - 1) // BLOCK + 1, np.int64)
    held = max(BLOCK, min(P, (1 << 31) // (N + 1)))
    # Flips after which the bounds are made tight again: they grow by 2 P a flip, and should stay well below N.
    often = min(64, max(1, N // (16 * P)))
    waiting = np.empty(TOGETHER, np.int64)
    # What a field has beside its overlaps, at most.
    aside = P + 1
    for i in range(len(low)):
        aside = max(aside, P + 1 + max(abs(low[i]), abs(high[i])))
    for r in range(len(S)):
        if done[r]:
            continue
        s, differ = S[r], apart[r]
        overlaps(apart[r : r + 1], bits, N, m.reshape(1, P))
        guess = 0
        for p in range(P):
            if abs(np.int64(m[p])) > abs(np.int64(m[guess])):
                guess = p
        toward = 1 if m[guess] >= 0 else -1
        # From here on a bit is set where the state differs from the near pattern (or from its inverse).
        for k in range(len(differ)):
            differ[k] ^= bits[guess, k] if toward > 0 else ~bits[guess, k]
        likely = weigh(m, guess, rest)
        # Far from all other patterns, the near one alone decides every unit: for so many flips at least as the
        # distance allows (each takes at most 2 P of it), which are taken into the overlaps together.
        near = toward * np.int64(m[guess])
        count = 0
        allowed = min(TOGETHER, (near - rest[0] - aside) // (2 * P))
        for k in range(most):
            order = orders[k % len(orders)]
            before = flips[r]
            for t in range(N):
                i = order[t]
                unlike = (differ[i >> 6] >> np.uint64(i & 63)) & ONE
                if allowed > 0:
                    if not unlike:
                        continue
                    s[i] = -s[i]
                    differ[i >> 6] ^= ONE << np.uint64(i & 63)
                    flips[r] += 1
                    fetch(X[i])
                    waiting[count] = i
                    count += 1
                    if count == allowed:
                        turn_all(X, s, waiting, count, m)
                        likely = weigh(m, guess, rest)
                        count = 0
                        near = toward * np.int64(m[guess])
                        allowed = min(TOGETHER, (near - rest[0] - aside) // (2 * P))
                    continue
                if t + AHEAD < N:
                    fetch(X[order[t + AHEAD]])
                sign = np.int64(s[i])
                known = (-near if unlike else near) - P
                if len(low):
                    known += low[i] if sign > 0 else -high[i]
                if known >= rest[0]:
                    continue
                if known < -rest[0] or opposed(X[i], m, known, sign, guess, rest, likely, held):
                    turn(X[i], m, sign, rest)
                    s[i] = -s[i]
                    differ[i >> 6] ^= ONE << np.uint64(i & 63)
                    flips[r] += 1
                    near = toward * np.int64(m[guess])
                    if flips[r] % often == 0:
                        likely = weigh(m, guess, rest)
                    allowed = min(TOGETHER, (near - rest[0] - aside) // (2 * P))
            sweeps[r] += 1
            if flips[r] == before:
                done[r] = True
                break


@kernel(exact=True)
def matrix_glauber(W, s, h, bias, scale, temperature, orders, chances, flips):
    """Visit the units of s (N,) as ``orders`` (K, N) says; each becomes +1 with chance σ(2 field / temperature).

    ``chances`` (K, N) are uniform in [0, 1); ``scale`` turns h and bias into the field.
    """
    N = len(s)
    for k in range(len(orders)):
        for t in range(N):
            i = orders[k, t]
            field = (h[i] + bias[i]) * scale
            state = 1 if chances[k, t] * (1 + np.exp(-2 * field / temperature)) < 1 else -1
            if state != s[i]:
                for j in range(N):
                    h[j] += 2 * state * W[i, j]
                s[i] = state
                flips[0] += 1


@kernel(exact=True)
def factor_glauber(X, s, bias, scale, temperature, orders, chances, flips):
    """Do what ``matrix_glauber`` does with Hebb's weights Xᵀ X of X (N, P), without them."""
    N, P = X.shape
    m = np.zeros(P, np.int64)
    for i in range(N):
        for p in range(P):
            m[p] += s[i] * X[i, p]
    for k in range(len(orders)):
        for t in range(N):
            i = orders[k, t]
            total = np.int64(-P * s[i])
            for p in range(P):
                total += X[i, p] * m[p]
            field = (total + bias[i]) * scale
            state = 1 if chances[k, t] * (1 + np.exp(-2 * field / temperature)) < 1 else -1
            if state != s[i]:
                for p in range(P):
                    m[p] += 2 * state * X[i, p]
                s[i] = state
                flips[0] += 1
