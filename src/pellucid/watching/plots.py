"""``plot`` draws a fitted network, a Trace, or an experiment's Result; ``figures`` saves a Result's pictures.

The pictures are matplotlib Figures made without pyplot: nothing is left behind, and they draw without a
display.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pellucid.errors import InvalidArgumentError
from pellucid.experiments import Result
from pellucid.language import say
from pellucid.learning.trace import Record, Trace
from pellucid.watching import panels, sentences
from pellucid.watching.diagram import draw_network, fits
from pellucid.watching.gallery import pictures_of
from pellucid.watching.style import INK, SIGNED, Picture, drawing, picture

__all__ = ["figures", "plot"]

# Units whose weights to each other are drawn.
MOST_DRAWN = 1000


def plot(thing: Any, X: Any = None, y: Any = None, *, name: str | None = None) -> Picture:
    """Return a picture of ``thing``.

    A fitted network: its units and weights where they are few, its first layer as images where the input is
    square, its loss; given points ``X`` (N, 2) with their classes ``y`` (N,), also what it answers over the
    plane. A Trace: every value of it, forwards, backwards and the update; of a sentence: its tree, and what the
    machine knew at each step. A Result: its picture ``name`` (None: the first).

    Raises InvalidArgumentError for anything else, and for a network that is not fitted.
    """
    with drawing():
        if isinstance(thing, Result):
            figure = _of_result(thing, name)
        elif isinstance(thing, Trace) and hasattr(thing, "moments"):
            figure = sentences.reading(thing)
        elif isinstance(thing, Trace):
            figure = _of_trace(thing)
        else:
            figure = _of_network(thing, X, y)
        figure.draw_without_rendering()  # settles fonts and ticks while the style holds
    return figure


def figures(result: Result, folder: str | Path) -> list[Path]:
    """Save every picture of ``result`` in ``folder`` (made if absent) as PNG, and return their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with drawing():
        for name, draw in pictures_of(result).items():
            paths.append(folder / f"{result.experiment}-{name}.png")
            draw(result).savefig(paths[-1])
    return paths


def _of_result(result: Result, name: str | None) -> Picture:
    pictures = pictures_of(result)
    if not pictures:
        raise InvalidArgumentError(f"this result of {result.experiment} has no pictures: {result.skipped}")
    chosen = next(iter(pictures)) if name is None else name
    if chosen not in pictures:
        raise InvalidArgumentError(f"name must be one of {', '.join(pictures)} for {result.experiment}, got {name!r}")
    return pictures[chosen](result)


def _of_network(model: Any, X: Any, y: Any) -> Picture:
    draws = list(_panels(model, X, y))
    figure = picture(4.8 * len(draws) + 0.4, 4.4)
    for axes, draw in zip(figure.subplots(1, len(draws), squeeze=False)[0], draws, strict=True):
        draw(axes)
    return figure


def _panels(model: Any, X: Any, y: Any) -> Iterator[Callable[[Axes], None]]:
    """Yield what can be drawn of a network: one function of axes for each panel."""
    if hasattr(model, "patterns_"):
        yield from _memory_panels(model)
        return
    coefs = [W for W in _weights(model) if W.ndim == 2]
    kernels = [W for W in _weights(model) if W.ndim == 4]
    sizes = [coefs[0].shape[0], *(W.shape[1] for W in coefs)]

    def units(axes: Axes) -> None:
        draw_network(axes, coefs)
        axes.set_title(say("Orange lines say yes, blue lines say no"))

    def tiles(axes: Axes) -> None:
        panels.tiles(axes, coefs[0][:, :64], columns=8)
        axes.set_title(say("What the first hidden units look for"))

    def filters(axes: Axes) -> None:
        patterns = kernels[0].reshape(-1, kernels[0].shape[2] * kernels[0].shape[3])[:64]
        panels.tiles(axes, patterns.T, columns=min(8, len(patterns)))
        axes.set_title(say("What the first convolution looks for"))

    def surface(axes: Axes) -> None:
        panels.surface(axes, model, np.asarray(X, dtype=np.float64), np.asarray(y))
        axes.set_title(say("What it answers over the plane"))

    def loss(axes: Axes) -> None:
        panels.curves(axes, model.loss_curve_, getattr(model, "validation_loss_curve_", None))
        axes.set_title(say("The loss falls as it learns"))

    def layers(axes: Axes) -> None:
        axes.bar(range(len(sizes)), sizes)
        axes.set_xticks(range(len(sizes)))
        axes.set(xlabel=say("layer"), ylabel=say("units"))

    if kernels:
        yield filters
    elif fits(sizes):
        yield units
    elif panels.square_side(sizes[0]) > 2:
        yield tiles
    else:
        yield layers
    if X is not None and y is not None and np.shape(X)[-1] == 2:
        yield surface
    if len(getattr(model, "loss_curve_", ())) > 1:
        yield loss


