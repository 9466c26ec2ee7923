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
from functools import lru_cache
from itertools import count as count_up
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError, PellucidWarning
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
from pellucid.networks.landscape import Landscape, corrupted
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
UPDATE_RULES = MappingProxyType(
    {
        "asynchronous": "s <- sign(h), unit by unit",
        "synchronous": "s <- sign(h), all units at once",
        "stochastic": "P(s_i = 1) = 1 / (1 + exp(-2 h_i / T)), unit by unit",
    }
)
# Above these many units weights are not handed out: a matrix of 16-bit numbers would take more than 0.5 GB.
MOST_IN_MATRIX = 16_384
# Random orders that are drawn; later sweeps take them in turn.
ORDERS = 16
# The largest number that a field of 16 bits holds.
MOST_16 = (1 << 15) - 1
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
    """Yield the order (N,) in which each sweep visits the units, without end.

    Random orders are drawn for the first ``ORDERS`` sweeps; later ones take the same in turn.
    """
    generator = np.random.default_rng(seed)
    count = 1 if order == "cyclic" else ORDERS
    drawn: list[np.ndarray] = []
    for sweep in count_up():
        if sweep < count:
            every = np.arange(n_units) if order == "cyclic" else generator.permutation(n_units)
            drawn.append(every.astype(np.int32))
        yield drawn[sweep % count]


@lru_cache(maxsize=8)
def _orders(n_units: int, seed: int, order: str) -> tuple[np.ndarray, np.ndarray]:
    """Return all different orders (K, N), and the place of each unit in them (K, N)."""
    orders = np.array(list(islice(visiting_orders(n_units, seed, order), 1 if order == "cyclic" else ORDERS)))
    places = np.empty(orders.shape, np.uint16 if n_units <= MOST_16 else np.uint32)
    np.put_along_axis(places, orders, np.arange(n_units, dtype=places.dtype)[None], axis=1)
    orders.flags.writeable = places.flags.writeable = False
    return orders, places


