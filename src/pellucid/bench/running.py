"""``run``: a room's tasks, measured one after another: the object that ``pellucid bench --json`` prints."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.measure import Duel, duel, fixed_threads, interquartile_share, load, machine, products_alone, timed
from pellucid.errors import InvalidArgumentError, PellucidWarning

__all__ = ["ROOMS", "run"]

ROOMS = ("neuron", "mlp", "cnn", "hopfield", "rbm", "spinn", "watching")
PROBE_TIMEOUT = 900  # seconds
SAME_QUALITY = 0.005  # accuracies further apart than this are not equal

Progress = Callable[[float, str], None]


def run(
    room: str | None = None,
    *,
    threads: int = 1,
    data: str | os.PathLike[str] | None = None,
    tasks: Sequence[str] | None = None,
    device: str | None = None,
    repeats: int = 5,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Return the measurements of a room (None: of all), a row for each task and peer.

    ``threads`` holds for everybody. ``data`` is the folder of MNIST's four files (None: Pellucid's cache,
    else a stand-in, and ``per`` says so). ``tasks`` chooses some of the room's. ``device`` is None or "cpu", or, in
    the room spinn, where torch computes, for both; its tasks are then those that may run there. Each time is a
    median of ``repeats`` rounds. ``progress(share, text)`` is called before each peer.

    In a row ``ratio`` = ``peer_s`` / ``pellucid_s``, medians of rounds in which the two took turns;
    ``spread`` is the interquartile share of the rounds' ratios; ``first_call_s`` Pellucid's first call in a
    new process with nothing compiled; ``quality`` a mean over the rounds, on the same rows for both;
    ``peak_mb`` the growth of the peak resident size, in a new process too; ``limit_share`` = time of the bare
    matrix products / ``pellucid_s``. What was not measured is None.

    Raises InvalidArgumentError for an unknown room, task or device, and for counts below 1.
    """
    chosen = _chosen(room, tasks)
    _check(threads, repeats)
    device = _device(room, device)
    if device != "cpu":
        elsewhere = import_module(f"pellucid.bench.{room}").ELSEWHERE
        chosen = {name: task for name, task in chosen.items() if name in elsewhere}
    setting = Setting(threads, None if data is None else os.fspath(data), device)
    rows: list[dict[str, Any]] = []
    here = machine()
    with _without_convergence_warnings():
        for number, (name, (where, task)) in enumerate(chosen.items()):

            def tell(share: float, text: str, number: int = number) -> None:
                if progress is not None:
                    progress((number + share) / len(chosen), text)

            rows += _rows(where, name, task(setting), setting=setting, repeats=repeats, tell=tell)
    # BLAS libraries and the load are known only after they have been used.
    here |= {"blas": machine()["blas"], "load_after": load(), "device": _named(device)}
    return {"room": room or "all", "machine": here, "rows": rows}


def _chosen(room: str | None, tasks: Sequence[str] | None) -> dict[str, tuple[str, Task]]:
    if room is not None and room not in ROOMS:
        raise InvalidArgumentError(f"room must be one of {', '.join(ROOMS)}, or None for all, got {room!r}")
    known = {
        name: (where, task)
        for where in ([room] if room else ROOMS)
        for name, task in import_module(f"pellucid.bench.{where}").TASKS.items()
    }
    for name in tasks or ():
        if name not in known:
            raise InvalidArgumentError(f"tasks must be among {', '.join(known)}, got {name!r}")
    return {name: known[name] for name in (tasks or known)}


