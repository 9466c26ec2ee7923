"""Modern Hopfield networks against torch's attention, and where the classic one fails."""

import numpy as np
import pandas as pd
import pytest
import torch

import pellucid
from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError
from pellucid.networks.dense_memory import DenseAssociativeMemory, attention, soft_maximum
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


@pytest.mark.parametrize("interaction", ["exponential", "softmax"])
@pytest.mark.parametrize("beta", [5e-324, 1e-300, 1e-9, 1.0, 701.0, 1e6, 1e12, 9e18])
def test_every_finite_beta_gives_finite_energies(interaction, beta):
    X = signs((5, 20))
    model = DenseAssociativeMemory(interaction, beta=beta).fit(X)
    rests = model.predict(corrupted(X, 0.05, 0))
    for values in (rests, model.energy(X), model.fields(X), model.energy(rests)):
        assert np.isfinite(values).all()
    if beta > 700:
        np.testing.assert_array_equal(rests, X)
    for step in model.steps(X[0]):
        assert np.isfinite(step.energy)


@pytest.mark.parametrize("beta", [1e-12, 0.01, 1.0, 30.0, 5000.0])
def test_the_soft_maximum_is_its_formula_in_many_digits(beta):
    mpmath = pytest.importorskip("mpmath")
    A = np.random.default_rng(0).normal(size=(4, 6))
    with mpmath.workdps(60):
        for found, row in zip(soft_maximum(A, beta), A, strict=True):
            mean = sum(mpmath.exp(mpmath.mpf(beta) * mpmath.mpf(float(a))) for a in row) / 6
            assert found == pytest.approx(float(mpmath.log(mean) / mpmath.mpf(beta)), rel=1e-12, abs=1e-14)


def test_the_exponential_flips_as_the_plain_sum_of_exponentials_does():
    X = signs((60, 50))
    model = DenseAssociativeMemory("exponential", beta=30.0).fit(X)
    s = corrupted(X[:1], 0.2, 0)[0]
    plain = s.copy()
    for step in model.steps(s):
        energies = []
        for sign in (1, -1):
            plain[step.unit] = sign
            energies.append(-np.exp(30 * (X @ plain) / 50).sum())
        plain[step.unit] = 1 if energies[0] < energies[1] else -1
        np.testing.assert_array_equal(step.state, plain)


MEMORIES = [("polynomial", 3, 1.0), ("polynomial", 4, 1.0), ("exponential", 2, 30.0), ("softmax", 2, 0.5)]


@pytest.mark.parametrize("parameters", MEMORIES)
def test_a_trace_shows_overlaps_fields_energy_and_the_rest(parameters):
    interaction, degree, beta = parameters
    X = signs((4, 30))
    model = DenseAssociativeMemory(interaction, degree=degree, beta=beta).fit(X)
    x = corrupted(X[:1], 0.1, 0)
    trace = model.trace(x[0])
    share = 1 if interaction == "softmax" else 30
    np.testing.assert_allclose(trace["overlaps"], X @ x[0] / share, rtol=1e-12)
    np.testing.assert_array_equal(trace["field"], model.fields(x)[0])
    np.testing.assert_array_equal(trace["rest"], model.predict(x)[0])
    assert trace["energy"] == model.energy(x)[0]
    assert trace["rest_energy"] == model.energy(model.predict(x))[0] < trace["energy"]
    if interaction == "softmax":
        np.testing.assert_allclose(trace["attention"] @ X, trace["field"], rtol=1e-12)
        assert trace["attention"].sum() == pytest.approx(1)
    assert "E at the rest" in str(trace)


@pytest.mark.parametrize("parameters", MEMORIES)
def test_fields_are_those_of_the_visits_and_a_rest_is_stable(parameters):
    interaction, degree, beta = parameters
    X = signs((4, 30))
    model = DenseAssociativeMemory(interaction, degree=degree, beta=beta).fit(X)
    noisy = corrupted(X, 0.2, 0)
    first = next(model.steps(noisy[0]))
    seen, wanted = (first.state, slice(None)) if interaction == "softmax" else (first.field, first.unit)
    np.testing.assert_allclose(seen, model.fields(noisy)[0][wanted], rtol=1e-9)
    assert model.is_stable(model.predict(noisy)).all()
    assert not model.is_stable(noisy).any()


@pytest.mark.parametrize("parameters", MEMORIES)
def test_a_saved_memory_recalls_the_same(parameters, tmp_path):
    interaction, degree, beta = parameters
    X = pd.DataFrame(signs((5, 30)), columns=[f"unit {i}" for i in range(30)])
    model = DenseAssociativeMemory(interaction, degree=degree, beta=beta, max_iter=7).fit(X)
    pellucid.save(model, tmp_path / "m.pellucid")
    again = pellucid.load(tmp_path / "m.pellucid")
    assert again.get_params() == model.get_params()
    assert again.feature_names_in_.tolist() == X.columns.tolist()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    np.testing.assert_array_equal(again.energy(X), model.energy(X))


