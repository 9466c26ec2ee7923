"""The compiled engine of convolutional stacks: see ``compiled_conv.py``. Threads share out the blocks of images."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from pellucid.learning import compiled_conv
from pellucid.learning.compiled import A, D, Z
from pellucid.learning.engine import PREDICT_ROWS, Planned, Reference, dense_layout, loss_numbers, same_type, typed
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.reference import add_penalty
from pellucid.learning.threads import limited_threads, threads_for
from pellucid.parts.activation import ACTIVATIONS, CODES
from pellucid.parts.compiled.conv import COLUMNS
from pellucid.parts.compiled.lanes import LANES, PLACES, TAPS, WIDEST
from pellucid.parts.compiled.loss import loss_and_slope, softmax_loss_and_slope
from pellucid.parts.compiled.optimizer import update
from pellucid.parts.conv import BatchNorm2d
from pellucid.parts.conv_stack import ConvStack
from pellucid.parts.stack import Stack

__all__ = ["Convolved"]


OUT, HO, WO, MOMENTS, SUMS, SUMS_SIZE, SIZE, PADDED, BIAS = (
    COLUMNS.index(name) for name in ("OUT", "HO", "WO", "MOMENTS", "SUMS", "SUMS_SIZE", "SIZE", "PADDED", "BIAS")
)


class Plan:
    """Where everything lies for batches of up to ``rows`` images: compiled code's tables and memories."""

    def __init__(self, stack: ConvStack, rows: int, threads: int) -> None:
        self.rows, dtype = rows, stack.dtype
        count = _blocks(rows)
        self.taps_list: list[int] = []
        self.packed_list: list[np.ndarray] = []
        self.block_size, self.thread_size, self.packed_size, self.moments_size = 0, 0, 0, 0
        self.stages = np.array([self._stage(stack, n) for n in range(len(stack.stages))], np.int64)
        self.taps = np.array(self.taps_list, np.int64)
        self.packed_order = np.concatenate(self.packed_list)
        self.packed = np.zeros(self.packed_size, dtype)
        self.blocks = _aligned((count, self.block_size), dtype)
        self.scratch = _aligned((threads, self.thread_size), dtype)
        self.moments, self.batch = np.zeros((count, self.moments_size)), np.zeros(self.moments_size, dtype)
        # Of each normalised stage: its part of both, (blocks, 4, O) and (4, O), and how many places an image has.
        begins, ends = self.stages[:, MOMENTS], self.stages[:, MOMENTS] + 4 * self.stages[:, OUT]
        parts = [slice(*edges) for edges in zip(begins, ends, strict=True)] if self.moments_size else []
        self.of_blocks = [self.moments[:, part].reshape(count, 4, -1) for part in parts]
        self.of_batch = [self.batch[part].reshape(4, -1) for part in parts]
        self.places = [int(s[HO] * s[WO]) for s in self.stages]
        self.layout, size = dense_layout(stack, rows)
        self.work = np.zeros(size, dtype)
        self.sizes = np.array(stack.sizes, np.int64)
        self.codes = np.array([CODES[name] for name in ("identity", *stack.activations)], np.int64)
        self.dropout = np.array([0.0, *stack.dropout, 0.0])
        size = rows * stack.sizes[-1]
        self.logits, self.outputs, self.slopes = (
            self.work[start : start + size].reshape(rows, -1) for start in self.layout[[Z, A, D], -1]
        )

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
            "BIAS": stack.parameters.offset(f"bias{number}") if stack.bias and not stage.norm else -1,
            "NORM": stage.norm, "MOMENTS": self.moments_size,
            "GAMMA": stack.parameters.offset(f"gamma{number}") if stage.norm else -1,
            "BETA": stack.parameters.offset(f"beta{number}") if stage.norm else -1,
        }  # fmt: skip
        self.moments_size += 4 * maps * stage.norm
        taps = own * k * k
        s |= {"OWN": own, "EACH": out, "SIZE": taps, "PADDED": -(-taps // TAPS) * TAPS}
        s |= {"LINE": _even(WO) * LANES, "LOWER_LINE": _even(W) * LANES}
        sizes = {
            "IN": C * s["IN_H"] * s["IN_W"], "A": maps * HP * _even(WP),
            "WHICH": 0 if average else maps * HP * _even(WP),
            "Z": full * maps * s["DH"] * s["DW"], "F": full * maps * s["DH"] * s["DW"],
            "RAW": stage.norm * maps * HO * _even(WO), "DN": stage.norm * maps * HO * _even(WO),
        }  # fmt: skip
        for name, size in sizes.items():
            s[name] = self.block_size
            self.block_size += size * LANES
        s["SUMS_SIZE"] = maps * s["PADDED"] * LANES + -(-maps // LANES) * LANES
        own_sizes = {
            "ROW": maps * pool * _even(WO) * LANES, "DZ": maps * s["DH"] * s["DW"] * LANES,
            "D": maps * HP * _even(WP) * LANES, "SUMS": s["SUMS_SIZE"],
        }  # fmt: skip
        for name, size in own_sizes.items():
            s[name] = self.thread_size
            self.thread_size += size
        weights = s["WEIGHT"] + np.arange(maps * taps).reshape(groups, out, own, k * k)
        s["PACK"] = self.packed_size
        for group, (first, last) in product(weights, _tiles(out)):
            self._pack(group[first:last].reshape(last - first, -1).T)
        s["FLIP"] = self.packed_size
        for group, (first, last) in product(weights, _tiles(own)):
            if n > 0:  # the kernel turned by half a turn
                self._pack(group[:, first:last, ::-1].transpose(2, 0, 1))
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

    def _pack(self, weights: np.ndarray) -> None:
        """Let these weights, by their places in the parameters, be the next in ``packed``."""
        self.packed_list.append(weights.ravel())
        self.packed_size += weights.size

    def begin(self, theta: np.ndarray) -> None:
        """Make ready for a batch: weights in the order in which tiles read them, no sums yet."""
        np.take(theta, self.packed_order, out=self.packed, mode="clip")
        for s in self.stages:
            self.scratch[:, s[SUMS] : s[SUMS] + s[SUMS_SIZE]] = 0

    def loss(self, recipe: Recipe, Y: np.ndarray, weights: np.ndarray, scale: float) -> float:
        """Return the sum of the losses of a batch, and write the slopes at the logits, times ``scale``."""
        code, link, parameter, _ = loss_numbers(recipe)
        rows, columns = Y.shape
        z, p, d = (part[:rows].ravel() for part in (self.logits, self.outputs, self.slopes))
        if recipe.loss.link == "softmax":  # what is not called need not be compiled
            return softmax_loss_and_slope(int(code), parameter, z, Y.ravel(), weights, d, columns, scale)
        return loss_and_slope(int(code), int(link), parameter, z, p, Y.ravel(), weights, d, columns, scale)

    def end(self, stack: Stack, strength: float) -> float:
        """Write the gradient of the kernels from all threads' sums and that of strength/2 |W|²; return that penalty."""
        total, parameters = 0.0, stack.parameters
        for number, s in enumerate(self.stages, start=1):
            weight, slope = (views[f"weight{number}"] for views in (parameters.views, parameters.slopes))
            maps, size = len(weight), s[PADDED] * LANES
            each = self.scratch[:, s[SUMS] : s[SUMS] + maps * size]  # (threads, O PADDED lanes)
            sums = sum(one.reshape(-1, LANES) @ np.ones(LANES, each.dtype) for one in each).reshape(maps, -1)
            slope[...] = sums[:, : s[SIZE]].reshape(slope.shape)
            if s[BIAS] >= 0:
                biases = s[SUMS] + maps * size
                parameters.slopes[f"bias{number}"][:] = self.scratch[:, biases : biases + maps].sum(axis=0)
            if strength:
                slope += weight * slope.dtype.type(strength)
                total += float(np.vdot(weight, weight))
        return strength / 2 * total


class Convolved(Reference):
    """The reference's loop over batches, each batch in compiled code."""

    name = "compiled"

    def __init__(self) -> None:
        self.threads = 1
        self._planned = Planned()
        self._pool: ThreadPoolExecutor | None = None

    def _plan(self, stack: Any, rows: int) -> Plan:
        wanted = (stack, rows, self.threads, stack.dropout)  # nothing else that it lays out may change
        plan: Plan = self._planned.made(wanted, lambda: Plan(stack, rows, self.threads))
        return plan

    def _shared(self, work: Callable[[int, int, np.ndarray], None], rows: int, scratch: np.ndarray) -> None:
        """Run work(first block, last block, scratch) for all blocks of a batch, a part in each thread."""
        edges = [_blocks(rows) * t // self.threads for t in range(self.threads + 1)]
        if self.threads == 1:
            work(0, edges[1], scratch[0])
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1)
        others = [self._pool.submit(work, edges[t], edges[t + 1], scratch[t]) for t in range(1, self.threads)]
        work(edges[0], edges[1], scratch[0])
        for other in others:
            other.result()

    def _forward(self, stack: Any, plan: Plan, X: np.ndarray, order: np.ndarray, training: bool) -> np.ndarray:
        """Return the features of the images X[order], which lie first in the plan's work."""
        theta, rows = stack.parameters.vector, len(order)
        plan.begin(theta)
        if training and (stack.shift or stack.rotation):
            X, order = _moved(stack, X, order), np.arange(rows)
        features = plan.work[: rows * stack.sizes[0]]
        known = X, order, theta, plan.blocks, plan.stages, plan.packed, plan.taps, features
        norms = _norms(stack)
        if not norms:
            self._shared(partial(compiled_conv.forward_blocks, *known), rows, plan.scratch)
            return features
        for n in range(len(norms) + 1):
            each = partial(compiled_conv.forward_pass, n, *known, plan.batch, plan.moments)
            self._shared(each, rows, plan.scratch)
            if n < len(norms):
                plan.of_batch[n][:2] = _standard(norms[n], plan, n, rows, training)
        return features

    def _backward(self, stack: Any, plan: Plan, slopes: np.ndarray, rows: int, training: bool) -> None:
        """Add to the plan's scratch the slopes of all kernels, from those at the features of so many images."""
        known = slopes, rows, stack.parameters.vector, plan.blocks, plan.stages, plan.packed, plan.taps
        norms = _norms(stack)
        if not norms:
            self._shared(partial(compiled_conv.backward_blocks, *known), rows, plan.scratch)
            return
        for n in range(len(norms), -1, -1):
            each = partial(compiled_conv.backward_pass, n, *known, plan.batch, plan.moments)
            self._shared(each, rows, plan.scratch)
            if n > 0:
                norm, sums = norms[n - 1], plan.of_blocks[n - 1][: _blocks(rows), 2:].sum(axis=0)
                norm.beta_slope[:], norm.gamma_slope[:] = sums
                plan.of_batch[n - 1][2:] = sums / (rows * plan.places[n - 1]) if training else 0

    def _gradient(
        self, stack: Stack, recipe: Recipe, problem: Problem, order: np.ndarray, plan: Plan, training: bool
    ) -> tuple[float, float]:
        """Write the gradient of the loss of the samples ``order``; return that loss and their weight."""
        X, Y, weights = typed(problem)
        vector, gradient = stack.parameters.vector, stack.parameters.gradient
        slopes = self._forward(stack, plan, X, order, training)
        dropout = plan.dropout if training else np.zeros_like(plan.dropout)
        alpha = float(recipe.alpha) if training else 0.0
        rows, dense = len(order), (plan.sizes, plan.layout, plan.codes, dropout)
        compiled_conv.dense_forward(vector, plan.work, *dense, stack.dropout_rng, rows)
        chosen = weights[order] if weights.size else weights
        weight = float(chosen.sum(dtype=np.float64)) if weights.size else float(rows)
        scale = 1 / weight if recipe.loss.averaged else 1.0
        value = scale * plan.loss(recipe, Y[order], chosen, scale)
        value += compiled_conv.dense_backward(vector, gradient, plan.work, *dense, rows, alpha, scale)
        self._backward(stack, plan, slopes, rows, training)
        return value + plan.end(stack, alpha * scale), weight

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
            self._forward(stack, plan, X, order, False)
            compiled_conv.dense_forward(
                stack.parameters.vector, plan.work, plan.sizes, plan.layout, plan.codes, np.zeros_like(plan.dropout),
                stack.dropout_rng, len(order),
            )  # fmt: skip
            logits[start : start + rows] = plan.logits[: len(order)]
        return logits

    def __getstate__(self) -> dict[str, Any]:
        return {"threads": self.threads}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]  # memories are rebuilt when they are needed
        self.threads = state["threads"]


def _norms(stack: Any) -> list[BatchNorm2d]:
    """Return the batch normalisations, one a stage or none."""
    return [layer for layer in stack.layers if isinstance(layer, BatchNorm2d)]


def _standard(norm: BatchNorm2d, plan: Plan, n: int, rows: int, training: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and 1/σ with which stage n goes on: in training those of the batch, from its blocks'."""
    mean, variance = norm.mean, norm.variance
    if training:
        each = np.full(_blocks(rows), LANES * plan.places[n])
        each[-1] -= (len(each) * LANES - rows) * plan.places[n]
        means, deviations = plan.of_blocks[n][: len(each), :2].transpose(1, 0, 2)  # (blocks, O)
        mean = each @ means / each.sum()
        variance = (deviations.sum(axis=0) + each @ (means - mean) ** 2) / each.sum()
        norm.remember(mean, variance, int(each.sum()))
    return mean, 1 / np.sqrt(variance + norm.epsilon)


def _moved(stack: Any, X: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the images X[order], each moved anew by how much is drawn; see ``Augment``."""
    draws = 2 * stack.dropout_rng.random((len(order), 3)) - 1
    down, right, angle = (draws * (stack.shift, stack.shift, np.radians(stack.rotation))).T
    moves = np.ascontiguousarray(np.stack([down, right, np.cos(angle), np.sin(angle)], axis=1))
    images = np.empty((len(order), X.shape[1]), X.dtype)
    channels, height, width = stack.image_shape
    compiled_conv.move(X, order, moves, channels, height, width, images)
    return images


def _tiles(channels: int) -> list[tuple[int, int]]:
    """Return first and last channel, exclusive, of the tiles into which so many channels fall."""
    count = -(-channels // WIDEST)
    return [(channels * t // count, channels * (t + 1) // count) for t in range(count)]


def _blocks(rows: int) -> int:
    return -(-rows // LANES)


def _even(places: int) -> int:
    return -(-places // PLACES) * PLACES


def _aligned(shape: tuple[int, int], dtype: Any) -> np.ndarray:
    """Return zeros whose rows begin at a cache line, so that no vector lies across two."""
    size = np.dtype(dtype).itemsize
    columns = -(-shape[1] * size // 64) * 64 // size
    memory = np.zeros(shape[0] * columns + 64 // size, dtype)
    start = -memory.ctypes.data % 64 // size
    return memory[start : start + shape[0] * columns].reshape(shape[0], columns)
