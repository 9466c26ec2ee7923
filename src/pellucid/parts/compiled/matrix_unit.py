"""Products of float32 by the processor's matrix unit (AMX), which multiplies tiles of bfloat16 and sums in float32.

A float32 has 24 binary digits and a bfloat16 has 8, so that three of them make up a number, x = x₀ + x₁ + x₂. Of the
nine products of parts the six with i + j <= 2 count; the others lie below float32's own rounding (Henry, Tang, Heinecke
2019, "Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations"). Six products by the
unit take two thirds of the time of one by vectors, if nobody shares the core.

A block is 32 rows of A by 32 k, or 32 k by 32 columns of B: three parts of two tiles, each 16 lines of 64 bytes::

    of A    line r: A[r, 0], A[r, 1], ... A[r, 31]
    of B    line r: B[2r, 0], B[2r + 1, 0], B[2r, 1], B[2r + 1, 1], ...

Two bfloat16 fill a place of a float32 array. What lies beyond k is zero; what lies beyond rows and columns is computed,
and not added. Infinity, and what is within 1/512 of the largest number, makes NaN here; parts and sums
below 2⁻¹²⁶ count as zero, so that numbers below 2⁻¹⁰³ lose digits.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from pellucid.parts.compiled.lanes import Vectors
from pellucid.parts.compiled.vectors import WIDTH, first, load, same, select, store, turn
from pellucid.parts.compiling import kernel
from pellucid.parts.processor import has_matrix_unit

__all__ = ["UNIT", "UNIT_DEPTH", "add_unit", "add_unit_tn", "is_large", "pack_unit", "pack_unit_turned", "unit_size"]

# Numba leaves out what an ``if UNIT`` does not reach: a second of compiling. The unit's own instructions ask again, for
# LLVM aborts the process over those that a processor does not have.
UNIT = WIDTH == 64 and has_matrix_unit()
SIDE = 32  # rows, columns and k of a block
TILE = 256  # places of a tile: 16 lines of 64 bytes
PART = 2 * TILE
BLOCK = 3 * PART
HEIGHT = 192  # rows at a time, whose parts stay in the second-level cache for all panels
DEEP = 8  # blocks of k at a time: so many of B about fill the first-level cache
UNIT_DEPTH = DEEP * SIDE
LEAST_K, LEAST_N = 512, 512  # below these vectors are nearly as fast, and lose less where the core is shared


@register_jitable
def is_large(itemsize, k, n):
    """Say whether the unit, where there is one, is to multiply with B (k, n), of numbers of so many bytes."""
    return itemsize == 4 and k >= LEAST_K and n >= LEAST_N


@register_jitable
def unit_size(k, n):
    """Return how many places the blocks of B (k, n) take, with those of some rows of A and scratch."""
    blocks = (k + SIDE - 1) // SIDE
    return blocks * ((n + SIDE - 1) // SIDE + HEIGHT // SIDE) * BLOCK + 2 * SIDE * SIDE


def _call(builder, name, kinds, arguments):
    shape = ir.FunctionType(ir.VoidType(), kinds)
    builder.call(cgutils.get_or_insert_function(builder.module, shape, f"llvm.x86.{name}"), arguments)


_BYTE, _PLACE = ir.IntType(8), ir.IntType(64)
_POINTER = _BYTE.as_pointer()


def _at(context, builder, kind, array, place):
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), _POINTER)


@intrinsic
def _begin(typing_context):
    """Give the unit eight tiles of 16 lines of 64 bytes."""

    def build(context, builder, signature, arguments):
        if UNIT:
            lines = bytes([1, 0]) + bytes(14) + 8 * bytes([64, 0]) + bytes(16) + 8 * bytes([16]) + bytes(8)
            shape = ir.Constant(ir.ArrayType(_BYTE, 64), bytearray(lines))
            place = cgutils.alloca_once(builder, shape.type)
            builder.store(shape, place)
            _call(builder, "ldtilecfg", [_POINTER], [builder.bitcast(place, _POINTER)])
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def _end(typing_context):
    """Let the unit rest."""

    def build(context, builder, signature, arguments):
        if UNIT:
            _call(builder, "tilerelease", [], [])
        return context.get_dummy_value()

    return types.void(), build


def _sums(high):
    """Return a function that multiplies so many tiles of rows of A by two of columns of B.

    Its arguments: the blocks of A and where, of B and where, how many follow one another; the sums (SIDE, SIDE) and
    where.
    """

    @intrinsic
    def multiply(typing_context, a, a_at, b, b_at, blocks, out, out_at):
        number = types.intp

        def build(context, builder, signature, arguments):
            if not UNIT or a.dtype != types.float32:
                return context.get_dummy_value()
            a_data, a_at, b_data, b_at, blocks, out_data, out_at = arguments
            line = _PLACE(64)

            def bring(tile, kind, array, place):
                pointer = _at(context, builder, kind, array, place)
                _call(builder, "tileloadd64", [_BYTE, _POINTER, _PLACE], [_BYTE(tile), pointer, line])

            for tile in range(2 * high):
                _call(builder, "tilezero", [_BYTE], [_BYTE(tile)])
            with cgutils.for_range(builder, blocks) as loop:
                shift = builder.mul(loop.index, _PLACE(BLOCK))
                a_block, b_block = builder.add(a_at, shift), builder.add(b_at, shift)
                before = (-1, -1)
                for i, j in ((2, 0), (1, 0), (1, 1), (0, 1), (0, 2), (0, 0)):  # the small ones first
                    if i != before[0]:
                        for t in range(high):
                            bring(4 + t, a, a_data, builder.add(a_block, _PLACE(i * PART + t * TILE)))
                    if j != before[1]:
                        for t in range(2):
                            bring(6 + t, b, b_data, builder.add(b_block, _PLACE(j * PART + t * TILE)))
                    before = i, j
                    for row in range(high):
                        for column in range(2):
                            tiles = [_BYTE(2 * row + column), _BYTE(4 + row), _BYTE(6 + column)]
                            _call(builder, "tdpbf16ps", [_BYTE] * 3, tiles)
            for tile in range(2 * high):
                place = builder.add(out_at, _PLACE(16 * (tile // 2 * SIDE + tile % 2)))
                pointer = _at(context, builder, out, out_data, place)
                _call(builder, "tilestored64", [_BYTE, _POINTER, _PLACE], [_BYTE(tile), pointer, _PLACE(4 * SIDE)])
            return context.get_dummy_value()

        return types.void(a, number, b, number, number, out, number), build

    return multiply


_TALL, _LOW = _sums(2), _sums(1)


def _digits(v, x):
    """Return the bits of three numbers of 8 digits, each in the upper half of a lane, that make up x."""
    builder = v.builder
    bits = ir.VectorType(ir.IntType(32), v.lanes)

    def same_bits(value):
        return ir.Constant(bits, [value] * v.lanes)

    parts = []
    for rest in range(3):
        whole = builder.bitcast(x, bits)
        if rest < 2:  # to the nearest; what is left at last has 8 digits
            whole = builder.add(whole, same_bits(0x8000))
        part = builder.and_(whole, same_bits(0xFFFF0000))
        parts.append(part)
        x = builder.fsub(x, builder.bitcast(part, v.type))
    return parts


def _lowered(builder, part):
    """Return the upper half of each lane as its lower half."""
    return builder.lshr(part, ir.Constant(part.type, [16] * part.type.count))


@intrinsic
def _split(typing_context, x, out, at):
    """Write the three parts of a vector, one bfloat16 beside the other, PART places apart."""

    def build(context, builder, signature, arguments):
        if x.size != 16:
            return context.get_dummy_value()
        v = Vectors(context, builder, x.number, x.size)
        half = ir.VectorType(ir.IntType(16), v.lanes)
        data = context.make_array(out)(context, builder, arguments[1]).data
        for p, part in enumerate(_digits(v, arguments[0])):
            pointer = builder.gep(data, [builder.add(arguments[2], _PLACE(p * PART))])
            short = builder.trunc(_lowered(builder, part), half)
            builder.store(short, builder.bitcast(pointer, half.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(x, out, types.intp), build


@intrinsic
def _split_pair(typing_context, x, y, out, at):
    """Write the three parts of two vectors, lane beside lane, PART places apart."""

    def build(context, builder, signature, arguments):
        if x.size != 16:
            return context.get_dummy_value()
        v = Vectors(context, builder, x.number, x.size)
        data = context.make_array(out)(context, builder, arguments[2]).data
        for p, (lower, upper) in enumerate(zip(_digits(v, arguments[0]), _digits(v, arguments[1]), strict=True)):
            both = builder.or_(_lowered(builder, lower), upper)
            v.store(builder.bitcast(both, v.type), data, builder.add(arguments[3], _PLACE(p * PART)))
        return context.get_dummy_value()

    return types.void(x, y, out, types.intp), build


@kernel(inner=True)
def _split_rows(a, at, step, rows, k, out):
    """Write the blocks of rows, so far apart, that start at a place of A; behind A there is room."""
    blocks = (k + SIDE - 1) // SIDE
    zero = same(a, 0)
    for r in range(rows):
        place = at + r * step
        to = r // SIDE * blocks * BLOCK + r % SIDE * 16
        for p in range(0, blocks * SIDE, 16):
            x = load(a, place + p) if p + 16 <= k else select(first(a, k - p), load(a, place + p), zero)
            _split(x, out, to + p // SIDE * BLOCK + p % SIDE // 2)


@kernel(inner=True)
def _split_columns(b, at, step, k, n, out, blocks):
    """Write the panels, ``blocks`` blocks each, of k rows, so far apart, from a place of B on, with room behind B."""
    zero = same(b, 0)
    for start in range(0, n, SIDE):
        to = start // SIDE * blocks * BLOCK
        for p in range(0, (k + SIDE - 1) // SIDE * SIDE, 2):
            place, line = at + p * step + start, to + p // SIDE * BLOCK + p % SIDE * 8
            for j in range(0, SIDE, 16):
                x = load(b, place + j) if p < k else zero
                y = load(b, place + step + j) if p + 1 < k else zero
                _split_pair(x, y, out, line + j * 16)


@kernel(inner=True)
def _copy(b, row, column, rows, columns, out):
    """Write a square (SIDE, SIDE) of B, zero where there is nothing."""
    for i in range(SIDE):
        for j in range(SIDE):
            out[i * SIDE + j] = b[row + i, column + j] if i < rows and j < columns else 0


@kernel(inner=True)
def _turn(b, row, column, rows, columns, out):
    """Write a square of Bᵀ, whose first rows are columns of B, zero where there is nothing."""
    if rows >= SIDE and columns >= SIDE:
        for i in range(0, SIDE, 16):
            for j in range(0, SIDE, 16):
                turn(b, (row + i) * b.shape[1] + column + j, b.shape[1], out, j * SIDE + i, SIDE)
    else:
        for i in range(SIDE):
            for j in range(SIDE):
                out[j * SIDE + i] = b[row + i, column + j] if i < rows and j < columns else 0


@kernel(inner=True)
def pack_unit(b, out):
    """Write the panels of B (k, n), which needs no room behind it."""
    k, n = b.shape
    blocks = (k + SIDE - 1) // SIDE
    square = out[unit_size(k, n) - SIDE * SIDE :]
    inside = n // SIDE * SIDE
    _split_columns(b, 0, n, k, inside, out, blocks)
    if inside < n:
        for near in range(0, k, SIDE):
            _copy(b, near, inside, k - near, n - inside, square)
            to = (inside // SIDE * blocks + near // SIDE) * BLOCK
            _split_columns(square, 0, SIDE, SIDE, SIDE, out[to:], 1)


@kernel(inner=True)
def pack_unit_turned(b, out):
    """Write the panels of Bᵀ, with B (n, k)."""
    n, k = b.shape
    blocks = (k + SIDE - 1) // SIDE
    square = out[unit_size(k, n) - SIDE * SIDE :]
    for start in range(0, n, SIDE):
        for near in range(0, k, SIDE):
            _turn(b, start, near, n - start, k - near, square)
            to = (start // SIDE * blocks + near // SIDE) * BLOCK
            _split_columns(square, 0, SIDE, SIDE, SIDE, out[to:], 1)


@kernel(inner=True)
def _add_blocks(left, left_at, left_step, right, right_at, right_step, deep, square, c, top, rows, n):
    """Add the products of ``deep`` blocks of k to rows of C (m, n) from ``top`` on."""
    for start in range(0, n, SIDE):
        b_at = right_at + start // SIDE * right_step
        for i in range(0, rows, SIDE):
            a_at = left_at + i // SIDE * left_step
            if rows - i > 16:
                _TALL(left, a_at, right, b_at, deep, square, 0)
            else:
                _LOW(left, a_at, right, b_at, deep, square, 0)
            for r in range(min(SIDE, rows - i)):
                place = (top + i + r) * n + start
                for j in range(0, min(SIDE, n - start), 16):
                    before, own = load(c, place + j), load(square, r * SIDE + j)
                    if start + j + 16 <= n:
                        store(c, place + j, before + own)
                    else:
                        store(c, place + j, select(first(c, n - start - j), before + own, before))


@kernel(inner=True, apart=True)
def add_unit(a, panels, c, m, k, n):
    """Add A B to C, with A (m, k), C (m, n), room behind both, and the panels of B (k, n)."""
    blocks = (k + SIDE - 1) // SIDE
    left = panels[(n + SIDE - 1) // SIDE * blocks * BLOCK :]
    square = left[HEIGHT // SIDE * blocks * BLOCK :]
    _begin()
    for top in range(0, m, HEIGHT):
        rows = min(HEIGHT, m - top)
        _split_rows(a, top * k, k, rows, k, left)
        for near in range(0, blocks, DEEP):
            _add_blocks(
                left, near * BLOCK, blocks * BLOCK, panels, near * BLOCK, blocks * BLOCK, min(DEEP, blocks - near),
                square, c, top, rows, n,
            )  # fmt: skip
    _end()


@kernel(inner=True, apart=True)
def add_unit_tn(a, b, c, space):
    """Add Aᵀ B to C, with A (k, m), B (k, n), C (m, n), room behind all three; ``space`` holds blocks for a while."""
    (k, m), n = a.shape, b.shape[1]
    left = space[(n + SIDE - 1) // SIDE * DEEP * BLOCK :]
    square = left[HEIGHT // SIDE * DEEP * BLOCK :]
    turned = square[SIDE * SIDE :]
    _begin()
    for near in range(0, k, UNIT_DEPTH):
        there = min(UNIT_DEPTH, k - near)
        blocks = (there + SIDE - 1) // SIDE
        _split_columns(b, near * n, n, there, n, space, blocks)
        for top in range(0, m, HEIGHT):
            rows = min(HEIGHT, m - top)
            for i in range(0, rows, SIDE):
                for p in range(0, there, SIDE):
                    _turn(a, near + p, top + i, there - p, rows - i, turned)
                    _split_rows(turned, 0, SIDE, SIDE, SIDE, left[(i // SIDE * blocks + p // SIDE) * BLOCK :])
            _add_blocks(left, 0, blocks * BLOCK, space, 0, blocks * BLOCK, blocks, square, c, top, rows, n)
    _end()
