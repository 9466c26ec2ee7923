"""What is done to one column before a network sees it, fitted on training rows and repeated exactly.

Numbers: x -> (x - mean) / sd, a blank first replaced by the median, and marked in a column of its own if
there were blanks in training. Text: one column a level, 1 where the cell holds that level ("one-hot"). What
cannot be learnt from is dropped, with its reason.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pellucid.data.csv_file import DECIMAL_COMMA, NUMBER
from pellucid.data.tables import Column, Table
from pellucid.errors import InvalidDataError
from pellucid.language import say

__all__ = ["MAX_LEVELS", "DroppedColumn", "NumberColumn", "TextColumn", "as_numbers", "as_text", "treat"]

MAX_LEVELS = 50
FEW_LEVELS = 10  # as many are never taken for names or ids
SQUARABLE = (1e-150, 1e150)  # outside, squares leave float64


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardised; ``scale`` 0: training saw one value, and all become 0."""

    kind: ClassVar[str] = "number"
    name: str
    median: float
    mean: float
    scale: float
    blanks: int

    @classmethod
    def fit(cls, column: Column) -> "NumberColumn":
        """Measure the column; a blank counts as the median, as it will be one when the network sees it."""
        blank = column.blank
        known = column.values[~blank]
        largest = float(np.abs(known).max())
        unit = largest if largest and not SQUARABLE[0] < largest < SQUARABLE[1] else 1.0
        median = float(np.median(known / unit))
        filled = np.where(blank, median, column.values / unit)
        scale = 0.0 if filled.min() == filled.max() else float(filled.std())
        return cls(column.name, median * unit, float(filled.mean()) * unit, scale * unit, int(blank.sum()))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns that this one becomes."""
        return (self.name, f"{self.name} (blank)") if self.blanks else (self.name,)

    def fill(self, column: Column, table: Table, out: np.ndarray) -> list[str]:
        """Write the treated column into ``out`` (N, features) and say what training had not shown."""
        values = as_numbers(column, table)
        blank = np.isnan(values)
        out[:, 0] = 0
        if self.scale:
            filled = np.where(blank, self.median, values)
            half = 0.5 if self.scale > 1 else 1.0  # exact, and no difference of two float64 leaves float64
            with np.errstate(over="ignore"):  # what leaves float32 is refused by name below
                out[:, 0] = (filled * half - self.mean * half) / (self.scale * half)
            if (beyond := np.flatnonzero(~np.isfinite(out[:, 0]))).size:
                row = int(beyond[0])
                raise InvalidDataError(
                    f"{table.where(row)}, column {self.name!r}: {values[row]:g} is too far from "
                    f"the training values (mean {self.mean:g}, standard deviation {self.scale:g})"
                )
        if self.blanks:
            out[:, 1] = blank
        elif blank.any():
            return [
                say(
                    "Column {name}: blank cells, which training did not have: {n}; taken as the median {median:g}.",
                    name=self.name,
                    n=int(blank.sum()),
                    median=self.median,
                )
            ]
        return []

    def sentences(self) -> list[str]:
        """Say what this column's treatment is, where it is more than standardising."""
        said = []
        if self.blanks:
            said.append(
                say(
                    "Column {name}: blank cells: {n}; taken as the median {median:g} "
                    "and marked in a column of their own.",
                    name=self.name,
                    n=self.blanks,
                    median=self.median,
                )
            )
        return said


@dataclass(frozen=True)
class TextColumn:
    """A column of text: one-hot over the levels seen in training; a blank is one more if there were any."""

    kind: ClassVar[str] = "text"
    name: str
    levels: tuple[str, ...]
    blanks: int

    @classmethod
    def fit(cls, column: Column) -> "TextColumn":
        """Collect the levels, in order of their code points."""
        levels = sorted(set(column.values.tolist()) - {""})
        return cls(column.name, tuple(levels), int(column.blank.sum()))

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the columns that this one becomes."""
        marked = (f"{self.name} (blank)",) if self.blanks else ()
        return (*(f"{self.name}={level}" for level in self.levels), *marked)

    def fill(self, column: Column, table: Table, out: np.ndarray) -> list[str]:
        """Write the one-hot columns into ``out`` (N, features) and say what training had not shown."""
        position = {level: j for j, level in enumerate(self.levels)}
        if self.blanks:
            position[""] = len(self.levels)
        codes = np.array([position.get(cell, -1) for cell in as_text(column)], np.int64)  # (N,)
        out[:] = 0
        known = np.flatnonzero(codes >= 0)
        out[known, codes[known]] = 1
        if len(known) == len(codes):
            return []
        return [
            say(
                "Column {name}: cells that hold what training did not show: {n}; taken as none of the known texts.",
                name=self.name,
                n=len(codes) - len(known),
            )
        ]

    def sentences(self) -> list[str]:
        """Say what this column's treatment is."""
        said = [
            say(
                "Column {name}: text with {n} levels; one column of 0 and 1 each.",
                name=self.name,
                n=len(self.levels),
            )
        ]
        if self.blanks:
            said.append(
                say(
                    "Column {name}: blank cells: {n}; marked in a column of their own.",
                    name=self.name,
                    n=self.blanks,
                )
            )
        return said


