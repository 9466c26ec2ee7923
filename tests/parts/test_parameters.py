"""One vector, many views: nothing severs them, and copies have their own."""

import copy
import pickle

import numpy as np
import pytest

from pellucid.parts.parameters import Parameters
from pellucid.parts.stack import Stack

SHAPES = {"weight1": (3, 2), "bias1": (2,), "weight2": (2, 1)}


@pytest.fixture
def parameters():
    made = Parameters(SHAPES, np.float64)
    made.vector[:] = np.arange(10)
    return made


def through_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def test_views_lie_one_behind_the_other(parameters):
    np.testing.assert_array_equal(parameters.views["weight1"], [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(parameters.views["bias1"], [6, 7])
    assert [parameters.offset(name) for name in SHAPES] == [0, 6, 8]
    with pytest.raises(KeyError, match="weight3"):
        parameters.offset("weight3")


def test_writing_on_one_side_is_seen_on_the_other(parameters):
    parameters.vector[6] = -1
    assert parameters.views["bias1"][0] == -1
    parameters.slopes["weight2"][...] = 5
    np.testing.assert_array_equal(parameters.gradient[8:], [5, 5])


@pytest.mark.parametrize("name", ["vector", "gradient", "views", "slopes", "shapes"])
def test_nobody_severs_a_view_by_assigning(parameters, name):
    with pytest.raises(AttributeError, match=f"write into it: parameters.{name}\\[:\\] = "):
        setattr(parameters, name, np.zeros(10))


@pytest.mark.parametrize("carried", [copy.copy, copy.deepcopy, through_pickle])
def test_a_copy_has_views_of_its_own_vector(parameters, carried):
    other = carried(parameters)
    other.vector[:] = 9
    assert (other.views["weight1"] == 9).all()
    assert parameters.vector[1] == 1


@pytest.mark.parametrize("carried", [copy.deepcopy, through_pickle])
def test_the_layers_of_a_copied_stack_see_its_vector(carried):
    stack = Stack((3, 4, 2), ("tanh",), dropout=(0.3,))
    stack.initialise("auto", np.random.default_rng(0))
    other = carried(stack)
    other.parameters.vector[:] = 0
    assert not other.forward(np.ones((1, 3), np.float32))[0].any()
    assert stack.forward(np.ones((1, 3), np.float32))[0].any()
