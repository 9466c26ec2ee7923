"""Compiled elementwise mathematics: the activations and their slopes, in loops that the compiler vectorises.

The readable definitions are in ``parts/activation.py``; tests hold the two together. The exponential is our own,
because a call into the C library keeps LLVM from vectorising the loop around it. With x = n log 2 + r and
|r| <= log(2)/2, exp(x) = 2ⁿ (1 + p) and exp(x) - 1 = 2ⁿ p + (2ⁿ - 1), where p = exp(r) - 1 is its Taylor
polynomial: degree 13 in float64, 7 in float32, so that the first term left out is below half a unit in the
last place. 2ⁿ is written into the exponent's bits, in two factors so that subnormal results come out right.
"""

import math

import numpy as np
from numba import types
from numba.extending import overload

from pellucid.parts.activation import CODES, LEAK, SQRT_2, SQRT_2_PI
from pellucid.parts.compiling import kernel

__all__ = ["activate", "exp", "expm1", "logistic", "multiply_by_slope", "tanh"]

IDENTITY = CODES["identity"]
LOGISTIC = CODES["logistic"]
TANH = CODES["tanh"]
RELU = CODES["relu"]
LEAKY_RELU = CODES["leaky_relu"]
ELU = CODES["elu"]
SOFTPLUS = CODES["softplus"]
GELU = CODES["gelu"]
SILU = CODES["silu"]
EXP = CODES["exp"]

# log 2 as a short head, whose product with n is exact, and a tail.
LOG_2_HEAD_64, LOG_2_TAIL_64 = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
LOG_2_HEAD_32, LOG_2_TAIL_32 = np.float32(0.693359375), np.float32(-2.12194440054690583e-4)
LOG2_E = 1.4426950408889634
# Adding and subtracting 1.5 * 2**(mantissa bits) rounds to the nearest whole number.
ROUND_64, ROUND_32 = 1.5 * 2.0**52, np.float32(1.5 * 2.0**23)
C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13 = (1 / math.factorial(k) for k in range(2, 14))


def _reduced(x: float) -> tuple[float, float, float]:
    """Return p = exp(r) - 1 and two factors of 2ⁿ, where x = n log 2 + r."""
    raise NotImplementedError("compiled code only")


@kernel(exact=True, inner=True)
def _reduced_64(x):
    x = min(max(x, -746.0), 710.0)
    n = (x * LOG2_E + ROUND_64) - ROUND_64
    r = (x - n * LOG_2_HEAD_64) - n * LOG_2_TAIL_64
    # In pairs and fours (Estrin), because a chain of thirteen would wait for itself.
    r2 = r * r
    r4 = r2 * r2
    low = (C5 * r + C4) * r2 + (C3 * r + C2)
    middle = (C9 * r + C8) * r2 + (C7 * r + C6)
    high = (C13 * r + C12) * r2 + (C11 * r + C10)
    p = ((high * r4 + middle) * r4 + low) * r2 + r
    k = np.int64(n)
    half = k >> 1
    return (
        p,
        np.int64((half + 1023) << 52).view(np.float64),
        np.int64((k - half + 1023) << 52).view(np.float64),
    )


@kernel(exact=True, inner=True)
def _reduced_32(x):
    x = min(max(x, np.float32(-104)), np.float32(89))
    n = (x * np.float32(LOG2_E) + ROUND_32) - ROUND_32
    r = (x - n * LOG_2_HEAD_32) - n * LOG_2_TAIL_32
    r2 = r * r
    low = (np.float32(C5) * r + np.float32(C4)) * r2 + (np.float32(C3) * r + np.float32(C2))
    p = ((np.float32(C7) * r + np.float32(C6)) * (r2 * r2) + low) * r2 + r
    k = np.int32(n)
    half = np.int32(k >> 1)
    low = np.int32(np.int32(half + 127) << np.int32(23)).view(np.float32)
    return p, low, np.int32(np.int32(k - half + 127) << np.int32(23)).view(np.float32)


@overload(_reduced, inline="always")
def _choose_reduced(x):
    if x == types.float32:
        return lambda x: _reduced_32(x)  # noqa: PLW0108  # Numba wants a Python function
    return lambda x: _reduced_64(x)  # noqa: PLW0108


