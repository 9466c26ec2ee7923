"""What memory costs compiled code: counted views, rows that come too late, and numbers too small to be quick.

A counted view costs two atomic operations, more than a tiny product. A row from a random place costs what main memory
takes to answer, unless it was asked for beforehand. A subnormal number costs a hundred times a
normal one, and training makes them: momentum that fades, probabilities of what is out of the question. Where they
would stay, numbers below ``floor`` count as zero.
"""

from numba.core import cgutils, types
from numba.extending import intrinsic

from pellucid.parts.compiling import kernel

__all__ = ["fetch", "floor", "root_floor", "square", "tiny", "uncounted"]

CACHE_LINE = 64  # bytes
# Some 2**24 times the smallest normal numbers, so that a product with a small weight is a normal number, too.
FLOOR_32, FLOOR_64 = 2e-31, 4e-301
TINY_32, TINY_64 = 1.2e-38, 2.3e-308
# The roots of the smallest normal numbers.
ROOT_32, ROOT_64 = 1.1e-19, 1.5e-154


@intrinsic
def uncounted(typing_context, array):
    """Return the same array without an owner: for use inside a compiled call whose caller owns the memory.

    An array that the compiled call made itself is freed as soon as its last counted name is done with: only what
    came in from outside may be used so.
    """

    def build(context, builder, signature, arguments):
        out = context.make_array(signature.return_type)(context, builder, arguments[0])
        out.meminfo = cgutils.get_null_value(out.meminfo.type)
        out.parent = cgutils.get_null_value(out.parent.type)
        return out._getvalue()

    return array(array), build


@intrinsic
def fetch_line(typing_context, array, place):
    """Ask for the cache line that holds ``place`` of a flat array, and go on without it."""

    def build(context, builder, signature, arguments):
        from llvmlite import ir

        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte = ir.IntType(8).as_pointer()
        flag = ir.IntType(32)
        ask = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0"
        )
        builder.call(ask, [builder.bitcast(builder.gep(data, [arguments[1]]), byte), flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@kernel(inner=True)
def fetch(row):
    """Ask for the cache lines of a row that will be needed soon, and go on without them."""
    for place in range(0, len(row), CACHE_LINE // row.itemsize):
        fetch_line(row, place)


@kernel(inner=True)
def floor(array):
    """Return the size below which a number of the array's dtype counts as zero."""
    return array.dtype.type(FLOOR_32 if array.itemsize == 4 else FLOOR_64)


@kernel(inner=True)
def tiny(array):
    """Return the smallest normal number of the array's dtype: a running mean below it counts as zero."""
    return array.dtype.type(TINY_32 if array.itemsize == 4 else TINY_64)


@kernel(inner=True)
def root_floor(array):
    """Return the size below which the square of a number of the array's dtype counts as zero."""
    return array.dtype.type(ROOT_32 if array.itemsize == 4 else ROOT_64)


@kernel(inner=True)
def square(x, least):
    """Return x², or zero for x below ``least``; chosen before it is squared, since a vector squares all it holds."""
    x = type(x)(0) if abs(x) < least else x  # so that NaN stays NaN
    return x * x
