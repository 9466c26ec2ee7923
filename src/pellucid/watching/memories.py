"""The pictures of the Hopfield experiment: letters that come back, energies that fall, how much a network holds."""

from typing import Any

import numpy as np

from pellucid.experiments import Result
from pellucid.language import say
from pellucid.watching import panels
from pellucid.watching.style import BLUE, CYCLE, GREEN, INK, MUTED, ORANGE, Picture, picture

__all__ = ["capacity", "energies", "landscape", "recall", "spurious"]

COLOURS = {"stored": GREEN, "inverse": BLUE, "mixture": ORANGE, "other": MUTED}


def recall(result: Result) -> Picture:
    """Draw letters with noise, and where each comes to rest by the two rules."""
    payload = result.payload
    n = len(payload["letters"])
    figure = picture(1.35 * n + 1.6, 5.2)
    figure.suptitle(say("Letters from {noise:.0%} noise", noise=0.05), x=0.012, ha="left")
    grid = figure.subplots(3, n)
    rows = (
        (say("with noise"), payload["letters_noisy"]),
        (say("pseudo-inverse"), payload["letters_back"]),
        (say("Hebb"), payload["letters_hebb"]),
    )
    for axes_row, (name, states) in zip(grid, rows, strict=True):
        for axes, state in zip(axes_row, states, strict=True):
            panels.image(axes, (state + 1) / 2)
        panels.note(
            axes_row[0], -0.12, 0.5, name, transform=axes_row[0].transAxes, rotation=90, ha="right", va="center"
        )
    return figure


def energies(result: Result) -> Picture:
    """Draw the energy unit by unit, from damaged patterns and from random states."""
    payload = result.payload
    figure = picture(12, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
    half = len(payload["curves"]) // 2
    for number, curve in enumerate(payload["curves"]):
        name = {0: say("from damaged patterns"), half: say("from random states")}.get(number)
        left.plot(curve, color=BLUE if number < half else ORANGE, linewidth=1.2, alpha=0.8, label=name)
    left.set(xlabel=say("unit visited"), ylabel=say("energy"))
    left.set_title(say("The energy never rises: {n} rises in all", n=result.metrics["energy_increases"]))
    left.legend()
    kinds = _kinds()
    counts = [payload["found"][kind] for kind in kinds]
    right.bar(list(kinds.values()), counts, color=list(COLOURS.values()))
    right.bar_label(right.containers[0], padding=2)
    right.set_ylabel(say("runs, {p} patterns stored", p=payload["n_spurious"]))
    right.set_title(say("Where {n} random states come to rest", n=sum(counts)))
    return figure


def spurious(result: Result) -> Picture:
    """Draw every state in which random ones come to rest where three letters are stored: more than was stored."""
    states, kinds, counts = result.payload["rests"]
    names = _kinds()
    places = sorted(range(len(states)), key=lambda k: (list(names).index(kinds[k]), -counts[k]))
    columns = 7
    rows = -(-len(places) // columns)
    figure = picture(1.5 * columns, 1.6 * rows + 0.6)
    figure.suptitle(
        say("{p} letters are stored, and {n} states are stable", p=(kinds == "stored").sum(), n=len(states)),
        x=0.012, ha="left",
    )  # fmt: skip
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(places) :]:
        axes.set_axis_off()
    for axes, k in zip(grid, places, strict=False):
        panels.image(axes, (states[k] + 1) / 2, f"{names[kinds[k]]}: {counts[k]}", colour=COLOURS[kinds[k]])
    return figure


def _kinds() -> dict[str, str]:
    return {
        "stored": say("stored"), "inverse": say("inverse"), "mixture": say("mixture"), "other": say("other"),
    }  # fmt: skip


def landscape(result: Result) -> Picture:
    """Draw the energy on the way from the letter A to the letter Z."""
    payload = result.payload
    figure = picture(8.5, 4.4)
    axes = figure.subplots()
    for name, line, colour in (
        (say("pseudo-inverse, 26 letters"), payload["line"], BLUE),
        (say("Hebb, these two letters"), payload["line_hebb"], ORANGE),
    ):
        axes.plot(line, color=colour, label=name)
        axes.plot([0, len(line) - 1], line[[0, -1]], "o", color=colour)
    axes.set(xlabel=say("units turned on the way from A to Z"), ylabel=say("energy"))
    axes.set_title(say("Each memory lies in a valley"))
    axes.legend()
    return figure


def capacity(result: Result) -> Picture:
    """Draw the share of patterns that come back by corrupted share, and the overlap kept by load."""
    payload = result.payload
    figure = picture(12, 4.6)
    left, right = figure.subplots(1, 2)
    left.plot(100 * payload["shares"], payload["basin"], "o-", color=BLUE)
    left.set(xlabel=say("units turned over, %"), ylabel=say("share recalled, every unit right"), ylim=(-0.03, 1.05))
    P, N = payload["patterns"].shape
    left.set_title(say("How far a memory reaches: {p} patterns in {n} units", p=P, n=N))
    for (size, overlaps), colour in zip(payload["overlaps"].items(), CYCLE, strict=False):
        right.plot(payload["loads"], overlaps, "o-", color=colour, markersize=4, label=f"N = {size}")
    _mark(right)
    right.set(xlabel=say("load: patterns / units"), ylabel=say("mean overlap kept"))
    right.set_title(say("How much a network holds"))
    right.legend(loc="lower left")
    return figure


def _mark(axes: Any) -> None:
    axes.axvline(0.138, color=INK, linestyle="--", linewidth=1.5)
    place: Any = np.float64(0.1395)
    axes.text(place, axes.get_ylim()[1], "0.138", color=INK, va="top")
