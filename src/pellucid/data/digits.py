"""Handwritten digits, 8 x 8 pixels: the 1,797 that scikit-learn carries, so that nothing is downloaded.

Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI 1998 (its test part).
"""

import numpy as np

__all__ = ["load_digits"]

INK = 16.0  # a pixel counts the dark ones among 4 x 4 of the scan


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images and what they show.

    X is (1797, 64), float32 in [0, 1]: the rows of an 8 x 8 image one after another, 1 is ink
    (``X.reshape(-1, 8, 8)`` gives the images); y is (1797,), int64: the digit, 0 to 9.
    """
    from sklearn.datasets import load_digits as carried

    X, y = carried(return_X_y=True)
    return (X / INK).astype(np.float32), y.astype(np.int64)
