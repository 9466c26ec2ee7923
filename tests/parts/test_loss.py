"""Losses by row, against torch and scikit-learn; their gradients are in ``tests/contracts``."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch.nn import functional as F  # torch's own way to write it

from pellucid.errors import InvalidArgumentError
from pellucid.parts.loss import LINKS, LOSSES, Loss, link_function

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(40, 5)) * 3
ONE_HOT = np.eye(5)[RNG.integers(0, 5, 40)]
BITS = RNG.integers(0, 2, (40, 5)).astype(float)
NUMBERS = RNG.normal(size=(40, 5)) * 2
z, one_hot, bits, numbers = map(torch.from_numpy, (Z, ONE_HOT, BITS, NUMBERS))


def focal(p_true, gamma):
    return -((1 - p_true) ** gamma) * torch.log(p_true)


TRUTH = {
    "cross-entropy": (Loss("log_loss", "softmax"), ONE_HOT, F.cross_entropy(z, one_hot, reduction="none")),
    "binary cross-entropy": (
        Loss("log_loss", "logistic"), BITS, F.binary_cross_entropy_with_logits(z, bits, reduction="none").sum(1),
    ),
    "squared error": (Loss("squared_error"), NUMBERS, F.mse_loss(z, numbers, reduction="none").sum(1) / 2),
    "sum of squares": (
        Loss("sum_of_squares", "logistic"), BITS, F.mse_loss(z.sigmoid(), bits, reduction="none").sum(1),
    ),
    "absolute error": (Loss("absolute_error"), NUMBERS, F.l1_loss(z, numbers, reduction="none").sum(1)),
    "huber": (Loss("huber", "identity", 0.7), NUMBERS, F.huber_loss(z, numbers, reduction="none", delta=0.7).sum(1)),
    "poisson": (
        Loss("poisson", "exp"), ONE_HOT,
        # torch leaves out what does not depend on z, and approximates it where asked
        (F.poisson_nll_loss(z, one_hot, reduction="none") + torch.special.xlogy(one_hot, one_hot) - one_hot).sum(1),
    ),
    "focal": (Loss("focal", "softmax", 1.5), ONE_HOT, focal((z.softmax(1) * one_hot).sum(1), 1.5)),
    "binary focal": (
        Loss("focal", "logistic", 1.5), BITS, focal(torch.where(bits > 0, z.sigmoid(), 1 - z.sigmoid()), 1.5).sum(1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUTH)
def test_the_loss_of_each_row_is_that_of_torch(name):
    loss, target, truth = TRUTH[name]
    np.testing.assert_allclose(loss.rows(Z, target), truth.numpy(), rtol=1e-10, atol=1e-13)


def test_focal_without_gamma_is_cross_entropy():
    for link, target in (("softmax", ONE_HOT), ("logistic", BITS)):
        np.testing.assert_allclose(Loss("focal", link, 0.0).rows(Z, target), Loss("log_loss", link).rows(Z, target))


def test_cross_entropy_is_scikit_learns():
    p = link_function("softmax", Z)
    assert Loss("log_loss", "softmax").rows(Z, ONE_HOT).mean() == pytest.approx(log_loss(ONE_HOT.argmax(1), p))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_stands_on_its_own_links_only(name):
    for link in LINKS.get(name, ("identity", "tanh")):
        assert Loss(name, link).link == link
    with pytest.raises(InvalidArgumentError, match=f"the output of loss '{name}' must be one of .*; got 'nothing'"):
        Loss(name, "nothing")


def test_an_unknown_loss_is_answered_with_those_there_are():
    with pytest.raises(InvalidArgumentError, match=r"loss must be one of squared_error, .*; got 'hinge'"):
        Loss("hinge")


def test_codes_are_all_different_and_only_the_sum_is_not_averaged():
    losses = [Loss(name, LINKS.get(name, ("identity",))[0]) for name in LOSSES]
    assert len({loss.code for loss in losses}) == len(LOSSES)
    assert [loss.name for loss in losses if not loss.averaged] == ["sum_of_squares"]
