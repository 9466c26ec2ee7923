"""How many BLAS threads to train with: as many as the work deserves, decided from its size alone.

Two threads on tiny products are up to a hundred times slower than one when the machine is busy, and products
differ in their last bits between thread counts. So the count depends on the largest product of a batch and on
what the process allows; it is stored with the model as ``n_threads_``.
"""

import threading
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


class _Limits:
    """The number of BLAS threads is one for the whole process, though blocks of several threads may ask for some.

    The latest that is not yet left decides; the last one to be left brings back what was before the first.
    """

    def __init__(self) -> None:
        self.lock, self.asked = threading.Lock(), list[int]()
        self.libraries = [each for each in _controller().lib_controllers if each.user_api == "blas"]
        self.before = self.now = list[int]()

    def enter(self, count: int) -> None:
        with self.lock:
            if not self.asked:
                self.before = self.now = [library.num_threads for library in self.libraries]
            self.asked.append(count)
            self._set([count] * len(self.now))

    def leave(self, count: int) -> None:
        with self.lock:
            del self.asked[len(self.asked) - 1 - self.asked[::-1].index(count)]
            self._set([self.asked[-1]] * len(self.now) if self.asked else self.before)

    def _set(self, counts: list[int]) -> None:
        if counts == self.now:
            return
        for library, count in zip(self.libraries, counts, strict=True):
            library.set_num_threads(count)
        self.now = counts


@cache
def _limits() -> _Limits:
    return _Limits()


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Let BLAS use that many threads within the block."""
    limits = _limits()
    limits.enter(count)
    try:
        yield
    finally:
        limits.leave(count)
