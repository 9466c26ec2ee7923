"""The panels of which the pictures are made: each draws one thing into given axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from pellucid.language import say
from pellucid.watching.style import AMOUNT, BLUE, GREEN, INK, LINE, MUTED, ORANGE, PENCIL, SIGNED

__all__ = ["bars_of", "confusion", "curves", "image", "note", "plain", "square_side", "surface", "tiles"]


def curves(axes: Axes, loss: Sequence[float], validation: Sequence[float] | None = None) -> None:
    """Draw the losses, that of validation where there is one; a wide range on a logarithmic scale."""
    epochs = np.arange(1, len(loss) + 1)
    axes.plot(epochs, loss, color=BLUE, label=say("training"))
    if validation is not None and len(validation) == len(epochs):
        axes.plot(epochs, validation, color=ORANGE, label=say("validation"))
        axes.legend(loc="upper right")
    if min(loss) > 0 and max(loss) / min(loss) > 20:
        axes.set_yscale("log")
        plain(axes.yaxis)
    else:
        axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.set(xlabel=say("epoch"), ylabel=say("loss"), xlim=(1, max(2, len(loss))))


def plain(axis: Axis) -> None:
    """Write the numbers of a logarithmic axis as 0.01, 1 or 1,000: a beginner need not know powers of ten."""
    axis.set_major_locator(LogLocator(numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def surface(
    axes: Axes,
    model: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    names: tuple[str, str] = ("x₁", "x₂"),
    size: float = 170,
) -> Any:
    """Draw what ``model`` answers over the plane, with the points X (N, 2) of class y (N,) on it."""
    low, high = X.min(axis=0), X.max(axis=0)
    margin = 0.35 * np.maximum(high - low, 1e-6)
    across, up = (np.linspace(low[i] - margin[i], high[i] + margin[i], 141) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    share = model.predict_proba(grid)[:, 1].reshape(141, 141)
    drawn = axes.contourf(across, up, share, levels=np.linspace(0, 1, 21), cmap=SIGNED, vmin=0, vmax=1)
    axes.contour(across, up, share, levels=[0.5], colors=INK, linewidths=1.2, linestyles="--")
    second = np.asarray(y) == model.classes_[1]
    for chosen, colour, marker in ((~second, BLUE, "o"), (second, ORANGE, "s")):
        axes.scatter(
            X[chosen, 0],
            X[chosen, 1],
            s=size,
            color=colour,
            marker=marker,
            edgecolor="white",
            linewidth=2.2,
            zorder=3,
            clip_on=False,
        )
    axes.set(xlabel=names[0], ylabel=names[1], xlim=across[[0, -1]], ylim=up[[0, -1]])
    axes.grid(False)
    axes.set_aspect("equal")
    return drawn


def confusion(axes: Axes, matrix: np.ndarray, classes: Sequence[Any]) -> None:
    """Draw a confusion matrix: rows are the truth, columns the answer; the colour is the share of the row."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # A square-root scale, so that one mistake in a hundred can be seen beside the many right answers.
    axes.imshow(np.sqrt(share), cmap=AMOUNT, vmin=0, vmax=1)
    for row, column in np.ndindex(*matrix.shape):
        count = int(matrix[row, column])
        if count:
            colour = "white" if share[row, column] > 0.2 else (INK if row == column else ORANGE)
            weight = "normal" if row == column else "bold"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=9.5, color=colour, weight=weight)
    axes.set_xticks(range(len(classes)), [str(label) for label in classes])
    axes.set_yticks(range(len(classes)), [str(label) for label in classes])
    axes.set(xlabel=say("the network's answer"), ylabel=say("the truth"))
    axes.set_xticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", color="#eef1f4", linewidth=1)
    axes.spines[:].set_visible(False)


def image(axes: Axes, pixels: np.ndarray, title: str = "", *, colour: str = INK) -> None:
    """Draw one image given as a row of pixels, dark on light."""
    side = square_side(pixels.size)
    axes.imshow(pixels.reshape(side, side), cmap=PENCIL)
    axes.set_title(title, color=colour, fontsize=9.5, weight="normal", loc="center", pad=4)
    _bare(axes)
    axes.spines[:].set(visible=True, color=LINE, linewidth=0.8)  # where the image ends, of which much is white


def tiles(axes: Axes, W: np.ndarray, *, columns: int) -> None:
    """Draw each column of W (D, H) as a small square image, orange where positive, blue where negative.

    Each unit has its own scale: its pattern is what there is to see.
    """
    side, units = square_side(W.shape[0]), W.shape[1]
    rows = -(-units // columns)
    sheet = np.full((rows * (side + 1) + 1, columns * (side + 1) + 1), np.nan)
    for unit in range(units):
        row, column = divmod(unit, columns)
        top, left = row * (side + 1) + 1, column * (side + 1) + 1
        sheet[top : top + side, left : left + side] = W[:, unit].reshape(side, side) / (np.abs(W[:, unit]).max() or 1.0)
    axes.imshow(np.ma.masked_invalid(sheet), cmap=SIGNED, vmin=-1, vmax=1)
    _bare(axes)


def bars_of(axes: Axes, probabilities: np.ndarray, classes: Sequence[Any], truth: Any) -> None:
    """Draw the probability of each class as a bar; the true class is green."""
    colours = [GREEN if label == truth else BLUE for label in classes]
    axes.bar(range(len(classes)), probabilities, color=colours, width=0.75)
    axes.set_xticks(range(len(classes)), [str(label) for label in classes], fontsize=8)
    axes.set(ylim=(0, 1.02), yticks=[])
    axes.grid(False)
    axes.spines["left"].set_visible(False)


def square_side(pixels: int) -> int:
    """Return the side of a square image of so many pixels; 0 if there is none."""
    side = round(pixels**0.5)
    return side if side * side == pixels else 0


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def note(axes: Axes, x: float, y: float, text: str, **options: Any) -> None:
    """Write a small remark at (x, y) in parts of the axes."""
    options = {"color": MUTED, "fontsize": 10, "transform": axes.transAxes, **options}
    axes.text(x, y, text, **options)
