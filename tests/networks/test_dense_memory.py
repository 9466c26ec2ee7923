"""Modern Hopfield networks against torch's attention, and where the classic one fails."""

import numpy as np
import pytest
import torch

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.networks.dense_memory import DenseAssociativeMemory, attention
from pellucid.networks.hopfield import corrupted


def signs(shape, seed=0):
    return 2 * np.random.default_rng(seed).integers(0, 2, shape) - 1


@pytest.mark.parametrize("beta", [0.1, 1.0, 7.0])
def test_the_softmax_update_is_torchs_attention(beta):
    rng = np.random.default_rng(0)
    S, X = rng.normal(size=(5, 12)), rng.normal(size=(9, 12))
    q, k = torch.from_numpy(S), torch.from_numpy(X)
    wanted = torch.nn.functional.scaled_dot_product_attention(q, k, k, scale=beta).numpy()
    np.testing.assert_allclose(attention(S, X, beta), wanted, rtol=1e-12, atol=1e-12)
    model = DenseAssociativeMemory("softmax", beta=beta, max_iter=1).fit(X)
    np.testing.assert_allclose(model.predict(S), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parameters", [("polynomial", 3, 1.0), ("polynomial", 4, 1.0), ("exponential", 2, 30.0)])
def test_more_patterns_than_units_come_back_and_the_energy_falls(parameters):
    interaction, degree, beta = parameters
    X = signs((60, 50) if interaction == "exponential" or degree == 4 else (30, 50))
    model = DenseAssociativeMemory(interaction, degree=degree, beta=beta).fit(X)
    noisy = corrupted(X, 0.06, 0)
    assert model.score(noisy, X) >= 0.9
    energies = [model.energy(noisy[:1])[0]]
    for step in model.steps(noisy[0]):
        energies.append(model.energy(step.state[None].copy())[0])
        assert step.energy == pytest.approx(energies[-1])
    assert (np.diff(energies) <= 1e-12).all()


def test_the_softmax_energy_falls_to_a_pattern():
    X = np.random.default_rng(1).normal(size=(20, 30))
    model = DenseAssociativeMemory("softmax", beta=4.0).fit(X)
    start = X[3] + 0.3 * np.random.default_rng(2).normal(size=30)
    energies = [model.energy(start[None])[0], *(step.energy for step in model.steps(start))]
    assert (np.diff(energies) <= 1e-9).all()
    np.testing.assert_allclose(model.predict(start[None])[0], X[3], atol=1e-3)


def test_other_values_than_signs_are_refused_except_by_the_softmax():
    with pytest.raises(InvalidDataError, match=r"-1 or \+1 only, got 0.5 at row 0, column 1"):
        DenseAssociativeMemory().fit([[1, 0.5]])
    with pytest.raises(InvalidDataError, match="NaN at row 0, column 1"):
        DenseAssociativeMemory("softmax").fit([[1, np.nan]])


def test_an_exponential_beyond_all_numbers_is_refused():
    with pytest.raises(InvalidArgumentError, match=r"beta must be <= 700 .* got 701.0; use interaction='softmax'"):
        DenseAssociativeMemory("exponential", beta=701.0).fit(signs((3, 20)))
    model = DenseAssociativeMemory("exponential", beta=700.0).fit(signs((3, 20)))
    assert np.isfinite(model.energy(signs((3, 20)))).all()
