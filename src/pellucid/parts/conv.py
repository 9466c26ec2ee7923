"""Convolution and pooling: layers that see an image (N, C, H, W) in small patches, with the same weights everywhere.

A patch is what a kernel of size k × k covers; with C channels it has K = C k² numbers. With all patches of an image
beside each other as columns (K, P), one for each of the P = H' W' places, a convolution is one product::

    z = W patches + b            (O, P)     O channels out; W (O, K) holds one pattern a channel
    y = f(z)
    ∂C/∂W = δ patchesᵀ           (O, K)     with δ = ∂C/∂z, summed over the images
    ∂C/∂patches = Wᵀ δ           (K, P)     and each pixel's slope is the sum over all patches that hold it

``stride`` is how far the kernel moves, ``padding`` how many zeros stand around the image, and with ``groups`` > 1
channels fall into groups that do not see each other. H' = (H + 2 padding - k) // stride + 1, likewise W'.

Sources: LeCun, Bottou, Bengio, Haffner 1998, sec. II; batch normalisation: Ioffe, Szegedy 2015, algorithms 1 and 2.
``compiled/conv.py`` holds the compiled twins.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pellucid.parts.activation import Activation
from pellucid.parts.layer import Layer

__all__ = [
    "AveragePool2d",
    "BatchNorm2d",
    "Conv2d",
    "ConvCache",
    "Flatten",
    "MaxPool2d",
    "PoolCache",
    "Unflatten",
    "places",
]

Pair = tuple[int, int]


def places(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many places a kernel has along a side of an image; below 1 where it does not fit."""
    return (size + 2 * padding - kernel) // stride + 1


def windows(x: np.ndarray, kernel: Pair, stride: Pair, padding: Pair, fill: float = 0.0) -> np.ndarray:
    """Return a view of every window of x (N, C, H, W): (N, C, H', W', kernel height, kernel width)."""
    (top, left), (down, right) = padding, stride
    padded = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)), constant_values=fill) if top or left else x
    return sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::down, ::right]


def spread(slopes: np.ndarray, shape: tuple[int, ...], stride: Pair, padding: Pair) -> np.ndarray:
    """Add the slopes of windows (N, C, H', W', kernel height, kernel width) where their pixels lie in (N, C, H, W)."""
    *_, rows, columns, height, width = slopes.shape
    (top, left), (down, right) = padding, stride
    n, channels, image_height, image_width = shape
    dx = np.zeros((n, channels, image_height + 2 * top, image_width + 2 * left), slopes.dtype)
    for a in range(height):
        for b in range(width):
            dx[:, :, a : a + down * rows : down, b : b + right * columns : right] += slopes[..., a, b]
    return dx[:, :, top : top + image_height, left : left + image_width]