def _memory_panels(model: Any) -> Iterator[Callable[[Axes], None]]:
    """Yield the patterns of an associative memory, and its weights where they are few enough to be seen."""

    def patterns(axes: Axes) -> None:
        shown = model.patterns_[:64].astype(np.float64)
        if panels.square_side(model.n_features_in_) > 2:
            panels.tiles(axes, shown.T, columns=8)
        else:
            most = float(np.abs(shown).max()) or 1.0
            axes.imshow(shown, cmap=SIGNED, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
            axes.set(xlabel=say("units"), ylabel=say("patterns"))
        axes.set_title(say("The stored patterns"))

    def weights(axes: Axes) -> None:
        W = model.weights_
        most = float(np.abs(W).max()) or 1.0
        axes.imshow(W, cmap=SIGNED, vmin=-most, vmax=most, interpolation="nearest")
        axes.set(xlabel=say("units"), ylabel=say("units"))
        axes.set_title(say("Weights: orange agree, blue oppose"))

    if len(model.patterns_):
        yield patterns
    if hasattr(model, "form_") and model.n_features_in_ <= MOST_DRAWN:
        yield weights
    elif not len(model.patterns_):
        raise InvalidArgumentError(
            f"plot draws the weights of at most {MOST_DRAWN} units, got {model.n_features_in_} and no patterns"
        )


def _weights(model: Any) -> Sequence[np.ndarray]:
    if hasattr(model, "coefs_"):
        coefs: Sequence[np.ndarray] = model.coefs_
        return coefs
    if hasattr(model, "coef_"):
        return [np.atleast_2d(model.coef_).T]
    raise InvalidArgumentError(
        f"plot takes a fitted network, a Trace or a Result, got {type(model).__name__}; fit a network first"
    )


def _of_trace(trace: Trace) -> Picture:
    rows = [[r for r in trace if r.phase in phases] for phases in (("forward", "loss"), ("backward",), ("update",))]
    named = [
        (row, name) for row, name in zip(rows, (say("forward"), say("backward"), say("update")), strict=True) if row
    ]
    widest = max(len(row) for row, _ in named)
    figure = picture(max(6.0, 2.5 * widest + 0.8), 2.1 * len(named) + 0.6)
    figure.suptitle(trace.title, x=0.012, ha="left")
    grid = figure.subplots(len(named), widest, squeeze=False)
    for axes_row, (row, name) in zip(grid, named, strict=True):
        for axes in axes_row:
            axes.axis("off")
        for axes, record in zip(axes_row, row, strict=False):
            _matrix(axes, record)
        panels.note(axes_row[0], -0.08, 0.5, name, rotation=90, ha="right", va="center", weight="bold", fontsize=11)
    return figure


def _matrix(axes: Any, record: Record) -> None:
    values = np.atleast_2d(np.asarray(record.value, dtype=np.float64))
    if values.ndim == 4:  # images (N, C, H, W): a row an image, its channels side by side
        n, channels, height, width = values.shape
        values = values.transpose(0, 2, 1, 3).reshape(n * height, channels * width)
    limit = float(np.abs(values).max()) or 1.0
    # Small numbers share one power of ten, said in the title, so that they fit into their cells.
    power = min(0, int(np.floor(np.log10(limit)))) if limit < 0.1 else 0
    axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    if values.size <= 24:
        for row, column in np.ndindex(*values.shape):
            text = f"{values[row, column] / 10.0**power:.2f}".replace("-", "\u2212")
            dark = abs(values[row, column]) > 0.7 * limit
            axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color="white" if dark else INK)
    scale = f"   × $10^{{{power}}}$" if power else ""
    formula = fill(record.formula.replace("$", r"\$"), 26, break_long_words=False)
    axes.set_title(formula + scale, fontsize=9, weight="normal", loc="center", pad=5)
