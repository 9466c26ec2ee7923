"""The torch training loop: a module, its batches, a loss; it knows no network and imports torch when it runs.

``learn`` takes one batch after the other: slopes, a step of the optimizer, the next. ``train`` is epochs of it with
AdamW; the engine ``torch`` (``engine.py``) drives it batch by batch. Where ``torchrun`` has started several
processes, each batch is shared among them (``processes.py``), and the loop is the same.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from pellucid.errors import DivergenceError
from pellucid.scaling.checkpoint import Checkpoint
from pellucid.scaling.modules import running
from pellucid.scaling.processes import ALONE, Processes, join

__all__ = ["cosine", "learn", "learning", "train"]


def cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """Return the learning rate of each epoch, 0 to epochs - 1: from ``rate`` down to almost nothing."""
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


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
    module: Any,
    batches: Callable[[], Iterable[Any]],
    loss: Callable[[Any], tuple[Any, int]],
    *,
    epochs: int,
    rate: Callable[[int], float],
    weight_decay: float = 0.0,
    clip: float = math.inf,
    optimizer: Any = None,
    checkpoint: Checkpoint | None = None,
    identity: Mapping[str, Any] | None = None,
    rng: np.random.Generator | None = None,
) -> Iterator[tuple[float, float]]:
    """Train by AdamW and yield, after each epoch, its mean loss and the largest norm that a gradient had.

    ``batches()`` gives the batches of one epoch; ``loss(batch)`` their mean loss and how many examples it is of.
    Gradients longer than ``clip`` are shortened to it. An ``optimizer`` that is given goes on in AdamW's place.
    Raises DivergenceError before a weight leaves the finite numbers.

    Under ``torchrun`` the processes share each batch, within ``together.training``. A ``checkpoint`` keeps what is
    needed to go on bit for bit, also ``rng``, from which ``batches`` draws; ``identity`` says of what run it is.
    Epochs that are past when it goes on are yielded again.
    """
    import torch

    together = join()
    weights, buffers = learning(module), running(module)
    if optimizer is None:
        optimizer = torch.optim.AdamW(weights, rate(0), weight_decay=weight_decay)
    run = Run(module, optimizer, rng)
    if checkpoint is not None and (found := checkpoint.resume(identity or {}, together)):
        run.load(*found)
        yield from list(run.curve)

    def clipped() -> float:
        norm = float(torch.nn.utils.clip_grad_norm_(weights, clip))
        if not math.isfinite(norm):
            raise DivergenceError(
                f"the gradient is {norm} in epoch {run.epoch + 1} at learning rate "
                f"{optimizer.param_groups[0]['lr']:g}; the last finite weights are kept; lower learning_rate_init"
            )
        return norm

    while run.epoch < epochs:
        module.train()
        for group in optimizer.param_groups:
            group["lr"] = rate(run.epoch)
        for value, size, norm in learn(
            weights, optimizer, run.batches_left(batches), loss, adjust=clipped, together=together, running=buffers
        ):
            run.count(float(value), size, norm)
            if checkpoint is not None:
                checkpoint.offer(run.to_arrays)
        module.eval()
        yield run.end_epoch()
    if checkpoint is not None:
        checkpoint.offer(run.to_arrays, now=True)


class Run:
    """How far ``train`` has come: all that a checkpoint of it holds."""

    def __init__(self, module: Any, optimizer: Any, rng: np.random.Generator | None) -> None:
        self.module, self.optimizer, self.rng = module, optimizer, rng
        self.curve: list[tuple[float, float]] = []
        self.batch, self.total, self.size, self.longest = 0, 0.0, 0.0, 0.0
        self.drawn_from: Any = None if rng is None else rng.bit_generator.state

    @property
    def epoch(self) -> int:
        """How many epochs are past."""
        return len(self.curve)

    def batches_left(self, batches: Callable[[], Iterable[Any]]) -> Iterator[Any]:
        """Yield the batches of the epoch that are still to come."""
        if self.rng is not None:
            if self.batch:
                self.rng.bit_generator.state = self.drawn_from
            self.drawn_from = self.rng.bit_generator.state
        return islice(iter(batches()), self.batch, None)

    def count(self, value: float, size: float, norm: float) -> None:
        """Count a batch."""
        self.batch += 1
        self.total, self.size, self.longest = self.total + value * size, self.size + size, max(self.longest, norm)

    def end_epoch(self) -> tuple[float, float]:
        """Return the epoch's mean loss and longest gradient, and begin the next."""
        self.curve.append((self.total / self.size, self.longest))
        self.batch, self.total, self.size, self.longest = 0, 0.0, 0.0, 0.0
        return self.curve[-1]

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the state as plain values and arrays."""
        import torch

        arrays = {f"module.{name}": value.cpu().numpy() for name, value in self.module.state_dict().items()}
        for number, slots in self.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer.{number}.{name}": value.cpu().numpy() for name, value in slots.items()}
        arrays["curve"] = np.array(self.curve, np.float64).reshape(-1, 2)
        arrays["torch_rng"] = torch.get_rng_state().numpy()
        sums = {name: getattr(self, name) for name in ("batch", "total", "size", "longest")}
        state = self.drawn_from if self.batch or self.rng is None else self.rng.bit_generator.state
        return sums | {"rng": state}, arrays

    def load(self, header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Be where ``to_arrays`` was."""
        import torch

        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
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
        for name in ("batch", "total", "size", "longest"):
            setattr(self, name, header[name])
        if self.rng is not None:
            self.rng.bit_generator.state = self.drawn_from = header["rng"]
