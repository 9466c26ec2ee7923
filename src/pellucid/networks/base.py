"""What every network that is a stack of layers shares: scikit-learn's parameters, ``fit``, ``steps``, saving.

A room says what its targets, its loss and its scores are; here its parameters become a Recipe, its data a
Problem, and the one loop (``learning/loop.py``) runs. ``fit`` drains the same run that ``steps`` shows.
"""

import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, nullcontext
from copy import deepcopy
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self
from zlib import crc32

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import (
    DivergenceError,
    InvalidArgumentError,
    ModelFileError,
    PellucidWarning,
)
from pellucid.learning import engine as engines
from pellucid.learning.callback import CallbackSupport, told
from pellucid.learning.estimator import (
    check_boolean,
    check_choice,
    check_number,
    check_seed,
    checked_weights,
    converted,
    finite_outputs,
    numeric,
    unchanged_by_errors,
)
from pellucid.learning.lbfgs import iterations
from pellucid.learning.loop import GRANULARITIES, Training, Validation
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.reference import batch_gradient
from pellucid.learning.step import Step, view
from pellucid.learning.threads import limited_threads, threads_for
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.initial import INITIAL_WEIGHTS
from pellucid.parts.loss import Loss
from pellucid.parts.optimizer import OPTIMIZERS, Optimizer
from pellucid.parts.schedule import SCHEDULES, Schedule
from pellucid.parts.stack import Stack
from pellucid.saving import expect_names, expect_shape
from pellucid.scaling.checkpoint import Checkpoint, agree, fingerprint
from pellucid.scaling.engine import DEVICES, PRECISIONS, Torch, check_compiler, device_for
from pellucid.scaling.modules import module_of, read_weights
from pellucid.scaling.processes import ALONE, Processes, join

__all__ = ["ClassFactors", "StackEstimator", "each_of"]

# Multiply-adds of a batch up to which float64 costs next to nothing.
SMALL_WORK = 1 << 17
# Weights that are whole numbers count as copies of a sample where it is split, up to this many in all.
MOST_COPIES = 10_000_000
# Parameters that change nothing of what is learned, or stand in another form in a checkpoint.
LISTENING = ("verbose", "warm_start", "random_state", "engine", "device", "dtype")
FORMULAS = MappingProxyType(
    {
        "loss": "C = mean of the batches' losses",
        "gradient": "∂C/∂θ",
        "parameters": "θ = optimizer(θ, ∂C/∂θ)",
        "coefs": "W: the weights within θ",
        "intercepts": "b: the biases within θ",
    }
)
ClassFactors = Callable[[np.ndarray], np.ndarray]
HIDDEN_ACTIVATIONS = tuple(name for name in ACTIVATIONS if name != "exp")


