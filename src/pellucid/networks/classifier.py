"""What every classifier over a stack shares: labels, targets, losses, class weights, and its answers."""

from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import (
    check_choice,
    check_number,
    class_labels,
    numbers,
    refused_in_our_words,
    same_length,
)
from pellucid.networks.base import ClassFactors, StackEstimator
from pellucid.parts.loss import Loss

__all__ = ["StackClassifier"]

CLASSIFIER_LOSSES = ("log_loss", "focal", "squared_error", "sum_of_squares")


class StackClassifier(ClassifierMixin, StackEstimator):
    """Tells classes apart: binary (one output), multiclass (one a class), or several labels a sample."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("loss", self.loss, CLASSIFIER_LOSSES)
        check_number("focal_gamma", self.focal_gamma, 0)
        for label, factor in (self.class_weight if isinstance(self.class_weight, dict) else {}).items():
            check_number(f"class_weight[{label!r}]", factor, 0, open_low=True)
        balanced = isinstance(self.class_weight, str) and self.class_weight == "balanced"
        if not (self.class_weight is None or balanced or isinstance(self.class_weight, dict)):
            raise InvalidArgumentError(
                f"class_weight must be None, 'balanced' or a dict from class to weight, got {self.class_weight!r}"
            )

    def _check_y(self, y: Any, n_samples: int) -> np.ndarray:
        if y is None:
            name = type(self).__name__
            raise InvalidDataError(f"{name} requires y to be passed, but the target y is None; give one a sample")
        if hasattr(y, "toarray"):
            y = y.toarray()
        with refused_in_our_words():
            shape = np.asarray(y).shape
        if len(shape) != 2 or shape[1] == 1:
            return class_labels(y, n_samples)
        labels = numbers("y", y, np.float64)
        if not np.isin(labels, (0, 1)).all():
            raise InvalidDataError(
                "y must be one label a sample, or 0/1 for each of several labels; "
                f"got {labels[~np.isin(labels, (0, 1))][0]:g} (Unknown label type: multioutput)"
            )
        return same_length(labels, n_samples)

    def _targets(self, y: np.ndarray, *, fresh: bool, classes: Any = None) -> np.ndarray:
        multilabel = y.ndim == 2
        if fresh:
            with refused_in_our_words():
                given = np.arange(y.shape[1]) if multilabel else np.unique(y if classes is None else classes)
            if not multilabel and len(given) < 2:
                raise InvalidDataError(f"y holds one class only, {given[0]!r}; a classifier needs at least two classes")
            self.classes_, self._multilabel = given, multilabel
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise InvalidArgumentError(
                f"classes must be those of the first call, {self.classes_.tolist()}; got {np.unique(classes).tolist()}"
            )
        elif self.warm_start and not multilabel and classes is None and not self._incremental:
            found = np.unique(y)
            if not np.array_equal(found, self.classes_):
                raise InvalidArgumentError(
                    f"warm_start=True goes on with the classes {self.classes_.tolist()}, but y holds "
                    f"{found.tolist()}; set warm_start=False to start anew"
                )
        return self._encode(y)

    _incremental = False

    @available_if(StackEstimator._learns_in_parts)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Train one more epoch on these samples; the optimizer goes on where it was.

        The first call needs ``classes``: all labels that will ever come.
        """
        if classes is None and not self.__sklearn_is_fitted__():
            raise InvalidArgumentError("classes must be given in the first call of partial_fit: all labels to come")
        self._incremental = True
        try:
            return self._fit_part(X, y, sample_weight, classes)
        finally:
            del self._incremental

    def _encode(self, y: np.ndarray) -> np.ndarray:
        """Return 0/1 targets (n, K): one column for two classes, else one a class or label."""
        dtype = self._dtype
        if self._multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise InvalidDataError(f"y must have {len(self.classes_)} labels a sample; got shape {y.shape}")
            return np.ascontiguousarray(y, dtype)
        if y.ndim != 1:
            raise InvalidDataError(f"y must have one label a sample, as in the first fit; got shape {y.shape}")
        with refused_in_our_words():
            index = np.searchsorted(self.classes_, y).clip(0, len(self.classes_) - 1)
            unseen = self.classes_[index] != y
        if np.any(unseen):
            raise InvalidDataError(
                f"y holds the class {y[unseen][0]!r}, which is not among the classes {self.classes_.tolist()}"
            )
        if len(self.classes_) == 2:
            return index[:, None].astype(dtype)
        Y = np.zeros((len(y), len(self.classes_)), dtype)
        Y[np.arange(len(y)), index] = 1
        return Y

    def _class_factors(self, y: np.ndarray, weights: np.ndarray | None) -> ClassFactors | None:
        if self.class_weight is None:
            return None
        if self._multilabel:
            raise InvalidArgumentError("class_weight must be None where y holds several labels a sample")
        index = np.searchsorted(self.classes_, y)
        if isinstance(self.class_weight, str):
            counts = np.bincount(index, weights, minlength=len(self.classes_))
            factors = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1e-300))
        else:
            factors = np.array([self.class_weight.get(label, 1.0) for label in self.classes_.tolist()], np.float64)
            known = set(self.classes_.tolist())
            unknown = [label for label in self.class_weight if label not in known]
            if unknown and not known <= self.class_weight.keys():
                raise InvalidArgumentError(
                    f"class_weight must be for the classes {self.classes_.tolist()}, got one for {unknown[0]!r}"
                )

        def each(labels: np.ndarray) -> np.ndarray:
            return factors[np.searchsorted(self.classes_, labels)]

        return each

    def _make_loss(self) -> Loss:
        several = len(self.classes_) > 2 and not self._multilabel
        link = "softmax" if several and self.loss in {"log_loss", "focal"} else "logistic"
        return Loss(self.loss, link, float(self.focal_gamma))

    def _stratify(self, y: np.ndarray) -> np.ndarray | None:
        return y if y.ndim == 1 else None

    def _score_logits(self, logits: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        right = self._labels(logits) == y
        return float(np.average(right.all(axis=1) if self._multilabel else right, weights=weights))

    def _labels(self, logits: np.ndarray) -> np.ndarray:
        if self._multilabel:
            return (logits > 0).astype(int)
        return self.classes_[(logits[:, 0] > 0).astype(int) if logits.shape[1] == 1 else logits.argmax(1)]

    def _count_outputs(self) -> int:
        return 1 if len(self.classes_) == 2 and not self._multilabel else len(self.classes_)

    def _kept(self) -> tuple[str, ...]:
        return (*super()._kept(), "classes_", "_multilabel")

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits: (n,) for two classes, else (n, K). The class of a sample is where they are largest."""
        logits = self._logits(X)
        return logits[:, 0] if logits.shape[1] == 1 and not self._multilabel else logits

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each sample (n,); for labels 0/1 (n, K)."""
        return self._labels(self._logits(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class (n, C) in the order of ``classes_``; for labels of each one.

        In float64 whatever X is, since float32 rounds 1 - p to 1 for p below 3e-8; and never exactly 0.
        """
        z = self._logits(X).astype(np.float64, copy=False)
        if self._multilabel:
            p = special.expit(z)
        else:
            p = special.softmax(self._odds(z), axis=1) if z.shape[1] > 1 else special.expit(z * (-1, 1))
        return np.maximum(p, np.finfo(np.float64).tiny)  # nothing is impossible: log p stays finite

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of ``predict_proba``, without the rounding of tiny probabilities to zero."""
        z = self._logits(X).astype(np.float64, copy=False)
        if self._multilabel:
            return special.log_expit(z)
        return special.log_softmax(self._odds(z), axis=1) if z.shape[1] > 1 else special.log_expit(z * (-1, 1))

    def _odds(self, z: np.ndarray) -> np.ndarray:
        """Return the logarithms of what the classes' probabilities (n, C) are in proportion to."""
        # one output a class through the logistic: share the outputs out
        return z if self._make_loss().link == "softmax" else special.log_expit(z)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.input_tags.sparse = True
        return tags
