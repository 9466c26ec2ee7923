"""Two processes that read sentences: each knows when the other has stopped, and what they send is what changes."""

import os

import numpy as np
import pytest
from cases import in_two_processes, sentences, spinn

pytest.importorskip("torch")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name != "posix", reason="rows 42-46 of the faults hold on POSIX systems"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the scenarios of ranks_spinn.py in two processes, and return what each found, by rank."""
    return in_two_processes("ranks_spinn.py", tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize(
    ("what", "number", "own"),
    [
        ("one_cannot_print", 1, "OSError: [Errno 28] no space left"),
        ("one_cannot_validate", 0, "ArithmeticError: no score"),
        ("one_has_bad_data", 1, "InvalidDataError: "),
    ],
)
def test_who_fails_anywhere_is_named_and_all_stop(told, what, number, own):
    assert told[number][what].startswith(own)
    assert told[1 - number][what] == f"ProcessError: rank {number} has failed: all 2 processes stop"


def test_who_breaks_off_is_named(told):
    assert told[0]["one_breaks_off"] == "ProcessError: rank 1 has fewer batches than rank 0: all 2 processes stop"


def test_what_batch_normalisation_remembers_is_the_mean_of_the_shares(told):
    assert told[0]["running"] == told[1]["running"]
    alone = spinn(batch_norm=True, batch_size=64, max_iter=1).fit(*sentences(2))  # as many words in each sentence
    first = next(value for name, value in alone.model_.state_dict().items() if "running_mean" in name)
    np.testing.assert_allclose(told[0]["running"][0], first, rtol=0, atol=1e-7)


def test_the_line_holds_what_learns_and_is_sent_once_an_update(told):
    for found in told:
        updates = [n for n in found["lines"] if n >= found["learned"]]
        assert len(updates) == 5 * 5 + 1  # and once at the end
        fewer = [n for n in found["lines, frozen"] if n >= found["learned"] - found["frozen"]]
        assert fewer == [updates[0] - found["frozen"] - 1] * (5 * 5 + 1)
