"""A table of named columns, as people keep their data: numbers or text, some cells blank.

``read_table`` makes one from a CSV file or from NumPy's NPZ, told apart by content, and says with file and
line what it could not read. What becomes of the columns before a network sees them stands in
``preprocessor.py``.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pellucid.data.csv_file import parse_csv
from pellucid.data.files import MAX_BYTES, read_bytes
from pellucid.data.npz_file import parse_npz
from pellucid.errors import InvalidDataError
from pellucid.language import Phrase, phrase

__all__ = ["Column", "Table", "read_table"]

ZIP_MAGIC = b"PK\x03\x04"
BRIEFLY = 10  # names in a message


@dataclass(frozen=True, eq=False)
class Column:
    """A name and its values (N,): float64 with NaN where a cell is blank, or str objects with "" there."""

    name: str
    values: np.ndarray

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return self.values.dtype == object

    @property
    def blank(self) -> np.ndarray:
        """Which cells are blank: (N,) bool."""
        return np.asarray(self.values == "" if self.is_text else np.isnan(self.values))


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length. ``source`` names the file, ``lines`` (N,) the line of each row."""

    source: str
    columns: tuple[Column, ...]
    lines: np.ndarray | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.columns[0].values) if self.columns else 0

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Column:
        if name not in self._by_name:
            raise InvalidDataError(f"{self.source} has no column {name!r}; it has {brief(self.names)}")
        return self._by_name[name]

    def take(self, rows: np.ndarray) -> "Table":
        """Return the table of the rows chosen by index or by a mask (N,)."""
        columns = tuple(Column(column.name, column.values[rows]) for column in self.columns)
        return Table(self.source, columns, None if self.lines is None else self.lines[rows])

    def where(self, row: int) -> Phrase:
        """Return how a reader of the file finds a row: ``data.csv, line 7``."""
        if self.lines is None:
            return phrase("{source}, row {row}", source=self.source, row=row)
        return phrase("{source}, line {line}", source=self.source, line=int(self.lines[row]))


def read_table(
    path: str | os.PathLike[str],
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    text_columns: Collection[str] = (),
    max_bytes: int = MAX_BYTES,
) -> Table:
    """Return the table in a file: CSV, or NPZ with the arrays X, y and, optionally, feature_names.

    CSV: UTF-8, with a byte order mark or without; fields may be quoted; lines end in LF or CRLF and nowhere
    else. ``delimiter``: comma, semicolon, tab or vertical bar; None: the first of tab, semicolon and comma
    that cuts the first hundred rows into as many fields each. ``header``: whether the first row names the
    columns; None: it does where none of its fields is a number. Columns without a name are called
    ``column_1`` and so on, by position. A column is of numbers where every cell is a number in plain ASCII
    digits or blank, else of text; those named in ``text_columns`` are of text in any case. NPZ: NaN is a
    blank; y, where there is one, becomes the last column.

    Raises FileFormatError, naming file and line: unreadable, empty, invalid UTF-8, rows of different
    lengths, a name that stands twice, a quote that does not end, ``nan``, ``inf``, ``1_0`` or foreign
    digits in a column of numbers; or, decompressed, more than ``max_bytes``.
    """
    source = str(path)
    content = read_bytes(path, max_bytes)
    lines: np.ndarray | None = None
    if content.startswith(ZIP_MAGIC):
        columns = parse_npz(path, max_bytes)
    else:
        columns, lines = parse_csv(content, source, delimiter, header, text_columns)
    return Table(source, tuple(Column(name, values) for name, values in columns.items()), lines)


def brief(names: Collection[str], most: int = BRIEFLY) -> str:
    """Return the first names in a row and how many more there are."""
    shown = ", ".join(list(names)[:most])
    return f"{shown} ... ({len(names)} in all)" if len(names) > most else shown
