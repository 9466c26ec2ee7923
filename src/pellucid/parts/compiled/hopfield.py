"""Asynchronous recall, compiled: see ``networks/hopfield.py`` for the equations.

Two forms of the same network. ``matrix_sweeps`` keeps the local fields and changes them only when a unit flips.
``factor_sweeps`` (Hebb's rule) keeps the overlaps m = X s and never sees a matrix: the field of unit i is

    h_i = Σ_p x_pi m_p - P s_i

and where one pattern's overlap outweighs all others together, x_pi m_p alone tells its sign. What is left over
is summed a block of patterns at a time, until the rest is too small to matter. Both are exact in whole numbers.
"""

import numpy as np

from pellucid.parts.compiling import kernel

__all__ = ["BLOCK", "factor_glauber", "factor_sweeps", "matrix_glauber", "matrix_sweeps"]

# Patterns whose part of a field is summed before the rest is weighed again; one cache line of them.
BLOCK = 64
# Rows of ±1 that a 16-bit sum holds.
HELD = 32_000
# Flips that are taken into the overlaps together.
TOGETHER = 256
# Units that are looked at to guess which pattern is near.
SAMPLE = 4096


@kernel()
def matrix_sweeps(W, S, H, bias, slack, orders, most, done, sweeps, flips):
    """Run up to ``most`` sweeps on each row of S (n, N) that is not done, with its fields H (n, N), in place.

    ``bias`` (N,) is in the unit of H; a field within ``slack`` (N,) of zero counts as zero and keeps the state.
    Sweep k visits the units as ``orders[k]`` says, modulo their number. A sweep without a flip ends a row.
    """
    n, N = S.shape
    for r in range(n):
        if done[r]:
            continue
        s, h = S[r], H[r]
        for k in range(most):
            order = orders[k % len(orders)]
            before = flips[r]
            for t in range(N):
                i = order[t]
                if s[i] * (h[i] + bias[i]) < -slack[i]:
                    row = W[i]
                    if s[i] > 0:
                        for j in range(N):
                            h[j] -= 2 * row[j]
                    else:
                        for j in range(N):
                            h[j] += 2 * row[j]
                    s[i] = -s[i]
                    flips[r] += 1
            sweeps[r] += 1
            if flips[r] == before:
                done[r] = True
                break


@kernel(inner=True)
def overlaps(X, s, guess, near, m):
    """Leave m = Xᵀ s (P,) of X (N, P) in m, and the column ``guess`` of X in near (N,)."""
    N, P = X.shape
    part = np.empty(P, np.int16)
    m[:] = 0
    for start in range(0, N, HELD):
        stop = min(N, start + HELD)
        part[:] = 0
        i = start
        while i + 4 <= stop:
            a, b, c, d = X[i], X[i + 1], X[i + 2], X[i + 3]
            sa, sb, sc, sd = s[i], s[i + 1], s[i + 2], s[i + 3]
            for p in range(P):
                part[p] += np.int16(sa * a[p] + sb * b[p] + sc * c[p] + sd * d[p])
            near[i], near[i + 1], near[i + 2], near[i + 3] = a[guess], b[guess], c[guess], d[guess]
            i += 4
        while i < stop:
            for p in range(P):
                part[p] += np.int16(s[i] * X[i, p])
            near[i] = X[i, guess]
            i += 1
        for p in range(P):
            m[p] += part[p]


@kernel(inner=True)
def likely(X, s):
    """Return the pattern that the first units speak for; any answer is right, a good one is quick."""
    N, P = X.shape
    votes = np.zeros(P, np.int32)
    for i in range(min(N, SAMPLE)):
        for p in range(P):
            votes[p] += s[i] * X[i, p]
    best = 0
    for p in range(P):
        if abs(votes[p]) > abs(votes[best]):
            best = p
    return best


