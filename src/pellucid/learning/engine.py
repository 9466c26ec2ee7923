"""Engines: who does the arithmetic of training. ``reference`` is readable NumPy, ``compiled`` whole epochs in Numba.

A third, ``torch``, is in ``scaling/engine.py``. All run the same batches in the same order from the same memory (a
``Memory``), and agree to rounding. Which one runs is decided once, from the layers alone, and stored with the model:
within an engine every run is bit-equal.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np

from pellucid.errors import InvalidArgumentError
from pellucid.learning import reference
from pellucid.learning.recipe import Problem, Recipe
from pellucid.parts.activation import CODES
from pellucid.parts.conv_stack import ConvStack
from pellucid.parts.stack import Stack

__all__ = [
    "CONVERGED",
    "DIVERGED",
    "ENGINES",
    "RUNNING",
    "Engine",
    "Memory",
    "Planned",
    "close_epoch",
    "named",
    "typed",
]

ENGINES = ("compiled", "reference")
RUNNING, CONVERGED, DIVERGED = range(3)
BEST_LOSS, NO_IMPROVEMENT, LOSS_SUM, WEIGHT_SUM, BATCH_LOSS = range(5)
# Rows of a batch that predicting works on: its activations stay in the second-level cache.
PREDICT_ROWS = 256


@dataclass
class Memory:
    """What training changes besides the parameters, and carries from batch to batch.

    ``slots`` (k, n) the optimizer's; ``safe`` the parameters and state after the last whole epoch; ``monitor`` (5,)
    float64: best loss, epochs without improvement, the running sums of this epoch, the last batch's loss;
    ``step`` batches so far.
    """

    slots: np.ndarray
    safe: np.ndarray
    monitor: np.ndarray = field(default_factory=lambda: np.array([np.inf, 0.0, 0.0, 0.0, np.nan]))
    step: int = 0

    def forget(self) -> None:
        """Empty the optimizer's memory."""
        self.slots[...] = 0
        self.step = 0


class Engine(Protocol):
    """Trains a stack and predicts with it."""

    name: str
    threads: int
    """How many threads may share a batch out; most engines leave it to BLAS."""

    def train(
        self,
        stack: Stack,
        recipe: Recipe,
        problem: Problem,
        memory: Memory,
        orders: np.ndarray,
        start: int,
        rates: np.ndarray,
        losses: np.ndarray,
    ) -> tuple[int, int]:
        """Run the batches ``start`` to ``start + len(rates)`` of the epochs ``orders`` (E, n).

        Writes each finished epoch's loss to ``losses`` (E,); returns (batches done, status).
        """  # fmt: skip

    def loss_and_gradient(self, stack: Stack, recipe: Recipe, problem: Problem) -> float:
        """Write the gradient of the loss over all samples; return that loss."""

    def predict(self, stack: Stack, X: np.ndarray) -> np.ndarray:
        """Return the logits (n, K) for X (n, D)."""

    def release(self) -> None:
        """Let go of the samples of the last training."""


def named(name: str, stack: Stack | None = None) -> Engine:
    """Return the engine of that name for a stack; ``auto`` is the compiled one.

    Raises InvalidArgumentError for an unknown name.
    """
    if isinstance(stack, ConvStack) and name in {"auto", "compiled"}:
        from pellucid.learning.convolved import Convolved

        return Convolved()
    if name in {"auto", "compiled"}:
        return Compiled()
    if name == "reference":
        return Reference()
    raise InvalidArgumentError(f"engine must be auto, compiled or reference; got {name!r}")


