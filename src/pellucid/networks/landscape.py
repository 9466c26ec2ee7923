"""What else an energy keeps beside the memories: its valleys, of what kind they are, and how wide.

Recall that starts anywhere ends in a stored pattern, in its inverse (−x has the energy of x where only even powers
count), in a mixture of an odd number of patterns, or in another spurious state.

Source: Amit, Gutfreund, Sompolinsky 1985 (mixtures).
"""

from itertools import combinations
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import check_number, check_seed

__all__ = ["Landscape", "corrupted", "plane"]

# A mixture is looked for among so many nearest patterns.
NEAREST = 8


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


def plane(corners: Any, columns: int = 41, margin: float = 0.4) -> np.ndarray:
    """Return states of ±1 on a plane through three of them, (columns, columns, N), rows from the top.

    ``corners`` (3, N): from the first to the second, to the right, the units in which they differ turn over one after
    the other; from the first to the third, upwards, those in which these do. Where both differ from the first, the
    farther of the two ways counts. ``margin`` goes on beyond the corners, and there turns units that all three share.

    Raises InvalidDataError for anything but three rows of -1 and +1.
    """
    check_number("columns", columns, 2, integer=True)
    check_number("margin", margin, 0)
    states = np.asarray(corners)
    if states.ndim != 2 or len(states) != 3 or not np.isin(states, (-1, 1)).all():
        raise InvalidDataError(f"corners must be three rows (3, N) of -1 and +1, got an array of shape {states.shape}")
    first, second, third = states.astype(np.int8)
    to_second, to_third = first != second, first != third  # (N,)
    way = np.linspace(-margin, 1 + margin, columns)
    u, v = way[None, :, None], way[::-1, None, None]
    share = np.maximum(np.where(to_second, u, 0), np.where(to_third, v, 0))  # (columns, columns, N)
    common = ~(to_second | to_third)
    beyond = np.stack(np.broadcast_arrays(-u, u - 1, -v, v - 1))[:, :, :, 0]  # left, right, below, above
    share[:, :, common] = 2 * beyond[np.arange(common.sum()) % 4].transpose(1, 2, 0)
    turns = np.empty(len(first))  # how far one goes until a unit turns over
    for group in (common, to_second & ~to_third, to_third & ~to_second, to_second & to_third):
        count = int(group.sum())
        turns[group] = (np.random.default_rng(0).permutation(count) + 0.5) / max(1, count)
    return np.where(share > turns, -first, first)


class Landscape:
    """Finds and names fixed points, for a memory of states ±1 with ``patterns_`` (P, N) and the methods below."""

    patterns_: Any
    n_features_in_: int

    def _check_landscape(self) -> None:
        """Raise InvalidArgumentError where states are no ±1."""

    def _signs(self, X: Any) -> np.ndarray:
        """Return states X (n, N), as the caller has them, as ±1."""
        raise NotImplementedError

    def _shown(self, S: np.ndarray) -> np.ndarray:
        """Return states S (n, N) of ±1 as the caller has them."""
        return S

    def _rests(self, S: np.ndarray) -> np.ndarray:
        """Return where states S (n, N) of ±1 come to rest, (n, N)."""
        raise NotImplementedError

    def classify(self, X: Any, closeness: float = 0.95) -> np.ndarray:
        """Return what each row of X (n, N) is: "stored", "inverse", "mixture" or "other", (n,).

        A mixture has an overlap of at least ``closeness`` with the sign of the sum of three, five or seven stored
        patterns, each as it is or turned over: the spurious states of an odd number (Amit, Gutfreund, Sompolinsky).
        """
        check_is_fitted(self)
        self._check_landscape()
        check_number("closeness", closeness, 0, 1)
        return self._kinds(self._signs(X), closeness)

    def _kinds(self, S: np.ndarray, closeness: float = 0.95) -> np.ndarray:
        N = self.n_features_in_
        patterns = self.patterns_.astype(np.int32)
        kinds = np.full(len(S), "other", dtype="<U7")
        for row, s in enumerate(S.astype(np.int32)):
            m = patterns @ s  # (P,)
            if (m == N).any() or (m == -N).any():
                kinds[row] = "stored" if (m == N).any() else "inverse"
            elif _is_mixture(s, m, patterns, closeness):
                kinds[row] = "mixture"
        return kinds

    def fixed_points(self, n: int = 1000, random_state: Any = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run n random states to their rest; return the distinct ones (k, N), their kinds (k,), how often each (k,)."""
        check_is_fitted(self)
        self._check_landscape()
        check_number("n", n, 1, integer=True)
        starts = check_seed(random_state).randint(2, size=(n, self.n_features_in_)).astype(np.int8)
        states, counts = np.unique(self._rests(2 * starts - 1), axis=0, return_counts=True)
        return self._shown(states), self._kinds(states), counts

    def basin(self, shares: Any, repeats: int = 10, random_state: Any = 0) -> np.ndarray:
        """Return for each corrupted share how many of the patterns come back, all units right, (len(shares),)."""
        check_is_fitted(self)
        self._check_landscape()
        check_number("repeats", repeats, 1, integer=True)
        if np.ndim(shares) != 1:
            raise InvalidArgumentError(
                f"shares must be a list of numbers from 0 to 1, got {shares!r}; use [{shares!r}]"
            )
        generator = check_seed(random_state)
        patterns = np.ascontiguousarray(np.repeat(self.patterns_, repeats, axis=0))
        found = []
        for share in shares:
            rests = self._rests(corrupted(patterns, float(share), generator))
            found.append((rests == patterns).all(axis=1).mean())
        return np.array(found)


def _is_mixture(s: np.ndarray, m: np.ndarray, patterns: np.ndarray, closeness: float) -> bool:
    nearest = np.argsort(-np.abs(m), kind="stable")[:NEAREST]
    parts = patterns[nearest] * np.sign(m[nearest])[:, None]  # (8, N)
    for count in (3, 5, 7):
        for chosen in combinations(range(len(nearest)), count):
            if s @ np.sign(parts[list(chosen)].sum(axis=0)) >= closeness * len(s):
                return True
    return False
