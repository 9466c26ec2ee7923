"""Initial weights: their spread is the published one."""

import numpy as np
import pytest
import torch

from pellucid.errors import InvalidArgumentError
from pellucid.parts.initial import INITIAL_WEIGHTS, initial_weights

SHAPE = (300, 500)
TORCH = {
    "glorot_uniform": torch.nn.init.xavier_uniform_,
    "glorot_normal": torch.nn.init.xavier_normal_,
    "he_uniform": lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu"),
    "he_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu"),
    "lecun_uniform": lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="linear"),
    "lecun_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="linear"),
}


@pytest.mark.parametrize("scheme", TORCH)
def test_spread_and_shape_of_the_distribution_are_those_of_torch(scheme):
    torch.manual_seed(0)
    mine = initial_weights(scheme, SHAPE, "relu", np.random.default_rng(0))
    theirs = TORCH[scheme](torch.empty(SHAPE[::-1], dtype=torch.float64)).numpy()  # torch keeps W transposed
    assert mine.shape == SHAPE
    assert abs(mine.mean()) < 0.01 * mine.std()
    assert mine.std() == pytest.approx(theirs.std(), rel=0.01)
    assert (mine**4).mean() == pytest.approx((theirs**4).mean(), rel=0.04)
    if scheme.endswith("uniform"):
        assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.001)


@pytest.mark.parametrize(
    ("activation", "scheme"), [("relu", "he_uniform"), ("gelu", "he_uniform"), ("tanh", "glorot_uniform")]
)
def test_auto_suits_the_activation(activation, scheme):
    one, other = (initial_weights(s, (5, 4), activation, np.random.default_rng(3)) for s in ("auto", scheme))
    np.testing.assert_array_equal(one, other)


def test_uniform_is_from_zero_to_one():
    weights = initial_weights("uniform", SHAPE, "logistic", np.random.default_rng(0))
    assert 0 <= weights.min() < 0.001
    assert 0.999 < weights.max() < 1


def test_an_unknown_scheme_is_answered_with_those_there_are():
    with pytest.raises(InvalidArgumentError, match=f"initial_weights must be one of {', '.join(INITIAL_WEIGHTS)}"):
        initial_weights("ones", (2, 2), "relu", np.random.default_rng(0))
