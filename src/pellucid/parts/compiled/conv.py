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
    PACK FLIP            places in ``packed``: the weights as tiles read them, forwards and backwards
    FORWARD_TAPS BACK_TAPS  places in ``taps``: what each entry of the kernel adds to a place of the input, and of DZ
"""

from pellucid.parts.activation import CODES
from pellucid.parts.compiled.activation import activate, multiply_by_slope
from pellucid.parts.compiled.lanes import LANES, PLACES, TAPS, WIDEST, largest_of, products, scatter, slopes
from pellucid.parts.compiling import kernel

__all__ = ["COLUMNS", "backward_block", "collect", "forward_block", "pack"]

COLUMNS = (
    "C", "H", "W", "IN_H", "IN_W", "OUT", "HO", "WO", "HP", "WP", "EVEN", "KERNEL", "STRIDE", "PADDING", "GROUPS",
    "POOL", "AVERAGE", "CODE", "FULL", "BORDER", "DH", "DW", "IN", "A", "WHICH", "Z", "F", "ROW", "DZ", "D", "SUMS",
    "PACK", "FLIP", "FORWARD_TAPS", "BACK_TAPS", "WEIGHT", "BIAS", "SUMS_SIZE",
)  # fmt: skip
(
    C, H, W, IN_H, IN_W, OUT, HO, WO, HP, WP, EVEN, KERNEL, STRIDE, PADDING, GROUPS, POOL,
    AVERAGE, CODE, FULL, BORDER, DH, DW, IN, A, WHICH, Z, F, ROW, DZ, D, SUMS, PACK,
    FLIP, FORWARD_TAPS, BACK_TAPS, WEIGHT, BIAS, SUMS_SIZE,
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


@kernel(inner=True)
def pack(theta, stages, packed):
    """Copy the weights of every stage into the order in which tiles read them, forwards and backwards."""
    for n in range(stages.shape[0]):
        s = stages[n]
        kernel_size, own, out = s[KERNEL], s[C] // s[GROUPS], s[OUT] // s[GROUPS]
        area = kernel_size * kernel_size
        taps = own * area
        for g in range(s[GROUPS]):
            weight = s[WEIGHT] + g * out * taps
            place, count = s[PACK] + g * out * taps, tiles(out)
            for t in range(count):
                for k in range(taps):
                    for o in range(out * t // count, out * (t + 1) // count):
                        packed[place] = theta[weight + o * taps + k]
                        place += 1
            place, count = s[FLIP] + g * out * taps, tiles(own)
            for t in range(count if n > 0 else 0):
                for k in range(area):  # the kernel turned by half a turn
                    for o in range(out):
                        for c in range(own * t // count, own * (t + 1) // count):
                            packed[place] = theta[weight + o * taps + c * area + area - 1 - k]
                            place += 1


@kernel(inline=True)
def convolve_row(s, i, block, packed, taps, row, row_at):
    """Add to (O, POOL, even width, lanes) in ``row`` the convolution's row i, as the row i % POOL."""
    own, out = s[C] // s[GROUPS], s[OUT] // s[GROUPS]
    width, size, count = (s[WO] + PLACES - 1) // PLACES * PLACES, own * s[KERNEL] * s[KERNEL], tiles(out)
    table = taps[s[FORWARD_TAPS] : s[FORWARD_TAPS] + size]
    channel, step = s[POOL] * width * LANES, s[STRIDE] * LANES
    for g in range(s[GROUPS]):
        x = s[IN] + (g * own * s[IN_H] + i * s[STRIDE]) * s[IN_W] * LANES
        for t in range(count):
            first, last = out * t // count, out * (t + 1) // count
            z = row_at + (((g * out + first) * s[POOL] + i % s[POOL]) * width) * LANES
            w = s[PACK] + (g * out + first) * size
            for j in range(0, s[WO], PLACES):
                add_products(
                    last - first, row, z + j * LANES, channel, block, x + j * step, step, table, 0, size, packed, w
                )


