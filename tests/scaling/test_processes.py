"""Two processes: what they learn together is what one learns alone, and each knows when the other has stopped."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, SETTINGS, samples

from pellucid import MLPClassifier

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="rows 42-46 of the faults hold on POSIX systems"),
    pytest.mark.filterwarnings("ignore:training stopped after max_iter"),
]


@pytest.fixture(scope="module")
def told():
    """Run the scenarios of ranks.py in two processes, and return what each found, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("ranks.py"))]
    started = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=100)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [json.loads(text.splitlines()[-1]) for text in said]


def test_they_know_each_other(told):
    assert [(found["rank"], found["size"]) for found in told] == [(0, 2), (1, 2)]


def test_slopes_are_those_of_the_joined_batch_however_unequal_the_shares(told):
    for found in told:
        assert max(found["differences"]) <= 1e-12


@pytest.mark.parametrize("name", CASES)
def test_an_estimator_learns_what_it_learns_alone(told, name):
    X, y = samples(name)
    changes, given = CASES[name]
    alone = MLPClassifier(**(SETTINGS | changes)).fit(X, y, **given).loss_curve_
    for found in told:
        np.testing.assert_allclose(found[name], alone, rtol=1e-9)


def test_a_seed_that_is_drawn_is_drawn_for_all(told):
    assert told[0]["seed drawn"] == told[1]["seed drawn"]


def test_who_raises_is_named_and_all_stop(told):
    assert told[0]["one raises"] == "ProcessError: rank 1 has failed: all 2 processes stop"
    assert told[1]["one raises"] == "MemoryError: no memory for this batch"


def test_who_has_fewer_batches_is_named_and_all_stop(told):
    assert told[0]["one has fewer"] == "ProcessError: rank 1 has fewer batches than rank 0: all 2 processes stop"
    assert told[1]["one has fewer"].startswith("ProcessError: rank 1 has fewer batches than rank 0; give every")


def test_afterwards_they_can_go_on(told):
    assert told[0]["after that"] == told[0]["even"] == told[1]["even"]


def test_other_data_is_named_with_both_values(told):
    assert told[0]["other data"] == "rank 1 has data='b', but rank 0 has 'a'; give every process the same"
    assert told[1]["other data"] == "rank 0 has data='a', but rank 1 has 'b'; give every process the same"


def test_images_of_another_shape_are_named_with_both(told):
    assert "rank 1 has image_shape=(1, 5, 1), but rank 0 has (1, 1, 5)" in told[0]["other images"]
    assert "rank 0 has image_shape=(1, 1, 5), but rank 1 has (1, 5, 1)" in told[1]["other images"]
