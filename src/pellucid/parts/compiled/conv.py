"""Compiled stages of convolution, activation and pooling: eight images at a time, forwards and backwards.

The definitions are in ``parts/conv.py``; tests hold the two together. In a block of images lane n of every vector
belongs to image n, so an image is (C, H, W, lanes), and neighbours in a row lie side by side. A convolution is then
the sum over the taps of its kernel, each an offset into the padded image; no patches are ever copied. From 1 to 6
channels, 5 x 5, the tiles reach BLAS's rate for one large product, so patches with BLAS could only lose by copying.

What lies where is in ``stages``, a row of numbers for each stage:

    C H W     the images that come in, padded to IN_H x IN_W (with a column more where places are odd in number)
    OUT HO WO  those that the convolution makes, HP x WP those that pooling leaves
    IN A WHICH Z F       places in a block's memory: padded input, outputs (O, HP, even width), where each maximum
                         came from; z and f(z) before pooling, in the layout of DZ, where slopes need them (FULL)
    ROW DZ D SUMS        places in a thread's memory: rows of z, slopes at z (O, DH, DW; spread by the stride and framed
                         by BORDER zeros, so that they can be convolved), slopes at the outputs, sums for the weights
    OWN EACH             channels in and out of a group; SIZE = OWN KERNEL², PADDED that to whole tiles of slopes
    LINE LOWER_LINE      numbers in a row of outputs or inputs, made even, times the lanes
    PACK FLIP            places in ``packed``: the weights as tiles read them, forwards and backwards
    FORWARD_TAPS BACK_TAPS  places in ``taps``: what each entry of the kernel adds to a place of the input, and of DZ

With batch normalisation (NORM) no block can go on before all have come so far, so a pass over the blocks goes from
one normalisation to the next, and what lies between is kept:

    GAMMA BETA           places in the parameters
    RAW DN               places in a block's memory, (O, HO, even width): what the convolution made, and the slopes
                         behind the normalisation
    MOMENTS              place in ``moments``, of a block or of the batch: (4, O) mean, deviation, slopes of β and of γ.
                         Of a block deviation is the sum of squares about its own mean, of the batch 1 / σ; of the
                         batch the slopes are divided by how many numbers share the mean, and 0 where it is a constant.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pellucid.parts.activation import CODES
from pellucid.parts.compiled.activation import activate, multiply_by_slope
from pellucid.parts.compiled.lanes import LANES, PLACES, TAPS, WIDEST, largest_of, products, scatter, slopes
from pellucid.parts.compiling import kernel

__all__ = [
    "COLUMNS",
    "backward_block",
    "convolve_block",
    "fields",
    "forward_block",
    "normalise_block",
    "slopes_before_normalising",
    "slopes_behind_normalising",
]

COLUMNS = (
    "C", "H", "W", "IN_H", "IN_W", "OUT", "HO", "WO", "HP", "WP", "EVEN", "KERNEL", "STRIDE", "PADDING", "GROUPS",
    "POOL", "AVERAGE", "CODE", "FULL", "BORDER", "DH", "DW", "IN", "A", "WHICH", "Z", "F", "ROW", "DZ", "D", "SUMS",
    "PACK", "FLIP", "FORWARD_TAPS", "BACK_TAPS", "WEIGHT", "BIAS", "SUMS_SIZE",
    "NORM", "GAMMA", "BETA", "RAW", "DN", "MOMENTS", "OWN", "EACH", "SIZE", "PADDED", "LINE", "LOWER_LINE",
)  # fmt: skip
(
    C, H, W, IN_H, IN_W, OUT, HO, WO, HP, WP, EVEN, KERNEL, STRIDE, PADDING, GROUPS, POOL,
    AVERAGE, CODE, FULL, BORDER, DH, DW, IN, A, WHICH, Z, F, ROW, DZ, D, SUMS, PACK,
    FLIP, FORWARD_TAPS, BACK_TAPS, WEIGHT, BIAS, SUMS_SIZE, NORM, GAMMA, BETA, RAW, DN, MOMENTS,
    OWN, EACH, SIZE, PADDED, LINE, LOWER_LINE,
) = range(len(COLUMNS))  # fmt: skip
IDENTITY, RELU = CODES["identity"], CODES["relu"]
NEAR = 512  # vectors of slopes that are worked on at a time: 16 kB in float32, half of a first-level cache

PRODUCTS_1, PRODUCTS_2, PRODUCTS_3, PRODUCTS_4, PRODUCTS_5, PRODUCTS_6 = (products(n + 1) for n in range(WIDEST))
SLOPES_1, SLOPES_2, SLOPES_3, SLOPES_4, SLOPES_5, SLOPES_6 = (slopes(n + 1) for n in range(WIDEST))


@kernel(inner=True)
def add_products(width, z, z_at, z_channel, x, x_at, x_step, taps, first, last, w, w_at):
    """Call the tile of so many channels."""
    z_step = LANES
    if width == 6:
        PRODUCTS_6(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)
    elif width == 5:
        PRODUCTS_5(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)
    elif width == 4:
        PRODUCTS_4(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)
    elif width == 3:
        PRODUCTS_3(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)
    elif width == 2:
        PRODUCTS_2(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)
    else:
        PRODUCTS_1(z, z_at, z_channel, z_step, x, x_at, x_step, taps, first, last, w, w_at)


@kernel(inner=True)
def add_slopes(width, sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step):
    """Call the tile of so many channels."""
    if width == 6:
        SLOPES_6(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)
    elif width == 5:
        SLOPES_5(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)
    elif width == 4:
        SLOPES_4(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)
    elif width == 3:
        SLOPES_3(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)
    elif width == 2:
        SLOPES_2(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)
    else:
        SLOPES_1(sums, at, channel, d, d_at, d_channel, d_row, x, tap_0, tap_1, x_row, rows, columns, step)


@kernel(inline=True)
def fill(target, at, size, value):
    """Write the value to target[at : at + size]."""
    part = target[at : at + size]
    for i in range(size):
        part[i] = value


@kernel(inline=True)
def tiles(channels):
    """Return into how many tiles of nearly equal width so many channels fall; tile t begins at channels t // count."""
    return (channels + WIDEST - 1) // WIDEST


