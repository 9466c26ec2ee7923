"""L-BFGS (SciPy's, in float64), one iteration at a time.

SciPy calls back after each iteration; a generator hands each on. SciPy runs in a thread of its own that sleeps
while the consumer looks, so nothing is computed ahead, and closing the generator ends the minimisation.
Source: Byrd, Lu, Nocedal, Zhu 1995; Liu, Nocedal 1989.
"""

import threading
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import minimize

__all__ = ["iterations"]


class _Handover:
    """Lets exactly one of two threads run at a time."""

    def __init__(self) -> None:
        self.may_compute, self.may_look = threading.Semaphore(0), threading.Semaphore(0)
        self.closed, self.done = False, False
        self.error: BaseException | None = None
        self.latest: tuple[np.ndarray, float] | None = None


def iterations(
    loss_and_gradient: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    *,
    max_iter: int,
    max_fun: int,
    tolerance: float,
) -> Iterator[tuple[np.ndarray, float]]:
    """Yield (θ, loss) after each iteration, θ (n,) float64; end when SciPy is satisfied or the limits are met."""
    hand = _Handover()

    def after_iteration(intermediate_result: object) -> None:
        hand.latest = (intermediate_result.x.copy(), float(intermediate_result.fun))  # type: ignore[attr-defined]
        hand.may_look.release()
        hand.may_compute.acquire()
        if hand.closed:
            raise StopIteration

    def work() -> None:
        hand.may_compute.acquire()
        try:
            options = {
                "maxiter": max_iter,
                "maxfun": max_fun,
                "gtol": tolerance,
                "ftol": 64 * np.finfo(float).eps,
            }
            if not hand.closed:
                minimize(
                    loss_and_gradient,
                    start,
                    jac=True,
                    method="L-BFGS-B",
                    callback=after_iteration,
                    options=options,
                )
        except BaseException as error:  # handed to the consumer's thread
            hand.error = error
        hand.done = True
        hand.may_look.release()

    thread = threading.Thread(target=work, name="pellucid-lbfgs", daemon=True)
    thread.start()
    try:
        while True:
            hand.may_compute.release()
            hand.may_look.acquire()
            if hand.done:
                break
            assert hand.latest is not None
            yield hand.latest
    finally:
        hand.closed = True
        hand.may_compute.release()
        thread.join()
    if hand.error is not None:
        raise hand.error
