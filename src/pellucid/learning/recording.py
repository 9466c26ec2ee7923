"""A Recording: what a run of ``steps()`` did, kept within a bound however long the run is.

It keeps the first step and every 2^k-th after it. When more than ``most`` steps, or ``most_bytes`` of arrays, are
kept, every second one is let go and k grows by one. So a million steps leave 500 to 1,000 of them, evenly spaced,
and the last step besides; first and last are kept however large they are. The kept steps own their arrays, and
nothing is drawn or changed: a recorded run is the unrecorded one to the last bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self, overload

import numpy as np

from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.language import say
from pellucid.learning.estimator import check_number
from pellucid.learning.step import Step

__all__ = ["Recording"]


class Recording(Sequence[Step]):
    """Steps of a run, thinned as they come; a sequence of Steps, to replay as often as one likes.

    ``Recording.of(model.steps(X, y))`` drains a run; ``for step in recording.watch(model.steps(X, y))`` records
    what passes by. ``names`` keeps only these values of each step. ``pellucid.save`` and ``pellucid.load`` keep it
    in a file, but for the functions: a file names no code.

    Raises InvalidArgumentError for a ``most`` below 2, ``most_bytes`` below 1.
    """

    def __init__(self, most: int = 1000, *, names: Sequence[str] | None = None, most_bytes: int = 256 << 20) -> None:
        check_number("most", most, 2, integer=True)
        check_number("most_bytes", most_bytes, 1, integer=True)
        self.most, self.most_bytes, self.wanted = int(most), int(most_bytes), None if names is None else tuple(names)
        self.every = 1  # 2^k: of so many steps one is kept
        self.seen = 0
        self._keep([], None)

    def _keep(self, kept: list[Step], last: Step | None) -> None:
        """Hold these steps: ``last`` is the run's last, where it is not among those kept."""
        self._kept, self._last = kept, last
        self._bytes = sum(map(_bytes_of, kept))  # of those kept; counted on as steps come

    @classmethod
    def of(cls, steps: Iterable[Step], most: int = 1000, **options: Any) -> Self:
        """Run ``steps`` to the end and return the recording."""
        recording = cls(most, **options)
        for _ in recording.watch(steps):
            pass
        return recording

    def watch(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Yield each step as it comes, and keep what is to be kept of it."""
        for step in steps:
            self.add(step)
            yield step

    def add(self, step: Step) -> None:
        """Take note of one more step."""
        kept = self._chosen(step).copy()
        if self.seen % self.every == 0:
            self._kept.append(kept)
            self._last = None
            self._bytes += _bytes_of(kept)
        else:
            self._last = kept
        self._thin(kept)
        self.seen += 1

    def _chosen(self, step: Step) -> Step:
        if self.wanted is None:
            return step
        values = {name: step.values[name] for name in self.wanted if name in step.values}
        return Step(step.kind, step.number, MappingProxyType(values), step.formulas, step.functions)

    def _thin(self, newest: Step) -> None:
        while len(self._kept) > 1 and (len(self._kept) > self.most or self.nbytes > self.most_bytes):
            kept, self.every = self._kept[::2], 2 * self.every
            self._keep(kept, None if kept[-1] is newest else newest)

    # -- what there is ---------------------------------------------------------------------------------------

    @property
    def steps(self) -> list[Step]:
        """The steps that were kept, in order, the last of the run included."""
        return self._kept if self._last is None else [*self._kept, self._last]

    @property
    def nbytes(self) -> int:
        """How many bytes the kept values take, the last step's included."""
        return self._bytes + (0 if self._last is None else _bytes_of(self._last))

    @overload
    def __getitem__(self, key: int) -> Step: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Step]: ...
    def __getitem__(self, key: int | slice) -> Any:
        return self.steps[key]

    def __len__(self) -> int:
        return len(self._kept) + (self._last is not None)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def names(self) -> list[str]:
        """Return the names of all values, in the order of their first appearance."""
        return list(dict.fromkeys(name for step in self for name in step.values))

    @property
    def formulas(self) -> dict[str, str]:
        """The equation behind each name, where there is one."""
        return {name: formula for step in self for name, formula in step.formulas.items()}

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """Return the numbers of the steps that have the value ``name``, and that value in each."""
        chosen = [step for step in self if name in step.values]
        if not chosen:
            raise KeyError(f"{name!r} is not in this recording; it has {', '.join(self.names())}")
        return [step.number for step in chosen], [float(step.values[name]) for step in chosen]

    def copy(self) -> "Recording":
        """Return a recording with arrays of its own."""
        other = type(self)(self.most, names=self.wanted, most_bytes=self.most_bytes)
        other.every, other.seen = self.every, self.seen
        other._keep([step.copy() for step in self._kept], None if self._last is None else self._last.copy())
        return other

    def title(self) -> str:
        """Return in one line how much was seen and kept."""
        return say(
            "{seen} steps, {kept} of them kept: the first, every {every}, the last",
            seen=f"{self.seen:,}", kept=f"{len(self):,}", every=f"{self.every:,}",
        )  # fmt: skip

    def __str__(self) -> str:
        lines = [str(step) for step in (self.steps if len(self) <= 10 else [*self.steps[:5], *self.steps[-5:]])]
        if len(self) > 10:
            lines.insert(5, "...")
        return "\n".join([self.title(), *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from pellucid.learning.html import recording_html

        return recording_html(self)

    # -- saving ----------------------------------------------------------------------------------------------

    def to_file(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what a file keeps: see ``pellucid.saving``. Equal shapes of one name become one array."""
        columns: dict[tuple[Any, ...], _Column] = {}
        for place, step in enumerate(self):
            for name, value in step.values.items():
                for key, item in _items(name, value):
                    column = columns.setdefault((*key, item.dtype.str, item.shape), _Column(*key))
                    column.places.append(place)
                    column.values.append(item)
        arrays = {"numbers": np.array([step.number for step in self], np.int64)}
        for number, column in enumerate(columns.values()):
            arrays[f"{number}.places"] = np.array(column.places, np.int64)
            arrays[f"{number}.values"] = np.stack(column.values)
        entries = {
            "most": self.most, "most_bytes": self.most_bytes, "wanted": self.wanted, "every": self.every,
            "seen": self.seen, "last_kept": self._last is None, "formulas": self.formulas, "names": self.names(),
            "kinds": [step.kind for step in self],
            "columns": [[column.name, column.kind, column.length, column.item] for column in columns.values()],
        }  # fmt: skip
        return entries, arrays

    @classmethod
    def from_file(cls, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Self:
        """Return the recording of which ``to_file`` told."""
        recording = cls(entries["most"], names=entries["wanted"], most_bytes=entries["most_bytes"])
        recording.every, recording.seen = int(entries["every"]), int(entries["seen"])
        numbers, kinds = arrays["numbers"], entries["kinds"]
        if len(numbers) != len(kinds):
            raise ModelFileError(f"holds {len(numbers)} numbers of steps, but {len(kinds)} kinds")
        found: list[dict[str, Any]] = [{} for _ in kinds]
        for number, (name, kind, length, item) in enumerate(entries["columns"]):
            places, values = arrays[f"{number}.places"], arrays[f"{number}.values"]
            if len(places) != len(values) or (places < 0).any() or (places >= len(kinds)).any():
                raise ModelFileError(f"holds {len(values)} values of {name!r} for {len(places)} steps of {len(kinds)}")
            for place, value in zip(places.tolist(), values, strict=True):
                _put(found[place], name, kind, length, item, value)
        formulas = MappingProxyType(dict(entries["formulas"]))
        order = {name: rank for rank, name in enumerate(entries["names"])}
        steps = [
            Step(kind, int(number), MappingProxyType(dict(sorted(values.items(), key=lambda pair: order[pair[0]]))),
                 formulas)
            for kind, number, values in zip(kinds, numbers, found, strict=True)
        ]  # fmt: skip
        recording._keep(*((steps, None) if entries["last_kept"] else (steps[:-1], steps[-1])))
        return recording


NUMBERS = {"bool": bool, "int": int, "float": float}
LISTS = {"list": list, "tuple": tuple}


@dataclass
class _Column:
    """The values of one name (or of one place in its list) in all the steps where they have the same shape."""

    name: str
    kind: str
    length: int
    item: int
    places: list[int] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)


def _items(name: str, value: Any) -> Iterator[tuple[tuple[str, str, int, int], np.ndarray]]:
    """Yield a value as (name, kind, length, place), array: a list of arrays as one item each."""
    kind = type(value).__name__
    if kind in NUMBERS or isinstance(value, np.ndarray | np.generic):
        yield (name, kind if kind in NUMBERS else "array", 0, 0), np.asarray(value)
    elif kind in LISTS and all(isinstance(item, np.ndarray) for item in value):
        if not value:
            yield (name, kind, 0, 0), np.zeros(0)
        for place, item in enumerate(value):
            yield (name, kind, len(value), place), item
    else:
        raise InvalidArgumentError(
            f"the value {name!r} is of type {kind}, which a file of steps does not keep; "
            "record without it: Recording(names=[...])"
        )


def _put(values: dict[str, Any], name: str, kind: str, length: int, item: int, value: Any) -> None:
    """Undo ``_items`` for one value."""
    if kind in NUMBERS:
        values[name] = NUMBERS[kind](value)
    elif kind == "array":
        values[name] = np.array(value)
    elif kind in LISTS:
        items = list(values.get(name, [None] * length))
        if length:
            items[item] = np.array(value)
        values[name] = LISTS[kind](items)
    else:
        raise ModelFileError(f"holds a value {name!r} of an unknown kind, {kind!r}")


def _bytes_of(step: Step) -> int:
    arrays = [np.asarray(part) for value in step.values.values()
              for part in (value if isinstance(value, list | tuple) else [value])]  # fmt: skip
    return sum(array.nbytes for array in arrays)
