"""A batch of images in compiled code: stages of convolution by blocks of eight images, then the dense layers.

The dense layers are those of ``compiled.py``: what the last stage leaves are their inputs. Blocks are independent, so
that threads share them out: each has its own ``scratch`` (threads, size) and its own sums of slopes.
"""

import math

from pellucid.learning.compiled import D, H, W, Z, batch, forward, part
from pellucid.parts.compiled.conv import COLUMNS, backward_block, collect, forward_block, pack
from pellucid.parts.compiled.lanes import LANES
from pellucid.parts.compiled.memory import root_floor, square, uncounted
from pellucid.parts.compiled.product import product_nt
from pellucid.parts.compiling import kernel

__all__ = ["backward_blocks", "dense_batch", "dense_logits", "finish", "forward_blocks", "prepare"]

CHANNELS, HEIGHT, WIDTH, IN_H, IN_W, PADDING, IN, WEIGHT, OUT, KERNEL, GROUPS, SUMS, SUMS_SIZE = (
    COLUMNS.index(name)
    for name in (
        *("C", "H", "W", "IN_H", "IN_W", "PADDING", "IN"),
        *("WEIGHT", "OUT", "KERNEL", "GROUPS", "SUMS", "SUMS_SIZE"),
    )
)


@kernel()
def prepare(theta, stages, packed, scratch):
    """Make ready for a batch: weights in the order of the tiles, no sums yet."""
    pack(theta, stages, packed)
    for thread in range(scratch.shape[0]):
        for n in range(stages.shape[0]):
            for i in range(stages[n, SUMS], stages[n, SUMS] + stages[n, SUMS_SIZE]):
                scratch[thread, i] = 0


@kernel(inner=True)
def take(X, rows, s, block):
    """Copy the images X[rows] into the lanes of a block; lanes without an image become zero."""
    for lane in range(LANES):
        for c in range(s[CHANNELS]):
            for i in range(s[HEIGHT]):
                source = (c * s[HEIGHT] + i) * s[WIDTH]
                target = s[IN] + ((c * s[IN_H] + i + s[PADDING]) * s[IN_W] + s[PADDING]) * LANES + lane
                if lane < rows.size:
                    image = X[rows[lane]]
                    for j in range(s[WIDTH]):
                        block[target + j * LANES] = image[source + j]
                else:
                    for j in range(s[WIDTH]):
                        block[target + j * LANES] = 0


@kernel(inner=True)
def pixel(image, s, c, i, j):
    """Return a pixel of an image, 0 outside."""
    if i < 0 or j < 0 or i >= s[HEIGHT] or j >= s[WIDTH]:
        return image.dtype.type(0)
    return image[(c * s[HEIGHT] + i) * s[WIDTH] + j]


@kernel(exact=True, inner=True)
def take_moved(X, rows, moves, s, block):
    """Do as ``take``, with each image moved: (down, right, cosine, sine); see ``parts/augment.py``."""
    middle_row, middle_column = (s[HEIGHT] - 1) / 2, (s[WIDTH] - 1) / 2
    one = block.dtype.type(1)
    for lane in range(rows.size):
        image = X[rows[lane]]
        down, right, cosine, sine = moves[lane, 0], moves[lane, 1], moves[lane, 2], moves[lane, 3]
        for i in range(s[HEIGHT]):
            for j in range(s[WIDTH]):
                r, c = i - middle_row - down, j - middle_column - right
                row, column = cosine * r - sine * c + middle_row, sine * r + cosine * c + middle_column
                top, left = math.floor(row), math.floor(column)
                low, far = block.dtype.type(row - top), block.dtype.type(column - left)
                for channel in range(s[CHANNELS]):
                    above = pixel(image, s, channel, top, left) * (one - far)
                    above += pixel(image, s, channel, top, left + 1) * far
                    below = pixel(image, s, channel, top + 1, left) * (one - far)
                    below += pixel(image, s, channel, top + 1, left + 1) * far
                    place = (channel * s[IN_H] + i + s[PADDING]) * s[IN_W] + j + s[PADDING]
                    block[s[IN] + place * LANES + lane] = above * (one - low) + below * low


