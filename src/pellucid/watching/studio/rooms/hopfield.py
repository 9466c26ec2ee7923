"""The room of the Hopfield network: paint patterns, store them, spoil one, and watch it come back.

Two pictures of its energy: a plane of states through three patterns, and the valleys in which random states end.
"""

import warnings
from functools import lru_cache
from typing import Any

import numpy as np

from pellucid import HopfieldNetwork
from pellucid.data.letters import SIDE, letters
from pellucid.errors import InvalidArgumentError, PellucidWarning
from pellucid.language import phrase
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step
from pellucid.networks.hopfield import CAPACITY, corrupted
from pellucid.networks.landscape import plane
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, about_step

__all__ = ["HopfieldRoom", "open_room"]

UNITS = SIDE * SIDE
COLUMNS, MARGIN = 41, 0.4  # of the plane
MOST_STARTS, MOST_VALLEYS = 1000, 24  # random states, and valleys that are shown
KINDS = ("stored", "inverse", "mixture", "other")


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
    starts = reader.integer("starts", 0, MOST_STARTS, 0)
    reader.done()
    return HopfieldRoom(patterns, start, model, starts)


def _bipolar(name: str, rows: list[list[float]]) -> np.ndarray:
    array = np.array(rows, np.int8)
    if not np.isin(rows, (-1, 1)).all():
        raise InvalidArgumentError(phrase("{name} must hold -1 and 1 only", name=name))
    return array


@lru_cache(maxsize=16)
def _ground(patterns: bytes, rule: str, seed: int) -> tuple[HopfieldNetwork, np.ndarray, np.ndarray]:
    """Return a network that comes to rest unit by unit, the plane (n, N) through three states, and its energies (n,).

    The three are the first patterns; where fewer are stored, the inverse of the first and half of it turned over.
    """
    stored = np.frombuffer(patterns, np.int8).reshape(-1, UNITS)
    network = _quietly_fitted({"rule": rule, "random_state": seed}, stored)
    half = np.where(np.arange(UNITS) % 2, stored[0], -stored[0])
    states = plane(np.stack([*stored, -stored[0], half][:3]), COLUMNS, MARGIN).reshape(-1, UNITS)
    return network, states, network.energy(states)


