"""The stack-augmented parser-interpreter network (Bowman et al. 2016), on PyTorch: the extra ``torch``.

``machine.py`` is the algorithm as the article tells it, to be read; ``batched.py`` the same function at speed, on
other devices than the CPU by ``elsewhere.py``: as torch operations (``stepwise.py``) or kernels (``fused.py``);
``parsing.py`` finds its own transitions, ``beam.py`` with a beam; ``model.py`` goes from words to labels,
``objective.py`` from batches to losses.

``estimator.py`` learns: ``parameters.py`` says what it may be told, ``examples.py`` and ``preparing.py`` from what,
``resuming.py`` where it was, ``filing.py`` how it is kept. ``answering.py`` is what it answers then, ``tracing.py``
step by step. Trees and their readers need no torch, and stand elsewhere.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pellucid.errors import MissingExtraError

__all__ = ["Cell", "SPINNClassifier", "encode", "machine", "parse"]

_WHERE = {
    "Cell": "machine",
    "SPINNClassifier": "estimator",
    "machine": "machine",
    "encode": "batched",
    "parse": "parsing",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if find_spec("torch") is None:
        raise MissingExtraError(
            f"pellucid.networks.spinn.{name} needs PyTorch; install it with: pip install 'pellucid[torch]'"
        )
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
