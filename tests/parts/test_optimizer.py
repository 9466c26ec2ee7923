"""One update by each optimizer, in NumPy and compiled; whole trajectories are compared with torch's elsewhere."""

import numpy as np
import pytest

from pellucid.errors import InvalidArgumentError
from pellucid.parts.compiled.optimizer import update
from pellucid.parts.optimizer import OPTIMIZERS, Optimizer

EVERY = {
    "sgd": Optimizer("sgd", momentum=0.0),
    "momentum": Optimizer("sgd", nesterov=False),
    "nesterov": Optimizer("sgd"),
    "adam": Optimizer("adam"),
    "adamw": Optimizer("adamw", weight_decay=0.1),
    "rmsprop": Optimizer("rmsprop"),
}


def run(optimizer, compiled, gradients, dtype, start):
    theta = start.astype(dtype)
    slots = np.zeros((optimizer.slots, theta.size), dtype)
    for step, gradient in enumerate(gradients.astype(dtype), start=1):
        if compiled:
            update(optimizer.code, theta, gradient, slots, optimizer.hyperparameters(), step, 0.1)
        else:
            optimizer.update(theta, gradient, slots, step, 0.1)
    return theta, slots


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERY)
def test_compiled_and_readable_agree(name, dtype):
    rng = np.random.default_rng(0)
    gradients, start = rng.normal(size=(7, 33)), rng.normal(size=33)
    (theta, slots), (other, other_slots) = (run(EVERY[name], kind, gradients, dtype, start) for kind in (True, False))
    tolerance = 50 * np.finfo(dtype).eps
    np.testing.assert_allclose(theta, other, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slots, other_slots, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", EVERY)
def test_every_optimizer_goes_down_a_bowl(name):
    theta, slots = np.full(3, 5.0), np.zeros((EVERY[name].slots, 3))
    for step in range(1, 1000):
        EVERY[name].update(theta, 2 * theta, slots, step, 0.02)
    assert np.abs(theta).max() < 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["momentum", "adam", "rmsprop"])
def test_memory_that_fades_ends_at_zero_and_never_stays_subnormal(name, dtype):
    """A subnormal number costs a hundred normal ones; in float64 fading takes 6,000 steps."""
    gradients = np.zeros((12_000, 4))
    gradients[0] = 1e-3
    if name == "rmsprop":
        gradients = gradients[:9_000]
    theta, slots = run(EVERY[name], True, gradients, dtype, np.ones(4))
    tiny = np.finfo(dtype).tiny
    assert ((slots == 0) | (np.abs(slots) >= tiny)).all()
    assert (slots[0] == 0).all()
    other, _ = run(EVERY[name], False, gradients, dtype, np.ones(4))
    np.testing.assert_allclose(theta, other, rtol=100 * np.finfo(dtype).eps)


def test_plain_descent_is_the_rate_times_the_slope():
    theta = np.array([1.0, -2.0])
    EVERY["sgd"].update(theta, np.array([0.5, 0.25]), np.zeros((0, 2)), 1, 0.1)
    np.testing.assert_allclose(theta, [0.95, -2.025])


def test_adams_first_step_is_the_rate_whatever_the_size_of_the_slope():
    theta = np.zeros(3)
    EVERY["adam"].update(theta, np.array([1e-3, -5.0, 1e4]), np.zeros((2, 3)), 1, 0.1)
    np.testing.assert_allclose(theta, [-0.1, 0.1, -0.1], rtol=1e-4)


def test_an_unknown_solver_is_answered_with_those_there_are():
    with pytest.raises(InvalidArgumentError, match="solver must be one of sgd, adam, adamw, rmsprop; got 'adagrad'"):
        Optimizer("adagrad")
    assert len({Optimizer(name).code for name in OPTIMIZERS}) == len(OPTIMIZERS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", EVERY)
def test_what_is_not_finite_does_not_vanish(name, bad, dtype):
    """Else a weight that diverged would look like one that faded."""
    gradients = np.full((1, 20), 0.1)
    gradients[0, 13] = bad
    theta, _ = run(EVERY[name], True, gradients, dtype, np.ones(20))
    assert not np.isfinite(theta[13])
    assert np.isfinite(np.delete(theta, 13)).all()