def test_a_file_of_other_entries_is_refused():
    entries, arrays = DenseAssociativeMemory().fit(signs((3, 20))).to_file()
    make = DenseAssociativeMemory.from_file
    with pytest.raises(ModelFileError, match="attribute 'predict', which a DenseAssociativeMemory does not have"):
        make(entries | {"attributes": entries["attributes"] | {"predict": 3}}, arrays)
    with pytest.raises(ModelFileError, match=r"shape \(3, 19\), but its parameters ask for \(3, 20\)"):
        make(entries, {"patterns": arrays["patterns"][:, 1:]})
    with pytest.raises(ModelFileError, match="holds an array 'more'"):
        make(entries, arrays | {"more": np.ones(2)})
    with pytest.raises(InvalidDataError, match=r"-1 or \+1 only, got 2 at row 0, column 0"):
        make(entries, {"patterns": np.full((3, 20), 2.0)})
    with pytest.raises(InvalidArgumentError, match="beta must be a finite number > 0, got -1"):
        make(entries | {"parameters": entries["parameters"] | {"beta": -1.0}}, arrays)


@pytest.mark.parametrize("interaction", ["polynomial", "softmax"])
def test_named_columns_are_asked_for_once_and_never_by_inner_calls(interaction):
    X = pd.DataFrame(signs((4, 20)), columns=[f"unit {i}" for i in range(20)])
    model = DenseAssociativeMemory(interaction, beta=9.0).fit(X)  # warnings are errors
    assert model.score(X) == model.score(X, X) == 1
    assert model.is_stable(X).all()
    assert list(model.steps(X[:1]))[-1].energy <= model.energy(X[:1])[0]
    np.testing.assert_allclose(model.trace(X[1:2])["rest"], X.iloc[1], atol=1e-6)
    with pytest.raises(InvalidDataError, match=r"x must be one state \(N,\), got 2 rows"):
        model.trace(X[:2])


def test_partial_fit_stores_beside_what_is_stored():
    X = signs((6, 30))
    parts = DenseAssociativeMemory().partial_fit(X[:2]).partial_fit(X[2:])
    np.testing.assert_array_equal(parts.patterns_, X)
    assert parts.n_patterns_ == 6
    with pytest.raises(InvalidDataError, match="29 features"):
        parts.partial_fit(X[:, 1:])
    assert parts.n_patterns_ == 6


def test_states_too_large_for_their_overlaps_are_refused():
    with pytest.raises(InvalidDataError, match=r"X at row 0, with values up to 1e\+300, drives .* beyond the finite"):
        DenseAssociativeMemory("softmax").fit(np.full((2, 3), 1e300))
    model = DenseAssociativeMemory("softmax").fit(np.full((2, 3), 1e150))
    for act in (model.predict, model.energy, model.fields):
        with pytest.raises(InvalidDataError, match=r"X at row 1, with values up to 1e\+300"):
            act(np.array([[0, 0, 0], [1e300, 0, 0]]))
    for kept in (model.predict(np.zeros((1, 3))), model.energy(np.zeros((1, 3)))):
        assert np.isfinite(kept).all()


@pytest.mark.parametrize("parameters", [("polynomial", {"degree": 2}), ("exponential", {"beta": 20.0})])
def test_its_valleys_are_named_as_those_of_the_classic_network_are(parameters):
    interaction, settings = parameters
    X = signs((3, 60))
    model = DenseAssociativeMemory(interaction, **settings).fit(X)
    mixed = np.sign(X[0] - X[1] + X[2])
    assert model.classify([X[0], -X[1], mixed, signs(60, 99)]).tolist() == ["stored", "inverse", "mixture", "other"]
    states, kinds, counts = model.fixed_points(60)
    assert counts.sum() == 60
    assert model.is_stable(states).all()
    assert set(kinds) == ({"stored"} if interaction == "exponential" else {"stored", "inverse", "mixture"})
    generator = np.random.RandomState(0)
    wanted = [model.score(corrupted(np.repeat(X, 2, axis=0), share, generator), np.repeat(X, 2, axis=0))
              for share in (0.1, 0.45)]  # fmt: skip
    np.testing.assert_array_equal(model.basin([0.1, 0.45], 2), wanted)


def test_the_softmax_has_no_valleys_of_signs():
    model = DenseAssociativeMemory("softmax").fit(signs((3, 20)))
    for act in (lambda: model.classify(signs((1, 20))), model.fixed_points, lambda: model.basin([0.1])):
        with pytest.raises(InvalidArgumentError, match=r"'polynomial' or 'exponential' .* got 'softmax'; trace"):
            act()
