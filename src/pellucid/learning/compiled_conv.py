"""A batch of images in compiled code: stages of convolution by blocks of eight images, then the dense layers.

The dense layers are those of ``compiled.py``: what the last stage leaves are their inputs. Blocks are independent, so
that threads share them out: each has its own ``scratch`` (threads, size) and its own sums of slopes.
"""

import math

from pellucid.learning.compiled import (
    D,
    H,
    activations,
    part,
    penalty,
    slopes_of_layer,
    through_activation,
    weighted_sums,
)
from pellucid.parts.compiled.conv import (
    COLUMNS,
    add_weight_slopes,
    backward_block,
    convolve_block,
    fields,
    forward_block,
    hand_on,
    input_slopes,
    normalise_block,
    read_slopes,
    slopes_before_normalising,
    slopes_behind_normalising,
    unpool,
    write_features,
)
from pellucid.parts.compiled.lanes import LANES
from pellucid.parts.compiling import kernel

__all__ = [
    "backward_blocks",
    "backward_pass",
    "dense_backward",
    "dense_forward",
    "forward_blocks",
    "forward_pass",
    "move",
]

CHANNELS, HEIGHT, WIDTH, IN_H, IN_W, PADDING, IN, SLOPES = (
    COLUMNS.index(name) for name in ("C", "H", "W", "IN_H", "IN_W", "PADDING", "IN", "D")
)


@kernel(inner=True, apart=True)
def take(X, order, b, stage, block):
    """Copy the images of block b of a batch, X[order], into the lanes of the block; those without one become zero."""
    s, rows = fields(stage), order[b * LANES : (b + 1) * LANES]
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
    return rows.size


@kernel(inner=True)
def pixel(image, c, i, j, height, width):
    """Return a pixel of an image, 0 outside."""
    if i < 0 or j < 0 or i >= height or j >= width:
        return image.dtype.type(0)
    return image[(c * height + i) * width + j]


@kernel(exact=True)
def move(X, order, moves, channels, height, width, images):
    """Write the images X[order], each moved: (down, right, cosine, sine); see ``parts/augment.py``."""
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    one = images.dtype.type(1)
    for n in range(order.size):
        image, out = X[order[n]], images[n]
        down, right, cosine, sine = moves[n, 0], moves[n, 1], moves[n, 2], moves[n, 3]
        for i in range(height):
            for j in range(width):
                r, c = i - middle_row - down, j - middle_column - right
                row, column = cosine * r - sine * c + middle_row, sine * r + cosine * c + middle_column
                top, left = math.floor(row), math.floor(column)
                low, far = images.dtype.type(row - top), images.dtype.type(column - left)
                for channel in range(channels):
                    above = pixel(image, channel, top, left, height, width) * (one - far)
                    above += pixel(image, channel, top, left + 1, height, width) * far
                    below = pixel(image, channel, top + 1, left, height, width) * (one - far)
                    below += pixel(image, channel, top + 1, left + 1, height, width) * far
                    out[(channel * height + i) * width + j] = above * (one - low) + below * low


@kernel()
def forward_blocks(X, order, theta, blocks, stages, packed, taps, features, first, last, scratch):
    """Write to ``features`` (flat, F an image) what the dense layers see of X[order], for the blocks first to last."""
    columns = features.size // order.size
    for b in range(first, last):
        rows = take(X, order, b, stages[0], blocks[b])
        own = features[b * LANES * columns : (b * LANES + rows) * columns]
        forward_block(theta, blocks[b], stages, packed, taps, scratch, own, rows)


@kernel()
def backward_blocks(slopes, count, theta, blocks, stages, packed, taps, first, last, scratch):
    """Add to the sums in ``scratch`` the slopes of all weights, from those at the features of ``count`` images."""
    columns = slopes.size // count
    for b in range(first, last):
        rows = min(LANES, count - b * LANES)
        own = slopes[b * LANES * columns : (b * LANES + rows) * columns]
        backward_block(blocks[b], stages, packed, taps, scratch, own, rows)


@kernel()
def forward_pass(n, X, order, theta, blocks, stages, packed, taps, features, batch, moments, first, last, scratch):
    """With batch normalisation: take blocks from behind convolution n - 1, or their beginning, to behind convolution n.

    Behind the last one go the features. ``moments`` (blocks, size) receives those of each block, ``batch`` has
    those of the batch; see ``parts/compiled/conv.py``.
    """
    columns, end = features.size // order.size, stages.shape[0]
    for b in range(first, last):
        rows, block = min(LANES, order.size - b * LANES), blocks[b]
        if n == 0:
            take(X, order, b, stages[0], block)
        else:
            normalise_block(stages[n - 1], theta, block, scratch, batch)
            if n < end:
                hand_on(stages[n - 1], stages[n], block)
        if n < end:
            convolve_block(stages[n], rows, block, packed, taps, moments[b])
        else:
            own = features[b * LANES * columns : (b * LANES + rows) * columns]
            write_features(stages[end - 1], block, own, rows)


@kernel()
def backward_pass(n, slopes, count, theta, blocks, stages, packed, taps, batch, moments, first, last, scratch):
    """With batch normalisation: take the slopes of blocks from behind convolution n to behind convolution n - 1."""
    columns, end = slopes.size // count, stages.shape[0]
    for b in range(first, last):
        rows, block = min(LANES, count - b * LANES), blocks[b]
        if n == end:
            own = slopes[b * LANES * columns : (b * LANES + rows) * columns]
            read_slopes(stages[end - 1], scratch, own, rows)
        else:
            slopes_before_normalising(stages[n], theta, rows, block, scratch, batch)
            add_weight_slopes(stages[n], block, taps, scratch)
            if n > 0:
                input_slopes(stages[n], packed, taps, scratch, stages[n - 1, SLOPES])
        if n > 0:
            unpool(stages[n - 1], block, scratch)
            slopes_behind_normalising(stages[n - 1], block, scratch, batch, moments[b])


@kernel()
def dense_forward(theta, work, sizes, layout, codes, dropout, rng, rows):
    """Write the dense layers' weighted sums and outputs, of the features that lie first in work."""
    for layer in range(1, sizes.size):
        seen = part(work, layout[H, layer - 1], rows * sizes[layer - 1])
        weighted_sums(seen, theta, work, sizes, layout, rows, layer)
        if layer < sizes.size - 1:
            activations(work, sizes, layout, codes, dropout, rng, rows, layer)


@kernel()
def dense_backward(theta, gradient, work, sizes, layout, codes, dropout, rows, alpha, scale):
    """From the slopes at the logits write the dense layers' gradient, and those at the features in their place.

    Returns the penalty alpha/2 |W|² · scale, whose slope is in the gradient.
    """
    for layer in range(sizes.size - 1, 0, -1):
        slopes_of_layer(theta, gradient, work, sizes, layout, rows, layer, True)
        if layer > 1:
            below = part(work, layout[D, layer - 1], rows * sizes[layer - 1])
            through_activation(below, work, layout, codes, dropout, layer - 1)
    return penalty(theta, gradient, sizes, layout, alpha, scale) if alpha > 0 else 0.0
