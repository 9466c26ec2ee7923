"""A stack of layers: the output of one is the input of the next. Backwards, the same the other way round."""

from collections.abc import Sequence
from itertools import pairwise
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
        self.parameters = Parameters(self._shapes(), dtype, self._state_shapes())
        self.dropout_rng = np.random.default_rng(0)
        self._build()

    first_dense = 1
    """The number of the first dense layer; layers with weights count from 1."""

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the parameters by their names, in the order in which they lie in the vector."""
        shapes: dict[str, tuple[int, ...]] = {}
        for number, sizes in enumerate(pairwise(self.sizes), start=self.first_dense):
            shapes[f"weight{number}"] = sizes
            if self.bias:
                shapes[f"bias{number}"] = sizes[1:]
        return shapes

    def _state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return what the layers remember without a slope, by its names."""
        return {}

    def _build(self) -> None:
        self.layers: list[Layer] = []
        views, slopes = self.parameters.views, self.parameters.slopes
        for number, name in enumerate(self.activations):
            weight, bias = (f"{kind}{number + self.first_dense}" for kind in ("weight", "bias"))
            self.layers.append(
                Dense(views[weight], views.get(bias), slopes[weight], slopes.get(bias), Activation.named(name))
            )
            if number < len(self.dropout) and self.dropout[number] > 0:
                self.layers.append(Dropout(self.dropout[number], self.dropout_rng))

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
        """Views of the weights, one a layer: matrices (D, H) to (H, K)."""
        return [view for name, view in self.parameters.views.items() if name.startswith("weight")]

    @property
    def biases(self) -> list[np.ndarray]:
        """Views of the biases (H,) to (K,); empty without bias."""
        return [view for name, view in self.parameters.views.items() if name.startswith("bias")]

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with a weight one sample takes on its way forwards."""
        return sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def largest_product(self) -> int:
        """How many multiply-adds a sample the largest of its matrix products takes."""
        return max(n_in * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def architecture(self) -> str:
        """All that decides which parameters there are, in words: stacks alike in it can go on for each other."""
        return str(self.sizes)

    def initialise(self, scheme: str, rng: np.random.Generator) -> None:
        """Draw new weights, and set the biases to zero."""
        self.parameters.vector[:] = 0
        for layer in self.layers:
            if isinstance(layer, Dense):
                n_in, n_out = layer.weight.shape
                layer.weight[:] = initial_weights(scheme, (n_in, n_out), layer.activation.name, rng)

    def seed_dropout(self, rng: np.random.Generator) -> None:
        """Take dropout's masks from this generator from now on."""
        self.dropout_rng = rng
        self._build()

    def regularise_as(self, other: "Stack") -> None:
        """Take the dropout of a stack alike, for the training to come."""
        self.dropout = other.dropout
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
