"""Points on the plane in two classes, in shapes that no straight line tells apart: for pictures of what is learnt.

All lie within about -1.2 to 1.2. Each function takes the number of points, the standard deviation of the noise
that is added to them, and a seed, and returns X (n, 2) and y (n,), 0 or 1, half of them each.
"""

import numpy as np

from pellucid.errors import InvalidArgumentError

__all__ = ["circles", "clouds", "moons", "spirals"]

Points = tuple[np.ndarray, np.ndarray]


def clouds(n: int = 200, noise: float = 0.1, random_state: int | None = None) -> Points:
    """Return four clouds around (±0.6, ±0.6), those across from each other of one class: exclusive or."""
    y, rng = _begin(n, noise, random_state)
    x = rng.uniform(0.15, 1.05, (n, 2))  # in the first quadrant
    side = rng.choice([-1.0, 1.0], n)
    X = np.column_stack([x[:, 0] * side, x[:, 1] * np.where(y == 0, side, -side)])
    return _noisy(X, noise, rng), y


def circles(n: int = 200, noise: float = 0.1, random_state: int | None = None) -> Points:
    """Return a disc of radius 0.45 (class 1) and a ring of radius 0.8 to 1.05 around it (class 0)."""
    y, rng = _begin(n, noise, random_state)
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = np.where(y == 1, rng.uniform(0, 0.45, n), rng.uniform(0.8, 1.05, n))
    return _noisy(_polar(radius, angle), noise, rng), y


def moons(n: int = 200, noise: float = 0.1, random_state: int | None = None) -> Points:
    """Return two half circles that reach into each other."""
    y, rng = _begin(n, noise, random_state)
    X = _polar(np.full(n, 0.7), rng.uniform(0, np.pi, n))
    X[y == 1] *= -1
    X += np.where(y[:, None] == 1, [0.35, 0.15], [-0.35, -0.15])
    return _noisy(X, noise, rng), y


def spirals(n: int = 200, noise: float = 0.1, random_state: int | None = None) -> Points:
    """Return two spirals of one and three quarter turns, wound into each other."""
    y, rng = _begin(n, noise, random_state)
    share = np.sqrt(rng.uniform(0.01, 1, n))  # as dense outside as inside
    X = _polar(1.05 * share, 3.5 * np.pi * share + np.pi * y)
    return _noisy(X, 0.4 * noise, rng), y


def _begin(n: int, noise: float, random_state: int | None) -> tuple[np.ndarray, np.random.Generator]:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 2:
        raise InvalidArgumentError(f"n must be a whole number >= 2, got {n!r}")
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise < np.inf:
        raise InvalidArgumentError(f"noise must be a number >= 0, got {noise!r}")
    return np.arange(n) % 2, np.random.default_rng(random_state)


def _polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def _noisy(X: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    return X + noise * rng.normal(size=X.shape)
