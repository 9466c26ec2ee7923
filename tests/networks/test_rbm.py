"""The restricted Boltzmann machine against full enumeration, finite differences and its own promises."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_matrix
from sklearn.utils.estimator_checks import check_estimator

import pellucid
from pellucid import BernoulliRBM, GaussianRBM
from pellucid.errors import DivergenceError, InvalidArgumentError, InvalidDataError, ModelFileError, PellucidWarning
from pellucid.networks import rbm
from pellucid.networks.rbm import deep_belief_net, gradient


class OfAnyInput(BernoulliRBM):
    """scikit-learn's checks feed Gaussian data: here it is pressed into [0, 1] first."""

    def _visible(self, X, dtype, *, reset):
        from pellucid.learning.estimator import validated

        return validated(self, 1 / (1 + np.exp(-np.clip(validated(self, X, dtype, reset=reset), -30, 30))), dtype,
                         reset=False)  # fmt: skip


@pytest.fixture
def bits():
    """Sixty rows of six bits that go in pairs."""
    rng = np.random.default_rng(0)
    return np.repeat(rng.random((60, 3)) < 0.5, 2, axis=1).astype(np.float64)


def fitted(bits, kind=BernoulliRBM, **kw):
    return kind(**{"n_components": 4, "n_iter": 30, "random_state": 0, "dtype": "float64"} | kw).fit(bits)


def energies(model):
    """Return every (v, h) and -E(v, h), from the definition, by loops."""
    W, b, c = model.components_, model.intercept_visible_, model.intercept_hidden_
    for v in itertools.product((0.0, 1.0), repeat=len(b)):
        for h in itertools.product((0.0, 1.0), repeat=len(c)):
            yield np.array(v), np.array(h), b @ v + c @ h + h @ W @ np.array(v)


@pytest.mark.parametrize("estimator", [OfAnyInput(n_components=5), GaussianRBM(n_components=5, learning_rate=0.001)])
def test_estimator_passes_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] not in {"passed", "skipped"}]
    assert failed == []
    assert len(results) >= 47


@pytest.mark.parametrize("n_components", [4, 9])
def test_log_z_is_that_of_full_enumeration(bits, n_components):
    model = fitted(bits, n_components=n_components)
    assert model.exact_log_z() == pytest.approx(np.log(sum(np.exp(e) for _, _, e in energies(model))), abs=1e-10)


def test_the_gradient_is_the_slope_of_the_exact_log_likelihood(bits):
    model = fitted(bits)
    states = np.array(list(itertools.product((0.0, 1.0), repeat=6)))
    shares = np.exp(-model.free_energy(states) - model.exact_log_z())
    assert shares.sum() == pytest.approx(1, abs=1e-10)
    W, c = model.components_.copy(), model.intercept_hidden_.copy()
    # By enumeration of pairs (v, h): <h vᵀ> of the model; of the data by P(h | v) counted, not by the logistic.
    z, expected, means_v, means_h = 0.0, np.zeros_like(W), np.zeros(6), np.zeros(4)
    by_v = {}
    for v, h, e in energies(model):
        p = np.exp(e)
        z, expected, means_v, means_h = z + p, expected + p * np.outer(h, v), means_v + p * v, means_h + p * h
        mass, mean = by_v.get(tuple(v), (0.0, 0.0))
        by_v[tuple(v)] = (mass + p, mean + p * h)
    hidden = np.array([by_v[tuple(v)][1] / by_v[tuple(v)][0] for v in bits])
    found = gradient(bits, states, W, c, shares)
    np.testing.assert_allclose(found[0], hidden.T @ bits / 60 - expected / z, atol=1e-10)
    np.testing.assert_allclose(found[1], bits.mean(0) - means_v / z, atol=1e-10)
    np.testing.assert_allclose(found[2], hidden.mean(0) - means_h / z, atol=1e-10)

    def log_likelihood(flat):
        model.components_[:] = flat.reshape(W.shape)
        return float(-model.free_energy(bits).mean() - model.exact_log_z())

    np.testing.assert_allclose(approx_fprime(W.ravel(), log_likelihood, 1e-6), found[0].ravel(), atol=1e-5)


