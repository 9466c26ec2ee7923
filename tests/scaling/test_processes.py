"""Two processes: what they learn together is what one learns alone, and each knows when the other has stopped."""

import os

import numpy as np
import pytest
from cases import CASES, IMAGES, SETTINGS, images, in_two_processes, samples

from pellucid import CNNClassifier, MLPClassifier

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="rows 42-46 of the faults hold on POSIX systems"),
    pytest.mark.filterwarnings("ignore:training stopped after max_iter"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the scenarios of ranks.py in two processes, and return what each found, by rank."""
    return in_two_processes("ranks.py", tmp_path_factory.mktemp("ranks"))


def test_they_know_each_other(told):
    assert [(found["rank"], found["size"]) for found in told] == [(0, 2), (1, 2)]


def test_slopes_are_those_of_the_joined_batch_however_unequal_the_shares(told):
    for found in told:
        assert max(found["differences"]) <= 1e-12
        assert max(found["float32"]) <= 1e-6


@pytest.mark.parametrize("name", CASES)
def test_an_estimator_learns_what_it_learns_alone(told, name):
    X, y = samples(name)
    changes, given = CASES[name]
    alone = MLPClassifier(**(SETTINGS | changes)).fit(X, y, **given).loss_curve_
    for found in told:
        np.testing.assert_allclose(found[name], alone, rtol=1e-9)


def test_what_batch_normalisation_remembers_is_the_mean_of_the_shares_by_their_sizes(told):
    X, y = images()
    shares = [CNNClassifier(**IMAGES | {"batch_size": 18 + (rank == 0)}).fit(X[rank::2], y[rank::2]) for rank in (0, 1)]
    first, second = (share.stack_.parameters.state for share in shares)
    assert np.abs(first - second).max() > 0.01
    for found in told:
        np.testing.assert_allclose(found["running"], (19 * first + 18 * second) / 37, rtol=1e-12)


def test_a_seed_that_is_drawn_is_drawn_for_all(told):
    assert told[0]["seed drawn"] == told[1]["seed drawn"]


def test_who_raises_is_named_and_all_stop(told):
    assert told[0]["one raises"] == "ProcessError: rank 1 has failed: all 2 processes stop"
    assert told[1]["one raises"] == "MemoryError: no memory for this batch"


def test_who_has_fewer_batches_is_named_and_all_stop(told):
    assert told[0]["one has fewer"] == "ProcessError: rank 1 has fewer batches than rank 0: all 2 processes stop"
    assert told[1]["one has fewer"].startswith("ProcessError: rank 1 has fewer batches than rank 0; give every")


@pytest.mark.parametrize(
    ("what", "number", "own"),
    [
        ("one_cannot_print", 1, "OSError: [Errno 28] no space left"),
        ("one_cannot_validate", 1, "ArithmeticError: no score"),
        ("the_first_cannot_keep", 0, "ModelFileError: "),
        ("one_cannot_begin", 0, "InvalidArgumentError: checkpoint must be a folder that can be written, got "),
        ("one_has_bad_data", 1, "InvalidDataError: X contains NaN at row 0"),
    ],
)
def test_who_fails_anywhere_is_named_and_all_stop(told, what, number, own):
    assert told[number][what].startswith(own)
    assert told[1 - number][what] == f"ProcessError: rank {number} has failed: all 2 processes stop"


def test_who_breaks_off_is_named_unless_all_do(told):
    assert told[0]["one_breaks_off"] == "ProcessError: rank 1 has fewer batches than rank 0: all 2 processes stop"
    assert told[1]["one_breaks_off"].startswith("ProcessError: rank 1 has fewer batches than rank 0; give every")
    assert told[0]["both_break_off"] is told[1]["both_break_off"] is None


def test_afterwards_they_can_go_on(told):
    assert told[0]["after that"] == told[0]["even"] == told[1]["even"]


def test_other_data_is_named_with_both_values(told):
    assert told[0]["other data"] == "rank 1 has data='b', but rank 0 has 'a'; give every process the same"
    assert told[1]["other data"] == "rank 0 has data='a', but rank 1 has 'b'; give every process the same"


def test_images_of_another_shape_are_named_with_both(told):
    assert "rank 1 has image_shape=(1, 5, 1), but rank 0 has (1, 1, 5)" in told[0]["other images"]
    assert "rank 0 has image_shape=(1, 1, 5), but rank 1 has (1, 5, 1)" in told[1]["other images"]
