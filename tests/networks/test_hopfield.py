"""The Hopfield network against plain loops, exact enumeration, and what the theory promises."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.utils.estimator_checks import check_estimator

import pellucid
from pellucid.bench.peers import textbook_hopfield
from pellucid.data.letters import letters
from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError, PellucidWarning
from pellucid.learning.estimator import validated
from pellucid.networks import hopfield
from pellucid.networks.hopfield import HopfieldNetwork, corrupted, visiting_orders

RULES = ("hebb", "storkey", "pseudo_inverse")


def signs(shape, seed=0):
    return (2 * np.random.default_rng(seed).integers(0, 2, shape) - 1).astype(np.int8)


def fitted(X, rule="hebb", **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)
        return HopfieldNetwork(rule, **{"random_state": 0} | parameters).fit(X)


def by_hand(W, b, s, orders):
    """Run the definition with nothing kept: every field summed anew."""
    s = s.astype(float)
    for order in orders:
        before = s.copy()
        for i in order:
            h = sum(W[i, j] * s[j] for j in range(len(s))) + b[i]
            if abs(h) > 1e-9:
                s[i] = np.sign(h)
        if (s == before).all():
            return s
    raise AssertionError("did not come to rest")


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 25), st.integers(1, 9), st.integers(0, 10**6), st.sampled_from(RULES),
    st.sampled_from(("random", "cyclic")), st.booleans(),
)  # fmt: skip
def test_energy_never_rises_and_every_run_ends(N, P, seed, rule, order, biased):
    bias = np.random.default_rng(seed).normal(size=N) if biased else None
    model = fitted(signs((P, N), seed), rule, order=order, bias=bias, random_state=seed % 1000, max_iter=1000)
    start = signs((1, N), seed + 1)
    energies, states = [model.energy(start)[0]], []
    for step in model.steps(start[0]):
        states.append(step.state.copy())
        energies.append(model.energy(states[-1][None])[0])
        assert step.energy == pytest.approx(energies[-1], abs=1e-9)
    assert (np.diff(energies) <= 1e-12 * (1 + np.abs(energies[0]))).all()
    assert model.is_stable(states[-1][None]).all()
    np.testing.assert_array_equal(model.predict(start)[0], states[-1])


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(0, 10**6))
def test_energy_never_rises_with_any_symmetric_weights(N, seed):
    W = np.random.default_rng(seed).normal(size=(N, N))
    W = W + W.T
    np.fill_diagonal(W, 0)
    model = HopfieldNetwork.from_weights(W, random_state=seed % 1000)
    start = signs((1, N), seed)
    energies = [model.energy(start)[0], *(step.energy for step in model.steps(start[0]))]
    assert (np.diff(energies) <= 1e-12 * np.abs(W).sum()).all()
    # Its fixed points, by full enumeration, are the states that the definition says.
    every = np.array(list(product((-1, 1), repeat=N)))
    np.testing.assert_array_equal(model.is_stable(every), (every * (every @ W) >= -1e-12 * N).all(axis=1))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 200), st.integers(1, 150), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_the_factor_form_flips_as_the_matrix_form_does(N, P, seed, biased, near):
    X = signs((P, N), seed)
    bias = np.random.default_rng(seed).normal(size=N) if biased else None
    starts = corrupted(X[:5], 0.2, 1) if near else signs((5, N), seed + 1)
    found = [
        fitted(X, form=form, bias=bias, max_iter=1000, random_state=seed % 1000).settle(starts)
        for form in ("matrix", "factor")
    ]
    for of_matrix, of_factor in zip(*found, strict=True):
        np.testing.assert_array_equal(of_matrix, of_factor)


@pytest.mark.parametrize("form", ["matrix", "factor"])
@pytest.mark.parametrize("order", ["random", "cyclic"])
def test_states_are_those_of_a_plain_loop(form, order):
    X = signs((12, 60))
    model = fitted(X, form=form, order=order)
    W = X.T.astype(float) @ X
    np.fill_diagonal(W, 0)
    starts = signs((8, 60), 5)
    wanted = [by_hand(W, np.zeros(60), s, visiting_orders(60, model.seed_, order)) for s in starts]
    np.testing.assert_array_equal(model.predict(starts), wanted)
    peer = textbook_hopfield(W, starts, lambda: visiting_orders(60, model.seed_, order))
    np.testing.assert_array_equal(model.predict(starts), peer)


@pytest.mark.parametrize("rule", ["storkey", "pseudo_inverse"])
def test_states_of_real_weights_are_those_of_a_plain_loop(rule):
    bias = np.random.default_rng(3).normal(size=40) / 3
    model = fitted(signs((7, 40)), rule, bias=bias)
    starts = signs((6, 40), 9)
    wanted = [by_hand(model.weights_, bias, s, visiting_orders(40, model.seed_)) for s in starts]
    np.testing.assert_array_equal(model.predict(starts), wanted)


def test_hebbs_weights_are_the_sum_of_outer_products():
    X = signs((5, 30))
    W = sum(np.outer(x, x) for x in X.astype(float)) / 30
    np.fill_diagonal(W, 0)
    np.testing.assert_allclose(fitted(X).weights_, W, rtol=1e-15)
    np.testing.assert_allclose(fitted(X, form="factor").weights_, W, rtol=1e-15)
    np.testing.assert_allclose(fitted(X, form="factor").fields(X), X @ W, rtol=1e-12, atol=1e-12)


def test_storkeys_rule_is_his_equation():
    X, N = signs((4, 15)), 15
    W = np.zeros((N, N))
    for x in X.astype(float):
        new = W.copy()
        for i in range(N):
            for j in range(N):
                h_ij = sum(W[i, k] * x[k] for k in range(N) if k not in (i, j))
                h_ji = sum(W[j, k] * x[k] for k in range(N) if k not in (i, j))
                new[i, j] += (x[i] * x[j] - x[i] * h_ji - h_ij * x[j]) / N if i != j else 0
        W = new
    np.testing.assert_allclose(fitted(X, "storkey").weights_, W, atol=1e-14)


def test_the_pseudo_inverse_makes_every_pattern_a_fixed_point():
    model = fitted(letters(), "pseudo_inverse")
    assert model.is_stable(letters()).all()
    assert not fitted(letters()).is_stable(letters()).all()


@pytest.mark.parametrize("rule", RULES)
def test_partial_fit_stores_as_fit_does(rule):
    X = signs((6, 50))
    parts = fitted(X[:2], rule).partial_fit(X[2:3]).partial_fit(X[3:])
    np.testing.assert_allclose(parts.weights_, fitted(X, rule).weights_, atol=1e-14)
    np.testing.assert_array_equal(parts.patterns_, X)


def test_all_at_once_the_two_cycle_is_found_and_said():
    model = HopfieldNetwork.from_weights([[0, 1], [1, 0]], update="synchronous")
    with pytest.warns(PellucidWarning, match="1 of 2 rows take turns between two states .* use update='asynchronous'"):
        found = model.settle([[1, -1], [1, 1]])
    assert found.outcome.tolist() == ["cycle", "fixed"]
    *_, last = model.steps([1, -1])
    assert last.cycle


@pytest.mark.parametrize("form", ["matrix", "factor"])
def test_glauber_samples_the_boltzmann_distribution(form):
    """Visit by visit at T, the states of four units come as often as exp(-E / T) says (full enumeration)."""
    X, T = signs((2, 4), 1), 1.5
    model = fitted(X, form=form, update="stochastic", temperature=T, max_iter=30)
    every = np.array(list(product((-1, 1), repeat=4)))
    wanted = np.exp(-model.energy(every) / T)
    ends = model.predict(np.ones((20_000, 4)))
    counts = np.array([(ends == state).all(axis=1).sum() for state in every]) / len(ends)
    np.testing.assert_allclose(counts, wanted / wanted.sum(), atol=0.015)


def test_glauber_is_the_same_in_both_forms_and_in_the_steps():
    X, starts = signs((5, 60)), signs((3, 60), 1)
    both = [fitted(X, form=form, update="stochastic", temperature=0.7, max_iter=8) for form in ("matrix", "factor")]
    np.testing.assert_array_equal(both[0].predict(starts), both[1].predict(starts))
    *_, last = both[1].steps(starts[0])
    np.testing.assert_array_equal(last.state, both[0].predict(starts)[0])


def test_mixtures_and_inverses_are_told_apart():
    X = signs((7, 500))
    mixed = np.sign(X[0].astype(int) - X[1] + X[2])
    kinds = fitted(X).classify(np.array([X[3], -X[4], mixed, signs(500, 99)]))
    assert kinds.tolist() == ["stored", "inverse", "mixture", "other"]
    states, kinds, counts = fitted(X).fixed_points(50)
    assert counts.sum() == 50
    assert fitted(X).is_stable(states).all()
    assert {"stored", "inverse"} <= set(kinds)


def test_nought_and_one_are_taken_where_asked_for_and_given_back():
    X = signs((3, 40))
    binary = fitted((X + 1) // 2, states="binary")
    noisy = corrupted(X, 0.1, 0)
    np.testing.assert_array_equal(2 * binary.predict((noisy + 1) // 2) - 1, fitted(X).predict(noisy))
    assert binary.score((noisy + 1) // 2, (X + 1) // 2) == 1
    with pytest.raises(InvalidDataError, match=r"-1 or \+1 only, got 0 at row 1, column 2; set states='binary'"):
        HopfieldNetwork().fit([[1, 1, 1], [1, -1, 0]])


# -- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.nan, "X contains NaN at row 1, column 0"),
        (np.inf, "X contains infinity at row 1, column 0"),
        (1e300, r"X must hold -1 or \+1 only, got 1e\+300 at row 1, column 0"),
        (0.5, r"X must hold -1 or \+1 only, got 0.5 at row 1, column 0"),
    ],
)
def test_other_values_are_refused_by_their_place_and_nothing_changes(bad, message, picture):
    X = signs((3, 40)).astype(float)
    model = fitted(X)
    before = picture(model)
    X[1, 0] = bad
    for act in (model.fit, model.partial_fit, model.predict, model.energy):
        with pytest.raises(InvalidDataError, match=message):
            act(X)
    assert picture(model) == before


def test_a_row_of_the_wrong_length_is_refused():
    with pytest.raises(InvalidDataError, match=r"39 features.*40 features"):
        fitted(signs((3, 40))).predict(signs((1, 39)))


def test_a_load_beyond_the_capacity_warns_and_only_by_hebbs_rule():
    with pytest.warns(PellucidWarning, match=r"14 patterns in 100 units are more than .* 0.138 N = 13.8; use more"):
        HopfieldNetwork().fit(signs((14, 100)))
    HopfieldNetwork().fit(signs((13, 100)))
    HopfieldNetwork("pseudo_inverse").fit(signs((14, 100)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[0, 1], [2, 0]], "symmetric, got 1 at row 0, column 1 but 2 at row 1, column 0"),
        ([[0, 1], [1, 3]], "zero diagonal .* got 3 at row 1, column 1; use numpy.fill_diagonal"),
        ([[0, np.nan], [np.nan, 0]], "weights contains NaN at row 0, column 1"),
        ([[0, 1, 1]], r"square matrix \(N, N\), got the shape \(1, 3\)"),
    ],
)
def test_weights_by_hand_are_refused(weights, message):
    with pytest.raises(InvalidDataError, match=message):
        HopfieldNetwork.from_weights(weights)


@pytest.mark.parametrize(
    "parameters",
    [{"rule": "oja"}, {"update": "x"}, {"order": 3}, {"temperature": 0}, {"max_iter": 0}, {"form": "x"},
     {"bias": [1.0]}, {"states": "01"}, {"rule": "storkey", "form": "factor"}],
)  # fmt: skip
def test_parameters_are_refused_by_name(parameters):
    with pytest.raises(InvalidArgumentError, match=list(parameters)[-1]):
        HopfieldNetwork(**parameters).fit(signs((2, 30)))


def test_every_kind_of_memory_gives_the_same(tmp_path):
    X = signs((4, 30))
    wanted = fitted(X).predict(signs((5, 30), 1))
    np.save(tmp_path / "x.npy", X)
    for given_as in (
        np.load(tmp_path / "x.npy", mmap_mode="r"), np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2],
        X.astype(">f8"), X.astype(np.float16), X.astype(np.int8), csr_matrix(X), pd.DataFrame(X), X.tolist(),
    ):  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            np.testing.assert_array_equal(fitted(given_as).predict(signs((5, 30), 1)), wanted)


def test_ctrl_c_while_storing_leaves_what_was_stored(monkeypatch):
    real, calls = hopfield.storkey, []

    def interrupted(W, x):
        calls.append(x)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(W, x)

    monkeypatch.setattr(hopfield, "storkey", interrupted)
    X = signs((5, 40))
    with pytest.warns(PellucidWarning, match="holds the first 2 patterns, and is usable"):
        model = HopfieldNetwork("storkey", random_state=0).fit(X)
    monkeypatch.undo()
    np.testing.assert_array_equal(model.weights_, fitted(X[:2], "storkey").weights_)


@pytest.mark.parametrize("parameters", [{}, {"form": "factor"}, {"rule": "storkey"}, {"bias": np.arange(30.0) / 99}])
def test_a_saved_network_recalls_the_same(parameters, tmp_path):
    model = fitted(signs((4, 30)), **parameters)
    pellucid.save(model, tmp_path / "m.pellucid")
    again = pellucid.load(tmp_path / "m.pellucid")
    starts = signs((9, 30), 4)
    np.testing.assert_array_equal(again.predict(starts), model.predict(starts))
    np.testing.assert_array_equal(again.energy(starts), model.energy(starts))
    assert again.form_ == model.form_


class OfSigns(HopfieldNetwork):
    """The checks feed any numbers and labels: here the numbers become their signs, and labels are no patterns."""

    def _bipolar(self, X, *, reset):
        X = validated(self, X, "float64", reset=reset)
        return super()._bipolar(np.where(X > 0, 1, -1), reset=False)

    def score(self, X, y=None):
        states = self.predict(X)
        return float(self.is_stable(states).mean())


@pytest.mark.filterwarnings("ignore::pellucid.errors.PellucidWarning")
@pytest.mark.parametrize("parameters", [{}, {"form": "factor"}, {"rule": "storkey"}, {"update": "synchronous"}])
def test_scikit_learns_checks_pass_where_they_apply(parameters):
    # Recalled patterns are (n, N), where these two ask for one number a row.
    apart = dict.fromkeys(("check_estimator_sparse_array", "check_estimator_sparse_matrix"), "predict gives patterns")
    results = check_estimator(OfSigns(**parameters), on_skip=None, on_fail=None, expected_failed_checks=apart)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] == "failed"]
    assert failed == []
    assert len(results) > 35


def test_any_two_letters_differ_in_six_pixels_at_least():
    X = letters()
    apart = (X[:, None] != X[None]).sum(axis=2)
    np.fill_diagonal(apart, 100)
    assert X.shape == (26, 100)
    assert apart.min() >= 6


def test_the_rule_of_stored_patterns_stays_theirs(tmp_path):
    X = np.sign(np.random.default_rng(0).normal(size=(4, 60)))
    network = HopfieldNetwork(random_state=0).fit(X)
    before = network.weights_.copy()
    network.set_params(rule="storkey")
    np.testing.assert_array_equal(network.weights_, before)
    with pytest.raises(InvalidArgumentError, match=r"rule must stay 'hebb', .* got 'storkey'"):
        network.partial_fit(X[:1])
    assert network.fit(X).rule_ == "storkey"


def test_a_bias_on_the_very_edge_decides_alike_in_both_forms_and_in_the_steps():
    X, starts = signs((9, 60)), signs((4, 60), 3)
    rng = np.random.default_rng(5)
    for bias in (rng.integers(-9, 10, 60) / 60, rng.integers(-9, 10, 60) / 120, rng.normal(size=60) * 1e6):
        found = [fitted(X, form=form, bias=bias).predict(starts) for form in ("matrix", "factor")]
        np.testing.assert_array_equal(*found)
        *_, last = fitted(X, bias=bias).steps(starts[0])
        np.testing.assert_array_equal(last.state, found[0][0])


def test_fields_too_large_for_16_bits_recall_as_the_factor_form_does():
    X = np.repeat(signs((1, 300)), 300, axis=0)  # every field is 300 x 299
    starts = corrupted(X[:3], 0.3, 0)
    np.testing.assert_array_equal(*(fitted(X, form=form).predict(starts) for form in ("matrix", "factor")))


def test_the_form_is_chosen_from_units_and_patterns():
    assert fitted(signs((10, 980))).form_ == "matrix"
    model = fitted(signs((10, 981)))
    assert model.form_ == "factor"
    assert model.partial_fit(signs((1, 981), 1)).form_ == "matrix"
    np.testing.assert_array_equal(model.patterns_[:10], signs((10, 981)))
    assert model.is_stable(model.patterns_).all()


def test_random_orders_are_drawn_for_sixteen_sweeps_and_then_taken_in_turn():
    orders = visiting_orders(50, 3)
    drawn = [next(orders) for _ in range(40)]
    assert len({order.tobytes() for order in drawn}) == 16
    np.testing.assert_array_equal(drawn[16:32], drawn[:16])
    assert all((np.sort(order) == np.arange(50)).all() for order in drawn)


def test_a_file_sets_no_attribute_that_a_network_does_not_keep():
    entries, arrays = fitted(signs((4, 30))).to_file()
    entries["attributes"]["predict"] = 3
    with pytest.raises(ModelFileError, match="attribute 'predict', which a HopfieldNetwork does not have"):
        HopfieldNetwork.from_file(entries, arrays)


def test_a_single_share_is_refused_for_a_basin():
    with pytest.raises(InvalidArgumentError, match=r"shares must be a list of numbers .* got 0.1; use \[0.1\]"):
        fitted(signs((4, 30))).basin(0.1)


def test_named_columns_are_asked_for_once_and_never_by_inner_calls():
    X = pd.DataFrame(signs((3, 40)), columns=[f"unit {i}" for i in range(40)])
    model = HopfieldNetwork(random_state=0).fit(X)  # warnings are errors
    bare = HopfieldNetwork(random_state=0).fit(X.to_numpy())
    np.testing.assert_array_equal(model.basin([0.0, 0.3], 2), bare.basin([0.0, 0.3], 2))
    for named, unnamed in zip(model.fixed_points(20), bare.fixed_points(20), strict=True):
        np.testing.assert_array_equal(named, unnamed)
    *_, last = model.steps(X[:1])
    assert last.energy == model.trace(X[:1])["rest_energy"] == model.energy(X[:1])[0]
    for act in (model.steps, model.trace):
        with pytest.raises(InvalidDataError, match=r"x must be one state \(N,\), got 2 rows; take them one by one"):
            act(X[:2])


def test_basins_and_fixed_points_are_those_of_recall_in_nought_and_one_too():
    X = signs((4, 60))
    bipolar, binary = fitted(X), fitted((X + 1) // 2, states="binary")
    states, kinds, counts = bipolar.fixed_points(40, 5)
    same, same_kinds, same_counts = binary.fixed_points(40, 5)
    np.testing.assert_array_equal(same, (states + 1) // 2)
    np.testing.assert_array_equal(same_kinds, kinds)
    np.testing.assert_array_equal(same_counts, counts)
    np.testing.assert_array_equal(binary.basin([0.1, 0.4], 3), bipolar.basin([0.1, 0.4], 3))
    generator = np.random.RandomState(0)
    wanted = [bipolar.score(corrupted(np.repeat(X, 3, axis=0), share, generator), np.repeat(X, 3, axis=0))
              for share in (0.1, 0.4)]  # fmt: skip
    np.testing.assert_array_equal(bipolar.basin([0.1, 0.4], 3), wanted)


def test_weights_and_biases_too_large_for_a_finite_energy_are_refused():
    W = np.full((200, 200), 1e307)
    np.fill_diagonal(W, 0)
    with pytest.raises(InvalidDataError, match=r"weights must leave the energy finite, got values up to 1e\+307"):
        HopfieldNetwork.from_weights(W)
    with pytest.raises(InvalidArgumentError, match=r"bias must leave the energy finite, got values up to 1e\+308"):
        HopfieldNetwork(bias=np.full(40, 1e308)).fit(signs((3, 40)))
    W = np.array([[0, 1e300], [1e300, 0]])
    assert np.isfinite(HopfieldNetwork.from_weights(W).energy([[1, 1]])).all()


def test_runs_that_stop_before_their_rest_say_so():
    X = signs((9, 60))
    with pytest.warns(PellucidWarning, match=r"3 of 3 rows still changed at the end .*1 sweeps\); raise max_iter"):
        found = fitted(X, max_iter=1).settle(signs((3, 60), 4))
    assert found.outcome.tolist() == ["unsettled"] * 3


def test_storkey_and_the_pseudo_inverse_hold_more_than_hebb():
    X = signs((60, 100))
    stable = [fitted(X, rule).is_stable(X).mean() for rule in RULES]
    assert stable[0] < stable[1] < stable[2] == 1


def test_random_orders_follow_the_seed():
    X, starts = signs((12, 60)), signs((30, 60), 5)
    first, again, other = (fitted(X, random_state=seed).predict(starts) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_frames_of_polars_recall_the_same():
    polars = pytest.importorskip("polars")
    X = signs((4, 30))
    frame = polars.DataFrame(X, schema=[f"unit {i}" for i in range(30)])
    np.testing.assert_array_equal(fitted(frame).predict(frame), fitted(X).predict(X))