@kernel(inline=True)
def pool_row(s, i, row, row_at, block):
    """Write row i of the outputs, and where each maximum came from, from the rows of f(z)."""
    width, side = (s[WO] + PLACES - 1) // PLACES * PLACES, s[POOL]
    share = row.dtype.type(1 / (side * side))
    for o in range(s[OUT]):
        z, out = row_at + o * side * width * LANES, (o * s[HP] + i) * s[EVEN] * LANES
        for j in range(s[WP]):
            here, place = z + j * side * LANES, out + j * LANES
            if not s[AVERAGE]:
                largest_of(row, here, width * LANES, side, block, s[A] + place, block, s[WHICH] + place)
                continue
            for lane in range(LANES):
                total = row.dtype.type(0)
                for a in range(side):
                    for b in range(side):
                        total += row[here + (a * width + b) * LANES + lane]
                block[s[A] + place + lane] = total * share


@kernel(inline=True)
def keep_rows(s, i, row, row_at, block, kept):
    """Copy the rows of z, or of f(z), to the layout of DZ."""
    width, stride = (s[WO] + PLACES - 1) // PLACES * PLACES, s[STRIDE]
    for o in range(s[OUT]):
        for a in range(s[POOL]):
            source = row_at + (o * s[POOL] + a) * width * LANES
            target = kept + ((o * s[DH] + s[BORDER] + (i * s[POOL] + a) * stride) * s[DW] + s[BORDER]) * LANES
            for j in range(s[WP] * s[POOL]):
                for lane in range(LANES):
                    block[target + j * stride * LANES + lane] = row[source + j * LANES + lane]


@kernel(inline=True)
def forward_stage(s, theta, block, packed, taps, scratch):
    """Write a stage's outputs, and what its way back needs, for one block of images."""
    side, code, row_at = s[POOL], s[CODE], s[ROW]
    width = (s[WO] + PLACES - 1) // PLACES * PLACES
    row_size, channel = s[OUT] * side * width * LANES, side * width * LANES
    row = scratch[row_at : row_at + row_size]
    # The maximum of relu(z) is relu of the maximum: fewer to compute.
    late = not s[AVERAGE] and not s[FULL] and (code in (RELU, IDENTITY))
    for i in range(s[HP]):
        for o in range(s[OUT]):
            fill(row, o * channel, channel, theta[s[BIAS] + o] if s[BIAS] >= 0 else theta.dtype.type(0))
        for a in range(side):
            convolve_row(s, i * side + a, block, packed, taps, row, 0)
        if s[FULL]:
            keep_rows(s, i, row, 0, block, s[Z])
        if not late:
            activate(code, row)
        if s[FULL]:
            keep_rows(s, i, row, 0, block, s[F])
        pool_row(s, i, row, 0, block)
    if late:
        activate(code, block[s[A] : s[A] + s[OUT] * s[HP] * s[EVEN] * LANES])


@kernel(inline=True)
def hand_on(s, upper, block):
    """Copy a stage's outputs to the padded input of the next."""
    for o in range(s[OUT]):
        for i in range(s[HP]):
            source = s[A] + (o * s[HP] + i) * s[EVEN] * LANES
            target = upper[IN] + ((o * upper[IN_H] + i + upper[PADDING]) * upper[IN_W] + upper[PADDING]) * LANES
            a, b = block[source : source + s[WP] * LANES], block[target : target + s[WP] * LANES]
            for j in range(s[WP] * LANES):
                b[j] = a[j]


@kernel(inner=True)
def forward_block(theta, block, stages, packed, taps, scratch, features, rows):
    """From the images of a block write the last stage's outputs as rows (rows, F) of ``features``."""
    last = stages.shape[0] - 1
    for n in range(last + 1):
        forward_stage(stages[n], theta, block, packed, taps, scratch)
        if n < last:
            hand_on(stages[n], stages[n + 1], block)
    s = stages[last]
    columns = s[OUT] * s[HP] * s[WP]
    for o in range(s[OUT]):
        for i in range(s[HP]):
            for j in range(s[WP]):
                source, target = s[A] + ((o * s[HP] + i) * s[EVEN] + j) * LANES, (o * s[HP] + i) * s[WP] + j
                for lane in range(rows):
                    features[lane * columns + target] = block[source + lane]


