"""Pellucid: neural networks you can see through.

Every network keeps three promises: *read it* (one room, equations first), *watch it* (every advance is a
Step), *use it* (a scikit-learn estimator). Heavy rooms load when they are first named (PEP 562).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.learning.recording import Recording
    from pellucid.networks.cnn import CNNClassifier
    from pellucid.networks.dense_memory import DenseAssociativeMemory
    from pellucid.networks.hopfield import HopfieldNetwork
    from pellucid.networks.mlp import MLPClassifier, MLPRegressor
    from pellucid.networks.neuron import Neuron
    from pellucid.networks.rbm import BernoulliRBM, GaussianRBM
    from pellucid.saving import load, save

__version__ = "0.1.0"

_WHERE = {
    "CNNClassifier": "pellucid.networks.cnn",
    "DenseAssociativeMemory": "pellucid.networks.dense_memory",
    "HopfieldNetwork": "pellucid.networks.hopfield",
    "BernoulliRBM": "pellucid.networks.rbm",
    "GaussianRBM": "pellucid.networks.rbm",
    "MLPClassifier": "pellucid.networks.mlp",
    "MLPRegressor": "pellucid.networks.mlp",
    "Neuron": "pellucid.networks.neuron",
    "Recording": "pellucid.learning.recording",
    "load": "pellucid.saving",
    "save": "pellucid.saving",
}

__all__ = [
    "BernoulliRBM",
    "CNNClassifier",
    "DenseAssociativeMemory",
    "GaussianRBM",
    "HopfieldNetwork",
    "MLPClassifier",
    "MLPRegressor",
    "Neuron",
    "Recording",
    "__version__",
    "load",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(import_module(_WHERE[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'pellucid' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
