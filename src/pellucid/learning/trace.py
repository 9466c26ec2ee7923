"""A Trace: one example's way through a network, every intermediate value with its formula and shape.

It is a sequence of Records, forwards first, then (where a target was given) the loss, backwards, and the update.
It renders itself: ``print(trace)``, rich's ``print``, and as HTML in a notebook.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, overload

import numpy as np

__all__ = ["Record", "Trace"]

PHASES = ("forward", "loss", "backward", "update")


@dataclass(frozen=True)
class Record:
    """One value: its ``name`` ("z1"), ``formula`` ("z1 = a0 W1 + b1"), the ``value``, its ``axes`` ("N H").

    ``phase`` is one of ``forward``, ``loss``, ``backward``, ``update``; ``layer`` counts from 1 (0: no layer).
    """

    name: str
    formula: str
    value: np.ndarray | float
    axes: str = ""
    phase: str = "forward"
    layer: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value; () for a number."""
        return np.shape(self.value)

    def text(self, precision: int = 4) -> str:
        """Return the value as aligned text."""
        return np.array2string(
            np.asarray(self.value),
            precision=precision,
            suppress_small=True,
            threshold=60,
            edgeitems=4,
            max_line_width=100,
        )


class Trace(Sequence[Record]):
    """Records in the order in which they were made; ``trace["z1"]`` is a value by its name."""

    def __init__(self, title: str, records: Sequence[Record]) -> None:
        self.title = title
        self.records = tuple(records)

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Record]: ...
    @overload
    def __getitem__(self, key: str) -> np.ndarray | float: ...
    def __getitem__(self, key: int | slice | str) -> Any:
        if isinstance(key, str):
            for record in self.records:
                if record.name == key:
                    return record.value
            raise KeyError(f"{key!r} is not in this trace; it has {', '.join(r.name for r in self.records)}")
        return self.records[key]

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __str__(self) -> str:
        lines = [self.title]
        for record in self.records:
            lines.append(f"{record.phase:>8}  {record.formula}   {_shape(record)}")
            lines.extend("            " + line for line in record.text().splitlines())
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich.table import Table

        table = Table(title=self.title, show_lines=True)
        for heading in ("phase", "formula", "shape", "value"):
            table.add_column(heading, no_wrap=heading == "value")
        for record in self.records:
            table.add_row(record.phase, record.formula, _shape(record), record.text())
        return table

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(record.phase)}</td><td><code>{escape(record.formula)}</code></td>"
            f"<td>{escape(_shape(record))}</td><td><pre style='margin:0'>{escape(record.text())}</pre></td></tr>"
            for record in self.records
        )
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr><th>phase</th><th>formula</th>"
            f"<th>shape</th><th>value</th></tr></thead><tbody>{rows}</tbody></table>"
        )


def _shape(record: Record) -> str:
    shape = "x".join(map(str, record.shape))
    return f"({record.axes}) = {shape}" if record.axes and shape else shape
