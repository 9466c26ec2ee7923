"""Convolution, pooling and batch normalisation forwards and backwards, against autograd in float64."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pellucid.parts.activation import Activation
from pellucid.parts.conv import AveragePool2d, BatchNorm2d, Conv2d, Flatten, MaxPool2d, Unflatten

CASES = 320
ACTIVATIONS = {"identity": lambda z: z, "relu": F.relu, "tanh": torch.tanh, "silu": F.silu}


def close(mine, truth, tolerance=1e-10):
    truth = truth.detach().numpy() if isinstance(truth, torch.Tensor) else truth
    assert mine.shape == truth.shape
    assert np.abs(mine - truth).max(initial=0) <= tolerance * max(1, np.abs(truth).max(initial=0))


def random_convolution(rng):
    """A layer of random sizes with an image that its kernel fits into: (layer, x)."""
    groups = int(rng.choice([1, 1, 2, 3]))
    n, channels, out = int(rng.integers(1, 5)), groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel, stride, padding = (
        tuple(int(v) for v in rng.integers(*low_high, 2)) for low_high in ((1, 6), (1, 4), (0, 3))
    )
    sides = [max(1, k - 2 * p) + int(rng.integers(0, 6)) for k, p in zip(kernel, padding, strict=True)]
    weight, bias = rng.normal(size=(out, channels // groups, *kernel)), rng.normal(size=out)
    biased = bool(rng.integers(4))
    layer = Conv2d(
        weight, bias if biased else None, np.full_like(weight, np.nan), np.full_like(bias, np.nan) if biased else None,
        Activation.named(str(rng.choice(list(ACTIVATIONS)))), stride, padding, groups,
    )  # fmt: skip
    return layer, rng.normal(size=(n, channels, *sides))


def test_convolution_is_that_of_autograd():
    shapes = set()
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        layer, x = random_convolution(rng)
        y, cache = layer.forward(x, training=True)
        leaves = [torch.tensor(a, requires_grad=True) for a in (x, layer.weight)]
        bias = None if layer.bias is None else torch.tensor(layer.bias, requires_grad=True)
        z = F.conv2d(*leaves, bias, layer.stride, layer.padding, 1, layer.groups)
        truth = ACTIVATIONS[layer.activation.name](z)
        close(y, truth)
        dy = rng.normal(size=y.shape)
        truth.backward(torch.tensor(dy))
        close(layer.backward(dy, cache), leaves[0].grad)
        close(layer.weight_slope, leaves[1].grad)
        if bias is not None:
            close(layer.bias_slope, bias.grad)
        shapes.add((x.shape, layer.weight.shape, layer.stride, layer.padding, layer.groups))
    assert len(shapes) >= 300


@pytest.mark.parametrize(("kind", "of_torch"), [(MaxPool2d, F.max_pool2d), (AveragePool2d, F.avg_pool2d)])
def test_pooling_is_that_of_autograd(kind, of_torch):
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        size, stride = (tuple(int(v) for v in rng.integers(1, 5, 2)) for _ in range(2))
        padding = tuple(int(rng.integers(0, side // 2 + 1)) for side in size)
        sides = [side + int(rng.integers(0, 7)) for side in size]
        x = rng.normal(size=(int(rng.integers(1, 4)), int(rng.integers(1, 4)), *sides))
        x = np.round(x, 0 if seed % 4 == 0 else 9)  # with ties
        layer = kind(size, stride, padding)
        y, cache = layer.forward(x)
        leaf = torch.tensor(x, requires_grad=True)
        truth = of_torch(leaf, size, stride, padding)
        close(y, truth)
        dy = rng.normal(size=y.shape)
        truth.backward(torch.tensor(dy))
        close(layer.backward(dy, cache), leaf.grad)


def test_each_maximum_is_where_its_source_says():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 7, 8))
    y, cache = MaxPool2d((3, 2), (2, 2), (1, 1)).forward(x)
    rows = x.reshape(2, 3, -1)
    found = np.take_along_axis(rows, cache.source.reshape(2, 3, -1), axis=2)
    np.testing.assert_array_equal(found.reshape(y.shape), y)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_batch_normalisation_is_that_of_autograd(name, training):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        channels = int(rng.integers(1, 5))
        x = 3 + 2 * rng.normal(size=(int(rng.integers(2, 6)), channels, 3, int(rng.integers(1, 5))))
        gamma, beta, mean = rng.normal(size=(3, channels))
        variance = rng.uniform(0.5, 2, channels)
        running = torch.tensor(mean), torch.tensor(variance)
        leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
        truth = ACTIVATIONS[name](F.batch_norm(leaves[0], *running, *leaves[1:], training=training))
        layer = BatchNorm2d(
            gamma, beta, np.empty_like(gamma), np.empty_like(beta), mean, variance, Activation.named(name)
        )  # fmt: skip
        y, cache = layer.forward(x, training)
        close(y, truth)
        for mine, theirs in zip((mean, variance), running, strict=True):
            close(mine, theirs)
        dy = rng.normal(size=y.shape)
        truth.backward(torch.tensor(dy))
        close(layer.backward(dy, cache), leaves[0].grad)
        close(layer.gamma_slope, leaves[1].grad)
        close(layer.beta_slope, leaves[2].grad)


def test_flatten_and_unflatten_are_each_others_way_back():
    x = np.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    rows, cache = Flatten().forward(x)
    np.testing.assert_array_equal(rows, x.reshape(2, 60))
    np.testing.assert_array_equal(Flatten().backward(rows, cache), x)
    images, _ = Unflatten((3, 4, 5)).forward(rows)
    np.testing.assert_array_equal(images, x)
    np.testing.assert_array_equal(Unflatten((3, 4, 5)).backward(images, None), rows)
