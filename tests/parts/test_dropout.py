"""Dropout: who is silent, how much louder the others are, and the way back."""

import numpy as np
import torch

from pellucid.parts.dropout import Dropout


def test_the_share_of_silence_is_the_rate_and_the_mean_stays():
    x = np.ones((400, 500))
    y, mask = Dropout(0.3, np.random.default_rng(0)).forward(x, training=True)
    assert abs((y == 0).mean() - 0.3) < 0.005
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.7])
    assert abs(y.mean() - 1) < 0.01
    np.testing.assert_array_equal(y, mask)


def test_outside_training_nothing_happens():
    x = np.ones((3, 4))
    layer = Dropout(0.9, np.random.default_rng(0))
    y, cache = layer.forward(x)
    assert y is x
    assert layer.backward(x, cache) is x


def test_the_way_back_goes_through_the_same_mask_as_autograd_says():
    rng = np.random.default_rng(0)
    layer = Dropout(0.5, rng)
    x, dy = rng.normal(size=(6, 5)), rng.normal(size=(6, 5))
    _, mask = layer.forward(x, training=True)
    leaf = torch.tensor(x, requires_grad=True)
    (leaf * torch.tensor(mask)).backward(torch.tensor(dy))
    np.testing.assert_array_equal(layer.backward(dy, mask), leaf.grad.numpy())
