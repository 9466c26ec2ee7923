"""What a layer is: a forward and a backward that stand together.

``forward(x, training)`` returns (y, cache) and ``backward(dy, cache)`` returns dx, writing the slopes of the
layer's own parameters on its way. The cache holds every intermediate value that backward needs, so it is also
what a Trace shows: watching needs nothing more.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

__all__ = ["Layer"]


class Layer(ABC):
    """A differentiable function of a batch, with or without parameters."""

    @abstractmethod
    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, Any]:
        """Return y and what backward needs to know."""

    @abstractmethod
    def backward(self, dy: np.ndarray, cache: Any) -> np.ndarray:
        """From the slope of the loss at y return its slope at x; write the parameters' slopes."""
