"""The nine-line neuron: a few inputs, one sigmoid output, and the rule that moves its weights.

Forwards, with inputs X (N, D) and weights w (D,)::

    out = σ(X w)                              (N,)     σ(z) = 1 / (1 + exp(-z))

Then the error of each sample, weighted by the slope of the sigmoid, says how each weight should change::

    error = y - out                           (N,)
    delta = error · out (1 - out)             (N,)
    w     = w + Xᵀ delta                      (D,)

This is gradient descent with step 1 on ½ Σ error², over all samples at once. There is no bias unless it is asked
for; then it is the weight of one more input, which is always 1.

Source: Widrow, Hoff 1960 (the error-correcting rule); Rumelhart, Hinton, Williams 1986, eq. 4-7 (the slope).
"""

import warnings
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from scipy.special import expit as sigmoid
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import DivergenceError, InvalidArgumentError, InvalidDataError, PellucidWarning
from pellucid.learning.estimator import (
    check_boolean,
    check_choice,
    check_number,
    check_seed,
    class_labels,
    finite_outputs,
    unchanged_by_errors,
    validated,
)
from pellucid.learning.step import Step, view
from pellucid.learning.trace import Record, Trace
from pellucid.parts.stack import Stack
from pellucid.saving import expect_names, expect_shape
from pellucid.scaling.modules import module_of, read_weights

__all__ = ["Neuron", "change", "output"]

FORMULAS = MappingProxyType(
    {
        "output": "out = σ(X w)",
        "error": "error = y - out",
        "delta": "delta = error · out (1 - out)",
        "change": "Δw = Xᵀ delta",
        "weights": "w = w + Δw",
    }
)
# Iterations that one compiled call runs at most, times the inputs: about 0.1 s.
CHUNK = 20_000_000


