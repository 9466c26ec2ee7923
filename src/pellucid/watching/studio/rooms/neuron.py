"""The room of the neuron: a table of examples, the rule at work on it, and a case that was never shown."""

from typing import Any

import numpy as np

from pellucid import Neuron
from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.language import phrase
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, about_step, shown

__all__ = ["NeuronRoom", "open_room"]

TABLE = [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]]
ITERATIONS = 10_000


def open_room(settings: Any) -> "NeuronRoom":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    X = reader.table("X", (1, 12), (1, 6), -10, 10, TABLE)
    y = reader.integers("y", (1, 12), 0, 1, [0, 1, 1, 0])
    case = reader.table("case", (1, 1), (1, 6), -10, 10, [[1, 0, 0]])
    seed = reader.integer("seed", 0, 2**32 - 1, 1)
    bias = reader.boolean("bias", default=False)
    reader.done()
    if len(case[0]) != len(X[0]):
        said = {"n": len(X[0]), "got": len(case[0])}
        raise InvalidArgumentError(phrase("case must have {n} inputs, as the examples have, got {got}", **said))
    return NeuronRoom(X, y, case, seed, bias=bias)


class NeuronRoom:
    """``Neuron.steps`` on a small table, by the reference engine: the source that is shown is what ran."""

    def __init__(self, X: list[list[float]], y: list[int], case: list[list[float]], seed: int, *, bias: bool) -> None:
        self.X, self.y, self.case, self.seed, self.bias = X, y, case, seed, bias
        self.model = Neuron(ITERATIONS, bias=bias, random_state=seed, engine="reference")
        self.run = self.model.steps(X, y)
        self.step: Step | None = None
        self.errors = Recording(400)

    def advance(self) -> bool:
        """Run one iteration of the rule."""
        step = next(self.run, None)
        if step is None:
            return False
        self.step = step
        mean = float(np.abs(step.error).mean())
        self.errors.add(Step(step.kind, step.number, {"error": mean}))
        return step.number < ITERATIONS

    def frame(self) -> Answer:
        """Return the last iteration's values, and what the neuron says to every row and to the new case."""
        if self.step is None:
            self.advance()
        step = self.step
        if step is None:
            raise PellucidError("the neuron has taken no step")
        numbers, errors = self.errors.curve("error")
        header = {
            "iteration": step.number, "of": ITERATIONS, "weights": step.weights, "output": step.output,
            "error": step.error, "delta": step.delta, "change": step.change,
            "now": self.model.predict_proba(self.X)[:, 1], "answer_to_case": self.model.predict_proba(self.case)[0, 1],
            "curve": [numbers, errors], "X": self.X, "y": self.y, "case": self.case[0], "bias": self.bias,
            "traces": [shown(self.model.trace(x, y)) for x, y in zip(self.X, self.y, strict=True)],
        }  # fmt: skip
        return header, {}

    def about(self) -> dict[str, Any]:
        """Return formulas and sources."""
        return about_step(self.step)

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``."""
        if what != "export":
            raise InvalidArgumentError(f"this room answers export, got {what!r}")
        Reader(about, "about").done()
        return {"script": self.script()}, {}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        iterations = 1 if self.step is None else self.step.number
        return f'''"""A neuron, trained as in Pellucid's studio."""

from pellucid import Neuron

X = {self.X}
y = {self.y}
neuron = Neuron({iterations}, bias={self.bias}, random_state={self.seed}, engine="reference").fit(X, y)
case = {self.case}

print(f"iteration {{neuron.n_iter_}}")
print("weights", neuron.w_.tolist())
print(f"{{neuron.predict_proba(case)[0, 1]:.8f}} for {{case[0]}}")
'''
