"""Where the states of all nodes stand: the row that each transition makes, found again in a plan."""

import numpy as np

from pellucid.parts.compiling import kernel

__all__ = ["node_rows"]


@kernel()
def node_rows(transitions, words, lengths, left, right, base, rows):
    """Write the row of each transition's state: 1 + its leaf of a SHIFT, of a REDUCE that of the same two children.

    ``left`` and ``right`` (R,) are those of a plan without tracker: reduce r makes row base + r, children first. Of
    equal subtrees that the plan does not share the first is taken, for their states are equal.
    """
    size = 1
    while size < 2 * left.size + 2:
        size *= 2
    table, first = np.full(size, -1, np.int64), np.arange(base + left.size)
    for r in range(left.size):
        slot, found = _slot(table, left, right, first, first[left[r]], first[right[r]])
        if found < 0:
            table[slot] = r
        else:
            first[base + r] = base + found
    stack = np.empty(lengths.max(), np.int64)
    word = at = 0
    for k in range(lengths.size):
        depth = 0
        for t in range(at, at + 2 * lengths[k] - 1):
            if transitions[t] == 0:
                rows[t] = 1 + words[word]
                word += 1
                depth += 1
            else:
                _, found = _slot(table, left, right, first, stack[depth - 2], stack[depth - 1])
                rows[t] = base + found
                depth -= 1
            stack[depth - 1] = rows[t]
        at += 2 * lengths[k] - 1


@kernel(inner=True)
def _slot(table, left, right, first, a, b):
    """Return the slot of the children a, b and the reduce that stands there, or an empty slot and -1."""
    slot = ((a * 1_000_003) ^ (b * 92_821)) & (table.size - 1)
    while table[slot] >= 0:
        r = table[slot]
        if first[left[r]] == a and first[right[r]] == b:
            return slot, r
        slot = (slot + 1) & (table.size - 1)
    return slot, -1
