"""How far a training of sentences has come: what a checkpoint holds beside the module, and what Ctrl-C goes back to."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pellucid.errors import DivergenceError
from pellucid.networks.spinn.objective import Objective
from pellucid.scaling.checkpoint import State
from pellucid.scaling.keeping import Kept

if TYPE_CHECKING:
    from pellucid.networks.spinn.estimator import SPINNClassifier

__all__ = ["Progress", "Whole"]

ATTRIBUTES = (
    "t_", "n_iter_", "loss_curve_", "validation_loss_curve_", "validation_scores_", "best_validation_score_",
    "padding_share_",
)  # fmt: skip


class Progress:
    """An estimator's counts and curves, the mean of its weights, the best and the last whole epoch's; and ``since``.

    ``best`` are the weights of the best epoch, ``since`` counts the epochs after it; ``whole`` is the state at the end
    of the last whole epoch, to which Ctrl-C goes back.
    """

    whole: "Whole"

    def __init__(self, estimator: "SPINNClassifier", objective: Objective) -> None:
        self.estimator, self.objective = estimator, objective
        self.best: Kept | None = None
        self.since = 0

    def _tensors(self) -> dict[str, list[Any]]:
        """Return the tensors that belong to it, by what they are."""
        average = self.estimator._average
        means = {} if average is None else {"means": average.means, "whole_means": self.whole.means}
        best = {} if self.best is None else {"best": self.best.copies}
        return {"whole": self.whole.weights.copies} | means | best

    def to_arrays(self) -> State:
        """Return the state as plain values and arrays."""
        average, whole = self.estimator._average, self.whole
        header = {
            "attributes": {name: getattr(self.estimator, name) for name in ATTRIBUTES},
            "since": self.since,
            "places": self.objective.places,
            "words": self.objective.words,
            "is_best_kept": self.best is not None,
            "whole": {"t": whole.t, "drawn": whole.drawn},
            "means": None if average is None else {"t": average.t, "whole_t": whole.mean_t},
        }
        arrays = {f"{kind}.{k}": one for kind, some in self._tensors().items() for k, one in enumerate(some)}
        return header, {name: one.cpu().numpy() for name, one in arrays.items()}

    def load(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Be where ``to_arrays`` was; the module holds the weights that training goes on with."""
        for name in ATTRIBUTES:
            setattr(self.estimator, name, header["attributes"][name])
        self.since = header["since"]
        self.objective.places, self.objective.words = header["places"], header["words"]
        self.best = Kept(self.estimator.model_) if header["is_best_kept"] else None
        self.whole.t, self.whole.drawn = header["whole"]["t"], header["whole"]["drawn"]
        average = self.estimator._average
        if average is not None:
            average.t, self.whole.mean_t, average.swapped = header["means"]["t"], header["means"]["whole_t"], False
        for kind, some in self._tensors().items():
            for k, one in enumerate(some):
                one.copy_(torch.from_numpy(arrays[f"{kind}.{k}"]))


class Whole:
    """The state of a training at the end of its last whole epoch; the optimizer's memory goes its own way."""

    def __init__(self, estimator: "SPINNClassifier") -> None:
        self.estimator, self.average, self.rng = estimator, estimator._average, estimator._rng
        self.weights = Kept(estimator.model_)
        self.take()

    def take(self) -> None:
        """Keep the state of now, while the module holds the weights that training goes on with."""
        self.weights.take()
        self.t, self.drawn = self.estimator.t_, self.rng.bit_generator.state
        if self.average is not None:
            self.means, self.mean_t = [mean.clone() for mean in self.average.means], self.average.t

    def is_kept_after(self, error: BaseException, as_before: Callable[[], None]) -> bool:
        """Be as at the end of that epoch, or, where none has ended, let all be ``as_before``; True for Ctrl-C only.

        A divergence leaves the first weights, which are finite, unless it comes before any update.
        """
        updated = self.estimator.t_ > self.t
        self.estimator.t_ = self.t
        self.rng.bit_generator.state = self.drawn
        if self.average is not None:
            self.average.show(False)
            self.average.means, self.average.t = [mean.clone() for mean in self.means], self.mean_t
        self.weights.give_back()
        if not self.estimator.n_iter_ and not (updated and isinstance(error, DivergenceError)):
            as_before()
            return False
        return isinstance(error, KeyboardInterrupt)

    def show(self) -> None:
        """Let the module hold the means, where there are any."""
        if self.average is not None:
            self.average.show(True)
