"""The experiments: one file each, and what ``run``, ``tour``, ``watch`` and the documentation all use.

``run("xor")`` trains for real, measures, compares with what is expected, and returns a :class:`Result`.
Whoever wants a picture gives the Result to ``pellucid.watching``; nothing in here draws or prints.
"""

from collections.abc import Mapping
from importlib import import_module
from operator import index
from time import perf_counter
from typing import Any

from pellucid.errors import InvalidArgumentError
from pellucid.experiments.result import Finding, Progress, Result, meets

__all__ = ["EXPERIMENTS", "Finding", "Result", "meets", "run"]

EXPERIMENTS = {
    "neuron": "pellucid.experiments.neuron",
    "two-layer": "pellucid.experiments.two_layer",
    "xor": "pellucid.experiments.xor",
    "digits": "pellucid.experiments.digits",
    "cnn-digits": "pellucid.experiments.cnn_digits",
    "mnist": "pellucid.experiments.mnist",
    "hopfield": "pellucid.experiments.hopfield",
    "rbm-digits": "pellucid.experiments.rbm_digits",
    "logic": "pellucid.experiments.logic",
    "listops": "pellucid.experiments.listops",
    "inference": "pellucid.experiments.inference",
}


def run(
    name: str,
    *,
    seed: int | None = None,
    quick: bool = False,
    data: Any = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run the experiment ``name`` and return what it measured.

    ``seed`` None is the experiment's own. ``quick`` reduces it to what fits into a short tour; an
    experiment that would need a download is then skipped, and says so. ``data`` is a folder for those that
    read files. ``options`` are the experiment's own (``{"model": "mlp"}`` for mnist). ``progress(fraction,
    text)`` is called as it runs.

    Raises InvalidArgumentError for an unknown name, option or seed; whatever the data loaders raise.
    """
    if name not in EXPERIMENTS:
        raise InvalidArgumentError(f"experiment must be one of {', '.join(EXPERIMENTS)}, got {name!r}")
    module = import_module(EXPERIMENTS[name])
    options = _checked_options(name, module.OPTIONS, options or {})
    seed = _checked_seed(module.DEFAULT_SEED if seed is None else seed)
    start = perf_counter()
    finding: Finding = module.experiment(seed, quick, data, options, progress or _silent)
    seconds = perf_counter() - start
    return Result.judge(name, seed, finding, seconds)


def _checked_seed(seed: Any) -> int:
    number = -1 if isinstance(seed, bool) or not hasattr(seed, "__index__") else index(seed)
    if not 0 <= number < 2**32:
        raise InvalidArgumentError(f"seed must be a whole number from 0 to 4294967295, got {seed!r}")
    return number


def _checked_options(name: str, known: Mapping[str, tuple[str, ...]], given: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {option: allowed[0] for option, allowed in known.items()}
    for option, value in given.items():
        if option not in known:
            allowed = ", ".join(known) or "none"
            raise InvalidArgumentError(f"options of {name} must be among: {allowed}; got {option!r}")
        if value not in known[option]:
            allowed = ", ".join(known[option])
            raise InvalidArgumentError(f"{option} of {name} must be one of {allowed}, got {value!r}")
        chosen[option] = value
    return chosen


def _silent(fraction: float, text: str) -> None:
    """Nobody watches the progress."""
