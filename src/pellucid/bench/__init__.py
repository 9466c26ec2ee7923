"""Benchmarks: Pellucid and its peers on this machine, side by side in one run.

``run(room)`` measures, ``table(result)`` shows. One file a room says what is timed (``neuron.py``,
``mlp.py``). ``peers.py`` holds the peers, each as its users write it; ``measure.py`` says how a time and a
peak of memory are taken, ``probe.py`` sees a first call; ``goals.py`` is what Pellucid means to reach.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.bench.running import run
    from pellucid.bench.table import table

_WHERE = {"run": "running", "table": "table"}

__all__ = ["run", "table"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(f"pellucid.bench.{_WHERE[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'pellucid.bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
