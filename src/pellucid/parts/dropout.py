"""Dropout: in training, each unit is silent with probability ``rate``, the others speak 1 / (1 - rate) times louder.

Source: Srivastava et al. 2014, sec. 4, in the "inverted" form that needs no change at prediction.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.parts.layer import Layer

__all__ = ["Dropout"]


@dataclass(frozen=True)
class Dropout(Layer):
    """Masks drawn from ``rng``, one number a unit and sample, in row-major order."""

    rate: float
    rng: np.random.Generator

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
        """Return x times the mask (N, H), and the mask; outside training x itself and None."""
        if not training:
            return x, None
        mask = (self.rng.random(x.shape) >= self.rate).astype(x.dtype) * x.dtype.type(1 / (1 - self.rate))
        return x * mask, mask

    def backward(self, dy: np.ndarray, cache: np.ndarray | None) -> np.ndarray:
        """Return dy times the same mask."""
        return dy if cache is None else dy * cache
