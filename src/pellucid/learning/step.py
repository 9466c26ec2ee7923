"""A Step: one advance of a network, with every value that it made.

A ``steps(...)`` generator yields them; ``fit`` drains the same generator. The arrays in a Step are read-only
*views* of the network's own memory, free of charge, and change with the next advance: ``step.copy()`` keeps one.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import dedent
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["Step", "source_of", "view"]


@dataclass(frozen=True)
class Step:
    """One advance: ``kind`` says of what ("epoch", "batch", "iteration", ...), ``number`` counts from 1.

    ``values`` maps names to scalars or read-only array views; each is an attribute too (``step.loss``).
    ``formulas`` gives the equation behind a name, where there is one. ``functions`` are the readable definitions
    that made the values, in the order in which they run; a compiled engine is held equal to them.
    """

    kind: str
    number: int
    values: Mapping[str, Any]
    formulas: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    functions: tuple[Callable[..., Any], ...] = ()

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in (values := self.__dict__.get("values", {})):
            return values[name]
        raise AttributeError(f"this {self.__dict__.get('kind', '')} step has no value {name!r}")

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def shapes(self) -> dict[str, Any]:
        """The shape of each value by its name: () for a number, (n,) for words, a list of shapes for arrays."""
        return {name: _shape_of(value) for name, value in self.values.items()}

    def sources(self) -> list[str]:
        """Return the source text of each of ``functions``."""
        return [source_of(function) for function in self.functions]

    def copy(self) -> "Step":
        """Return a Step whose arrays are its own and stay as they are."""
        kept = {name: _copied(value) for name, value in self.values.items()}
        return Step(self.kind, self.number, MappingProxyType(kept), self.formulas, self.functions)

    def __str__(self) -> str:
        parts = [f"{name}={value:.6g}" for name, value in self.values.items() if isinstance(value, float)]
        return f"{self.kind} {self.number}: " + ", ".join(parts)

    def _repr_html_(self) -> str:
        from pellucid.learning.html import step_html

        return step_html(self)


def source_of(function: Callable[..., Any]) -> str:
    """Return the source text of a function, its first line at the margin."""
    return dedent(inspect.getsource(function))


def _shape_of(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        return np.shape(value)
    return [np.shape(item) for item in value] if any(isinstance(item, np.ndarray) for item in value) else (len(value),)


def _copied(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list | tuple):
        return type(value)(_copied(item) for item in value)
    return value


def view(array: np.ndarray) -> np.ndarray:
    """Return a read-only view of ``array``."""
    out = array.view()
    out.flags.writeable = False
    return out