def test_the_pseudo_likelihood_is_that_of_the_conditionals(bits):
    model = fitted(bits)
    mass = {}
    for v, _, e in energies(model):
        mass[tuple(v)] = mass.get(tuple(v), 0.0) + np.exp(e)
    for v, score in zip(bits[:5], model.score_samples(bits[:5]), strict=True):
        total = 0.0
        for i in range(6):
            other = v.copy()
            other[i] = 1 - other[i]
            total += np.log(mass[tuple(v)] / (mass[tuple(v)] + mass[tuple(other)]))
        assert score == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("kind", [BernoulliRBM, GaussianRBM])
def test_annealed_sampling_is_within_its_error(bits, kind):
    model = fitted(bits, kind, learning_rate=0.02)
    found, error = model.ais_log_z(400, 500)
    assert 0 < error < 0.1
    assert abs(found - model.exact_log_z()) < 4 * error


def test_one_batch_of_pcd_changes_the_weights_by_rate_times_the_two_outer_products(bits):
    model = BernoulliRBM(4, random_state=0, dtype="float64", learning_rate=0.3)
    for step in itertools.islice(model.steps(bits), 4):
        np.testing.assert_allclose(step.change, 0.3 * (step.outer_positive - step.outer_negative), atol=1e-14)
        assert set(np.unique(step.v_negative)) <= {0.0, 1.0}


@pytest.mark.parametrize("kw", [{}, {"algorithm": "cd", "k": 2}, {"momentum": 0.5, "schedule": "cosine"}])
def test_fit_steps_and_a_saved_machine_agree_to_the_bit(bits, kw, tmp_path):
    model = fitted(bits, n_iter=3, **kw)
    watched = BernoulliRBM(**model.get_params())
    for _ in watched.steps(bits):
        pass
    np.testing.assert_array_equal(model.components_, watched.components_)
    pellucid.save(model, tmp_path / "m")
    again = pellucid.load(tmp_path / "m")
    np.testing.assert_array_equal(again.partial_fit(bits).components_, model.partial_fit(bits).components_)


def test_the_model_learns_the_pairs(bits):
    model = fitted(bits, n_components=8, n_iter=1000, learning_rate=0.1, k=5, schedule="cosine")
    assert (-model.free_energy(bits) - model.exact_log_z()).mean() > -2.4  # uniform: -4.16; these three bits: -2.08
    drawn = model.sample(200, 200)
    assert np.mean(drawn[:, ::2] == drawn[:, 1::2]) > 0.9


@pytest.mark.parametrize("value", [-5.0, 1.5, 1e300, np.nan, np.inf])
def test_input_outside_the_unit_interval_is_refused_by_place(bits, value):
    bits[3, 2] = value
    model = BernoulliRBM(4, dtype="float64")
    with pytest.raises(InvalidDataError, match="row 3, column 2"):
        model.fit(bits)
    assert not hasattr(model, "components_")


def test_a_divergence_names_epoch_and_rate_and_keeps_finite_weights():
    X = np.random.default_rng(0).normal(size=(50, 5))
    model = GaussianRBM(4, learning_rate=1e3, random_state=0, n_iter=100)
    with pytest.raises(DivergenceError, match=r"epoch \d+ at learning rate 1000"):
        model.fit(X)
    assert np.isfinite(model.components_).all()


def test_ctrl_c_leaves_the_last_whole_epoch(bits, monkeypatch):
    whole = fitted(bits, n_iter=2)
    monkeypatch.setattr(rbm, "CHUNK", 6 * 10 * 24 * 5)  # an epoch a call
    advance, calls = BernoulliRBM._advance, []

    def interrupted(self, X, first, last):
        rate = advance(self, X, first, last)
        calls.append(0)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return rate

    monkeypatch.setattr(BernoulliRBM, "_advance", interrupted)
    with pytest.warns(PellucidWarning, match="after epoch 2"):
        model = fitted(bits, n_iter=5)
    np.testing.assert_array_equal(model.components_, whole.components_)


