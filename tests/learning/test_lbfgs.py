"""SciPy's L-BFGS, one iteration at a time: the same iterations, nothing ahead, and an end whenever it is asked for."""

import threading

import numpy as np
import pytest
from scipy.optimize import minimize, rosen, rosen_der

from pellucid.learning.lbfgs import iterations

START = np.array([-1.2, 1.0, 0.5])


def bowl(theta):
    return rosen(theta), rosen_der(theta)


def limits(**changes):
    return {"max_iter": 200, "max_fun": 1000, "tolerance": 1e-6} | changes


def test_the_iterations_are_scipys():
    kept = []
    options = {"maxiter": 200, "maxfun": 1000, "gtol": 1e-6, "ftol": 64 * np.finfo(float).eps}
    minimize(bowl, START, jac=True, method="L-BFGS-B", callback=lambda x: kept.append(x.copy()), options=options)
    mine = list(iterations(bowl, START, **limits()))
    assert len(mine) == len(kept) > 10
    for (theta, loss), other in zip(mine, kept, strict=True):
        np.testing.assert_array_equal(theta, other)
        assert loss == rosen(other)
    np.testing.assert_allclose(mine[-1][0], 1, atol=1e-4)


def test_nothing_is_computed_ahead_and_closing_ends_the_thread():
    calls, threads = [], threading.active_count()

    def counted(theta):
        calls.append(1)
        return bowl(theta)

    run = iterations(counted, START, **limits())
    assert calls == []
    next(run)
    so_far = len(calls)
    next(run)
    assert so_far < len(calls) < so_far + 20
    so_far = len(calls)
    run.close()
    assert len(calls) == so_far
    assert threading.active_count() == threads


def test_limits_are_kept():
    assert len(list(iterations(bowl, START, **limits(max_iter=4)))) == 4
    calls = []
    list(iterations(lambda theta: (calls.append(1), bowl(theta))[1], START, **limits(max_fun=8)))
    assert len(calls) < 20


def test_an_error_of_the_loss_reaches_the_consumer():
    def broken(theta):
        raise ArithmeticError("no loss today")

    with pytest.raises(ArithmeticError, match="no loss today"):
        list(iterations(broken, START, **limits()))
