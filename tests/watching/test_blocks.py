"""Characters as pictures: bars, sparklines, fields of blocks."""

import io

import numpy as np
import pytest
from rich.console import Console

from pellucid.watching.blocks import Field, bar, number, sparkline


def shown(thing, **options):
    out = io.StringIO()
    Console(file=out, width=80, **options).print(thing)
    return out.getvalue()


@pytest.mark.parametrize(
    ("share", "text"), [(0, "    "), (0.5, "██  "), (1, "████"), (0.28, "█▏  "), (-1, "    "), (2, "████")]
)
def test_a_bar_is_as_long_as_its_share(share, text):
    assert bar(share, 4).plain == text


def test_a_sparkline_falls_with_its_values():
    assert sparkline([8, 7, 6, 5, 4, 3, 2, 1], 8).plain == "█▇▆▅▄▃▂▁"


def test_a_long_sparkline_is_thinned_and_keeps_its_ends():
    line = sparkline(np.linspace(1, 0, 5_000), 40).plain
    assert len(line) == 40
    assert (line[0], line[-1]) == ("█", "▁")


def test_a_flat_or_empty_sparkline_is_drawn():
    assert sparkline([3, 3, 3]).plain == "▁▁▁"
    assert sparkline([]).plain == ""


def test_small_numbers_keep_four_digits():
    assert number(0.00012344, 0.0005).plain == "+0.0001234"
    assert number(-3.0, 3.0).plain == "-3.000"
    assert number(0.0, 0.0).plain == "+0.0000"


def test_without_colours_a_field_is_shaded():
    assert shown(Field(np.array([[0, 0.25, 0.5, 0.75, 1]]))) == "  ░░▒▒▓▓██\n"


def test_with_colours_a_field_is_coloured_and_each_line_ends_plain():
    text = shown(Field(np.array([[0.0, 1.0]]), "signed"), force_terminal=True, color_system="truecolor")
    assert "48;2;0;114;178m" in text
    assert "48;2;213;94;0m" in text
    assert text.endswith("\x1b[0m\n")


def test_a_mark_stands_in_its_cell():
    assert shown(Field(np.ones((2, 2)), marks={(1, 0): "x"})) == "████\nx ██\n"
