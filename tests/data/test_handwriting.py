"""What is drawn becomes an image by the law of scikit-learn's digits: measured on these themselves."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import block_counts, drawn_digit, load_digits, normalized_bitmap
from pellucid.errors import InvalidDataError

sys.path.insert(0, str(Path(__file__).parents[1]))
from drawings import DRAWINGS

WAYS = [pytest.param(way, id=f"{digit}{'abc'[n]}") for digit, ways in DRAWINGS.items() for n, way in enumerate(ways)]


def begins(row):
    """Return the column of the 32 at which a row of counts begins, within a pixel or two."""
    first = np.flatnonzero(row)[0]
    return 4 * first + 4 - np.clip(np.ceil(row[first] / 4), 1, 4)


def test_the_law_is_that_of_the_data():
    """Every digit is 32 high, begins below where it begins above, and has some 313 dark pixels."""
    images = np.rint(16 * load_digits()[0]).reshape(-1, 8, 8)
    assert (images[:, [0, 7]].max(axis=2) > 0).all()
    slants = [begins(image[0]) - begins(image[7]) for image in images]
    assert abs(np.mean(slants)) < 0.05
    assert np.std(slants) < 1.1
    ink = images.sum(axis=(1, 2))
    assert abs(ink.mean() - 313) < 1
    assert ink.std() < 36


@pytest.mark.parametrize("way", WAYS)
def test_a_drawn_digit_is_as_high_as_dark_and_as_upright_as_the_data_s(way):
    bitmap = normalized_bitmap(way)
    counts = block_counts(bitmap)
    assert bitmap.shape == (32, 32)
    assert counts.shape == (8, 8)
    assert counts.sum() == bitmap.sum()
    assert 290 <= counts.sum() <= 330
    rows, columns = np.flatnonzero(bitmap.any(axis=1)), np.flatnonzero(bitmap.any(axis=0))
    assert rows[0] <= 1
    assert rows[-1] >= 30
    assert 9 <= columns[-1] - columns[0] + 1 <= 22
    assert abs(columns[0] + columns[-1] - 31) <= 2  # in the middle
    assert abs(int(bitmap[rows[0]].argmax()) - int(bitmap[rows[-1]].argmax())) <= 2
    image = drawn_digit(way)
    assert image.dtype == np.float32
    assert (16 * image).tolist() == counts.ravel().tolist()


def test_blocks_count_dark_pixels():
    bitmap = np.zeros((32, 32), bool)
    bitmap[0, 0] = bitmap[4:8, 8:12] = bitmap[31, 30] = True
    counts = block_counts(bitmap)
    assert (counts[0, 0], counts[1, 2], counts[7, 7], counts.sum()) == (1, 16, 1, 18)


def test_where_how_large_and_how_slanted_it_was_drawn_makes_little_difference():
    way = DRAWINGS[5][0]
    image = drawn_digit(way)
    moved = [[(300 + 7 * x, 20 + 7 * y) for x, y in stroke] for stroke in way]
    np.testing.assert_array_equal(drawn_digit(moved), image)
    slanted = [[(x - 0.3 * y, y) for x, y in stroke] for stroke in way]
    assert np.abs(16 * (drawn_digit(slanted) - image)).mean() < 1


def test_nothing_drawn_is_nothing_dark_and_a_dot_is_a_dot():
    assert not normalized_bitmap([]).any()
    assert not normalized_bitmap([np.empty((0, 2))]).any()
    dot = normalized_bitmap([[(3, 4)]])
    assert dot[15:17, 15:17].all()
    assert 60 < dot.sum() < 90
    assert not dot[:10].any()
    line = normalized_bitmap([[(0, 5), (9, 5)]])
    assert line.any(axis=0).sum() == pytest.approx(20, abs=1)
    assert line.any(axis=1).sum() <= 11


@pytest.mark.parametrize("points", [[(1, np.nan)], [1, 2], [(1, 2, 3)], "ab", [("a", "b")], [(1, 2), (3,)], 7])
def test_points_that_are_none_are_refused(points):
    with pytest.raises(InvalidDataError, match=r"points \(x, y\), two finite numbers each; stroke 2 is not"):
        normalized_bitmap([[(0, 0)], points])
