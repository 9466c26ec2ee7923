"""How good a trained network is on the test rows, beside the simplest guess that there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.cli import display
from pellucid.language import say

__all__ = ["Score", "score"]


@dataclass(frozen=True)
class Score:
    """Figures of the network, and of the ``guess``: the most frequent class or the mean in training."""

    metrics: Mapping[str, Any]
    baseline: Mapping[str, Any]
    guess: str
    classes: tuple[str, ...] = ()

    def shown(self) -> list[Any]:
        """Return what people read of it."""
        if not self.metrics:
            return [say("No rows were held out, so nobody knows how good it is.")]
        names = [name for name in self.baseline if name in self.metrics]
        rows = [[name, *(_figure(part[name]) for part in (self.metrics, self.baseline))] for name in names]
        headings = ["", say("network"), say("always {guess}", guess=self.guess)]
        parts: list[Any] = [display.table(say("On the test rows"), headings, rows, numbers=2)]
        if self.classes:
            counts = [
                [name, *map(str, row)] for name, row in zip(self.classes, self.metrics["confusion_matrix"], strict=True)
            ]
            title = say("Confusion matrix: rows are the true classes, columns the predicted ones")
            parts.append(display.table(title, ["", *self.classes], counts, numbers=len(self.classes)))
        if not self.beats_the_guess:
            parts.append(say("The network is no better than this guess: it has learnt nothing that helps."))
        return parts

    @property
    def beats_the_guess(self) -> bool:
        """Whether the network's main figure is above the guess's."""
        name = "accuracy" if self.classes else "r2"
        return self.metrics[name] is None or self.metrics[name] > self.baseline[name]


def score(y_train: np.ndarray, y_test: np.ndarray, predicted: np.ndarray, model: Any) -> Score:
    """Return the Score of ``predicted`` (N,) for ``y_test`` (N,), the targets as the table held them."""
    if hasattr(model, "classes_"):
        return _of_classes(y_train, y_test, predicted, model.classes_)
    guess = float(y_train.mean())
    if not len(y_test):
        return Score({}, {}, f"{guess:.4g}")
    return Score(_of_amounts(y_test, predicted), _of_amounts(y_test, np.full(len(y_test), guess)), f"{guess:.4g}")


def _of_classes(y_train: np.ndarray, y_test: np.ndarray, predicted: np.ndarray, classes: np.ndarray) -> Score:
    values, counts = np.unique(y_train, return_counts=True)
    guess = values[counts.argmax()]
    if not len(y_test):
        return Score({}, {}, str(guess))
    seen = np.union1d(classes, y_test)  # a rare class may stand in the test rows only
    matrix = np.zeros((len(seen), len(seen)), dtype=np.int64)
    np.add.at(matrix, (np.searchsorted(seen, y_test), np.searchsorted(seen, predicted)), 1)
    names = tuple(str(name) for name in seen)
    metrics = {
        "accuracy": float(np.mean(predicted == y_test)),
        "confusion_matrix": matrix.tolist(),
        "classes": list(names),
    }
    return Score(metrics, {"accuracy": float(np.mean(y_test == guess))}, str(guess), names)


def _of_amounts(y: np.ndarray, predicted: np.ndarray) -> dict[str, float | None]:
    """Return R² = 1 - Σ(y - p)² / Σ(y - mean)², None where y does not vary, and Σ|y - p| / N."""
    spread = float(np.sum((y - y.mean()) ** 2))
    r2 = 1 - float(np.sum((y - predicted) ** 2)) / spread if spread else None
    return {"r2": r2, "mean_absolute_error": float(np.abs(y - predicted).mean())}


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"
