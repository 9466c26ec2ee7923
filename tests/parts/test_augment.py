"""Augmentation: against SciPy's interpolation, and that it draws what it says."""

import numpy as np
import pytest
from scipy import ndimage

from pellucid.parts.augment import Augment, moved


def by_scipy(image, down, right, angle):
    """Turn an image (H, W) clockwise about its centre, then shift it; between pixels linearly, outside no ink."""
    centre = (np.array(image.shape) - 1) / 2
    back = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    offset = centre - back @ np.add(centre, (down, right))
    return ndimage.affine_transform(image, back, offset, order=1, mode="grid-constant", cval=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_images_are_moved_as_scipy_moves_them(dtype, tolerance):
    rng = np.random.default_rng(0)
    for shape in ((3, 1, 8, 8), (2, 3, 7, 12), (2, 2, 1, 5), (1, 1, 28, 28)):
        x = rng.normal(size=shape).astype(dtype)
        down, right = rng.uniform(-4, 4, (2, len(x)))
        angle = rng.uniform(-np.pi, np.pi, len(x))
        found = moved(x, down, right, angle)
        assert found.dtype == dtype
        for n, channel in np.ndindex(*shape[:2]):
            truth = by_scipy(x[n, channel], down[n], right[n], angle[n])
            np.testing.assert_allclose(found[n, channel], truth, atol=tolerance)


def test_a_quarter_turn_is_clockwise_and_a_shift_goes_down_and_to_the_right():
    x = np.arange(25.0).reshape(1, 1, 5, 5)
    quarter = moved(x, np.zeros(1), np.zeros(1), np.full(1, np.pi / 2))
    np.testing.assert_allclose(quarter[0, 0], np.rot90(x[0, 0], -1), atol=1e-12)
    shifted = moved(x, np.ones(1), np.full(1, 2.0), np.zeros(1))
    np.testing.assert_array_equal(shifted[0, 0, 1:, 2:], x[0, 0, :-1, :-2])
    assert not shifted[0, 0, 0].any()
    assert not shifted[0, 0, :, :2].any()


def places(images):
    """Return where the ink of each image (N, 1, H, W) lies in the middle, in pixels from the centre (N, 2)."""
    found = np.array([ndimage.center_of_mass(image[0]) for image in images])
    return found - (np.array(images.shape[2:]) - 1) / 2


def test_shifts_are_uniform_within_their_bounds_and_other_in_each_image_and_each_time():
    x = np.zeros((4000, 1, 11, 11))
    x[:, 0, 5, 5] = 1
    layer = Augment(2.5, 0.0, np.random.default_rng(0))
    down, right = places(layer.forward(x, training=True)[0]).T
    for shift in (down, right):
        assert np.abs(shift).max() <= 2.5
        assert np.histogram(shift, 5, (-2.5, 2.5))[0] == pytest.approx(800, abs=100)
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.05
    again = places(layer.forward(x, training=True)[0])[:, 0]
    assert abs(np.corrcoef(down, again)[0, 1]) < 0.05


def test_rotations_are_uniform_within_their_bounds():
    x = np.zeros((4000, 1, 21, 21))
    x[:, 0, 10, 20] = 1  # right of the centre: turned by a, it lies at (10 sin a, 10 cos a)
    layer = Augment(0.0, 30.0, np.random.default_rng(0))
    row, column = places(layer.forward(x, training=True)[0]).T
    angle = np.degrees(np.arctan2(row, column))
    assert 29 < np.abs(angle).max() <= 30.5  # bilinear ink is as much as half a degree out of place
    assert np.histogram(angle, 5, (-30, 30))[0] == pytest.approx(800, abs=130)


def test_outside_training_images_stay_as_they_are():
    x = np.random.default_rng(0).normal(size=(3, 1, 5, 5))
    assert Augment(2.0, 30.0, np.random.default_rng(0)).forward(x)[0] is x
