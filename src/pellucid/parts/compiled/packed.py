"""Products of a few rows with the same weights again and again: the weights are laid out once, in panels.

BLAS copies the weights at every call into the order in which it reads them, which takes as long as a product with a
few rows. Here B (k, n) is copied once, as panels of so many columns as a tile has::

    panel p: B[0, p·wide : (p+1)·wide], B[1, p·wide : (p+1)·wide], ...     zeros beyond column n

A tile is some rows of C by two vectors, held in registers while k runs: of 12 rows where there are 32 registers; of 6,
for 12 sums, 2 weights and an input fit into 16; or of 4, which take as long as fewer would. Where rows are wanting the
last one is done twice. Behind A and C there must be ``ROOM``. The order of a sum hangs on the shapes: the same bits
whatever the number of threads.
"""

from collections.abc import Sequence

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from pellucid.parts.compiled.lanes import Vectors
from pellucid.parts.compiled.matrix_unit import (
    UNIT,
    UNIT_DEPTH,
    add_unit,
    add_unit_tn,
    is_large,
    pack_unit,
    pack_unit_turned,
    unit_size,
)
from pellucid.parts.compiled.vectors import ROOM, WIDTH, lanes, load, store, turn
from pellucid.parts.compiling import kernel

__all__ = ["add_packed", "add_packed_tn", "pack", "pack_turned", "panel_size", "space_for"]

DEPTH = 256  # k at a time: a panel's part, 16 kB or 32 kB, stays in the first-level cache for all rows
HEIGHT = 192  # rows at a time (a multiple of TALL), whose part of A stays in the second-level cache for all panels
TALL = 12 if WIDTH == 64 else 6  # rows of the tallest tile: 24 sums, 2 weights and an input fit into 32 registers
NEAR = 16  # rows that are packed at a time: both they and the parts of panels that they make lie side by side


def space_for(itemsize: int, weights: Sequence[tuple[int, int]], slopes: Sequence[tuple[int, int]] = ()) -> int:
    """Return how many numbers the panels of weights (k, n) take, and of products Aᵀ B that make (m, n)."""
    kept = (panel_size(itemsize, k, n) for k, n in weights)
    passing = (
        unit_size(UNIT_DEPTH, n)
        if UNIT and is_large(itemsize, m, n)
        else _vector_size(itemsize, DEPTH, n) + DEPTH * HEIGHT
        for m, n in slopes
    )
    return sum(kept) + max(passing, default=0) + ROOM


@register_jitable
def panel_size(itemsize, k, n):
    """Return how many numbers, of so many bytes, the panels of B (k, n) take."""
    return unit_size(k, n) if UNIT and is_large(itemsize, k, n) else _vector_size(itemsize, k, n)


@register_jitable
def _vector_size(itemsize, k, n):
    wide = 2 * WIDTH // itemsize
    return (n + wide - 1) // wide * wide * k