@pytest.mark.parametrize("chunk", [1, 6 * 10 * 24 * 5, 20 * 10 * 24 * 5, 10**9])
@pytest.mark.parametrize("kw", [{}, {"algorithm": "cd"}, {"batch_size": 7, "schedule": "cosine", "momentum": 0.5}])
def test_how_a_fit_is_cut_into_calls_changes_nothing(bits, monkeypatch, chunk, kw):
    usual = fitted(bits, n_iter=11, **kw)
    monkeypatch.setattr(rbm, "CHUNK", chunk)
    cut = fitted(bits, n_iter=11, **kw)
    assert cut.n_iter_ == 11
    for name in ("components_", "intercept_visible_", "h_samples_"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(usual, name))


@pytest.mark.parametrize("chunk", [1, 10**9])
def test_the_epoch_of_a_divergence_is_found_whether_or_not_epochs_share_a_call(monkeypatch, chunk):
    X = np.random.default_rng(0).normal(size=(50, 5))
    monkeypatch.setattr(rbm, "CHUNK", chunk)
    model = GaussianRBM(4, learning_rate=3.0, random_state=0, n_iter=100)
    with pytest.raises(DivergenceError, match=r"epoch \d+ at") as raised:
        model.fit(X)
    epoch = int(str(raised.value).split("epoch ")[1].split()[0])
    assert epoch == model.n_iter_ + 1 > 2
    before = GaussianRBM(4, learning_rate=3.0, random_state=0, n_iter=model.n_iter_).fit(X)
    np.testing.assert_array_equal(model.components_, before.components_)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


@pytest.mark.parametrize("change", [
    np.asfortranarray, read_only, csr_matrix, lambda X: np.repeat(X, 2, axis=0)[::2], lambda X: X.astype(">f8"),
    lambda X: X.astype(np.int8), lambda X: X.astype(np.float16),
])  # fmt: skip
def test_whatever_the_memory_the_result_is_the_same(bits, change):
    np.testing.assert_array_equal(fitted(change(bits), n_iter=2).components_, fitted(bits, n_iter=2).components_)


@pytest.mark.filterwarnings("ignore:training stopped")
def test_a_deep_belief_net_starts_from_the_machines_and_reads_digits():
    from sklearn.model_selection import train_test_split

    from pellucid.data import load_digits

    X, X_test, y, y_test = train_test_split(*load_digits(), test_size=0.25, random_state=0)
    untuned = deep_belief_net(X, y, (40, 20), random_state=0, network={"learning_rate_init": 1e-12, "max_iter": 1})
    first = BernoulliRBM(40, learning_rate=0.06, random_state=0).fit(X)
    second = BernoulliRBM(20, learning_rate=0.06, random_state=0).fit(first.transform(X))
    np.testing.assert_allclose(untuned.coefs_[0], first.components_.T, atol=1e-6)
    np.testing.assert_allclose(untuned.coefs_[1], second.components_.T, atol=1e-6)
    assert deep_belief_net(X, y, random_state=0).score(X_test, y_test) > 0.96


def test_more_rows_a_batch_than_there_are_warns_once_and_clips(bits):
    with pytest.warns(PellucidWarning, match="batch_size=100 is more than the 60 samples: 60 is used") as seen:
        model = BernoulliRBM(4, batch_size=100, n_iter=2).fit(bits)
    assert len(seen) == 1
    assert model.h_samples_.shape == (60, 4)


def test_sparsity_brings_the_units_nearer_to_their_target(bits):
    rates = [fitted(bits, sparsity_cost=cost).transform(bits).mean() for cost in (0.0, 0.5)]
    assert abs(rates[1] - 0.1) < abs(rates[0] - 0.1)