@dataclass(frozen=True)
class DroppedColumn:
    """A column that is not used, the reason (a key of ``sentences``) and an example or a number for it."""

    name: str
    reason: str
    detail: str = ""

    def sentences(self) -> list[str]:
        """Say why the column is not used."""
        values = {"name": self.name, "detail": self.detail, "most": MAX_LEVELS}
        return [
            {
                "asked": lambda: say("Column {name}: not used, as asked.", **values),
                "blank": lambda: say("Column {name}: not used: every cell is blank.", **values),
                "same": lambda: say("Column {name}: not used: it holds the same text in every row.", **values),
                "counts": lambda: say("Column {name}: not used: it only counts the rows.", **values),
                "levels": lambda: say(
                    "Column {name}: not used: {detail} different texts, as names or ids have "
                    "(at most {most} are used, and no more than one for every two rows).",
                    **values,
                ),
                "numbers": lambda: say(
                    "Column {name}: not used: most cells are numbers, but not all, for example {detail}; "
                    "leave such cells empty to use the column.",
                    **values,
                ),
                "commas": lambda: say(
                    "Column {name}: not used: its numbers have a decimal comma, for example {detail}; "
                    "write a decimal point to use the column.",
                    **values,
                ),
            }[self.reason]()
        ]


Treatment = NumberColumn | TextColumn | DroppedColumn
REASONS = ("asked", "blank", "same", "counts", "levels", "numbers", "commas")


def treat(column: Column) -> Treatment:
    """Return the treatment fitted to one column of training rows."""
    if column.blank.all():
        return DroppedColumn(column.name, "blank")
    if not column.is_text:
        return NumberColumn.fit(column)
    counts = Counter(column.values.tolist())
    blanks = counts.pop("", 0)
    if len(counts) == 1 and not blanks:
        return DroppedColumn(column.name, "same")
    n_known = len(column.values) - blanks
    many = len(counts) > FEW_LEVELS
    if broken := _broken_numbers(column.name, counts, n_known, many):
        return broken
    if len(counts) > MAX_LEVELS or (many and len(counts) > n_known / 2):
        return DroppedColumn(column.name, "levels", str(len(counts)))
    return TextColumn.fit(column)


def _broken_numbers(name: str, counts: Counter[str], n_known: int, many: bool) -> DroppedColumn | None:
    """Return why a column of text seems to be of numbers: a guess, so it is left out and the reason said."""
    commas = [level for level in counts if DECIMAL_COMMA.fullmatch(level)]
    if sum(counts[level] for level in commas) > n_known / 2:
        return DroppedColumn(name, "commas", commas[0])
    others = [level for level in counts if not NUMBER.fullmatch(level)]
    if many and others and sum(counts[level] for level in others) < n_known / 2:
        return DroppedColumn(name, "numbers", others[0])
    return None


def as_text(column: Column) -> list[str]:
    """Return the cells as text: what was read as a number is written as people write it."""
    if column.is_text:
        return list(column.values)
    numbers = column.values.tolist()
    return ["" if math.isnan(x) else str(int(x)) if x.is_integer() and abs(x) < 2**53 else repr(x) for x in numbers]


def as_numbers(column: Column, table: Table) -> np.ndarray:
    """Return the cells as float64, NaN where blank; InvalidDataError names the first that is text."""
    if not column.is_text:
        return column.values
    for row, cell in enumerate(column.values):
        if cell and not NUMBER.fullmatch(cell):
            raise InvalidDataError(
                f"{table.where(row)}, column {column.name!r}: must be a number as in training, got {cell!r}"
            )
    return np.array([float(cell) if cell else np.nan for cell in column.values], np.float64)
