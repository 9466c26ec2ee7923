"""Points of the plane from a table of one's own, dropped into the Playground: a CSV file, held to a budget first.

The last column is the class, as ``pellucid train`` takes it, and must hold two; the first two columns of numbers are
x and y, which the page's plane is stretched over.
"""

import base64
from typing import Any

import numpy as np

from pellucid.data.csv_file import parse_csv
from pellucid.data.tables import Column, Table
from pellucid.data.targets import Target
from pellucid.errors import InvalidDataError
from pellucid.language import phrase

__all__ = ["MOST_BYTES", "content_of", "points_of"]

MOST_BYTES = 1 << 18
MOST_ROWS = 500
MOST_LINE = 2000  # bytes: tables have two columns and a class, or a few more
MARGIN = 0.8  # how much of the plane the points take


def content_of(text: str) -> bytes:
    """Return the bytes that ``text`` is as base64; raise InvalidDataError if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise InvalidDataError(phrase("content must be a file's bytes as base64")) from None


def points_of(content: bytes, source: str, side: float) -> dict[str, Any]:
    """Return ``points`` [[x, y, class 0 or 1]] within -side to side, and the names and ranges of what they were.

    Raises InvalidDataError, FileFormatError (with file and line) for a table that is too large, damaged or not of
    two columns of numbers and two classes.
    """
    _check_size(content, source)
    columns, lines = parse_csv(content, source, None, None, ())
    table = Table(source, tuple(Column(name, values) for name, values in columns.items()), lines)
    if table.n_rows > MOST_ROWS:
        said = {"source": source, "most": MOST_ROWS, "n": table.n_rows}
        raise InvalidDataError(phrase("{source}: must have at most {most} rows, got {n}", **said))
    target = Target.choose(table, task="classification")
    numbers = [column for column in table.columns if not column.is_text and column.name != target.name][:2]
    if len(numbers) < 2:
        raise InvalidDataError(
            phrase(
                "{source}: must have two columns of numbers before the column of the classes, {name}; got {n}",
                source=source,
                name=repr(target.name),
                n=len(numbers),
            )
        )
    if len(target.classes) != 2:
        raise InvalidDataError(
            phrase(
                "{source}: the last column, {name}, must hold two classes, got {n}",
                source=source,
                name=repr(target.name),
                n=len(target.classes),
            )
        )
    labels = target.values(table) == target.classes[1]
    for column in numbers:
        if (blank := np.flatnonzero(column.blank)).size:
            where, name = table.where(int(blank[0])), repr(column.name)
            raise InvalidDataError(phrase("{where}, column {name}: is blank; give a number", where=where, name=name))
    places = [_spread(column.values, side) for column in numbers]
    return {
        "points": np.column_stack([*places, labels]).tolist(),
        "columns": [column.name for column in numbers],
        "ranges": [[float(column.values.min()), float(column.values.max())] for column in numbers],
        "classes": [str(name) for name in target.classes],
    }


def _check_size(content: bytes, source: str) -> None:
    if len(content) > MOST_BYTES:
        said = {"source": source, "most": MOST_BYTES, "n": len(content)}
        raise InvalidDataError(phrase("{source}: must be of at most {most} bytes, got {n}", **said))
    if (count := content.count(b"\n")) > 2 * MOST_ROWS:
        said = {"source": source, "most": MOST_ROWS, "n": count}
        raise InvalidDataError(phrase("{source}: must have at most {most} rows, got {n} lines", **said))
    for number, line in enumerate(content.split(b"\n"), start=1):
        if len(line) > MOST_LINE:
            said = {"source": source, "line": number, "most": MOST_LINE}
            raise InvalidDataError(phrase("{source}, line {line}: is longer than {most} bytes", **said))


def _spread(values: np.ndarray, side: float) -> np.ndarray:
    """Return values (N,), from least to most stretched over the plane's middle; all 0 where they are all the same."""
    low, high = float(values.min()), float(values.max())
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near 1e308
        share = np.nan_to_num((values / 2 - low / 2) / max(high / 2 - low / 2, 1e-300))
    return np.round(side * MARGIN * (2 * np.clip(share, 0, 1) - 1) if high > low else 0 * values, 3)
