"""Activations: a function of a layer's weighted sum z, and its slope, side by side.

Where it loses no accuracy the slope is written from the *output* a = f(z), which the forward pass has anyway
(scikit-learn does the same); ``gelu`` and ``silu`` need z. These NumPy definitions are the ones to read;
``compiled/activation.py`` holds their compiled twins, and tests hold the two together.

Sources: ELU Clevert, Unterthiner, Hochreiter 2015, eq. 1; GELU Hendrycks, Gimpel 2016, sec. 2; SiLU Elfwing,
Uchibe, Doya 2017, eq. 1; leaky ReLU Maas, Hannun, Ng 2013.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from pellucid.errors import InvalidArgumentError

__all__ = ["ACTIVATIONS", "CODES", "Activation", "softmax"]

Array = np.ndarray
LEAK = 0.01  # slope of the leaky ReLU below zero
SQRT_2 = 1.4142135623730951
SQRT_2_PI = 2.5066282746310002


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its slope: ``function(z)``, ``slope(z, a)`` with a = function(z)."""

    name: str
    formula: str
    function: Callable[[Array], Array]
    slope_formula: str
    slope: Callable[[Array, Array], Array]
    needs_z: bool = False

    @property
    def code(self) -> int:
        """The number under which compiled code knows this activation."""
        return CODES[self.name]

    @staticmethod
    def named(name: str) -> "Activation":
        """Return the activation of that name, or raise InvalidArgumentError with the names there are."""
        if name not in ACTIVATIONS:
            raise InvalidArgumentError(f"activation must be one of {', '.join(sorted(ACTIVATIONS))}; got {name!r}")
        return ACTIVATIONS[name]


def _logistic(z: Array) -> Array:
    e = np.exp(-np.abs(z))  # never overflows; scipy's expit gives 0 from the first subnormal result on
    return np.where(z >= 0, 1, e) / (1 + e)


def _silu_slope(z: Array, a: Array) -> Array:
    s = _logistic(z)
    return s + a * (1 - s)


def _gelu(z: Array) -> Array:
    return 0.5 * z * special.erfc(-z / z.dtype.type(SQRT_2))


def _gelu_slope(z: Array, a: Array) -> Array:
    density = np.exp(-0.5 * z * z) / z.dtype.type(SQRT_2_PI)
    return 0.5 * special.erfc(-z / z.dtype.type(SQRT_2)) + z * density


_ALL = (
    Activation("identity", "a = z", lambda z: z.copy(), "1", lambda z, a: np.ones_like(a)),
    Activation("logistic", "a = 1 / (1 + exp(-z))", _logistic, "a (1 - a)", lambda z, a: a * (1 - a)),
    Activation("tanh", "a = tanh(z)", np.tanh, "1 - a²", lambda z, a: (1 - a) * (1 + a)),
    Activation("relu", "a = max(0, z)", lambda z: np.maximum(z, 0), "a > 0", lambda z, a: (a > 0).astype(a.dtype)),
    Activation(
        "leaky_relu",
        "a = z if z > 0 else 0.01 z",
        lambda z: np.where(z > 0, z, z.dtype.type(LEAK) * z),
        "1 if a > 0 else 0.01",
        lambda z, a: np.where(a > 0, a.dtype.type(1), a.dtype.type(LEAK)),
    ),
    Activation(
        "elu",
        "a = z if z > 0 else exp(z) - 1",
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        "1 if a > 0 else 1 + a",
        lambda z, a: np.where(a > 0, a.dtype.type(1), 1 + a),
    ),
    Activation(
        "softplus",
        "a = log(1 + exp(z))",
        lambda z: np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))),
        "1 - exp(-a)",
        lambda z, a: -np.expm1(-a),
    ),
    Activation("gelu", "a = z Φ(z)", _gelu, "Φ(z) + z φ(z)", _gelu_slope, needs_z=True),
    Activation("silu", "a = z σ(z)", lambda z: z * _logistic(z), "σ(z) + a (1 - σ(z))", _silu_slope, needs_z=True),
    Activation("exp", "a = exp(z)", np.exp, "a", lambda z, a: a),
)

ACTIVATIONS = {activation.name: activation for activation in _ALL}
CODES = {activation.name: code for code, activation in enumerate(_ALL)} | {"softmax": len(_ALL)}


def softmax(z: Array) -> Array:
    """Return exp(z) / sum(exp(z)) along the last axis, (N, C), safe for any finite z."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