def test_weight_decay_keeps_the_weights_small(bits):
    sizes = [np.abs(fitted(bits, n_iter=200, weight_decay=decay).components_).mean() for decay in (0.0, 0.05)]
    assert sizes[1] < 0.8 * sizes[0]


def test_a_trace_shows_one_round(bits):
    trace = fitted(bits).trace(bits[0])
    assert [record.name for record in trace] == ["v", "p_h", "h", "p_v", "v_next", "free_energy"]
    model = fitted(bits)
    np.testing.assert_allclose(trace["p_v"], model.inverse_transform(trace["h"]))


def test_steps_stop_at_divergence_as_fit_does():
    X = np.random.default_rng(0).normal(size=(12, 6))
    machine = GaussianRBM(3, n_iter=30, learning_rate=1e3, batch_size=2, random_state=0)
    with np.errstate(all="ignore"), pytest.raises(DivergenceError, match="training diverged in epoch"):
        list(machine.steps(X))
    assert np.isfinite(machine.components_).all()


def test_hidden_units_neither_come_nor_go_between_parts():
    X = np.random.default_rng(0).random((12, 6))
    machine = BernoulliRBM(3, n_iter=2, batch_size=2, random_state=0).fit(X).set_params(n_components=7)
    with pytest.raises(InvalidArgumentError, match="n_components must stay 3, as the machine is, got 7"):
        machine.partial_fit(X)


def test_a_data_frame_is_reconstructed_without_a_warning():
    frame = pd.DataFrame(np.random.default_rng(0).random((12, 6)), columns=list("abcdef"))
    machine = BernoulliRBM(3, n_iter=2, batch_size=2, random_state=0).fit(frame)
    assert machine.reconstruct(frame).shape == (12, 6)


def test_a_generator_closed_in_mid_epoch_leaves_a_machine_to_go_on_with(bits):
    model = BernoulliRBM(4, random_state=0, n_iter=3)
    steps = model.steps(bits)
    for _ in range(8):
        next(steps)
    steps.close()
    assert model.n_iter_ == 1
    assert np.isfinite(model.score_samples(bits)).all()
    assert model.partial_fit(bits).n_iter_ == 2


def test_the_state_is_finite_after_every_step_of_a_diverging_run():
    X = np.random.default_rng(0).normal(size=(40, 6)) * 1e15
    model = GaussianRBM(3, n_iter=30, learning_rate=1e3, batch_size=2, random_state=0)
    with pytest.raises(DivergenceError):
        for _ in model.steps(X):
            assert np.isfinite(model.components_).all()
    assert np.isfinite(model.components_).all()


@pytest.mark.parametrize("schedule", ["constant", "step", "invscaling", "cosine"])
def test_each_batch_learns_at_the_rate_of_its_schedule(bits, schedule):
    from pellucid.parts.schedule import Schedule

    model = BernoulliRBM(3, n_iter=2, schedule=schedule, learning_rate=0.2, random_state=0, dtype="float64")
    wanted = Schedule(schedule, 0.2, max_epochs=2).rates(0, 12, 6, 60)
    for step, rate in zip(model.steps(bits), wanted, strict=True):
        assert step.learning_rate == rate
        np.testing.assert_allclose(step.change, rate * (step.outer_positive - step.outer_negative), atol=1e-14)


def test_momentum_carries_the_last_change_on(bits):
    model, before = BernoulliRBM(4, random_state=0, dtype="float64", learning_rate=0.3, momentum=0.8), 0.0
    for step in itertools.islice(model.steps(bits), 4):
        np.testing.assert_allclose(
            step.change, 0.8 * before + 0.3 * (step.outer_positive - step.outer_negative), atol=1e-14
        )
        before = step.change