@kernel(inner=True)
def weigh(m, guess, rest):
    """Leave in rest[k] the most that the patterns from block k on, without ``guess``, can add to any field."""
    P = len(m)
    total = 0
    for k in range(len(rest) - 2, -1, -1):
        for p in range(k * BLOCK, min(P, (k + 1) * BLOCK)):
            total += abs(m[p])
        rest[k] = total - (abs(m[guess]) if guess >= k * BLOCK else 0)


@kernel(inner=True)
def turn(x, m, sign, rest):
    """Take a flip of the unit with the row x (P,), whose state was ``sign``, into m; let rest grow to stay above."""
    P = len(m)
    two = np.int32(2 * sign)
    for p in range(P):
        m[p] -= np.int32(two * x[p])
    for k in range(len(rest) - 1):
        rest[k] += 2 * (P - k * BLOCK)


@kernel(inner=True)
def allowance(m, guess, rest, aside):
    """Return for how many flips the overlap of ``guess`` surely outweighs all else; each takes at most 2 P of it."""
    return min(TOGETHER, int((abs(m[guess]) - rest[0] - aside) / (2 * len(m))))


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
            m[p] += np.int32(2 * (sa * a[p] + sb * b[p] + sc * c[p] + sd * d[p]))
        q += 4
    while q < count:
        for p in range(P):
            m[p] += np.int32(2 * s[waiting[q]] * X[waiting[q], p])
        q += 1


@kernel(inner=True)
def opposed(x, m, own, sign, guess, rest):
    """Say whether the field is against the state ``sign``, where ``own`` is the part of it already known.

    The sum goes on only as long as what is left of it could change the answer.
    """
    P = len(m)
    known = sign * own
    for k in range(len(rest)):
        if known >= rest[k]:
            return False
        if known < -rest[k]:
            return True
        part = np.int32(0)
        for p in range(k * BLOCK, min(P, (k + 1) * BLOCK)):
            part += np.int32(x[p] * m[p])
        if k * BLOCK <= guess < (k + 1) * BLOCK:
            part -= np.int32(x[guess] * m[guess])
        known += sign * part
    return False


@kernel()
def factor_sweeps(X, S, bias, orders, most, done, sweeps, flips):
    """Do what ``matrix_sweeps`` does with Hebb's weights Xᵀ X of X (N, P), without them."""
    N, P = X.shape
    m = np.empty(P, np.int32)
    near = np.empty(N, np.int8)
    rest = np.zeros((P + BLOCK - 1) // BLOCK + 1, np.int64)
    # Flips after which the bounds are made tight again: they grow by 2 P a flip, and should stay well below N.
    often = min(64, max(1, N // (16 * P)))
    waiting = np.empty(TOGETHER, np.int64)
    # What a field has beside its overlaps, at most.
    aside = P + 1 + np.abs(bias).max()
    for r in range(len(S)):
        if done[r]:
            continue
        s = S[r]
        guess = likely(X, s)
        overlaps(X, s, guess, near, m)
        weigh(m, guess, rest)
        # Far from all other patterns, the near one alone decides every unit: for so many flips at least as the
        # distance allows, which are taken into the overlaps together.
        count = 0
        allowed = allowance(m, guess, rest, aside)
        for k in range(most):
            order = orders[k % len(orders)]
            before = flips[r]
            for t in range(N):
                i = order[t]
                sign = s[i]
                if allowed > 0:
                    if (near[i] if m[guess] > 0 else -near[i]) == sign:
                        continue
                    s[i] = -sign
                    flips[r] += 1
                    waiting[count] = i
                    count += 1
                    if count == allowed:
                        turn_all(X, s, waiting, count, m)
                        weigh(m, guess, rest)
                        count = 0
                        allowed = allowance(m, guess, rest, aside)
                    continue
                own = near[i] * np.int64(m[guess]) - P * sign + bias[i]
                known = sign * own
                if known >= rest[0]:
                    continue
                if known < -rest[0] or opposed(X[i], m, own, sign, guess, rest):
                    turn(X[i], m, sign, rest)
                    s[i] = -sign
                    flips[r] += 1
                    if flips[r] % often == 0:
                        weigh(m, guess, rest)
                    allowed = allowance(m, guess, rest, aside)
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