@kernel(exact=True)
def exp(x):
    """Return e to the power x, for a float32 or float64 scalar."""
    p, low, high = _reduced(x)
    return (low + low * p) * high


@kernel(exact=True)
def expm1(x):
    """Return exp(x) - 1 for x < 88 (float32) or x < 709 (float64), accurate near 0."""
    p, low, high = _reduced(x)
    scale = low * high
    return scale * p + (scale - type(x)(1))


@kernel(exact=True)
def logistic(x):
    """Return 1 / (1 + exp(-x)), accurate for both signs."""
    e = exp(-abs(x))
    one = type(x)(1)
    return (one if x >= 0 else e) / (one + e)


@kernel(exact=True)
def tanh(x):
    """Return the hyperbolic tangent (1 - exp(-2|x|)) / (1 + exp(-2|x|)), with the sign of x."""
    m = expm1(type(x)(-2) * abs(x))
    t = -m / (type(x)(2) + m)
    return t if x >= 0 else -t


@kernel(exact=True)
def softplus(x):
    """Return log(1 + exp(x))."""
    return max(x, type(x)(0)) + math.log1p(exp(-abs(x)))


@kernel(exact=True)
def normal_cdf(x):
    """Return Φ(x), the standard normal distribution function."""
    return type(x)(0.5) * math.erfc(-x / type(x)(SQRT_2))


@kernel(exact=True, apart=True)
def activate(code, z):
    """Replace every z[i] by f(z[i]): in place, because a loop over two vectors that may overlap is not vectorised."""
    zero, leak = z.dtype.type(0), z.dtype.type(LEAK)
    if code == RELU:
        for i in range(z.size):
            x = z[i]
            z[i] = zero if x <= zero else x  # NaN stays NaN
    elif code == LOGISTIC:
        for i in range(z.size):
            z[i] = logistic(z[i])
    elif code == TANH:
        for i in range(z.size):
            z[i] = tanh(z[i])
    elif code == LEAKY_RELU:
        for i in range(z.size):
            x = z[i]
            z[i] = x if x > zero else leak * x
    elif code == ELU:
        for i in range(z.size):
            x = z[i]
            z[i] = x if x > zero else expm1(min(x, zero))
    elif code == SOFTPLUS:
        for i in range(z.size):
            z[i] = softplus(z[i])
    elif code == GELU:
        for i in range(z.size):
            x = z[i]
            z[i] = x * normal_cdf(x)
    elif code == SILU:
        for i in range(z.size):
            x = z[i]
            z[i] = x * logistic(x)
    elif code == EXP:
        for i in range(z.size):
            z[i] = exp(z[i])


@kernel(exact=True, apart=True)
def multiply_by_slope(code, z, a, d):
    """Multiply d[i] by f'(z[i]), where a[i] = f(z[i])."""
    one, zero, leak = d.dtype.type(1), d.dtype.type(0), d.dtype.type(LEAK)
    if code == RELU:
        for i in range(d.size):
            d[i] = d[i] if a[i] > zero else zero
    elif code == LOGISTIC:
        for i in range(d.size):
            y = a[i]
            d[i] = d[i] * (y * (one - y))
    elif code == TANH:
        for i in range(d.size):
            y = a[i]
            d[i] = d[i] * ((one - y) * (one + y))
    elif code == LEAKY_RELU:
        for i in range(d.size):
            d[i] = d[i] * (one if a[i] > zero else leak)
    elif code == ELU:
        for i in range(d.size):
            y = a[i]
            d[i] = d[i] * (one if y > zero else one + y)
    elif code == SOFTPLUS:
        for i in range(d.size):
            d[i] = d[i] * -expm1(-a[i])
    elif code == GELU:
        half, root = d.dtype.type(0.5), d.dtype.type(SQRT_2_PI)
        for i in range(d.size):
            x = z[i]
            d[i] = d[i] * (normal_cdf(x) + x * exp(-half * x * x) / root)
    elif code == SILU:
        for i in range(d.size):
            s = logistic(z[i])
            d[i] = d[i] * (s + a[i] * (one - s))
    elif code == EXP:
        for i in range(d.size):
            d[i] = d[i] * a[i]
