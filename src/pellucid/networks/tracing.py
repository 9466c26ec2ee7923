"""The trace of a stack: one example's way through it, every intermediate value with its formula.

The dense layers' part is here; a network that has others before them adds theirs in front.
"""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from pellucid.learning.trace import Record, Trace
from pellucid.networks.base import StackEstimator
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.dense import Dense
from pellucid.parts.loss import Loss, link_function
from pellucid.parts.optimizer import Optimizer

__all__ = ["TracedStack"]

SYMBOLS = {"weight": "W", "bias": "b", "gamma": "γ", "beta": "β"}
MANY = 1 << 62  # samples: as many as any batch needs
AXES = {1: "H", 2: "D H", 4: "O C k k"}  # of parameters, by how many they have


class TracedStack(StackEstimator):
    """Estimators over a stack, with a trace."""

    def trace(self, x: Any, y: Any = None) -> Trace:
        """Return one example's way through the network: every z and a, and with y every δ, dW and db, too.

        Parameters
        ----------
        x : array-like of shape (D,) or (N, D)
        y : target or targets of x, optional
            Shows the loss, the way back, and the change that the solver would make with this gradient.

        """
        check_is_fitted(self)
        if self._is_single(np.shape(x)):
            x, y = np.asarray(x)[None], y if y is None else np.asarray(y)[None]
        x = self._validated(x, self.stack_.dtype)
        stack, loss = self.stack_, self._make_loss()
        logits, caches = stack.forward(x)
        records = self._trace_front(x, caches)
        below, last = records[-1].name, len(stack.weights)
        for layer, cache in enumerate(self._dense(caches), start=stack.first_dense):
            bias = f" + b{layer}" if stack.bias else ""
            records.append(
                Record(
                    f"z{layer}", f"z{layer} = {below} W{layer}{bias}", cache.z, "N H", "forward", layer, Dense.forward
                )
            )
            below = f"a{layer}"
            if layer < last:
                name = stack.activations[layer - stack.first_dense]
                formula = f"a{layer} = {name}(z{layer}):  {ACTIVATIONS[name].formula}"
                records.append(Record(f"a{layer}", formula, cache.y, "N H", "forward", layer, Dense.forward))
        records.append(
            Record(
                "p",
                f"p = {loss.link}(z{last})",
                link_function(loss.link, logits),
                "N K",
                "forward",
                last,
                link_function,
            )
        )
        if y is not None:
            target = self._encode(self._check_y(y, len(x)))
            records += self._trace_back(target, logits, caches, loss)
        return Trace(self._trace_title(), records)

    def _is_single(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of that shape is one example, not several."""
        return len(shape) == 1

    def _trace_title(self) -> str:
        return f"{type(self).__name__} {'-'.join(map(str, self.stack_.sizes))}"

    def _trace_front(self, x: np.ndarray, caches: list[Any]) -> list[Record]:
        """Return what comes before the dense layers; the last record is what the first of them sees."""
        return [Record("a0", "a0 = x", x, "N D")]

    def _trace_front_back(self, slopes: list[Any], caches: list[Any]) -> list[Record]:
        """Return the way back from the first dense layer's input to x, from each layer's slope at its input."""
        return []

    def _dense(self, values: list[Any]) -> list[Any]:
        """Keep what belongs to dense layers; dropout is idle here."""
        return [value for value, layer in zip(values, self.stack_.layers, strict=True) if isinstance(layer, Dense)]

    def _trace_back(self, target: np.ndarray, logits: np.ndarray, caches: list[Any], loss: Loss) -> list[Record]:
        stack, first, last = self.stack_, self.stack_.first_dense, len(self.stack_.weights)
        scale = stack.dtype.type(1 / len(target) if loss.averaged else 1)
        delta = loss.gradient(logits, target) * scale  # (N, K)
        value, mean = float(loss.rows(logits, target).sum() * scale), "mean" if loss.averaged else "sum"
        records = [
            Record("y", "y: the target", target, "N K", "loss"),
            Record("loss", f"C = {mean} of {loss.name}(p, y)", value, "", "loss", 0, Loss.rows),
            Record(f"delta{last}", f"δ{last} = ∂C/∂z{last}", delta, "N K", "backward", last, Loss.gradient),
        ]
        every = stack.backward(delta, caches)
        slopes, dense = self._dense(every), self._dense(caches)
        for layer in range(last, first - 1, -1):
            seen = "flat" if layer == first > 1 else f"a{layer - 1}"
            records += self._slopes_of(layer, f"{seen}ᵀ δ{layer}", f"Σₙ δ{layer}", "D H", Dense.backward)
            if layer > first:
                cache, activation = dense[layer - first - 1], ACTIVATIONS[stack.activations[layer - first - 1]]
                below = slopes[layer - first] * activation.slope(cache.z, cache.y)
                formula = f"δ{layer - 1} = (δ{layer} W{layer}ᵀ) · f'(z{layer - 1}),  f' = {activation.slope_formula}"
                records.append(
                    Record(f"delta{layer - 1}", formula, below, "N H", "backward", layer - 1, Dense.backward)
                )
        return records + self._trace_front_back(every, caches) + self._trace_update()

    def _slopes_of(self, layer: int, weights: str, biases: str, axes: str, function: Any) -> list[Record]:
        """Return the slopes of a layer's own parameters, with the formulas that they come from."""
        slopes = self.stack_.parameters.slopes
        records = [
            Record(
                f"dW{layer}",
                f"dW{layer} = {weights}",
                slopes[f"weight{layer}"].copy(),
                axes,
                "backward",
                layer,
                function,
            )
        ]
        if f"bias{layer}" in slopes:
            slope = slopes[f"bias{layer}"].copy()
            records.append(Record(f"db{layer}", f"db{layer} = {biases}", slope, "H", "backward", layer, function))
        return records

    def _trace_update(self) -> list[Record]:
        """Return the change that the solver would make with the gradient just written, on copies."""
        if self.solver == "lbfgs":
            return []
        recipe, memory = self._recipe(MANY, patience=-1), self._training.memory
        theta = self.stack_.parameters.vector.copy()
        rate = float(recipe.schedule.rate * self._training.rate_scale)
        recipe.optimizer.update(
            theta, self.stack_.parameters.gradient.copy(), memory.slots.copy(), memory.step + 1, rate
        )
        change, records, start = theta - self.stack_.parameters.vector, [], 0
        for name, shape in self.stack_.parameters.shapes.items():
            size, kind = int(np.prod(shape)), name.rstrip("0123456789")
            symbol = name.replace(kind, SYMBOLS[kind])
            formula = f"Δ{symbol} = {self.solver}(d{symbol}, rate {rate:g})"
            value = change[start : start + size].reshape(shape)
            axes = AXES[len(shape)]
            records.append(
                Record(f"Δ{symbol}", formula, value, axes, "update", int(name.removeprefix(kind)), Optimizer.update)
            )
            start += size
        return records
