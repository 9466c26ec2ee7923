"""Shapes on the plane that no straight line tells apart."""

import numpy as np
import pytest

from pellucid import MLPClassifier
from pellucid.data import circles, clouds, moons, spirals
from pellucid.errors import InvalidArgumentError

SHAPES = [circles, clouds, moons, spirals]


@pytest.mark.parametrize("shape", SHAPES)
def test_points_are_of_two_classes_within_the_square_and_the_same_for_a_seed(shape):
    X, y = shape(201, noise=0.05, random_state=3)
    assert X.shape == (201, 2)
    assert np.bincount(y).tolist() == [101, 100]
    assert np.abs(X).max() < 1.4
    np.testing.assert_array_equal(X, shape(201, noise=0.05, random_state=3)[0])
    assert not np.array_equal(X, shape(201, noise=0.05, random_state=4)[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_no_line_tells_them_apart_but_hidden_layers_do(shape):
    X, y = shape(200, noise=0, random_state=0)
    settings = {"solver": "lbfgs", "max_iter": 250, "n_iter_no_change": 250, "random_state": 0}
    assert MLPClassifier((), **settings).fit(X, y).score(X, y) < 0.9
    assert MLPClassifier((12, 12), activation="tanh", **settings).fit(X, y).score(X, y) > 0.92


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1,), "n must be"), ((2.5,), "n must be"), ((9, -1), "noise must be"), ((9, float("nan")), "noise")],
)
def test_what_is_no_number_of_points_or_no_noise_is_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        circles(*arguments)
