"""``from pellucid.spinn import SPINNClassifier, Tree``: the room's public names, each loaded when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.networks.spinn.estimator import SPINNClassifier
    from pellucid.trees import Tree

__all__ = ["SPINNClassifier", "Tree"]

_WHERE = {"SPINNClassifier": "pellucid.networks.spinn", "Tree": "pellucid.trees"}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)
