"""The loop: batches, epochs, schedules, validation, early stopping, and everything needed to go on later.

``Training`` is the state of a run. ``Training.run`` is the one way to advance it: a generator that yields after
every batch, or after at most 0.1 s of work, which ends with the epoch (``granularity="epoch"``) or may be several
epochs (``"chunk"``); all three do the same arithmetic in the same order, so a watched run is bit-equal to an
unwatched one. The state is valid after every yield.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.errors import DivergenceError, InvalidArgumentError
from pellucid.language import phrase
from pellucid.learning.engine import (
    BEST_LOSS,
    CONVERGED,
    DIVERGED,
    LOSS_SUM,
    NO_IMPROVEMENT,
    Engine,
    Memory,
)
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.threads import limited_threads
from pellucid.parts.stack import Stack

__all__ = ["GRANULARITIES", "Training", "Validation"]

GRANULARITIES = ("epoch", "batch", "chunk")
# A compiled call lasts about this long at most, so that Ctrl-C works.
CHUNK_SECONDS = 0.1
# Slow guesses: multiply-adds a second, and seconds a batch costs besides them.
MULTIPLY_ADDS_PER_SECOND, SECONDS_PER_BATCH = 1e10, 5e-7
# Orders of epochs that are drawn ahead take at most this much memory.
ORDER_BYTES = 8 << 20
SMALLEST_RATE = 1e-6


@dataclass(frozen=True)
class Validation:
    """Asked after each epoch: ``measure()`` gives (loss, score).

    With ``stop`` the best-scoring weights are kept, and more than ``patience`` epochs without a better score end
    training.
    """

    measure: Callable[[], tuple[float, float]]
    stop: bool
    patience: int = 10


@dataclass
class Training:
    """The state of a run: enough to continue it bit for bit. ``rate`` is the last batch's learning rate."""

    stack: Stack
    memory: Memory
    shuffle_rng: np.random.Generator
    epoch: int = 0
    batch: int = 0
    rate: float = np.nan
    rate_scale: float = 1.0
    solver: str = ""
    finished: bool = False
    loss_curve: list[float] = field(default_factory=list)
    validation_losses: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    stale_epochs: int = 0
    best_vector: np.ndarray | None = None
    best_score: float = 0.0
    latest_vector: np.ndarray | None = None
    order: np.ndarray | None = None

    @classmethod
    def begin(cls, stack: Stack, recipe: Recipe, rng: np.random.Generator) -> "Training":
        """Return a fresh state; ``rng`` seeds the order of samples and dropout's masks."""
        n = stack.parameters.vector.size
        memory = Memory(np.zeros((recipe.optimizer.slots, n), stack.dtype), stack.parameters.whole.copy())
        shuffle, masks = rng.spawn(2)
        stack.seed_dropout(masks)
        return cls(stack, memory, shuffle)

    def run(
        self,
        engine: Engine,
        recipe: Recipe,
        problem: Problem,
        epochs: int,
        granularity: str = "chunk",
        validation: Validation | None = None,
        threads: int = 1,
    ) -> Iterator["Training"]:
        """Train for up to ``epochs`` more epochs, yielding itself after each advance.

        Raises DivergenceError, naming epoch and learning rate, when the loss or a weight is no longer finite;
        the stack then holds the weights of the last epoch that ended finite.
        """
        if granularity not in GRANULARITIES:
            raise InvalidArgumentError(f"granularity must be epoch, batch or chunk; got {granularity!r}")
        last = self.epoch + epochs
        if self.order is not None and (
            len(self.order) != problem.size or self.batch * recipe.batch_size >= problem.size
        ):
            self._leave_epoch()  # these are other samples than those of the epoch that was begun
        while self.epoch < last and not self.finished:
            with limited_threads(threads):
                status = self._advance(engine, recipe, problem, last, granularity, each_epoch=validation is not None)
                if status == DIVERGED:
                    self._diverged()
                if validation is not None and self.batch == 0:
                    self.validate(recipe, validation)
            if status == CONVERGED:
                self._stale(recipe)
            yield self

    def _advance(
        self, engine: Engine, recipe: Recipe, problem: Problem, last: int, granularity: str, each_epoch: bool
    ) -> int:
        per_epoch = -(-problem.size // recipe.batch_size)
        count = self._batches(recipe, problem, per_epoch, granularity, each_epoch)
        count = min(count, (last - self.epoch) * per_epoch - self.batch)
        shuffled = self.shuffle_rng.bit_generator.state
        orders = self._orders(recipe, problem, -(-(self.batch + count) // per_epoch), per_epoch)
        first = self.epoch * per_epoch + self.batch
        rates = recipe.schedule.rates(first, count, per_epoch, problem.size) * self.rate_scale
        losses = np.full(-(-(self.batch + count) // per_epoch), np.nan)
        try:
            with np.errstate(all="ignore"):  # what leaves the finite numbers is noticed at the end of the epoch
                done, status = engine.train(self.stack, recipe, problem, self.memory, orders, self.batch, rates, losses)
        except KeyboardInterrupt:  # noticed when compiled code returns, perhaps many epochs after it came
            self._count_finished(losses[np.isfinite(losses)], per_epoch)
            raise
        self.memory.step += done
        self.rate = float(rates[done - 1])
        whole, self.batch = divmod(self.batch + done, per_epoch)
        begun = whole + (self.batch > 0)
        if begun < len(orders):  # training ended or changed its rate: the orders drawn ahead come again
            self.shuffle_rng.bit_generator.state = shuffled
            self._orders(recipe, problem, begun, per_epoch)
        self.epoch += whole
        self.loss_curve.extend(losses[:whole].tolist())
        self.order = orders[whole] if self.batch else None
        return status

    def _count_finished(self, losses: np.ndarray, per_epoch: int) -> None:
        """Count the whole epochs that an interrupted call had finished; ``interrupted`` goes back to them."""
        if losses.size:
            self.memory.step += losses.size * per_epoch - self.batch
            self.epoch += losses.size
            self.loss_curve.extend(losses.tolist())

    def _batches(self, recipe: Recipe, problem: Problem, per_epoch: int, granularity: str, each_epoch: bool) -> int:
        """Return how many batches the next call may run."""
        if granularity == "batch":
            return 1
        work = 3 * recipe.batch_size * self.stack.multiply_adds
        affordable = max(1, int(CHUNK_SECONDS / (work / MULTIPLY_ADDS_PER_SECOND + SECONDS_PER_BATCH)))
        rest = per_epoch - self.batch
        if affordable < rest or granularity == "epoch" or each_epoch or self.batch:
            return min(affordable, rest)
        epochs = affordable // per_epoch
        if self._shuffles(recipe, per_epoch):
            epochs = min(epochs, max(1, ORDER_BYTES // (8 * problem.size)))
        return max(1, epochs) * per_epoch

    @staticmethod
    def _shuffles(recipe: Recipe, per_epoch: int) -> bool:
        """Shuffling one whole batch would change nothing but the rounding."""
        return recipe.shuffle and per_epoch > 1

    def _orders(self, recipe: Recipe, problem: Problem, epochs: int, per_epoch: int) -> np.ndarray:
        """Return the order of samples in each of the coming epochs (E, n), the first perhaps begun."""
        if not self._shuffles(recipe, per_epoch):
            return np.arange(problem.size)[None]
        if self.batch and self.order is not None:
            return self.order[None]
        return np.stack([self.shuffle_rng.permutation(problem.size) for _ in range(epochs)])

    def _diverged(self) -> None:
        self.stack.parameters.whole[:] = self.memory.safe
        self.memory.forget()  # the optimizer's memory is not finite either: a later fit must not start from it
        self.loss_curve.pop()
        epoch = self.epoch
        self.epoch -= 1
        self.finished = True
        raise DivergenceError(
            phrase(
                "training diverged in epoch {epoch} at learning rate {rate}: the loss or a weight is no longer finite; "
                "the weights of the last finite epoch are kept; try a smaller learning_rate_init",
                epoch=epoch,
                rate=f"{self.rate:g}",
            )
        )

    def validate(self, recipe: Recipe, validation: Validation) -> None:
        """Record loss and score on held-out samples; with ``stop``, remember the best and end what is stale."""
        loss, score = validation.measure()
        self.validation_losses.append(loss)
        self.validation_scores.append(score)
        if not validation.stop:
            return
        best = -np.inf if self.best_vector is None else self.best_score
        self.stale_epochs = 0 if score >= best + recipe.tolerance else self.stale_epochs + 1
        if score > best:
            self.best_vector, self.best_score = self.stack.parameters.whole.copy(), score
        if self.stale_epochs > validation.patience:
            self.stale_epochs = 0
            self._stale(recipe)

    def _stale(self, recipe: Recipe) -> None:
        """Lower an adaptive rate, or end training: there has been no improvement for long enough."""
        if recipe.schedule.name == "adaptive" and recipe.schedule.rate * self.rate_scale > SMALLEST_RATE:
            self.rate_scale /= 5
            self.memory.monitor[NO_IMPROVEMENT] = 0
        else:
            self.finished = True

    def interrupted(self) -> None:
        """Go back to the last whole epoch, after a Ctrl-C in the middle of one."""
        self.stack.parameters.whole[:] = self.memory.safe
        self._leave_epoch()

    def _leave_epoch(self) -> None:
        self.batch, self.order = 0, None
        self.memory.monitor[LOSS_SUM:] = 0

    @property
    def best_loss(self) -> float | None:
        """The smallest epoch loss so far; None before the first epoch."""
        value = float(self.memory.monitor[BEST_LOSS])
        return value if np.isfinite(value) else None

    def keep_best(self) -> None:
        """Put the weights of the best validation score in place, and set the latest aside for ``resume``."""
        if self.best_vector is not None:
            self.latest_vector = self.stack.parameters.whole.copy()
            self.stack.parameters.whole[:] = self.best_vector

    def resume(self, solver: str, slots: int) -> None:
        """Make ready to train on: the latest weights in place, and another optimizer's memory empty."""
        if self.latest_vector is not None:
            self.stack.parameters.whole[:] = self.latest_vector
            self.latest_vector = None
        if self.solver not in {"", solver} or self.memory.slots.shape[0] != slots:
            self.memory.slots = np.zeros((slots, self.stack.parameters.vector.size), self.stack.dtype)
            self.memory.forget()
        self.solver, self.finished = solver, False

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the state as plain JSON values and arrays; the stack's own parameters are not among them."""
        header = {name: getattr(self, name) for name in NUMBERS} | {
            "step": self.memory.step,
            "shuffle_rng": self.shuffle_rng.bit_generator.state,
            "dropout_rng": self.stack.dropout_rng.bit_generator.state,
        }
        arrays = {"slots": self.memory.slots, "safe": self.memory.safe, "monitor": self.memory.monitor}
        arrays |= {name: np.array(getattr(self, name), np.float64) for name in CURVES}
        arrays |= {name: value for name in VECTORS if (value := getattr(self, name)) is not None}
        return header, arrays

    @classmethod
    def from_arrays(cls, stack: Stack, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Training":
        """Return the state that ``to_arrays`` gave, over this stack."""
        memory = Memory(arrays["slots"], arrays["safe"], arrays["monitor"], header["step"])
        training = cls(stack, memory, _generator(header["shuffle_rng"]))
        stack.seed_dropout(_generator(header["dropout_rng"]))
        for name in NUMBERS:
            setattr(training, name, header[name])
        for name in CURVES:
            setattr(training, name, arrays[name].tolist())
        for name in VECTORS:
            setattr(training, name, arrays.get(name))
        return training


NUMBERS = ("solver", "epoch", "batch", "rate_scale", "finished", "stale_epochs", "best_score")
CURVES = ("loss_curve", "validation_losses", "validation_scores")
VECTORS = ("best_vector", "latest_vector", "order")


def _generator(state: dict[str, Any]) -> np.random.Generator:
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng
