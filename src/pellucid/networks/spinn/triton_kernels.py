"""SPINN's steps between two products as kernels for GPUs, by Triton: a program does ``BLOCK`` columns of one row.

The equations stand in ``machine.py``; arrays and indices are those of ``batched.py``, row by row. Rows that several
sentences share (words, equal subtrees) are added to atomically. ``before`` is where the tracker's step before starts,
``remembered`` is T, or 0 at the first step, ``M`` is H where Reduce sees the product of the children, else 0.
"""

import triton
import triton.language as tl

__all__ = ["bring", "give", "give_seen", "reduce", "reduce_back", "see", "track", "track_back"]

# What differs from step to step: Triton would build a kernel anew for numbers that are 1 or divisible by 16.
ANY = ["start", "before", "remembered"]


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1


@triton.jit
def _sum(a, b, c, inside):
    return tl.load(a, inside, 0.0) + tl.load(b, inside, 0.0) + tl.load(c, inside, 0.0)


@triton.jit
def _here(start, BLOCK: tl.constexpr):
    """Return the row and the columns of this program, of rows that begin with ``start``."""
    return (start + tl.program_id(0)).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)


@triton.jit
def _part(row, column, at, width):
    """Return where columns at ... at + width - 1 stand in a row of so many, and which columns are among them."""
    return row * width + column - at, (column >= at) & (column < at + width)


@triton.jit(do_not_specialize=ANY)
def see(Y, h, e, top, second, start, before, remembered, H, T, BLOCK: tl.constexpr):
    """Gather what the tracker sees: Y (S, 2H + T), the stack's two and what it remembers, zero at the first step."""
    s, column = _here(start, BLOCK)
    one, is_one = _part(tl.load(top + s), column, 0, H)
    two, is_two = _part(tl.load(second + s), column, H, H)
    past = (before + tl.program_id(0)) * T + column - 2 * H
    seen = tl.load(h + one, is_one, 0.0) + tl.load(h + two, is_two, 0.0)
    seen += tl.load(e + past, (column >= 2 * H) & (column < 2 * H + remembered), 0.0)
    tl.store(Y + s * (2 * H + T) + column, seen, column < 2 * H + T)


@triton.jit(do_not_specialize=ANY)
def track(G, P, buffer, d, m, e, start, before, remembered, T, BLOCK: tl.constexpr):
    """Turn the tracker's sums into its gates G (S, 4T), and write its memory and its state."""
    s, t = _here(start, BLOCK)
    inside, at, word = t < T, G + s * 4 * T + t, P + tl.load(buffer + s) * 4 * T + t
    g = _tanh(_sum(at, word, d + t, inside))
    i = tl.sigmoid(_sum(at + T, word + T, d + T + t, inside))
    f = tl.sigmoid(_sum(at + 2 * T, word + 2 * T, d + 2 * T + t, inside))
    o = tl.sigmoid(_sum(at + 3 * T, word + 3 * T, d + 3 * T + t, inside))
    memory = g * i + f * tl.load(m + (before + tl.program_id(0)) * T + t, t < remembered, 0.0)
    tl.store(at, g, inside)
    tl.store(at + T, i, inside)
    tl.store(at + 2 * T, f, inside)
    tl.store(at + 3 * T, o, inside)
    tl.store(m + s * T + t, memory, inside)
    tl.store(e + s * T + t, o * _tanh(memory), inside)


@triton.jit(do_not_specialize=ANY)
def bring(X, h, e, left, right, track_of, start, H, T, M, BLOCK: tl.constexpr):
    """Gather the inputs of Reduce: X (R, 2H + M + T), both children, their product where M is H, the tracker."""
    r, column = _here(start, BLOCK)
    K = 2 * H + M + T
    one, two = tl.load(left + r), tl.load(right + r)
    at_one, is_one = _part(one, column, 0, H)
    at_two, is_two = _part(two, column, H, H)
    seen = tl.load(h + at_one, is_one, 0.0) + tl.load(h + at_two, is_two, 0.0)
    if M > 0:
        at_one, is_both = _part(one, column, 2 * H, H)
        at_two, _ = _part(two, column, 2 * H, H)
        seen += tl.load(h + at_one, is_both, 0.0) * tl.load(h + at_two, is_both, 0.0)
    if T > 0:
        state, is_state = _part(tl.load(track_of + r), column, 2 * H + M, T)
        seen += tl.load(e + state, is_state, 0.0)
    tl.store(X + r * K + column, seen, column < K)


@triton.jit(do_not_specialize=ANY)
def reduce(Z, b, h, c, left, right, start, base, H, BLOCK: tl.constexpr):
    """Turn the sums of Reduce into its gates Z (R, 5H), and write the new states."""
    r, k = _here(start, BLOCK)
    inside, at, new = k < H, Z + r * 5 * H + k, (base + r) * H + k
    a = _tanh(tl.load(at, inside, 0.0) + tl.load(b + k, inside, 0.0))
    i = tl.sigmoid(tl.load(at + H, inside, 0.0) + tl.load(b + H + k, inside, 0.0))
    f_left = tl.sigmoid(tl.load(at + 2 * H, inside, 0.0) + tl.load(b + 2 * H + k, inside, 0.0))
    f_right = tl.sigmoid(tl.load(at + 3 * H, inside, 0.0) + tl.load(b + 3 * H + k, inside, 0.0))
    o = tl.sigmoid(tl.load(at + 4 * H, inside, 0.0) + tl.load(b + 4 * H + k, inside, 0.0))
    memory = a * i + f_left * tl.load(c + tl.load(left + r) * H + k, inside, 0.0)
    memory += f_right * tl.load(c + tl.load(right + r) * H + k, inside, 0.0)
    tl.store(at, a, inside)
    tl.store(at + H, i, inside)
    tl.store(at + 2 * H, f_left, inside)
    tl.store(at + 3 * H, f_right, inside)
    tl.store(at + 4 * H, o, inside)
    tl.store(c + new, memory, inside)
    tl.store(h + new, o * _tanh(memory), inside)


