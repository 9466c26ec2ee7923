"""The Boltzmann machine's experiment, in its short form, keeps its figures, and its pictures are drawn."""

import json

import numpy as np
import pytest

from pellucid.data import load_digits
from pellucid.experiments import rbm_digits, run
from pellucid.watching import figures


@pytest.fixture(scope="module")
def result():
    return run("rbm-digits", quick=True)


def test_it_meets_its_figures(result):
    assert result.passed
    assert result.metrics["rbm_macro_f1"] - result.metrics["raw_macro_f1"] >= 0.10
    json.dumps(result.to_json())


def test_the_short_form_leaves_out_the_grouped_split_and_the_deep_net(result):
    assert not {"rbm_macro_f1_grouped", "deep_belief_net_accuracy"} & set(result.metrics)


def test_it_reports_every_digit(result):
    assert set(result.metrics["per_class"]) == set("0123456789")
    matrix = np.array(result.metrics["confusion_matrix"])
    assert matrix.sum() == result.metrics["test_images"] == 1797
    assert matrix.trace() / 1797 == pytest.approx(result.metrics["test_accuracy"])


def test_reconstructions_are_nearer_to_their_images_than_to_others(result):
    images, back = result.payload["images"], result.payload["reconstructions"]
    distances = ((images[:, None] - back) ** 2).sum(-1)
    assert (distances.argmin(1) == np.arange(len(images))).mean() >= 0.8


def test_the_machine_dreams_of_several_digits(result):
    X, y = load_digits()
    X, y = rbm_digits.nudged(X), np.tile(y, 5)
    nearest = [y[((X - dream) ** 2).sum(1).argmin()] for dream in result.payload["fantasies"]]
    assert len(set(nearest)) >= 4


def test_a_nudged_digit_is_the_digit_moved_by_one_pixel():
    X, _ = load_digits()
    moved = rbm_digits.nudged(X[:1]).reshape(5, 8, 8)
    np.testing.assert_array_equal(moved[0].ravel(), X[0])
    np.testing.assert_array_equal(moved[1][:, :-1], moved[0][:, 1:])
    np.testing.assert_array_equal(moved[2][:, 1:], moved[0][:, :-1])
    np.testing.assert_array_equal(moved[3][:-1], moved[0][1:])
    np.testing.assert_array_equal(moved[4][1:], moved[0][:-1])


def test_its_pictures_are_drawn(result, tmp_path):
    names = [path.name for path in figures(result, tmp_path)]
    assert names == [f"rbm-digits-{name}.png" for name in ("filters", "images", "confusion")]


@pytest.mark.long
def test_the_whole_experiment_meets_its_figures_on_the_grouped_split_too():
    metrics = run("rbm-digits").metrics
    assert metrics["rbm_macro_f1_grouped"] - metrics["raw_macro_f1_grouped"] >= 0.10
    assert metrics["deep_belief_net_accuracy"] >= 0.95
