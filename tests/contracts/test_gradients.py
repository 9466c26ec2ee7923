"""The gradient of every kind of network, by both engines, against autograd and against differences."""

from functools import cache
from itertools import islice, pairwise

import numpy as np
import pytest
import torch_twin as twin

from pellucid.learning.engine import Compiled, Memory, Reference
from pellucid.parts.loss import Loss, link_function

NETWORKS = 24  # for each of 53 losses on their links: 1,272
KINKED = ("relu", "leaky_relu", "elu")  # elu: in its second derivative
ENGINES = {"reference": Reference(), "compiled": Compiled()}


@cache
def case_and_truth(loss, seed):
    case = twin.random_case(loss, seed)
    return case, case.truth()


def in_training(engine, case):
    """Loss and gradient of one batch, and where it led."""
    stack = case.stack
    before = stack.parameters.vector.copy()
    memory = Memory(np.zeros((0, before.size), stack.dtype), before.copy())
    losses, order = np.full(1, np.nan), np.arange(case.problem.size)[None]
    engine.train(stack, case.recipe, case.problem, memory, order, 0, np.array([0.5]), losses)
    after, stack.parameters.vector[:] = stack.parameters.vector.copy(), before
    return losses[0], stack.parameters.gradient, before - after


def assert_close(mine, truth, tolerance):
    assert np.abs(mine - truth).max() <= tolerance * np.abs(truth).max()


@pytest.mark.parametrize("loss", twin.LOSSES_AND_LINKS, ids=twin.label)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradient_is_that_of_autograd(engine, loss):
    engine, moving = ENGINES[engine], 0
    for seed in range(NETWORKS):
        case, (value, gradient, _) = case_and_truth(loss, seed)
        case.stack.parameters.gradient[:] = np.nan
        assert engine.loss_and_gradient(case.stack, case.recipe, case.problem) == pytest.approx(
            value, rel=1e-12, abs=1e-14
        )
        assert_close(case.stack.parameters.gradient, gradient, 1e-10)
        moving += bool(gradient.any())
    assert moving > NETWORKS / 2  # the others are dead rectifiers: zero both times


@pytest.mark.parametrize("loss", twin.LOSSES_AND_LINKS, ids=twin.label)
@pytest.mark.parametrize("engine", ENGINES)
def test_training_follows_the_gradient_of_autograd(engine, loss):
    for seed in range(NETWORKS):
        case, (value, gradient, _) = case_and_truth(loss, seed)
        mine, slopes, change = in_training(ENGINES[engine], case)
        assert mine == pytest.approx(value, rel=1e-12, abs=1e-14)
        assert_close(slopes, gradient, 1e-10)
        np.testing.assert_allclose(change, 0.5 * gradient, rtol=1e-9, atol=1e-10 * np.abs(gradient).max() + 1e-15)


@pytest.mark.parametrize("loss", twin.LOSSES_AND_LINKS, ids=twin.label)
def test_backward_gives_the_slope_at_the_input_too(loss):
    for seed in range(NETWORKS):
        case, (_, _, at_input) = case_and_truth(loss, seed)
        problem = case.problem
        logits, caches = case.stack.forward(problem.X)
        weights = problem.weights if problem.weights.size else np.ones(problem.size)
        scale = weights / (weights.sum() if loss.averaged else 1)
        slopes = case.stack.backward(loss.gradient(logits, problem.Y) * scale[:, None], caches)
        assert_close(slopes[0], at_input, 1e-10)


@pytest.mark.parametrize("loss", twin.LOSSES_AND_LINKS, ids=twin.label)
@pytest.mark.parametrize("engine", ENGINES)
def test_in_float32_the_gradient_is_right_to_32_eps(engine, loss):
    """Of the largest one; measured: half of all networks stay within 1 eps, 99 % within 6, all within 9."""
    for seed in range(NETWORKS):
        case = twin.random_case(loss, seed, np.float32)
        _, gradient, _ = case.truth()
        ENGINES[engine].loss_and_gradient(case.stack, case.recipe, case.problem)
        assert case.stack.parameters.gradient.dtype == np.float32
        assert_close(case.stack.parameters.gradient, gradient, 32 * np.finfo(np.float32).eps)


