"""The Hopfield network: one layer in which every unit is input and output, and memories are valleys of an energy.

States s (N,) are ±1, weights W (N, N) symmetric with zero diagonal, bias b (N,)::

    h = W s + b                               local fields (N,)
    E(s) = -½ sᵀ W s - bᵀ s                   energy
    s_i <- sign(h_i), as it is where h_i = 0  one unit visited: ΔE = -2 |h_i| if it flips, never a rise

So every asynchronous run ends in a fixed point. P patterns x_p (N,) are stored by one of three rules::

    hebb            W = 1/N Σ_p x_p x_pᵀ                                     holds about 0.138 N random patterns
    storkey         W += 1/N (x xᵀ - x hᵀ - h xᵀ + 2 W), h = W x, for each x  holds more, and can be added to
    pseudo_inverse  W = Xᵀ (X Xᵀ)⁻¹ X                                        every pattern is a fixed point

each with its diagonal set to zero. Hebb's weights times N are whole numbers, and so are the fields: they are kept
exactly, and changed only when a unit flips (the matrix form). For many units the overlaps m_p = x_pᵀ s are kept
instead, h_i = 1/N (Σ_p x_pi m_p - P s_i), and no matrix is ever made (the factor form). Both visit and flip alike.

At a temperature T a unit becomes +1 with the chance σ(2 h_i / T) (Glauber). All units at once (synchronous) may
end in two states that take turns.

Source: Hopfield 1982; Amit, Gutfreund, Sompolinsky 1985 (capacity); Personnaz, Guyon, Dreyfus 1985 (pseudo-inverse);
Storkey 1997; Glauber 1963.
"""

import warnings
from collections.abc import Iterator
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import InvalidArgumentError, InvalidDataError, PellucidWarning
from pellucid.learning.estimator import (
    check_choice,
    check_number,
    check_seed,
    finite,
    numbers,
    numeric,
    unchanged_by_errors,
)
from pellucid.learning.step import Step, view
from pellucid.learning.trace import Record, Trace
from pellucid.saving import expect_names, expect_shape

__all__ = ["CAPACITY", "HopfieldNetwork", "Recall", "corrupted", "hebb", "pseudo_inverse", "storkey", "visiting_orders"]

CAPACITY = 0.138
RULES = ("hebb", "storkey", "pseudo_inverse")
FORMULAS = MappingProxyType(
    {
        "field": "h_i = Σ_j W_ij s_j + b_i",
        "flipped": "s_i <- sign(h_i)",
        "energy": "E = -½ sᵀ W s - bᵀ s",
        "state": "s",
    }
)
# Above these many units the factor form: a matrix of 16-bit numbers would take more than 0.5 GB.
MOST_IN_MATRIX = 16_384
# Numbers that are worked on at a time: what a compiled call does stays within 0.2 s, temporaries within 64 MB.
CHUNK = 8_000_000
# A field of weights that are not whole is zero within this share of what it is summed from.
ROUNDING = 1e-12


class Recall(NamedTuple):
    """What became of n rows: the ``states`` (n, N), the ``sweeps`` and ``flips`` (n,) until then, the ``outcome`` (n,).

    An outcome is "fixed", "cycle" (synchronous: two states take turns), "unsettled" or "sampled" (stochastic).
    """

    states: np.ndarray
    sweeps: np.ndarray
    flips: np.ndarray
    outcome: np.ndarray


# -- the mathematics -----------------------------------------------------------------------------------------