class ConvCache(NamedTuple):
    """What the forward pass met: x (N, C, H, W), its patches (N, groups, K, P), sums z and outputs y (N, O, H', W')."""

    x: np.ndarray
    patches: np.ndarray
    z: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Conv2d(Layer):
    """A convolution over views: weight W (O, C / groups, k, k), bias b (O,) or None, their slopes, an activation."""

    weight: np.ndarray
    bias: np.ndarray | None
    weight_slope: np.ndarray
    bias_slope: np.ndarray | None
    activation: Activation
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, ConvCache]:
        """Return y = f(W * x + b), (N, O, H', W')."""
        n, out, G = len(x), len(self.weight), self.groups
        seen = windows(x, self._kernel, self.stride, self.padding)  # (N, C, H', W', k, k)
        rows, columns = seen.shape[2:4]
        patches = seen.transpose(0, 1, 4, 5, 2, 3).reshape(n, G, -1, rows * columns)  # (N, G, K, P)
        z = (self.weight.reshape(G, out // G, -1) @ patches).reshape(n, out, rows, columns)
        if self.bias is not None:
            z += self.bias[:, None, None]
        y = self.activation.function(z)
        return y, ConvCache(x, patches, z, y)

    def backward(self, dy: np.ndarray, cache: ConvCache) -> np.ndarray:
        """Return dx (N, C, H, W); write dW = Σₙ dz patchesᵀ and db, the sums of dz over images and places."""
        n, out, rows, columns = dy.shape
        G, W = self.groups, self.weight.reshape(self.groups, out // self.groups, -1)
        dz = dy * self.activation.slope(cache.z, cache.y)  # (N, O, H', W')
        if self.bias_slope is not None:
            dz.sum(axis=(0, 2, 3), out=self.bias_slope)
        dz = dz.reshape(n, G, out // G, rows * columns)
        slopes = (dz @ cache.patches.transpose(0, 1, 3, 2)).sum(axis=0)  # (G, O / G, K)
        self.weight_slope[...] = slopes.reshape(self.weight.shape)
        patches = (W.transpose(0, 2, 1) @ dz).reshape(n, -1, *self._kernel, rows, columns)
        return spread(patches.transpose(0, 1, 4, 5, 2, 3), cache.x.shape, self.stride, self.padding)

    @property
    def _kernel(self) -> Pair:
        height, width = self.weight.shape[2:]
        return height, width


class PoolCache(NamedTuple):
    """What the forward pass met: the shape of x, and of each maximum the pixel (row · W + column) it came from."""

    shape: tuple[int, ...]
    source: np.ndarray | None


@dataclass(frozen=True)
class MaxPool2d(Layer):
    """The largest number of each window; of equals, the first. Its slope goes whole to where it came from."""

    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, PoolCache]:
        """Return the maxima (N, C, H', W')."""
        seen = windows(x, self.size, self.stride, self.padding, fill=-np.inf)
        n, channels, rows, columns = seen.shape[:4]
        flat = seen.reshape(n, channels, rows, columns, -1)
        within = flat.argmax(axis=-1)  # (N, C, H', W')
        a, b = np.divmod(within, self.size[1])
        row = np.arange(rows)[:, None] * self.stride[0] + a - self.padding[0]
        column = np.arange(columns) * self.stride[1] + b - self.padding[1]
        y = np.take_along_axis(flat, within[..., None], axis=-1)[..., 0]
        return y, PoolCache(x.shape, row * x.shape[3] + column)

    def backward(self, dy: np.ndarray, cache: PoolCache) -> np.ndarray:
        """Return dx: each slope at the pixel that gave the maximum."""
        n, channels, height, width = cache.shape
        dx = np.zeros((n * channels, height * width), dy.dtype)
        if cache.source is not None:
            source = cache.source.reshape(n * channels, -1)
            np.add.at(dx, (np.arange(n * channels)[:, None], source), dy.reshape(source.shape))
        return dx.reshape(cache.shape)


@dataclass(frozen=True)
class AveragePool2d(Layer):
    """The mean of each window, the zeros of the padding included."""

    size: Pair = (2, 2)
    stride: Pair = (2, 2)
    padding: Pair = (0, 0)

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, PoolCache]:
        """Return the means (N, C, H', W')."""
        return windows(x, self.size, self.stride, self.padding).mean(axis=(4, 5)), PoolCache(x.shape, None)

    def backward(self, dy: np.ndarray, cache: PoolCache) -> np.ndarray:
        """Return dx: each slope in equal parts to the pixels of its window."""
        part = (dy / dy.dtype.type(self.size[0] * self.size[1]))[..., None, None]
        return spread(np.broadcast_to(part, (*dy.shape, *self.size)), cache.shape, self.stride, self.padding)


@dataclass(frozen=True)
class Flatten(Layer):
    """Images (N, C, H, W) as rows of numbers (N, C H W)."""

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, tuple[int, ...]]:
        """Return the rows, and the shape that they had."""
        return x.reshape(len(x), -1), x.shape

    def backward(self, dy: np.ndarray, cache: tuple[int, ...]) -> np.ndarray:
        """Return the slopes in the images' shape."""
        return dy.reshape(cache)


@dataclass(frozen=True)
class Unflatten(Layer):
    """Rows of numbers (N, C H W) as images of ``shape`` (C, H, W)."""

    shape: tuple[int, int, int]

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, None]:
        """Return the images (N, C, H, W)."""
        return x.reshape(-1, *self.shape), None

    def backward(self, dy: np.ndarray, cache: None) -> np.ndarray:
        """Return the slopes as rows."""
        return dy.reshape(len(dy), -1)


class NormCache(NamedTuple):
    """What the forward pass met: x̂ (N, C, H, W), 1/σ (C,), outputs z = γ x̂ + β and y = f(z), and whose mean it was."""

    standard: np.ndarray
    inverse: np.ndarray
    z: np.ndarray
    y: np.ndarray
    training: bool


@dataclass(frozen=True)
class BatchNorm2d(Layer):
    """Each channel with mean 0 and variance 1 over the batch, then γ x̂ + β with γ, β learnt; then an activation.

    In training the batch's own mean and variance count, and the running ones move a ``momentum`` towards them (the
    variance of which is divided by n - 1); outside training the running ones count.
    """

    gamma: np.ndarray
    beta: np.ndarray
    gamma_slope: np.ndarray
    beta_slope: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    activation: Activation
    momentum: float = 0.1
    epsilon: float = 1e-5

    def forward(self, x: np.ndarray, training: bool = False) -> tuple[np.ndarray, NormCache]:
        """Return f(γ x̂ + β), (N, C, H, W)."""
        mean, variance = self.mean, self.variance
        if training:
            mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
            self.remember(mean, variance, x.size // x.shape[1])
        inverse = 1 / np.sqrt(variance + x.dtype.type(self.epsilon))
        standard = (x - mean[:, None, None]) * inverse[:, None, None]
        z = self.gamma[:, None, None] * standard + self.beta[:, None, None]
        y = self.activation.function(z)
        return y, NormCache(standard, inverse, z, y, training)

    def remember(self, mean: np.ndarray, variance: np.ndarray, count: int) -> None:
        """Move the running mean and variance (C,) towards those of a batch of so many numbers a channel."""
        self.mean[:] += self.momentum * (mean - self.mean)
        self.variance[:] += self.momentum * (variance * (count / max(1, count - 1)) - self.variance)

    def backward(self, dy: np.ndarray, cache: NormCache) -> np.ndarray:
        """Return dx; write dγ = Σ dz x̂ and dβ = Σ dz. In training mean and variance moved with x, too."""
        dz = dy * self.activation.slope(cache.z, cache.y)
        x_hat = cache.standard
        np.einsum("nchw,nchw->c", dz, x_hat, out=self.gamma_slope)
        dz.sum(axis=(0, 2, 3), out=self.beta_slope)
        scale = (self.gamma * cache.inverse)[:, None, None]
        if not cache.training:
            return dz * scale
        count = dz.dtype.type(dz.size // dz.shape[1])
        shared = (self.beta_slope[:, None, None] + x_hat * self.gamma_slope[:, None, None]) / count
        return scale * (dz - shared)