def output(X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Return out = σ(X w), (N,)."""
    return sigmoid(X @ w)


def change(X: np.ndarray, y: np.ndarray, out: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return error (N,), delta (N,) and Δw (D,) of one iteration."""
    error = y - out
    delta = error * out * (1 - out)
    return error, delta, X.T @ delta


class Neuron(ClassifierMixin, BaseEstimator):
    """One sigmoid unit that tells two classes apart.

    Parameters
    ----------
    max_iter : int, default=10_000
        Iterations; each sees all samples.
    bias : bool, default=False
        Learn a bias too, as the weight of an input that is always 1.
    warm_start : bool, default=False
        Go on from the weights of the last ``fit``.
    random_state : int, RandomState or None, default=None
        Weights start as 2 · random_sample((D, 1)) - 1.
    dtype : {"float32", "float64"}, default="float64"
    engine : {"auto", "compiled", "reference"}, default="auto"

    Attributes
    ----------
    coef_ : ndarray of shape (1, D)
    intercept_ : ndarray of shape (1,)
    classes_ : ndarray of shape (2,)
    n_iter_ : int
    engine_ : str

    """

    w_: np.ndarray
    classes_: np.ndarray

    def __init__(
        self,
        max_iter: int = 10_000,
        *,
        bias: bool = False,
        warm_start: bool = False,
        random_state: Any = None,
        dtype: str = "float64",
        engine: str = "auto",
    ) -> None:
        self.max_iter = max_iter
        self.bias = bias
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.engine = engine

    def fit(self, X: Any, y: Any) -> Self:
        """Run ``max_iter`` iterations of the rule on X (n, D) and the two classes in y (n,).

        Raises InvalidArgumentError or InvalidDataError, naming what is wrong, and leaves the neuron as it was.
        """
        X, y = self._begin(X, y)
        size = max(1, CHUNK // X.size)
        try:
            for start in range(0, self.max_iter, size):
                self._iterate(X, y, min(size, self.max_iter - start))
        except KeyboardInterrupt:
            warnings.warn(
                f"training interrupted: the neuron is as it was after iteration {self.n_iter_}, and usable",
                PellucidWarning,
                stacklevel=2,
            )
        return self

    def steps(self, X: Any, y: Any) -> Iterator[Step]:
        """Run as ``fit`` does, and yield a Step after every iteration.

        Values: ``output``, ``error``, ``delta`` (N,), ``change`` and ``weights`` (D,), ``iteration``.
        """
        X, y = self._begin(X, y)
        for number in range(1, self.max_iter + 1):
            before = self.w_
            out = self._iterate(X, y, 1)
            error = y - out
            values = {
                "iteration": self.n_iter_, "output": out, "error": error, "delta": error * out * (1 - out),
                "change": self.w_ - before, "weights": view(self.w_),
            }  # fmt: skip
            yield Step("iteration", number, MappingProxyType(values), FORMULAS, (output, change))

    def _begin(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Check everything; return X (N, D), with a last column of ones for a bias, and y as 0 and 1 (N,)."""
        with unchanged_by_errors(self):
            return self._checked(X, y)

    def _checked(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        check_number("max_iter", self.max_iter, 1, integer=True)
        check_boolean("bias", self.bias)
        check_boolean("warm_start", self.warm_start)
        check_choice("dtype", self.dtype, ("float32", "float64"))
        check_choice("engine", self.engine, ("auto", "compiled", "reference"))
        X = validated(self, X, self.dtype, reset=True)
        if y is None:
            raise InvalidDataError(
                "Neuron requires y to be passed, but the target y is None; give one of two classes a sample"
            )
        y = class_labels(y, len(X))
        classes = np.unique(y)
        if len(classes) != 2:
            raise InvalidDataError(
                f"Only binary classification is supported: y must hold two classes, got {len(classes)} class(es)"
                + ("; for more than two use MLPClassifier" if len(classes) > 2 else "")
            )
        X, generator = self._with_bias(X), check_seed(self.random_state)
        if self.warm_start and hasattr(self, "w_"):
            if X.shape[1] != len(self.w_) or not np.array_equal(classes, self.classes_):
                raise InvalidArgumentError(
                    f"warm_start=True goes on with {len(self.w_)} weights and the classes {self.classes_.tolist()}; "
                    f"got {X.shape[1]} inputs and {classes.tolist()}; set warm_start=False to start anew"
                )
        else:
            self.w_ = (2 * generator.random_sample((X.shape[1], 1)) - 1)[:, 0].astype(X.dtype)
        self.n_iter_, self.classes_ = 0, classes
        self.engine_ = "reference" if self.engine == "reference" else "compiled"
        return X, (y == classes[1]).astype(X.dtype)

    def _with_bias(self, X: np.ndarray) -> np.ndarray:
        return np.hstack([X, np.ones((len(X), 1), X.dtype)]) if self.bias else X

    def _iterate(self, X: np.ndarray, y: np.ndarray, iterations: int) -> np.ndarray:
        """Run iterations of the rule; return the outputs (N,) that the last one started from.

        The weights are taken over when all is done: neither Ctrl-C nor an overflow leaves them in between.
        """
        w = self.w_.copy()
        if self.engine_ == "reference":
            for _ in range(iterations):
                with np.errstate(over="ignore", invalid="ignore"):
                    out = output(X, w)
                    w += change(X, y, out)[2]
        else:
            from pellucid.parts.compiled.delta_rule import iterate

            out = np.empty(len(X), X.dtype)
            iterate(np.ascontiguousarray(X.T), y, w, iterations, out)
        if not np.isfinite(w).all():
            raise DivergenceError(
                f"the weights overflowed within iterations {self.n_iter_ + 1} to {self.n_iter_ + iterations}, "
                f"with X up to {np.abs(X).max():g}; the weights before are kept; scale the data to about 1"
            )
        self.w_, self.n_iter_ = w, self.n_iter_ + iterations
        return out

    @property
    def coef_(self) -> np.ndarray:
        """The weights, (1, D)."""
        return self.w_[None, : self.n_features_in_]

    @property
    def intercept_(self) -> np.ndarray:
        """The bias, (1,); zero without one."""
        return self.w_[self.n_features_in_ :] if self.bias else np.zeros(1, self.w_.dtype)

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the weighted sums X w, (n,)."""
        check_is_fitted(self)
        X = self._with_bias(validated(self, X, self.dtype, reset=False))
        with np.errstate(over="ignore", invalid="ignore"):
            # X w, but each row summed in the same order whatever rows stand around it
            return finite_outputs(np.einsum("nd,d->n", X, self.w_), X)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (n, 2); the second column is the neuron's output."""
        z = self.decision_function(X)
        return np.column_stack([sigmoid(-z), sigmoid(z)])

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample, (n,)."""
        z = self.decision_function(X)
        return self.classes_[(z > 0).astype(int)]

    def trace(self, x: Any, y: Any = None) -> Trace:
        """Return the forward pass of x (D,) or (N, D), and with y one iteration of the rule, as records."""
        check_is_fitted(self)
        if np.asarray(x).ndim == 1:
            x, y = np.asarray(x)[None], y if y is None else np.asarray(y)[None]
        X = self._with_bias(validated(self, x, self.dtype, reset=False))
        z = X @ self.w_
        out = sigmoid(z)
        records = [
            Record("X", "X", X, "N D"),
            Record("w", "w", self.w_.copy(), "D"),
            Record("z", "z = X w", z, "N"),
            Record("output", "out = σ(z) = 1 / (1 + exp(-z))", out, "N", function=output),
        ]
        if y is not None:
            y = class_labels(y, len(X))
            if not np.isin(y, self.classes_).all():
                raise InvalidDataError(f"y must hold the classes {self.classes_.tolist()}, got {y.tolist()}")
            target = (y == self.classes_[1]).astype(X.dtype)
            error, delta, step = change(X, target, out)
            records += [
                Record("error", FORMULAS["error"], error, "N", "loss", function=change),
                Record("delta", FORMULAS["delta"], delta, "N", "backward", function=change),
                Record("change", FORMULAS["change"], step, "D", "backward", function=change),
                Record("weights", FORMULAS["weights"], self.w_ + step, "D", "update"),
            ]
        return Trace("Neuron", records)

    def to_torch(self) -> Any:
        """Return the neuron as a ``torch.nn.Module`` of torch's own layers: from X (n, D) to its weighted sums (n, 1).

        It has copies of the weights, and nothing of Pellucid in it. Raises MissingExtraError without PyTorch.
        """
        check_is_fitted(self)
        stack = self._stack()
        stack.parameters.vector[:] = self.w_
        return module_of(stack)

    def from_torch(self, module: Any) -> Self:
        """Take the weights of a module that ``to_torch`` has given, or of any whose parameters are of the same shapes.

        Raises InvalidDataError, with both shapes, where the module is of another network, and where a weight is not
        finite; then nothing changes.
        """
        check_is_fitted(self)
        self.w_ = read_weights(self._stack(), module)
        return self

    def _stack(self) -> Stack:
        """Return a stack of this one unit, its weights still zero."""
        return Stack((self.n_features_in_, 1), (), bias=bool(self.bias), dtype=self.w_.dtype)

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``."""
        check_is_fitted(self)
        names = ("n_features_in_", "feature_names_in_", "classes_", "n_iter_", "engine_")
        attributes = {name: getattr(self, name) for name in names if hasattr(self, name)}
        return {"parameters": self.get_params(deep=False), "attributes": attributes}, {"weights": self.w_}

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the neuron of which ``to_file`` told."""
        neuron = cls(**entries["parameters"])
        for name, value in entries["attributes"].items():
            setattr(neuron, name, value)
        expect_names(arrays, ["weights"])
        neuron.w_ = expect_shape(arrays, "weights", (neuron.n_features_in_ + bool(neuron.bias),))
        return neuron

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "w_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        return tags
