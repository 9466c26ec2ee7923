"""A stack that begins with convolutions: stages of convolution and pooling, then flatten, then dense layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.errors import InvalidArgumentError
from pellucid.parts.activation import Activation
from pellucid.parts.augment import Augment
from pellucid.parts.conv import AveragePool2d, BatchNorm2d, Conv2d, Flatten, MaxPool2d, Unflatten, places
from pellucid.parts.initial import initial_weights
from pellucid.parts.layer import Layer
from pellucid.parts.stack import Stack

__all__ = ["ConvStack", "Stage"]

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Stage:
    """A convolution to ``channels`` with a square kernel, an activation, and pooling (``pool`` 1: none).

    With ``norm``, batch normalisation stands between convolution and activation, and takes the place of the bias.
    """

    channels: int
    kernel: int
    activation: str = "relu"
    stride: int = 1
    padding: int = 0
    pool: int = 2
    pooling: str = "max"
    groups: int = 1
    norm: bool = False

    def __str__(self) -> str:
        """Return the stage in a few words: all that decides what it computes, and from how many weights."""
        grouped = f" in {self.groups} groups" if self.groups > 1 else ""
        moved = f" stride {self.stride}" if self.stride > 1 else ""
        padded = f" padding {self.padding}" if self.padding else ""
        pooled = f", {self.pooling} of {self.pool} x {self.pool}" if self.pool > 1 else ""
        normed = ", normed" * self.norm
        return (
            f"{self.channels} of {self.kernel} x {self.kernel}{grouped}{moved}{padded}{normed}, "
            f"{self.activation}{pooled}"
        )

    def convolved(self, shape: Shape, number: int = 1) -> Shape:
        """Return the shape (O, H', W') that the convolution makes of images (C, H, W).

        Raises InvalidArgumentError where the kernel does not fit, or the channels fall into no such groups.
        """
        channels, height, width = shape
        if channels % self.groups or self.channels % self.groups:
            raise InvalidArgumentError(
                f"groups must divide the channels on both sides of convolution {number}, "
                f"{channels} and {self.channels}; got {self.groups}"
            )
        rows, columns = (places(side, self.kernel, self.stride, self.padding) for side in (height, width))
        if min(rows, columns) < 1:
            padded = f"{height + 2 * self.padding} x {width + 2 * self.padding}"
            raise InvalidArgumentError(
                f"conv_layers must have kernels that fit into their images: convolution {number} has a kernel of "
                f"{self.kernel} x {self.kernel}, and the images that reach it are {padded} with their padding; "
                "choose smaller kernels, less pooling, fewer layers or padding='same'"
            )
        return self.channels, rows, columns

    def pooled(self, shape: Shape, number: int = 1) -> Shape:
        """Return the shape (O, H', W') that the whole stage makes of images (C, H, W)."""
        channels, height, width = self.convolved(shape, number)
        rows, columns = height // self.pool, width // self.pool
        if min(rows, columns) < 1:
            raise InvalidArgumentError(
                f"pool_size must fit into the images: convolution {number} makes images of {height} x {width}, "
                f"got {self.pool}; use 1 for no pooling"
            )
        return channels, rows, columns

    def multiply_adds(self, shape: Shape, number: int = 1) -> int:
        """Return how many multiplications with a weight the convolution of one image (C, H, W) takes."""
        channels, rows, columns = self.convolved(shape, number)
        return rows * columns * channels * (shape[0] // self.groups) * self.kernel**2


class ConvStack(Stack):
    """Stages over images of ``image_shape`` (C, H, W) as rows (N, C H W), then dense layers of ``sizes`` (H, ..., K).

    ``activations``, ``dropout`` and ``sizes`` are those of the dense layers; layers with weights count from 1, the
    convolutions first. ``shift`` (pixels) and ``rotation`` (degrees) augment the images in training.
    """

    def __init__(
        self,
        image_shape: Shape,
        stages: Sequence[Stage],
        sizes: Sequence[int],
        activations: Sequence[str],
        *,
        bias: bool = True,
        dropout: Sequence[float] = (),
        shift: float = 0.0,
        rotation: float = 0.0,
        dtype: Any = np.float32,
    ) -> None:
        self.image_shape, self.stages = image_shape, tuple(stages)
        self.shift, self.rotation = float(shift), float(rotation)
        self.shapes = [image_shape]  # of the images before each stage, and behind the last
        for number, stage in enumerate(self.stages, start=1):
            self.shapes.append(stage.pooled(self.shapes[-1], number))
        self.first_dense = len(self.stages) + 1
        super().__init__((int(np.prod(self.shapes[-1])), *sizes), activations, bias=bias, dropout=dropout, dtype=dtype)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for number, (stage, (channels, _, _)) in enumerate(zip(self.stages, self.shapes, strict=False), start=1):
            shapes[f"weight{number}"] = (stage.channels, channels // stage.groups, stage.kernel, stage.kernel)
            if stage.norm:
                shapes[f"gamma{number}"] = shapes[f"beta{number}"] = (stage.channels,)
            elif self.bias:
                shapes[f"bias{number}"] = (stage.channels,)
        return shapes | super()._shapes()

    def _state_shapes(self) -> dict[str, tuple[int, ...]]:
        normed = [(number, stage) for number, stage in enumerate(self.stages, start=1) if stage.norm]
        return {f"{name}{number}": (stage.channels,) for number, stage in normed for name in ("mean", "variance")}

    def _build(self) -> None:
        super()._build()
        front: list[Layer] = [Unflatten(self.image_shape)]
        if self.shift or self.rotation:
            front.append(Augment(self.shift, self.rotation, self.dropout_rng))
        for number, stage in enumerate(self.stages, start=1):
            front += self._stage(number, stage)
        self.layers = [*front, Flatten(), *self.layers]

    def _stage(self, number: int, stage: Stage) -> list[Layer]:
        """Return the layers of one stage, over their views."""
        views, slopes, running = self.parameters.views, self.parameters.slopes, self.parameters.running
        weight, bias, gamma, beta, mean, variance = (
            f"{name}{number}" for name in ("weight", "bias", "gamma", "beta", "mean", "variance")
        )
        activation = Activation.named(stage.activation)
        layers: list[Layer] = [
            Conv2d(
                views[weight], views.get(bias), slopes[weight], slopes.get(bias),
                Activation.named("identity") if stage.norm else activation,
                (stage.stride, stage.stride), (stage.padding, stage.padding), stage.groups,
            )
        ]  # fmt: skip
        if stage.norm:
            own = (views[gamma], views[beta], slopes[gamma], slopes[beta], running[mean], running[variance])
            layers.append(BatchNorm2d(*own, activation))
        if stage.pool > 1:
            kind = MaxPool2d if stage.pooling == "max" else AveragePool2d
            layers.append(kind((stage.pool, stage.pool), (stage.pool, stage.pool)))
        return layers

    def regularise_as(self, other: Stack) -> None:
        """Take the dropout, the shifts and the rotations of a stack alike, for the training to come."""
        if isinstance(other, ConvStack):
            self.shift, self.rotation = other.shift, other.rotation
        super().regularise_as(other)

    def initialise(self, scheme: str, rng: np.random.Generator) -> None:
        """Draw new weights; biases and running means become 0, γ and running variances 1."""
        super().initialise(scheme, rng)
        self.parameters.state[:] = 0
        for number, stage in enumerate(self.stages, start=1):
            weight = self.parameters.views[f"weight{number}"]
            fans = (int(np.prod(weight.shape[1:])), len(weight))
            drawn = initial_weights(scheme, fans, stage.activation, rng, area=stage.kernel**2)
            weight[:] = drawn.T.reshape(weight.shape)
            if stage.norm:
                self.parameters.views[f"gamma{number}"][:] = 1
                self.parameters.running[f"variance{number}"][:] = 1

    @property
    def multiply_adds(self) -> int:
        """How many multiplications with a weight one sample takes on its way forwards."""
        stages = zip(self.stages, self.shapes, strict=False)
        return super().multiply_adds + sum(stage.multiply_adds(shape) for stage, shape in stages)

    @property
    def architecture(self) -> str:
        """All that decides which parameters there are, and what they mean."""
        images = " x ".join(map(str, self.image_shape))
        return f"({images}; {'; '.join(map(str, self.stages))}; {'-'.join(map(str, self.sizes))})"
