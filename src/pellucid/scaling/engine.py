"""The engine ``torch``: trains a stack as a torch module, on a processor or an accelerator, in one process or many.

The batches, their order and the moments at which anything is decided are those of the other engines; slopes come
from autograd, and steps from torch's optimizers. On the CPU torch works in the stack's own memory; elsewhere
weights and optimizer memory go over and come back with each call. Predicting stays with the stack's own engine, so
that a trained network needs no torch.

With ``precision="bf16"`` products are computed from numbers of 8 significant bits (torch's autocast to bfloat16);
weights, slopes, losses and the optimizer's memory stay in float32. With ``compile`` torch translates the network into
code of its own before it begins.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import InvalidArgumentError, PellucidWarning
from pellucid.learning.engine import (
    BATCH_LOSS,
    CONVERGED,
    DIVERGED,
    LOSS_SUM,
    RUNNING,
    WEIGHT_SUM,
    Engine,
    Memory,
    close_epoch,
    named,
    typed,
)
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.threads import threads_for
from pellucid.parts.augment import Augment
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.stack import Stack
from pellucid.scaling import import_torch
from pellucid.scaling.loop import learn
from pellucid.scaling.losses import rows as loss_rows
from pellucid.scaling.modules import module_of, products_of_lines, running, with_norms_of_one_value
from pellucid.scaling.processes import Line, Processes, join, launched

__all__ = ["DEVICES", "PRECISIONS", "Torch", "check_compiler", "device_for"]

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("full", "bf16")
# The optimizer's memory, in the order of Pellucid's slots, under torch's names.
SLOTS = {
    "sgd": ("momentum_buffer",),
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
}


def device_for(name: str, dtype: np.dtype[Any]) -> Any:
    """Return the torch.device of that name: ``auto`` is the accelerator where there is one that knows the dtype.

    Each process of a machine has a GPU to itself; where there are fewer, ``auto`` is the processor for all of them.
    Raises InvalidArgumentError where the device is not there.
    """
    torch = import_torch()
    knows = dtype != np.float64  # of MPS, which has no float64
    gpus, wanted = torch.cuda.device_count() if torch.cuda.is_available() else 0, _processes_here()
    there = {"cuda": gpus >= wanted, "mps": torch.backends.mps.is_available() and knows, "cpu": True}
    if name == "auto":
        name = next(device for device, available in there.items() if available)
        if gpus and name == "cpu":
            warnings.warn(f"{_too_few(gpus, wanted)}, so device='auto' is the processor", PellucidWarning, stacklevel=2)
    if not there[name]:
        reason = "no such device"
        if name == "mps" and torch.backends.mps.is_available():
            reason = "no float64"
        elif name == "cuda" and gpus:
            reason = f"{_too_few(gpus, wanted)}; give torchrun --nproc-per-node {gpus}"
        raise InvalidArgumentError(f"device={name!r} cannot be used here ({reason}); use device='auto' or 'cpu'")
    if name == "cuda":
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) if wanted > 1 else 0)
    return torch.device(name)


def _processes_here() -> int:
    """Return how many processes of this training are on this machine."""
    here = launched()
    if here.size == 1:
        return 1
    try:
        return max(int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["LOCAL_RANK"]) + 1)
    except (KeyError, ValueError):
        return 1


def _too_few(gpus: int, wanted: int) -> str:
    return f"{wanted} processes of this machine need a GPU each, and it has {gpus}"


def check_compiler(device: Any) -> None:
    """Raise InvalidArgumentError where torch cannot compile for that device: it needs a C++ compiler, or Triton."""
    torch = import_torch()
    try:
        torch.compile(_successor)(torch.zeros(1, device=device))
    except Exception as error:  # of whatever kind: torch compiles by means of much that is not its own
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InvalidArgumentError(f"compile=True cannot be used here ({reason}); use compile=False") from error


def _successor(x: Any) -> Any:
    return x + 1


class Torch:
    """PyTorch: see the module's docstring."""

    name = "torch"
    threads = 1

    def __init__(self, device: str = "auto", precision: str = "full", compiled: bool = False) -> None:
        self.device, self.precision, self.compiled = device, precision, compiled
        self._own: Engine | None = None
        self._bound: _Bound | None = None
        self._nothing = Memory(np.zeros((0, 0)), np.zeros(0))  # L-BFGS brings its own

    def train(
        self, stack: Stack, recipe: Recipe, problem: Problem, memory: Memory,
        orders: np.ndarray, start: int, rates: np.ndarray, losses: np.ndarray,
    ) -> tuple[int, int]:  # fmt: skip
        """See ``Engine.train``."""
        bound = self._bind(stack, recipe, problem, memory)
        per_epoch = -(-problem.size // recipe.batch_size)
        done, values = 0, []
        with bound.at_work():
            for value, weight, _ in learn(
                bound.weights, bound.optimizer, bound.batches(orders, start, rates), bound.loss,
                adjust=bound.hand_over, together=bound.together, running=bound.running,
            ):  # fmt: skip
                values.append((value, weight, bound.penalty))
                done += 1
                epoch, batch = divmod(start + done - 1, per_epoch)
                if batch == per_epoch - 1 or done == len(rates):
                    bound.give_back()
                    _add_up(memory.monitor, values, recipe)
                    values = []
                if batch < per_epoch - 1:
                    continue
                losses[epoch], stale = close_epoch(memory.monitor, recipe)
                if not (np.isfinite(losses[epoch]) and np.isfinite(stack.parameters.whole).all()):
                    return done, DIVERGED
                memory.safe[:] = stack.parameters.whole
                if stale:
                    return done, CONVERGED
        return done, RUNNING

    def training(self, stack: Stack) -> AbstractContextManager[None]:
        """Return the block within which all processes train this stack: see ``Processes.training``."""
        together = join()
        if together.size == 1:
            return nullcontext()
        own = stack.parameters
        dtype = import_torch().from_numpy(own.vector[:0]).dtype
        return together.training(Line(own.whole.size, len(own.shapes), dtype, device_for(self.device, stack.dtype)))

    def loss_and_gradient(self, stack: Stack, recipe: Recipe, problem: Problem) -> float:
        """See ``Engine.loss_and_gradient``."""
        bound = self._bind(stack, recipe, problem, self._nothing, training=False)
        with bound.at_work():
            (everything,) = bound.batches(np.arange(problem.size)[None], 0, np.zeros(1), whole=True)
            bound.optimizer.zero_grad()
            value, _ = bound.together.backward(bound.weights, bound.loss, everything, running=bound.running)
            bound.hand_over()
            bound.give_back()
        return float(value) + float(bound.penalty)

    def predict(self, stack: Stack, X: np.ndarray) -> np.ndarray:
        """See ``Engine.predict``."""
        if self._own is None:
            self._own = named("auto", stack)
        return self._own.predict(stack, X)

    def release(self) -> None:
        """See ``Engine.release``: with them goes all that torch holds, on an accelerator too."""
        self._bound = None

    def _bind(
        self, stack: Stack, recipe: Recipe, problem: Problem, memory: Memory, *, training: bool = True
    ) -> "_Bound":
        if self._bound is None or not self._bound.is_of(stack, recipe, problem, memory):
            self._bound = _bind(self.device, stack, recipe, problem, memory, training)
            self._bound.rounded = self.precision == "bf16"
            if self.compiled:
                self._bound.forward = import_torch().compile(self._bound.module)
        return self._bound

    def __getstate__(self) -> dict[str, Any]:
        return {"device": self.device, "precision": self.precision, "compiled": self.compiled}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]  # what is bound to torch is made when it is needed