@pytest.mark.parametrize("kind", [BernoulliRBM, GaussianRBM])
@pytest.mark.parametrize("algorithm", ["pcd", "cd"])
def test_all_threads_and_any_number_of_them_find_the_same(bits, kind, algorithm):
    from concurrent.futures import ThreadPoolExecutor

    from pellucid.learning.threads import limited_threads

    def weights(_):
        return fitted(bits, kind, n_iter=3, algorithm=algorithm, learning_rate=0.01).components_

    alone = weights(0)
    with limited_threads(2):
        np.testing.assert_array_equal(weights(0), alone)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(weights, range(4)):
            np.testing.assert_array_equal(found, alone)


@pytest.mark.parametrize("method", ["free_energy", "score_samples", "gibbs", "reconstruct", "trace"])
def test_real_values_beyond_the_finite_numbers_are_refused_or_stay_finite(method):
    X = np.random.default_rng(0).normal(size=(30, 5))
    model = GaussianRBM(4, learning_rate=0.01, random_state=0).fit(X)
    X[7] = 1e200
    try:
        found = getattr(model, method)(X)
    except InvalidDataError as error:
        assert "X at row 7, with values up to 1e+200" in str(error)
    else:
        assert method in {"gibbs", "reconstruct"}
        assert np.isfinite(found).all()


def test_real_values_too_large_for_the_dtype_are_refused_by_place():
    X = np.random.default_rng(0).normal(size=(30, 5))
    X[4, 1] = 1e300
    with pytest.raises(InvalidDataError, match="1e\\+300 at row 4, column 1, too large for float32"):
        GaussianRBM(4).fit(X)


def test_verbose_says_the_score_of_a_data_frame_without_a_warning(capsys):
    frame = pd.DataFrame(np.random.default_rng(0).random((12, 6)), columns=list("abcdef"))
    machine = BernoulliRBM(3, n_iter=2, batch_size=2, random_state=0, verbose=1).fit(frame)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"Iteration 2, score = {machine.score_samples(frame).mean():.2f}"


@pytest.mark.parametrize(
    ("H", "message"),
    [
        ([["a", "b", "c", "d"]], "H must be numbers, got 'a'"),
        ([[1.0, 2.0]], r"H must be of shape \(n, 4\), one column a hidden unit, got shape \(1, 2\)"),
        ([[1, np.nan, 0, 0]], "H contains NaN at row 0, column 1"),
        ([[1, 2], [3]], "inhomogeneous"),
    ],
)
def test_what_are_no_hidden_units_is_refused(bits, H, message):
    with pytest.raises(InvalidDataError, match=message):
        fitted(bits, n_iter=1).inverse_transform(H)


def test_parts_keep_the_dtype_and_honour_the_batch_size(bits):
    model = BernoulliRBM(4, batch_size=10, random_state=0).partial_fit(bits[:4])
    assert model.h_samples_.shape == (4, 4)
    assert model.partial_fit(bits).h_samples_.shape == (10, 4)
    assert model.partial_fit(bits[:3]).h_samples_.shape == (10, 4)
    assert model.set_params(batch_size=5).partial_fit(bits).h_samples_.shape == (5, 4)
    before = model.components_.copy()
    with pytest.raises(InvalidArgumentError, match="dtype must stay float32, as the machine is, got float64"):
        model.set_params(dtype="float64").partial_fit(bits)
    np.testing.assert_array_equal(model.components_, before)


def test_rounds_of_gibbs_sampling_go_on_and_fit_begins_them_anew(bits):
    model = fitted(bits, n_iter=1)
    first, second = model.gibbs(bits), model.gibbs(bits)
    assert (first != second).any()
    np.testing.assert_array_equal(model.fit(bits).gibbs(bits), first)