def _check(threads: int, repeats: int) -> None:
    for argument, value in (("threads", threads), ("repeats", repeats)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgumentError(f"{argument} must be an integer >= 1, got {value!r}")


def _device(room: str | None, device: str | None) -> str:
    """Return the name of the device that was asked for, if there is one in this room and on this machine."""
    if device in (None, "cpu"):
        return "cpu"
    if room != "spinn":
        others = ", ".join(name for name in ROOMS if name != "spinn")
        raise InvalidArgumentError(f"device must be None or 'cpu' in the rooms {others}, got {device!r}")
    from pellucid.scaling.engine import DEVICES, device_for

    if device not in DEVICES:
        raise InvalidArgumentError(f"device must be one of {', '.join(DEVICES)}; got {device!r}")
    return str(device_for(device, np.dtype(np.float32)).type)


def _named(device: str) -> str:
    """Return what the machine calls the device."""
    if device != "cuda":
        return device
    import torch

    return str(torch.cuda.get_device_name())


def _rows(
    room: str, name: str, comparison: Comparison, *, setting: Setting, repeats: int, tell: Progress
) -> list[dict[str, Any]]:
    tell(0, f"{name}: first call")
    own = _probe(room, name, OURS, setting, comparison.memory)
    made = {contender: make() for contender, make in comparison.contenders.items()}
    ours = made.pop(OURS)
    rows = []
    with fixed_threads(setting.threads):
        ours.work(0)
        share = _limit_share(ours, comparison, repeats)
        for number, (peer, theirs) in enumerate(made.items()):
            tell((number + 1) / (len(made) + 1), f"{name}: {peer}")
            theirs.work(0)
            found = duel(ours.work, theirs.work, repeats, ours.quality, theirs.quality)
            row = _row(name, peer, found, comparison.per, setting.threads)
            row |= {"first_call_s": own["first_call_s"], "peak_mb": own["peak_mb"]}
            if comparison.memory:
                row["peer_peak_mb"] = _probe(room, name, peer, setting, True)["peak_mb"]
            if share is not None:
                row |= {"limit": comparison.limit, "limit_share": share}
            rows.append(row)
        if not made:
            rows.append(_alone(name, ours, comparison, setting.threads, repeats, share) | own)
    return rows + _best(rows)


def _row(name: str, peer: str, found: Duel, per: str, threads: int) -> dict[str, Any]:
    quality, peer_quality = statistics.fmean(found.our_results), statistics.fmean(found.their_results)
    if abs(quality - peer_quality) > SAME_QUALITY:
        per += f" (quality {quality:.3f}, the peer's {peer_quality:.3f}: not the same result)"
    return {
        "task": name,
        "peer": peer,
        "ratio": found.ratio,
        "pellucid_s": statistics.median(found.ours),
        "peer_s": statistics.median(found.theirs),
        "per": per,
        "spread": found.spread,
        "threads": threads,
        "first_call_s": None,
        "quality": quality,
        "peer_quality": peer_quality,
        "peak_mb": None,
        "peer_peak_mb": None,
        "limit": None,
        "limit_share": None,
    }


def _alone(
    name: str, ours: Contender, comparison: Comparison, threads: int, repeats: int, share: float | None
) -> dict[str, Any]:
    """Return the row of a task that nobody else does: no ratio, but a time, a quality, a share of the limit."""
    seconds, qualities = [], []
    for seed in range(repeats):
        taken, result = timed(ours.work, seed)
        seconds.append(taken)
        qualities.append(ours.quality(result))
    return {
        "task": name, "peer": None, "ratio": None, "pellucid_s": statistics.median(seconds), "peer_s": None,
        "per": comparison.per, "spread": interquartile_share(seconds), "threads": threads,
        "quality": statistics.fmean(qualities), "peer_quality": None, "peer_peak_mb": None,
        "limit": None if share is None else comparison.limit, "limit_share": share,
    }  # fmt: skip


def _best(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the row of torch's faster way once more, as the peer ``torch-best``, where there are two."""
    of_torch = [row for row in rows if row["peer"] is not None and row["peer"].startswith("torch")]
    return [min(of_torch, key=lambda row: row["ratio"]) | {"peer": "torch-best"}] if len(of_torch) > 1 else []


def _limit_share(ours: Contender, comparison: Comparison, repeats: int) -> float | None:
    if comparison.alone is not None:
        alone = comparison.alone()
    elif comparison.products:
        alone = products_alone(comparison.products)
    else:
        return None
    alone(0)
    return duel(ours.work, alone, repeats, ours.quality, lambda result: None).ratio


def _probe(room: str, task: str, contender: str, setting: Setting, memory: bool) -> dict[str, float | None]:
    """Measure in a new process with an empty cache of compiled code what only a new process can show."""
    asked = {
        "room": room, "task": task, "contender": contender,
        "threads": setting.threads, "data": setting.data, "memory": memory, "device": setting.device,
    }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="pellucid-bench-") as empty:
        environment = os.environ | {"NUMBA_CACHE_DIR": empty, "OMP_NUM_THREADS": str(setting.threads)}
        command = [sys.executable, "-m", "pellucid.bench.probe", json.dumps(asked)]
        try:
            done = subprocess.run(  # noqa: S603  (this interpreter, arguments of our own)
                command, env=environment, capture_output=True, text=True, timeout=PROBE_TIMEOUT, check=True
            )
            answer: dict[str, float | None] = json.loads(done.stdout)
        except (subprocess.SubprocessError, OSError, ValueError) as error:
            reason = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
            message = f"{task}: the first call and the memory of {contender} could not be measured: {reason}"
            warnings.warn(message, PellucidWarning, stacklevel=2)
            return {"first_call_s": None, "peak_mb": None}
    return answer


@contextmanager
def _without_convergence_warnings() -> Iterator[None]:
    """Silence the warning that an end comes before convergence: a fixed number of epochs is the point."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
