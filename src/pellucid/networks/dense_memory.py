"""Modern Hopfield networks: interactions steeper than the square, so that far more patterns fit.

Patterns x_p (N,), a state s (N,), overlaps m_p = x_pᵀ s::

    polynomial, exponential   E(s) = -Σ_p F(m_p)          F(m) = (m/N)^n  or  exp(β m / N),  s of ±1
                              s_i <- the sign with the lower energy, unit by unit: E never rises
    softmax                   E(s) = -1/β log Σ_p exp(β m_p) + ½ sᵀ s,  s of real numbers
                              s <- Xᵀ softmax(β X s)       attention with query s, and the patterns as keys and values

Source: Krotov, Hopfield 2016 (F = mⁿ); Demircigil et al. 2017 (exp); Ramsauer et al. 2020, eq. 3 (softmax).
"""

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import InvalidDataError
from pellucid.learning.estimator import check_choice, check_number, unchanged_by_errors, validated
from pellucid.learning.step import Step, view

__all__ = ["DenseAssociativeMemory", "attention"]

FORMULAS = MappingProxyType({"field": "½ (E(s, s_i = -1) - E(s, s_i = +1))", "energy": "E = -Σ_p F(m_p)"})


def attention(S: np.ndarray, X: np.ndarray, beta: float) -> np.ndarray:
    """Return softmax(β S Xᵀ) X (n, N): one update of states S (n, N) by patterns X (P, N)."""
    weights: np.ndarray = softmax(beta * (S @ X.T), axis=1)
    return weights @ X


class DenseAssociativeMemory(BaseEstimator):
    """A Hopfield network with a steeper interaction; see the module for its equations.

    Parameters
    ----------
    interaction : {"polynomial", "exponential", "softmax"}, default="polynomial"
    degree : int, default=3
        n of the polynomial; 2 is Hebb's rule, but for its diagonal.
    beta : float, default=1.0
        How steep the exponential or the softmax is.
    max_iter : int, default=100
        Sweeps, or updates, at most.
    tol : float, default=1e-6
        A softmax update that moves no unit further is the last.

    Attributes
    ----------
    patterns_ : ndarray of shape (P, N)

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

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the patterns X (P, N), of ±1 (softmax: any numbers)."""
        with unchanged_by_errors(self):
            check_choice("interaction", self.interaction, ("polynomial", "exponential", "softmax"))
            check_number("degree", self.degree, 2, integer=True)
            check_number("beta", self.beta, 0, open_low=True)
            check_number("max_iter", self.max_iter, 1, integer=True)
            check_number("tol", self.tol, 0)
            self.patterns_ = self._states(X, reset=True).copy()
        return self

    def _states(self, X: Any, *, reset: bool = False) -> np.ndarray:
        X = validated(self, X, "float64", reset=reset)
        if self.interaction != "softmax" and (np.abs(X) != 1).any():
            i, j = (int(place) for place in np.argwhere(np.abs(X) != 1)[0])
            raise InvalidDataError(f"X must hold -1 or +1 only, got {X[i, j]:g} at row {i}, column {j}")
        return X

    def _energy_of(self, m: np.ndarray) -> Any:
        """Return -Σ_p F(m_p) over the last axis, F(m) = (m / N)^n or exp(β m / N)."""
        share = m / self.n_features_in_
        return -(share**self.degree if self.interaction == "polynomial" else np.exp(self.beta * share)).sum(axis=-1)

    def energy(self, X: Any) -> np.ndarray:
        """Return the energy of each row, (n,); overlaps are taken as shares of N, but for the softmax."""
        check_is_fitted(self)
        S = self._states(X)
        m = S @ self.patterns_.T
        if self.interaction == "softmax":
            return -logsumexp(self.beta * m, axis=1) / self.beta + 0.5 * (S * S).sum(axis=1)
        energies: np.ndarray = self._energy_of(m)
        return energies

    def predict(self, X: Any) -> np.ndarray:
        """Return where each row of X (n, N) comes to rest, (n, N)."""
        check_is_fitted(self)
        S = self._states(X).copy()
        for s in S:
            for step in self._run(s):
                s[:] = step.state
        return S

    recall = predict

    def score(self, X: Any, y: Any = None) -> float:
        """Return the share of rows of X recalled as y (n, N), within 1e-3 a unit; without y, as they are."""
        wanted = self._states(X if y is None else y)
        return float((np.abs(self.predict(X) - wanted) <= 1e-3).all(axis=1).mean())

    def steps(self, x: Any) -> Iterator[Step]:
        """Run one state x (N,) to its rest; yield a Step for each unit visited (softmax: for each update)."""
        check_is_fitted(self)
        return self._run(self._states(np.asarray(x)[None])[0].copy())

    def _run(self, s: np.ndarray) -> Iterator[Step]:
        return self._by_softmax(s) if self.interaction == "softmax" else self._by_units(s)

    def _by_units(self, s: np.ndarray) -> Iterator[Step]:
        s = s.copy()
        m = self.patterns_ @ s  # (P,)
        energy = float(self._energy_of(m))
        number = 0
        for _ in range(self.max_iter):
            flips = 0
            for i, column in enumerate(self.patterns_.T):
                turned = m - 2 * s[i] * column
                other = float(self._energy_of(turned))
                field = 0.5 * s[i] * (other - energy)
                flipped = other < energy - 1e-12 * abs(energy)
                if flipped:
                    s[i], m, energy, flips = -s[i], turned, other, flips + 1
                number += 1
                values = {"unit": i, "field": field, "flipped": flipped, "energy": energy, "state": view(s)}
                yield Step("unit", number, MappingProxyType(values), FORMULAS, (type(self)._by_units,))
            if not flips:
                return

    def _by_softmax(self, s: np.ndarray) -> Iterator[Step]:
        for number in range(1, self.max_iter + 1):
            new = attention(s[None], self.patterns_, self.beta)[0]
            moved, s = float(np.abs(new - s).max()), new
            values = {"state": view(s), "moved": moved, "energy": float(self.energy(s[None])[0])}
            yield Step("update", number, MappingProxyType(values), FORMULAS, (type(self)._by_softmax,))
            if moved <= self.tol:
                return
