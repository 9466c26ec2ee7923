"""How the benchmarks measure: times side by side, a first call, a peak of memory, a limit, this machine.

A speed is a ratio of medians. Pellucid and a peer take turns (A B A B) within one process, so that whatever
else the machine does meets both; all have the same number of threads, and all have run before they are timed, the quick
ones in every turn.
"""

import gc
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Duel", "duel", "fixed_threads", "interquartile_share", "machine", "peak_growth", "products_alone"]

SHORTEST_TIMING = 0.02  # seconds; quicker calls are timed several at a time: clocks are coarse
MOST_CALLS = 1000
WARMING = 0.1  # seconds; a quicker call is made once before each timing: the other's turn has filled the caches
MEBIBYTE = 1 << 20


@dataclass
class Duel:
    """The times of two who took turns, in seconds a call, and what their calls returned, one a round."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    our_results: list[Any] = field(default_factory=list)
    their_results: list[Any] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Their median time / our median time: above 1, Pellucid is faster."""
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def spread(self) -> float:
        """The interquartile range of the rounds' ratios, as a share of their median."""
        return interquartile_share([theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)])


def duel(
    ours: Callable[[int], Any],
    theirs: Callable[[int], Any],
    repeats: int,
    grade_ours: Callable[[Any], Any],
    grade_theirs: Callable[[Any], Any],
) -> Duel:
    """Let the two take turns ``repeats`` times. Both must have run before.

    Round r calls both with the seed r. ``grade_...`` turns what a call returned into what is kept, untimed.
    """
    found = Duel()
    our_way, their_way = _way_of_timing(ours), _way_of_timing(theirs)
    for seed in range(repeats):
        seconds, result = timed(ours, seed, *our_way)
        found.ours.append(seconds)
        found.our_results.append(grade_ours(result))
        seconds, result = timed(theirs, seed, *their_way)
        found.theirs.append(seconds)
        found.their_results.append(grade_theirs(result))
    return found


def timed(work: Callable[[int], Any], seed: int, calls: int = 1, warm: bool = False) -> tuple[float, Any]:
    """Return the seconds of one call of ``work(seed)``, a mean over ``calls``, and the last result.

    To ``warm``, one more call comes before the clock starts.
    """
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()  # a collection belongs to nobody's work
    try:
        result = work(seed) if warm else None
        start = time.perf_counter()
        for _ in range(calls):
            result = work(seed)
        seconds = (time.perf_counter() - start) / calls
    finally:
        if was_enabled:
            gc.enable()
    return seconds, result


def _way_of_timing(work: Callable[[int], Any]) -> tuple[int, bool]:
    """Return how many calls are timed at once, and whether one comes before."""
    seconds, _ = timed(work, 0)
    return min(MOST_CALLS, max(1, round(SHORTEST_TIMING / seconds))), seconds < WARMING


def interquartile_share(values: list[float]) -> float:
    """Return (third quartile - first quartile) / median; 0 for a single value."""
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
    return float((high - low) / middle)


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Hold every pool of threads that is loaded (BLAS, OpenMP, Numba, torch) at ``threads``.

    Only a library that is loaded can be held, so import what will be measured first.
    """
    import numba
    import scipy.linalg  # noqa: F401  (SciPy brings a BLAS of its own, which compiled code calls)
    from threadpoolctl import threadpool_limits

    with ExitStack() as stack:
        stack.enter_context(threadpool_limits(limits=threads))
        stack.callback(numba.set_num_threads, numba.get_num_threads())
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        if "torch" in sys.modules:
            torch = sys.modules["torch"]
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        yield


def products_alone(products: tuple[tuple[int, int, int, int], ...]) -> Callable[[int], None]:
    """Return work that does only float32 products (m, k) (k, n), each ``count`` times, by numpy.dot.

    The operands stay in place, so this is the machine's sgemm rate at these shapes: nobody trains faster.
    """
    rng = np.random.default_rng(0)
    prepared = [
        (
            rng.standard_normal((m, k), dtype=np.float32),
            rng.standard_normal((k, n), dtype=np.float32),
            np.empty((m, n), np.float32),
            count,
        )
        for m, k, n, count in products
    ]

    def work(seed: int) -> None:
        for left, right, out, count in prepared:
            for _ in range(count):
                np.dot(left, right, out=out)

    return work


def peak_growth(work: Callable[[], Any]) -> float | None:
    """Return by how many MB (2**20 bytes) the peak resident size in ``work()`` exceeds that just before.

    Linux keeps that peak itself and lets a process reset it; elsewhere a thread samples through psutil. None
    where there is neither. Call it where ``work`` has run once: imports and compiling are not meant.
    """
    gc.collect()
    _return_free_memory()
    if _reset_peak():
        before = _status_bytes("VmRSS")
        work()
        return max(0, _status_bytes("VmHWM") - before) / MEBIBYTE
    if find_spec("psutil") is not None:
        return _sampled_growth(work)
    return None


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status_bytes("VmHWM") > 0
    except (OSError, LookupError):
        return False


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def _return_free_memory() -> None:
    """Give freed memory back, where the C library can: what it kept would hide as much growth."""
    if platform.libc_ver()[0] == "glibc":
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)


def _sampled_growth(work: Callable[[], Any], interval: float = 0.001) -> float:
    import psutil

    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(interval):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return float(max(peak, process.memory_info().rss) - before) / MEBIBYTE


def machine() -> dict[str, Any]:
    """Return what a reader must know about this machine to place the figures."""
    from threadpoolctl import threadpool_info

    libraries = ("numpy", "scipy", "scikit-learn", "numba", "torch")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pellucid": version("pellucid"),
        "versions": {name: found for name in libraries if (found := _version(name))},
        "blas": [
            {
                "name": pool["internal_api"],
                "version": pool["version"],
                "architecture": pool.get("architecture"),
            }
            for pool in threadpool_info()
            if pool["user_api"] == "blas"
        ],
        "load": load(),
    }


def load() -> float | None:
    """Return how many processes wanted to run, a mean over the last minute; None where nobody counts them."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
