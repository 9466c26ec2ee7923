"""Plans of indices for shift and reduce: which rows each step takes, made from transitions in compiled loops.

A transition is 0 (SHIFT) or 1 (REDUCE). Sentences lie one behind another; row 0 of the states is the empty place,
row 1 + v is leaf v, row 1 + leaves + r is reduce r.
"""

import numpy as np

from pellucid.parts.compiling import kernel

__all__ = ["by_level", "by_step", "fault"]


@kernel()
def fault(transitions, lengths):
    """Return (sentence, position) of the first transition that cannot be done, or (-1, -1)."""
    at = 0
    for k in range(lengths.size):
        shifts = depth = 0
        for t in range(2 * lengths[k] - 1):
            reduce = transitions[at + t]
            if reduce > 1 or (reduce == 1 and depth < 2) or (reduce == 0 and shifts == lengths[k]):
                return k, t
            shifts += 1 - reduce
            depth += -1 if reduce else 1
        at += 2 * lengths[k] - 1
    return -1, -1


@kernel()
def by_step(
    transitions, tokens, lengths, order, base,
    reduce_start, left, right, track_of, track_start, buffer, top, second, cover_start, covered, roots, row_of,
):  # fmt: skip
    """Plan all sentences transition by transition, in ``order``, longest first; row_of (S,) is where each one's are."""
    B = lengths.size
    word, step_at = np.zeros(B, np.int64), np.zeros(B, np.int64)
    for k in range(1, B):
        word[k] = word[k - 1] + lengths[k - 1]
        step_at[k] = step_at[k - 1] + 2 * lengths[k - 1] - 1
    stack, depth, read = np.empty((B, lengths[order[0]]), np.int64), np.zeros(B, np.int64), np.zeros(B, np.int64)
    below = np.empty((B, lengths[order[0]]), np.int64)  # what ``second`` will say of each place of a stack
    active, r, s, n = B, 0, 0, 0
    for step in range(reduce_start.size - 1):
        while step >= 2 * lengths[order[active - 1]] - 1:
            active -= 1
        reduce_start[step], track_start[step], cover_start[step] = r, s, n
        for place in range(active):
            k = order[place]
            buffer[s] = 1 + tokens[word[k] + read[k]] if read[k] < lengths[k] else 0
            top[s] = stack[k, depth[k] - 1] if depth[k] > 0 else 0
            second[s] = below[k, depth[k] - 2] if depth[k] > 1 else 0
            if transitions[step_at[k] + step]:
                left[r], right[r], track_of[r] = stack[k, depth[k] - 2], top[s], s
                depth[k] -= 1
                stack[k, depth[k] - 1] = base + r
                r += 1
            else:
                if depth[k] > 0:
                    covered[n] = top[s]
                    n += 1
                    below[k, depth[k] - 1] = n
                stack[k, depth[k]] = buffer[s]
                depth[k] += 1
                read[k] += 1
            row_of[step_at[k] + step] = s
            s += 1
    reduce_start[-1], track_start[-1], cover_start[-1] = r, s, n
    for k in range(B):
        roots[k] = stack[k, 0]


@kernel()
def by_level(transitions, tokens, lengths, base, left, right, level, roots, share):
    """Write children and level of each reduce, in the order of the transitions; return how many there are.

    With ``share``, a subtree that was met before (the same children) is the same reduce. The caller orders by level.
    """
    size = 1
    while size < 2 * left.size + 2:
        size *= 2
    table = np.full(size if share else 1, -1, np.int64)
    stack = np.empty(lengths.max(), np.int64)
    word = at = r = 0
    for k in range(lengths.size):
        depth = 0
        for t in range(2 * lengths[k] - 1):
            if transitions[at + t] == 0:
                stack[depth] = 1 + tokens[word]
                word += 1
                depth += 1
                continue
            a, b, found = stack[depth - 2], stack[depth - 1], -1
            slot = 0
            if share:
                slot = ((a * 1_000_003) ^ (b * 92_821)) & (size - 1)
                while table[slot] >= 0:
                    if left[table[slot]] == a and right[table[slot]] == b:
                        found = table[slot]
                        break
                    slot = (slot + 1) & (size - 1)
            if found < 0:
                found = r
                left[r], right[r] = a, b
                high = level[a - base] if a >= base else 0
                other = level[b - base] if b >= base else 0
                level[r] = 1 + max(high, other)
                if share:
                    table[slot] = r
                r += 1
            depth -= 1
            stack[depth - 1] = base + found
        roots[k] = stack[0]
        at += 2 * lengths[k] - 1
    return r
