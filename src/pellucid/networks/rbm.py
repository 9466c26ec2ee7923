"""The restricted Boltzmann machine: visible and hidden units, every pair of the two kinds joined, none within one.

With visible units v (D,), hidden units h (H,), weights W (H, D) and biases b (D,), c (H,)::

    E(v, h) = -bᵀv - cᵀh - hᵀW v                        P(v, h) = exp(-E(v, h)) / Z
    P(h = 1 | v) = σ(c + W v)        (H,)               P(v = 1 | h) = σ(b + Wᵀh)        (D,)
    F(v) = -bᵀv - Σ_j log(1 + exp(c_j + W_j v))         P(v) = exp(-F(v)) / Z

The Gaussian machine has real visible units of variance 1: ½ |v - b|² stands for -bᵀv, and v | h ~ N(b + Wᵀh, 1).
The slope of the mean log P(v) is the difference of two means, of the data and of the model::

    d/dW = <P(h|v) vᵀ>_data - <P(h|v) vᵀ>_model         d/db, d/dc likewise with v and P(h|v)

The model's v come from k rounds of Gibbs sampling: begun at the data (``cd``) or where the last batch's ended
(``pcd``).

Source: Smolensky 1986; Hinton 2002 (CD); Tieleman 2008 (PCD); Salakhutdinov, Murray 2008 (annealed sampling).
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from scipy.special import expit as sigmoid
from scipy.special import log_expit, logsumexp
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import DivergenceError, InvalidArgumentError, InvalidDataError, ModelFileError, PellucidWarning
from pellucid.learning.estimator import (
    check_choice,
    check_number,
    check_seed,
    finite_outputs,
    numbers,
    unchanged_by_errors,
    validated,
)
from pellucid.learning.step import Step, view
from pellucid.learning.threads import limited_threads
from pellucid.learning.trace import Record, Trace
from pellucid.parts.schedule import Schedule
from pellucid.saving import expect_names, expect_shape

__all__ = ["BernoulliRBM", "GaussianRBM", "deep_belief_net", "free_energy", "gradient", "mean_hiddens"]

# Multiply-adds that one compiled call takes on at most: some 0.05 s.
CHUNK = 1_000_000_000
# Numbers that an intermediate array holds at most.
ROOM = 2_000_000
MOST_UNITS = 20
# Fewer samples than this are no reason for a warning, if nobody has chosen it.
DEFAULT_BATCH = 10
ARRAYS = ("W", "b", "c", "dW", "db", "dc", "chain", "active")
ATTRIBUTES = ("n_features_in_", "feature_names_in_", "n_iter_", "_batches", "_batch")
FORMULAS = MappingProxyType(
    {
        "v_positive": "v of the data",
        "h_positive": "P(h = 1 | v) of the data",
        "v_negative": "v of the model, by k rounds of Gibbs sampling",
        "h_negative": "P(h = 1 | v) of the model",
        "outer_positive": "<P(h|v) vᵀ> of the data",
        "outer_negative": "<P(h|v) vᵀ> of the model",
        "change": "ΔW = η (<P(h|v) vᵀ>_data - <P(h|v) vᵀ>_model)",
        "components": "W = W + ΔW",
    }
)


def mean_hiddens(V: np.ndarray, W: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return P(h = 1 | v) = σ(c + W v), (N, H)."""
    return sigmoid(V @ W.T + c)


def free_energy(V: np.ndarray, W: np.ndarray, b: np.ndarray, c: np.ndarray, gaussian: bool = False) -> np.ndarray:
    """Return F(v) of each row of V (N, D), (N,)."""
    visible = 0.5 * ((V - b) ** 2).sum(axis=1) if gaussian else -(V @ b)
    return visible - np.logaddexp(0, V @ W.T + c).sum(axis=1)


