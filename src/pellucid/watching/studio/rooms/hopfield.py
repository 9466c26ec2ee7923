"""The room of the Hopfield network: paint patterns, store them, spoil one, and watch it come back."""

import warnings
from typing import Any

import numpy as np

from pellucid import HopfieldNetwork
from pellucid.data.letters import SIDE, letters
from pellucid.errors import InvalidArgumentError, PellucidError, PellucidWarning
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step
from pellucid.networks.hopfield import CAPACITY, corrupted
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, about_step

__all__ = ["HopfieldRoom", "open_room"]

UNITS = SIDE * SIDE


def open_room(settings: Any) -> "HopfieldRoom":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    default = letters()[[0, 2, 23]].tolist()  # A, C and X, unlike enough for Hebb's rule
    patterns = _bipolar("patterns", reader.table("patterns", (1, 14), (UNITS, UNITS), -1, 1, default))
    start = _bipolar("start", reader.table("start", (1, 1), (UNITS, UNITS), -1, 1, [default[0]]))[0]
    model = {
        "rule": reader.choice("rule", ("hebb", "storkey", "pseudo_inverse"), "hebb"),
        "update": reader.choice("update", ("asynchronous", "synchronous", "stochastic"), "asynchronous"),
        "temperature": reader.number("temperature", 0.01, 10, 0.2),
        "max_iter": 30,
        "random_state": reader.integer("seed", 0, 2**31 - 1, 0),
    }
    reader.done()
    return HopfieldRoom(patterns, start, model)


def _bipolar(name: str, rows: list[list[float]]) -> np.ndarray:
    array = np.array(rows, np.int8)
    if not np.isin(rows, (-1, 1)).all():
        raise InvalidArgumentError(f"{name} must hold -1 and 1 only")
    return array


class HopfieldRoom:
    """``HopfieldNetwork.steps`` from a start to its rest."""

    def __init__(self, patterns: np.ndarray, start: np.ndarray, model: dict[str, Any]) -> None:
        self.patterns, self.start, self.settings = patterns, start, model
        self.model = HopfieldNetwork(**model)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PellucidWarning)  # the page says it: too_many
            self.model.fit(patterns)
        self.run = self.model.steps(start)
        self.step: Step | None = None
        self.state, self.energy = start.copy(), float(self.model.energy(start[None])[0])
        self.flips, self.rests = 0, False
        self.energies = Recording(400)
        self.energies.add(Step("unit", 0, {"energy": self.energy}))

    def advance(self) -> bool:
        """Visit one unit (synchronous: all of them)."""
        step = next(self.run, None)
        if step is None:
            self.rests = True
            return False
        self.step, self.energy, self.state = step, float(step.energy), step.state.copy()
        self.flips += int(np.sum(step.flipped))
        self.energies.add(Step(step.kind, step.number, {"energy": self.energy}))
        return True

    def frame(self) -> Answer:
        """Return the state, its energy and its overlaps, and at the rest what it is."""
        overlaps = self.patterns.astype(float) @ self.state / UNITS
        header = {
            "step": 0 if self.step is None else self.step.number, "energy": self.energy, "flips": self.flips,
            "sweep": 0 if self.step is None else self.step.sweep, "rests": self.rests, "overlaps": overlaps,
            "unit": None if self.step is None else self.step.values.get("unit"),
            "field": None if self.step is None or "unit" not in self.step.values else self.step.field,
            "flipped": None if self.step is None else self.step.flipped,
            "curve": list(self.energies.curve("energy")), "energies": self.model.energy(self.patterns),
            "kind": str(self.model.classify(self.state[None])[0]) if self.rests else "",
            "too_many": len(self.patterns) > CAPACITY * UNITS and self.settings["rule"] == "hebb",
            "stable": self.model.is_stable(self.patterns),
        }  # fmt: skip
        return header, {"state": self.state, "fields": self.model.fields(self.state[None])[0].astype(np.float32)}

    def about(self) -> dict[str, Any]:
        """Return formulas and sources, from a step that is thrown away."""
        first = next(self.model.steps(self.start), None)
        return about_step(first) | {"letters": letters().tolist(), "side": SIDE}

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``, and ``corrupt``: a pattern with a share of its units turned over."""
        reader = Reader(about, "about")
        if what == "export":
            reader.done()
            return {"script": self.script()}, {}
        if what != "corrupt":
            raise InvalidArgumentError(f"this room answers export and corrupt, got {what!r}")
        pattern = _bipolar("pattern", reader.table("pattern", (1, 1), (UNITS, UNITS), -1, 1, [self.start.tolist()]))
        share = reader.number("share", 0, 1, 0.2)
        seed = reader.integer("seed", 0, 2**31 - 1, 0)
        reader.done()
        return {}, {"pattern": corrupted(pattern, share, seed)[0]}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        if self.step is None:
            raise PellucidError("nothing has been recalled yet: take a step first")
        rows = ",\n    ".join(f'"{_drawn(pattern)}"' for pattern in self.patterns)
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f'''"""A Hopfield network, recalling as in Pellucid's studio."""

import numpy as np

from pellucid import HopfieldNetwork

DRAWN = [  # a character a unit, # for +1 and . for -1
    {rows},
]
START = "{_drawn(self.start)}"


def units(drawn):
    return np.array([1 if character == "#" else -1 for character in drawn])


network = HopfieldNetwork({arguments})
network.fit(np.array([units(drawn) for drawn in DRAWN]))
for step in network.steps(units(START)):
    if step.number == {self.step.number}:
        break

print(f"step {{step.number}}: energy {{step.energy:.10f}}")
for row in step.state.reshape({SIDE}, {SIDE}):
    print("".join("#" if unit == 1 else "." for unit in row))
'''


def _drawn(pattern: np.ndarray) -> str:
    return "".join("#" if unit == 1 else "." for unit in pattern)
