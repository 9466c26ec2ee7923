"""Small problems."""

import numpy as np
import pytest


@pytest.fixture
def flowers():
    """Sixty samples of four features in three classes that a network tells apart at once: (X, y)."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 4)) * 0.4 + np.array([[0, 1, 2, 3], [3, 0, 1, 2], [1, 3, 0, 0]])[y]
    return X, y


@pytest.fixture
def curve():
    """Sixty samples of three features and a smooth target: (X, y)."""
    X = np.random.default_rng(1).uniform(-1, 1, size=(60, 3))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
