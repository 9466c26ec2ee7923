"""Modern Hopfield networks: interactions steeper than the square, so that far more patterns fit.

Patterns x_p (N,), a state s (N,), overlaps m_p = x_pᵀ s, and the soft maximum of P numbers, which lies between
their mean (β small) and their largest (β large)::

    softmax_β(a) = 1/β log(1/P Σ_p exp(β a_p))

    polynomial    E(s) = -Σ_p (m_p / N)^n            s of ±1
    exponential   E(s) = -softmax_β(m / N)           s of ±1; as Σ_p exp(β m_p / N), but finite for every β
                  s_i <- the sign with the lower energy, unit by unit: E never rises
    softmax       E(s) = -softmax_β(m) + ½ sᵀ s      s of real numbers
                  s <- Xᵀ softmax(β X s)             attention with query s, and the patterns as keys and values

Source: Krotov, Hopfield 2016 (F = mⁿ); Demircigil et al. 2017 (exp); Ramsauer et al. 2020, eqs. 2 and 3 (softmax).
"""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError
from pellucid.learning.estimator import check_choice, check_number, finite_outputs, unchanged_by_errors, validated
from pellucid.learning.step import Step, view
from pellucid.learning.trace import Record, Trace
from pellucid.networks.landscape import Landscape
from pellucid.saving import expect_names, expect_shape

__all__ = ["DenseAssociativeMemory", "attention", "soft_maximum"]

FORMULAS = MappingProxyType(
    {
        "field": "h_i = ½ (E(s, s_i = -1) - E(s, s_i = +1))",
        "flipped": "s_i <- sign(h_i)",
        "state": "s",
        "moved": "max_i |s_i(new) - s_i|",
    }
)
ENERGIES = MappingProxyType(
    {
        "polynomial": "E = -Σ_p (m_p / N)^n",
        "exponential": "E = -1/β log(1/P Σ_p exp(β m_p / N))",
        "softmax": "E = -1/β log(1/P Σ_p exp(β m_p)) + ½ sᵀ s",
    }
)
# Energies that differ by less than this share of what they are summed from are the same.
ROUNDING = 1e-12


def soft_maximum(A: np.ndarray, beta: float) -> np.ndarray:
    """Return 1/beta log(mean(exp(beta A))) over the last axis: finite for finite A (..., P) and every beta > 0."""
    most = A.max(axis=-1, keepdims=True)
    with np.errstate(over="ignore"):  # what lies too far below the largest counts for nothing
        below = np.expm1(beta * (A - most))
    soft: np.ndarray = most[..., 0] + np.log1p(below.mean(axis=-1)) / beta
    return soft


def attention(S: np.ndarray, X: np.ndarray, beta: float) -> np.ndarray:
    """Return softmax(β S Xᵀ) X (n, N): one update of states S (n, N) by patterns X (P, N)."""
    return attention_weights(S @ X.T, beta) @ X


def attention_weights(m: np.ndarray, beta: float) -> np.ndarray:
    """Return softmax(beta m) (n, P) of overlaps m (n, P)."""
    with np.errstate(over="ignore"):
        weights: np.ndarray = softmax(beta * (m - m.max(axis=1, keepdims=True)), axis=1)
    return weights


