"""The means to see that an object is as it was."""

import copy

import numpy as np
import pytest


def _picture(value, seen):
    """Return a structure of plain values that differs whenever the object does, arrays by their bytes."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return ("array", value.dtype.str, value.shape, value.tobytes())
    if isinstance(value, np.random.Generator):
        return ("generator", _picture(value.bit_generator.state, seen))
    if isinstance(value, np.random.RandomState):
        return ("random state", _picture(value.get_state(legacy=False), seen))
    if isinstance(value, dict):
        return {key: _picture(item, seen) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_picture(item, seen) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        if id(value) in seen:
            return "seen"
        seen.add(id(value))
        return (type(value).__name__, _picture(vars(value), seen))
    return repr(value)


@pytest.fixture
def picture():
    """Return a function: estimator -> everything in it, to be compared before and after."""
    return lambda estimator: _picture(copy.copy(vars(estimator)), set())
