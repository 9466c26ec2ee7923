"""Losses: what a network minimises, from its last weighted sums ("logits") z, targets y, and its output link.

A loss owns its output link p = link(z), because the two are accurate only together: cross-entropy is computed
from z by log-sum-exp, never from p, and its slope is p - y without a division. ``rows`` gives the loss of each
sample (N,), ``gradient`` its derivative with respect to z (N, K). Losses are averaged over the samples of a
batch, by weight; ``sum_of_squares`` is summed instead, as in the classic two-layer exercise.

Sources: Huber 1964, eq. 2.1; focal loss Lin et al. 2017, eq. 4; Poisson: half the deviance, McCullagh, Nelder 1989.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

from pellucid.errors import InvalidArgumentError
from pellucid.parts.activation import CODES, Activation, softmax

__all__ = ["LOSSES", "Loss", "link_function"]

Array = np.ndarray

LOSSES = ("squared_error", "sum_of_squares", "absolute_error", "huber", "poisson", "log_loss", "focal")
# The links that each loss may stand on; the first is the default for one output.
LINKS = {
    "log_loss": ("logistic", "softmax"),
    "focal": ("logistic", "softmax"),
    "poisson": ("exp",),
}


@dataclass(frozen=True)
class Loss:
    """A loss with its output link. ``parameter`` is Huber's delta or the focal loss' gamma."""

    name: str
    link: str = "identity"
    parameter: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise InvalidArgumentError(f"loss must be one of {', '.join(LOSSES)}; got {self.name!r}")
        allowed = LINKS.get(self.name)
        if (allowed and self.link not in allowed) or (not allowed and self.link not in CODES.keys() - {"softmax"}):
            names = ", ".join(allowed or sorted(CODES.keys() - {"softmax"}))
            raise InvalidArgumentError(f"the output of loss {self.name!r} must be one of {names}; got {self.link!r}")

    @property
    def code(self) -> int:
        """The number under which compiled code knows this loss."""
        return LOSSES.index(self.name)

    @property
    def averaged(self) -> bool:
        """Whether a batch's loss is the mean over its samples (else the sum)."""
        return self.name != "sum_of_squares"

    def rows(self, z: Array, y: Array) -> Array:
        """Return each sample's loss (N,), from logits z (N, K) and targets y (N, K)."""
        if self.name == "log_loss":
            return self._cross_entropy(z, y)
        if self.name == "focal":
            log_p, q = self._focal_parts(z, y)
            return -(q**self.parameter * log_p).sum(axis=1)
        if self.name == "poisson":
            return (np.exp(z) - y * z + special.xlogy(y, y) - y).sum(axis=1)
        error = link_function(self.link, z) - y
        size = np.abs(error)
        delta = self.parameter
        each = {
            "squared_error": lambda: error * error / 2,
            "sum_of_squares": lambda: error * error,
            "absolute_error": lambda: size,
            "huber": lambda: np.where(size <= delta, error * error / 2, delta * (size - delta / 2)),
        }[self.name]()
        return each.sum(axis=1)

    def gradient(self, z: Array, y: Array) -> Array:
        """Return the derivative of each sample's loss with respect to its logits, (N, K)."""
        p = link_function(self.link, z)
        if self.name in {"log_loss", "poisson"}:
            return p - y
        if self.name == "focal":
            return self._focal_gradient(z, y, p)
        error = p - y
        outer = {
            "squared_error": lambda: error,
            "sum_of_squares": lambda: 2 * error,
            "absolute_error": lambda: np.sign(error),
            "huber": lambda: np.clip(error, -self.parameter, self.parameter),
        }[self.name]()
        return outer * Activation.named(self.link).slope(z, p)

    def _cross_entropy(self, z: Array, y: Array) -> Array:
        if self.link == "softmax":
            top = z.max(axis=1, keepdims=True)
            # -y log softmax(z), for targets that need not sum to one, without the overflow of exp(z)
            log_sum = np.log(np.exp(z - top).sum(axis=1, keepdims=True))
            return (y * (log_sum - (z - top))).sum(axis=1)
        return (np.maximum(z, 0) - y * z + np.log1p(np.exp(-np.abs(z)))).sum(axis=1)

    def _focal_parts(self, z: Array, y: Array) -> tuple[Array, Array]:
        """Return log p of the true class and q = 1 - p, for each term of the sum, (N, K)."""
        if self.link == "softmax":
            shifted = z - z.max(axis=1, keepdims=True)
            log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            return log_p * y, (-np.expm1(log_p)) * y
        margin = np.where(y > 0.5, z, -z)
        return -np.logaddexp(0, -margin).astype(z.dtype), special.expit(-margin)

    def _focal_gradient(self, z: Array, y: Array, p: Array) -> Array:
        log_p, q = self._focal_parts(z, y)
        gamma = self.parameter
        # d/dlog(p_t) of -(1 - p_t)^gamma log p_t; where q is 0, or near it, the first term is too
        outer = -(q**gamma)
        if gamma > 0:
            power = np.where(q > np.finfo(q.dtype).tiny, q, 1) ** (gamma - 1)
            outer += gamma * np.exp(log_p) * power * log_p
        if self.link == "softmax":
            outer = (outer * y).sum(axis=1, keepdims=True)
            return outer * (y - p)
        return outer * q * np.where(y > 0.5, 1, -1)


def link_function(link: str, z: Array) -> Array:
    """Return the network's outputs p = link(z), (N, K)."""
    return softmax(z) if link == "softmax" else Activation.named(link).function(z)