@kernel()
def forward_blocks(X, order, moves, first, last, theta, blocks, stages, packed, taps, scratch, features):
    """Write to ``features`` (flat, F an image) what the dense layers see of X[order], for the blocks first to last."""
    columns = features.size // order.size
    for b in range(first, last):
        rows, block = order[b * LANES : (b + 1) * LANES], blocks[b]
        if moves.shape[0] > 0:
            if rows.size < LANES:
                take(X, rows[:0], stages[0], block)
            take_moved(X, rows, moves[b * LANES : (b + 1) * LANES], stages[0], block)
        else:
            take(X, rows, stages[0], block)
        own = features[b * LANES * columns : (b * LANES + rows.size) * columns]
        forward_block(theta, block, stages, packed, taps, scratch, own, rows.size)


@kernel()
def backward_blocks(first, last, count, blocks, stages, packed, taps, scratch, slopes):
    """Add to the sums in ``scratch`` the slopes of all weights, from those at the features of ``count`` images."""
    columns = slopes.size // count
    for b in range(first, last):
        rows = min(LANES, count - b * LANES)
        own = slopes[b * LANES * columns : (b * LANES + rows) * columns]
        backward_block(blocks[b], stages, packed, taps, scratch, own, rows)


@kernel()
def dense_batch(Y, weights, order, theta, gradient, work, sizes, layout, codes, dropout, rng, loss, alpha, room):
    """Return loss and weight of a batch whose features lie first in work; put the slopes at them in their place.

    The gradient of the dense layers is written; ``room`` is how many rows work has room for.
    """
    theta, gradient, work = uncounted(theta), uncounted(gradient), uncounted(work)
    rows, K = order.size, Y.shape[1]
    y = work[room * sizes[0] : room * sizes[0] + rows * K]
    w = work[room * (sizes[0] + K) : room * (sizes[0] + K) + (rows if weights.size else 0)]
    for i in range(rows):
        for j in range(K):
            y[i * K + j] = Y[order[i], j]
        if weights.size:
            w[i] = weights[order[i]]
    value, weight = batch(theta, gradient, work, sizes, layout, codes, dropout, rng, y, w, loss, alpha, rows)
    delta, matrix = part(work, layout[D, 1], rows * sizes[1]), part(theta, layout[W, 1], sizes[0] * sizes[1])
    product_nt(delta, matrix, part(work, layout[H, 0], rows * sizes[0]), rows, sizes[1], sizes[0])
    return value, weight


@kernel()
def dense_logits(theta, work, sizes, layout, codes, dropout, rng, rows, logits):
    """Write the last weighted sums (rows, K) of the features that lie first in work."""
    forward(theta, work, sizes, layout, codes, dropout, rng, rows, 1)
    last = sizes.size - 1
    for i in range(rows):
        for j in range(sizes[last]):
            logits[i, j] = work[layout[Z, last] + i * sizes[last] + j]


@kernel()
def finish(theta, gradient, stages, scratch, strength):
    """Write the gradient of the kernels from all threads' sums; add strength/2 |W|² to it, and return that penalty."""
    collect(stages, scratch, gradient)
    total, factor, least = 0.0, theta.dtype.type(strength), root_floor(theta)
    for n in range(stages.shape[0] if strength > 0 else 0):
        s = stages[n]
        size = s[OUT] * (s[CHANNELS] // s[GROUPS]) * s[KERNEL] * s[KERNEL]
        weights, slopes = part(theta, s[WEIGHT], size), part(gradient, s[WEIGHT], size)
        squares = theta.dtype.type(0)
        for i in range(size):
            squares += square(weights[i], least)
            slopes[i] += factor * weights[i]
        total += squares
    return 0.5 * strength * total
