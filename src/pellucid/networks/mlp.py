"""The multilayer perceptron: any number of hidden layers, trained by backpropagation.

Forwards, for each layer l = 1 ... L, with a⁰ = x and f the layer's activation::

    zˡ = aˡ⁻¹ Wˡ + bˡ            (N, H)
    aˡ = f(zˡ)                   (N, H)

The output is p = link(zᴸ), (N, K); the loss owns the link, and C is its mean over the batch. Backwards::

    δᴸ = ∂C/∂zᴸ                  (N, K)     p - y, over N, for cross-entropy
    δˡ = (δˡ⁺¹ Wˡ⁺¹ᵀ) · f'(zˡ)   (N, H)
    ∂C/∂Wˡ = aˡ⁻¹ᵀ δˡ            (D, H)
    ∂C/∂bˡ = Σₙ δˡ               (H,)

An optimizer turns this gradient, plus alpha W / N for L2, into a change of the weights.

Source: Rumelhart, Hinton, Williams 1986, eq. 1-8. The pieces are the vocabulary in ``parts/``: ``dense.py`` is
one layer forwards and backwards; ``learning/reference.py`` trains a batch with them in NumPy, and
``learning/compiled.py`` does the same in compiled code.
"""

from typing import Any, Self

import numpy as np
from scipy import special
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, column_or_1d

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import (
    check_choice,
    check_number,
    class_labels,
    finite_outputs,
    numbers,
    refused_in_our_words,
    same_length,
    validated,
)
from pellucid.learning.trace import Record, Trace
from pellucid.networks.base import ClassFactors, StackEstimator
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.dense import Dense
from pellucid.parts.loss import Loss, link_function
from pellucid.parts.optimizer import Optimizer

__all__ = ["MLPClassifier", "MLPRegressor"]

CLASSIFIER_LOSSES = ("log_loss", "focal", "squared_error", "sum_of_squares")
OUTPUT_ACTIVATIONS = tuple(ACTIVATIONS)
REGRESSOR_LOSSES = ("squared_error", "absolute_error", "huber", "poisson", "sum_of_squares")


class _MLP(StackEstimator):
    """What classifier and regressor share: the trace."""

    def trace(self, x: Any, y: Any = None) -> Trace:
        """Return one example's way through the network: every z and a, and with y every δ, dW and db, too.

        Parameters
        ----------
        x : array-like of shape (D,) or (N, D)
        y : target or targets of x, optional
            Shows the loss, the way back, and the change that the solver would make with this gradient.

        """
        check_is_fitted(self)
        if np.asarray(x).ndim == 1:
            x, y = np.asarray(x)[None], y if y is None else np.asarray(y)[None]
        x = validated(self, x, str(self.stack_.dtype), reset=False)
        logits, caches = self.stack_.forward(x)
        records = [Record("a0", "a0 = x", x, "N D")]
        for layer, cache in enumerate(self._dense(caches), start=1):
            last = layer == len(self.stack_.weights)
            bias = f" + b{layer}" if self.stack_.bias else ""
            records.append(
                Record(
                    f"z{layer}",
                    f"z{layer} = a{layer - 1} W{layer}{bias}",
                    cache.z,
                    "N H",
                    layer=layer,
                    function=Dense.forward,
                )
            )
            if not last:
                name = self.stack_.activations[layer - 1]
                formula = f"a{layer} = {name}(z{layer}):  {ACTIVATIONS[name].formula}"
                records.append(Record(f"a{layer}", formula, cache.y, "N H", "forward", layer, Dense.forward))
        loss = self._make_loss()
        p = link_function(loss.link, logits)
        records.append(Record("p", f"p = {loss.link}(z{layer})", p, "N K", layer=layer, function=link_function))
        if y is not None:
            records += self._trace_back(x, self._encode(self._check_y(y, len(x))), logits, caches, loss)
        return Trace(f"{type(self).__name__} {'-'.join(map(str, self.stack_.sizes))}", records)

    def _dense(self, values: list[Any]) -> list[Any]:
        """Keep what belongs to dense layers; dropout is idle here."""
        return [value for value, layer in zip(values, self.stack_.layers, strict=True) if hasattr(layer, "weight")]

    def _trace_back(
        self, x: np.ndarray, target: np.ndarray, logits: np.ndarray, caches: list[Any], loss: Loss
    ) -> list[Record]:
        parameters, last = self.stack_.parameters, len(self.stack_.weights)
        rows = loss.rows(logits, target)
        scale = self.stack_.dtype.type(1 / len(x) if loss.averaged else 1)
        delta = loss.gradient(logits, target) * scale  # (N, K)
        mean = "mean" if loss.averaged else "sum"
        records = [
            Record("y", "y: the target", target, "N K", "loss"),
            Record("loss", f"C = {mean} of {loss.name}(p, y)", float(rows.sum() * scale), "", "loss", 0, Loss.rows),
            Record(f"delta{last}", f"δ{last} = ∂C/∂z{last}", delta, "N K", "backward", last, Loss.gradient),
        ]
        slopes = self._dense(self.stack_.backward(delta, caches))
        dense = self._dense(caches)
        for layer in range(last, 0, -1):
            formula = f"dW{layer} = a{layer - 1}ᵀ δ{layer}"
            records.append(
                Record(
                    f"dW{layer}",
                    formula,
                    parameters.slopes[f"weight{layer}"].copy(),
                    "D H",
                    "backward",
                    layer,
                    Dense.backward,
                )
            )
            if self.stack_.bias:
                slope = parameters.slopes[f"bias{layer}"].copy()
                records.append(
                    Record(f"db{layer}", f"db{layer} = Σₙ δ{layer}", slope, "H", "backward", layer, Dense.backward)
                )
            if layer > 1:
                activation = ACTIVATIONS[self.stack_.activations[layer - 2]]
                below = slopes[layer - 1] * activation.slope(dense[layer - 2].z, dense[layer - 2].y)
                formula = f"δ{layer - 1} = (δ{layer} W{layer}ᵀ) · f'(z{layer - 1}),  f' = {activation.slope_formula}"
                records.append(
                    Record(f"delta{layer - 1}", formula, below, "N H", "backward", layer - 1, Dense.backward)
                )
        return records + self._trace_update()

    def _trace_update(self) -> list[Record]:
        """Return the change that the solver would make with the gradient just written, on copies."""
        if self.solver == "lbfgs":
            return []
        rows = 1 if self.batch_size == "auto" else int(self.batch_size)  # any number does: one update is made
        recipe, memory = self._recipe(rows, patience=-1), self._training.memory
        theta = self.stack_.parameters.vector.copy()
        rate = float(recipe.schedule.rate * self._training.rate_scale)
        recipe.optimizer.update(
            theta, self.stack_.parameters.gradient.copy(), memory.slots.copy(), memory.step + 1, rate
        )
        change, records, start = theta - self.stack_.parameters.vector, [], 0
        for name, shape in self.stack_.parameters.shapes.items():
            size = int(np.prod(shape))
            symbol = name.replace("weight", "W").replace("bias", "b")
            formula = f"Δ{symbol} = {self.solver}(d{symbol}, rate {rate:g})"
            value = change[start : start + size].reshape(shape)
            axes = "D H" if symbol[0] == "W" else "H"
            records.append(Record(f"Δ{symbol}", formula, value, axes, "update", int(symbol[1:]), Optimizer.update))
            start += size
        return records