@kernel(inline=True)
def unpool(s, block, scratch):
    """Write the slopes at z to DZ from the slopes at the outputs, D."""
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


@kernel(inline=True)
def add_weight_slopes(s, block, taps, scratch):
    """Add to SUMS, lane by lane, the slopes of a stage's weights (O, taps) and then of its biases (O,)."""
    own, out, stride = s[C] // s[GROUPS], s[OUT] // s[GROUPS], s[STRIDE]
    size, count = own * s[KERNEL] * s[KERNEL], tiles(out)
    padded = (size + TAPS - 1) // TAPS * TAPS
    rows, columns = s[HP] * s[POOL], s[WP] * s[POOL]
    for g in range(s[GROUPS]):
        for t in range(count):
            first, last = out * t // count, out * (t + 1) // count
            near = max(1, NEAR // ((last - first) * columns))
            for i in range(0, rows, near):
                x = s[IN] + (g * own * s[IN_H] + i * stride) * s[IN_W] * LANES
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


@kernel(inline=True)
def input_slopes(s, packed, taps, scratch, below):
    """Write the slopes at a stage's input, (C, H, even width) at ``below``: DZ convolved with the kernels turned round.

    Taps are counted row by row of the kernel, then column by column, then channel by channel, so that those which
    reach only into the frame of zeros are left out.
    """
    own, out, side = s[C] // s[GROUPS], s[OUT] // s[GROUPS], s[KERNEL]
    width, size, count = (s[W] + PLACES - 1) // PLACES * PLACES, out * side * side, tiles(own)
    high, wide = (s[HO] - 1) * s[STRIDE] + 1, (s[WO] - 1) * s[STRIDE] + 1
    table = taps[s[BACK_TAPS] : s[BACK_TAPS] + size]
    fill(scratch, below, s[C] * s[H] * width * LANES, scratch.dtype.type(0))
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
                    place = below + (((g * own + first) * s[H] + i) * width + j) * LANES
                    for a in range(top, bottom + 1):
                        add_products(
                            last - first, scratch, place, s[H] * width * LANES, scratch, dz + j * LANES, LANES,
                            table, (a * side + left) * out, (a * side + right + 1) * out, packed, w,
                        )  # fmt: skip


@kernel(inner=True)
def backward_block(block, stages, packed, taps, scratch, d_features, rows):
    """From the slopes at the features (rows, F) add the slopes of all weights, in SUMS of every stage."""
    last = stages.shape[0] - 1
    s = stages[last]
    columns = s[OUT] * s[HP] * s[WP]
    for o in range(s[OUT]):
        for i in range(s[HP]):
            for j in range(s[WP]):
                target, source = s[D] + ((o * s[HP] + i) * s[EVEN] + j) * LANES, (o * s[HP] + i) * s[WP] + j
                for lane in range(rows):
                    scratch[target + lane] = d_features[lane * columns + source]
                for lane in range(rows, LANES):
                    scratch[target + lane] = 0
    for n in range(last, -1, -1):
        s = stages[n]
        unpool(s, block, scratch)
        add_weight_slopes(s, block, taps, scratch)
        if n > 0:
            input_slopes(s, packed, taps, scratch, stages[n - 1, D])


@kernel(inner=True)
def collect(stages, scratch, gradient):
    """Write the gradient of every stage from the SUMS of all threads, scratch (threads, size)."""
    for n in range(stages.shape[0]):
        s = stages[n]
        size = s[C] // s[GROUPS] * s[KERNEL] * s[KERNEL]
        padded = (size + TAPS - 1) // TAPS * TAPS
        for o in range(s[OUT]):
            for k in range(size):
                total = gradient.dtype.type(0)
                for thread in range(scratch.shape[0]):
                    for lane in range(LANES):
                        total += scratch[thread, s[SUMS] + (o * padded + k) * LANES + lane]
                gradient[s[WEIGHT] + o * size + k] = total
            if s[BIAS] >= 0:
                total = gradient.dtype.type(0)
                for thread in range(scratch.shape[0]):
                    total += scratch[thread, s[SUMS] + s[OUT] * padded * LANES + o]
                gradient[s[BIAS] + o] = total
