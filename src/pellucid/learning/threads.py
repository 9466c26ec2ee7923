"""How many BLAS threads to train with: as many as the work deserves, decided from its size alone.

Two threads on tiny products are up to a hundred times slower than one when the machine is busy, and products
differ in their last bits between thread counts. So the count depends on the largest product of a batch and on
what the process allows; it is stored with the model as ``n_threads_``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["WORTH_A_SHARE", "limited_threads", "threads_for"]

# Multiply-adds of one product that are worth a second thread: some 4 ms of one core. Below, a busy machine, where
# threads wait for each other, costs far more than an idle one gives.
WORTH_A_THREAD = 200_000_000

# Of a whole batch that threads share out in large parts, and wait for each other asleep: some 0.3 ms of one core.
WORTH_A_SHARE = 10_000_000


@cache
def _controller() -> Any:
    import scipy.linalg.blas  # noqa: F401  # the BLAS that compiled code calls must be loaded to be controlled

    return ThreadpoolController()


def threads_for(multiply_adds: int, worth: int = WORTH_A_THREAD) -> int:
    """Return how many threads a product of that many multiply-adds gets, within what the process allows."""
    allowed = [library["num_threads"] for library in _controller().info() if library["user_api"] == "blas"]
    return min(allowed, default=1) if multiply_adds >= worth else 1


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let BLAS use that many threads within the block."""
    libraries = _controller().lib_controllers
    if all(library.num_threads == count for library in libraries if library.user_api == "blas"):
        yield  # asking takes 5 us, to set and to restore 150
        return
    with _controller().limit(limits=count, user_api="blas"):
        yield