def _add_up(monitor: np.ndarray, values: list[tuple[Any, float, Any]], recipe: Recipe) -> None:
    """Read the losses of some batches, which an accelerator gives once for all, and add them to the epoch's."""
    torch = import_torch()
    means = torch.stack([value for value, _, _ in values]).tolist()
    for mean, (_, weight, penalty) in zip(means, values, strict=True):
        value = mean + float(penalty)
        monitor[BATCH_LOSS] = value
        monitor[LOSS_SUM] += value * (weight if recipe.loss.averaged else 1)
        monitor[WEIGHT_SUM] += weight


@dataclass(eq=False)
class _Bound:
    """One stack, recipe and problem as torch has them."""

    stack: Stack
    recipe: Recipe
    problem: Problem
    memory: Memory
    together: Processes
    device: Any
    module: Any
    forward: Any  # the module, or what torch has compiled of it
    weights: list[Any]
    optimizer: Any
    X: Any
    Y: Any
    W: Any
    running: list[Any]
    lines: list[Any]  # the weights as they lie in memory, which torch's fused optimizers do twice as fast
    held: list[Any]  # those of them that L2 holds small; biases are free
    augment: list[Augment]  # none outside training
    rounded: bool = False  # products of bfloat16
    strength: float = 0.0  # of L2, in the batch at hand
    shares: int = 1  # how many processes have samples of it
    weight: float = 0.0  # of this one's samples
    penalty: Any = 0.0

    def is_of(self, *others: Any) -> bool:
        """Whether this is still of these very objects."""
        mine = (self.stack.parameters, self.recipe, self.problem, self.memory.slots)
        stack, recipe, problem, memory = others
        theirs = (stack.parameters, recipe, problem, memory.slots)
        return all(one is other for one, other in zip(mine, theirs, strict=True))

    @property
    def draws(self) -> bool:
        """Whether a batch needs random numbers."""
        return bool(self.augment) or (self.module.training and any(self.stack.dropout))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the stack's weights and the optimizer's memory in place, and as many threads as the work deserves."""
        torch = import_torch()
        before = torch.get_num_threads()
        torch.set_num_threads(min(before, threads_for(self.recipe.batch_size * self.stack.largest_product)))
        state = self.optimizer.state
        try:
            with torch.no_grad():
                for line in self.lines:
                    if "step" in state[line]:
                        state[line]["step"].fill_(self.memory.step)
                if self.device.type != "cpu":
                    for there, here in self._pairs():
                        there.copy_(torch.from_numpy(here))
            cuda = [self.device] if self.device.type == "cuda" else []
            with torch.random.fork_rng(devices=cuda, enabled=self.draws):
                yield
        finally:
            torch.set_num_threads(before)

    def give_back(self) -> None:
        """Bring weights, optimizer memory and the last slopes to the stack, if they are elsewhere."""
        torch = import_torch()
        for line, slope in zip(self.lines, _laid_out(self.stack, self.stack.parameters.gradient), strict=True):
            torch.from_numpy(slope).copy_(line.grad)
        if self.device.type != "cpu":
            with torch.no_grad():
                for there, here in self._pairs():
                    torch.from_numpy(here).copy_(there)

    def _pairs(self) -> Iterator[tuple[Any, np.ndarray]]:
        """Yield what is on the device and the memory here that it stands for."""
        yield from zip(self.lines, _laid_out(self.stack, self.stack.parameters.vector), strict=True)
        yield from zip(self.running, self.stack.parameters.running.values(), strict=True)
        for slot, name in zip(self.memory.slots, SLOTS[self.recipe.optimizer.name], strict=False):
            for line, here in zip(self.lines, _laid_out(self.stack, slot), strict=True):
                yield self.optimizer.state[line][name], here

    def batches(self, orders: np.ndarray, start: int, rates: np.ndarray, *, whole: bool = False) -> Iterator[Any]:
        """Yield the samples of each batch as an index tensor, its learning rate and penalty set."""
        torch = import_torch()
        draws = self.draws
        size = self.problem.size if whole else self.recipe.batch_size
        per_epoch = -(-self.problem.size // size)
        index = torch.from_numpy(np.ascontiguousarray(orders)).to(self.device)
        alpha = self.recipe.alpha
        groups = self.optimizer.param_groups
        for number, rate in enumerate(rates.tolist(), start=start):
            epoch, batch = divmod(number, per_epoch)
            rows = slice(batch * size, (batch + 1) * size)
            epoch %= len(orders)
            chosen = orders[epoch, rows]
            own = self.together.share(chosen)
            self.shares, self.weight = min(self.together.size, len(chosen)), self._weighed(own)
            self.strength = alpha / self._weighed(chosen) if self.recipe.loss.averaged else alpha
            for group in groups:
                group["lr"] = rate
            if draws:  # a seed a batch: how a run is cut into calls changes nothing
                seed = int(self.stack.dropout_rng.integers(1 << 62)) + self.together.rank
                torch.manual_seed(seed)
                rng = np.random.default_rng(seed)
                self.augment = [Augment(layer.shift, layer.rotation, rng) for layer in self.augment]
            self.penalty = self.strength / 2 * self._squares()
            yield index[epoch, rows]

    def _weighed(self, rows: np.ndarray) -> float:
        """Return the weight of these samples; not on the device, which may have no float64, and would be waited for."""
        weights = self.problem.weights
        return float(weights[rows].sum(dtype=np.float64)) if weights.size else float(len(rows))

    def _squares(self) -> Any:
        """Return |W|² over what L2 holds small, biases apart; on the CPU by NumPy, whose calls cost a fifth."""
        if self.device.type == "cpu":
            return sum(float(np.dot(line, line)) for line in map(np.ravel, self.stack.weights))
        torch = import_torch()
        with torch.no_grad():
            return sum(line.square().sum() for line in self.held)

    def hand_over(self) -> None:
        """Give the slopes to the optimizer, that of the penalty strength/2 |W|² added."""
        for weight, line in zip(self.weights, self.lines, strict=True):
            if weight is not line:
                line.grad, weight.grad = weight.grad, None
        if self.strength:
            for line in self.held:
                line.grad.add_(line.detach(), alpha=self.strength)

    def _moved(self, x: Any) -> Any:
        """Return the samples (n, D) as augmentation moves them, which NumPy does."""
        for layer in self.augment:
            shape = self.stack.layers[0].forward(x.cpu().numpy())[0]
            x = import_torch().from_numpy(layer.forward(shape, training=True)[0].reshape(len(x), -1)).to(x.device)
        return x

    def _logits(self, x: Any) -> Any:
        torch = import_torch()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.rounded):
            return self.forward(x).to(x.dtype)

    def loss(self, index: Any) -> tuple[Any, float]:
        """Return the mean loss of these samples and their weight."""
        z, y = self._logits(self._moved(self.X[index])), self.Y[index]
        if y.ndim == 1 and self.W is None:  # the commonest loss, in one operation
            return import_torch().nn.functional.cross_entropy(z, y), self.weight
        each = loss_rows(self.recipe.loss, z, y)
        if self.W is not None:
            each = each * self.W[index]
        if self.recipe.loss.averaged:
            return each.sum() / self.weight, self.weight
        return each.sum() * self.shares, 1.0  # the mean of the processes' sums, times their number


def _bind(name: str, stack: Stack, recipe: Recipe, problem: Problem, memory: Memory, training: bool) -> _Bound:
    """Make the torch module, its data and its optimizer; outside training without dropout and augmentation."""
    torch = import_torch()
    device = device_for(name, stack.dtype)
    module = with_norms_of_one_value(module_of(stack)).train(training)
    weights, buffers = list(module.parameters()), running(module)
    lines = [torch.from_numpy(view).to(device).requires_grad_() for view in _laid_out(stack, stack.parameters.vector)]
    with torch.no_grad():
        for weight, line in zip(weights, lines, strict=True):
            weight.data = line.detach().t() if line.ndim == 2 else line.detach()
        weights = products_of_lines(module, weights, lines)
        for buffer, view in zip(buffers, stack.parameters.running.values(), strict=True):
            buffer.data = torch.from_numpy(view).to(device)
    X, Y, W = (torch.from_numpy(array).to(device) for array in typed(problem))
    if recipe.loss.name == "log_loss" and recipe.loss.link == "softmax":
        Y = _class_numbers(Y)
    optimizer = _optimizer(torch, recipe.optimizer, lines, device)
    for slot, slot_name in zip(memory.slots, SLOTS[recipe.optimizer.name], strict=False):
        for line, view in zip(lines, _laid_out(stack, slot), strict=True):
            optimizer.state[line][slot_name] = torch.from_numpy(view).to(device)
    if recipe.optimizer.name != "sgd":
        for line in lines:
            optimizer.state[line]["step"] = torch.zeros((), device=device)
    return _Bound(
        stack, recipe, problem, memory, join(), device, module, module, weights, optimizer,
        X, Y, W if len(problem.weights) else None, buffers, lines,
        [line for line, name in zip(lines, stack.parameters.shapes, strict=True) if name.startswith("weight")],
        [layer for layer in stack.layers if training and isinstance(layer, Augment)],
    )  # fmt: skip


def _laid_out(stack: Stack, vector: np.ndarray) -> list[np.ndarray]:
    """Return views of a flat vector of θ's length, one a parameter, as Pellucid lays them out."""
    ends = np.cumsum([int(np.prod(shape)) for shape in stack.parameters.shapes.values()])
    parts = np.split(vector, ends[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, stack.parameters.shapes.values(), strict=True)]


