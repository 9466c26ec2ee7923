"""The picture on top of the README, made from a network that really learns exclusive or in front of it.

``python -m pellucid.watching.hero docs/hero.png`` draws it anew.
"""

import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pellucid.experiments import xor as room
from pellucid.language import say
from pellucid.watching import panels
from pellucid.watching.diagram import draw_network
from pellucid.watching.gallery import activations
from pellucid.watching.style import GOLD, INK, MUTED, Picture, drawing, picture

__all__ = ["draw_hero"]

SEED = room.DEFAULT_SEED
EXAMPLE = 2  # the row 1 0, whose target is 1


def draw_hero(path: str | Path) -> Path:
    """Train the network of the xor experiment and save the picture of what goes on in it."""
    with drawing():
        _draw(*_learn()).savefig(path)
    return Path(path)


def _learn() -> tuple[list[tuple[int, Any]], np.ndarray]:
    """Return the network at three moments, as (iteration, copy), and the losses up to the last."""
    solved, losses = room.learn(room.network(SEED))
    last = 2 * (solved or losses.size)
    moments = (1, int(0.6 * (solved or losses.size)), last)
    kept, losses_until = [], []
    model = room.network(SEED)
    for step in model.steps(room.X, room.Y):
        losses_until.append(step.loss)
        if step.number in moments:
            kept.append((step.number, deepcopy(model)))
        if step.number == last:
            break
    return kept, np.array(losses_until)


def _draw(kept: list[tuple[int, Any]], losses: np.ndarray) -> Picture:
    figure = picture(15.5, 5.1)
    parts: Any = figure.subfigures(1, 2, width_ratios=[1.08, 1])
    networks, learning = parts
    forward, backward = networks.subplots(1, 2)
    middle = kept[1][1]
    x, y = room.X[EXAMPLE], room.Y[EXAMPLE]
    names = (say("input"), say("hidden"), say("output"))
    draw_network(forward, middle.coefs_, activations(middle, x), column_names=names)
    forward.set_title(say("Forwards: what each unit says"))
    _backwards(backward, middle, x, y, names)
    backward.set_title(say("Backwards: where the error comes from"))
    grid = learning.add_gridspec(2, 3, height_ratios=[1.25, 1])
    for column, (iteration, model) in enumerate(kept):
        axes = learning.add_subplot(grid[0, column])
        panels.surface(axes, model, room.X, room.Y, size=80)
        axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
        axes.spines[:].set_visible(False)
        axes.set_title(say("iteration {n}", n=iteration), loc="center", fontsize=11, color=MUTED)
    _loss(learning.add_subplot(grid[1, :]), kept, losses)
    return figure


def _backwards(axes: Axes, model: Any, x: np.ndarray, y: Any, names: tuple[str, ...]) -> None:
    trace = model.trace(x[None, :], np.atleast_1d(y))
    # What the update adds to the weights, so that orange means "grow" here too.
    changes = [-np.asarray(trace[f"dW{layer}"]) for layer in (1, 2)]
    errors = [-np.ravel(np.asarray(trace[f"delta{layer}"])) for layer in (1, 2)]
    limit = max(float(np.abs(error).max()) for error in errors)
    draw_network(axes, changes, [None, *errors], signed=True, limit=limit, column_names=names)


def _loss(axes: Axes, kept: list[tuple[int, Any]], losses: np.ndarray) -> None:
    panels.curves(axes, list(losses))
    axes.set_title(say("The loss falls as it learns"))
    axes.set(xlabel=say("iteration"))
    for iteration, _ in kept:
        axes.plot(
            iteration,
            losses[iteration - 1],
            "o",
            color=GOLD,
            markeredgecolor=INK,
            markersize=9,
            clip_on=False,
            zorder=4,
        )


if __name__ == "__main__":
    print(draw_hero(sys.argv[1]))
