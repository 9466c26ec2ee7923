"""Pictures made of characters: bars, sparklines, images and a decision surface as blocks.

With colours where the terminal has them, by shade where it has none.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

__all__ = ["Field", "bar", "number", "sparkline"]

SHADES = " ░▒▓█"
HEIGHTS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉█"
BLUE, ORANGE, GREEN, QUIET = "#4aa3df", "#f0883e", "#3fb28f", "bright_black"


def bar(share: float, width: int = 20, colour: str = BLUE) -> Text:
    """Return ``share`` (0 to 1) as a bar of at most ``width`` characters, to an eighth of a character."""
    eighths = round(float(np.clip(share, 0, 1)) * width * 8)
    whole, rest = divmod(eighths, 8)
    text = "█" * whole + (EIGHTHS[rest] if rest else "")
    return Text(text.ljust(width), style=colour)


def sparkline(values: Sequence[float], width: int = 40, colour: str = BLUE) -> Text:
    """Return ``values`` as a line of block heights, thinned to ``width`` characters."""
    if not len(values):
        return Text()
    chosen = np.asarray(values, dtype=float)[np.unique(np.linspace(0, len(values) - 1, width).astype(int))]
    low, high = float(chosen.min()), float(chosen.max())
    level = np.zeros(chosen.size, int) if high == low else ((chosen - low) / (high - low) * 7).round().astype(int)
    return Text("".join(HEIGHTS[index] for index in level), style=colour)


def number(value: float, largest: float = 1.0) -> Text:
    """Return a number coloured by its sign (orange above zero, blue below), bold where it is large.

    The ``largest`` beside which it stands decides the decimals: four of its digits are shown.
    """
    strength = abs(value) / largest if largest else 0.0
    colour = QUIET if strength < 0.02 else ORANGE if value > 0 else BLUE
    decimals = int(np.clip(3 - np.floor(np.log10(largest)), 2, 9)) if 0 < largest < np.inf else 4
    return Text(f"{value:+.{decimals}f}", style=f"{'bold ' if strength > 0.5 else ''}{colour}")


class Field:
    """A table of numbers from 0 to 1 as blocks of two characters, so that a cell is square.

    ``palette`` is "signed" (blue, white, orange) for a decision surface or "ink" for an image; ``marks``
    writes a character into cells: {(row, column): "1"}.
    """

    def __init__(
        self, values: np.ndarray, palette: str = "ink", marks: dict[tuple[int, int], str] | None = None
    ) -> None:
        self.values = np.clip(values, 0, 1)
        self.palette = palette
        self.marks = marks or {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        coloured = console.color_system is not None and not console.no_color
        for row in range(self.values.shape[0]):
            for column in range(self.values.shape[1]):
                yield self._cell(row, column, coloured)
            yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Any:
        from rich.measure import Measurement

        width = 2 * self.values.shape[1]
        return Measurement(width, width)

    def _cell(self, row: int, column: int, coloured: bool) -> Segment:
        value = float(self.values[row, column])
        mark = self.marks.get((row, column))
        if not coloured:
            shade = SHADES[round(value * 4)] * 2
            return Segment(f"{mark} " if mark else shade)
        red, green, blue = _signed(value) if self.palette == "signed" else _ink(value)
        style = Style(
            bgcolor=f"rgb({red},{green},{blue})",
            color="black" if red + green + blue > 330 else "white",
            bold=True,
        )
        return Segment(f"{mark} " if mark else "  ", style)


def _signed(value: float) -> tuple[int, int, int]:
    ends = np.array([[0, 114, 178], [247, 247, 245], [213, 94, 0]], dtype=float)
    mixed = (
        ends[0] * (1 - 2 * value) + ends[1] * 2 * value
        if value < 0.5
        else ends[1] * (2 - 2 * value) + ends[2] * (2 * value - 1)
    )
    return _rgb(mixed)


def _ink(value: float) -> tuple[int, int, int]:
    return _rgb(np.array([246.0, 246, 242]) * (1 - value) + np.array([24.0, 32, 44]) * value)


def _rgb(mixed: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (round(float(part)) for part in mixed)
    return red, green, blue