@lru_cache(maxsize=16)
def _valleys(patterns: bytes, rule: str, seed: int, starts: int) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Return the states (k, N) in which random ones come to rest, and of each kind, energy and how many end there."""
    network = _ground(patterns, rule, seed)[0]
    states, kinds, counts = network.fixed_points(starts)
    order = sorted(range(len(states)), key=lambda k: (KINDS.index(kinds[k]), -counts[k]))
    energies = network.energy(states)
    found = [{"kind": str(kinds[k]), "energy": float(energies[k]), "count": int(counts[k])} for k in order]
    return states[order].astype(np.int8), found


def _quietly_fitted(settings: dict[str, Any], patterns: np.ndarray) -> HopfieldNetwork:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)  # the page says it: too_many
        return HopfieldNetwork(**settings).fit(patterns)


class HopfieldRoom:
    """``HopfieldNetwork.steps`` from a start to its rest, where it comes to one.

    ``ended`` says how it ended: "rest"; "cycle", two states that take turns; "sampled" and "unsettled" where the
    sweeps are over, by chance or at all; "" while it runs.
    """

    def __init__(self, patterns: np.ndarray, start: np.ndarray, model: dict[str, Any], starts: int = 0) -> None:
        self.patterns, self.start, self.settings, self.starts = patterns, start, model, starts
        self.model = _quietly_fitted(model, patterns)
        self.ground = (patterns.tobytes(), model["rule"], model["random_state"])
        self.run = self.model.steps(start)
        self.step: Step | None = None
        self.state, self.energy = start.copy(), float(self.model.energy(start[None])[0])
        self.flips, self.ended = 0, ""
        self.energies = Recording(400)
        self.energies.add(Step("unit", 0, {"energy": self.energy}))

    def advance(self) -> bool:
        """Visit one unit (synchronous: all of them)."""
        step = next(self.run, None)
        if step is None:
            self.ended = self._ending()
            return False
        self.step, self.energy, self.state = step, float(step.energy), step.state.copy()
        self.flips += int(np.sum(step.flipped))
        self.energies.add(Step(step.kind, step.number, {"energy": self.energy}))
        return True

    def _ending(self) -> str:
        if self.settings["update"] == "stochastic":
            return "sampled"
        if self.step is not None and self.step.values.get("cycle"):
            return "cycle"
        return "rest" if self.model.is_stable(self.state[None])[0] else "unsettled"

    def frame(self) -> Answer:
        """Return the state, its energy, its overlaps and its place in the landscape, and at a rest what it is."""
        overlaps = self.patterns.astype(float) @ self.state / UNITS
        near = _ground(*self.ground)[1].astype(np.float32) @ self.state.astype(np.float32) / UNITS
        states, valleys = _valleys(*self.ground, self.starts) if self.starts else (np.empty((0, UNITS), np.int8), [])
        header = {
            "step": 0 if self.step is None else self.step.number, "energy": self.energy, "flips": self.flips,
            "sweep": 0 if self.step is None else self.step.sweep, "ended": self.ended, "overlaps": overlaps,
            "unit": None if self.step is None else self.step.values.get("unit"),
            "field": None if self.step is None or "unit" not in self.step.values else self.step.field,
            "flipped": None if self.step is None else self.step.flipped,
            "curve": list(self.energies.curve("energy")), "energies": self.model.energy(self.patterns),
            "kind": str(self.model.classify(self.state[None])[0]) if self.ended == "rest" else "",
            "place": int(near.argmax()), "nearness": float(near.max()), "starts": self.starts,
            "valleys": valleys[:MOST_VALLEYS], "found": len(valleys), "temperature": self.settings["temperature"],
            "too_many": len(self.patterns) > CAPACITY * UNITS and self.settings["rule"] == "hebb",
            "stable": self.model.is_stable(self.patterns),
        }  # fmt: skip
        fields = self.model.fields(self.state[None])[0].astype(np.float32)
        return header, {"state": self.state, "fields": fields, "rests": states[:MOST_VALLEYS]}

    def about(self) -> dict[str, Any]:
        """Return formulas and sources, from a step that is thrown away, and the landscape of the energy."""
        first, (_, states, energies) = next(self.model.steps(self.start), None), _ground(*self.ground)
        way = np.linspace(-MARGIN, 1 + MARGIN, COLUMNS)
        low, high = int(np.abs(way).argmin()), int(np.abs(way - 1).argmin())
        corners = [COLUMNS * (COLUMNS - 1 - row) + column for row, column in ((low, low), (low, high), (high, low))]
        landscape = {
            "columns": COLUMNS, "energies": np.round(energies, 3), "corners": corners,
            "pictures": [states[corner].tolist() for corner in corners], "stored": min(3, len(self.patterns)),
        }  # fmt: skip
        return about_step(first) | {"letters": letters().tolist(), "side": SIDE, "landscape": landscape}

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``, ``corrupt`` (a pattern, a share of its units turned over), ``sample`` (find valleys)."""
        reader = Reader(about, "about")
        if what == "export":
            reader.done()
            return {"script": self.script()}, {}
        if what == "sample":
            self.starts = reader.integer("starts", 0, MOST_STARTS, 0)
            reader.done()
            return {}, {}  # the next frame shows them
        if what != "corrupt":
            raise InvalidArgumentError(f"this room answers export, corrupt and sample, got {what!r}")
        pattern = _bipolar("pattern", reader.table("pattern", (1, 1), (UNITS, UNITS), -1, 1, [self.start.tolist()]))
        share = reader.number("share", 0, 1, 0.2)
        seed = reader.integer("seed", 0, 2**31 - 1, 0)
        reader.done()
        return {}, {"pattern": corrupted(pattern, share, seed)[0]}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        taken = 0 if self.step is None else self.step.number
        rows = ",\n    ".join(f'"{_drawn(pattern)}"' for pattern in self.patterns)
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        rule, seed = self.settings["rule"], self.settings["random_state"]
        valleys = "" if not self.starts else f'''
resting = HopfieldNetwork(rule={rule!r}, random_state={seed}).fit(patterns)
rests, kinds, counts = resting.fixed_points({self.starts})
order = sorted(range(len(rests)), key=lambda k: ({list(KINDS)}.index(kinds[k]), -counts[k]))
print(f"{{len(rests)}} valleys")
for k in order[:{MOST_VALLEYS}]:
    print(f"{{kinds[k]}}: {{counts[k]}} of {self.starts}, energy {{resting.energy(rests[[k]])[0]:.10f}}")
'''  # fmt: skip
        return f'''"""A Hopfield network, recalling as in Pellucid's studio."""

from itertools import islice

import numpy as np

from pellucid import HopfieldNetwork

DRAWN = [  # a character a unit, # for +1 and . for -1
    {rows},
]
START = "{_drawn(self.start)}"


def units(drawn):
    return np.array([1 if character == "#" else -1 for character in drawn])


patterns = np.array([units(drawn) for drawn in DRAWN])
network = HopfieldNetwork({arguments}).fit(patterns)
state = units(START)
energy = network.energy(state[None])[0]
for step in islice(network.steps(state), {taken}):
    state, energy = step.state.copy(), step.energy

print(f"step {taken}: energy {{energy:.10f}}")
for row in state.reshape({SIDE}, {SIDE}):
    print("".join("#" if unit == 1 else "." for unit in row))
{valleys}'''


def _drawn(pattern: np.ndarray) -> str:
    return "".join("#" if unit == 1 else "." for unit in pattern)