def _tile(rows, vectors):
    """Return a function that adds to a tile of C (rows, so many of a panel's two vectors).

    Its arguments: A, where, from row to row, from k to k; the panel and where; C, where, from row to row; k; the rows
    and columns that there are.
    """

    @intrinsic
    def add_tile(typing_context, a, a_at, a_row, a_step, b, b_at, c, c_at, c_row, k, height, width):
        number = types.intp

        def build(context, builder, signature, arguments):
            kinds = signature.args
            a_data, b_data, c_data = (
                context.make_array(kinds[i])(context, builder, arguments[i]).data for i in (0, 4, 6)
            )
            _, a_at, a_row, a_step, _, b_at, _, c_at, c_row, k, height, width = arguments
            v = Vectors(context, builder, c.dtype, WIDTH * 8 // c.dtype.bitwidth)
            last, places, starts = builder.sub(height, v.index(1)), [], []
            for i in range(rows):
                row = builder.select(builder.icmp_signed("<", v.index(i), last), v.index(i), last)
                starts.append(builder.add(a_at, builder.mul(row, a_row)))
                at = builder.add(c_at, builder.mul(row, c_row))
                places.append([builder.add(at, v.index(j * v.lanes)) for j in range(vectors)])
            for row in places:  # C is needed at the end: it is asked for while the sums run
                v.ask(c_data, row[0])
            sums = v.variables([v.constant(0)] * (vectors * rows))
            with cgutils.for_range(builder, k) as loop:
                at = v.moved(b_at, loop.index, v.index(2 * v.lanes))
                weights = [v.load(b_data, builder.add(at, v.index(j * v.lanes))) for j in range(vectors)]
                shift = builder.mul(loop.index, a_step)
                for i in range(rows):
                    seen = v.same(builder.load(builder.gep(a_data, [builder.add(starts[i], shift)])))
                    for j in range(vectors):
                        total = sums[vectors * i + j]
                        builder.store(v.add_product(builder.load(total), seen, weights[j]), total)
            indices = Vectors(context, builder, types.int64, v.lanes)
            order = [ir.Constant(indices.type, list(range(j * v.lanes, (j + 1) * v.lanes))) for j in range(vectors)]
            inside = [builder.icmp_signed("<", one, indices.same(width)) for one in order]
            places = [place for row in places for place in row]
            before = [v.load(c_data, place) for place in places]  # all of them first: a row may stand there twice
            for i, place in enumerate(places):
                after = builder.fadd(before[i], builder.load(sums[i]))
                v.store(builder.select(inside[i % vectors], after, before[i]), c_data, place)
            return context.get_dummy_value()

        arguments = (a, number, number, number, b, number, c, number, number, number, number, number)
        return types.void(*arguments), build

    return add_tile


TILE_12, TILE_6, TILE_4 = _tile(12, 2), _tile(6, 2), _tile(4, 2)
NARROW_12, NARROW_6, NARROW_4 = _tile(12, 1), _tile(6, 1), _tile(4, 1)


@kernel(inline=True)
def _add_tile(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width):
    """Add to the next tile of C (rows, n), of the height that suits the rows that there are, and return its height."""
    narrow = width <= WIDTH // c.itemsize
    if TALL == 12 and height > 10:
        if narrow:
            NARROW_12(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
        else:
            TILE_12(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
        return 12
    if height > 8 or 5 <= height <= 6:  # 7 and 8 are twice 4
        if narrow:
            NARROW_6(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
        else:
            TILE_6(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
        return 6
    if narrow:
        NARROW_4(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
    else:
        TILE_4(a, a_at, a_row, a_step, b, b_at, c, c_at, n, k, height, width)
    return 4


@kernel(inner=True, apart=True)
def add_packed(a, packed, c, m, k, n):
    """Add A B to C, with A (m, k), C (m, n) and the panels of B (k, n)."""
    if UNIT and is_large(c.itemsize, k, n):
        add_unit(a, packed, c, m, k, n)
        return
    wide = 2 * WIDTH // c.itemsize
    for top in range(0, m, HEIGHT):
        end = min(m, top + HEIGHT)
        for near in range(0, k, DEPTH):
            deep = min(DEPTH, k - near)
            for start in range(0, n, wide):
                at, i = start * k + near * wide, top
                while i < end:
                    i += _add_tile(
                        a, i * k + near, k, 1, packed, at, c, i * n + start, n, deep, end - i, n - start
                    )  # fmt: skip


@kernel(inner=True, apart=True)
def add_packed_tn(a, b, c, space):
    """Add Aᵀ B to C, with A (k, m), B (k, n), C (m, n), room behind all three; ``space`` holds panels for a while."""
    k, m, n = a.shape[0], a.shape[1], b.shape[1]
    if UNIT and is_large(c.itemsize, m, n):
        add_unit_tn(a, b, c, space)
        return
    wide = 2 * WIDTH // c.itemsize
    turned = space[_vector_size(space.itemsize, DEPTH, n) :]
    for near in range(0, k, DEPTH):
        deep = min(DEPTH, k - near)
        _pack_columns(b[near : near + deep], n, space)
        for top in range(0, m, HEIGHT):
            end = min(m, top + HEIGHT)
            _pack_tall(a[near : near + deep], top, end, turned)
            for start in range(0, n, wide):
                i = top
                while i < end:
                    left = i - (i - top) % TALL  # where the panel of A begins; a tile stays within it
                    i += _add_tile(
                        turned, (left - top) * deep + i - left, 1, TALL, space, start * deep, c, i * n + start, n,
                        deep, min(end, left + TALL) - i, n - start,
                    )  # fmt: skip


@kernel(inner=True)
def _pack_tall(a, start, stop, out):
    """Write columns of A (k, m) as panels as wide as a tile is tall: walking down them, each row is another page."""
    (k, m), step = a.shape, lanes(a)
    for left in range(start, stop, TALL):
        at = (left - start) * k
        for place in range(left, left + k * m, m):
            for j in range(0, TALL, step):
                store(out, at + j, load(a, place + j))
            at += TALL


@kernel(inner=True)
def _pack_columns(b, stop, out):
    """Write the panels of the columns of B (k, n) before ``stop``; the last may reach beyond, where there is room."""
    (k, n), step, wide = b.shape, lanes(b), 2 * WIDTH // b.itemsize
    for near in range(0, k, NEAR):
        far = min(k, near + NEAR)
        for start in range(0, stop, wide):
            at = start * k + near * wide
            for place in range(near * n + start, far * n + start, n):
                for j in range(0, wide, step):
                    store(out, at + j, load(b, place + j))
                at += wide


@kernel(inner=True)
def pack(b, out):
    """Write the panels of B (k, n)."""
    (k, n), wide = b.shape, 2 * WIDTH // b.itemsize
    if UNIT and is_large(b.itemsize, k, n):
        pack_unit(b, out)
        return
    start = n // wide * wide
    _pack_columns(b, start, out)
    if start < n:
        for p in range(k):
            for j in range(wide):
                out[start * k + p * wide + j] = b[p, start + j] if start + j < n else 0


@kernel(inner=True)
def pack_turned(b, out):
    """Write the panels of Bᵀ, with B (n, k)."""
    n, k = b.shape
    if UNIT and is_large(b.itemsize, k, n):
        pack_unit_turned(b, out)
        return
    step, wide = lanes(b), 2 * WIDTH // b.itemsize
    for start in range(0, (n + wide - 1) // wide * wide, step):
        at = start // wide * wide * k + start % wide
        squares = k // step * step if start + step <= n else 0
        for p in range(0, squares, step):
            turn(b, start * k + p, k, out, at + p * wide, wide)
        for j in range(start, start + step):
            for p in range(squares, k):
                out[at + p * wide + j - start] = b[j, p] if j < n else 0
