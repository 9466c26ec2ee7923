"""scikit-learn's digits, in the shape in which networks take them."""

import numpy as np
from sklearn import datasets

from pellucid.data import load_digits


def test_digits_are_1797_images_of_64_pixels_between_0_and_1():
    X, y = load_digits()
    assert X.shape == (1797, 64)
    assert X.dtype == np.float32
    assert (X.min(), X.max()) == (0.0, 1.0)
    assert y.shape == (1797,)
    assert y.dtype == np.int64
    assert sorted(set(y)) == list(range(10))


def test_digits_are_scikit_learns_divided_by_sixteen():
    X, y = load_digits()
    theirs = datasets.load_digits()
    np.testing.assert_array_equal(X.reshape(-1, 8, 8) * 16, theirs.images)
    np.testing.assert_array_equal(y, theirs.target)