def _class_numbers(Y: Any) -> Any:
    """Return the class number of each sample where Y is one-hot, else Y."""
    one_hot = bool(((Y == 0) | (Y == 1)).all()) and bool((Y.sum(1) == 1).all())
    return Y.argmax(1) if one_hot else Y


def _optimizer(torch: Any, optimizer: Optimizer, weights: list[Any], device: Any) -> Any:
    """Return torch's optimizer of that name; the learning rate is set with every batch."""
    fused = True if device.type in {"cpu", "cuda"} else None
    if optimizer.name == "sgd":
        nesterov = optimizer.nesterov and optimizer.momentum > 0
        return torch.optim.SGD(weights, 1.0, momentum=optimizer.momentum, nesterov=nesterov, fused=fused)
    if optimizer.name == "rmsprop":
        return torch.optim.RMSprop(weights, 1.0, alpha=optimizer.rho, eps=optimizer.epsilon)
    betas, epsilon = (optimizer.beta_1, optimizer.beta_2), optimizer.epsilon
    if optimizer.name == "adamw":
        return torch.optim.AdamW(
            weights, 1.0, betas=betas, eps=epsilon, weight_decay=optimizer.weight_decay, fused=fused
        )
    return torch.optim.Adam(weights, 1.0, betas=betas, eps=epsilon, fused=fused)
