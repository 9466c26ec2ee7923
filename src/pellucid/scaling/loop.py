"""The torch training loop: a module, its batches, a loss; it knows no network and imports torch when it runs.

``learn`` takes one batch after the other: slopes, a step of the optimizer, the next. ``train`` is epochs of it, of a
``Run`` that a checkpoint can hold; the engine ``torch`` (``engine.py``) drives it batch by batch. Where ``torchrun``
has started several processes, each batch is shared among them (``processes.py``), and the loop is the same.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from pellucid.errors import DivergenceError
from pellucid.scaling.checkpoint import Checkpoint, State, agree
from pellucid.scaling.modules import running
from pellucid.scaling.processes import ALONE, Processes, join

__all__ = ["Batch", "Part", "Run", "cosine", "learn", "learning", "train"]

COUNTS = ("batch", "total", "size", "longest", "finished")


def cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """Return the learning rate of each epoch, 0 to epochs - 1: from ``rate`` down to almost nothing."""
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


class Batch(NamedTuple):
    """What ``train`` yields of a batch: its mean loss, and the norm that the gradient had."""

    loss: float
    norm: float


def learning(module: Any) -> list[Any]:
    """Return the parameters of a torch module that change in training: not those that are frozen or empty."""
    return [weight for weight in module.parameters() if weight.requires_grad and weight.numel()]


def learn(
    weights: list[Any],
    optimizer: Any,
    batches: Iterable[Any],
    loss: Callable[[Any], tuple[Any, float]],
    *,
    adjust: Callable[[], Any] | None = None,
    together: Processes = ALONE,
    running: Iterable[Any] = (),
) -> Iterator[tuple[Any, float, Any]]:
    """Take a step on each batch, and yield its mean loss (a tensor), its size, and what ``adjust()`` gave.

    ``loss(batch)`` gives a mean loss and its size; ``adjust`` may change the slopes before the step. With several
    processes a batch is an array or list of samples, the same everywhere, of which each gets its share; they stand
    within ``together.training``. ``running`` are the buffers of batch normalisation, which then hold all shares' mean.
    """
    for number, batch in enumerate(batches):
        optimizer.zero_grad()
        value, size = together.backward(weights, loss, batch, running=running, begins=number == 0)
        found = adjust() if adjust is not None else None
        optimizer.step()
        yield value, size, found


def train(
    run: "Run",
    batches: Callable[[int], Iterable[Any]],
    loss: Callable[[Any], tuple[Any, int]],
    *,
    epochs: int,
    rate: Callable[[int], float],
    clip: float = math.inf,
    batchwise: bool = False,
) -> Iterator[tuple[float, float]]:
    """Train a run's module and yield, after each epoch, its mean loss and the largest norm that a gradient had.

    With ``batchwise``, a ``Batch`` is yielded after each batch, too; the module may be used meanwhile.

    ``batches(first)`` gives the batches of one epoch from that number on; ``loss(batch)`` their mean loss and how many
    examples it is of. Gradients longer than ``clip`` are shortened to it. It ends after so many ``epochs``, or when
    ``run.finished`` is set. Raises DivergenceError before a weight leaves the finite numbers.

    Under ``torchrun`` the processes share each batch, within ``together.training``.
    """
    import torch

    together = join()
    weights, buffers = learning(run.module), running(run.module)

    def clipped() -> float:
        norm = float(torch.nn.utils.clip_grad_norm_(weights, clip))
        if not math.isfinite(norm):
            raise DivergenceError(
                f"the gradient is {norm} in epoch {run.epoch + 1} at learning rate "
                f"{run.optimizer.param_groups[0]['lr']:g}; the last finite weights are kept; lower learning_rate_init"
            )
        return norm

    while run.epoch < epochs and not run.finished:
        run.module.train()
        for group in run.optimizer.param_groups:
            group["lr"] = rate(run.epoch)
        for value, size, norm in learn(
            weights, run.optimizer, run.batches_left(batches), loss,
            adjust=clipped, together=together, running=buffers,
        ):  # fmt: skip
            run.count(float(value), size, norm)
            run.keep(now=False)
            if batchwise:
                run.module.eval()
                yield Batch(float(value), norm)
                run.module.train()
        run.module.eval()
        yield run.end_epoch()
        run.keep(now=True)


class Part(Protocol):
    """What else belongs to a run: its owner's counts and curves."""

    def to_arrays(self) -> State:
        """Return the state as plain values and arrays."""

    def load(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Be where ``to_arrays`` was."""


class Run:
    """A module, its optimizer, and how far its training has come: all that a checkpoint of it holds.

    ``rng`` is what the batches are drawn from; ``beside`` keeps what else there is.
    """

    def __init__(
        self, module: Any, optimizer: Any, rng: np.random.Generator | None = None, beside: Part | None = None
    ) -> None:
        self.module, self.optimizer, self.rng, self.beside = module, optimizer, rng, beside
        self.curve: list[tuple[float, float]] = []
        self.batch, self.total, self.size, self.longest, self.finished = 0, 0.0, 0.0, 0.0, False
        self.drawn_from: Any = None if rng is None else rng.bit_generator.state
        self._checkpoint: Checkpoint | None = None

    @property
    def epoch(self) -> int:
        """How many epochs are past."""
        return len(self.curve)

    def kept_in(
        self, checkpoint: Checkpoint | None, identity: Mapping[str, Any], together: Processes = ALONE
    ) -> State | None:
        """Keep this run in a checkpoint from now on; return what is in it already, for ``load``, or None.

        Raises what ``Checkpoint.resume`` raises, and ProcessError where another process is about to do otherwise.
        """
        self._checkpoint = checkpoint
        if checkpoint is not None:
            return checkpoint.resume(identity, together)
        if together.size > 1:
            agree(identity, together)
        return None

    def keep(self, *, now: bool) -> None:
        """Renew the checkpoint if its time has come, or ``now``; do nothing where there is none."""
        if self._checkpoint is not None:
            self._checkpoint.offer(self.to_arrays, now=now)

    def batches_left(self, batches: Callable[[int], Iterable[Any]]) -> Iterable[Any]:
        """Return the batches of the epoch that are still to come."""
        if self.rng is not None:
            if self.batch:
                self.rng.bit_generator.state = self.drawn_from
            self.drawn_from = self.rng.bit_generator.state
        return batches(self.batch)

    def count(self, value: float, size: float, norm: float) -> None:
        """Count a batch."""
        self.batch += 1
        self.total, self.size, self.longest = self.total + value * size, self.size + size, max(self.longest, norm)

    def end_epoch(self) -> tuple[float, float]:
        """Return the epoch's mean loss and longest gradient, and begin the next."""
        self.curve.append((self.total / self.size, self.longest))
        self.batch, self.total, self.size, self.longest = 0, 0.0, 0.0, 0.0
        return self.curve[-1]

    def learned(self) -> dict[str, np.ndarray]:
        """Return the module's tensors and the optimizer's memory as arrays."""
        arrays = {f"module.{name}": value.cpu().numpy() for name, value in self.module.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer.{number}.{name}": value.cpu().numpy() for name, value in slots.items()}
        return arrays

    def to_arrays(self) -> State:
        """Return the state as plain values and arrays."""
        import torch

        arrays = self.learned()
        arrays["curve"] = np.array(self.curve, np.float64).reshape(-1, 2)
        arrays["torch_rng"] = torch.get_rng_state().numpy()
        header: dict[str, Any] = {name: getattr(self, name) for name in COUNTS}
        header["rng"] = self.drawn_from if self.batch or self.rng is None else self.rng.bit_generator.state
        if self.beside is not None:
            header["beside"], more = self.beside.to_arrays()
            arrays |= {f"beside.{name}": value for name, value in more.items()}
        return header, arrays

    def load(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Be where ``to_arrays`` was."""
        import torch

        tensors = {name: torch.from_numpy(value) for name, value in arrays.items() if not name.startswith("beside.")}
        own = self.module.state_dict()
        self.module.load_state_dict({name: tensors[f"module.{name}"] for name in own})
        slots: dict[int, dict[str, Any]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, number, slot = name.split(".", 2)
                slots.setdefault(int(number), {})[slot] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": slots})
        torch.set_rng_state(tensors["torch_rng"])
        self.curve = [(float(loss), float(norm)) for loss, norm in arrays["curve"]]
        for name in COUNTS:
            setattr(self, name, header[name])
        if self.rng is not None:
            self.rng.bit_generator.state = self.drawn_from = header["rng"]
        if self.beside is not None:
            more = {name: value for name, value in arrays.items() if name.startswith("beside.")}
            self.beside.load(header["beside"], {name.removeprefix("beside."): value for name, value in more.items()})
