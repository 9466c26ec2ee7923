"""A network as a drawing: units as circles with their values in them, weights as lines between them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.patches import Circle

from pellucid.watching.style import BLUE, GLOW, INK, MUTED, ORANGE, SIGNED

__all__ = ["draw_network", "fits"]

MOST_UNITS = 12


def fits(sizes: Sequence[int]) -> bool:
    """Say whether layers of these ``sizes`` can be drawn unit by unit."""
    return max(sizes) <= MOST_UNITS


def draw_network(
    axes: Axes,
    coefs: Sequence[np.ndarray],
    values: Sequence[np.ndarray | None] | None = None,
    *,
    signed: bool = False,
    limit: float = 1.0,
    column_names: Sequence[str] = (),
    digits: int = 2,
) -> None:
    """Draw the network with weights ``coefs`` [(D, H), (H, C)] into ``axes``.

    ``values`` holds one array a layer, the input's first, and is written into the units: activations as a
    glow from 0 to ``limit``, or, with ``signed``, errors from -limit (blue) to +limit (orange). An entry
    None leaves units empty. A line is orange where the weight is positive, blue where it is negative, and
    as thick as the weight is large.
    """
    sizes = [coefs[0].shape[0], *(W.shape[1] for W in coefs)]
    places = [_column(position, size, max(sizes)) for position, size in enumerate(sizes)]
    largest = max(float(np.abs(W).max()) for W in coefs) or 1.0
    for layer, W in enumerate(coefs):
        _edges(axes, W / largest, places[layer], places[layer + 1])
    norm: Any = TwoSlopeNorm(0, -limit, limit) if signed else Normalize(0, limit)
    palette = SIGNED if signed else GLOW
    for layer, column in enumerate(places):
        shown = None if values is None else values[layer]
        if shown is None:
            _circles(axes, column, ["white"] * len(column))
        else:
            _fill(axes, column, shown, palette(norm(shown)), digits)
    for position, text in enumerate(column_names):
        axes.text(position * 1.6, max(sizes) / 2 + 0.25, text, ha="center", va="bottom", color=MUTED, fontsize=10)
    axes.set(xlim=(-0.5, 1.6 * (len(sizes) - 1) + 0.5), ylim=(-max(sizes) / 2 - 0.15, max(sizes) / 2 + 0.75))
    axes.set_aspect("equal", anchor="NW")
    axes.axis("off")


def _column(position: int, size: int, tallest: int) -> np.ndarray:
    gap = 1.0 if size > 1 else 0.0
    heights = (np.arange(size)[::-1] - (size - 1) / 2) * gap * min(1.25, tallest / max(size, 1))
    return np.column_stack([np.full(size, position * 1.6), heights])  # (units, 2)


def _edges(axes: Axes, W: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    for i, start in enumerate(left):
        for j, end in enumerate(right):
            weight = float(W[i, j])
            axes.plot(
                [start[0], end[0]],
                [start[1], end[1]],
                color=ORANGE if weight > 0 else BLUE,
                linewidth=0.4 + 4.2 * abs(weight),
                alpha=0.12 + 0.78 * abs(weight) ** 0.7,
                zorder=1,
            )


def _circles(axes: Axes, column: np.ndarray, faces: Sequence[Any]) -> None:
    for place, face in zip(column, faces, strict=True):
        axes.add_patch(Circle((place[0], place[1]), 0.36, facecolor=face, edgecolor=INK, linewidth=1.3, zorder=2))


def _fill(axes: Axes, column: np.ndarray, values: np.ndarray, faces: np.ndarray, digits: int) -> None:
    _circles(axes, column, list(faces))
    for (x, y), value, face in zip(column, values, faces, strict=True):
        text = f"{value:.{digits}f}".replace("-", "\u2212")
        colour = "white" if sum(face[:3]) < 1.2 else INK
        axes.text(x, y, text, ha="center", va="center", fontsize=8.5, color=colour, zorder=3)