# Differences. A central difference over h is wrong by c2 h² + c4 h⁴ + ... and by rounding, about eps |C| / h.
# Richardson's extrapolation from four steps removes the terms up to h⁶; what is left of the first is below
# 2⁻⁵⁰ at h = 2⁻⁵, and the last step, 2⁻⁸, keeps rounding near 1e-13: so float64 is enough for 1e-10.
STEPS = 2.0 ** -np.arange(5, 9)


def richardson(function, theta, place):
    """The derivative of function(theta) along one coordinate."""
    centre, estimates = theta[place], []
    for h in STEPS:
        theta[place] = centre + h
        above = function()
        theta[place] = centre - h
        estimates.append((above - function()) / (2 * h))
    theta[place] = centre
    for power in (4, 16, 64):
        estimates = [(power * fine - rough) / (power - 1) for rough, fine in pairwise(estimates)]
    return estimates[0]


def sides(case):
    """On which side of its kink everything is that has one."""
    loss, Y = case.recipe.loss, case.problem.Y
    z, caches = case.stack.forward(case.problem.X)
    kinked = [c.z for c, name in zip(caches, case.stack.activations, strict=True) if name in KINKED]
    kinked += [z] if loss.link in KINKED else []
    error = link_function(loss.link, z) - Y
    kinked += {"absolute_error": [error], "huber": [np.abs(error) - loss.parameter]}.get(loss.name, [])
    return np.concatenate([np.sign(each).ravel() for each in kinked]) if kinked else np.zeros(0)


def away_from_kinks(case):
    """Whether no step along any coordinate, nor one twice as long, leads over a kink."""
    theta, here = case.stack.parameters.vector, sides(case)
    for place in range(theta.size):
        centre = theta[place]
        for h in (-2 * STEPS[0], -STEPS[0], STEPS[0], 2 * STEPS[0]):
            theta[place] = centre + h
            crossed = (sides(case) != here).any()
            theta[place] = centre
            if crossed:
                return False
    return True


@cache
def cases_away_from_kinks(loss):
    cases = (twin.random_case(loss, seed) for seed in range(1, 400))
    small = (c for c in cases if c.stack.parameters.vector.size <= 40 and c.problem.size < 8)
    return list(islice(filter(away_from_kinks, small), 3))


@pytest.mark.parametrize("loss", twin.LOSSES_AND_LINKS, ids=twin.label)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradient_is_that_of_differences(engine, loss):
    cases = cases_away_from_kinks(loss)
    assert len(cases) == 3
    for case in cases:
        theta = case.stack.parameters.vector

        def value(case=case):
            return ENGINES[engine].loss_and_gradient(case.stack, case.recipe, case.problem)

        value()
        gradient = case.stack.parameters.gradient.copy()
        differences = [richardson(value, theta, place) for place in range(theta.size)]
        assert_close(gradient, np.array(differences), 1e-10)


@pytest.mark.parametrize("activation", twin.HIDDEN)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_hidden_activation_agrees_with_differences(engine, activation):
    loss = Loss("log_loss", "softmax")
    cases = (twin.random_case(loss, seed, activations=[activation]) for seed in range(1, 900))
    deep = (c for c in cases if len(c.stack.sizes) > 3 and c.stack.parameters.vector.size < 60 and c.problem.size < 5)
    case = next(filter(away_from_kinks, deep))

    def value():
        return ENGINES[engine].loss_and_gradient(case.stack, case.recipe, case.problem)

    value()
    gradient = case.stack.parameters.gradient.copy()
    theta = case.stack.parameters.vector
    assert_close(gradient, np.array([richardson(value, theta, i) for i in range(theta.size)]), 1e-10)
