"""Learning-rate schedules: the rate of each batch, as a function of how far training has come.

``constant``; ``step``: times ``factor`` every ``period`` epochs; ``invscaling``: rate / (t + 1)^power_t, where t
counts the samples seen at the end of the last epoch, as in scikit-learn; ``cosine``: from the rate to 0 over
``max_epochs`` (Loshchilov, Hutter 2017, eq. 5, without restarts); ``adaptive``: divided by 5 whenever training
has stopped improving (the loop knows when). Any of them may begin with a linear warm-up (Goyal et al. 2017).
"""

from dataclasses import dataclass

import numpy as np

from pellucid.errors import InvalidArgumentError

__all__ = ["SCHEDULES", "Schedule"]

SCHEDULES = ("constant", "step", "invscaling", "adaptive", "cosine")


@dataclass(frozen=True)
class Schedule:
    """The learning rate at any moment of training."""

    name: str = "constant"
    rate: float = 1e-3
    power_t: float = 0.5
    factor: float = 0.1
    period: int = 30
    warmup_epochs: float = 0.0
    max_epochs: int = 200

    def __post_init__(self) -> None:
        if self.name not in SCHEDULES:
            raise InvalidArgumentError(f"learning_rate must be one of {', '.join(SCHEDULES)}; got {self.name!r}")

    def rates(self, first: int, count: int, per_epoch: int, n_samples: int) -> np.ndarray:
        """Return the rates (count,) of ``count`` batches from batch ``first`` on, counted from 0 over all epochs."""
        rates = np.full(count, float(self.rate))
        if self.name in {"constant", "adaptive"} and not self.warmup_epochs > 0:
            return rates
        batches = np.arange(first, first + count)
        epochs = batches // per_epoch
        if self.name == "step":
            rates *= self.factor ** (epochs // self.period)
        elif self.name == "invscaling":
            rates /= (epochs * n_samples + 1.0) ** self.power_t
        elif self.name == "cosine":
            done = np.minimum(batches / (per_epoch * self.max_epochs), 1)
            rates *= (1 + np.cos(np.pi * done)) / 2
        if self.warmup_epochs > 0:
            rates *= np.minimum((batches + 1) / (per_epoch * self.warmup_epochs), 1)
        return rates