@triton.jit(do_not_specialize=ANY)
def reduce_back(Z, c, dh, dc, left, right, start, base, H, BLOCK: tl.constexpr):
    """Turn the gates of Reduce into the slopes of its sums, and give the children's memories theirs."""
    r, k = _here(start, BLOCK)
    inside, at, new = k < H, Z + r * 5 * H + k, (base + r) * H + k
    one, two = tl.load(left + r) * H + k, tl.load(right + r) * H + k
    a, i = tl.load(at, inside, 0.0), tl.load(at + H, inside, 0.0)
    f_left, f_right = tl.load(at + 2 * H, inside, 0.0), tl.load(at + 3 * H, inside, 0.0)
    o, t, slope = tl.load(at + 4 * H, inside, 0.0), _tanh(tl.load(c + new, inside, 0.0)), tl.load(dh + new, inside, 0.0)
    d = tl.load(dc + new, inside, 0.0) + slope * o * (1 - t * t)
    tl.atomic_add(dc + one, d * f_left, inside)
    tl.atomic_add(dc + two, d * f_right, inside)
    tl.store(at, d * i * (1 - a * a), inside)
    tl.store(at + H, d * a * i * (1 - i), inside)
    tl.store(at + 2 * H, d * tl.load(c + one, inside, 0.0) * f_left * (1 - f_left), inside)
    tl.store(at + 3 * H, d * tl.load(c + two, inside, 0.0) * f_right * (1 - f_right), inside)
    tl.store(at + 4 * H, slope * t * o * (1 - o), inside)


@triton.jit(do_not_specialize=ANY)
def give(dX, h, dh, de, left, right, track_of, start, H, T, M, BLOCK: tl.constexpr):
    """Add the slopes of the inputs of Reduce, dX (rows of a step, 2H + M + T), to those of what they came from."""
    r, column = _here(start, BLOCK)
    K = 2 * H + M + T
    d = tl.load(dX + tl.program_id(0) * K + column, column < K, 0.0)
    one, two = tl.load(left + r), tl.load(right + r)
    at_one, is_one = _part(one, column, 0, H)
    at_two, is_two = _part(two, column, H, H)
    tl.atomic_add(dh + at_one, d, is_one)
    tl.atomic_add(dh + at_two, d, is_two)
    if M > 0:
        at_one, is_both = _part(one, column, 2 * H, H)
        at_two, _ = _part(two, column, 2 * H, H)
        tl.atomic_add(dh + at_one, d * tl.load(h + at_two, is_both, 0.0), is_both)
        tl.atomic_add(dh + at_two, d * tl.load(h + at_one, is_both, 0.0), is_both)
    if T > 0:
        state, is_state = _part(tl.load(track_of + r), column, 2 * H + M, T)
        tl.atomic_add(de + state, d, is_state)


@triton.jit(do_not_specialize=ANY)
def track_back(G, m, dm, de, dP, buffer, start, before, remembered, T, BLOCK: tl.constexpr):
    """Turn the tracker's gates into the slopes of its sums, and give the memory before and the words theirs."""
    s, t = _here(start, BLOCK)
    past = (before + tl.program_id(0)) * T + t
    inside, kept, at = t < T, t < remembered, G + s * 4 * T + t
    g, i = tl.load(at, inside, 0.0), tl.load(at + T, inside, 0.0)
    f, o = tl.load(at + 2 * T, inside, 0.0), tl.load(at + 3 * T, inside, 0.0)
    now, slope = _tanh(tl.load(m + s * T + t, inside, 0.0)), tl.load(de + s * T + t, inside, 0.0)
    d = tl.load(dm + s * T + t, inside, 0.0) + slope * o * (1 - now * now)
    tl.store(dm + past, tl.load(dm + past, kept, 0.0) + d * f, kept)
    d_g, d_i = d * i * (1 - g * g), d * g * i * (1 - i)
    d_f, d_o = d * tl.load(m + past, kept, 0.0) * f * (1 - f), slope * now * o * (1 - o)
    tl.store(at, d_g, inside)
    tl.store(at + T, d_i, inside)
    tl.store(at + 2 * T, d_f, inside)
    tl.store(at + 3 * T, d_o, inside)
    word = dP + tl.load(buffer + s) * 4 * T + t
    tl.atomic_add(word, d_g, inside)
    tl.atomic_add(word + T, d_i, inside)
    tl.atomic_add(word + 2 * T, d_f, inside)
    tl.atomic_add(word + 3 * T, d_o, inside)


@triton.jit(do_not_specialize=ANY)
def give_seen(dY, dh, de, top, second, start, before, remembered, H, T, BLOCK: tl.constexpr):
    """Add the slopes of what the tracker saw, dY (rows of a step, 2H + T), to those of states and of itself before."""
    s, column = _here(start, BLOCK)
    K = 2 * H + T
    d = tl.load(dY + tl.program_id(0) * K + column, column < K, 0.0)
    one, is_one = _part(tl.load(top + s), column, 0, H)
    two, is_two = _part(tl.load(second + s), column, H, H)
    past = (before + tl.program_id(0)) * T + column - 2 * H
    tl.atomic_add(dh + one, d, is_one)
    tl.atomic_add(dh + two, d, is_two)
    tl.atomic_add(de + past, d, (column >= 2 * H) & (column < 2 * H + remembered))