class Reference:
    """NumPy, batch by batch: see ``reference.py``."""

    name = "reference"
    threads = 1

    def train(
        self, stack: Stack, recipe: Recipe, problem: Problem, memory: Memory,
        orders: np.ndarray, start: int, rates: np.ndarray, losses: np.ndarray,
    ) -> tuple[int, int]:  # fmt: skip
        """See ``Engine.train``."""
        per_epoch = -(-problem.size // recipe.batch_size)
        for done, rate in enumerate(rates, start=1):
            epoch, batch = divmod(start + done - 1, per_epoch)
            rows = orders[epoch % len(orders), batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
            value, weight = self._learn(stack, recipe, problem, rows, memory.slots, memory.step + done, float(rate))
            memory.monitor[BATCH_LOSS] = value
            memory.monitor[LOSS_SUM] += value * (weight if recipe.loss.averaged else 1)
            memory.monitor[WEIGHT_SUM] += weight
            if batch == per_epoch - 1:
                losses[epoch], stale = close_epoch(memory.monitor, recipe)
                if not (np.isfinite(losses[epoch]) and np.isfinite(stack.parameters.whole).all()):
                    return done, DIVERGED
                memory.safe[:] = stack.parameters.whole
                if stale:
                    return done, CONVERGED
        return len(rates), RUNNING

    def _learn(
        self,
        stack: Stack,
        recipe: Recipe,
        problem: Problem,
        rows: np.ndarray,
        slots: np.ndarray,
        step: int,
        rate: float,
    ) -> tuple[float, float]:
        """Learn from one batch; return its loss and weight."""
        return reference.train_batch(stack, recipe, problem, rows, slots, step, rate)

    def loss_and_gradient(self, stack: Stack, recipe: Recipe, problem: Problem) -> float:
        """See ``Engine.loss_and_gradient``."""
        return reference.batch_gradient(stack, recipe, problem, np.arange(problem.size))[0]

    def predict(self, stack: Stack, X: np.ndarray) -> np.ndarray:
        """See ``Engine.predict``."""
        return reference.predict(stack, X)

    def release(self) -> None:
        """See ``Engine.release``: none are kept."""


def close_epoch(monitor: np.ndarray, recipe: Recipe) -> tuple[float, bool]:
    """Return the epoch's loss and whether it has stopped improving; start the next sum."""
    value = monitor[LOSS_SUM] / (monitor[WEIGHT_SUM] if recipe.loss.averaged else 1)
    monitor[LOSS_SUM] = monitor[WEIGHT_SUM] = 0
    improved = value <= monitor[BEST_LOSS] - recipe.tolerance
    monitor[NO_IMPROVEMENT] = 0 if improved else monitor[NO_IMPROVEMENT] + 1
    monitor[BEST_LOSS] = min(monitor[BEST_LOSS], value)
    return float(value), 0 <= recipe.patience < monitor[NO_IMPROVEMENT]


class Planned(threading.local):
    """What an engine has laid out last, and for what; each thread its own, since kernels of two run side by side."""

    of: tuple[Any, ...] = ()
    plan: Any = None

    def made(self, of: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return the plan for this, made anew where it is another than the last."""
        if of != self.of:
            self.plan = make()
            self.of = of
        return self.plan


class Compiled:
    """Whole epochs in compiled code: see ``compiled.py``. Buffers are allocated once a thread and batch size."""

    name = "compiled"
    threads = 1

    def __init__(self) -> None:
        self._planned = Planned()

    def _plan(self, stack: Stack, rows: int) -> dict[str, Any]:
        """Return the arrays that describe a stack to compiled code, with room for batches of ``rows``."""

        def make() -> dict[str, Any]:
            layout, size = dense_layout(stack, rows)
            codes = [CODES[name] for name in ("identity", *stack.activations)]
            return {
                "work": np.zeros(size, stack.dtype),
                "sizes": np.array(stack.sizes, np.int64),
                "layout": layout,
                "codes": np.array(codes, np.int64),
            }

        # Only dropout may change in a stack; compiled code that was given another's plan would write where it must not.
        plan: dict[str, Any] = self._planned.made((stack, rows, stack.dropout), make)
        return plan

    def train(
        self, stack: Stack, recipe: Recipe, problem: Problem, memory: Memory,
        orders: np.ndarray, start: int, rates: np.ndarray, losses: np.ndarray,
    ) -> tuple[int, int]:  # fmt: skip
        """See ``Engine.train``."""
        from pellucid.learning import compiled

        plan = self._plan(stack, recipe.batch_size)
        done, status = compiled.train(
            *typed(problem), orders, recipe.batch_size, start, start + len(rates),
            stack.parameters.vector, stack.parameters.gradient, memory.slots, memory.safe,
            plan["work"], plan["sizes"], plan["layout"], plan["codes"],
            np.array([0.0, *stack.dropout, 0.0]), stack.dropout_rng,
            loss_numbers(recipe), recipe.alpha, recipe.optimizer.code, recipe.optimizer.hyperparameters(),
            memory.step, rates, memory.monitor, recipe.tolerance, recipe.patience, losses,
        )  # fmt: skip
        return done, status

    def loss_and_gradient(self, stack: Stack, recipe: Recipe, problem: Problem) -> float:
        """See ``Engine.loss_and_gradient``."""
        from pellucid.learning import compiled

        rows = min(PREDICT_ROWS, problem.size)
        plan, parameters = self._plan(stack, rows), stack.parameters
        return compiled.loss_and_gradient(
            *typed(problem), parameters.vector, parameters.gradient,
            plan["work"], plan["sizes"], plan["layout"], plan["codes"], stack.dropout_rng,
            loss_numbers(recipe), recipe.alpha, rows, np.zeros_like(parameters.vector),
        )  # fmt: skip

    def predict(self, stack: Stack, X: np.ndarray) -> np.ndarray:
        """See ``Engine.predict``."""
        from pellucid.learning import compiled

        rows = min(PREDICT_ROWS, max(1, len(X)))
        plan = self._plan(stack, rows)
        logits = np.empty((len(X), stack.sizes[-1]), stack.dtype)
        compiled.predict(
            same_type(X), stack.parameters.vector, plan["work"], plan["sizes"], plan["layout"], plan["codes"],
            stack.dropout_rng, logits, rows,
        )  # fmt: skip
        return logits

    def release(self) -> None:
        """See ``Engine.release``: none are kept."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]  # buffers are rebuilt when they are needed


def typed(problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return X, Y and the weights as compiled code takes them."""
    weights = problem.weights.astype(problem.X.dtype, copy=False)
    return same_type(problem.X), same_type(problem.Y), same_type(weights)


def same_type(array: np.ndarray) -> np.ndarray:
    """Return an array that is not marked read-only, over the same memory.

    For Numba a read-only array is another type: it would compile everything once more, to other last bits. The
    kernels read X, Y and weights only.
    """
    if array.flags.writeable:
        return array
    interface = array.__array_interface__
    return np.asarray(
        SimpleNamespace(__array_interface__=interface | {"data": (interface["data"][0], False)}, base=array)
    )


def loss_numbers(recipe: Recipe) -> np.ndarray:
    loss = recipe.loss
    return np.array([loss.code, CODES[loss.link], loss.parameter, float(loss.averaged)])


def dense_layout(stack: Stack, rows: int) -> tuple[np.ndarray, int]:
    """Return where everything lies (see ``compiled.py``), and the size of ``work``, for batches of ``rows``.

    First come the batch's X, Y and weights. A hidden layer's z, a and h share memory unless its slope needs
    z (z apart) or dropout stands behind it (mask and h apart); the last layer's outputs stand beside its logits.
    """
    from pellucid.parts.activation import ACTIVATIONS

    last = len(stack.sizes) - 1
    layout = np.full((7, last + 1), -1, np.int64)
    W, B, Z, A, M, H, D = range(7)
    layout[H, 0] = 0
    place = rows * (stack.sizes[0] + stack.sizes[-1] + 1)

    def room(layer: int) -> int:
        nonlocal place
        start = -(-place // 16) * 16  # a cache line
        place = start + rows * stack.sizes[layer]
        return start

    for layer in range(1, last + 1):
        number = layer - 1 + stack.first_dense
        layout[W, layer] = stack.parameters.offset(f"weight{number}")
        if stack.bias:
            layout[B, layer] = stack.parameters.offset(f"bias{number}")
        layout[Z, layer] = room(layer)
        apart = layer == last or ACTIVATIONS[stack.activations[layer - 1]].needs_z
        layout[A, layer] = room(layer) if apart else layout[Z, layer]
        dropped = layer < last and stack.dropout[layer - 1] > 0
        layout[M, layer] = room(layer) if dropped else -1
        layout[H, layer] = room(layer) if dropped else layout[A, layer]
        layout[D, layer] = room(layer)
    return layout, place
