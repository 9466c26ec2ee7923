"""Whole epochs of a dense stack in compiled code: the same steps as ``learning/reference.py``, and much faster.

One compilation serves every network, because sizes and activations come as arrays of numbers. All buffers lie
in one flat ``work`` vector; ``layout`` says where: row W, B in the parameters; row Z, A, M, H, D in ``work``
(weighted sums, activations, dropout masks, what the next layer sees, slopes of the loss), a column a layer.
"""

import numpy as np

from pellucid.parts.compiled.activation import activate, multiply_by_slope
from pellucid.parts.compiled.loss import loss_and_slope
from pellucid.parts.compiled.memory import root_floor, square, uncounted
from pellucid.parts.compiled.optimizer import update
from pellucid.parts.compiled.product import (
    TINY,
    add_row,
    column_sums,
    copy,
    product,
    product_nt,
    product_tn,
    tiny_backward,
    tiny_forward,
    tiny_slopes,
)
from pellucid.parts.compiling import kernel

__all__ = ["predict", "train"]

W, B, Z, A, M, H, D = range(7)
BEST_LOSS, NO_IMPROVEMENT, LOSS_SUM, WEIGHT_SUM, BATCH_LOSS = range(5)
RUNNING, CONVERGED, DIVERGED = range(3)


@kernel(inner=True)
def part(vector, start, size):
    """Return the view vector[start : start + size]."""
    return vector[start : start + size]


@kernel(inline=True)
def forward(theta, work, sizes, layout, codes, dropout, rng, rows, first):
    """Write z, a and h of every layer from ``first`` on, for the ``rows`` samples whose h (N, D) stands in work."""
    for layer in range(first, sizes.size):
        n_in, n_out = sizes[layer - 1], sizes[layer]
        x = layout[H, layer - 1]
        if rows * n_in * n_out <= TINY:
            weight, bias = layout[W, layer], layout[B, layer]
            tiny_forward(work, x, layout[Z, layer], theta, weight, bias, rows, n_in, n_out)
        else:
            weighted_sums(part(work, x, rows * n_in), theta, work, sizes, layout, rows, layer)
        if layer < sizes.size - 1:
            activations(work, sizes, layout, codes, dropout, rng, rows, layer)


@kernel(inline=True)
def weighted_sums(h, theta, work, sizes, layout, rows, layer):
    """Write a layer's z from what it sees, h (N, D)."""
    n_in, n_out, bias = sizes[layer - 1], sizes[layer], layout[B, layer]
    z = part(work, layout[Z, layer], rows * n_out)
    product(h, part(theta, layout[W, layer], n_in * n_out), z, rows, n_in, n_out)
    if bias >= 0:
        add_row(z, part(theta, bias, n_out))


@kernel(inline=True)
def activations(work, sizes, layout, codes, dropout, rng, rows, layer):
    """Write a hidden layer's a and h from its z."""
    a = part(work, layout[A, layer], rows * sizes[layer])
    if layout[A, layer] != layout[Z, layer]:
        copy(part(work, layout[Z, layer], a.size), a)
    activate(codes[layer], a)
    if dropout[layer] > 0:
        drop(a, part(work, layout[M, layer], a.size), part(work, layout[H, layer], a.size), dropout[layer], rng)
    elif layout[H, layer] != layout[A, layer]:
        copy(a, part(work, layout[H, layer], a.size))


@kernel(inner=True)
def drop(a, mask, h, rate, rng):
    """Write a mask of 0 and 1/(1 - rate), and h = a · mask."""
    scale, zero = a.dtype.type(1 / (1 - rate)), a.dtype.type(0)
    for i in range(a.size):
        mask[i] = scale if rng.random() >= rate else zero
        h[i] = a[i] * mask[i]


@kernel(inline=True)
def backward(theta, gradient, work, sizes, layout, codes, dropout, rows):
    """From the slope of the loss at the last z, write the gradient of every weight and bias."""
    for layer in range(sizes.size - 1, 0, -1):
        n_in, n_out = sizes[layer - 1], sizes[layer]
        below_place = layout[D, layer - 1]
        if rows * n_in * n_out <= TINY:
            x, d, weight = layout[H, layer - 1], layout[D, layer], layout[W, layer]
            tiny_slopes(work, x, d, gradient, weight, layout[B, layer], rows, n_in, n_out)
            if layer > 1:
                tiny_backward(work, d, below_place, theta, weight, rows, n_in, n_out)
        else:
            slopes_of_layer(theta, gradient, work, sizes, layout, rows, layer, layer > 1)
        if layer > 1:
            through_activation(part(work, below_place, rows * n_in), work, layout, codes, dropout, layer - 1)


