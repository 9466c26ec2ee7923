"""The room of the Boltzmann machine: it learns digits batch by batch, and shows what it makes of a picture."""

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np

from pellucid import BernoulliRBM
from pellucid.data import load_digits
from pellucid.errors import InvalidArgumentError
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step
from pellucid.learning.trace import Trace
from pellucid.networks.rbm import free_energy
from pellucid.watching.machines import phases, share, weights
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, about_step, sources_of

__all__ = ["MachineRoom", "open_room"]

LEARNT, HELD = 1700, 30  # images to learn from, and images that it never sees
INK = 16  # of full ink, in the page's whole numbers
EVERY = 10  # batches from one point of the curves to the next
DREAMS, BURN_IN = 20, 500


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits, read once."""
    return load_digits()


@cache
def digits() -> list[list[int]]:
    """Return of each digit the image that is most like the mean of its kind, among those that are held back."""
    X, y = (part[LEARNT:] for part in images())
    of = [X[y == digit] for digit in range(10)]
    typical = [rows[((rows - rows.mean(axis=0)) ** 2).sum(axis=1).argmin()] for rows in of]
    return [np.rint(INK * row).astype(int).tolist() for row in typical]


def open_room(settings: Any) -> "MachineRoom":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    model = {
        "n_components": reader.integer("n_components", 1, 100, 36),
        "learning_rate": reader.number("learning_rate", 1e-4, 1, 0.06),
        "batch_size": reader.integer("batch_size", 1, 100, 10),
        "n_iter": reader.integer("n_iter", 1, 100, 30),
        "algorithm": reader.choice("algorithm", ("pcd", "cd"), "pcd"),
        "k": reader.integer("k", 1, 10, 1),
        "schedule": reader.choice("schedule", ("cosine", "constant"), "cosine"),
        "random_state": reader.integer("seed", 0, 2**32 - 1, 0),
    }
    picture = _picture(reader)
    reader.done()
    return MachineRoom(model, picture)


def _picture(reader: Reader) -> list[int]:
    """Return the 64 pixels of ``v``, whole numbers up to ``INK``; at first a 3."""
    return reader.integers("v", (64, 64), 0, INK, digits()[3])


class Chain:
    """Rounds of Gibbs sampling by a copy of the machine: what goes on being learnt does not disturb it."""

    def __init__(self, model: BernoulliRBM, picture: list[int], batch: int) -> None:
        self.model, self.batch = deepcopy(model), batch
        self.v = np.array(picture) / INK
        self.rounds = Recording(24)
        self.last: Trace | None = None

    def go_on(self, rounds: int) -> None:
        """Take so many rounds."""
        for _ in range(rounds):
            self.last = trace = self.model.trace(self.v)
            self.v = np.asarray(trace["v_next"])[0]
            number, energy = self.rounds.seen + 1, float(np.asarray(trace["free_energy"])[0])
            self.rounds.add(Step("round", number, {"free_energy": energy, "p_v": np.asarray(trace["p_v"])[0]}))


class MachineRoom:
    """``BernoulliRBM.steps`` on the handwritten digits, a minibatch a step."""

    def __init__(self, model: dict[str, Any], picture: list[int]) -> None:
        self.settings, self.picture = model, picture
        X = images()[0]
        self.X, self.held = X[:LEARNT], X[LEARNT : LEARNT + HELD]
        self.model = BernoulliRBM(**model)
        self.run = self.model.steps(self.X)
        self.batches = -(-LEARNT // int(model["batch_size"])) * int(model["n_iter"])
        self.step: Step | None = None
        self.curves = Recording(300)
        self.chain: Chain | None = None
        self.dreamt = 0  # the batch after which it dreamt

    def advance(self) -> bool:
        """Learn from one batch."""
        step = next(self.run, None)
        if step is None:
            return False
        self.step = step
        if step.number % EVERY == 1:
            self.curves.add(Step("batch", step.number, self._scores()))
        return step.number < self.batches

    def _scores(self) -> dict[str, Any]:
        """Return what is measured of the machine, means over images that it never sees and that it learns from."""
        model, held = self.model, self.held
        return {
            "pseudo_likelihood": float(model.score_samples(held).mean()),
            "free_energy_gap": float(model.free_energy(held).mean() - model.free_energy(self.X[:500]).mean()),
        }

    def _begun(self) -> Step:
        if self.step is None:
            self.advance()
        if self.step is None:  # n_iter >= 1 and LEARNT rows: there is a first batch
            raise InvalidArgumentError("the machine has taken no step")
        return self.step

    def frame(self) -> Answer:
        """Return the weights, both phases of the last step, and what the machine makes of the picture."""
        if self.step is None:
            return {"begins": True, "batch": 0, "of": self.batches, "epoch": 0}, {}
        step, header, arrays = self.step, self._scores(), dict[str, np.ndarray]()
        for numbers, pictures in (weights(step.components), phases(step), self._seen()):
            header, arrays = header | numbers, arrays | pictures
        header |= {
            "batch": step.number, "of": self.batches, "epoch": step.epoch,
            "curves": {name: list(self.curves.curve(name)) for name in ("pseudo_likelihood", "free_energy_gap")},
        }  # fmt: skip
        return header, arrays

    def _seen(self) -> Answer:
        """Return what the machine makes of the picture: its free energy, the hidden units, the reconstruction."""
        v = np.array([self.picture]) / INK
        made = {"hidden": self.model.transform(v)[0], "reconstruction": self.model.reconstruct(v)[0]}
        return {"free_energy": float(self.model.free_energy(v)[0])}, {name: share(a) for name, a in made.items()}

    def about(self) -> dict[str, Any]:
        """Return formulas and sources, and ten digits that are held back."""
        about = about_step(self.step)
        if self.step is not None:
            machine = BernoulliRBM
            about["sources"] |= sources_of(machine.transform, machine.reconstruct, machine.score_samples, free_energy)
        return about | {"digits": digits(), "picture": self.picture}

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``, ``look`` (at another picture), ``trace`` (rounds of the chain) and ``sample`` (dreams)."""
        reader = Reader(about, "about")
        if what == "export":
            reader.done()
            return {"script": self.script()}, {}
        if what not in {"look", "trace", "sample"}:
            raise InvalidArgumentError(f"this room answers export, look, trace and sample, got {what!r}")
        step = self._begun()
        if what == "sample":
            reader.done()
            dreams = self.model.reconstruct(self.model.sample(DREAMS, BURN_IN))
            self.dreamt = step.number
            return {"rounds": BURN_IN, "batch": step.number}, {"dreams": share(dreams)}
        rounds = reader.integer("rounds", 1, 1000, 1) if what == "trace" else 0
        anew = "v" in reader.values
        self.picture = _picture(reader) if anew else self.picture
        reader.done()
        if what == "look":
            self.chain = None
            return self._seen()
        if anew or self.chain is None:
            self.chain = Chain(self.model, self.picture, step.number)
        self.chain.go_on(rounds)
        return self._chain(self.chain)

    def _chain(self, chain: Chain) -> Answer:
        trace = {record.name: np.asarray(record.value)[0] for record in chain.last or ()}
        kept = list(chain.rounds)
        header = {
            "round": chain.rounds.seen, "batch": chain.batch, "free_energy": float(trace["free_energy"]),
            "rounds": [step.number for step in kept], "energies": [step.free_energy for step in kept],
            "sources": sources_of(*(record.function for record in chain.last or ())),
        }  # fmt: skip
        arrays = {name: share(trace[name]) for name in ("v", "p_h", "h", "p_v", "v_next")}
        return header, arrays | {"past": share(np.stack([step.p_v for step in kept]))}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        step, chain = self._begun(), self.chain
        given = "".join(f"    {name}={value!r},\n" for name, value in self.settings.items())
        kept = {"chain": 0 if chain is None else chain.batch, "dreamer": self.dreamt}
        copied = "".join(
            f"    if step.number == {batch}:\n        {name} = deepcopy(machine)\n"
            for name, batch in kept.items()
            if batch
        )
        rounds = "" if chain is None else f'''
v = picture
for _ in range({chain.rounds.seen}):
    trace = chain.trace(v)
    v = trace["v_next"][0]

print(f"round {chain.rounds.seen}: free energy {{trace['free_energy'][0]:.10f}}")
for row in v.reshape(8, 8):
    print("".join("#" if unit else "." for unit in row))
'''  # fmt: skip
        dreams = "" if not self.dreamt else f'''
dreams = dreamer.reconstruct(dreamer.sample({DREAMS}, {BURN_IN}))
for dream in dreams.reshape({DREAMS}, 8, 8).round().astype(int):
    print("dream", *("".join(".#"[pixel] for pixel in row) for row in dream), sep="\\n")
'''  # fmt: skip
        imports = "from copy import deepcopy\n\n" if copied else ""
        return f'''"""A restricted Boltzmann machine, trained as in Pellucid's studio."""

{imports}import numpy as np

from pellucid import BernoulliRBM
from pellucid.data import load_digits

X = load_digits()[0]
machine = BernoulliRBM(
{given})
for step in machine.steps(X[:{LEARNT}]):
{copied}    if step.number == {step.number}:
        break

score = machine.score_samples(X[{LEARNT}:{LEARNT + HELD}]).mean()
picture = np.array({self.picture}) / {INK}
print(f"batch {{step.number}}: log pseudo-likelihood {{score:.10f}}")
print(f"free energy of the picture {{machine.free_energy(picture[None])[0]:.10f}}")
{rounds}{dreams}'''