class DenseAssociativeMemory(Landscape, BaseEstimator):
    """A Hopfield network with a steeper interaction; see the module for its equations.

    Parameters
    ----------
    interaction : {"polynomial", "exponential", "softmax"}, default="polynomial"
    degree : int, default=3
        n of the polynomial; 2 is Hebb's rule, but for its diagonal.
    beta : float, default=1.0
        How steep the exponential or the softmax is.
    max_iter : int, default=100
        Sweeps over the units in their order, or updates, at most.
    tol : float, default=1e-6
        A softmax update that moves no unit further is the last.

    Attributes
    ----------
    patterns_ : ndarray of shape (P, N)
    n_patterns_ : int

    """

    patterns_: np.ndarray
    random_state = None

    def __init__(
        self,
        interaction: str = "polynomial",
        *,
        degree: int = 3,
        beta: float = 1.0,
        max_iter: int = 100,
        tol: float = 1e-6,
    ) -> None:
        self.interaction = interaction
        self.degree = degree
        self.beta = beta
        self.max_iter = max_iter
        self.tol = tol

    # -- storing ---------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the patterns X (P, N), of ±1 (softmax: any numbers), and forget all others.

        Raises InvalidArgumentError or InvalidDataError, naming what is wrong, and leaves the memory as it was.
        """
        with unchanged_by_errors(self):
            self._check_parameters()
            self.patterns_ = self._storable(self._states(X, reset=True))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Store the patterns X (P, N) beside those that are stored."""
        if not hasattr(self, "patterns_"):
            return self.fit(X)
        with unchanged_by_errors(self):
            self._check_parameters()
            self.patterns_ = np.vstack([self.patterns_, self._storable(self._states(X))])
        return self

    def _check_parameters(self) -> None:
        check_choice("interaction", self.interaction, tuple(ENERGIES))
        check_number("degree", self.degree, 2, integer=True)
        check_number("beta", self.beta, 0, open_low=True)
        check_number("max_iter", self.max_iter, 1, integer=True)
        check_number("tol", self.tol, 0)

    def _states(self, X: Any, *, reset: bool = False) -> np.ndarray:
        X = validated(self, X, "float64", reset=reset)
        self._check_signs(X)
        return X

    def _check_landscape(self) -> None:
        if self.interaction == "softmax":
            raise InvalidArgumentError(
                "interaction must be 'polynomial' or 'exponential' to name states of -1 and +1, got 'softmax'; "
                "trace(x) shows which patterns its state is an average of"
            )

    def _signs(self, X: Any) -> np.ndarray:
        return self._states(X)

    def _check_signs(self, X: np.ndarray) -> None:
        if self.interaction != "softmax" and (np.abs(X) != 1).any():
            i, j = (int(place) for place in np.argwhere(np.abs(X) != 1)[0])
            raise InvalidDataError(
                f"X must hold -1 or +1 only, got {X[i, j]:g} at row {i}, column {j}; interaction='softmax' takes any"
            )

    @staticmethod
    def _storable(X: np.ndarray) -> np.ndarray:
        """Return a copy of X (P, N), whose overlaps with what it recalls are numbers."""
        with np.errstate(over="ignore"):
            finite_outputs(np.einsum("pn,pn->p", X, X), X)
        return X.copy()

    @property
    def n_patterns_(self) -> int:
        """How many patterns are stored."""
        return len(self.patterns_)

    # -- the landscape ---------------------------------------------------------------------------------------

    def _overlaps(self, S: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return finite_outputs(S @ self.patterns_.T, S)

    def _energy_of(self, m: np.ndarray) -> Any:
        """Return the energy of states of ±1 from their overlaps (..., P)."""
        share = m / self.n_features_in_
        if self.interaction == "exponential":
            return -soft_maximum(share, self.beta)
        return -(share**self.degree).sum(axis=-1)

    def _slack(self, m: np.ndarray) -> float:
        """Return below what a difference of energies is rounding, for a state with the overlaps m (P,)."""
        if self.interaction == "exponential":
            return ROUNDING
        return ROUNDING * float((np.abs(m / self.n_features_in_) ** self.degree).sum())

    def energy(self, X: Any) -> np.ndarray:
        """Return the energy of each row, (n,); overlaps are taken as shares of N, but for the softmax."""
        check_is_fitted(self)
        return self._energy(self._states(X))

    def _energy(self, S: np.ndarray) -> np.ndarray:
        energies: np.ndarray
        if self.interaction == "softmax":
            with np.errstate(over="ignore"):
                half_squares = finite_outputs(0.5 * np.einsum("nd,nd->n", S, S), S)
            energies = half_squares - soft_maximum(self._overlaps(S), self.beta)
        else:
            energies = self._energy_of(self._overlaps(S))
        return energies

    def fields(self, X: Any) -> np.ndarray:
        """Return what the units of each row follow, (n, N): their local fields; softmax: the next state."""
        check_is_fitted(self)
        return self._fields(self._states(X))

    def _fields(self, S: np.ndarray) -> np.ndarray:
        if self.interaction == "softmax":
            self._overlaps(S)  # refuses what is too large, by its row
            return attention(S, self.patterns_, self.beta)
        H = np.empty_like(S)
        for s, m, h, energy in zip(S, self._overlaps(S), H, self._energy(S), strict=True):
            turned = m - 2 * s[:, None] * self.patterns_.T  # (N, P): the overlaps with unit i the other way
            h[:] = 0.5 * s * (self._energy_of(turned) - energy)
        return H

    def is_stable(self, X: Any) -> np.ndarray:
        """Return for each row whether no unit would flip (softmax: move further than ``tol``), (n,)."""
        check_is_fitted(self)
        S = self._states(X)
        H = self._fields(S)
        if self.interaction == "softmax":
            return (np.abs(H - S) <= self.tol).all(axis=1)
        slack = np.array([self._slack(m) for m in self._overlaps(S)])
        return (2 * S * H + slack[:, None] >= 0).all(axis=1)

    # -- recall ----------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Return where each row of X (n, N) comes to rest, (n, N)."""
        check_is_fitted(self)
        return self._rests(self._states(X))

    recall = predict

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of rows of X recalled as y (n, N), within 1e-3 a unit; without y, as they are."""
        check_is_fitted(self)
        S = self._states(X)
        wanted = S if y is None else self._states(y)
        if wanted.shape != S.shape:
            raise InvalidDataError(
                f"y must hold the wanted pattern of each row, of shape {S.shape}; got {wanted.shape}"
            )
        return float((np.abs(self._rests(S) - wanted) <= 1e-3).all(axis=1).mean())

    def _rests(self, S: np.ndarray) -> np.ndarray:
        self._overlaps(S)  # refuses what is too large, by its row
        rests = S.copy()
        for rest in rests:
            for step in self._run(rest):
                rest[:] = step.state
        return rests

    # -- watching --------------------------------------------------------------------------------------------

    def steps(self, x: Any) -> Iterator[Step]:
        """Run one state x (N,) to its rest; yield a Step for each unit visited (softmax: for each update).

        Values: ``unit``, ``field`` (its h_i), ``flipped``, ``energy`` after it, ``state`` (N,); softmax: ``state``,
        ``moved`` (how far the unit that moved most), ``energy``.
        """
        check_is_fitted(self)
        return self._run(self._one(x))

    def trace(self, x: Any) -> Trace:
        """Return one state x (N,), its overlaps, fields and energy, and the same where it comes to rest."""
        check_is_fitted(self)
        S = self._one(x)[None]
        rest = self._rests(S)
        m, kind, softmax = self._overlaps(S), type(self), self.interaction == "softmax"
        if softmax:
            records = [
                Record("s", "s", S[0], "N"),
                Record("overlaps", "m_p = x_pᵀ s", m[0], "P", function=kind._overlaps),
                Record(
                    "attention", "softmax(β m)", attention_weights(m, self.beta)[0], "P", function=attention_weights
                ),
                Record("field", "Xᵀ softmax(β m)", self._fields(S)[0], "N", function=attention),
            ]
            rule = "s <- Xᵀ softmax(β X s), until no unit moves"
        else:
            records = [
                Record("s", "s", S[0], "N"),
                Record("overlaps", "m_p / N = 1/N x_pᵀ s", m[0] / S.shape[1], "P", function=kind._overlaps),
                Record("field", FORMULAS["field"], self._fields(S)[0], "N", function=kind._fields),
            ]
            rule = "s <- sign(h), unit by unit"
        settle, rest_energy = kind._by_softmax if softmax else kind._by_units, float(self._energy(rest)[0])
        records += [
            Record("energy", ENERGIES[self.interaction], float(self._energy(S)[0]), function=kind._energy),
            Record("rest", rule, rest[0], "N", "update", function=settle),
            Record("rest_energy", "E at the rest", rest_energy, phase="update", function=kind._energy),
        ]
        return Trace("DenseAssociativeMemory", records)

    def _one(self, x: Any) -> np.ndarray:
        """Return the one state x (N,), or that of the only row of x (1, N)."""
        S = self._states(x if np.ndim(x) == 2 else np.asarray(x)[None])
        if len(S) != 1:
            raise InvalidDataError(f"x must be one state (N,), got {len(S)} rows; take them one by one")
        return S[0]

    def _run(self, s: np.ndarray) -> Iterator[Step]:
        return self._by_softmax(s) if self.interaction == "softmax" else self._by_units(s)

    def _by_units(self, s: np.ndarray) -> Iterator[Step]:
        s = s.copy()
        m = self.patterns_ @ s  # (P,)
        energy, slack = float(self._energy_of(m)), self._slack(m)
        formulas = FORMULAS | {"energy": ENERGIES[self.interaction]}
        number = 0
        for _ in range(self.max_iter):
            flips = 0
            for i, column in enumerate(self.patterns_.T):
                turned = m - 2 * s[i] * column
                other = float(self._energy_of(turned))
                field = 0.5 * s[i] * (other - energy)
                flipped = other < energy - slack
                if flipped:
                    s[i], m, energy, slack, flips = -s[i], turned, other, self._slack(turned), flips + 1
                number += 1
                values = {"unit": i, "field": field, "flipped": flipped, "energy": energy, "state": view(s)}
                yield Step(
                    "unit", number, MappingProxyType(values), MappingProxyType(formulas), (type(self)._by_units,)
                )
            if not flips:
                return

    def _by_softmax(self, s: np.ndarray) -> Iterator[Step]:
        formulas = FORMULAS | {"state": "s <- Xᵀ softmax(β X s)", "energy": ENERGIES["softmax"]}
        for number in range(1, self.max_iter + 1):
            new = self._fields(s[None])[0]
            moved, s = float(np.abs(new - s).max()), new
            values = {"state": view(s), "moved": moved, "energy": float(self._energy(s[None])[0])}
            functions = (attention, type(self)._by_softmax)
            yield Step("update", number, MappingProxyType(values), MappingProxyType(formulas), functions)
            if moved <= self.tol:
                return

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a model file keeps: see ``pellucid.saving``."""
        check_is_fitted(self)
        attributes = {name: getattr(self, name) for name in self._kept() if hasattr(self, name)}
        return {"parameters": self.get_params(deep=False), "attributes": attributes}, {"patterns": self.patterns_}

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the memory of which ``to_file`` told."""
        memory = cls(**entries["parameters"])
        memory._check_parameters()
        for name, value in entries["attributes"].items():
            if name not in memory._kept():
                raise ModelFileError(f"holds an attribute {name!r}, which a {cls.__name__} does not have")
            setattr(memory, name, value)
        expect_names(arrays, ["patterns"])
        patterns = expect_shape(arrays, "patterns", (len(arrays["patterns"]), memory.n_features_in_))
        memory._check_signs(patterns)
        memory.patterns_ = memory._storable(patterns)
        return memory

    def _kept(self) -> tuple[str, ...]:
        """Return the attributes that a model file keeps besides parameters and patterns."""
        return ("n_features_in_", "feature_names_in_")