class StackEstimator(CallbackSupport, BaseEstimator):
    """Base of the estimators over a ``Stack``. Subclasses give ``_encode``, ``_loss``, ``_scores`` and targets."""

    stack_: Stack
    engine_: str
    t_: int
    n_threads_: int
    _training: Training
    _engine: engines.Engine
    _seed: int

    # -- what a room says ------------------------------------------------------------------------------------

    def _targets(self, y: Any, *, fresh: bool, classes: Any = None) -> np.ndarray:
        """Learn what targets there are (when ``fresh``) and return y as the network sees it, (n, K)."""
        raise NotImplementedError

    def _encode(self, y: Any) -> np.ndarray:
        """Return known targets as the network sees them, (n, K)."""
        raise NotImplementedError

    def _make_loss(self) -> Loss:
        """Return the loss with its output link."""
        raise NotImplementedError

    def _score_logits(self, logits: np.ndarray, y: Any, weights: np.ndarray | None) -> float:
        """Return what ``score`` would, from logits."""
        raise NotImplementedError

    def _stratify(self, y: Any) -> Any:
        """Return the classes to split evenly into training and validation, or None."""
        return None

    def _rows_of(self, X: Any, *, reset: bool) -> Any:
        """Return X as an array (n, D) of numbers, or a CSR matrix; with ``reset`` learn what D is."""
        return numeric(self, X, reset=reset)

    def _build_stack(self, n_features: int, n_outputs: int, dtype: Any) -> Stack:
        """Return the network that the parameters ask for, with weights still zero."""
        sizes = (n_features, *self._hidden_sizes(), n_outputs)
        names = self._per_hidden_layer("activation", self.activation)
        return Stack(sizes, names, bias=bool(self.bias), dropout=self._dropout_rates(), dtype=dtype)

    def _multiply_adds(self, n_features: int) -> int:
        """Return how many multiplications with a weight one sample will take, about."""
        return sum(a * b for a, b in pairwise((n_features, *self._hidden_sizes(), 1)))

    # -- parameters ------------------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        for name in ("shuffle", "warm_start", "early_stopping", "nesterovs_momentum", "bias"):
            check_boolean(name, getattr(self, name))
        for name in ("alpha", "tol", "power_t", "warmup_epochs", "weight_decay"):
            check_number(name, getattr(self, name), 0)
        for name in ("beta_1", "beta_2", "rho"):
            check_number(name, getattr(self, name), 0, 1, open_high=True)
        for name in ("learning_rate_init", "epsilon", "step_factor"):
            check_number(name, getattr(self, name), 0, open_low=True)
        for name in ("max_iter", "max_fun", "step_size"):
            check_number(name, getattr(self, name), 1, integer=True)
        check_number("momentum", self.momentum, 0, 1)
        check_number(
            "validation_fraction",
            self.validation_fraction,
            0,
            1,
            open_low=bool(self.early_stopping),
            open_high=True,
        )
        if not (isinstance(self.n_iter_no_change, float) and self.n_iter_no_change == np.inf):
            check_number("n_iter_no_change", self.n_iter_no_change, 1, integer=True, otherwise=" or infinity")
        if not (isinstance(self.batch_size, str) and self.batch_size == "auto"):
            check_number("batch_size", self.batch_size, 1, integer=True, otherwise=" or 'auto'")
        if not (isinstance(self.verbose, str) and self.verbose == "bar"):
            verbose = int(self.verbose) if isinstance(self.verbose, bool | np.bool_) else self.verbose
            check_number("verbose", verbose, 0, integer=True, otherwise=", a boolean or 'bar'")
        check_choice("solver", self.solver, (*OPTIMIZERS, "lbfgs"))
        check_choice("learning_rate", self.learning_rate, SCHEDULES)
        check_choice("initial_weights", self.initial_weights, INITIAL_WEIGHTS)
        check_choice("dtype", self.dtype, ("auto", "float32", "float64"))
        check_choice("engine", self.engine, ("auto", *engines.ENGINES, "torch"))
        check_choice("device", self.device, DEVICES)
        check_choice("precision", self.precision, PRECISIONS)
        check_boolean("compile", self.compile)
        for name, own in {"device": ("auto", "cpu"), "precision": ("full",), "compile": (False,)}.items():
            value = getattr(self, name)
            if value not in own and self.engine != "torch":
                raise InvalidArgumentError(f"{name}={value!r} is for engine='torch', got engine={self.engine!r}")
        if self.precision == "bf16" and (self.dtype == "float64" or self.solver == "lbfgs"):
            what = "solver='lbfgs', which computes in float64" if self.solver == "lbfgs" else "dtype='float64'"
            raise InvalidArgumentError(f"precision must be 'full' with {what}; got 'bf16'")
        check_seed(self.random_state)
        self._hidden_sizes()
        self._per_hidden_layer("activation", self.activation)
        self._per_hidden_layer("dropout", self.dropout)

    def _hidden_sizes(self) -> tuple[int, ...]:
        sizes = each_of(self.hidden_layer_sizes)
        for size in (self.hidden_layer_sizes,) if sizes is None else sizes:
            if isinstance(size, bool | np.bool_) or not isinstance(size, int | np.integer) or size < 1:
                raise InvalidArgumentError(
                    f"hidden_layer_sizes must be whole numbers >= 1, got {self.hidden_layer_sizes!r}"
                )
        return (int(self.hidden_layer_sizes),) if sizes is None else tuple(int(size) for size in sizes)

    def _per_hidden_layer(self, name: str, value: Any) -> tuple[Any, ...]:
        """Return one value a hidden layer, from one for all or one for each."""
        count, given = self._count_hidden(name), each_of(value)
        each = (value,) * count if given is None else given
        if len(each) != count:
            raise InvalidArgumentError(f"{name} must have one value a hidden layer ({count}), got {value!r}")
        for item in each or (value,):
            if name == "activation":
                check_choice(name, item, HIDDEN_ACTIVATIONS)
            else:
                check_number(name, item, 0, 1, open_high=True)
        return each

    def _count_hidden(self, name: str) -> int:
        """Return how many hidden layers have a value of that parameter."""
        return len(self._hidden_sizes())

    def _dropout_rates(self) -> list[float]:
        return [float(rate) for rate in self._per_hidden_layer("dropout", self.dropout)]

    def _choose_dtype(self, X: Any) -> np.dtype[Any]:
        """Return the dtype to compute in: as asked, or float32 unless the work is too small for it to matter."""
        if self.solver == "lbfgs":
            return np.dtype(np.float64)
        if self.dtype != "auto":
            return np.dtype(self.dtype)
        n, features = X.shape
        rows = n if self.batch_size == "auto" else min(n, self.batch_size)
        work = min(rows, 200) * self._multiply_adds(features)
        small = work <= SMALL_WORK and not _is_single(X) and self.precision == "full"
        return np.dtype(np.float64 if small else np.float32)

    def _recipe(self, n_samples: int, *, patience: int) -> Recipe:
        sgd = self.solver == "sgd"
        optimizer = Optimizer(
            "adam" if self.solver == "lbfgs" else self.solver,
            momentum=float(self.momentum) if sgd else 0.0,
            nesterov=bool(self.nesterovs_momentum),
            beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon,
            weight_decay=self.weight_decay, rho=self.rho,
        )  # fmt: skip
        schedule = Schedule(
            self.learning_rate, float(self.learning_rate_init), self.power_t,
            factor=self.step_factor, period=self.step_size,
            warmup_epochs=self.warmup_epochs, max_epochs=self.max_iter,
        )  # fmt: skip
        return Recipe(
            self._make_loss(), optimizer, schedule, float(self.alpha), self._rows(n_samples),
            bool(self.shuffle), float(self.tol), patience,
        )  # fmt: skip

    def _rows(self, n_samples: int) -> int:
        """Return the batch size for that many samples."""
        if self.batch_size == "auto":
            return min(200, n_samples)
        if self.batch_size > n_samples:
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {n_samples} training samples; "
                f"it is clipped to {n_samples}",
                PellucidWarning,
                stacklevel=2,
            )
        return min(int(self.batch_size), n_samples)

    # -- running ---------------------------------------------------------------------------------------------

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None, checkpoint: Any = None
    ) -> Self:
        """Train on X (n, D) and y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, D)
        y : array-like of shape (n,) or (n, K)
        sample_weight : array-like of shape (n,), optional
            Weights >= 0. Zero is as if the sample were absent; in full-batch training two is as if it came twice.
        X_val, y_val : optional
            A validation set: its loss and score are recorded after every epoch, and decide early stopping in
            place of ``validation_fraction``.
        checkpoint : path of a folder or Checkpoint, optional
            Keeps there, every ten seconds, what is needed to go on; where that is already, goes on from it, to the
            very bits that one run would have come to.

        Raises
        ------
        InvalidArgumentError, InvalidDataError
            A parameter or the data is not usable, or the checkpoint is of another run; the message says which and
            how to mend it.
        DivergenceError
            The loss or a weight left the finite numbers; the last finite weights are kept.

        """
        validation = (X_val, y_val)
        run = self._run(
            X, y, sample_weight, validation, epochs=self.max_iter, granularity="chunk", checkpoint=checkpoint
        )
        with closing(run):
            for _ in run:
                pass
        return self

    def steps(
        self, X: Any, y: Any, granularity: str = "epoch", *,
        sample_weight: Any = None, X_val: Any = None, y_val: Any = None, checkpoint: Any = None,
    ) -> Iterator[Step]:  # fmt: skip
        """Train as ``fit`` does, and yield a Step after every epoch (or ``granularity="batch"``).

        Each Step has ``epoch``, ``loss``, ``learning_rate``, ``parameters`` (flat), ``coefs``, ``intercepts``, and
        with validation ``validation_loss`` and ``validation_score``; its arrays are read-only views. The network
        is usable after every Step; closing the generator ends training there.
        """
        check_choice("granularity", granularity, GRANULARITIES[:2])
        run = self._run(
            X, y, sample_weight, (X_val, y_val), epochs=self.max_iter, granularity=granularity, checkpoint=checkpoint
        )
        with closing(run):
            for number, rate in enumerate(run, start=1):
                yield self._step(granularity, number, rate)

    def _learns_in_parts(self) -> bool:
        """Whether there is a ``partial_fit``: L-BFGS needs all the data at once."""
        return bool(self.solver != "lbfgs")

    def _fit_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """Train one more epoch on these samples; the optimizer goes on where it was."""
        run = self._run(X, y, sample_weight, (None, None), epochs=1, granularity="chunk", partial=True, classes=classes)
        with closing(run):
            for _ in run:
                pass
        return self

    def _run(
        self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any], *,
        epochs: int, granularity: str, partial: bool = False, classes: Any = None, checkpoint: Any = None,
    ) -> Generator[float]:  # fmt: skip
        """Train; yield the learning rate after each advance. The estimator is whole after every yield."""
        together = join() if self._needs_torch() else ALONE
        with together.preparing(), unchanged_by_errors(self):
            prepared = self._prepare(X, y, sample_weight, validation, partial, classes, together)
            problem, recipe, watch, data, asked = prepared
            first, seen, keep = self._taken_up(checkpoint, data, asked, recipe)
        self.n_threads_ = self._engine.threads = self._threads(recipe.batch_size)
        training, self.interrupted_ = self._training, False
        if granularity == "chunk" and (self.verbose or getattr(self, "_skl_callbacks", None)):
            granularity = "epoch"
        if self.solver == "lbfgs":
            advances = self._lbfgs(problem, recipe, watch)
        else:
            left = first + epochs - training.epoch
            advances = training.run(self._engine, recipe, problem, left, granularity, watch, self.n_threads_)
        shown = {
            "X": X,
            "y": y,
            "metadata": None if sample_weight is None else {"sample_weight": sample_weight},
        }
        company = self._engine.training(self.stack_) if isinstance(self._engine, Torch) else nullcontext()
        try:
            with company, told(self, shown, epochs, self._fitted_attributes) as listeners:
                for _ in advances:
                    if granularity == "epoch" and training.batch:  # nobody looks within an epoch
                        keep(False)
                        continue
                    self._publish(training.epoch - first, seen, problem.size, running=True)
                    stop = [listener(*self._latest()) for listener in listeners if training.batch == 0]
                    keep(False)
                    yield recipe.schedule.rate if self.solver == "lbfgs" else training.rate
                    if any(stop):
                        training.finished = True
                        break
                keep(True)
        except KeyboardInterrupt:
            training.interrupted()
            self.interrupted_ = True
            warnings.warn(
                f"training interrupted: the model is as it was after epoch {training.epoch}, and usable",
                PellucidWarning,
                stacklevel=3,
            )
        finally:
            self._engine.release()
            training.keep_best()
            self._publish(training.epoch - first, seen, problem.size)
        if not (partial or training.finished or self.interrupted_ or self._patience < 0):
            self._warn_of_limits()

    def _warn_of_limits(self) -> None:
        limit = f"max_iter={self.max_iter} epochs"
        if self.n_iter_ < self.max_iter:
            limit = f"max_fun={self.max_fun} evaluations of the loss"
        name = limit.partition("=")[0]
        warnings.warn(
            f"training stopped after {limit} and was still improving; "
            f"raise {name}, or set n_iter_no_change >= max_iter if that is as meant",
            ConvergenceWarning,
            stacklevel=4,
        )

    def _prepare(
        self, X: Any, y: Any, sample_weight: Any, given: tuple[Any, Any], partial: bool, classes: Any,
        together: Processes = ALONE,
    ) -> tuple[Problem, Recipe, Validation | None, list[np.ndarray | None], Stack]:  # fmt: skip
        """Check everything that was given; build the network, or see that the one that is there can go on.

        Returns what to learn, how, how to validate, all arrays of data that decide what will be learned, and the
        network that was asked for, which may be another than the one that goes on.
        """
        self._check_parameters()
        known = self.__sklearn_is_fitted__()
        fresh = not (known and (partial or self.warm_start))
        X = self._rows_of(X, reset=not (known and partial))
        self._dtype = self._choose_dtype(X) if fresh else self.stack_.dtype
        if self.engine == "torch":
            device = device_for(self.device, self._dtype)  # refused now where torch or the device is not there
            if self.compile:
                check_compiler(device)
        X, y, weights = self._data(converted(X, self._dtype), y, sample_weight)
        Y = self._targets(y, fresh=fresh, classes=classes)
        class_factors = self._class_factors(y, weights)
        seed = int(check_seed(self.random_state).randint(2**31 - 1)) if fresh else self._seed
        seed = int(together.told_by(0, str(seed).encode()) or b"")
        held_out = None if partial else self._given_validation(*given)
        stopping = bool(self.early_stopping) and not partial and self.solver != "lbfgs"
        if held_out is None and stopping:
            (kept, weights), (out, out_weights) = self._split(X, y, Y, weights, seed)
            held_out = (X[out], y[out], out_weights)
            X, y, Y = X[kept], y[kept], Y[kept]
        weights = _product(weights, class_factors, y)
        problem = Problem(X, Y, np.zeros(0, X.dtype) if weights is None else weights.astype(X.dtype))
        recipe = self._recipe(problem.size, patience=-1 if partial or stopping else self._patience)
        parts: tuple[Any, ...] | None = None
        data: list[np.ndarray | None] = [problem.X, problem.Y, problem.weights]
        if held_out is not None:
            X_val, y_val, val_weights = held_out
            parts = (X_val, y_val, self._encode(y_val), _product(val_weights, class_factors, y_val))
            data += [X_val, *parts[2:]]
        asked = self._build_stack(X.shape[1], Y.shape[1], self._dtype)
        self._begin(asked, recipe, fresh, seed)
        watch = None if parts is None else self._validation(recipe, parts, stopping)
        return problem, recipe, watch, data, asked

    def _needs_torch(self) -> bool:
        """Whether torch is to train, or has trained what goes on."""
        asked = isinstance(self.engine, str) and self.engine == "torch"
        return asked or getattr(self, "engine_", None) == "torch"

    def _engine_named(self, name: str, stack: Stack) -> engines.Engine:
        if name == "torch":
            return Torch(self.device, self.precision, bool(self.compile))
        return engines.named(name, stack)

    def _taken_up(
        self, checkpoint: Any, data: list[np.ndarray | None], asked: Stack, recipe: Recipe
    ) -> tuple[int, int, Callable[[bool], None]]:
        """Make sure that all processes are about to do the same, and go on from a checkpoint if there is one.

        Returns the epoch, and the samples seen, with which this fit began, and what keeps its state from now on.
        The network that is there changes only when nothing more can be refused.
        """
        together = join() if self.engine_ == "torch" else ALONE
        first, seen = self._training.epoch, self.t_
        keeper = None if checkpoint is None else self._checkpoint(checkpoint)
        found = None
        if keeper is not None:
            found = keeper.resume(self._identity(data), together)
        elif together.size > 1:
            agree(self._identity(data), together)
        if found is None:
            if asked is not self.stack_:
                self.stack_.regularise_as(asked)
            self._training.resume(self.solver, recipe.optimizer.slots)
        else:
            header, arrays = found
            self._adopt(self._training_from(asked, header["training"], arrays), self._engine, self._seed)
            first, seen = header["first"], header["seen"]
        if keeper is None:
            return first, seen, lambda now: None

        def state() -> tuple[dict[str, Any], dict[str, np.ndarray]]:
            training, arrays = self._training_to_file()
            return {"training": training, "first": first, "seen": seen}, arrays

        return first, seen, lambda now: keeper.offer(state, now=now)

    def _checkpoint(self, checkpoint: Any) -> Checkpoint:
        if self.solver == "lbfgs":
            raise InvalidArgumentError("checkpoint is for solvers that learn in batches, got solver='lbfgs'")
        return Checkpoint.given(checkpoint, self.random_state)

    def _identity(self, data: list[np.ndarray | None]) -> dict[str, Any]:
        """Return what must be the same for a training to be the same."""
        chosen = {name: value for name, value in self.get_params(deep=False).items() if name not in LISTENING}
        device = device_for(self.device, self._dtype).type if self.engine_ == "torch" else "cpu"
        begun, arrays = self._training.to_arrays()
        start = [self.stack_.parameters.whole, *arrays.values(), np.array(str(begun))]  # a warm start's, too
        return chosen | {
            "class": type(self).__name__, "engine": self.engine_, "device": device, "dtype": self._dtype.name,
            "random_state": self._seed, "data": fingerprint(data), "weights_at_start": fingerprint(start),
        }  # fmt: skip

    def _validation(self, recipe: Recipe, parts: tuple[Any, ...], stopping: bool) -> Validation:
        """Return how to measure loss and score on X, y, y encoded, and weights: as training weighs them."""
        X, y, Y, weights = parts
        engine = self._engine_named(self.engine, self.stack_)  # of its own: its buffers fit the rows that it predicts

        def measure() -> tuple[float, float]:
            with limited_threads(self.n_threads_):
                logits = engine.predict(self.stack_, X)
            with np.errstate(over="ignore", invalid="ignore"):  # a loss that is not finite says so itself
                rows = recipe.loss.rows(logits, Y)
            total = float((rows if weights is None else rows * weights).sum(dtype=np.float64))
            count = float(len(rows) if weights is None else weights.sum())
            return total / count if recipe.loss.averaged else total, self._score_logits(logits, y, weights)

        return Validation(measure, stopping, int(min(self.n_iter_no_change, self.max_iter)))

    def _data(self, X: np.ndarray, y: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return X, y and the weights as arrays, without the samples of weight zero."""
        y = self._check_y(y, len(X))
        weights = checked_weights(sample_weight, len(X))
        if weights is not None and not weights.all():
            kept = weights > 0
            X, y, weights = X[kept], y[kept], weights[kept]
        return X, y, weights

    def _given_validation(self, X_val: Any, y_val: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
        if (X_val is None) != (y_val is None):
            raise InvalidArgumentError("X_val and y_val belong together: give both, or neither")
        if X_val is None:
            return None
        X_val = self._validated(X_val, self._dtype)
        return X_val, self._check_y(y_val, len(X_val)), None

    def _split(
        self, X: np.ndarray, y: np.ndarray, Y: np.ndarray, weights: np.ndarray | None, seed: int
    ) -> tuple[tuple[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray | None]]:
        """Return the rows to train on with their weights, and the rows to validate on with theirs.

        A weight that is a whole number w stands for w samples, which may fall on both sides. Who is held out
        depends on the seed and the samples, not on their order: so weights are as good as copies here too.
        """
        copies = np.arange(len(X))
        counted = weights is not None and not (weights % 1).any() and weights.sum() <= MOST_COPIES
        if weights is not None and counted:
            copies = np.repeat(copies, weights.astype(np.int64))
        keys = np.array([crc32(target + 0.0, crc32(x + 0.0)) for x, target in zip(X, Y, strict=True)])
        copies = copies[np.argsort(keys[copies], kind="stable")]
        strata = self._strata(y[copies])
        kept, out = train_test_split(copies, test_size=self.validation_fraction, stratify=strata, random_state=seed)

        def part(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
            rows, count = np.unique(chosen, return_counts=True)
            return rows, None if weights is None else count.astype(np.float64) if counted else weights[rows]

        return part(kept), part(out)

    def _strata(self, y: np.ndarray) -> np.ndarray | None:
        """Return the classes to split evenly; raise InvalidArgumentError where a split would miss one."""
        fraction, n = self.validation_fraction, len(y)
        strata: np.ndarray | None = self._stratify(y)
        least = 2 if strata is None else len(np.unique(strata))
        count = int(np.ceil(fraction * n))
        if count < least or n - count < least:
            raise InvalidArgumentError(
                f"validation_fraction={fraction:g} leaves {count} of {n} samples to validate on and {n - count} to "
                f"train on, fewer than {least}, one of each class; choose another validation_fraction or give X_val"
            )
        if strata is not None and np.unique(strata, return_counts=True)[1].min() < 2:
            raise InvalidArgumentError(
                "early_stopping splits off validation_fraction of every class, but a class has one sample only; "
                "give X_val and y_val, or set early_stopping=False"
            )
        return strata

    def _begin(self, stack: Stack, recipe: Recipe, fresh: bool, seed: int) -> None:
        """Take the new network, or see that the one that is there is what was asked for."""
        if fresh:
            rng = np.random.default_rng(seed)
            stack.initialise(self.initial_weights, rng)
            self._adopt(Training.begin(stack, recipe, rng), self._engine_named(self.engine, stack), seed)
            self.t_ = 0
            return
        self._check_structure(stack, "fit with warm_start=False to start anew")
        if self.engine != "auto":
            self._adopt(self._training, self._engine_named(self.engine, self.stack_), seed)

    def _check_structure(self, asked: Stack, mend: str) -> None:
        """Raise InvalidArgumentError where the network that is there computes otherwise than the one asked for."""
        own, new = ({"layers": s.architecture, "activation": s.activations[:-1], "bias": s.bias}
                    for s in (self.stack_, asked))  # fmt: skip
        for name, value in own.items():
            if value != new[name]:
                raise InvalidArgumentError(
                    f"this network has {name} {value}, but the parameters and the data now ask for {new[name]}; {mend}"
                )

    def _threads(self, rows: int) -> int:
        """Return how many threads batches of so many rows get."""
        return threads_for(rows * self.stack_.largest_product)

    def _adopt(self, training: Training, engine: engines.Engine, seed: int) -> None:
        self._training, self._engine, self._seed = training, engine, seed
        self.stack_, self.engine_ = training.stack, engine.name
        self.n_layers_, self.n_outputs_ = len(training.stack.sizes), training.stack.sizes[-1]
        self.out_activation_ = self._make_loss().link

    def _lbfgs(self, problem: Problem, recipe: Recipe, watch: Validation | None) -> Iterator[Training]:
        training, vector = self._training, self.stack_.parameters.vector
        best = training.memory.monitor[engines.BEST_LOSS :][:1]
        evaluations = 0
        with limited_threads(self.n_threads_):
            training.memory.safe[:] = vector

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            nonlocal evaluations
            evaluations += 1
            vector[:] = theta
            with limited_threads(self.n_threads_):
                loss = self._engine.loss_and_gradient(self.stack_, recipe, problem)
            return loss, self.stack_.parameters.gradient.copy()

        limits = {"max_iter": self.max_iter, "max_fun": self.max_fun, "tolerance": self.tol}
        first = training.epoch
        for theta, loss in iterations(objective, vector.copy(), **limits):
            if not np.isfinite(loss):
                vector[:] = training.memory.safe
                raise DivergenceError(
                    f"L-BFGS diverged in iteration {training.epoch + 1}: the loss is {loss}; "
                    "scale the data or raise alpha"
                )
            vector[:] = theta
            training.memory.safe[:] = theta
            training.epoch += 1
            training.loss_curve.append(loss)
            best[0] = min(best[0], loss)
            if watch is not None:
                training.validate(recipe, watch)
            yield training
        vector[:] = training.memory.safe
        training.finished = training.epoch - first < self.max_iter and evaluations < self.max_fun

    # -- what can be seen ------------------------------------------------------------------------------------

    @property
    def _patience(self) -> int:
        return -1 if self.n_iter_no_change >= self.max_iter else int(self.n_iter_no_change)

    def _latest(self) -> tuple[int, float, float | None]:
        """Return the last epoch's number in this fit, its loss, and its validation score."""
        training = self._training
        return (
            self.n_iter_,
            training.loss_curve[-1],
            training.validation_scores[-1] if training.validation_scores else None,
        )

    def _publish(self, epochs: int, seen: int, n_samples: int, *, running: bool = False) -> None:
        """Set the attributes that scikit-learn's users look at, after so many epochs of this fit."""
        self.n_iter_, self.t_ = int(epochs), int(seen + epochs * n_samples)
        self._publish_curves(running=running)

    def _publish_curves(self, *, running: bool = False) -> None:
        """Set the curves: copies at the end of a run; within it the lists themselves, which grow with every epoch."""
        training, own = self._training, (lambda curve: curve) if running else list
        self.loss_curve_ = own(training.loss_curve)
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.inf
        stopping = self.early_stopping and self.solver != "lbfgs"
        self.best_loss_ = None if stopping else float(training.memory.monitor[engines.BEST_LOSS])
        self.validation_loss_curve_ = own(training.validation_losses) or None
        self.validation_scores_ = own(training.validation_scores) or None
        self.best_validation_score_ = max(training.validation_scores, default=None)

    def _fitted_attributes(self) -> dict[str, Any]:
        """Return what makes a copy of this estimator one that had stopped now, and stays as it is."""
        training = deepcopy(self._training)
        training.keep_best()
        return {
            "_training": training,
            "stack_": training.stack,
            "_engine": self._engine_named(self.engine_, training.stack),
        }

    def _step(self, kind: str, number: int, rate: float) -> Step:
        training = self._training
        loss = self.loss_ if training.batch == 0 else float(training.memory.monitor[engines.BATCH_LOSS])
        values: dict[str, Any] = {
            "epoch": training.epoch + (training.batch > 0),
            "loss": loss,
            "learning_rate": rate,
        }
        if kind == "batch":
            values |= {"batch": training.batch, "loss": float(training.memory.monitor[engines.BATCH_LOSS])}
        if training.validation_scores:
            values["validation_loss"] = training.validation_losses[-1]
            values["validation_score"] = training.validation_scores[-1]
        values["parameters"] = view(self.stack_.parameters.vector)
        values["gradient"] = view(self.stack_.parameters.gradient)
        values["coefs"] = [view(weight) for weight in self.stack_.weights]
        values["intercepts"] = [view(bias) for bias in self.stack_.biases]
        functions = (batch_gradient,) if self.solver == "lbfgs" else (batch_gradient, Optimizer.update)
        return Step(kind, number, MappingProxyType(values), FORMULAS, functions)

    @property
    def coefs_(self) -> list[np.ndarray]:
        """The weight matrices, one a layer, (D, H) to (H, K): views of ``stack_.parameters.vector``."""
        return self.stack_.weights

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """The biases, one vector a layer, (H,) to (K,); empty with ``bias=False``."""
        return self.stack_.biases

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "stack_")

    def _validated(self, X: Any, dtype: Any) -> np.ndarray:
        """Return X as rows (n, D), finite, in that dtype; D is as it was in training."""
        return converted(self._rows_of(X, reset=False), dtype)

    def _logits(self, X: Any) -> np.ndarray:
        """Return the last weighted sums (n, K), in float32 for X in float32 and in float64 for any other X."""
        check_is_fitted(self)
        X = self._rows_of(X, reset=False)
        dtype = np.float32 if _is_single(X) else np.float64
        X = converted(X, self.stack_.dtype)
        threads = self._threads(engines.PREDICT_ROWS)
        with limited_threads(threads), np.errstate(over="ignore", invalid="ignore"):
            logits = self._engine.predict(self.stack_, X)
        return finite_outputs(logits, X).astype(dtype, copy=False)

    # -- torch -----------------------------------------------------------------------------------------------

    def to_torch(self) -> Any:
        """Return the network as a ``torch.nn.Module`` of torch's own layers: from X (n, D) to logits (n, K).

        It has copies of the weights, and nothing of Pellucid in it. Raises MissingExtraError without PyTorch.
        """
        check_is_fitted(self)
        return module_of(self.stack_)

    def from_torch(self, module: Any) -> Self:
        """Take the weights of a module that ``to_torch`` has given, or of any whose parameters are of the same shapes.

        What an optimizer remembers of the weights before is forgotten. Raises InvalidDataError, with both shapes,
        where the module is of another network, and where a weight is not finite; then nothing changes.
        """
        check_is_fitted(self)
        theta = read_weights(self.stack_, module)
        training = self._training
        self.stack_.parameters.whole[:] = training.memory.safe[:] = theta
        training.memory.forget()
        training.best_vector = training.latest_vector = None
        return self

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``.

        Raises InvalidArgumentError where the parameters, of which it will be made again, ask for another network.
        """
        check_is_fitted(self)
        self._check_parameters()
        asked = self._build_stack(self.n_features_in_, self._count_outputs(), self._dtype)
        self._check_structure(asked, "set the parameters back, or fit it, before you save it")
        training, arrays = self._training_to_file()
        header = {
            "parameters": self.get_params(deep=False),
            "attributes": {name: getattr(self, name) for name in self._kept() if hasattr(self, name)},
            "training": training,
            "engine": self.engine_,
            "dtype": self._dtype.name,
        }
        return header, arrays

    def _training_to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return weights and state of training as plain values and arrays."""
        state, arrays = self._training.to_arrays()
        monitor = arrays.pop("monitor")
        named = {f"training.{name}": value for name, value in arrays.items()}
        return state | {
            "monitor": monitor.tolist()
        }, self.stack_.parameters.views | self.stack_.parameters.running | named

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the model of which ``to_file`` told; raise ModelFileError where the two disagree."""
        try:
            model = cls(**entries["parameters"])
            model._check_parameters()
            for name, value in entries["attributes"].items():
                if name not in model._kept():
                    raise ModelFileError(f"holds an attribute {name!r}, which a {cls.__name__} does not have")
                setattr(model, name, value)
            model._restore(entries, dict(arrays))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"does not describe a {cls.__name__}: {error}") from error
        return model

    def _restore(self, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        self._dtype = np.dtype(entries["dtype"])
        stack = self._build_stack(self.n_features_in_, self._count_outputs(), self._dtype)
        training = self._training_from(stack, entries["training"], arrays)
        self._adopt(training, self._engine_named(entries["engine"], stack), int(self._seed))
        rows = self.batch_size if self.batch_size != "auto" else 200
        self.n_threads_ = self._engine.threads = self._threads(rows)
        self._publish_curves()

    def _training_from(self, stack: Stack, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Training:
        """Return the training of which ``_training_to_file`` told, over this stack, the weights in place."""
        own = stack.parameters.views | stack.parameters.running
        given = {name: expect_shape(arrays, name, place.shape) for name, place in own.items()}
        state = {
            name.removeprefix("training."): value for name, value in arrays.items() if name.startswith("training.")
        }
        expect_names(arrays, [*own, *(f"training.{name}" for name in state)])
        for name in ("safe", *(name for name in ("best_vector", "latest_vector") if name in state)):
            expect_shape(arrays, f"training.{name}", stack.parameters.whole.shape)
        expect_shape(arrays, "training.slots", (arrays["training.slots"].shape[0], stack.parameters.vector.size))
        for name, place in own.items():  # now that all fit
            place[...] = given[name]
        return Training.from_arrays(stack, header, state | {"monitor": np.array(header["monitor"], np.float64)})

    def _kept(self) -> tuple[str, ...]:
        """Return the attributes that a model file keeps besides parameters and weights."""
        return ("n_features_in_", "feature_names_in_", "preprocessing_", "n_iter_", "t_", "_seed")

    def _count_outputs(self) -> int:
        """Return how many outputs the targets ask for."""
        raise NotImplementedError

    def _check_y(self, y: Any, n_samples: int) -> np.ndarray:
        """Return y as an array of n_samples rows."""
        raise NotImplementedError

    def _class_factors(self, y: np.ndarray, weights: np.ndarray | None) -> ClassFactors | None:
        """Return a function from targets to how much each counts for its class, or None."""
        return None


def each_of(value: Any) -> tuple[Any, ...] | None:
    """Return the elements of a sequence, or None for a single value."""
    try:
        single = isinstance(value, str) or np.ndim(value) == 0
    except ValueError:  # a ragged nest
        single = False
    return None if single else tuple(value)


def _is_single(X: Any) -> bool:
    """Whether numbers are float32 or smaller floats, in whatever byte order."""
    return X.dtype.kind == "f" and X.dtype.itemsize <= 4


def _product(weights: np.ndarray | None, class_factors: ClassFactors | None, y: np.ndarray) -> np.ndarray | None:
    """Return the weights of samples times those of their classes."""
    if class_factors is None:
        return weights
    factors = class_factors(y)
    return factors if weights is None else weights * factors
