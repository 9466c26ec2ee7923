"""Eight images at once: loops over vectors of eight numbers held in registers, built instruction by instruction.

What convolutions spend their time in must keep a whole tile of sums in registers over hundreds of steps. The
compiler does so only for an innermost loop; so these few loops are written as LLVM instructions, for vectors of
``LANES`` numbers. LLVM breaks them into what the machine has: one register of 256 bits, two of 128, more for float64.

All arrays are flat, all places are indices, and lane n of every vector belongs to image n of a block.
"""

from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["LANES", "PLACES", "TAPS", "largest_of", "products", "scatter", "slopes"]

LANES = 8  # images in a block
PLACES = 2  # neighbouring places of an image that a tile of sums covers
TAPS = 2  # entries of a kernel whose slopes a tile of sums covers
WIDEST = 6  # channels in a tile at most: 6 x 2 sums, 2 inputs and a weight fit into 16 registers


class Vectors:
    """Builds instructions on vectors of one dtype."""

    def __init__(self, context, builder, number, lanes=LANES):
        from llvmlite import ir

        self.builder, self.ir, self.lanes = builder, ir, lanes
        self.scalar = context.get_value_type(number)
        self.type = ir.VectorType(self.scalar, lanes)
        self.align = number.bitwidth // 8
        self.index = ir.IntType(64)

    def load(self, data, place):
        """Return the numbers from ``place`` on."""
        pointer = self.builder.bitcast(self.builder.gep(data, [place]), self.type.as_pointer())
        return self.builder.load(pointer, align=self.align)

    def store(self, value, data, place):
        """Write a vector from ``place`` on."""
        pointer = self.builder.bitcast(self.builder.gep(data, [place]), self.type.as_pointer())
        self.builder.store(value, pointer, align=self.align)

    def ask(self, data, place):
        """Ask for the memory at ``place``, which will be read and written soon."""
        pointer = self.builder.bitcast(self.builder.gep(data, [place]), self.ir.IntType(8).as_pointer())
        kind, number = self.ir.VoidType(), self.ir.IntType(32)
        shape = self.ir.FunctionType(kind, [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(self.builder.module, shape, "llvm.prefetch.p0i8")
        self.builder.call(function, [pointer, number(1), number(3), number(1)])

    def same(self, value):
        """Return a number in all lanes."""
        undefined, zero = self.ir.Constant(self.type, self.ir.Undefined), self.ir.IntType(32)(0)
        one = self.builder.insert_element(undefined, value, zero)
        return self.builder.shuffle_vector(
            one, undefined, self.ir.Constant(self.ir.VectorType(zero.type, self.lanes), [0] * self.lanes)
        )

    def constant(self, value):
        """Return a constant in all lanes."""
        return self.ir.Constant(self.type, [float(value)] * self.lanes)

    def add_product(self, total, a, b):
        """Return total + a b, fused where the machine can."""
        product = self.builder.fmul(a, b, flags=("contract",))
        return self.builder.fadd(total, product, flags=("contract",))

    def moved(self, place, count, step):
        """Return place + count · step."""
        if isinstance(count, int):
            count = self.index(count)
        return self.builder.add(place, self.builder.mul(count, step))

    def variables(self, values):
        """Return memory for values that change in a loop; LLVM makes registers of it."""
        places = [cgutils.alloca_once(self.builder, value.type) for value in values]
        for place, value in zip(places, values, strict=True):
            self.builder.store(value, place)
        return places


def _data(context, builder, kind, array):
    return context.make_array(kind)(context, builder, array).data


def products(channels):
    """Return a function that adds to a tile of sums, of so many channels at two places, products with weights.

    Its arguments: z, where the tile starts, from channel to channel, from place to place; x, where, from place to
    place; the taps (what an entry of the kernel adds to a place of x), the first and the last of them, exclusive;
    the weights (taps, channels), where::

        z[channel, place] += Σ x[place + taps[k]] · weights[k, channel]     k = first, ..., last - 1
    """

    @intrinsic
    def add_products(typing_context, z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at):
        number = types.intp

        def build(context, builder, signature, arguments):
            kinds = signature.args
            z_data, x_data, tap_data, w_data = (_data(context, builder, kinds[i], arguments[i]) for i in (0, 4, 7, 10))
            _, z_at, z_channel, z_step, _, x_at, x_step, _, first, last, _, w_at = arguments
            v = Vectors(context, builder, kinds[0].dtype)
            places = [[v.moved(v.moved(z_at, o, z_channel), p, z_step) for p in range(PLACES)] for o in range(channels)]
            starts = [v.moved(x_at, p, x_step) for p in range(PLACES)]
            sums = v.variables([v.load(z_data, place) for row in places for place in row])
            with cgutils.for_range_slice(builder, first, last, v.index(1)) as (k, _):
                tap = builder.load(builder.gep(tap_data, [k]))
                seen = [v.load(x_data, builder.add(start, tap)) for start in starts]
                at = v.moved(w_at, k, v.index(channels))
                for o in range(channels):
                    weight = v.same(builder.load(builder.gep(w_data, [builder.add(at, v.index(o))])))
                    for p in range(PLACES):
                        total = sums[o * PLACES + p]
                        builder.store(v.add_product(builder.load(total), seen[p], weight), total)
            for o in range(channels):
                for p in range(PLACES):
                    v.store(builder.load(sums[o * PLACES + p]), z_data, places[o][p])
            return context.get_dummy_value()

        arguments = (z, number, number, number, x, number, number, taps, number, number, w, number)
        return types.void(*arguments), build

    return add_products


def slopes(channels):
    """Return a function that adds to a tile of slopes, of so many channels at two taps, products over some places.

    Its arguments: the sums, where the tile starts, from channel to channel (taps lie side by side); d, where, from
    channel to channel, from row to row; x, where with each of the two taps, from row to row; rows, columns, and from
    column to column::

        sums[channel, tap] += Σ d[channel, place] · x[place + tap]
    """

    @intrinsic
    def add_slopes(
        typing_context, sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step
    ):
        number = types.intp

        def build(context, builder, signature, arguments):
            kinds = signature.args
            s_data, d_data, x_data = (_data(context, builder, kinds[i], arguments[i]) for i in (0, 3, 7))
            _, at, channel, _, d_at, d_channel, d_row, _, tap_0, tap_1, x_row, rows, columns, step = arguments
            v = Vectors(context, builder, kinds[0].dtype)
            places = [
                builder.add(v.moved(at, o, channel), v.index(t * LANES)) for o in range(channels) for t in range(TAPS)
            ]
            totals = v.variables([v.load(s_data, place) for place in places])
            with cgutils.for_range(builder, rows) as row:
                d_start, starts = (
                    v.moved(d_at, row.index, d_row),
                    [v.moved(t, row.index, x_row) for t in (tap_0, tap_1)],
                )
                with cgutils.for_range(builder, columns) as column:
                    shift = builder.mul(column.index, step)
                    seen = [v.load(x_data, builder.add(start, shift)) for start in starts]
                    here = builder.add(d_start, shift)
                    for o in range(channels):
                        slope = v.load(d_data, v.moved(here, o, d_channel))
                        for t in range(TAPS):
                            total = totals[o * TAPS + t]
                            builder.store(v.add_product(builder.load(total), seen[t], slope), total)
            for place, total in zip(places, totals, strict=True):
                v.store(builder.load(total), s_data, place)
            return context.get_dummy_value()

        arguments = (
            *(sums, number, number), *(d, number, number, number),
            *(x, number, number, number), *(number, number, number),
        )  # fmt: skip
        return types.void(*arguments), build

    return add_slopes


@intrinsic
def largest_of(typing_context, z, at, row, size, y, y_at, which, which_at):
    """Write the largest of each lane in a window of size x size vectors to y, and which it was to ``which``.

    ``row`` leads from row to row of z; windows are counted row by row, as numbers of y's dtype.
    """
    number = types.intp

    def build(context, builder, signature, arguments):
        kinds = signature.args
        z_data, y_data, which_data = (_data(context, builder, kinds[i], arguments[i]) for i in (0, 4, 6))
        _, at, row, size, _, y_at, _, which_at = arguments
        v = Vectors(context, builder, kinds[0].dtype)
        best, found, count = v.variables([v.load(z_data, at), v.constant(0), v.constant(0)])
        with cgutils.for_range(builder, size) as a:
            start = v.moved(at, a.index, row)
            with cgutils.for_range(builder, size) as b:
                here = v.load(z_data, v.moved(start, b.index, v.index(LANES)))
                most, index = builder.load(best), builder.load(count)
                # Greater, or not a number: a NaN is seen, as NumPy sees it.
                larger = builder.fcmp_unordered(">", here, most)
                builder.store(builder.select(larger, here, most), best)
                builder.store(builder.select(larger, index, builder.load(found)), found)
                builder.store(builder.fadd(index, v.constant(1)), count)
        v.store(builder.load(best), y_data, y_at)
        v.store(builder.load(found), which_data, which_at)
        return context.get_dummy_value()

    return types.void(z, number, number, number, y, number, which, number), build


@intrinsic
def scatter(typing_context, d, d_at, which, which_at, size, dz, at, row, step):
    """Write each lane's d to the vector of its window that ``which`` names, and zero to the others.

    ``row`` leads from row to row of dz, ``step`` from column to column.
    """
    number = types.intp

    def build(context, builder, signature, arguments):
        kinds = signature.args
        d_data, which_data, dz_data = (_data(context, builder, kinds[i], arguments[i]) for i in (0, 2, 5))
        _, d_at, _, which_at, size, _, at, row, step = arguments
        v = Vectors(context, builder, kinds[0].dtype)
        slope, source = v.load(d_data, d_at), v.load(which_data, which_at)
        (count,) = v.variables([v.constant(0)])
        with cgutils.for_range(builder, size) as a:
            start = v.moved(at, a.index, row)
            with cgutils.for_range(builder, size) as b:
                index = builder.load(count)
                here = builder.select(builder.fcmp_ordered("==", index, source), slope, v.constant(0))
                v.store(here, dz_data, v.moved(start, b.index, step))
                builder.store(builder.fadd(index, v.constant(1)), count)
        return context.get_dummy_value()

    return types.void(d, number, which, number, number, dz, number, number, number), build
