"""Compiled optimizers: one pass over the flat parameter vector. See ``parts/optimizer.py``."""

import math

from pellucid.parts.compiled.memory import floor, root_floor, square, tiny
from pellucid.parts.compiling import kernel
from pellucid.parts.optimizer import OPTIMIZERS

__all__ = ["update"]

SGD = OPTIMIZERS.index("sgd")
RMSPROP = OPTIMIZERS.index("rmsprop")


@kernel()
def update(code, theta, gradient, slots, hyper, step, rate):
    """Change theta (n,) in place; slots (k, n); hyper as ``Optimizer.hyperparameters`` gives it."""
    number = theta.dtype.type
    one, zero = number(1), number(0)
    least, root_least, smallest = floor(theta), root_floor(theta), tiny(theta)
    first, epsilon = number(hyper[0]), number(hyper[2])
    if code == SGD:
        alpha = number(rate)
        if first == 0:
            for i in range(theta.size):
                theta[i] -= alpha * gradient[i]
            return
        nesterov = hyper[4] != 0
        velocity = slots[0]
        for i in range(theta.size):
            g = gradient[i]
            v = first * velocity[i] + g
            v = zero if abs(v) < smallest else v
            velocity[i] = v
            theta[i] -= alpha * (g + first * v if nesterov else v)
        return
    if code == RMSPROP:
        alpha = number(rate)
        squares = slots[0]
        for i in range(theta.size):
            g = gradient[i]
            v = first * squares[i] + (one - first) * square(g, root_least)
            v = zero if v < smallest else v
            squares[i] = v
            t = theta[i] - alpha * g / (math.sqrt(v) + epsilon)
            theta[i] = zero if abs(t) < least else t
        return
    # Both bias corrections are folded into two scalars: no division is left but one.
    second = number(hyper[1])
    root = number(1 / math.sqrt(1 - hyper[1] ** step))
    alpha = number(rate / (1 - hyper[0] ** step))
    keep = number(1 - rate * hyper[3])
    rest_1, rest_2 = number(1 - hyper[0]), number(1 - hyper[1])
    means, squares = slots[0], slots[1]
    for i in range(theta.size):
        g = gradient[i]
        m = first * means[i] + rest_1 * g
        v = second * squares[i] + rest_2 * square(g, root_least)
        m = zero if abs(m) < smallest else m
        v = zero if v < smallest else v
        means[i] = m
        squares[i] = v
        t = keep * theta[i] - alpha * m / (math.sqrt(v) * root + epsilon)
        theta[i] = zero if abs(t) < least else t  # L2 lets a weight without a task fade until it is subnormal
