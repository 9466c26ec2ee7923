"""Initial weights: random numbers, of a size that keeps signals neither dying nor exploding from layer to layer.

Each scheme draws W (n_in, n_out). With ``uniform`` in its name it is uniform in ±bound, otherwise normal with
the same variance: Glorot 2 / (n_in + n_out) (Glorot, Bengio 2010, eq. 16), He 2 / n_in (He et al. 2015, eq. 10),
LeCun 1 / n_in (LeCun et al. 1998, sec. 4.6). ``uniform`` is uniform(0, 1), the two-layer exercise's choice.
``auto`` is He for rectifiers and Glorot for the rest, uniform both. Biases start at zero.
For a convolution of C to O channels n_in is C k² and n_out is O k².
"""

import numpy as np

from pellucid.errors import InvalidArgumentError

__all__ = ["INITIAL_WEIGHTS", "initial_weights"]

INITIAL_WEIGHTS = (
    "auto", "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal", "uniform",
)  # fmt: skip
RECTIFIERS = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"}


def initial_weights(
    scheme: str, shape: tuple[int, int], activation: str, rng: np.random.Generator, area: int = 1
) -> np.ndarray:
    """Return float64 weights (n_in, n_out) for a layer with that activation.

    ``area`` is how many places a kernel covers: each output of a convolution feeds n_out · area units.

    Raises InvalidArgumentError for a scheme that is not in ``INITIAL_WEIGHTS``.
    """
    if scheme not in INITIAL_WEIGHTS:
        raise InvalidArgumentError(f"initial_weights must be one of {', '.join(INITIAL_WEIGHTS)}; got {scheme!r}")
    if scheme == "uniform":
        return rng.random(shape)
    if scheme == "auto":
        scheme = "he_uniform" if activation in RECTIFIERS else "glorot_uniform"
    family, distribution = scheme.split("_")
    n_in, n_out = shape
    variance = {"glorot": 2 / (n_in + n_out * area), "he": 2 / n_in, "lecun": 1 / n_in}[family]
    if distribution == "normal":
        return rng.normal(0, np.sqrt(variance), shape)
    bound = np.sqrt(3 * variance)  # the variance of uniform(-b, b) is b² / 3
    return rng.uniform(-bound, bound, shape)