def packed(S: np.ndarray) -> np.ndarray:
    """Return rows (n, N) of ±1 as bits, 64 units a word, (n, ceil(N / 64))."""
    n, N = S.shape
    octets = np.zeros((n, -(-N // 64) * 8), np.uint8)
    rows = max(1, CHUNK // N)
    for start in range(0, n, rows):
        part = np.packbits(S[start : start + rows] > 0, axis=1, bitorder="little")
        octets[start : start + rows, : part.shape[1]] = part
    return octets.view("<u8").astype(np.uint64, copy=False)


def _dense(X: Any) -> Any:
    return X.toarray() if hasattr(X, "toarray") else X


# -- the estimator -------------------------------------------------------------------------------------------


class HopfieldNetwork(Landscape, BaseEstimator):
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
    _units: np.ndarray  # (N, P) int8: in the factor form a row a unit, so that a flip reads one row; else (P, N).T
    _bits: np.ndarray  # (P, K): the patterns, 64 units a word
    _W: np.ndarray | None  # (N, N): N W in whole numbers by Hebb's rule, else W
    _largest: int  # the largest field that these whole numbers allow

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
        with np.errstate(over="ignore"):
            total = np.abs(W).sum()
        if not np.isfinite(total):
            raise InvalidDataError(
                f"weights must leave the energy finite, got values up to {np.abs(W).max():g}; scale them down"
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
            with np.errstate(over="ignore"):
                total = len(bias) * np.abs(bias).sum()
            if not np.isfinite(total):
                raise InvalidArgumentError(
                    f"bias must leave the energy finite, got values up to {np.abs(bias).max():g}; scale it down"
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
        self._bits = np.empty((0, -(-self.n_features_in_ // 64)), np.uint64)
        self._W, self._given, self._largest = None, False, 0

    def _store(self, patterns: np.ndarray) -> None:
        """Add patterns (P, N) to those that are stored."""
        N, before = self._units.shape
        P = before + len(patterns)
        form = self._chosen_form(N, P)
        units = np.empty((N, P), np.int8, order="C" if form == "factor" else "F")
        units[:, :before] = self._units
        rows = max(1, CHUNK // P)
        for start in range(0, N, rows):
            units[start : start + rows, before:] = patterns[:, start : start + rows].T
        if self.rule == "storkey":
            self.form_ = "matrix"
            self._store_by_storkey(patterns, units, before)
            return
        self.form_ = form
        if self.rule == "pseudo_inverse":
            self._W = pseudo_inverse(units.T)
        elif form == "factor":
            self._W = None
        elif self._W is None:
            self._W = hebb(units.T)
        else:
            new = hebb(patterns)
            self._W = self._W + (new if P < 1 << 15 else new.astype(np.int32))
        self._units, self._bits = units, np.vstack([self._bits, packed(patterns)])
        self._measure()
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
        self._bits = packed(self._units.T)

    def _chosen_form(self, N: int, P: int) -> str:
        if self.rule != "hebb" or self.form == "matrix":
            return "matrix"
        # Which is quicker, as measured; a matrix of more than 0.5 GB is not made unasked.
        return "factor" if self.form == "factor" or min(MOST_IN_MATRIX, 900 + 8 * P) < N else "matrix"

    def _measure(self) -> None:
        """Learn how large a field can become, which decides what numbers hold it."""
        if self._W is not None and self._whole:
            rows = max(1, CHUNK // len(self._W))
            parts = (self._W[start : start + rows] for start in range(0, len(self._W), rows))
            self._largest = max(int(np.abs(part).sum(axis=1, dtype=np.int64).max()) for part in parts)

    def _field_type(self, bound: int) -> Any:
        """Return the smallest whole numbers that hold fields up to ``bound``, and as many as there are units."""
        fits = max(bound, self.n_features_in_)
        return np.int16 if fits <= MOST_16 else np.int32 if fits < 1 << 31 else np.int64

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
        from pellucid.parts.compiled.hopfield import fields, overlaps

        X, (n, N), P = self._units, S.shape, self.n_patterns_
        m = np.empty((n, P), np.int16 if N <= MOST_16 else np.int32)
        overlaps(packed(S), self._bits, N, m)
        if self._W is not None:
            H = np.empty((n, N), self._field_type(self._largest))
            fields(X.T, m, S, H)
            return H
        real: Any = np.float32 if N * P < 1 << 24 else np.float64  # either holds the sums exactly
        step = max(1, CHUNK // max(P, n))
        H = np.empty((n, N), np.int32 if N * P < 1 << 31 else np.int64)
        for start in range(0, N, step):
            part = slice(start, start + step)
            H[:, part] = m.astype(real) @ X[part].astype(real).T - P * S[:, part].astype(real)
        return H

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the whole numbers below and above the bias (N,), in the unit of whole fields; empty without one."""
        if self.bias is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        # A bias beyond every field is as good as one just beyond.
        most = self.n_features_in_ * max(1, self.n_patterns_) + 1
        bias = np.clip(self._bias(), -most, most)
        return np.floor(bias).astype(np.int64), np.ceil(bias).astype(np.int64)

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
        found = self._settle(self._signs(X))
        return found._replace(states=self._shown(found.states))

    def _settle(self, S: np.ndarray) -> Recall:
        """Run each row of S (n, N) of ±1 to its rest, in place."""
        found = self._synchronous(S) if self.update == "synchronous" else self._asynchronous(S)
        for outcome, words in (("cycle", "take turns between two states"), ("unsettled", "still changed at the end")):
            if count := int((found.outcome == outcome).sum()):
                mend = "use update='asynchronous'" if outcome == "cycle" else "raise max_iter"
                warnings.warn(
                    f"{count} of {len(S)} rows {words} (at most {self.max_iter} sweeps); {mend}",
                    PellucidWarning,
                    stacklevel=4,
                )
        return found

    def _asynchronous(self, S: np.ndarray) -> Recall:
        n = len(S)
        done, sweeps, flips = np.zeros(n, bool), np.zeros(n, np.int64), np.zeros(n, np.int64)
        if self.update == "stochastic":
            for row in range(n):
                self._sample(S[row], row, flips[row : row + 1])
            return Recall(S, np.full(n, self.max_iter), flips, np.full(n, "sampled"))
        settle = self._by_overlaps if self._W is None else self._by_fields
        settle(S, done, sweeps, flips)
        return Recall(S, sweeps, flips, np.where(done, "fixed", "unsettled"))

    def _by_fields(self, S: np.ndarray, done: np.ndarray, sweeps: np.ndarray, flips: np.ndarray) -> None:
        """Run each row of S (n, N) to its rest, in place, in the matrix form."""
        from pellucid.parts.compiled.hopfield import matrix_sweeps

        n, N = S.shape
        orders, places = _orders(N, self.seed_, self.order)
        rows = max(1, min(CHUNK // N, 500 * CHUNK // N**2))
        for start in range(0, n, rows):
            part = slice(start, start + rows)
            H, slack, unit = self._biased_fields(S[part])
            for first in range(0, self.max_iter, ORDERS):
                most = min(ORDERS, self.max_iter - first)
                counts = done[part], sweeps[part], flips[part]
                matrix_sweeps(self._W, S[part], H, slack, unit, orders, places, first, most, *counts)
                if done[part].all():
                    break

    def _biased_fields(self, S: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, int]:
        """Return fields (n, N) with the bias in them, what counts as zero (N,) or None, and their unit.

        Whole numbers stay whole: with a bias b they are 2 (h + floor(b)), and 1 more where b is not whole, of the
        same sign as h + b wherever a unit asks for it.
        """
        H = self._raw_fields(S)
        if not self._whole:
            return H + self._bias(), self._slack(), 1
        low, high = self._bounds()
        if not low.size:
            return H, None, 1
        # Beyond the largest field, a bias decides alone.
        low, high = (np.clip(bound, -self._largest - 1, self._largest + 1) for bound in (low, high))
        doubled = 2 * H.astype(np.int64) + (low + high)
        return doubled.astype(self._field_type(4 * self._largest + 4)), None, 2

    def _by_overlaps(self, S: np.ndarray, done: np.ndarray, sweeps: np.ndarray, flips: np.ndarray) -> None:
        """Run each row of S (n, N) to its rest, in place, in the factor form."""
        from pellucid.parts.compiled.hopfield import factor_sweeps

        N = S.shape[1]
        low, high = self._bounds()
        m = np.empty(self.n_patterns_, np.int16 if N <= MOST_16 else np.int32)
        orders = visiting_orders(N, self.seed_, self.order)
        at_once = 1 if self.order == "cyclic" else 2  # a sweep that flips, and one that finds nothing left to flip
        taken = 0
        while taken < self.max_iter and not done.all():
            most = min(self.max_iter - taken, 4 if self.order == "cyclic" else at_once)
            some = np.array([next(orders) for _ in range(min(at_once, most))])  # (sweeps, N)
            for row in np.flatnonzero(~done):  # one at a time: Ctrl-C gets through
                one = slice(row, row + 1)
                counts = done[one], sweeps[one], flips[one]
                factor_sweeps(self._units, self._bits, S[one], packed(S[one]), low, high, some, most, *counts, m)
            taken += most

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
        s = self._one(x)[0]
        return self._all_at_once(s) if self.update == "synchronous" else self._one_by_one(s)

    def _one(self, x: Any) -> np.ndarray:
        """Return one state x (N,), or the only row of x (1, N), as ±1 (1, N)."""
        S = self._bipolar(x if np.ndim(x) == 2 else np.asarray(x)[None], reset=False)
        if len(S) != 1:
            raise InvalidDataError(f"x must be one state (N,), got {len(S)} rows; take them one by one")
        return S

    def _one_by_one(self, s: np.ndarray) -> Iterator[Step]:
        bias, slack, scale = self._bias(), self._slack(), self._scale
        h = self._raw_fields(s[None])[0]
        energy = float(self._energy(s[None], h[None])[0])
        orders = visiting_orders(len(s), self.seed_, self.order)
        generator = np.random.default_rng([self.seed_, 0])
        formulas = MappingProxyType(FORMULAS | {"flipped": UPDATE_RULES[self.update]})
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
                yield Step("unit", number, MappingProxyType(values), formulas, (type(self)._one_by_one,))
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
        s = self._one(x)
        raw, kind = self._raw_fields(s), type(self)
        settle = kind._synchronous if self.update == "synchronous" else kind._asynchronous
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PellucidWarning)  # how it ended is one of the records
            found = settle(self, s.copy())
        P, N = self.n_patterns_, self.n_features_in_
        records = [Record("s", "s", s[0], "N")]
        if P:
            records.append(Record("overlaps", "m_p = 1/N x_pᵀ s", s[0].astype(np.float64) @ self._units / N, "P"))
        records += [
            Record("field", "h = W s + b", (raw[0] + self._bias()) * self._scale, "N", function=kind._raw_fields),
            Record("energy", "E = -½ sᵀ W s - bᵀ s", float(self._energy(s, raw)[0]), function=kind._energy),
            Record("flips", "units that flip until the rest", float(found.flips[0]), phase="update"),
            Record("rest", UPDATE_RULES[self.update], found.states[0], "N", "update", function=settle),
            Record(
                "rest_energy",
                "E at the rest",
                float(self._energy(found.states, self._raw_fields(found.states))[0]),
                phase="update",
                function=kind._energy,
            ),
        ]
        return Trace("HopfieldNetwork", records)

    def _signs(self, X: Any) -> np.ndarray:
        return self._bipolar(X, reset=False)

    def _shown(self, S: np.ndarray) -> np.ndarray:
        return (S + 1) // 2 if self.states == "binary" else S

    def _rests(self, S: np.ndarray) -> np.ndarray:
        return self._settle(S).states

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``."""
        check_is_fitted(self)
        attributes = {name: getattr(self, name) for name in self._kept() if hasattr(self, name)}
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
            if name not in network._kept():
                raise ModelFileError(f"holds an attribute {name!r}, which a {cls.__name__} does not have")
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
        patterns = np.ascontiguousarray(patterns, np.int8)
        network._units = np.ascontiguousarray(patterns.T) if network.form_ == "factor" else patterns.T
        network._bits = packed(patterns)
        if entries["has_bias"]:
            network.bias = expect_shape(arrays, "bias", (N,))
            network._check_bias()
        if weighty:
            network._W = expect_shape(arrays, "weights", (N, N))
            if (network._W != network._W.T).any() or np.diag(network._W).any():
                raise InvalidDataError("weights must be symmetric with a zero diagonal")
        elif network.form_ == "matrix":
            network._W = hebb(network.patterns_)
            network._measure()
        return network

    def _kept(self) -> tuple[str, ...]:
        """Return the attributes that a model file keeps besides parameters, patterns and weights."""
        return ("n_features_in_", "feature_names_in_", "seed_", "form_", "rule_")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_units")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