@pytest.mark.parametrize("burn_in", [1, 3])
def test_fantasy_particles_come_again_with_the_seed(bits, burn_in):
    model = fitted(bits)
    np.testing.assert_array_equal(model.sample(5, burn_in), model.sample(5, burn_in))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be whole numbers >= 1"),
        ({"hidden_layer_sizes": "ab"}, "hidden_layer_sizes must be whole numbers >= 1"),
        ({"machine": {"rate": 1}}, "machine must name parameters of BernoulliRBM, got 'rate'"),
        ({"network": {"depth": 1}}, "network must name parameters of MLPClassifier, got 'depth'"),
        ({"machine": {"k": 0}}, "k must be a whole number >= 1, got 0"),
    ],
)
def test_a_deep_belief_net_says_what_is_wrong(bits, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        deep_belief_net(bits, bits[:, 0], **arguments)


@pytest.mark.filterwarnings("ignore:training stopped")
def test_a_deep_belief_net_takes_one_layer_as_a_number(bits):
    assert deep_belief_net(bits, bits[:, 0], 5, random_state=0, network={"max_iter": 2}).hidden_layer_sizes == 5


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("attributes", "fit", 1, "holds an attribute 'fit', which a BernoulliRBM does not have"),
        ("attributes", "n_iter_", "two", "n_iter_ must be a whole number >= 0, got 'two'"),
        ("attributes", "_batch", 0, "_batch must be a whole number >= 1, got 0"),
        ("attributes", "feature_names_in_", np.array(["a"]), "names 1 features, but has 6"),
        ("parameters", "k", 0, "k must be a whole number >= 1, got 0"),
        ("parameters", "extra", 0, "unexpected keyword argument 'extra'"),
        ("parameters", "dtype", "float32", "holds 'W' in float64, but its parameters ask for float32"),
        ("arrays", "W", np.zeros((4, 6)), r"holds an array 'W' of shape \(4, 6\), but its parameters ask for \(6, 4\)"),
        ("arrays", "random", np.zeros(4), "Cannot cast"),
        ("arrays", "more", np.zeros(4), "holds an array 'more'"),
    ],
)
def test_a_file_that_does_not_fit_its_parameters_is_refused(bits, part, name, value, message):
    entries, arrays = fitted(bits, n_iter=1).to_file()
    ({"arrays": arrays} | entries)[part][name] = value
    with pytest.raises(ModelFileError, match=message):
        BernoulliRBM.from_file(entries, arrays)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_drawn_units_are_on_as_often_as_their_probabilities_say_and_independent(dtype, n):
    from pellucid.parts.compiled.boltzmann import drawn

    rng = np.random.Generator(np.random.SFC64(0))
    p = np.linspace(0, 1, n + 1)[1:].astype(dtype) if n > 2 else np.full(n, 0.3, dtype)
    draws = np.empty((4000, n), dtype)
    for row in draws:
        drawn(rng, p, row)
    assert set(np.unique(draws)) <= {0.0, 1.0}
    noise = (draws - p) / np.sqrt(np.maximum(p * (1 - p), 1e-12))
    assert np.abs(noise.mean(0)).max() * np.sqrt(4000) < 4.5
    between = np.corrcoef(noise[:, : min(n, 200) - (n > 2)], rowvar=False) if n > 1 else np.eye(1)
    assert np.abs(between - np.eye(len(between))).max() * np.sqrt(4000) < 5.5
    after = (noise[1:] * noise[:-1]).mean(0)
    assert np.abs(after[p < 1]).max() * np.sqrt(4000) < 5.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_added(dtype):
    from pellucid.parts.compiled import product
    from pellucid.parts.compiling import kernel

    @kernel()
    def add(a, b, c, a_turned, b_turned, m, k, n):
        product.add_product(a, b, c, m, k, n)
        product.add_product_tn(a_turned, b, c, m, k, n)
        product.add_product_nt(a, b_turned, c, m, k, n)

    rng = np.random.default_rng(0)
    for m, k, n in ((3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (20, 30, 40)):
        A, B = rng.random((m, k)).astype(dtype), rng.random((k, n)).astype(dtype)
        C = np.ones(m * n, dtype)
        add(A.ravel(), B.ravel(), C, A.T.ravel(), B.T.ravel(), m, k, n)
        np.testing.assert_allclose(C.reshape(m, n), 1 + 3 * A @ B, rtol=1e-5)
