"""Optimizers: how a gradient g becomes a change of the parameters θ, over one flat vector.

Each is a pure function of (θ, g, slots, step, rate); the slots are its memory, rows of one array of θ's length.
``parts/compiled/optimizer.py`` holds the compiled twins. ``step`` counts from 1.

Sources: SGD with momentum, Nesterov's form: Sutskever et al. 2013, eq. 1-4, in the arrangement of PyTorch;
Adam Kingma, Ba 2015, algorithm 1; AdamW Loshchilov, Hutter 2019, algorithm 2; RMSProp Hinton 2012, lecture 6.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.errors import InvalidArgumentError

__all__ = ["OPTIMIZERS", "Optimizer"]

Array = np.ndarray
OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")


@dataclass(frozen=True)
class Optimizer:
    """One of ``sgd``, ``adam``, ``adamw``, ``rmsprop``, with the numbers it needs."""

    name: str
    momentum: float = 0.9
    nesterov: bool = True
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    rho: float = 0.9

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise InvalidArgumentError(f"solver must be one of {', '.join(OPTIMIZERS)}; got {self.name!r}")

    @property
    def code(self) -> int:
        """The number under which compiled code knows this optimizer."""
        return OPTIMIZERS.index(self.name)

    @property
    def slots(self) -> int:
        """How many vectors of θ's length it remembers."""
        if self.name == "sgd":
            return 1 if self.momentum else 0
        return 1 if self.name == "rmsprop" else 2

    def hyperparameters(self) -> Array:
        """Return its numbers as compiled code wants them, float64 (5,)."""
        first = self.momentum if self.name == "sgd" else self.rho if self.name == "rmsprop" else self.beta_1
        decay = self.weight_decay if self.name == "adamw" else 0.0
        return np.array([first, self.beta_2, self.epsilon, decay, float(self.nesterov)])

    def update(self, theta: Array, gradient: Array, slots: Array, step: int, rate: float) -> None:
        """Change ``theta`` in place. Shapes: theta and gradient (n,), slots (k, n)."""
        if self.name == "sgd":
            self._sgd(theta, gradient, slots, rate)
        elif self.name == "rmsprop":
            slots[0] = self.rho * slots[0] + (1 - self.rho) * gradient**2
            theta -= rate * gradient / (np.sqrt(slots[0]) + self.epsilon)
        else:
            self._adam(theta, gradient, slots, step, rate)

    def _sgd(self, theta: Array, gradient: Array, slots: Array, rate: float) -> None:
        if not self.momentum:
            theta -= rate * gradient
            return
        slots[0] = self.momentum * slots[0] + gradient
        theta -= rate * (gradient + self.momentum * slots[0] if self.nesterov else slots[0])

    def _adam(self, theta: Array, gradient: Array, slots: Array, step: int, rate: float) -> None:
        if self.name == "adamw":
            theta *= 1 - rate * self.weight_decay
        slots[0] = self.beta_1 * slots[0] + (1 - self.beta_1) * gradient
        slots[1] = self.beta_2 * slots[1] + (1 - self.beta_2) * gradient**2
        mean = slots[0] / (1 - self.beta_1**step)
        spread = np.sqrt(slots[1]) / np.sqrt(1 - self.beta_2**step)
        theta -= rate * mean / (spread + self.epsilon)
