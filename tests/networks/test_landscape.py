"""The plane of states on which the energy of a Hopfield network is drawn."""

import numpy as np
import pytest

from pellucid import HopfieldNetwork
from pellucid.data.letters import letters
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.networks.landscape import plane

A, C, X = letters()[[0, 2, 23]].astype(int)


def test_its_corners_are_the_three_states_and_its_ways_turn_only_what_differs():
    states = plane([A, C, X], 11, 0)  # the corners are the picture's own; rows from the top
    assert states.shape == (11, 11, 100)
    assert states.dtype == np.int8
    np.testing.assert_array_equal(states[10, 0], A)
    np.testing.assert_array_equal(states[10, 10], C)
    np.testing.assert_array_equal(states[0, 0], X)
    for way, end in ((states[10], C), (states[::-1, 0], X)):
        turned = (way != A).sum(axis=1)
        assert (np.diff(turned) > 0).all()
        assert turned[-1] == (end != A).sum()
        assert (way[:, end == A] == A[end == A]).all()
        assert turned[5] == pytest.approx(turned[-1] / 2, abs=1.5)


def test_beyond_the_corners_units_turn_that_all_three_share():
    inner, outer = plane([A, C, X], 11, 0), plane([A, C, X], 31, 1.0)  # both in steps of a tenth
    np.testing.assert_array_equal(outer[10:21, 10:21], inner)
    common = (A == C) & (A == X)
    assert (outer[20, 0] != A)[common].sum() == round(common.sum() / 4)  # each side has its own
    assert not (outer[20, 0] != A)[~common].any()


def test_each_memory_lies_in_a_valley_of_it():
    network = HopfieldNetwork(random_state=0).fit([A, C, X])
    energy = network.energy(plane([A, C, X], 31, 1.0).reshape(-1, 100)).reshape(31, 31)
    for row, column in ((20, 10), (20, 20), (10, 10)):
        around = energy[row - 1 : row + 2, column - 1 : column + 2]
        assert around.min() == energy[row, column]
        assert around.max() > energy[row, column] + 1


@pytest.mark.parametrize("corners", [[A, C], [A, C, X, A], [A, C, 2 * X], A, np.zeros((3, 4))])
def test_anything_but_three_states_is_refused(corners):
    with pytest.raises(InvalidDataError, match=r"corners must be three rows \(3, N\) of -1 and \+1, got an array"):
        plane(corners)


@pytest.mark.parametrize(("columns", "margin", "name"), [(1, 0.4, "columns"), (41, -0.1, "margin")])
def test_bounds_are_named(columns, margin, name):
    with pytest.raises(InvalidArgumentError, match=name):
        plane([A, C, X], columns, margin)
