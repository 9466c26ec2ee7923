"""From a table of named columns to X (N, D) and y (N,): fitted once, kept with the model, repeated later.

Columns are known by name, so their order may change and others may stand between them. All that is done is
said: in ``report`` what fitting decided, in ``transform_report`` what the last table held that training had
not shown.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from pellucid.data.preprocessor_json import read_header, write_header
from pellucid.data.tables import Table, brief
from pellucid.data.targets import Target
from pellucid.data.treatments import DroppedColumn, NumberColumn, TextColumn, Treatment, treat
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.language import say

__all__ = ["Preprocessor", "row_counters"]

FEW_ROWS = 10  # in so few, numbers may go 1, 2, 3 by chance


class Preprocessor:
    """What turns a table into arrays. ``fit`` on training rows, ``transform`` and ``target`` on any.

    Attributes: ``target_`` the Target, ``treatments_`` what is done to each column, ``n_rows_`` the rows it
    was fitted on, ``transform_report`` sentences about the table that was transformed last.
    """

    target_: Target
    treatments_: tuple[Treatment, ...]
    n_rows_: int

    def __init__(self) -> None:
        self.transform_report: list[str] = []

    def fit(
        self, table: Table, target: str | None = None, task: str = "auto", *, drop: Collection[str] = ()
    ) -> "Preprocessor":
        """Decide on the target and on every other column's treatment; rows with a blank target do not count.

        ``target``: the name of the target column, None for the last. ``task``: classification, regression,
        or auto, for the rule in ``targets.py``. ``drop``: names of columns not to use.

        Raises InvalidArgumentError and InvalidDataError where the target is not fit for the task, ``drop``
        names what is not there, or no column is left to learn from.
        """
        chosen = Target.choose(table, target, task)
        return self.fit_rows(table, np.flatnonzero(chosen.labelled(table)), chosen, drop)

    def fit_rows(self, table: Table, rows: np.ndarray, target: Target, drop: Collection[str] = ()) -> "Preprocessor":
        """Fit on some rows of a table whose target is known: what ``prepare`` does with the training part."""
        for name in drop:
            if table[name].name == target.name:
                raise InvalidArgumentError(f"drop must not name the target column, got {name!r}")
        dropped = {name: DroppedColumn(name, "counts") for name in row_counters(table)}
        dropped |= {name: DroppedColumn(name, "asked") for name in drop}
        training = table.take(rows)
        treatments = tuple(
            dropped.get(column.name) or treat(column) for column in training.columns if column.name != target.name
        )
        if all(isinstance(treatment, DroppedColumn) for treatment in treatments):
            reasons = " ".join(sentence for treatment in treatments for sentence in treatment.sentences())
            raise InvalidDataError(f"{table.source}: no column is left to learn from. {reasons}".strip())
        self.target_, self.treatments_, self.n_rows_ = target, treatments, training.n_rows
        return self

    @property
    def used(self) -> list[NumberColumn | TextColumn]:
        """The treatments of the columns that are used, in order."""
        return [treatment for treatment in self.treatments_ if not isinstance(treatment, DroppedColumn)]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the D columns of X."""
        return tuple(name for treatment in self.used for name in treatment.features)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that were text in training, for ``read_table``: new rows may happen to show numbers."""
        names = tuple(treatment.name for treatment in self.used if isinstance(treatment, TextColumn))
        is_text = self.target_.classes and isinstance(self.target_.classes[0], str)
        return (*names, self.target_.name) if is_text else names

    @property
    def report(self) -> list[str]:
        """Every treatment as a sentence, in the language of the moment."""
        numbers = [treatment for treatment in self.treatments_ if isinstance(treatment, NumberColumn)]
        constant = [treatment.name for treatment in numbers if not treatment.scale]
        said = self.target_.sentences()
        if n := len(numbers) - len(constant):
            said.append(say("Columns of numbers, brought to mean 0 and standard deviation 1: {n}.", n=n))
        if constant:
            said.append(
                say(
                    "Columns that hold the same number in every row, kept at 0: {names}.",
                    names=brief(constant),
                )
            )
        return said + [sentence for treatment in self.treatments_ for sentence in treatment.sentences()]

    def transform(self, table: Table) -> np.ndarray:
        """Return X (N, D), float32, and say in ``transform_report`` what training had not shown.

        Raises InvalidDataError where columns are missing (all are named), a number is text, or so far from
        the training values that float32 cannot hold it.
        """
        self.transform_report = []
        missing = [treatment.name for treatment in self.used if treatment.name not in table]
        if missing:
            raise InvalidDataError(
                f"{table.source} has no column {', '.join(map(repr, missing))}, which the model "
                f"was trained on; it has {brief(table.names)}"
            )
        expected = {treatment.name for treatment in self.treatments_} | {self.target_.name}
        extra = [name for name in table.names if name not in expected]
        said = [say("Columns that training did not have, ignored: {names}.", names=brief(extra))] if extra else []
        X = np.empty((table.n_rows, len(self.feature_names)), np.float32)  # (N, D)
        start = 0
        for treatment in self.used:
            end = start + len(treatment.features)
            said += treatment.fill(table[treatment.name], table, X[:, start:end])
            start = end
        self.transform_report = said
        return X

    def target(self, table: Table) -> np.ndarray:
        """Return y (N,) of a table with a target in every row: str or int64 classes, or float64 amounts."""
        return self.target_.values(table)

    def labelled(self, table: Table) -> Table:
        """Return the rows of the table that have a target."""
        return table.take(self.target_.labelled(table))

    def to_json(self) -> dict[str, Any]:
        """Return all that was fitted as plain JSON values, of which ``from_json`` makes the same again."""
        return write_header(self.target_, self.treatments_, self.n_rows_)

    @classmethod
    def from_json(cls, header: Any) -> "Preprocessor":
        """Return the preprocessor that ``to_json`` wrote; InvalidDataError names the key that is wrong."""
        made = cls()
        made.target_, made.treatments_, made.n_rows_ = read_header(header)
        return made


def row_counters(table: Table) -> list[str]:
    """Return the columns that count the rows from 0 or 1: in a sorted file they give the answer away."""
    counting = np.arange(table.n_rows, dtype=np.float64)
    return [
        column.name
        for column in table.columns
        if table.n_rows > FEW_ROWS
        and not column.is_text
        and column.values[0] in (0.0, 1.0)
        and np.array_equal(column.values - column.values[0], counting)
    ]
