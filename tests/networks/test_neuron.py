"""The nine-line neuron against the nine lines, written out."""

import numpy as np
import pytest

from pellucid import Neuron
from pellucid.data import NEURON_TABLE
from pellucid.errors import InvalidDataError
from pellucid.networks.neuron import change, output

X, y = NEURON_TABLE


def nine_lines(X, y, iterations):
    """The rule as the tutorials write it: every step's output and weights."""
    generator = np.random.RandomState(1)
    targets = np.asarray(y, float)[:, None]
    weights = 2 * generator.random_sample((X.shape[1], 1)) - 1
    history = []
    for _ in range(iterations):
        out = 1 / (1 + np.exp(-(X @ weights)))
        weights = weights + X.T @ ((targets - out) * out * (1 - out))
        history.append((out[:, 0], weights[:, 0].copy()))
    return history


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_new_case_gets_the_published_answer(engine):
    neuron = Neuron(random_state=1, engine=engine).fit(X, y)
    assert round(neuron.predict_proba([[1, 0, 0]])[0, 1], 8) == 0.99993704
    assert neuron.predict([[1, 0, 0]]) == [1]
    assert neuron.score(X, y) == 1
    assert neuron.n_iter_ == 10_000


@pytest.mark.parametrize(("bias", "dtype", "tolerance"), [(False, "float64", 1e-15), (True, "float32", 1e-6)])
def test_a_torch_module_of_it_has_its_sums_and_gives_its_weights_back(bias, dtype, tolerance):
    torch = pytest.importorskip("torch")
    neuron = Neuron(200, bias=bias, dtype=dtype, random_state=1).fit(X, y)
    module = neuron.to_torch()
    assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch"}
    with torch.no_grad():
        sums = module(torch.tensor(X, dtype=getattr(torch, dtype))).numpy()
    np.testing.assert_allclose(sums[:, 0], neuron.decision_function(X), rtol=tolerance)
    other = Neuron(1, bias=bias, dtype=dtype, random_state=2).fit(X, y).from_torch(module)
    np.testing.assert_array_equal(other.w_, neuron.w_)
    with pytest.raises(InvalidDataError, match=r"of shape \(1, 4\), but this network's weight1 is of shape \(1, 3\)"):
        other.from_torch(torch.nn.Linear(4, 1, bias=bias))
    np.testing.assert_array_equal(other.w_, neuron.w_)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_every_step_is_that_of_the_nine_lines(engine):
    expected = nine_lines(np.array(X, float), y, 50)
    for step, (out, weights) in zip(Neuron(50, random_state=1, engine=engine).steps(X, y), expected, strict=True):
        np.testing.assert_allclose(step.output, out, rtol=1e-13)
        np.testing.assert_allclose(step.weights, weights, rtol=1e-12)
        np.testing.assert_allclose(step.error, y - step.output)
        np.testing.assert_allclose(step.delta, step.error * out * (1 - out), rtol=1e-12)
        np.testing.assert_allclose(np.asarray(X).T @ step.delta, step.change, atol=1e-13)
        assert set(step.formulas) <= set(step.values)
        assert not step.weights.flags.writeable


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_watched_run_is_the_unwatched_one(engine, bias, dtype):
    settings = {"max_iter": 300, "random_state": 1, "bias": bias, "dtype": dtype, "engine": engine}
    unwatched, watched = Neuron(**settings).fit(X, y), Neuron(**settings)
    assert [step.number for step in watched.steps(X, y)] == list(range(1, 301))
    np.testing.assert_array_equal(watched.coef_, unwatched.coef_)
    np.testing.assert_array_equal(watched.intercept_, unwatched.intercept_)


def test_the_rule_goes_down_the_slope_of_half_the_squared_error():
    w, h = np.array([0.3, -0.2, 0.7]), 1e-6

    def loss(w):
        return ((y - output(X, w)) ** 2).sum() / 2

    slope = [(loss(w + h * e) - loss(w - h * e)) / (2 * h) for e in np.eye(3)]
    np.testing.assert_allclose(change(X, y, output(X, w))[2], -np.array(slope), rtol=1e-8)


def test_a_bias_is_the_weight_of_an_input_that_is_always_one():
    with_ones = Neuron(200, random_state=1).fit(np.column_stack([X, np.ones(4)]), y)
    biased = Neuron(200, random_state=1, bias=True).fit(X, y)
    np.testing.assert_array_equal(np.append(biased.coef_, biased.intercept_), with_ones.coef_[0])
    # AND needs a bias: without one, an input of zeros always gives a half
    and_X, and_y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1]
    assert Neuron(2000, random_state=0, bias=True).fit(and_X, and_y).score(and_X, and_y) == 1
    assert Neuron(10, random_state=0).fit(and_X, and_y).predict_proba([[0, 0]])[0, 1] == 0.5


def test_a_warm_start_goes_on():
    half = Neuron(100, random_state=1, warm_start=True).fit(X, y)
    np.testing.assert_array_equal(half.fit(X, y).coef_, Neuron(200, random_state=1).fit(X, y).coef_)


def test_the_order_of_classes_is_that_of_their_names():
    named = Neuron(500, random_state=1).fit(X, np.array(["no", "yes"])[np.asarray(y)])
    assert named.classes_.tolist() == ["no", "yes"]
    assert named.predict(X).tolist() == np.array(["no", "yes"])[np.asarray(y)].tolist()
    np.testing.assert_allclose(named.predict_proba(X).sum(axis=1), 1)


def test_a_trace_has_every_value_and_its_formula():
    neuron = Neuron(20, random_state=1).fit(X, y)
    before = neuron.coef_[0].copy()
    trace = neuron.trace(X, y)
    out = output(X, before)
    np.testing.assert_allclose(trace["output"], out, rtol=1e-14)
    np.testing.assert_allclose(trace["weights"], before + change(X, y, out)[2], rtol=1e-14)
    np.testing.assert_array_equal(neuron.coef_[0], before)
    assert [record.phase for record in trace] == ["forward"] * 4 + ["loss"] + ["backward"] * 2 + ["update"]
    assert len(neuron.trace([1, 0, 0])) == 4
    next(iter(neuron.set_params(warm_start=True, max_iter=1).steps(X, y)))
    np.testing.assert_allclose(neuron.coef_[0], trace["weights"], rtol=1e-13)


def test_what_a_row_gets_does_not_depend_on_the_rows_around_it():
    rng = np.random.default_rng(0)
    many = rng.normal(size=(100, 7))
    neuron = Neuron(10, random_state=0).fit(many, many[:, 0] > 0)
    together = neuron.decision_function(many)
    assert [float(neuron.decision_function(row[None])[0]) for row in many] == together.tolist()
