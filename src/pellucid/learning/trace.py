"""A Trace: one example's way through a network, every intermediate value with its formula and shape.

It is a sequence of Records, forwards first, then (where a target was given) the loss, backwards, and the update.
It renders itself: ``print(trace)``, rich's ``print``, and as HTML in a notebook.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

__all__ = ["Record", "Trace", "shape_text"]

PHASES = ("forward", "loss", "backward", "update")


@dataclass(frozen=True)
class Record:
    """One value: its ``name`` ("z1"), ``formula`` ("z1 = a0 W1 + b1"), the ``value``, its ``axes`` ("N H").

    ``phase`` is one of ``forward``, ``loss``, ``backward``, ``update``; ``layer`` counts from 1 (0: no layer).
    ``function`` is the code that made the value, where it is a function of its own.
    """

    name: str
    formula: str
    value: np.ndarray | float
    axes: str = ""
    phase: str = "forward"
    layer: int = 0
    function: Callable[..., Any] | None = None

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
            lines.append(f"{record.phase:>8}  {record.formula}   {shape_text(record)}")
            lines.extend("            " + line for line in record.text().splitlines())
        return "\n".join(lines)

    def __rich__(self) -> Any:
        from rich.table import Table

        table = Table(title=self.title, show_lines=True)
        for heading in ("phase", "formula", "shape", "value"):
            table.add_column(heading, no_wrap=heading == "value")
        for record in self.records:
            table.add_row(record.phase, record.formula, shape_text(record), record.text())
        return table

    def _repr_html_(self) -> str:
        from pellucid.learning.html import trace_html

        return trace_html(self)


def shape_text(record: Record) -> str:
    """Return the axes and the lengths along them: "(N H) = 1x4"."""
    shape = "x".join(map(str, record.shape))
    return f"({record.axes}) = {shape}" if record.axes and shape else shape
