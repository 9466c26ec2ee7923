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
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import (
    check_choice,
    check_number,
    finite_outputs,
    numbers,
    same_length,
)
from pellucid.networks.base import StackEstimator
from pellucid.networks.classifier import StackClassifier
from pellucid.networks.tracing import TracedStack
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.loss import Loss, link_function

__all__ = ["MLPClassifier", "MLPRegressor"]

OUTPUT_ACTIVATIONS = tuple(ACTIVATIONS)
REGRESSOR_LOSSES = ("squared_error", "absolute_error", "huber", "poisson", "sum_of_squares")


class MLPClassifier(TracedStack, StackClassifier):
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
    engine : {"auto", "compiled", "reference", "torch"}, default="auto"
        ``torch`` trains with PyTorch (extra ``torch``), under ``torchrun`` in many processes; predicting needs none.
    device : {"auto", "cpu", "cuda", "mps"}, default="auto"
        Where torch trains; ``auto`` takes an accelerator where there is one.
    precision : {"full", "bf16"}, default="full"
        With ``bf16`` torch computes products from bfloat16 numbers, and keeps all else in float32.
    compile : bool, default=False
        Whether torch compiles the network (``torch.compile``) before it trains.
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
        device: str = "auto",
        precision: str = "full",
        compile: bool = False,  # torch's own word for it
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
        self.device = device
        self.precision = precision
        self.compile = compile


class MLPRegressor(RegressorMixin, TracedStack):
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
        device: str = "auto",
        precision: str = "full",
        compile: bool = False,  # torch's own word for it
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
        self.device = device
        self.precision = precision
        self.compile = compile

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
