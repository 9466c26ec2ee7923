"""A stack of layers: the output of one is the input of the next. Backwards, the same the other way round."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.parts.activation import Activation
from pellucid.parts.dense import Dense
from pellucid.parts.dropout import Dropout
from pellucid.parts.initial import initial_weights
from pellucid.parts.layer import Layer
from pellucid.parts.parameters import Parameters

__all__ = ["Stack"]


class Stack:
    """Dense layers of the given ``sizes`` (D, H, ..., K), over one flat parameter vector.

    ``activations`` has one name a hidden layer; the last layer gives logits, whose link the loss owns.
    ``dropout`` has one rate a hidden layer. Layers are rebuilt over the copy's memory when a stack is copied.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activations: Sequence[str],
        *,
        bias: bool = True,
        dropout: Sequence[float] = (),
        dtype: Any = np.float32,
    ) -> None:
        self.sizes = tuple(int(size) for size in sizes)
        self.activations = (*activations, "identity")
        self.bias = bias
        self.dropout = tuple(dropout) or (0.0,) * len(activations)
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (n_in, n_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), start=1):
            shapes[f"weight{number}"] = (n_in, n_out)
            if bias:
                shapes[f"bias{number}"] = (n_out,)
        self.parameters = Parameters(shapes, dtype)
        self.dropout_rng = np.random.default_rng(0)
        self._build()

    def _build(self) -> None:
        views, slopes = self.parameters.views, self.parameters.slopes
        self.layers: list[Layer] = []
        for number, name in enumerate(self.activations, start=1):
            weight, bias = f"weight{number}", f"bias{number}"
            self.layers.append(
                Dense(views[weight], views.get(bias), slopes[weight], slopes.get(bias), Activation.named(name))
            )
            if number <= len(self.dropout) and self.dropout[number - 1] > 0:
                self.layers.append(Dropout(self.dropout[number - 1], self.dropout_rng))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "layers"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._build()

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.parameters.vector.dtype

    @property
    def weights(self) -> list[np.ndarray]:
        """Views of the weight matrices, (D, H) to (H, K)."""
        return [self.parameters.views[f"weight{i + 1}"] for i in range(len(self.sizes) - 1)]

    @property
    def biases(self) -> list[np.ndarray]:
        """Views of the biases (H,) to (K,); empty without bias."""
        return [self.parameters.views[f"bias{i + 1}"] for i in range(len(self.sizes) - 1)] if self.bias else []

    def initialise(self, scheme: str, rng: np.random.Generator) -> None:
        """Draw new weights, and set the biases to zero."""
        self.parameters.vector[:] = 0
        for weight, name in zip(self.weights, self.activations, strict=True):
            weight[:] = initial_weights(scheme, weight.shape, name, rng)

    def seed_dropout(self, rng: np.random.Generator) -> None:
        """Take dropout's masks from this generator from now on."""
        self.dropout_rng = rng
        self._build()

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, list[Any]]:
        """Return the logits (N, K) and each layer's cache."""
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x, training)
            caches.append(cache)
        return x, caches

    def backward(self, dy: np.ndarray, caches: Sequence[Any]) -> list[np.ndarray]:
        """From the slope of the loss at the logits write the whole gradient; return each layer's slope at its input."""
        slopes = []
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            dy = layer.backward(dy, cache)
            slopes.append(dy)
        return slopes[::-1]
