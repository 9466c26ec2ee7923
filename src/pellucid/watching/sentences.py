"""The pictures of what reads sentences: trees, a reading, right answers by length, who is taken for whom."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from pellucid.experiments import Result
from pellucid.language import say
from pellucid.trees import Tree
from pellucid.watching import panels
from pellucid.watching.style import BLUE, GREEN, INK, LINE, MUTED, ORANGE, PAPER, SIGNED, Picture, picture

__all__ = ["confusion", "draw_tree", "listops_lengths", "listops_tree", "logic_bins", "logic_pair", "pair", "reading"]


def draw_tree(axes: Axes, tree: Tree, notes: Mapping[int, tuple[str, str]] | None = None) -> None:
    """Draw ``tree``, its words below; ``notes`` gives nodes (by their transition) a text and its colour."""
    children, spans = tree.children(), tree.spans()  # (T, 2) each
    x, y = spans.mean(axis=1) - 0.5, np.zeros(len(spans))
    for node, (left, right) in enumerate(children):
        if left >= 0:
            x[node], y[node] = (x[left] + x[right]) / 2, max(y[left], y[right]) + 1
    for node, (left, right) in enumerate(children):
        if left >= 0:
            corners = [y[left], y[node], y[node], y[right]]  # square corners: no two lines cross
            axes.plot([x[left], x[left], x[right], x[right]], corners, color=LINE, linewidth=1.6, zorder=1)
    inner = children[:, 0] >= 0
    axes.scatter(x[inner], y[inner], s=26, color=MUTED, zorder=2)
    for place, word in enumerate(tree.words):
        axes.text(place, -0.35, word, ha="center", va="top", color=INK, fontsize=11)
    for node, (text, colour) in (notes or {}).items():
        box = {"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": colour}
        axes.text(x[node], y[node], text, ha="center", va="center", color=colour, weight="bold", bbox=box, zorder=3)
    axes.set(xlim=(-0.7, len(tree) - 0.3), ylim=(-1.2, float(y.max()) + 0.7))
    axes.axis("off")


def reading(trace: Any) -> Picture:
    """Draw the tree that a ``Reading`` made, and what the machine knew at each step, with the transition taken."""
    first, total = trace.moments[0], len(trace.moments)
    name, title = (
        ("e", say("What the tracker knows")) if "e" in first.values else ("h", say("The new top of the stack"))
    )
    figure = picture(13, 4.8)
    left, right = figure.subplots(1, 2)
    draw_tree(left, trace.tree)
    left.set_title(trace.title)
    states = np.column_stack([moment[name] for moment in trace.moments])  # (T or H, steps)
    limit = float(np.abs(states).max()) or 1.0
    right.imshow(states, cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto")
    taken = [
        f"{moment.name} {moment.p[moment.transition]:.3f}" if "p" in moment.values else moment.name
        for moment in trace.moments
    ]
    right.set_xticks(range(total), labels=taken, rotation=90, fontsize=9)
    right.grid(visible=False)
    right.set_title(f"{title} ({name})")
    return figure


def confusion(result: Result) -> Picture:
    """Draw which labels are taken for which, and how the loss fell."""
    payload = result.payload
    model = payload["model"]
    figure = picture(12.5, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=[1.05, 1])
    panels.confusion(left, payload["confusion"], payload["classes"])
    left.set_title(say("What is taken for what"))
    panels.curves(right, model.loss_curve_, model.validation_loss_curve_)
    right.set_title(say("How the loss fell"))
    return figure


def pair(result: Result) -> Picture:
    """Draw two sentences with their trees, and the probability of each label."""
    return _pair(result.payload, (say("Given"), say("Asked")))


def logic_pair(result: Result) -> Picture:
    """Draw two formulas with their trees, and the probability of each relation."""
    return _pair(result.payload, (say("One formula"), say("The other")))


def _pair(payload: Mapping[str, Any], titles: Sequence[str]) -> Picture:
    trees = payload["example"]
    figure = picture(13, 4.4)
    axes = figure.subplots(1, 3, width_ratios=[*(max(len(tree), 4) for tree in trees), 4])
    for place, tree, title in zip(axes, trees, titles, strict=False):
        draw_tree(place, tree)
        place.set_title(title)
    panels.bars_of(axes[2], payload["probabilities"], payload["classes"], payload["truth"])
    axes[2].set_title(say("The network's answer"))
    return figure


def logic_bins(result: Result) -> Picture:
    """Draw the share of right answers by the length of the formulas; what was trained on is shaded."""
    by_bin = result.payload["accuracy_by_bin"]
    bins = [int(k) for k in by_bin]
    figure = picture(8, 4.4)
    axes = figure.subplots()
    axes.axvspan(-0.4, 4.4, color=LINE, alpha=0.4)
    axes.plot(bins, list(by_bin.values()), color=BLUE, marker="o")
    axes.set(
        xlabel=say("operators of the longer formula"), ylabel=say("share of right answers"), ylim=(0, 1.03), xticks=bins
    )
    axes.set_title(say("Right answers; it has learned from the shaded lengths"))
    return figure


def listops_lengths(result: Result) -> Picture:
    """Draw the share of right answers by the length and by the depth of the expressions."""
    figure = picture(12.5, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, name, label in (
        (left, "accuracy_by_length", say("words, up to")),
        (right, "accuracy_by_depth", say("lists within lists")),
    ):
        shares = result.metrics[name]
        axes.bar(list(shares), list(shares.values()), color=BLUE)
        axes.set(xlabel=label, ylim=(0, 1.03))
    left.set_ylabel(say("share of right answers"))
    left.set_title(say("{share:.1%} of the values are right", share=result.metrics["test_accuracy"]))
    right.set_title(say("A mistake anywhere inside spoils the whole"))
    return figure


def listops_tree(result: Result) -> Picture:
    """Draw an expression with the network's value of every list in it; wrong ones are orange."""
    tree, values = result.payload["example"], result.payload["values"]
    figure = picture(13, 5.4)
    axes = figure.subplots()
    notes = {node: (found, GREEN if found == true else ORANGE) for node, found, true in values}
    draw_tree(axes, tree, notes)
    axes.set_title(say("What it makes of each list (orange: wrong)"))
    return figure
