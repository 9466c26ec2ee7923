"""One contender in a process of its own: ``python -m pellucid.bench.probe '{"room": ..., "task": ...}'``.

A first call and a peak of memory can be seen only where nothing has happened yet; ``running.py`` starts this
with an empty cache of compiled code and reads the JSON object {"first_call_s", "peak_mb"} from its output.
"""

import json
import sys
import time
import warnings
from importlib import import_module
from typing import Any

from pellucid.bench.comparison import Setting
from pellucid.bench.measure import fixed_threads, peak_growth

__all__ = ["main", "probe"]


def probe(
    *, room: str, task: str, contender: str, threads: int, data: str | None, memory: bool, device: str = "cpu"
) -> dict[str, float | None]:
    """Return the seconds of the first call and, where asked, the growth of the peak in a later one, in MB."""
    setting = Setting(threads, data, device)
    comparison = import_module(f"pellucid.bench.{room}").TASKS[task](setting)
    made = comparison.contenders[contender]()
    with fixed_threads(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that fixed epochs end before convergence is known
        start = time.perf_counter()
        made.work(0)
        first = time.perf_counter() - start
        growth = peak_growth(lambda: made.work(0)) if memory else None
    return {"first_call_s": first, "peak_mb": growth}


def main(arguments: list[str]) -> None:
    """Read what to measure from the one argument, print what was found."""
    asked: dict[str, Any] = json.loads(arguments[0])
    print(json.dumps(probe(**asked)))


if __name__ == "__main__":
    main(sys.argv[1:])