class MLPClassifier(ClassifierMixin, _MLP):
    """A multilayer perceptron that tells classes apart: binary, multiclass, or multilabel.

    Takes scikit-learn's parameters with scikit-learn's meaning, and more. L-BFGS always
    computes in float64.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
    activation : str or one str a hidden layer, default="relu"
        identity, logistic, tanh, relu, leaky_relu, elu, softplus, gelu, silu.
    solver : {"sgd", "adam", "adamw", "rmsprop", "lbfgs"}, default="adam"
    alpha : float, default=1e-4
        Strength of L2; ``weight_decay`` is adamw's own.
    batch_size : int or "auto", default="auto"
        "auto" is min(200, n).
    learning_rate : {"constant", "step", "invscaling", "adaptive", "cosine"}, default="constant"
        ``step`` multiplies by ``step_factor`` every ``step_size`` epochs; ``cosine`` falls to 0 over ``max_iter``.
        ``warmup_epochs`` lets any of them begin with a linear rise.
    loss : {"log_loss", "focal", "squared_error", "sum_of_squares"}, default="log_loss"
        The last two through a logistic output, one a class.
    class_weight : None, "balanced" or dict, default=None
    bias : bool, default=True
    dropout : float or one float a hidden layer, default=0
    initial_weights : str, default="auto"
        auto, glorot_, he_ or lecun_ with uniform or normal, or uniform (0, 1): see ``parts/initial.py``.
    dtype : {"auto", "float32", "float64"}, default="auto"
        What to compute in. ``auto`` is float32, but float64 where a batch is so small that it costs nothing.
    engine : {"auto", "compiled", "reference"}, default="auto"
    verbose : bool or "bar", default=False

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Views of the one parameter vector ``stack_.parameters.vector``.
    classes_ : ndarray of shape (K,)
    loss_curve_, validation_loss_curve_, validation_scores_ : list of float
        One value an epoch; the last two are None without validation.
    n_iter_, n_layers_, n_outputs_, n_threads_ : int
    out_activation_, engine_ : str

    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        loss: str = "log_loss",
        focal_gamma: float = 2.0,
        class_weight: Any = None,
        bias: bool = True,
        dropout: Any = 0.0,
        initial_weights: str = "auto",
        rho: float = 0.9,
        weight_decay: float = 0.01,
        step_size: int = 30,
        step_factor: float = 0.1,
        warmup_epochs: float = 0,
        dtype: str = "auto",
        engine: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.focal_gamma = focal_gamma
        self.class_weight = class_weight
        self.bias = bias
        self.dropout = dropout
        self.initial_weights = initial_weights
        self.rho = rho
        self.weight_decay = weight_decay
        self.step_size = step_size
        self.step_factor = step_factor
        self.warmup_epochs = warmup_epochs
        self.dtype = dtype
        self.engine = engine

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
            raise InvalidDataError("MLPClassifier requires y to be passed, but the target y is None; give one a sample")
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


class MLPRegressor(RegressorMixin, _MLP):
    """A multilayer perceptron that predicts numbers, one or several.

    The parameters of ``MLPClassifier``, and:

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "poisson", "sum_of_squares"}, default="squared_error"
        squared_error is ½ Σ (p - y)², averaged over the samples; poisson has p = exp(z) and needs y >= 0.
    huber_delta : float, default=1.0
        Errors beyond it count linearly.
    out_activation : str, optional
        What stands behind the last layer; by default identity (poisson: exp).

    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
        huber_delta: float = 1.0,
        out_activation: str | None = None,
        bias: bool = True,
        dropout: Any = 0.0,
        initial_weights: str = "auto",
        rho: float = 0.9,
        weight_decay: float = 0.01,
        step_size: int = 30,
        step_factor: float = 0.1,
        warmup_epochs: float = 0,
        dtype: str = "auto",
        engine: str = "auto",
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.huber_delta = huber_delta
        self.out_activation = out_activation
        self.bias = bias
        self.dropout = dropout
        self.initial_weights = initial_weights
        self.rho = rho
        self.weight_decay = weight_decay
        self.step_size = step_size
        self.step_factor = step_factor
        self.warmup_epochs = warmup_epochs
        self.dtype = dtype
        self.engine = engine

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_choice("loss", self.loss, REGRESSOR_LOSSES)
        check_number("huber_delta", self.huber_delta, 0, open_low=True)
        if self.out_activation is not None:
            check_choice("out_activation", self.out_activation, OUTPUT_ACTIVATIONS)
        self._make_loss()

    def _check_y(self, y: Any, n_samples: int) -> np.ndarray:
        if y is None:
            raise InvalidDataError("MLPRegressor requires y to be passed, but the target y is None; give one a sample")
        array = numbers("y", y, self._dtype)
        if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
            raise InvalidDataError(f"y must be of shape (n,) or (n, K); got {array.shape}")
        if array.ndim == 2 and array.shape[1] == 1:
            array = column_or_1d(array, warn=True)
        return same_length(array, n_samples)

    def _targets(self, y: np.ndarray, *, fresh: bool, classes: Any = None) -> np.ndarray:
        if classes is not None:
            raise InvalidArgumentError("classes are for classifiers; a regressor has none")
        if self.loss == "poisson" and (y < 0).any():
            raise InvalidDataError(f"y must be >= 0 for loss='poisson', got {y[y < 0][0]:g}")
        if fresh:
            self._outputs = 1 if y.ndim == 1 else y.shape[1]
            self._flat = y.ndim == 1
        return self._encode(y)

    def _encode(self, y: np.ndarray) -> np.ndarray:
        Y = y[:, None] if y.ndim == 1 else y
        if Y.shape[1] != self._outputs:
            raise InvalidDataError(f"y must have {self._outputs} numbers a sample, got {Y.shape[1]}")
        return np.ascontiguousarray(Y)

    def _make_loss(self) -> Loss:
        link = self.out_activation or ("exp" if self.loss == "poisson" else "identity")
        return Loss(self.loss, link, float(self.huber_delta))

    def _score_logits(self, logits: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> float:
        # R² as in sklearn.metrics.r2_score, of which the checks of its arguments would take longer than an epoch
        y = y.reshape(logits.shape).astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.average((y - link_function(self._make_loss().link, logits)) ** 2, axis=0, weights=weights)
        spread = np.average((y - np.average(y, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
        constant = np.where(error == 0, 1.0, 0.0)
        return float(np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1), constant).mean())

    def _count_outputs(self) -> int:
        return int(self._outputs)

    def _kept(self) -> tuple[str, ...]:
        return (*super()._kept(), "_outputs", "_flat")

    @available_if(StackEstimator._learns_in_parts)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train one more epoch on these samples; the optimizer goes on where it was."""
        return self._fit_part(X, y, sample_weight)

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted numbers, (n,) or (n, K) as y was."""
        logits = self._logits(X)
        with np.errstate(over="ignore"):
            p = finite_outputs(link_function(self._make_loss().link, logits), logits)
        return p[:, 0] if self._flat else p

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = self.loss == "poisson"
        tags.input_tags.sparse = True
        return tags