@kernel(inline=True)
def slopes_of_layer(theta, gradient, work, sizes, layout, rows, layer, further):
    """From the slopes at a layer's z write those of its weights and biases and, if it goes on, at what it sees."""
    n_in, n_out = sizes[layer - 1], sizes[layer]
    delta, h = part(work, layout[D, layer], rows * n_out), part(work, layout[H, layer - 1], rows * n_in)
    product_tn(h, delta, part(gradient, layout[W, layer], n_in * n_out), n_in, rows, n_out)
    if layout[B, layer] >= 0:
        column_sums(delta, part(gradient, layout[B, layer], n_out))
    if further:
        below = part(work, layout[D, layer - 1] if layer > 1 else 0, rows * n_in)  # the features lie first
        product_nt(delta, part(theta, layout[W, layer], n_in * n_out), below, rows, n_out, n_in)


@kernel(inline=True)
def through_activation(slopes, work, layout, codes, dropout, layer):
    """Turn the slopes at what a layer hands on into those at its z."""
    if dropout[layer] > 0:
        mask = part(work, layout[M, layer], slopes.size)
        for i in range(slopes.size):
            slopes[i] *= mask[i]
    z, a = part(work, layout[Z, layer], slopes.size), part(work, layout[A, layer], slopes.size)
    multiply_by_slope(codes[layer], z, a, slopes)


@kernel(inner=True)
def penalty(theta, gradient, sizes, layout, alpha, scale):
    """Add the slope of alpha/2 |W|² · scale to the gradient; return that penalty. Biases are free."""
    factor, total, least = theta.dtype.type(alpha * scale), 0.0, root_floor(theta)
    for layer in range(1, sizes.size):
        size = sizes[layer - 1] * sizes[layer]
        weights, slopes = part(theta, layout[W, layer], size), part(gradient, layout[W, layer], size)
        squares = theta.dtype.type(0)
        for i in range(size):
            squares += square(weights[i], least)
            slopes[i] += factor * weights[i]
        total += squares
    return 0.5 * alpha * scale * total


@kernel(inner=True)
def gather(X, Y, weights, order, x, y, w):
    """Copy the rows of X, Y and the weights that ``order`` names to the flat x, y and w."""
    D, K = X.shape[1], Y.shape[1]
    for i in range(order.size):
        source, target = X[order[i]], x[i * D : i * D + D]
        for j in range(D):
            target[j] = source[j]
        source, target = Y[order[i]], y[i * K : i * K + K]
        for j in range(K):
            target[j] = source[j]
        if weights.size:
            w[i] = weights[order[i]]


@kernel(inline=True)
def batch(theta, gradient, work, sizes, layout, codes, dropout, rng, y, w, loss, alpha, rows):
    """Return the loss of the gathered batch and its weight; leave its gradient in ``gradient``."""
    last = sizes.size - 1
    total_weight = float(rows)
    if w.size:
        total_weight = 0.0
        for i in range(rows):
            total_weight += w[i]
    scale = 1 / total_weight if loss[3] != 0 else 1.0
    forward(theta, work, sizes, layout, codes, dropout, rng, rows, 1)
    size = rows * sizes[last]
    z, p, d = (
        part(work, layout[Z, last], size),
        part(work, layout[A, last], size),
        part(work, layout[D, last], size),
    )
    value = loss_and_slope(int(loss[0]), int(loss[1]), loss[2], z, p, y[:size], w, d, sizes[last], scale)
    backward(theta, gradient, work, sizes, layout, codes, dropout, rows)
    value *= scale
    if alpha > 0:
        value += penalty(theta, gradient, sizes, layout, alpha, scale)
    return value, total_weight


@kernel(exact=True, inner=True)
def finite(theta):
    """Whether every number of the vector is finite."""
    for i in range(theta.size):  # noqa: SIM110  # Numba compiles no generator expression
        if not np.isfinite(theta[i]):
            return False
    return True


@kernel(exact=True, inner=True)
def close_epoch(monitor, averaged, tolerance, patience):
    """Return the epoch's loss and whether it has stopped improving; start the next sum."""
    value = monitor[LOSS_SUM] / monitor[WEIGHT_SUM] if averaged else monitor[LOSS_SUM]
    monitor[LOSS_SUM] = monitor[WEIGHT_SUM] = 0
    monitor[NO_IMPROVEMENT] = monitor[NO_IMPROVEMENT] + 1 if value > monitor[BEST_LOSS] - tolerance else 0
    monitor[BEST_LOSS] = min(monitor[BEST_LOSS], value)
    return value, 0 <= patience < monitor[NO_IMPROVEMENT]


