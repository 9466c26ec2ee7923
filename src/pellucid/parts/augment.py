"""Augmentation: in training, each image comes a little shifted and rotated, never twice the same.

Pixel (r, c) of the new image is read in the old one at the place that the inverse motion sends it to, between four
pixels by their distance (bilinear); outside the image there is ink 0.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.parts.layer import Layer

__all__ = ["Augment"]


@dataclass(frozen=True)
class Augment(Layer):
    """Shifts uniform within ±``shift`` pixels, in both directions, and rotations within ±``rotation`` degrees.

    Three numbers an image are drawn from ``rng``: down, right, angle.
    """

    shift: float
    rotation: float
    rng: np.random.Generator

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, None]:
        """Return the images (N, C, H, W) moved; outside training x itself."""
        if not training:
            return x, None
        draws = 2 * self.rng.random((len(x), 3)) - 1
        down, right, angle = (draws * (self.shift, self.shift, np.radians(self.rotation))).T
        return moved(x, down, right, angle), None

    def backward(self, dy: np.ndarray, cache: None) -> np.ndarray:
        """Return dy as it is: nobody learns below the images."""
        return dy


def moved(x: np.ndarray, down: np.ndarray, right: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Return images x (N, C, H, W) rotated by ``angle`` (N,) radians about their centre, then shifted, each (N,)."""
    n, _, height, width = x.shape
    middle_row, middle_column = (height - 1) / 2, (width - 1) / 2
    rows = np.arange(height)[:, None] - middle_row - down[:, None, None]  # (N, H, 1)
    columns = np.arange(width) - middle_column - right[:, None, None]  # (N, 1, W)
    cosine, sine = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    row = cosine * rows - sine * columns + middle_row  # (N, H, W): where each new pixel lay
    column = sine * rows + cosine * columns + middle_column
    top, left = np.floor(row), np.floor(column)
    low, far = (row - top).astype(x.dtype), (column - left).astype(x.dtype)
    # A frame of zeros, two wide, so that every place has four neighbours.
    framed = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    r = np.clip(top, -2, height).astype(np.intp) + 2
    c = np.clip(left, -2, width).astype(np.intp) + 2
    image = np.arange(n)[:, None, None]
    out = np.empty_like(x)
    for channel in range(x.shape[1]):
        ink = framed[:, channel]
        above = ink[image, r, c] * (1 - far) + ink[image, r, c + 1] * far
        below = ink[image, r + 1, c] * (1 - far) + ink[image, r + 1, c + 1] * far
        out[:, channel] = above * (1 - low) + below * low
    return out
