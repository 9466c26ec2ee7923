"""What is learned (a Problem) and how (a Recipe): the two things that every engine is given."""

from dataclasses import dataclass, field

import numpy as np

from pellucid.parts.loss import Loss
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.schedule import Schedule

__all__ = ["Problem", "Recipe"]


@dataclass(frozen=True)
class Problem:
    """Samples X (n, D) and targets Y (n, K), C-contiguous in the network's dtype; weights (n,), or empty for ones."""

    X: np.ndarray
    Y: np.ndarray
    weights: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def size(self) -> int:
        """How many samples there are."""
        return int(self.X.shape[0])


@dataclass(frozen=True)
class Recipe:
    """How to learn: loss, optimizer, schedule, L2 strength ``alpha``, batches, and when enough is enough.

    Training stops when the loss has not improved by ``tolerance`` in more than ``patience`` epochs
    (``patience`` < 0: never).
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    alpha: float = 0.0
    batch_size: int = 200
    shuffle: bool = True
    tolerance: float = 1e-4
    patience: int = 10