def gradient(
    data: np.ndarray, model: np.ndarray, W: np.ndarray, c: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the slopes (H, D), (D,), (H,) of mean log P; ``weights`` (M,) are the shares of the model's rows."""
    shares = np.full(len(model), 1 / len(model)) if weights is None else weights
    h_data, h_model = mean_hiddens(data, W, c), mean_hiddens(model, W, c) * shares[:, None]
    return (
        h_data.T @ data / len(data) - h_model.T @ model,
        data.mean(0) - shares @ model,
        h_data.mean(0) - h_model.sum(0),
    )


def sample_units(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return units of 0 and 1, drawn to be 1 with the probabilities p (N, H), (N, H)."""
    return (rng.random(p.shape) < p).astype(np.float64)


def _states(n: int) -> np.ndarray:
    """Return all states of n units, (2ⁿ, n)."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(np.float64)


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A restricted Boltzmann machine of binary units; input between 0 and 1 counts as probabilities.

    Parameters
    ----------
    n_components : int, default=256
        Hidden units.
    learning_rate : float, default=0.1
    batch_size : int, default=10
    n_iter : int, default=10
        Epochs.
    verbose : int, default=0
        Print the mean score of ``score_samples`` after every epoch.
    random_state : int, RandomState or None, default=None
    algorithm : {"pcd", "cd"}, default="pcd"
    k : int, default=1
        Rounds of Gibbs sampling a batch.
    momentum, weight_decay : float, default=0.0
    sparsity_target, sparsity_cost : float, default=0.1 and 0.0
        How often a hidden unit should be on, and how strongly it is held to that.
    schedule : {"constant", "step", "invscaling", "cosine"}, default="constant"
    dtype : {"float32", "float64"}, default="float32"
        What training computes in; what is asked of the fitted machine is computed in float64.

    Attributes
    ----------
    components_ : ndarray of shape (H, D)
    intercept_hidden_ : ndarray of shape (H,)
    intercept_visible_ : ndarray of shape (D,)
    h_samples_ : ndarray of shape (batch_size, H)
        Hidden units of the chains that go on from batch to batch.
    n_iter_ : int
        Whole epochs of the last ``fit``.

    """

    _gaussian = False

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = DEFAULT_BATCH,
        n_iter: int = 10,
        verbose: int = 0,
        random_state: Any = None,
        algorithm: str = "pcd",
        k: int = 1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        sparsity_target: float = 0.1,
        sparsity_cost: float = 0.0,
        schedule: str = "constant",
        dtype: str = "float32",
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.verbose = verbose
        self.random_state = random_state
        self.algorithm = algorithm
        self.k = k
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.schedule = schedule
        self.dtype = dtype

    # -- learning --------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from X (n, D) for ``n_iter`` epochs; y is not looked at."""
        X = self._begin(X, fresh=True)
        return self._epochs(X, self.n_iter)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Go on for one epoch over X (n, D), which may be other rows; ``dtype`` and ``n_components`` must stay."""
        X = self._begin(X, fresh=not hasattr(self, "components_"))
        return self._epochs(X, 1)

    def steps(self, X: Any, y: Any = None) -> Iterator[Step]:
        """Run as ``fit`` does, to the last bit, and yield a Step after every minibatch.

        Values: ``v_positive``, ``h_positive``, ``v_negative``, ``h_negative``, the two ``outer`` products (H, D),
        ``change`` (H, D), ``components`` (H, D), ``epoch``, ``learning_rate``. The machine is usable after each.
        """
        from pellucid.parts.compiled.boltzmann import contrast

        X = self._begin(X, fresh=True)
        count = self._count(X)
        whole = self._state()
        for number in range(count * self.n_iter):
            batch = number % count
            whole = self._state() if batch == 0 else whole
            before, c = self.components_.copy(), self.intercept_hidden_.copy()
            with self._whole_or(whole), limited_threads(1):
                rate = self._advance(X, batch, batch + 1)
                self._check_finite(X)
            self.n_iter_ += batch == count - 1
            rows = X[batch * self._batch : (batch + 1) * self._batch]
            model = self._V[: (self._batch if self.algorithm == "pcd" else len(rows))]
            with np.errstate(all="ignore"):  # of a run that diverges, what is finite no more is to be seen too
                h_data, h_model = mean_hiddens(rows, before, c), mean_hiddens(model, before, c)
                outer = h_data.T @ rows / len(rows), h_model.T @ model / len(model)
            values = {
                "epoch": number // count + 1, "learning_rate": rate,
                "v_positive": view(rows), "h_positive": h_data, "v_negative": view(model), "h_negative": h_model,
                "outer_positive": outer[0], "outer_negative": outer[1],
                "change": self.components_ - before, "components": view(self.components_),
            }  # fmt: skip
            functions = (type(self)._advance, contrast, mean_hiddens)
            yield Step("batch", number + 1, MappingProxyType(values), FORMULAS, functions)

    def _epochs(self, X: np.ndarray, epochs: int) -> Self:
        count = self._count(X)
        size = max(1, CHUNK // (self._batch * self._W.size * (3 + 2 * self.k)))  # batches of one call
        together = 1 if self.verbose else max(1, size // count)  # short epochs, between two looks at how it goes
        last = self.n_iter_ + epochs
        try:
            with limited_threads(1):
                while self.n_iter_ < last:
                    these = min(together, last - self.n_iter_)
                    try:
                        with self._whole_or(self._state()):
                            for start in range(0, these * count, size):
                                self._advance(X, start, min(these * count, start + size))
                            self._check_finite(X)
                    except DivergenceError:
                        if these == 1:
                            raise
                        together = 1  # once more, to find the epoch
                        continue
                    self.n_iter_ += these
                    if self.verbose:
                        score = self._scores(X[:1000].astype(np.float64)).mean()
                        print(f"Iteration {self.n_iter_}, score = {score:.2f}")
        except KeyboardInterrupt:
            warnings.warn(
                f"training interrupted: the machine is as it was after epoch {self.n_iter_}, and usable",
                PellucidWarning,
                stacklevel=3,
            )
        return self

    @contextmanager
    def _whole_or(self, before: tuple[Any, ...]) -> Iterator[None]:
        """Go back to the state ``before`` if the block raises."""
        try:
            yield
        except BaseException:
            self._put_back(before)
            raise

    def _check_finite(self, X: np.ndarray) -> None:
        """Raise DivergenceError if a weight is no longer finite."""
        if all(np.isfinite(getattr(self, name)).all() for name in ("_W", "_b", "_c")):
            return
        rate = self._rates(self._batches - 1, 1, self._count(X), len(X))[0]
        raise DivergenceError(
            f"training diverged in epoch {self.n_iter_ + 1} at learning rate {rate:g}; the weights of the "
            "epoch before are kept; lower learning_rate or scale the data"
        )

    def _count(self, X: np.ndarray) -> int:
        return -(-len(X) // self._batch)

    def _rates(self, first: int, count: int, per_epoch: int, n_samples: int) -> np.ndarray:
        schedule = Schedule(self.schedule, self.learning_rate, max_epochs=self.n_iter)
        return schedule.rates(first, count, per_epoch, n_samples)

    def _advance(self, X: np.ndarray, first: int, last: int) -> float:
        """Learn from the minibatches first to last, through X again and again; return the last learning rate."""
        from pellucid.parts.compiled.boltzmann import contrast

        rates = self._rates(self._batches, last - first, self._count(X), len(X))
        contrast(
            X.ravel(), first, rates, self._batch, self._W, self._b, self._c, self._dW, self._db, self._dc, self._chain,
            self._V.ravel(), self._P, self._Z, self._active, self._rng, float(self.momentum), float(self.weight_decay),
            float(self.sparsity_target), float(self.sparsity_cost), int(self.k), self.algorithm == "pcd",
            self._gaussian,
        )  # fmt: skip
        self._batches += last - first
        return float(rates[-1])

    def _begin(self, X: Any, *, fresh: bool) -> np.ndarray:
        with unchanged_by_errors(self):
            self._check_parameters()
            X = self._visible(X, self.dtype, reset=fresh)
            if fresh:
                seed = int(check_seed(self.random_state).randint(2**31 - 1))
                rng = np.random.Generator(np.random.SFC64(seed))
                D, H = X.shape[1], int(self.n_components)
                batch = min(int(self.batch_size), len(X))
                if self.batch_size > len(X) > 0 and self.batch_size != DEFAULT_BATCH:
                    warnings.warn(
                        f"batch_size={self.batch_size} is more than the {len(X)} samples: {batch} is used",
                        PellucidWarning,
                        stacklevel=4,
                    )
                arrays = {
                    "W": rng.normal(0, 0.01, H * D), "b": np.zeros(D), "c": np.zeros(H), "dW": np.zeros(H * D),
                    "db": np.zeros(D), "dc": np.zeros(H), "chain": np.zeros(batch * H), "active": np.full(H, 0.5),
                }  # fmt: skip
                self._adopt(arrays, rng, batch)
                self._batches = 0
                self.n_iter_ = 0
                self.__dict__.pop("_sampler", None)
            else:
                self._go_on(X)
            return X

    def _go_on(self, X: np.ndarray) -> None:
        """Make ready for more rows: as many chains as batches of them need, and no velocity without momentum."""
        for name, there in (("n_components", self._c.size), ("dtype", self._W.dtype.name)):
            if getattr(self, name) != there:
                raise InvalidArgumentError(
                    f"{name} must stay {there}, as the machine is, got {getattr(self, name)}; start anew with fit"
                )
        batch = min(int(self.batch_size), max(len(X), self._batch))
        if batch != self._batch:
            kept = {name: getattr(self, f"_{name}") for name in ARRAYS}
            kept["chain"] = np.resize(self.h_samples_, (batch, self._c.size))
            self._adopt(kept, self._rng, batch)
        if not self.momentum:
            self._dW[:] = 0

    def _adopt(self, arrays: dict[str, np.ndarray], rng: np.random.Generator, batch: int) -> None:
        """Take these arrays as the machine's own, flat and of its dtype, and make buffers for batches of that size.

        The weights are kept as compiled code wants them, (D, H), a row for each visible unit.
        """
        for name, array in arrays.items():
            setattr(self, f"_{name}", np.array(array.ravel(), self.dtype))
        D, H = self._b.size, self._c.size
        self._rng, self._batch = rng, batch
        self._V, self._P = np.zeros((2 * batch, D), self.dtype), np.zeros(2 * batch * H, self.dtype)
        self._Z = np.zeros(batch * D, self.dtype)

    def _state(self) -> tuple[Any, ...]:
        return {name: getattr(self, f"_{name}").copy() for name in ARRAYS}, self._rng.bit_generator.state, self._batches

    def _put_back(self, state: tuple[Any, ...]) -> None:
        arrays, random, self._batches = state
        for name, array in arrays.items():
            getattr(self, f"_{name}")[:] = array
        self._rng.bit_generator.state = random

    def _check_parameters(self) -> None:
        for name in ("n_components", "batch_size", "k"):
            check_number(name, getattr(self, name), 1, integer=True)
        check_number("n_iter", self.n_iter, 0, integer=True)
        check_number("learning_rate", self.learning_rate, 0, open_low=True)
        verbose = int(self.verbose) if isinstance(self.verbose, bool | np.bool_) else self.verbose
        check_number("verbose", verbose, 0, integer=True, otherwise=" or a boolean")
        check_number("momentum", self.momentum, 0, 1, open_high=True)
        check_number("weight_decay", self.weight_decay, 0)
        check_number("sparsity_cost", self.sparsity_cost, 0)
        check_number("sparsity_target", self.sparsity_target, 0, 1, open_low=True, open_high=True)
        check_choice("algorithm", self.algorithm, ("pcd", "cd"))
        check_choice("schedule", self.schedule, ("constant", "step", "invscaling", "cosine"))
        check_choice("dtype", self.dtype, ("float32", "float64"))

    def _visible(self, X: Any, dtype: Any, *, reset: bool) -> np.ndarray:
        """Return X as (N, D); raise InvalidDataError, naming the first value, where it is outside [0, 1]."""
        X = validated(self, X, dtype, reset=reset)
        if not self._gaussian and (X.min() < 0 or X.max() > 1):
            row, column = (int(i) for i in np.argwhere((X < 0) | (X > 1))[0])
            raise InvalidDataError(
                f"X must lie within [0, 1], got {X[row, column]:g} at row {row}, column {column}; "
                "scale it (MinMaxScaler), or use GaussianRBM for real values"
            )
        return X

    # -- the fitted machine ----------------------------------------------------------------------------------

    @property
    def components_(self) -> np.ndarray:
        """The weights, (H, D): a view."""
        return self._given("_W").reshape(self._b.size, self._c.size).T

    @property
    def intercept_hidden_(self) -> np.ndarray:
        """The biases of the hidden units, (H,)."""
        return self._given("_c")

    @property
    def intercept_visible_(self) -> np.ndarray:
        """The biases of the visible units, (D,)."""
        return self._given("_b")

    @property
    def h_samples_(self) -> np.ndarray:
        """The hidden units of the chains, (batch, H)."""
        return self._given("_chain").reshape(-1, self._c.size)

    def _given(self, name: str) -> np.ndarray:
        if name not in self.__dict__:
            raise AttributeError(f"this {type(self).__name__} is not fitted yet")
        return self.__dict__[name]

    @property
    def _n_features_out(self) -> int:
        return self._c.size

    def _doubles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        check_is_fitted(self)
        return tuple(a.astype(np.float64) for a in (self.components_, self._b, self._c))  # type: ignore[return-value]

    def _input(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return self._visible(X, np.float64, reset=False)

    def transform(self, X: Any) -> np.ndarray:
        """Return P(h = 1 | v) of each row, (n, H); in float32 for X in float32."""
        V = self._input(X)
        W, _, c = self._doubles()
        with np.errstate(all="ignore"):  # finite_outputs says what left the finite numbers
            means = finite_outputs(mean_hiddens(V, W, c), V)
        return means.astype(np.float32 if getattr(X, "dtype", None) == np.float32 else np.float64)

    def inverse_transform(self, H: Any) -> np.ndarray:
        """Return the mean of the visible units given hidden ones (n, H), (n, D)."""
        W, b, _ = self._doubles()
        H = numbers("H", H, np.float64)
        if H.ndim != 2 or H.shape[1] != len(W):
            raise InvalidDataError(f"H must be of shape (n, {len(W)}), one column a hidden unit, got shape {H.shape}")
        with np.errstate(all="ignore"):
            return finite_outputs(self._mean_visibles(H @ W + b), H)

    def reconstruct(self, X: Any) -> np.ndarray:
        """Return the rows as the machine sees them: to the hidden units and back, by means, (n, D)."""
        V = self._input(X)
        W, b, c = self._doubles()
        with np.errstate(all="ignore"):
            return finite_outputs(self._mean_visibles(mean_hiddens(V, W, c) @ W + b), V)

    def free_energy(self, X: Any) -> np.ndarray:
        """Return F(v) of each row, (n,)."""
        V = self._input(X)
        with np.errstate(all="ignore"):
            return finite_outputs(free_energy(V, *self._doubles(), self._gaussian), V)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the log pseudo-likelihood of each row, Σ_i log P(v_i | all other units), (n,); nothing is random."""
        return self._scores(self._input(X))

    def _scores(self, V: np.ndarray) -> np.ndarray:
        W, b, c = self._doubles()
        scores = np.empty(len(V))
        rows = max(1, ROOM // W.size)
        for start in range(0, len(V), rows):
            v = V[start : start + rows]
            z = v @ W.T + c  # (n, H)
            flip = 1 - 2 * v  # (n, D): what each visible unit's flip adds to it
            softplus = np.logaddexp(0, z[:, None] + flip[:, :, None] * W.T).sum(2)  # (n, D)
            rise = -flip * b - softplus + np.logaddexp(0, z).sum(1)[:, None]
            scores[start : start + rows] = log_expit(rise).sum(1)
        return scores

    def gibbs(self, v: Any) -> np.ndarray:
        """Return v (n, D) after one round of Gibbs sampling; each call goes on with the random numbers."""
        V = self._input(v)
        with np.errstate(all="ignore"):
            return finite_outputs(self._gibbs(V, *self._doubles(), self._going_on()), V)

    def sample(self, n: int = 1, burn_in: int = 1000) -> np.ndarray:
        """Return n fantasy particles (n, D): chains begun at random and left alone for ``burn_in`` rounds.

        A whole number as ``random_state`` gives the same particles at every call.
        """
        check_number("n", n, 1, integer=True)
        check_number("burn_in", burn_in, 1, integer=True)
        W, b, c = self._doubles()
        rng = self._generator()
        V = rng.normal(size=(n, len(b))) if self._gaussian else (rng.random((n, len(b))) < 0.5).astype(np.float64)
        for _ in range(burn_in):
            V = self._gibbs(V, W, b, c, rng)
        return V

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(check_seed(self.random_state).randint(2**31 - 1))

    def _going_on(self) -> np.random.Generator:
        """Return the generator of single rounds, begun at the first of them after ``fit``."""
        if not hasattr(self, "_sampler"):
            self._sampler = self._generator()
        return self._sampler

    def _mean_visibles(self, z: np.ndarray) -> np.ndarray:
        return z if self._gaussian else sigmoid(z)

    def _sample_visibles(self, z: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return z + rng.normal(size=z.shape) if self._gaussian else sample_units(sigmoid(z), rng)

    def _gibbs(
        self, V: np.ndarray, W: np.ndarray, b: np.ndarray, c: np.ndarray, rng: np.random.Generator, beta: float = 1.0
    ) -> np.ndarray:
        h = sample_units(mean_hiddens(V, beta * W, beta * c), rng)
        return self._sample_visibles(b + beta * (h @ W), rng)

    def exact_log_z(self) -> float:
        """Return log Z, summed over all states of the smaller side, of at most 20 units."""
        W, b, c = self._doubles()
        least = len(c) if self._gaussian else min(len(b), len(c))
        if least > MOST_UNITS:
            raise InvalidArgumentError(
                f"exact_log_z sums over 2^{least} states; at most {MOST_UNITS} units are allowed: use ais_log_z"
            )
        states = _states(least)
        if self._gaussian:
            means = states @ W + b
            terms = states @ c + 0.5 * ((means**2).sum(1) - b @ b) + 0.5 * len(b) * np.log(2 * np.pi)
        elif len(c) == least:
            terms = states @ c + np.logaddexp(0, states @ W + b).sum(1)
        else:
            terms = -free_energy(states, W, b, c)
        return float(logsumexp(terms))

    def ais_log_z(self, n_chains: int = 100, n_temperatures: int = 1000) -> tuple[float, float]:
        """Return log Z by annealed importance sampling, and its standard error.

        The chains go from W = 0, whose Z is known, to the machine; the error is that of the mean of their weights.
        """
        check_number("n_chains", n_chains, 2, integer=True)
        check_number("n_temperatures", n_temperatures, 2, integer=True)
        W, b, c = self._doubles()
        rng = self._generator()
        V = self._sample_visibles(np.tile(b, (n_chains, 1)), rng)
        log_weights = np.zeros(n_chains)
        betas = np.linspace(0, 1, n_temperatures)
        for before, beta in pairwise(betas):
            z = V @ W.T + c
            log_weights += (np.logaddexp(0, beta * z) - np.logaddexp(0, before * z)).sum(1)
            V = self._gibbs(V, W, b, c, rng, beta)
        base = 0.5 * len(b) * np.log(2 * np.pi) if self._gaussian else np.logaddexp(0, b).sum()
        log_mean = logsumexp(log_weights) - np.log(n_chains)
        spread = np.exp(log_weights - log_mean).std(ddof=1) / np.sqrt(n_chains)
        return float(base + len(c) * np.log(2) + log_mean), float(spread)

    def trace(self, v: Any) -> Trace:
        """Return one round of Gibbs sampling from v (D,) or (N, D): its probabilities and its samples.

        As with ``gibbs``, each call goes on with the random numbers.
        """
        check_is_fitted(self)
        single = not hasattr(v, "columns") and numbers("v", v, np.float64).ndim == 1
        V = self._input(np.asarray(v)[None] if single else v)
        W, b, c = self._doubles()
        with np.errstate(all="ignore"):
            energies = finite_outputs(free_energy(V, W, b, c, self._gaussian), V)
        rng = self._going_on()
        p = mean_hiddens(V, W, c)
        h = sample_units(p, rng)
        z = h @ W + b
        mean, drawn = "b + Wᵀh" if self._gaussian else "σ(b + Wᵀh)", self._sample_visibles(z, rng)
        records = [
            Record("v", "v", V, "N D"),
            Record("p_h", "P(h = 1 | v) = σ(c + W v)", p, "N H", function=mean_hiddens),
            Record("h", "h ~ P(h | v)", h, "N H", function=sample_units),
            Record("p_v", f"E(v' | h) = {mean}", self._mean_visibles(z), "N D", function=type(self)._mean_visibles),
            Record("v_next", "v' ~ P(v | h)", drawn, "N D", function=type(self)._sample_visibles),
            Record("free_energy", "F(v)", energies, "N", function=free_energy),
        ]
        return Trace(type(self).__name__, records)

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``."""
        check_is_fitted(self)
        attributes = {name: getattr(self, name) for name in ATTRIBUTES if hasattr(self, name)}
        arrays = {name: getattr(self, f"_{name}").reshape(shape) for name, shape in self._shapes().items()}
        arrays["random"] = self._rng.bit_generator.state["state"]["state"]
        return {"parameters": self.get_params(deep=False), "attributes": attributes}, arrays

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        D, H, batch = int(self.n_features_in_), int(self.n_components), self._batch
        return {
            "W": (D, H), "b": (D,), "c": (H,), "dW": (D, H), "db": (D,), "dc": (H,), "chain": (batch, H),
            "active": (H,),
        }  # fmt: skip

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the machine of which ``to_file`` told; raise ModelFileError where the two disagree."""
        try:
            model = cls(**entries["parameters"])
            model._check_parameters()
            for name, value in entries["attributes"].items():
                if name not in ATTRIBUTES:
                    raise ModelFileError(f"holds an attribute {name!r}, which a {cls.__name__} does not have")
                if name != "feature_names_in_":
                    check_number(name, value, int(name in {"n_features_in_", "_batch"}), integer=True)
                setattr(model, name, value)
            model._restore(arrays)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, ModelFileError):
                raise
            raise ModelFileError(f"does not describe a {cls.__name__}: {error}") from error
        return model

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        shapes = self._shapes()
        expect_names(arrays, [*shapes, "random"])
        for name in shapes:
            if expect_shape(arrays, name, shapes[name]).dtype != self.dtype:
                raise ModelFileError(f"holds {name!r} in {arrays[name].dtype}, but its parameters ask for {self.dtype}")
        names = self.__dict__.get("feature_names_in_")
        if names is not None and np.shape(names) != (self.n_features_in_,):
            raise ModelFileError(f"names {np.size(names)} features, but has {self.n_features_in_}")
        rng = np.random.Generator(np.random.SFC64(0))
        state = dict(rng.bit_generator.state)
        state["state"] = {"state": expect_shape(arrays, "random", (4,)).astype(np.uint64, casting="safe")}
        rng.bit_generator.state = state
        self._adopt({name: arrays[name] for name in shapes}, rng, self._batch)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_W")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class GaussianRBM(BernoulliRBM):
    """A restricted Boltzmann machine with real visible units of variance 1: standardise X first.

    Its parameters and methods are those of ``BernoulliRBM``; a learning rate ten times smaller suits it.
    """

    _gaussian = True

    def score_samples(self, X: Any) -> np.ndarray:
        """Return -F(v) of each row, (n,): its log density but for log Z, which is the same for all rows."""
        return -self.free_energy(X)


def deep_belief_net(
    X: Any,
    y: Any,
    hidden_layer_sizes: tuple[int, ...] = (100, 50),
    *,
    random_state: int | None = None,
    machine: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
) -> Any:
    """Return an ``MLPClassifier`` fine-tuned on X (n, D) within [0, 1] and y from the weights of stacked machines.

    Each machine learns from P(h = 1 | v) of the one below, without y; then the whole network learns by y.
    ``machine`` and ``network`` are parameters for ``BernoulliRBM`` and ``MLPClassifier``, all but the number of
    hidden units. Raises InvalidArgumentError, InvalidDataError. Source: Hinton, Osindero, Teh 2006.
    """
    from pellucid.networks.mlp import MLPClassifier

    settings: dict[str, Any] = {"learning_rate": 0.06, "random_state": random_state} | (machine or {})
    options: dict[str, Any] = {"activation": "logistic", "learning_rate_init": 0.003, "random_state": random_state}
    options |= (network or {}) | {"hidden_layer_sizes": hidden_layer_sizes, "warm_start": True, "max_iter": 1}
    model = _made(MLPClassifier, "network", options)
    machines, V = [], X
    for size in model._hidden_sizes():
        machines.append(_made(BernoulliRBM, "machine", settings | {"n_components": size}).fit(V))
        V = machines[-1].transform(V)
    with warnings.catch_warnings():
        # One epoch makes the layers; that it did not converge is known.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    for weights, bias, below in zip(model.coefs_, model.intercepts_, machines, strict=False):
        weights[...] = below.components_.T
        bias[...] = below.intercept_hidden_
    model.set_params(max_iter=(network or {}).get("max_iter", 200))
    return model.fit(X, y)


def _made(kind: Any, argument: str, settings: dict[str, Any]) -> Any:
    """Return the estimator with these parameters, checked; raise InvalidArgumentError for one it does not have."""
    if unknown := sorted(set(settings) - set(kind().get_params())):
        raise InvalidArgumentError(f"{argument} must name parameters of {kind.__name__}, got {unknown[0]!r}")
    made = kind(**settings)
    made._check_parameters()
    return made
