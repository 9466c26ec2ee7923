"""Vectors as values in compiled code: loops over rows whose length is no multiple of anything.

LLVM makes vectors of a loop only where it can prove that arrays do not overlap, and leaves a row's last numbers to a
scalar loop, which takes longer than the rest where rows are short. With ``load``, ``store`` and the operators a kernel
says what it means::

    for j in range(0, H, lanes(x)):
        inside = first(x, H - j)
        a = load(x, j)
        store(x, j, select(inside, tanh(a), a))

A vector is a register: though one of 64 bytes crosses a cache line nearly every time, SPINN's gates take a third less
time by it. The last one of a row reaches into the next row, so where that holds something it is written back as it was
(``select``), and behind the last row of an array there is room for ``ROOM`` numbers more: what two of the widest
registers hold (``packed.py``). Places are those of the flat array.
"""

import math
import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, lower_builtin, models, register_jitable, register_model, type_callable

from pellucid.parts.compiled import activation
from pellucid.parts.compiled.lanes import Vectors
from pellucid.parts.compiling import kernel
from pellucid.parts.processor import has_wide_registers

__all__ = [
    "ROOM",
    "WIDTH",
    "first",
    "lanes",
    "load",
    "logistic",
    "same",
    "select",
    "size_with_room",
    "store",
    "tanh",
    "turn",
    "with_room",
]

WIDTH = 64 if has_wide_registers() else 32  # bytes of a vector: a register
ROOM = 32  # numbers behind an array that may be read and written back
LINE = 16  # numbers: a cache line of float32, two of float64


@register_jitable
def size_with_room(size):
    """Return how many numbers an array and the room behind it take, so that the next begins with a cache line.

    A register as wide as that is filled in half the time where it does not cross one.
    """
    return (size + ROOM + LINE - 1) // LINE * LINE


class Vector(types.Type):
    """Some numbers of a dtype, or, of booleans, which lanes are meant."""

    def __init__(self, number, size):
        self.number, self.size = number, size
        super().__init__(f"Vector({number} x {size})")


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is LLVM's own vector."""

    def __init__(self, manager, kind):
        scalar = ir.IntType(1) if kind.number == types.boolean else manager[kind.number].get_value_type()
        super().__init__(manager, kind, ir.VectorType(scalar, kind.size))


def _vector(number):
    return Vector(number, WIDTH * 8 // number.bitwidth)


def _builds(context, builder, kind):
    return Vectors(context, builder, kind.number, kind.size)


def _operator(operation, instruction):
    @type_callable(operation)
    def typer(context):
        return lambda a, b: a if isinstance(a, Vector) and a == b else None

    @lower_builtin(operation, Vector, Vector)
    def lower(context, builder, signature, arguments):
        return getattr(builder, instruction)(*arguments, flags=("contract",))


for _operation, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_operation, _instruction)


@kernel(inline=True)
def lanes(array):
    """Return how many numbers of an array's dtype make a vector."""
    return WIDTH // array.itemsize


@kernel(inner=True)
def with_room(rows, columns, array):
    """Return an array (rows, columns) of another's dtype, with room behind it, not yet written."""
    return np.empty(rows * columns + ROOM, array.dtype)[: rows * columns].reshape(rows, columns)


@intrinsic
def load(typing_context, array, place):
    """Return the vector that starts at a place."""

    def build(context, builder, signature, arguments):
        v = _builds(context, builder, signature.return_type)
        return v.load(context.make_array(signature.args[0])(context, builder, arguments[0]).data, arguments[1])

    return _vector(array.dtype)(array, types.intp), build


@intrinsic
def store(typing_context, array, place, value):
    """Write a vector from a place on."""

    def build(context, builder, signature, arguments):
        v = _builds(context, builder, value)
        v.store(arguments[2], context.make_array(signature.args[0])(context, builder, arguments[0]).data, arguments[1])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), build


@intrinsic
def turn(typing_context, source, at, step, target, to, target_step):
    """Write a square transposed: as many rows as a vector has lanes, ``step`` apart, become columns of such rows."""

    def build(context, builder, signature, arguments):
        v = _builds(context, builder, _vector(source.dtype))
        source_data, target_data = (
            context.make_array(signature.args[i])(context, builder, arguments[i]).data for i in (0, 3)
        )
        _, at, step, _, to, target_step = arguments
        rows = [v.load(source_data, v.moved(at, i, step)) for i in range(v.lanes)]
        far = v.lanes // 2
        while far:  # what stands beside the diagonal, so many rows and lanes from it, changes places
            upper = [lane if not lane & far else v.lanes + (lane ^ far) for lane in range(v.lanes)]
            lower = [v.lanes + lane if lane & far else lane | far for lane in range(v.lanes)]
            for i in range(v.lanes):
                if not i & far:
                    pair = rows[i], rows[i | far]
                    for place, order in ((i, upper), (i | far, lower)):
                        chosen = ir.Constant(ir.VectorType(ir.IntType(32), v.lanes), order)
                        rows[place] = builder.shuffle_vector(*pair, chosen)
            far //= 2
        for i, row in enumerate(rows):
            v.store(row, target_data, v.moved(to, i, target_step))
        return context.get_dummy_value()

    number = types.intp
    return types.void(source, number, number, target, number, number), build


