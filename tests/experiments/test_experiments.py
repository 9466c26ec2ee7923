"""The experiments themselves, run for real: each shows what it promises."""

import json

import numpy as np
import pytest

from pellucid.experiments import run, xor


@pytest.fixture(scope="module")
def results():
    return {}


def result_of(results, name):
    if name not in results:
        results[name] = run(name)
    return results[name]


def test_the_neuron_gives_the_published_figure(results):
    result = result_of(results, "neuron")
    assert result.metrics["prediction"] == 0.99993704
    assert result.passed


def test_the_neurons_outputs_are_near_its_targets(results):
    outputs = result_of(results, "neuron").metrics["outputs"]
    assert np.abs(np.array(outputs) - [0, 1, 1, 0]).max() < 0.01


def test_another_seed_of_the_neuron_is_judged_by_another_figure():
    result = run("neuron", seed=5)
    assert result.metrics["prediction"] != 0.99993704
    assert result.expected == {"prediction": ">= 0.999"}
    assert result.passed


def test_the_neurons_kept_steps_are_copies_in_order(results):
    steps = result_of(results, "neuron").payload["steps"]
    numbers = [step.iteration for step in steps]
    assert numbers[0] == 1
    assert numbers[-1] == 10_000
    assert numbers == sorted(set(numbers))
    assert not np.array_equal(steps[0].weights, steps[-1].weights)


def test_the_two_layer_loss_falls_at_every_step_and_ends_near_the_targets(results):
    result = result_of(results, "two-layer")
    assert result.passed
    assert result.metrics["iterations"] == 1_500
    assert result.metrics["loss_monotonic"] is True
    assert result.metrics["max_error"] <= 0.05


def test_the_two_layer_network_is_the_chain_rule_by_hand(results):
    model, X, y = (result_of(results, "two-layer").payload[name] for name in ("model", "X", "y"))
    W1, W2 = (np.array(W) for W in run("two-layer").payload["model"].coefs_)
    np.testing.assert_array_equal(model.coefs_[0], W1)
    hidden = 1 / (1 + np.exp(-X @ W1))
    output = 1 / (1 + np.exp(-hidden @ W2))
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], output.ravel(), rtol=1e-12)
    assert abs(output.ravel() - y).max() == pytest.approx(result_of(results, "two-layer").metrics["max_error"])


def test_nearly_every_start_of_the_two_layer_network_does_it(results):
    metrics = result_of(results, "two-layer").metrics
    assert metrics["seeds_within_0.05"] >= 95
    assert metrics["seeds_monotonic"] >= 95


def test_four_hidden_units_learn_exclusive_or_from_nearly_any_start(results):
    result = result_of(results, "xor")
    assert result.passed
    assert result.metrics["accuracy"] == 1.0
    assert result.metrics["seeds_solved"] >= 97


@pytest.mark.parametrize("build", [xor.network, xor.classic])
def test_a_solved_start_is_within_a_tenth_of_every_target_from_its_iteration_on(build):
    iteration, losses = xor.learn(build(3))
    assert iteration == len(losses) <= 10_000
    until = build(3).set_params(max_iter=iteration).fit(xor.X, xor.Y)
    assert np.abs(until.predict_proba(xor.X)[:, 1] - xor.Y).max() <= 0.1
    before = build(3).set_params(max_iter=iteration // 2).fit(xor.X, xor.Y)
    assert np.abs(before.predict_proba(xor.X)[:, 1] - xor.Y).max() > 0.1


def test_the_classic_network_is_reported_with_its_stuck_starts(results):
    result = result_of(results, "xor")
    pairs = zip(result.payload["classic_curves"], result.payload["classic_solved"], strict=True)
    stuck = [losses for losses, found in pairs if found is None]
    assert result.metrics["classic_221_solved"] == 100 - len(stuck)
    assert all(losses.size == 10_000 for losses in stuck)


def test_digits_are_read_from_a_stratified_quarter(results):
    result = result_of(results, "digits")
    assert result.passed
    assert result.metrics["test_images"] == 450
    assert np.sum(result.metrics["confusion_matrix"]) == 450
    assert np.trace(result.metrics["confusion_matrix"]) == 450 - result.metrics["test_errors"]


def test_the_worst_mistakes_are_mistakes_most_certain_first(results):
    payload = result_of(results, "digits").payload
    assert np.all(payload["worst_true"] != payload["worst_predicted"])
    assert np.all(np.diff(payload["worst_certainty"]) <= 0)


@pytest.mark.parametrize("name", ["neuron", "two-layer", "xor", "digits"])
def test_a_result_is_json_as_it_is(results, name):
    printed = json.loads(json.dumps(result_of(results, name).to_json(), allow_nan=False))
    assert printed["passed"] is True
    assert printed["experiment"] == name


def test_the_same_seed_gives_the_same_metrics(results):
    assert run("digits").metrics == result_of(results, "digits").metrics


def test_progress_rises_to_one():
    told = []
    run("neuron", progress=lambda fraction, text: told.append((fraction, text)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(text for _, text in told)


def test_the_summary_is_in_the_language_of_the_moment(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert "神经元" in run("neuron").summary[0]
