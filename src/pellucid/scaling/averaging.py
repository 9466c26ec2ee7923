"""The mean of the weights along training, which often generalises better than the last (Polyak, Juditsky 1992)."""

from collections.abc import Iterable
from typing import Any

__all__ = ["Average"]


class Average:
    """Moving mean of torch parameters: mean <- d mean + (1 - d) weight, d = min(decay, (1 + t) / (10 + t)) at step t.

    ``show`` puts the means where the weights are, or the weights back.
    """

    def __init__(self, weights: Iterable[Any], decay: float) -> None:
        self.weights, self.decay, self.t, self.swapped = list(weights), decay, 0, False
        self.means = [weight.detach().clone() for weight in self.weights]

    def update(self) -> None:
        """Take the weights as they are now into the means."""
        self.t += 1
        keep = min(self.decay, (1 + self.t) / (10 + self.t))
        for mean, weight in zip(self.means, self.weights, strict=True):
            mean.lerp_(weight.detach(), 1 - keep)

    def show(self, means: bool) -> None:
        """Let the module hold the means, or the weights that training goes on with."""
        if means != self.swapped:
            for place, weight in enumerate(self.weights):
                weight.data, self.means[place] = self.means[place], weight.data
            self.swapped = means