@intrinsic
def fields(typing_context, stage):
    """Return the numbers of a stage as a tuple: reading one takes no time to compile, as reading an array does."""
    numbers = types.UniTuple(types.int64, len(COLUMNS))

    def build(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        values = [builder.load(builder.gep(data, [ir.IntType(64)(k)])) for k in range(len(COLUMNS))]
        return context.make_tuple(builder, signature.return_type, values)

    return numbers(stage), build


@kernel(inner=True, apart=True)
def convolve_row(stage, i, block, packed, taps, z, z_at, channel):
    """Add to a row (O, even width, lanes) of z, ``channel`` from one channel to the next, the convolution's row i."""
    s = fields(stage)
    out, size, step = s[EACH], s[SIZE], s[STRIDE] * LANES
    count, table = tiles(out), taps[s[FORWARD_TAPS] : s[FORWARD_TAPS] + size]
    for g in range(s[GROUPS]):
        x = s[IN] + (g * s[OWN] * s[IN_H] + i * s[STRIDE]) * s[IN_W] * LANES
        for t in range(count):
            first, last = out * t // count, out * (t + 1) // count
            at = z_at + (g * out + first) * channel
            w = s[PACK] + (g * out + first) * size
            for j in range(0, s[WO], PLACES):
                add_products(
                    last - first, z, at + j * LANES, channel, block, x + j * step, step, table, 0, size, packed, w
                )


@kernel(inner=True, apart=True)
def pool_row(stage, i, row, block):
    """Write row i of the outputs, and where each maximum came from, from the rows of f(z)."""
    s = fields(stage)
    line, side = s[LINE], s[POOL]
    share = row.dtype.type(1 / (side * side))
    for o in range(s[OUT]):
        z, out = o * side * line, (o * s[HP] + i) * s[EVEN] * LANES
        for j in range(s[WP]):
            here, place = z + j * side * LANES, out + j * LANES
            if not s[AVERAGE]:
                largest_of(row, here, line, side, block, s[A] + place, block, s[WHICH] + place)
                continue
            for lane in range(LANES):
                total = row.dtype.type(0)
                for a in range(side):
                    for b in range(side):
                        total += row[here + a * line + b * LANES + lane]
                block[s[A] + place + lane] = total * share


@kernel(inner=True)
def keep_rows(stage, i, row, block, kept):
    """Copy the rows of z, or of f(z), to the layout of DZ."""
    s = fields(stage)
    stride = s[STRIDE]
    for o in range(s[OUT]):
        for a in range(s[POOL]):
            source = (o * s[POOL] + a) * s[LINE]
            target = kept + ((o * s[DH] + s[BORDER] + (i * s[POOL] + a) * stride) * s[DW] + s[BORDER]) * LANES
            for j in range(s[WP] * s[POOL]):
                for lane in range(LANES):
                    block[target + j * stride * LANES + lane] = row[source + j * LANES + lane]


@kernel(inline=True)
def late(s):
    """Whether the activation may follow the pooling: the maximum of relu(z) is relu of the maximum."""
    return not s[AVERAGE] and not s[FULL] and (s[CODE] == RELU or s[CODE] == IDENTITY)


@kernel(inline=True)
def close_row(stage, s, i, row, block):
    """Write row i of the outputs, and what the way back needs, from the rows of z."""
    if s[FULL]:
        keep_rows(stage, i, row, block, s[Z])
    if not late(s):
        activate(s[CODE], row)
    if s[FULL]:
        keep_rows(stage, i, row, block, s[F])
    pool_row(stage, i, row, block)


@kernel(inline=True)
def close_rows(s, block):
    """Do what is left when all rows are written."""
    if late(s):
        activate(s[CODE], block[s[A] : s[A] + s[OUT] * s[HP] * s[EVEN] * LANES])


@kernel(inline=True)
def forward_stage(stage, theta, block, packed, taps, scratch):
    """Write a stage's outputs, and what its way back needs, for one block of images."""
    s = fields(stage)
    side, line = s[POOL], s[LINE]
    row = scratch[s[ROW] : s[ROW] + s[OUT] * side * line]
    for i in range(s[HP]):
        for o in range(s[OUT]):
            fill(row, o * side * line, side * line, theta[s[BIAS] + o] if s[BIAS] >= 0 else theta.dtype.type(0))
        for a in range(side):
            convolve_row(stage, i * side + a, block, packed, taps, row, a * line, side * line)
        close_row(stage, s, i, row, block)
    close_rows(s, block)


@kernel(inner=True)
def hand_on(stage, above, block):
    """Copy a stage's outputs to the padded input of the next."""
    s, upper = fields(stage), fields(above)
    for o in range(s[OUT]):
        for i in range(s[HP]):
            source = s[A] + (o * s[HP] + i) * s[EVEN] * LANES
            target = upper[IN] + ((o * upper[IN_H] + i + upper[PADDING]) * upper[IN_W] + upper[PADDING]) * LANES
            a, b = block[source : source + s[WP] * LANES], block[target : target + s[WP] * LANES]
            for j in range(s[WP] * LANES):
                b[j] = a[j]


@kernel(inner=True)
def write_features(stage, block, features, rows):
    """Write the last stage's outputs as rows (rows, F) of ``features``."""
    s = fields(stage)
    columns = s[OUT] * s[HP] * s[WP]
    for o in range(s[OUT]):
        for i in range(s[HP]):
            for j in range(s[WP]):
                source, target = s[A] + ((o * s[HP] + i) * s[EVEN] + j) * LANES, (o * s[HP] + i) * s[WP] + j
                for lane in range(rows):
                    features[lane * columns + target] = block[source + lane]


@kernel(inline=True)
def forward_block(theta, block, stages, packed, taps, scratch, features, rows):
    """From the images of a block write the features."""
    last = stages.shape[0] - 1
    for n in range(last + 1):
        forward_stage(stages[n], theta, block, packed, taps, scratch)
        if n < last:
            hand_on(stages[n], stages[n + 1], block)
    write_features(stages[last], block, features, rows)


@kernel(inner=True, apart=True)
def unpool(stage, block, scratch):
    """Write the slopes at z to DZ from the slopes at the outputs, D."""
    s = fields(stage)
    side, step = s[POOL], s[STRIDE] * LANES
    size = s[OUT] * s[HP] * s[EVEN] * LANES
    d = scratch[s[D] : s[D] + size]
    if not s[FULL]:
        a = block[s[A] : s[A] + size]
        multiply_by_slope(s[CODE], a, a, d)
    share = d.dtype.type(1 / (side * side))
    for o in range(s[OUT]):
        for i in range(s[HP]):
            at = s[DZ] + ((o * s[DH] + s[BORDER] + i * side * s[STRIDE]) * s[DW] + s[BORDER]) * LANES
            for j in range(s[WP]):
                place, here = ((o * s[HP] + i) * s[EVEN] + j) * LANES, at + j * side * step
                if not s[AVERAGE]:
                    row = s[STRIDE] * s[DW] * LANES
                    scatter(scratch, s[D] + place, block, s[WHICH] + place, side, scratch, here, row, step)
                    continue
                for b in range(side * side):
                    target = here + (b // side) * s[STRIDE] * s[DW] * LANES + (b % side) * step
                    for lane in range(LANES):
                        scratch[target + lane] = d[place + lane] * share
    if s[FULL]:
        size = s[OUT] * s[DH] * s[DW] * LANES
        z, f = block[s[Z] : s[Z] + size], block[s[F] : s[F] + size]
        multiply_by_slope(s[CODE], z, f, scratch[s[DZ] : s[DZ] + size])


@kernel(inner=True, apart=True)
def add_weight_slopes(stage, block, taps, scratch):
    """Add to SUMS, lane by lane, the slopes of a stage's weights (O, taps) and then of its biases (O,)."""
    s = fields(stage)
    out, size, padded, stride = s[EACH], s[SIZE], s[PADDED], s[STRIDE]
    count = tiles(out)
    # What pooling leaves out has no slope, unless it counts in a mean.
    rows, columns = (s[HO], s[WO]) if s[NORM] else (s[HP] * s[POOL], s[WP] * s[POOL])
    for g in range(s[GROUPS]):
        for t in range(count):
            first, last = out * t // count, out * (t + 1) // count
            near = max(1, NEAR // ((last - first) * columns))
            for i in range(0, rows, near):
                x = s[IN] + (g * s[OWN] * s[IN_H] + i * stride) * s[IN_W] * LANES
                dz_row = (g * out + first) * s[DH] + s[BORDER] + i * stride
                dz = s[DZ] + (dz_row * s[DW] + s[BORDER]) * LANES
                for k in range(0, size, TAPS):
                    one = taps[s[FORWARD_TAPS] + k]
                    other = taps[s[FORWARD_TAPS] + min(k + 1, size - 1)]  # past the end: a sum that nobody reads
                    add_slopes(
                        last - first, scratch, s[SUMS] + ((g * out + first) * padded + k) * LANES, padded * LANES,
                        scratch, dz, s[DH] * s[DW] * LANES, stride * s[DW] * LANES,
                        block, x + one, x + other, stride * s[IN_W] * LANES,
                        min(near, rows - i), columns, stride * LANES,
                    )  # fmt: skip
    if s[BIAS] >= 0:
        size, biases = s[DH] * s[DW] * LANES, s[SUMS] + s[OUT] * padded * LANES
        for o in range(s[OUT]):
            dz, total = scratch[s[DZ] + o * size : s[DZ] + (o + 1) * size], scratch.dtype.type(0)
            for i in range(size):
                total += dz[i]
            scratch[biases + o] += total


@kernel(inner=True, apart=True)
def input_slopes(stage, packed, taps, scratch, below):
    """Write the slopes at a stage's input, (C, H, even width) at ``below``: DZ convolved with the kernels turned round.

    Taps are counted row by row of the kernel, then column by column, then channel by channel, so that those which
    reach only into the frame of zeros are left out.
    """
    s = fields(stage)
    own, out, side, line = s[OWN], s[EACH], s[KERNEL], s[LOWER_LINE]
    size, count = out * side * side, tiles(own)
    high, wide = (s[HO] - 1) * s[STRIDE] + 1, (s[WO] - 1) * s[STRIDE] + 1
    table = taps[s[BACK_TAPS] : s[BACK_TAPS] + size]
    fill(scratch, below, s[C] * s[H] * line, scratch.dtype.type(0))
    for g in range(s[GROUPS]):
        for i in range(s[H]):
            top, bottom = max(0, side - 1 - i - s[PADDING]), min(side - 1, side - 2 + high - i - s[PADDING])
            dz = s[DZ] + ((g * out * s[DH] + i + s[PADDING]) * s[DW] + s[PADDING]) * LANES
            for t in range(count):
                first, last = own * t // count, own * (t + 1) // count
                w = s[FLIP] + (g * own + first) * size
                for j in range(0, s[W], PLACES):
                    left = max(0, side - PLACES - j - s[PADDING])
                    right = min(side - 1, side - 2 + wide - j - s[PADDING])
                    place = below + ((g * own + first) * s[H] + i) * line + j * LANES
                    for a in range(top, bottom + 1):
                        add_products(
                            last - first, scratch, place, s[H] * line, scratch, dz + j * LANES, LANES,
                            table, (a * side + left) * out, (a * side + right + 1) * out, packed, w,
                        )  # fmt: skip


@kernel(inner=True)
def read_slopes(stage, scratch, slopes, rows):
    """Write the slopes at the features (rows, F) to the last stage's D."""
    s = fields(stage)
    columns = s[OUT] * s[HP] * s[WP]
    for o in range(s[OUT]):
        for i in range(s[HP]):
            for j in range(s[WP]):
                target, source = s[D] + ((o * s[HP] + i) * s[EVEN] + j) * LANES, (o * s[HP] + i) * s[WP] + j
                for lane in range(rows):
                    scratch[target + lane] = slopes[lane * columns + source]
                for lane in range(rows, LANES):
                    scratch[target + lane] = 0


@kernel(inline=True)
def backward_block(block, stages, packed, taps, scratch, slopes, rows):
    """From the slopes at the features (rows, F) add the slopes of all weights, in SUMS of every stage."""
    last = stages.shape[0] - 1
    read_slopes(stages[last], scratch, slopes, rows)
    for n in range(last, -1, -1):
        unpool(stages[n], block, scratch)
        add_weight_slopes(stages[n], block, taps, scratch)
        if n > 0:
            input_slopes(stages[n], packed, taps, scratch, stages[n - 1, D])


@kernel(inner=True)
def sums_about(block, at, size, rows, middle):
    """Return the sum of the numbers of a row of vectors, less ``middle``, and of their squares, in the first lanes."""
    total, squares = block.dtype.type(0), block.dtype.type(0)
    if rows == LANES:
        for i in range(at, at + size):
            total += block[i] - middle
            squares += (block[i] - middle) * (block[i] - middle)
    else:
        for i in range(at, at + size, LANES):
            for lane in range(rows):
                total += block[i + lane] - middle
                squares += (block[i + lane] - middle) * (block[i + lane] - middle)
    return total, squares


@kernel(inline=True)
def convolve_block(stage, rows, block, packed, taps, moments):
    """Write what the convolution makes of a block to RAW, and its mean and deviation."""
    s = fields(stage)
    line = s[LINE]
    fill(block, s[RAW], s[OUT] * s[HO] * line, block.dtype.type(0))
    for i in range(s[HO]):
        convolve_row(stage, i, block, packed, taps, block, s[RAW] + i * line, s[HO] * line)
    for o in range(s[OUT]):
        middle, deviation = 0.0, 0.0
        for i in range(s[HO]):
            at = s[RAW] + (o * s[HO] + i) * line
            middle += sums_about(block, at, s[WO] * LANES, rows, block.dtype.type(0))[0]
        middle /= rows * s[HO] * s[WO]
        for i in range(s[HO]):
            at = s[RAW] + (o * s[HO] + i) * line
            deviation += sums_about(block, at, s[WO] * LANES, rows, block.dtype.type(middle))[1]
        moments[s[MOMENTS] + o], moments[s[MOMENTS] + s[OUT] + o] = middle, deviation


@kernel(inline=True)
def normalise_block(stage, theta, block, scratch, moments):
    """Write a stage's outputs, and what its way back needs, from RAW and the moments of the batch."""
    s = fields(stage)
    side, line = s[POOL], s[LINE]
    row = scratch[s[ROW] : s[ROW] + s[OUT] * side * line]
    for i in range(s[HP]):
        for o in range(s[OUT]):
            middle, shift = moments[s[MOMENTS] + o], theta[s[BETA] + o]
            scale = moments[s[MOMENTS] + s[OUT] + o] * theta[s[GAMMA] + o]
            source = s[RAW] + (o * s[HO] + i * side) * line
            for j in range(side * line):
                row[o * side * line + j] = (block[source + j] - middle) * scale + shift
        close_row(stage, s, i, row, block)
    close_rows(s, block)


@kernel(inner=True)
def slopes_behind_normalising(stage, block, scratch, batch, moments):
    """Copy the slopes behind the normalisation from DZ to DN; write the block's slopes of β and γ."""
    s = fields(stage)
    line, step = s[LINE], s[STRIDE] * LANES
    for o in range(s[OUT]):
        middle, beta, gamma = batch[s[MOMENTS] + o], 0.0, 0.0
        for i in range(s[HP] * s[POOL]):
            raw, dn = s[RAW] + (o * s[HO] + i) * line, s[DN] + (o * s[HO] + i) * line
            dz = s[DZ] + ((o * s[DH] + s[BORDER] + i * s[STRIDE]) * s[DW] + s[BORDER]) * LANES
            total, product = block.dtype.type(0), block.dtype.type(0)
            for j in range(s[WP] * s[POOL]):
                for lane in range(LANES):
                    slope = scratch[dz + j * step + lane]
                    block[dn + j * LANES + lane] = slope
                    total += slope
                    product += slope * (block[raw + j * LANES + lane] - middle)
            beta += total
            gamma += product
        moments[s[MOMENTS] + 2 * s[OUT] + o] = beta
        moments[s[MOMENTS] + 3 * s[OUT] + o] = gamma * batch[s[MOMENTS] + s[OUT] + o]


@kernel(inner=True)
def slopes_before_normalising(stage, theta, rows, block, scratch, batch):
    """Write the slopes before the normalisation to DZ, from DN and the slopes of β and γ of the batch."""
    s = fields(stage)
    line, step = s[LINE], s[STRIDE] * LANES
    for o in range(s[OUT]):
        middle, inverse = batch[s[MOMENTS] + o], batch[s[MOMENTS] + s[OUT] + o]
        beta, gamma = batch[s[MOMENTS] + 2 * s[OUT] + o], batch[s[MOMENTS] + 3 * s[OUT] + o]
        scale, tilt = inverse * theta[s[GAMMA] + o], inverse * gamma
        for i in range(s[HO]):
            raw, dn = s[RAW] + (o * s[HO] + i) * line, s[DN] + (o * s[HO] + i) * line
            dz = s[DZ] + ((o * s[DH] + s[BORDER] + i * s[STRIDE]) * s[DW] + s[BORDER]) * LANES
            for j in range(s[WO]):
                for lane in range(LANES):
                    at = j * LANES + lane
                    scratch[dz + j * step + lane] = (block[dn + at] - beta - (block[raw + at] - middle) * tilt) * scale
                for lane in range(rows, LANES):  # no image, no slope
                    scratch[dz + j * step + lane] = 0
