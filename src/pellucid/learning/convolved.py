"""The compiled engine of convolutional stacks: see ``compiled_conv.py``. Threads share out the blocks of images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pellucid.learning import compiled_conv
from pellucid.learning.engine import PREDICT_ROWS, Reference, dense_layout, loss_numbers, same_type, typed
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.reference import add_penalty
from pellucid.learning.threads import limited_threads, threads_for
from pellucid.parts.activation import ACTIVATIONS, CODES
from pellucid.parts.compiled.conv import COLUMNS
from pellucid.parts.compiled.lanes import LANES, PLACES, TAPS
from pellucid.parts.compiled.optimizer import update
from pellucid.parts.conv_stack import ConvStack
from pellucid.parts.stack import Stack

__all__ = ["Convolved"]


class Plan:
    """Where everything lies for batches of up to ``rows`` images: compiled code's tables and memories."""

    def __init__(self, stack: ConvStack, rows: int, threads: int) -> None:
        self.rows, dtype = rows, stack.dtype
        count = -(-rows // LANES)
        self.taps_list: list[int] = []
        self.block_size, self.thread_size, self.packed_size = 0, 0, 0
        self.stages = np.array([self._stage(stack, n) for n in range(len(stack.stages))], np.int64)
        self.taps = np.array(self.taps_list, np.int64)
        self.packed = np.zeros(self.packed_size, dtype)
        self.blocks = _aligned((count, self.block_size), dtype)
        self.scratch = _aligned((threads, self.thread_size), dtype)
        self.layout, size = dense_layout(stack, rows)
        self.work = np.zeros(size, dtype)
        self.sizes = np.array(stack.sizes, np.int64)
        self.codes = np.array([CODES[name] for name in ("identity", *stack.activations)], np.int64)
        self.dropout = np.array([0.0, *stack.dropout, 0.0])

    def _stage(self, stack: ConvStack, n: int) -> list[int]:
        """Return the numbers of a stage, in the order of COLUMNS; make room for what it needs."""
        stage, (C, H, W), number = stack.stages[n], stack.shapes[n], n + 1
        maps, HO, WO = stage.convolved((C, H, W))
        _, HP, WP = stack.shapes[n + 1]
        k, stride, padding, pool, groups = stage.kernel, stage.stride, stage.padding, stage.pool, stage.groups
        border, own, out = (k - 1 if n else 0), C // groups, maps // groups
        average = stage.pooling == "average" and pool > 1
        full = average or ACTIVATIONS[stage.activation].needs_z
        s: dict[str, int] = {
            "C": C, "H": H, "W": W, "OUT": maps, "HO": HO, "WO": WO, "HP": HP, "WP": WP, "EVEN": _even(WP),
            "KERNEL": k, "STRIDE": stride, "PADDING": padding, "GROUPS": groups, "POOL": pool, "AVERAGE": average,
            "CODE": CODES[stage.activation], "FULL": full, "BORDER": border,
            "IN_H": H + 2 * padding, "IN_W": max(W + 2 * padding, (_even(WO) - 1) * stride + k),
            "DH": (HO - 1) * stride + 1 + 2 * border, "DW": (WO - 1) * stride + 2 + 2 * border,
            "WEIGHT": stack.parameters.offset(f"weight{number}"),
            "BIAS": stack.parameters.offset(f"bias{number}") if stack.bias else -1,
        }  # fmt: skip
        taps, back = own * k * k, out * k * k
        sizes = {
            "IN": C * s["IN_H"] * s["IN_W"], "A": maps * HP * _even(WP),
            "WHICH": 0 if average else maps * HP * _even(WP),
            "Z": full * maps * s["DH"] * s["DW"], "F": full * maps * s["DH"] * s["DW"],
        }  # fmt: skip
        for name, size in sizes.items():
            s[name] = self.block_size
            self.block_size += size * LANES
        s["SUMS_SIZE"] = maps * -(-taps // TAPS) * TAPS * LANES + -(-maps // LANES) * LANES
        own_sizes = {
            "ROW": maps * pool * _even(WO) * LANES, "DZ": maps * s["DH"] * s["DW"] * LANES,
            "D": maps * HP * _even(WP) * LANES, "SUMS": s["SUMS_SIZE"],
        }  # fmt: skip
        for name, size in own_sizes.items():
            s[name] = self.thread_size
            self.thread_size += size
        s["PACK"], s["FLIP"] = self.packed_size, self.packed_size + maps * taps
        self.packed_size += maps * taps + C * back
        s["FORWARD_TAPS"] = len(self.taps_list)
        rows, columns = s["IN_H"], s["IN_W"]
        self.taps_list += [
            ((c * rows + a) * columns + b) * LANES for c in range(own) for a in range(k) for b in range(k)
        ]
        s["BACK_TAPS"] = len(self.taps_list)
        rows, columns = s["DH"], s["DW"]
        self.taps_list += [
            ((o * rows + a) * columns + b) * LANES for a in range(k) for b in range(k) for o in range(out)
        ]
        return [int(s[name]) for name in COLUMNS]


class Convolved(Reference):
    """The reference's loop over batches, each batch in compiled code."""

    name = "compiled"

    def __init__(self) -> None:
        self.threads = 1
        self._planned: tuple[Any, ...] = ()
        self._plan_made: Plan | None = None
        self._pool: ThreadPoolExecutor | None = None

    def _plan(self, stack: Stack, rows: int) -> Plan:
        # All that a layout depends on; the stages in words, since they say everything of themselves.
        wanted: tuple[Any, ...] = (
            rows,
            self.threads,
            stack.dtype,
            stack.architecture,
            stack.activations,
            stack.dropout,
            stack.bias,
        )
        wanted += (str(getattr(stack, "stages", "")),)
        if self._plan_made is None or wanted != self._planned:
            self._plan_made, self._planned = Plan(stack, rows, self.threads), wanted  # type: ignore[arg-type]
        return self._plan_made

    def _shared(self, work: Callable[[int, int, np.ndarray], None], count: int, scratch: np.ndarray) -> None:
        """Run work(first block, last block, scratch) for all blocks, a part in each thread."""
        edges = [count * t // self.threads for t in range(self.threads + 1)]
        if self.threads == 1:
            work(0, count, scratch[0])
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1)
        others = [self._pool.submit(work, edges[t], edges[t + 1], scratch[t]) for t in range(1, self.threads)]
        work(edges[0], edges[1], scratch[0])
        for other in others:
            other.result()

    def _forward(self, stack: Stack, plan: Plan, X: np.ndarray, order: np.ndarray, moves: np.ndarray) -> np.ndarray:
        """Return the features of the images X[order], which lie first in the plan's work."""
        compiled_conv.prepare(stack.parameters.vector, plan.stages, plan.packed, plan.scratch)
        features = plan.work[: len(order) * stack.sizes[0]]

        def work(first: int, last: int, scratch: np.ndarray) -> None:
            compiled_conv.forward_blocks(
                X, order, moves, first, last, stack.parameters.vector,
                plan.blocks, plan.stages, plan.packed, plan.taps, scratch, features,
            )  # fmt: skip

        self._shared(work, -(-len(order) // LANES), plan.scratch)
        return features

    def _gradient(
        self, stack: Stack, recipe: Recipe, problem: Problem, order: np.ndarray, plan: Plan, training: bool
    ) -> tuple[float, float]:
        """Write the gradient of the loss of the samples ``order``; return that loss and their weight."""
        X, Y, weights = typed(problem)
        vector, gradient = stack.parameters.vector, stack.parameters.gradient
        moves = _moves(stack, len(order)) if training else NOT_MOVED
        slopes = self._forward(stack, plan, X, order, moves)
        dropout = plan.dropout if training else np.zeros_like(plan.dropout)
        alpha = float(recipe.alpha) if training else 0.0
        value, weight = compiled_conv.dense_batch(
            Y, weights, order, vector, gradient, plan.work, plan.sizes, plan.layout, plan.codes, dropout,
            stack.dropout_rng, loss_numbers(recipe), alpha, plan.rows,
        )  # fmt: skip

        def work(first: int, last: int, scratch: np.ndarray) -> None:
            compiled_conv.backward_blocks(
                first, last, len(order), plan.blocks, plan.stages, plan.packed, plan.taps, scratch, slopes
            )

        self._shared(work, -(-len(order) // LANES), plan.scratch)
        strength = alpha / (weight if recipe.loss.averaged else 1.0)
        return value + compiled_conv.finish(vector, gradient, plan.stages, plan.scratch, strength), weight

    def train(self, stack: Stack, recipe: Recipe, *rest: Any) -> tuple[int, int]:
        """See ``Engine.train``; the dense layers' products get the threads that they deserve themselves."""
        with limited_threads(threads_for(recipe.batch_size * stack.largest_product)):
            return super().train(stack, recipe, *rest)

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
        value = self._gradient(stack, recipe, problem, rows, self._plan(stack, recipe.batch_size), True)
        optimizer = recipe.optimizer
        update(
            optimizer.code, stack.parameters.vector, stack.parameters.gradient, slots, optimizer.hyperparameters(),
            step, rate,
        )  # fmt: skip
        return value

    def loss_and_gradient(self, stack: Stack, recipe: Recipe, problem: Problem) -> float:
        """See ``Engine.loss_and_gradient``; some rows at a time."""
        rows = min(PREDICT_ROWS, problem.size)
        plan, gradient = self._plan(stack, rows), stack.parameters.gradient
        whole, total, total_weight = np.zeros_like(gradient), 0.0, 0.0
        for start in range(0, problem.size, rows):
            order = np.arange(start, min(start + rows, problem.size))
            value, weight = self._gradient(stack, recipe, problem, order, plan, False)
            factor = weight if recipe.loss.averaged else 1.0
            whole += gradient * gradient.dtype.type(factor)
            total, total_weight = total + value * factor, total_weight + weight
        scale = 1 / total_weight if recipe.loss.averaged else 1.0
        gradient[:] = whole * gradient.dtype.type(scale)
        return total * scale + add_penalty(stack, recipe.alpha * scale)

    def predict(self, stack: Stack, X: np.ndarray) -> np.ndarray:
        """See ``Engine.predict``."""
        rows = min(PREDICT_ROWS, max(1, len(X)))
        plan, logits, X = self._plan(stack, rows), np.empty((len(X), stack.sizes[-1]), stack.dtype), same_type(X)
        for start in range(0, len(X), rows):
            order = np.arange(start, min(start + rows, len(X)))
            self._forward(stack, plan, X, order, NOT_MOVED)
            compiled_conv.dense_logits(
                stack.parameters.vector, plan.work, plan.sizes, plan.layout, plan.codes, np.zeros_like(plan.dropout),
                stack.dropout_rng, len(order), logits[start : start + rows],
            )  # fmt: skip
        return logits

    def __getstate__(self) -> dict[str, Any]:
        return {"threads": self.threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]  # memories are rebuilt when they are needed
        self.threads = state["threads"]


NOT_MOVED = np.zeros((0, 4))


def _moves(stack: Any, rows: int) -> np.ndarray:
    """Return how each image is moved (rows, 4): down, right, and the cosine and sine of its angle; see ``Augment``."""
    if not (stack.shift or stack.rotation):
        return NOT_MOVED
    draws = 2 * stack.dropout_rng.random((rows, 3)) - 1
    down, right, angle = (draws * (stack.shift, stack.shift, np.radians(stack.rotation))).T
    return np.ascontiguousarray(np.stack([down, right, np.cos(angle), np.sin(angle)], axis=1))


def _even(places: int) -> int:
    return -(-places // PLACES) * PLACES


def _aligned(shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return zeros whose rows begin at a cache line, so that no vector lies across two."""
    size = np.dtype(dtype).itemsize
    columns = -(-shape[1] * size // 64) * 64 // size
    memory = np.zeros(shape[0] * columns + 64 // size, dtype)
    start = -memory.ctypes.data % 64 // size
    return memory[start : start + shape[0] * columns].reshape(shape[0], columns)