@kernel(inner=True)
def inputs(work, X, Y, weights, batch_size):
    """Return the places of a batch's X, Y and weights in work (they come first; no weights: an empty one)."""
    x, y = batch_size * X.shape[1], batch_size * Y.shape[1]
    return work[:x], work[x : x + y], work[x + y : x + y + (batch_size if weights.size else 0)]


@kernel()
def train(
    X, Y, weights, orders, batch_size, start, stop,
    theta, gradient, slots, safe, work, sizes, layout, codes, dropout, rng,
    loss, alpha, optimizer, hyper, step, rates, monitor, tolerance, patience, losses,
):  # fmt: skip
    """Run the batches ``start`` to ``stop`` of the epochs in ``orders`` (E, n); return (batches done, status).

    Batch b belongs to epoch b // batches_per_epoch. ``safe`` receives the parameters after each epoch that
    ends finite; ``losses`` the loss of each finished epoch; ``monitor`` carries the sums across calls.
    """
    n = X.shape[0]
    per_epoch = (n + batch_size - 1) // batch_size
    theta, gradient, work = uncounted(theta), uncounted(gradient), uncounted(work)
    x, y, w = inputs(work, X, Y, weights, batch_size)
    averaged = loss[3] != 0
    alone = per_epoch == 1 and orders.shape[0] == 1
    for b in range(start, stop):
        epoch, place = b // per_epoch, (b % per_epoch) * batch_size
        rows = min(batch_size, n - place)
        if not alone or b == start:
            gather(X, Y, weights, orders[epoch % orders.shape[0], place : place + rows], x, y, w)
        value, weight = batch(theta, gradient, work, sizes, layout, codes, dropout, rng, y, w[:rows], loss, alpha, rows)
        update(optimizer, theta, gradient, slots, hyper, step + b - start + 1, rates[b - start])
        monitor[BATCH_LOSS] = value
        monitor[LOSS_SUM] += value * (weight if averaged else 1.0)
        monitor[WEIGHT_SUM] += weight
        if (b + 1) % per_epoch == 0:
            losses[epoch], stale = close_epoch(monitor, averaged, tolerance, patience)
            if not (np.isfinite(losses[epoch]) and finite(theta)):
                return b + 1 - start, DIVERGED
            copy(theta, safe)
            if stale:
                return b + 1 - start, CONVERGED
    return stop - start, RUNNING


@kernel()
def loss_and_gradient(X, Y, weights, theta, gradient, work, sizes, layout, codes, rng, loss, alpha, batch_size, share):
    """Return the loss over all samples and leave its gradient in ``gradient``, in batches that fit the cache."""
    n = X.shape[0]
    x, y, w = inputs(work, X, Y, weights, batch_size)
    averaged = loss[3] != 0
    total, total_weight = 0.0, 0.0
    dropout = np.zeros(sizes.size)
    order = np.arange(n)
    gradient.fill(0)
    for place in range(0, n, batch_size):
        rows = min(batch_size, n - place)
        gather(X, Y, weights, order[place : place + rows], x, y, w)
        value, weight = batch(theta, share, work, sizes, layout, codes, dropout, rng, y, w[:rows], loss, 0.0, rows)
        factor = weight if averaged else 1.0
        total += value * factor
        total_weight += weight
        for i in range(share.size):
            gradient[i] += share[i] * factor
    scale = 1 / total_weight if averaged else 1.0
    for i in range(gradient.size):
        gradient[i] *= scale
    total *= scale
    if alpha > 0:
        total += penalty(theta, gradient, sizes, layout, alpha, scale)
    return total


@kernel()
def predict(X, theta, work, sizes, layout, codes, rng, logits, batch_size):
    """Write the last weighted sums of every row of X to logits (n, K)."""
    last, n_in = sizes.size - 1, X.shape[1]
    dropout = np.zeros(sizes.size)
    theta, work = uncounted(theta), uncounted(work)
    # The first product reads X where it lies: a copy of a large X would take a fifth of the time.
    where_it_lies = batch_size * n_in * sizes[1] > TINY
    flat = X.reshape(X.size)
    for place in range(0, X.shape[0], batch_size):
        rows = min(batch_size, X.shape[0] - place)
        if where_it_lies:
            weighted_sums(part(flat, place * n_in, rows * n_in), theta, work, sizes, layout, rows, 1)
            if last > 1:
                activations(work, sizes, layout, codes, dropout, rng, rows, 1)
            forward(theta, work, sizes, layout, codes, dropout, rng, rows, 2)
        else:
            for i in range(rows):
                for j in range(n_in):
                    work[layout[H, 0] + i * n_in + j] = X[place + i, j]
            forward(theta, work, sizes, layout, codes, dropout, rng, rows, 1)
        for i in range(rows):
            for j in range(sizes[last]):
                logits[place + i, j] = work[layout[Z, last] + i * sizes[last] + j]
