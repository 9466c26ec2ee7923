"""The capital letters A to Z on 10 x 10 pixels, drawn here as lines: no files.

Any two of them differ in at least six pixels.
"""

import numpy as np

__all__ = ["LETTER_NAMES", "SIDE", "letters"]

SIDE = 10
# A letter is lines between points "xy", x to the right and y downwards, 0 to 9; a space lifts the pen.
STROKES = {
    "A": "0940-5099-2676",
    "B": "0009-0060-6073-7304-0464-6487-8769-6909",
    "C": "9150-5003-0306-0659-5998",
    "D": "0009-0050-5093-9396-9659-5909",
    "E": "9000-0009-0999-0474",
    "F": "9000-0009-0464",
    "G": "9150-5003-0306-0659-5999-9995-9555",
    "H": "0009-9099-0595",
    "I": "2080-5059-2989",
    "J": "3090-7078-7859-5919-1907",
    "K": "0009-9004-0499",
    "L": "0009-0999",
    "M": "0900-0045-4590-9099",
    "N": "0900-0099-9990",
    "O": "3060-6093-9396-9669-6939-3906-0603-0330",
    "P": "0900-0070-7092-9295-9575-7505",
    "Q": "3060-6093-9396-9669-6939-3906-0603-0330-6599",
    "R": "0900-0070-7092-9284-8404-4499",
    "S": "9110-1002-0213-1384-8487-8769-6908",
    "T": "0090-5059",
    "U": "0006-0639-3969-6996-9690",
    "V": "0049-4990",
    "W": "0029-2954-5479-7990",
    "X": "0099-9009",
    "Y": "0044-9044-4449",
    "Z": "0090-9009-0999",
}
LETTER_NAMES = tuple(STROKES)


def letters() -> np.ndarray:
    """Return the 26 letters, (26, 100), as +1 for ink and -1 for paper; row by row, from the top."""
    return np.array([drawn(STROKES[name]) for name in LETTER_NAMES])


def drawn(strokes: str) -> np.ndarray:
    """Return the picture (100,) of the lines: ink wherever a pixel lies within the pen's reach of one."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    distance = np.full((SIDE, SIDE), np.inf)
    for line in strokes.split("-"):
        x0, y0, x1, y1 = (float(digit) for digit in line)
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
        distance = np.minimum(distance, np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)))
    return np.where(distance <= REACH, 1, -1).astype(np.int8).ravel()


# How far from the middle of a line there is ink, in pixels.
REACH = 0.8
