"""From the strokes of a pen to an image as ``load_digits`` gives them: the law by which those images were made.

There, each digit became a bitmap of 32 x 32, and the dark pixels of each block of 4 x 4 were counted: 8 x 8 numbers
from 0 to 16. Before, NIST's program had made the bitmaps alike, and the images show how: every digit is 32 high and
about 20 wide, in the middle; it was slanted until its first and its last row began in the same column (in the 1,797
images they do, within 1 pixel); and its lines were made thinner or thicker until some 313 of the 1,024 pixels were
dark (standard deviation 34). A pen of the right thickness does here what thinning and thickening did there.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI 1998; M. D. Garris and others, NIST
Form-Based Handprint Recognition System, NISTIR 5469, 1994.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from pellucid.data.digits import INK
from pellucid.errors import InvalidDataError

__all__ = ["block_counts", "drawn_digit", "normalized_bitmap"]

SIDE, BLOCK = 32, 4
HEIGHT, WIDTH = 32.0, 20.0  # of a digit, in pixels
DARK = 313  # pixels of a digit
THICK = 5.0  # the pen's radius at most: a straight line is as wide as the data's plainest ones
STRETCH = 2.0  # one side at most so much more than the other: a line stays a line
STEEP = 1.0  # the slant at most
ROUNDS = 6  # slant, thickness and size depend on each other


def drawn_digit(strokes: Iterable[Sequence[Sequence[float]]]) -> np.ndarray:
    """Return the image of what was drawn, (64,), float32 in [0, 1], as a row of ``load_digits``.

    Each stroke is a sequence of points (x, y) in any unit, x to the right and y downwards, along which the pen went.
    Raises InvalidDataError for points that are no two finite numbers.
    """
    return (block_counts(normalized_bitmap(strokes)).ravel() / INK).astype(np.float32)


def block_counts(bitmap: np.ndarray) -> np.ndarray:
    """Return how many pixels of each block of 4 x 4 are dark: (32, 32) bool to (8, 8), 0 to 16."""
    blocks: np.ndarray = bitmap.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK).sum(axis=(1, 3))
    return blocks


def normalized_bitmap(strokes: Iterable[Sequence[Sequence[float]]]) -> np.ndarray:
    """Return the strokes as a bitmap (32, 32), bool, true where the ink is: see the head of this module.

    Without a stroke no pixel is dark. Raises InvalidDataError for points that are no two finite numbers.
    """
    begins, ends = _segments(strokes)
    ink = np.zeros((SIDE, SIDE), bool)
    slant, radius = 0.0, 2.0
    for _ in range(ROUNDS if len(begins) else 0):
        upright = np.array([[1, 0], [slant, 1]])  # x + slant y, y
        a, b = begins @ upright, ends @ upright
        scale, shift = _fit(np.concatenate([a, b]), radius)
        distance = _distances(a * scale + shift, b * scale + shift)
        radius = min(THICK, float(np.partition(distance, DARK - 1, axis=None)[DARK - 1]))
        ink = distance <= radius
        rows = np.flatnonzero(ink.any(axis=1))
        first, last = ink[rows[0]].argmax(), ink[rows[-1]].argmax()  # the columns in which they begin
        down = max(1.0, float(rows[-1] - rows[0]))
        slant = float(np.clip(slant + (float(first) - float(last)) / down * scale[1] / scale[0], -STEEP, STEEP))
    return ink


def _segments(strokes: Iterable[Sequence[Sequence[float]]]) -> tuple[np.ndarray, np.ndarray]:
    """Return where each straight piece of the strokes begins and ends, (S, 2) each; a dot is a piece of no length."""
    begins, ends = [np.empty((0, 2))], [np.empty((0, 2))]
    for number, stroke in enumerate(strokes, start=1):
        try:
            points = np.asarray(stroke, dtype=np.float64)
        except (TypeError, ValueError):
            points = np.empty(0)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise InvalidDataError(
                f"strokes must be sequences of points (x, y), two finite numbers each; stroke {number} is not"
            )
        begins.append(points if len(points) == 1 else points[:-1])
        ends.append(points if len(points) == 1 else points[1:])
    return np.concatenate(begins), np.concatenate(ends)


def _fit(points: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale (2,) and shift (2,) that bring points (S, 2), drawn by that pen, into the digit's box."""
    low, high = points.min(axis=0), points.max(axis=0)
    box = np.array([WIDTH, HEIGHT]) - 2 * radius
    wanted = box / np.maximum(high - low, 1e-9)
    scale = np.minimum(wanted, STRETCH * wanted.min())
    return scale, SIDE / 2 - scale * (low + high) / 2


def _distances(begins: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return how far the middle of each pixel is from the nearest of the segments, (32, 32)."""
    middle = np.arange(SIDE) + 0.5
    x, y = middle - begins[:, :1], middle - begins[:, 1:]  # (S, 32)
    across, down = np.hsplit(ends - begins, 2)  # (S, 1)
    length = np.maximum(across**2 + down**2, 1e-12)
    share = np.clip(((y * down)[:, :, None] + (x * across)[:, None]) / length[:, :, None], 0, 1)  # (S, 32, 32)
    squared = (x[:, None] - share * across[:, :, None]) ** 2 + (y[:, :, None] - share * down[:, :, None]) ** 2
    distance: np.ndarray = np.sqrt(squared.min(axis=0))
    return distance
