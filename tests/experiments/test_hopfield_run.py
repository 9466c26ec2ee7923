"""The Hopfield experiment, in its short form, keeps its figures, and its pictures are drawn."""

import json
from itertools import product

import numpy as np
import pytest

from pellucid.experiments import hopfield, run
from pellucid.watching import figures


@pytest.fixture(scope="module")
def result():
    return run("hopfield", quick=True)


def test_it_meets_its_figures(result):
    assert result.passed
    metrics = result.metrics
    assert (metrics["recall_rate"], metrics["energy_increases"]) == (1.0, 0)
    assert metrics["letters_recalled"] >= 0.95 > metrics["letters_recalled_by_hebb"]
    assert 0.12 <= metrics["capacity"] <= 0.15
    json.dumps(result.to_json())


def test_energies_fall_to_those_of_the_rest(result):
    model, curve = result.payload["model"], result.payload["curves"][0]
    assert curve[-1] == pytest.approx(
        model.energy(model.predict(hopfield.corrupted(result.payload["patterns"][:1], 0)))[0]
    )
    assert curve[0] > curve[-1]


def test_the_line_between_two_patterns_begins_and_ends_at_their_energies(result):
    model, line = result.payload["letter_model"], result.payload["line"]
    assert line[[0, -1]] == pytest.approx(model.energy(hopfield.letters()[[0, 25]]))
    assert line.max() > line[0]


def test_the_crossing_lies_on_the_line_between_two_loads():
    assert hopfield.crossing(np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.96, 0.94])) == pytest.approx(0.25)


def test_three_letters_leave_their_inverses_and_eight_mixtures_stable_too(result):
    states, kinds, counts = result.payload["rests"]
    assert {kind: int((kinds == kind).sum()) for kind in set(kinds)} == {"stored": 3, "inverse": 3, "mixture": 8}
    assert counts.sum() == 500
    stored = hopfield.letters()[["ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(name) for name in "AJX"]]
    wanted = {np.sign(stored.T @ signs).tobytes() for signs in np.array(list(product((-1, 1), repeat=3)), np.int8)}
    assert {state.tobytes() for state in states[kinds == "mixture"]} == wanted


def test_its_pictures_are_drawn(result, tmp_path):
    names = [path.name for path in figures(result, tmp_path)]
    assert names == [f"hopfield-{name}.png" for name in ("recall", "energies", "spurious", "landscape", "capacity")]
