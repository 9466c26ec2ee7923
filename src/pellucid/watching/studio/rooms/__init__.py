"""The studio's rooms: each drives one network of the library, and says what is to be seen of it."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from pellucid.learning.step import Step, source_of
from pellucid.learning.trace import Trace

__all__ = ["Answer", "Room", "about_step", "open_room", "shown", "sources_of"]

Answer = tuple[dict[str, Any], dict[str, np.ndarray]]


class Room(Protocol):
    """A network at work. Settings were held to their bounds before it was made."""

    going: Callable[[], bool]  # whether anybody still looks on; an advance that takes long asks, and leaves off

    def advance(self) -> bool:
        """Take one step of the library's; return whether there may be another."""

    def frame(self) -> Answer:
        """Return what is to be seen now.

        ``begins`` in the header says that the room has yet to begin, which may take its time: what can be seen
        before is in this frame, and the next one comes after an advance.
        """

    def about(self) -> dict[str, Any]:
        """Return what does not change once the room has begun: formulas, and the sources of what ran."""

    def ask(self, what: str, about: Any) -> Answer:
        """Return the answer to a question of the page's; raise InvalidArgumentError for one that is none.

        An empty answer is a wish that was granted: the next frame shows it.
        """


def open_room(name: str, settings: Any, going: Callable[[], bool] = lambda: True) -> Room:
    """Return the room ``name`` with these settings; raise InvalidArgumentError for any beyond their bounds."""
    room: Room = import_module(f"{__name__}.{name}").open_room(settings)
    room.going = going
    return room


def about_step(step: Step | None) -> dict[str, Any]:
    """Return a step's formulas and the sources of its functions, by their names."""
    if step is None:
        return {"formulas": {}, "sources": {}}
    return {
        "formulas": dict(step.formulas),
        "sources": sources_of(*step.functions),
    }


def sources_of(*functions: Callable[..., Any] | None) -> dict[str, str]:
    """Return the source of each function by its name: of what has run, since the page says so."""
    return {function.__qualname__: source_of(function) for function in functions if function is not None}


def shown(trace: Trace) -> list[dict[str, Any]]:
    """Return a trace's records as JSON values, each with the name of its function."""
    return [
        {
            "name": record.name, "formula": record.formula, "phase": record.phase, "layer": record.layer,
            "shape": list(record.shape), "value": np.asarray(record.value).tolist(),
            "function": "" if record.function is None else record.function.__qualname__,
        }
        for record in trace
    ]  # fmt: skip
