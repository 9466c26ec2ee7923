"""The dense layer: every output sees every input. z = x W + b, y = f(z)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pellucid.parts.activation import Activation
from pellucid.parts.layer import Layer

__all__ = ["Dense", "DenseCache"]


class DenseCache(NamedTuple):
    """What the forward pass met: input x (N, D), weighted sums z (N, H), output y (N, H)."""

    x: np.ndarray
    z: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Dense(Layer):
    """A dense layer over views: weight W (D, H), bias b (H,) or None, their slopes, and an activation."""

    weight: np.ndarray
    bias: np.ndarray | None
    weight_slope: np.ndarray
    bias_slope: np.ndarray | None
    activation: Activation

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, DenseCache]:
        """Return y = f(x W + b), (N, H)."""
        z = x @ self.weight  # (N, H)
        if self.bias is not None:
            z += self.bias
        y = self.activation.function(z)
        return y, DenseCache(x, z, y)

    def backward(self, dy: np.ndarray, cache: DenseCache) -> np.ndarray:
        """Return dx = dz Wᵀ with dz = dy f'(z); write dW = xᵀ dz and db, the column sums of dz."""
        dz = dy * self.activation.slope(cache.z, cache.y)  # (N, H)
        np.matmul(cache.x.T, dz, out=self.weight_slope)
        if self.bias_slope is not None:
            dz.sum(axis=0, out=self.bias_slope)
        return dz @ self.weight.T  # (N, D)