@intrinsic
def same(typing_context, array, number):
    """Return a number in all lanes, of an array's dtype."""

    def build(context, builder, signature, arguments):
        return _builds(context, builder, signature.return_type).same(arguments[1])

    return _vector(array.dtype)(array, array.dtype), build


@intrinsic
def first(typing_context, array, count):
    """Return which lanes are the first ``count``: none where it is 0 or below, all where it is beyond their number."""
    kind = _vector(array.dtype)

    def build(context, builder, signature, arguments):
        number = ir.IntType(64)
        v = Vectors(context, builder, types.int64, kind.size)
        order = ir.Constant(ir.VectorType(number, kind.size), list(range(kind.size)))
        return builder.icmp_signed("<", order, v.same(arguments[1]))

    return Vector(types.boolean, kind.size)(array, types.int64), build


@intrinsic
def select(typing_context, which, a, b):
    """Return the lanes of a that are meant, and those of b that are not."""

    def build(context, builder, signature, arguments):
        return builder.select(*arguments)

    return a(which, a, b), build


def _exponential(v, number, x):
    """Return p and 2ⁿ with exp(-|x|) = 2ⁿ (1 + p), as in ``activation.py``; |x| counts up to the last normal 2ⁿ."""
    builder, wide = v.builder, number.bitwidth == 64
    bits = ir.IntType(number.bitwidth)
    whole = ir.VectorType(bits, v.lanes)
    mantissa, bias, degree = (52, 1023, 13) if wide else (23, 127, 7)

    def integer(value):
        return ir.Constant(whole, [value] * v.lanes)

    def add_product(a, b, c):
        return v.add_product(c, a, b)

    magnitude = builder.and_(builder.bitcast(x, whole), integer((1 << (number.bitwidth - 1)) - 1))
    least = v.constant(-708.0 if wide else -87.0)
    y = builder.fneg(builder.bitcast(magnitude, v.type))
    y = builder.select(builder.fcmp_ordered("<", y, least), least, y)  # NaN stays NaN
    # The sum's lowest bits are n itself; no fused product may take its place when it is rounded.
    rounding = v.constant(1.5 * 2.0**mantissa)
    shifted = builder.fadd(builder.fmul(y, v.constant(activation.LOG2_E)), rounding)
    n = builder.fsub(shifted, rounding)
    head = activation.LOG_2_HEAD_64 if wide else activation.LOG_2_HEAD_32
    tail = activation.LOG_2_TAIL_64 if wide else activation.LOG_2_TAIL_32
    r = add_product(n, v.constant(-tail), add_product(n, v.constant(-head), y))
    # Horner's way: the next vectors fill the time in which one waits for itself.
    p = v.constant(1 / math.factorial(degree))
    for k in range(degree - 1, 1, -1):
        p = add_product(p, r, v.constant(1 / math.factorial(k)))
    p = add_product(builder.fmul(p, r), r, r)
    exponent = builder.shl(builder.bitcast(shifted, whole), integer(mantissa))
    return p, builder.bitcast(builder.add(exponent, integer(bias << mantissa)), v.type)


@intrinsic
def logistic(typing_context, x):
    """Return 1 / (1 + exp(-x)) of each lane."""

    def build(context, builder, signature, arguments):
        v = _builds(context, builder, x)
        one = v.constant(1)
        p, scale = _exponential(v, x.number, arguments[0])
        e = v.add_product(scale, scale, p)
        above = builder.select(builder.fcmp_ordered("<", arguments[0], v.constant(0)), e, one)
        return builder.fdiv(above, builder.fadd(one, e))

    return x(x), build


@intrinsic
def tanh(typing_context, x):
    """Return the hyperbolic tangent of each lane, -m / (2 + m) with m = exp(-2|x|) - 1 and the sign of x."""

    def build(context, builder, signature, arguments):
        v = _builds(context, builder, x)
        value = arguments[0]
        p, scale = _exponential(v, x.number, builder.fadd(value, value))
        m = v.add_product(builder.fsub(scale, v.constant(1)), scale, p)
        t = builder.fdiv(m, builder.fadd(v.constant(2), m))  # at most 0
        return builder.select(builder.fcmp_ordered("<", value, v.constant(0)), t, builder.fneg(t))

    return x(x), build