def hebb(X: np.ndarray) -> np.ndarray:
    """Return N W of Hebb's rule for patterns X (P, N): whole numbers (N, N), diagonal zero."""
    P, N = X.shape
    W = np.empty((N, N), np.int16 if P < 1 << 15 else np.int32)
    single: Any = X.astype(np.float32 if P < 1 << 24 else np.float64)
    rows = max(1, CHUNK // N)
    for start in range(0, N, rows):
        W[start : start + rows] = single.T[start : start + rows] @ single
    np.fill_diagonal(W, 0)
    return W


def storkey(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the weights (N, N) after the pattern x (N,) has been added to W by Storkey's rule."""
    h = W @ x
    crossed = np.outer(x, h)
    W = W + (np.outer(x, x) - (crossed + crossed.T) + 2 * W) / len(x)
    np.fill_diagonal(W, 0)
    return W


def pseudo_inverse(X: np.ndarray) -> np.ndarray:
    """Return W (N, N), the projection on the patterns X (P, N) without its diagonal."""
    X = X.astype(np.float64)
    W = np.linalg.pinv(X, rcond=1e-10) @ X
    W = (W + W.T) / 2
    np.fill_diagonal(W, 0)
    return W


def visiting_orders(n_units: int, seed: int, order: str = "random") -> Iterator[np.ndarray]:
    """Yield the order (N,) in which each sweep visits the units, without end."""
    generator = np.random.default_rng(seed)
    cyclic = np.arange(n_units, dtype=np.int32)
    while True:
        yield cyclic if order == "cyclic" else generator.permutation(n_units).astype(np.int32)


def corrupted(X: Any, share: float, random_state: Any = None) -> np.ndarray:
    """Return X (n, N) of ±1 with ``share`` of each row's units, chosen at random, turned over.

    Raises InvalidDataError for anything but rows of -1 and +1.
    """
    check_number("share", share, 0, 1)
    generator = check_seed(random_state)
    noisy = np.array(X)
    if noisy.ndim != 2 or not np.isin(noisy, (-1, 1)).all():
        raise InvalidDataError(f"X must be rows (n, N) of -1 and +1, got an array of shape {noisy.shape}")
    count = round(share * noisy.shape[1])
    for row in noisy:
        row[generator.permutation(len(row))[:count]] *= -1
    return noisy


def _dense(X: Any) -> Any:
    return X.toarray() if hasattr(X, "toarray") else X


# -- the estimator -------------------------------------------------------------------------------------------


class HopfieldNetwork(BaseEstimator):
    """An associative memory: stores patterns of ±1, and completes damaged ones.

    Parameters
    ----------
    rule : {"hebb", "storkey", "pseudo_inverse"}, default="hebb"
    update : {"asynchronous", "synchronous", "stochastic"}, default="asynchronous"
        One unit after the other, all at once, or one after the other at a ``temperature``.
    order : {"random", "cyclic"}, default="random"
        The order of the visits; a random one is drawn anew for each sweep, the same for all rows.
    bias : array-like of shape (N,) or None, default=None
    states : {"bipolar", "binary"}, default="bipolar"
        "binary" takes and gives 0 and 1, which stand for -1 and +1.
    temperature : float, default=1.0
        Of stochastic updates.
    max_iter : int, default=100
        Sweeps at most; stochastic updates run all of them.
    form : {"auto", "matrix", "factor"}, default="auto"
        Keep the weights, or (Hebb's rule only) the patterns' overlaps; "auto" decides by their numbers.
    random_state : int, RandomState or None, default=None
        Drawn from once, in ``fit``: recall is the same however often it is asked for.

    Attributes
    ----------
    patterns_ : ndarray of shape (P, N), int8
        The stored patterns as ±1.
    weights_ : ndarray of shape (N, N)
    n_patterns_ : int
    form_ : str
    seed_ : int

    """

    n_features_in_: int
    seed_: int
    form_: str
    _units: np.ndarray  # (N, P) int8: a row a unit, so that a flip reads one row
    _W: np.ndarray | None  # (N, N): N W in whole numbers by Hebb's rule, else W

    def __init__(
        self,
        rule: str = "hebb",
        *,
        update: str = "asynchronous",
        order: str = "random",
        bias: Any = None,
        states: str = "bipolar",
        temperature: float = 1.0,
        max_iter: int = 100,
        form: str = "auto",
        random_state: Any = None,
    ) -> None:
        self.rule = rule
        self.update = update
        self.order = order
        self.bias = bias
        self.states = states
        self.temperature = temperature
        self.max_iter = max_iter
        self.form = form
        self.random_state = random_state

    # -- storing ---------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the patterns X (P, N), and forget all others.

        Raises InvalidArgumentError or InvalidDataError, naming what is wrong, and leaves the network as it was.
        """
        with unchanged_by_errors(self):
            self._check_parameters()
            patterns = self._bipolar(X, reset=True)
            self.seed_ = int(check_seed(self.random_state).randint(2**31 - 1))
            self._check_bias()
            self._forget()
            self.rule_ = self.rule
            self._store(patterns)
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Store the patterns X (P, N) beside those that are stored."""
        if not self.__sklearn_is_fitted__():
            return self.fit(X)
        with unchanged_by_errors(self):
            self._check_parameters()
            patterns = self._bipolar(X, reset=False)
            self._check_bias()
            if self._given:
                raise InvalidArgumentError(
                    "partial_fit adds patterns to those that were stored, but these weights were given by hand; "
                    "store all patterns with fit"
                )
            if self.rule != self.rule_:
                raise InvalidArgumentError(
                    f"rule must stay {self.rule_!r}, by which patterns are stored already, got {self.rule!r}; "
                    "store all patterns with fit"
                )
            self._store(patterns)
        return self

    @classmethod
    def from_weights(cls, weights: Any, **parameters: Any) -> Self:
        """Return a network with these weights (N, N), symmetric with zero diagonal, that stores no patterns.

        Raises InvalidDataError, naming the first place, for any others.
        """
        network = cls(**parameters)
        network._check_parameters()
        W = numbers("weights", weights, np.float64)
        if W.ndim != 2 or W.shape[0] != W.shape[1] or not W.size:
            raise InvalidDataError(f"weights must be a square matrix (N, N), got the shape {W.shape}")
        if (np.diag(W) != 0).any():
            i = int(np.argmax(np.diag(W) != 0))
            raise InvalidDataError(
                f"weights must have a zero diagonal (no unit feeds itself), got {W[i, i]:g} at row {i}, column {i}; "
                "use numpy.fill_diagonal(weights, 0)"
            )
        if (W != W.T).any():
            i, j = (int(place) for place in np.argwhere(W != W.T)[0])
            raise InvalidDataError(
                f"weights must be symmetric, got {W[i, j]:g} at row {i}, column {j} but {W[j, i]:g} at row {j}, "
                f"column {i}; use (weights + weights.T) / 2"
            )
        if network.form == "factor":
            raise InvalidArgumentError("form must be auto or matrix for weights given by hand, got 'factor'")
        network.n_features_in_, network.rule_ = len(W), network.rule
        network.seed_ = int(check_seed(network.random_state).randint(2**31 - 1))
        network._forget()
        network._W, network.form_, network._given = W, "matrix", True
        network._check_bias()
        return network

    def _check_parameters(self) -> None:
        check_choice("rule", self.rule, RULES)
        check_choice("update", self.update, ("asynchronous", "synchronous", "stochastic"))
        check_choice("order", self.order, ("random", "cyclic"))
        check_choice("states", self.states, ("bipolar", "binary"))
        check_choice("form", self.form, ("auto", "matrix", "factor"))
        check_number("temperature", self.temperature, 0, open_low=True)
        check_number("max_iter", self.max_iter, 1, integer=True)
        if self.form == "factor" and self.rule != "hebb":
            raise InvalidArgumentError(f"form must be auto or matrix for the rule {self.rule!r}, got 'factor'")

    def _check_bias(self) -> None:
        if self.bias is not None:
            bias = numbers("bias", self.bias, np.float64)
            if bias.shape != (self.n_features_in_,):
                raise InvalidArgumentError(
                    f"bias must be of shape ({self.n_features_in_},), one a unit; got {bias.shape}"
                )

    def _bipolar(self, X: Any, *, reset: bool) -> np.ndarray:
        """Return X (n, N) as int8 of ±1, C-contiguous; raise InvalidDataError naming the first other value."""
        X = _dense(numeric(self, X, reset=reset))
        low, say_so = (0, "0 or 1") if self.states == "binary" else (-1, "-1 or +1")
        out = np.empty(X.shape, np.int8)
        rows = max(1, CHUNK // X.shape[1])
        for start in range(0, len(X), rows):
            part = X[start : start + rows]
            good = (part == 1) | (part == low)
            if not good.all():
                if part.dtype.kind == "f":
                    finite("X", np.asarray(X, np.float64))
                i, j = (int(place) for place in np.argwhere(~good)[0])
                mend = "; set states='binary' for 0 and 1" if part[i, j] == 0 and low else ""
                raise InvalidDataError(
                    f"X must hold {say_so} only, got {part[i, j]:g} at row {start + i}, column {j}{mend}"
                )
            out[start : start + rows] = part
        if low == 0:
            out += out
            out -= 1
        return out

    def _forget(self) -> None:
        self._units = np.empty((self.n_features_in_, 0), np.int8)
        self._W, self._given = None, False

    def _store(self, patterns: np.ndarray) -> None:
        """Add patterns (P, N) to those that are stored."""
        N, before = self._units.shape
        units = np.empty((N, before + len(patterns)), np.int8)
        units[:, :before] = self._units
        rows = max(1, CHUNK // units.shape[1])
        for start in range(0, N, rows):
            units[start : start + rows, before:] = patterns[:, start : start + rows].T
        P = units.shape[1]
        if self.rule == "storkey":
            self.form_ = "matrix"
            self._store_by_storkey(patterns, units, before)
            return
        self.form_ = self._chosen_form(N)
        if self.rule == "pseudo_inverse":
            self._W = pseudo_inverse(units.T)
        elif self.form_ == "factor":
            self._W = None
        elif self._W is None:
            self._W = hebb(units.T)
        else:
            new = hebb(patterns)
            self._W = self._W + (new if P < 1 << 15 else new.astype(np.int32))
        self._units = units
        if self.rule == "hebb" and P > CAPACITY * N:
            warnings.warn(
                f"{P} patterns in {N} units are more than Hebb's rule holds, about {CAPACITY} N = "
                f"{CAPACITY * N:.1f}; use more units, or rule='pseudo_inverse'",
                PellucidWarning,
                stacklevel=3,
            )

    def _store_by_storkey(self, patterns: np.ndarray, units: np.ndarray, before: int) -> None:
        if self._W is None:
            self._W = np.zeros((len(units), len(units)))
        try:
            for number, x in enumerate(patterns, before + 1):
                W = storkey(self._W, x.astype(np.float64))
                self._W, self._units = W, units[:, :number]
        except KeyboardInterrupt:
            warnings.warn(
                f"interrupted: the network holds the first {self._units.shape[1]} patterns, and is usable",
                PellucidWarning,
                stacklevel=4,
            )
        self._units = np.ascontiguousarray(self._units)

    def _chosen_form(self, N: int) -> str:
        if self.rule != "hebb" or self.form == "matrix":
            return "matrix"
        return "factor" if self.form == "factor" or N > MOST_IN_MATRIX else "matrix"

    # -- what is stored --------------------------------------------------------------------------------------

    @property
    def patterns_(self) -> np.ndarray:
        """The stored patterns (P, N), ±1."""
        return self._units.T

    @property
    def n_patterns_(self) -> int:
        """How many patterns are stored."""
        return self._units.shape[1]

    @property
    def weights_(self) -> np.ndarray:
        """The weights W (N, N), made anew in the factor form, where they are refused if too many."""
        check_is_fitted(self)
        if self._W is None and self.n_features_in_ > MOST_IN_MATRIX:
            N = self.n_features_in_
            raise InvalidArgumentError(
                f"weights_ of {N} units would be {N} x {N} numbers; use fields(), energy() and patterns_ instead"
            )
        return (hebb(self.patterns_) if self._W is None else self._W) * self._scale

    @property
    def _whole(self) -> bool:
        """Whether weights and fields are whole numbers, N times the real ones."""
        return bool(self.rule_ == "hebb") and not self._given

    @property
    def _scale(self) -> float:
        return 1 / self.n_features_in_ if self._whole else 1.0

    def _bias(self) -> np.ndarray:
        """Return the bias (N,) in the unit of the fields."""
        N = self.n_features_in_
        if self.bias is None:
            return np.zeros(N)
        bias = np.asarray(self.bias, np.float64)
        return bias * N if self._whole else bias

    def _slack(self) -> np.ndarray:
        N = self.n_features_in_
        return np.zeros(N) if self._W is None or self._whole else ROUNDING * np.abs(self._W).sum(axis=1)

    def _raw_fields(self, S: np.ndarray) -> np.ndarray:
        """Return the fields (n, N) of states S (n, N) without bias, in their own unit: whole numbers or floats."""
        if not self._whole:
            return S @ self._W
        X, (n, N), P = self._units, S.shape, self.n_patterns_
        real: Any = np.float32 if N * P < 1 << 24 else np.float64  # either holds the sums exactly
        step = N if real is np.float32 else max(1, CHUNK // max(P, n))
        m = np.zeros((n, P), real)
        for start in range(0, N, step):
            m += S[:, start : start + step].astype(real) @ X[start : start + step].astype(real)
        H = np.empty((n, N), np.int32 if N * P < 1 << 31 else np.int64)
        for start in range(0, N, step):
            part = slice(start, start + step)
            H[:, part] = m @ X[part].astype(real).T - P * S[:, part].astype(real)
        return H

    def fields(self, X: Any) -> np.ndarray:
        """Return the local fields h = W s + b of each row, (n, N)."""
        check_is_fitted(self)
        return (self._raw_fields(self._bipolar(X, reset=False)) + self._bias()) * self._scale

    def energy(self, X: Any) -> np.ndarray:
        """Return E = -½ sᵀ W s - bᵀ s of each row, (n,)."""
        check_is_fitted(self)
        S = self._bipolar(X, reset=False)
        return self._energy(S, self._raw_fields(S))

    def _energy(self, S: np.ndarray, H: np.ndarray) -> np.ndarray:
        quadratic = np.einsum("nd,nd->n", S, H, dtype=np.int64 if self._whole else np.float64)
        return -(0.5 * quadratic + S @ self._bias()) * self._scale

    def is_stable(self, X: Any) -> np.ndarray:
        """Return for each row whether no unit would flip, (n,)."""
        check_is_fitted(self)
        S = self._bipolar(X, reset=False)
        return (S * (self._raw_fields(S) + self._bias()) >= -self._slack()).all(axis=1)

    # -- recall ----------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Return where each row of X (n, N) comes to rest, (n, N)."""
        return self.settle(X).states

    def recall(self, X: Any) -> np.ndarray:
        """Return what ``predict`` does: where each row of X (n, N) comes to rest, (n, N)."""
        return self.settle(X).states

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of rows of X recalled exactly as y (n, N); without y, as they are: fixed points."""
        states = self.settle(X).states
        wanted = numbers("y", _dense(X) if y is None else y, np.float64)
        if wanted.shape != states.shape:
            raise InvalidDataError(
                f"y must hold the wanted pattern of each row, of shape {states.shape}; got {wanted.shape}"
            )
        return float((states == wanted).all(axis=1).mean())

    def settle(self, X: Any) -> Recall:
        """Run each row of X (n, N) until no unit flips, and return how: see ``Recall``.

        Warns where rows do not come to rest: two states that take turns, or ``max_iter`` sweeps.
        """
        check_is_fitted(self)
        S = self._bipolar(X, reset=False)
        found = self._synchronous(S) if self.update == "synchronous" else self._asynchronous(S)
        for outcome, words in (("cycle", "take turns between two states"), ("unsettled", "still changed at the end")):
            if count := int((found.outcome == outcome).sum()):
                mend = "use update='asynchronous'" if outcome == "cycle" else "raise max_iter"
                warnings.warn(
                    f"{count} of {len(S)} rows {words} (at most {self.max_iter} sweeps); {mend}",
                    PellucidWarning,
                    stacklevel=3,
                )
        return found._replace(states=(found.states + 1) // 2) if self.states == "binary" else found

    def _asynchronous(self, S: np.ndarray) -> Recall:
        n, N = S.shape
        done, sweeps, flips = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
        rows = max(1, CHUNK // N)
        if self.update == "stochastic":
            for row in range(n):
                self._sample(S[row], row, flips[row : row + 1])
            return Recall(S, np.full(n, self.max_iter), flips, np.full(n, "sampled"))
        bias, slack = self._bias(), self._slack()
        parts = [slice(start, start + rows) for start in range(0, n, rows)]
        fields: list[Any] = [None] * len(parts)
        orders = visiting_orders(N, self.seed_, self.order)
        taken = 0
        while taken < self.max_iter and not done.all():
            most = min(self.max_iter - taken, 4)
            some = np.array([next(orders) for _ in range(1 if self.order == "cyclic" else most)])  # (sweeps, N)
            for number, part in enumerate(parts):
                if done[part].all():
                    continue
                if self._W is None:
                    from pellucid.parts.compiled.hopfield import factor_sweeps

                    for row in range(part.start, min(n, part.stop)):  # one at a time: Ctrl-C gets through
                        one = slice(row, row + 1)
                        factor_sweeps(self._units, S[one], bias, some, most, done[one], sweeps[one], flips[one])
                else:
                    from pellucid.parts.compiled.hopfield import matrix_sweeps

                    # The fields of one part only are kept, unless there is but one: memory before speed.
                    H = self._raw_fields(S[part]) if fields[number] is None else fields[number]
                    fields[number] = H if len(parts) == 1 else None
                    matrix_sweeps(self._W, S[part], H, bias, slack, some, most, done[part], sweeps[part], flips[part])
            taken += most
        return Recall(S, sweeps, flips, np.where(done, "fixed", "unsettled"))

    def _sample(self, s: np.ndarray, row: int, flips: np.ndarray) -> None:
        """Run all sweeps of Glauber's dynamics on s (N,), in place."""
        from pellucid.parts.compiled.hopfield import factor_glauber, matrix_glauber

        N, bias = len(s), self._bias()
        orders = visiting_orders(N, self.seed_, self.order)
        generator = np.random.default_rng([self.seed_, row])
        h = None if self._W is None else self._raw_fields(s[None])[0]
        for _ in range(self.max_iter):
            order, chances = next(orders)[None], generator.random((1, N))
            numbers_of = (bias, self._scale, float(self.temperature), order, chances, flips)
            if h is None:
                factor_glauber(self._units, s, *numbers_of)
            else:
                matrix_glauber(self._W, s, h, *numbers_of)

    def _synchronous(self, S: np.ndarray) -> Recall:
        n = len(S)
        bias, slack = self._bias(), self._slack()
        sweeps, flips, outcome = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, "unsettled")
        before = np.zeros_like(S)
        active = np.arange(n)
        for _ in range(self.max_iter):
            now = S[active]
            against = now * (self._raw_fields(now) + bias) < -slack
            after = np.where(against, -now, now).astype(np.int8)
            sweeps[active] += 1
            flips[active] += against.sum(axis=1)
            rests, turns = ~against.any(axis=1), (after == before[active]).all(axis=1)
            outcome[active[rests]] = "fixed"
            outcome[active[turns & ~rests]] = "cycle"
            before[active], S[active] = now, after
            active = active[~(rests | turns)]
            if not active.size:
                break
        return Recall(S, sweeps, flips, outcome)

    # -- watching --------------------------------------------------------------------------------------------

    def steps(self, x: Any) -> Iterator[Step]:
        """Run one state x (N,) to its rest as ``predict`` does, and yield a Step for each unit visited.

        Values: ``unit``, ``field`` (its h_i), ``flipped``, ``energy`` after it, ``state`` (N,), ``sweep``.
        Synchronous updates yield a Step a sweep, with the ``field`` (N,) and ``flipped`` (N,) of all units.
        """
        check_is_fitted(self)
        x = np.asarray(x)
        s = self._bipolar(x[None] if x.ndim == 1 else x, reset=False)[0]
        return self._all_at_once(s) if self.update == "synchronous" else self._one_by_one(s)

    def _one_by_one(self, s: np.ndarray) -> Iterator[Step]:
        bias, slack, scale = self._bias(), self._slack(), self._scale
        h = self._raw_fields(s[None])[0]
        energy = float(self._energy(s[None], h[None])[0])
        orders = visiting_orders(len(s), self.seed_, self.order)
        generator = np.random.default_rng([self.seed_, 0])
        number = 0
        for sweep in range(1, self.max_iter + 1):
            chances = generator.random(len(s)) if self.update == "stochastic" else None
            flips = 0
            for visit, i in enumerate(next(orders).tolist()):
                field = float(h[i] + bias[i])
                if chances is None:
                    flipped = bool(s[i] * field < -slack[i])
                else:
                    chance = 1 / (1 + np.exp(np.clip(-2 * field * scale / self.temperature, -700, 700)))
                    flipped = (1 if chances[visit] < chance else -1) != s[i]
                if flipped:
                    energy += 2 * float(s[i]) * field * scale
                    s[i] = -s[i]
                    h += 2 * s[i] * self._weights_of(i)
                    flips += 1
                number += 1
                values = {
                    "unit": i, "field": field * scale, "flipped": bool(flipped), "energy": energy,
                    "state": view(s), "sweep": sweep,
                }  # fmt: skip
                yield Step("unit", number, MappingProxyType(values), FORMULAS, (type(self)._one_by_one,))
            if not flips and chances is None:
                return

    def _weights_of(self, i: int) -> np.ndarray:
        """Return row i of the weights (N,), in the unit of the fields."""
        if self._W is not None:
            return self._W[i] if self._W.dtype.kind == "f" else self._W[i].astype(np.int32)
        row = self._units.astype(np.int32) @ self._units[i].astype(np.int32)
        row[i] = 0
        return row

    def _all_at_once(self, s: np.ndarray) -> Iterator[Step]:
        bias, slack = self._bias(), self._slack()
        seen: list[bytes] = []
        for sweep in range(1, self.max_iter + 1):
            raw = self._raw_fields(s[None])[0] + bias
            flipped = s * raw < -slack
            seen.append(s.tobytes())
            s[flipped] *= -1
            values = {
                "field": raw * self._scale, "flipped": flipped, "state": view(s), "sweep": sweep,
                "energy": float(self._energy(s[None], self._raw_fields(s[None]))[0]),
                "cycle": bool(flipped.any()) and s.tobytes() in seen[:-1],
            }  # fmt: skip
            yield Step("sweep", sweep, MappingProxyType(values), FORMULAS, (type(self)._all_at_once,))
            if not flipped.any() or values["cycle"]:
                return

    def trace(self, x: Any) -> Trace:
        """Return one state x (N,), its overlaps, fields and energy, and the same where it comes to rest."""
        check_is_fitted(self)
        x = np.asarray(x)
        s = self._bipolar(x[None] if x.ndim == 1 else x, reset=False)[:1]
        raw = self._raw_fields(s)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PellucidWarning)  # how it ended is one of the records
            found = self._synchronous(s.copy()) if self.update == "synchronous" else self._asynchronous(s.copy())
        P, N = self.n_patterns_, self.n_features_in_
        records = [Record("s", "s", s[0], "N")]
        if P:
            records.append(Record("overlaps", "m_p = 1/N x_pᵀ s", s[0].astype(np.float64) @ self._units / N, "P"))
        records += [
            Record("field", "h = W s + b", (raw[0] + self._bias()) * self._scale, "N"),
            Record("energy", "E = -½ sᵀ W s - bᵀ s", float(self._energy(s, raw)[0])),
            Record("flips", "units that flip until the rest", float(found.flips[0]), phase="update"),
            Record("rest", "s <- sign(h), unit by unit", found.states[0], "N", "update"),
            Record(
                "rest_energy",
                "E at the rest",
                float(self._energy(found.states, self._raw_fields(found.states))[0]),
                phase="update",
            ),
        ]
        return Trace("HopfieldNetwork", records)

    # -- the landscape ---------------------------------------------------------------------------------------

    def classify(self, X: Any, closeness: float = 0.95) -> np.ndarray:
        """Return what each row of X (n, N) is: "stored", "inverse", "mixture" or "other", (n,).

        A mixture has an overlap of at least ``closeness`` with the sign of the sum of three, five or seven stored
        patterns, each as it is or turned over: the spurious states of an odd number (Amit, Gutfreund, Sompolinsky).
        """
        check_is_fitted(self)
        check_number("closeness", closeness, 0, 1)
        S, N = self._bipolar(X, reset=False), self.n_features_in_
        kinds = np.full(len(S), "other", dtype="<U7")
        for row, s in enumerate(S):
            m = self._units.T.astype(np.int32) @ s.astype(np.int32)  # (P,)
            if (m == N).any() or (m == -N).any():
                kinds[row] = "stored" if (m == N).any() else "inverse"
            elif self._is_mixture(s, m, closeness):
                kinds[row] = "mixture"
        return kinds

    def _is_mixture(self, s: np.ndarray, m: np.ndarray, closeness: float) -> bool:
        nearest = np.argsort(-np.abs(m), kind="stable")[:8]
        parts = self._units[:, nearest].astype(np.int32) * np.sign(m[nearest])  # (N, 8)
        for count in (3, 5, 7):
            for chosen in combinations(range(len(nearest)), count):
                mixed = np.sign(parts[:, chosen].sum(axis=1))
                if s @ mixed >= closeness * len(s):
                    return True
        return False

    def fixed_points(self, n: int = 1000, random_state: Any = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run n random states to their rest; return the distinct ones (k, N), their kinds (k,), how often each (k,)."""
        check_is_fitted(self)
        check_number("n", n, 1, integer=True)
        starts = check_seed(random_state).randint(2, size=(n, self.n_features_in_)).astype(np.int8)
        states, counts = np.unique(
            self.predict(starts if self.states == "binary" else 2 * starts - 1), axis=0, return_counts=True
        )
        return states, self.classify(states), counts

    def basin(self, shares: Any, repeats: int = 10, random_state: Any = 0) -> np.ndarray:
        """Return for each corrupted share how many of the patterns come back, all units right, (len(shares),)."""
        check_is_fitted(self)
        check_number("repeats", repeats, 1, integer=True)
        generator = check_seed(random_state)
        patterns = np.repeat(self.patterns_, repeats, axis=0)
        found = []
        for share in shares:
            noisy = corrupted(patterns, float(share), generator)
            given, wanted = ((noisy + 1) // 2, (patterns + 1) // 2) if self.states == "binary" else (noisy, patterns)
            found.append(self.score(given, wanted))
        return np.array(found)

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``."""
        check_is_fitted(self)
        names = ("n_features_in_", "feature_names_in_", "seed_", "form_", "rule_")
        attributes = {name: getattr(self, name) for name in names if hasattr(self, name)}
        parameters = self.get_params(deep=False) | {"bias": None}
        arrays = {"patterns": np.ascontiguousarray(self.patterns_)}
        if self.bias is not None:
            arrays["bias"] = np.asarray(self.bias, np.float64)
        if self._W is not None and not self._whole:
            arrays["weights"] = self._W
        entries = {"parameters": parameters, "attributes": attributes, "given": self._given}
        return entries | {"has_bias": self.bias is not None}, arrays

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the network of which ``to_file`` told."""
        network = cls(**entries["parameters"])
        network._check_parameters()
        for name, value in entries["attributes"].items():
            setattr(network, name, value)
        N = network.n_features_in_
        network._forget()
        network._given = bool(entries["given"])
        weighty = not network._whole
        names = ["patterns", *(["bias"] if entries["has_bias"] else []), *(["weights"] if weighty else [])]
        expect_names(arrays, names)
        patterns = expect_shape(arrays, "patterns", (len(arrays["patterns"]), N))
        if (np.abs(patterns) != 1).any():
            raise InvalidDataError("patterns must hold -1 or +1 only")
        network._units = np.ascontiguousarray(patterns.T.astype(np.int8))
        if entries["has_bias"]:
            network.bias = expect_shape(arrays, "bias", (N,))
        if weighty:
            network._W = expect_shape(arrays, "weights", (N, N))
            if (network._W != network._W.T).any() or np.diag(network._W).any():
                raise InvalidDataError("weights must be symmetric with a zero diagonal")
        elif network.form_ == "matrix":
            network._W = hebb(network.patterns_)
        return network

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_units")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
