"""Compiled losses: the loss of a batch and its slope with respect to the logits, in one pass.

See ``parts/loss.py`` for the definitions.
"""

import math

import numpy as np

from pellucid.parts.activation import CODES
from pellucid.parts.compiled.activation import activate, exp, logistic, multiply_by_slope
from pellucid.parts.compiled.memory import floor
from pellucid.parts.compiled.product import copy
from pellucid.parts.compiling import kernel
from pellucid.parts.loss import LOSSES

__all__ = ["loss_and_slope", "outputs", "softmax_loss_and_slope"]

SQUARED_ERROR = LOSSES.index("squared_error")
SUM_OF_SQUARES = LOSSES.index("sum_of_squares")
ABSOLUTE_ERROR = LOSSES.index("absolute_error")
HUBER = LOSSES.index("huber")
POISSON = LOSSES.index("poisson")
LOG_LOSS = LOSSES.index("log_loss")
FOCAL = LOSSES.index("focal")
SOFTMAX = CODES["softmax"]


@kernel(exact=True)
def outputs(link, z, p, columns):
    """Write p = link(z) for flat logits z (rows * columns,)."""
    if link != SOFTMAX:
        copy(z, p)
        activate(link, p)
        return
    exponentials(z, p, columns)
    for start in range(0, z.size, columns):
        total = sum_of(p, start, columns)
        for j in range(start, start + columns):
            p[j] /= total


@kernel(exact=True, inner=True)
def exponentials(z, e, columns):
    """Write e = exp(z - max of its row), for flat z (rows * columns,)."""
    for start in range(0, z.size, columns):
        top = largest(z, start, columns)
        for j in range(start, start + columns):
            e[j] = z[j] - top
    for i in range(e.size):
        e[i] = exp(e[i])


# A row is given by its vector and its start: a slice for each would cost more than the row itself.


@kernel(inner=True)
def largest(z, start, columns):
    """Return the maximum of a row."""
    top = z[start]
    for j in range(start + 1, start + columns):
        top = z[j] if z[j] > top else top
    return top


@kernel(inner=True)
def sum_of(z, start, columns):
    """Return the sum of a row."""
    total = z.dtype.type(0)
    for j in range(start, start + columns):
        total += z[j]
    return total


@kernel(exact=True, inner=True)
def _distance(code, error, parameter):
    """Return one output's loss and its derivative with respect to the output."""
    if code == SQUARED_ERROR:
        return error * error / 2, error
    if code == SUM_OF_SQUARES:
        return error * error, 2 * error
    if code == ABSOLUTE_ERROR:
        return abs(error), np.sign(error)
    if abs(error) <= parameter:
        return error * error / 2, error
    return parameter * (abs(error) - parameter / 2), parameter * np.sign(error)


@kernel(exact=True, inner=True)
def _focal(log_p, q, gamma):
    """Return the focal loss of one term and its derivative with respect to log p."""
    if gamma == 0:
        return -log_p, -1.0
    power = q ** (gamma - 1) if q > 1e-307 else (1.0 if gamma == 1 else 0.0)
    return -(power * q) * log_p, gamma * math.exp(log_p) * power * log_p - power * q


@kernel(exact=True, inner=True)
def _softmax_loss(code, parameter, z, y, weights, d, columns):
    """Write softmax(z) - y (or the focal slope) to d, and return the cross-entropy (or the focal loss)."""
    exponentials(z, d, columns)
    one, zero, least = z.dtype.type(1), z.dtype.type(0), floor(d)
    total = 0.0
    for start in range(0, z.size, columns):
        size, top = sum_of(d, start, columns), largest(z, start, columns)
        log_size, inverse, value = math.log(float(size)), one / size, 0.0
        for j in range(start, start + columns):
            if y[j] != 0:  # 0 times an infinite logit is no loss
                value += y[j] * (log_size - (float(z[j]) - top))
        if code == LOG_LOSS:
            for j in range(start, start + columns):
                slope = d[j] * inverse - y[j]
                d[j] = zero if abs(slope) < least else slope
        else:
            value, outer = _focal(-value, -math.expm1(-value), parameter)
            outer = d.dtype.type(outer)
            for j in range(start, start + columns):
                d[j] = outer * (y[j] - d[j] * inverse)
        total += value * (weights[start // columns] if weights.size else 1.0)
    return total


@kernel(exact=True, inner=True)
def _elementwise_loss(code, parameter, z, p, y, weights, d, columns):
    """Sum the losses that are a sum over outputs: of an error p - y, or of a logit z."""
    total = 0.0
    for i in range(z.size):
        if code == LOG_LOSS:
            value = max(z[i], z.dtype.type(0)) - y[i] * z[i] + math.log1p(exp(-abs(z[i])))
            d[i] = logistic(z[i]) - y[i]
        elif code == FOCAL:
            sign = z.dtype.type(1 if y[i] > 0.5 else -1)
            margin = sign * z[i]
            q = logistic(-margin)
            log_p = min(margin, z.dtype.type(0)) - math.log1p(exp(-abs(margin)))
            value, outer = _focal(float(log_p), float(q), parameter)
            d[i] = outer * q * sign
        elif code == POISSON:
            mean = exp(z[i])
            value = mean - y[i] * z[i] - y[i] + (y[i] * math.log(y[i]) if y[i] > 0 else 0.0)
            d[i] = mean - y[i]
        else:
            value, d[i] = _distance(code, p[i] - y[i], parameter)
        total += value * weights[i // columns] if weights.size else value
    return total


@kernel(exact=True)
def loss_and_slope(code, link, parameter, z, p, y, weights, d, columns, scale):
    """Return Σ w[i] loss[i] of a batch and write scale · w[i] · dloss[i]/dz to d.

    z, y, d are flat (rows * columns,), p is room for the outputs; weights (rows,), or empty for ones.
    """
    if link == SOFTMAX:
        return softmax_loss_and_slope(code, parameter, z, y, weights, d, columns, scale)
    outputs(link, z, p, columns)
    total = _elementwise_loss(code, parameter, z, p, y, weights, d, columns)
    if code not in (LOG_LOSS, FOCAL, POISSON):
        multiply_by_slope(link, z, p, d)
    _weigh(weights, d, columns, scale)
    return total


@kernel(exact=True)
def softmax_loss_and_slope(code, parameter, z, y, weights, d, columns, scale):
    """Do as ``loss_and_slope`` where the link is softmax."""
    total = _softmax_loss(code, parameter, z, y, weights, d, columns)
    _weigh(weights, d, columns, scale)
    return total


@kernel(exact=True, inner=True)
def _weigh(weights, d, columns, scale):
    """Multiply the slopes of each row by its weight, and all by ``scale``."""
    for i in range(weights.size):
        row = d[i * columns : i * columns + columns]
        for j in range(columns):
            row[j] *= weights[i]
    if scale != 1:
        factor = d.dtype.type(scale)
        for i in range(d.size):
            d[i] *= factor
