"""The target column: which it is, whether its values are classes or amounts, and the rule that decided.

Text is classes. Whole numbers are classes where there are few of them: at most 20, each on average in two
rows or more (two different numbers are classes in any case). All other numbers are amounts.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.data.tables import Column, Table
from pellucid.data.treatments import as_numbers, as_text
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.language import phrase, say

__all__ = ["MAX_CLASSES", "TASKS", "Target"]

TASKS = ("auto", "classification", "regression")
MAX_CLASSES = 20
EXACT = 2**53  # beyond it, float64 skips whole numbers


@dataclass(frozen=True)
class Target:
    """The target: ``task`` is "classification" or "regression", ``why`` one of text, few, many, asked.

    ``classes`` are str or int, in order, none in regression; ``unlabelled`` rows had a blank target.
    """

    name: str
    task: str
    why: str
    classes: tuple[str, ...] | tuple[int, ...]
    unlabelled: int

    @classmethod
    def choose(cls, table: Table, name: str | None = None, task: str = "auto") -> "Target":
        """Return the target of ``table``: the column ``name``, None for the last one.

        Raises InvalidArgumentError for an unknown ``task``; InvalidDataError where the column is absent,
        blank, of one class, or not fit for the task.
        """
        if task not in TASKS:
            raise InvalidArgumentError(f"task must be one of {', '.join(TASKS)}, got {task!r}")
        column = table[table.names[-1] if name is None else name]
        labelled = ~column.blank
        if not labelled.any():
            said = {"source": table.source, "name": repr(column.name)}
            raise InvalidDataError(phrase("{source}: every cell of the target column {name} is blank", **said))
        if column.blank.any():
            column = Column(column.name, column.values[labelled])
        why = _why(column) if task == "auto" else "asked"
        task = task if task != "auto" else "regression" if why == "many" else "classification"
        unlabelled = int((~labelled).sum())
        if task == "regression":
            if column.is_text:
                raise InvalidDataError(f"{table.source}: regression needs numbers; column {column.name!r} holds text")
            return cls(column.name, task, why, (), unlabelled)
        return cls(column.name, task, why, _classes(column, table, why), unlabelled)

    def labelled(self, table: Table) -> np.ndarray:
        """Return which rows have a target: (N,) bool."""
        return ~table[self.name].blank

    def values(self, table: Table) -> np.ndarray:
        """Return y (N,): str or int64 classes, or float64 amounts. A label new to training stays.

        Raises InvalidDataError where the column is absent, a cell is blank, or not of the kind that it was
        in training.
        """
        column = table[self.name]
        if (blank := np.flatnonzero(column.blank)).size:
            where, name = table.where(int(blank[0])), repr(self.name)
            raise InvalidDataError(phrase("{where}, column {name}: the target is blank", where=where, name=name))
        if self.classes and isinstance(self.classes[0], str):
            return np.array(as_text(column), dtype=np.str_)
        numbers = as_numbers(column, table)
        if self.task == "regression":
            return numbers.copy()
        if (broken := np.flatnonzero(~_whole(numbers))).size:
            row = int(broken[0])
            raise InvalidDataError(
                f"{table.where(row)}, column {self.name!r}: a class must be whole, got {numbers[row]:g}"
            )
        return numbers.astype(np.int64)

    def sentences(self) -> list[str]:
        """Say which column is the target, for what task, and why."""
        values = {"name": self.name, "n": len(self.classes), "most": MAX_CLASSES}
        said = {
            "text": lambda: say(
                "Target: column {name}; it holds text, so this is a classifier of {n} classes.", **values
            ),
            "few": lambda: say(
                "Target: column {name}; it holds few different whole numbers (at most {most}), "
                "so this is a classifier of {n} classes.",
                **values,
            ),
            "many": lambda: say("Target: column {name}; it holds amounts, so this is a regressor.", **values),
            "asked": lambda: (
                say("Target: column {name}; a classifier was asked for; it has {n} classes.", **values)
                if self.task == "classification"
                else say("Target: column {name}; a regressor was asked for.", **values)
            ),
        }[self.why]()
        if not self.unlabelled:
            return [said]
        return [said, say("Rows left out because their target is blank: {n}.", n=self.unlabelled)]


def _why(column: Column) -> str:
    if column.is_text:
        return "text"
    distinct = len(np.unique(column.values))
    few = distinct <= max(2, min(MAX_CLASSES, len(column.values) // 2))
    return "few" if few and _whole(column.values).all() else "many"


def _classes(column: Column, table: Table, why: str) -> tuple[str, ...] | tuple[int, ...]:
    where = phrase("{source}: the target column {name}", source=table.source, name=repr(column.name))
    if not column.is_text and not _whole(column.values).all():
        raise InvalidDataError(
            phrase("{where} holds broken numbers; classes must be text or whole numbers", where=where)
        )
    classes = sorted(set(column.values.tolist() if column.is_text else column.values.astype(np.int64).tolist()))
    if len(classes) < 2:
        only = repr(classes[0])
        raise InvalidDataError(
            phrase("{where} holds only {only}; a classifier needs two classes or more", where=where, only=only)
        )
    if why == "text" and len(classes) > max(2, len(column.values) // 2):
        raise InvalidDataError(
            f"{where} holds {len(classes)} different texts in {len(column.values)} rows, as names do; "
            "name the column that is to be predicted, or ask for classification"
        )
    return tuple(classes)


def _whole(values: np.ndarray) -> np.ndarray:
    return np.asarray((np.abs(values) <= EXACT) & (values == np.round(values)))
