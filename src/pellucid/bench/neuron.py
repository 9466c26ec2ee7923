"""The neuron's task: 10,000 iterations on the article's table, in float64, from the article's weights.

Quality is the answer to the new case [1, 0, 0], which every contender must give as 0.99993704.
"""

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.peers import has_torch, sigmoid, textbook_neuron, torch_neuron
from pellucid.data import NEURON_TABLE

__all__ = ["TASKS"]

ITERATIONS = 10_000
NEW_CASE = np.array([[1.0, 0.0, 0.0]])
X, Y = NEURON_TABLE  # (4, 3), (4,)
X = np.array(X, dtype=np.float64)  # the table is read-only, which torch does not take


def start() -> np.ndarray:
    """Return the article's first weights (D, 1)."""
    return 2 * np.random.RandomState(1).random_sample((3, 1)) - 1


def ours() -> Contender:
    """Return Pellucid's Neuron."""
    from pellucid.networks.neuron import Neuron

    return Contender(
        lambda seed: Neuron(max_iter=ITERATIONS, random_state=1).fit(X, Y),
        lambda model: float(model.predict_proba(NEW_CASE)[0, 1]),
    )


def textbook() -> Contender:
    """Return the tutorial's loop."""
    targets = np.asarray(Y, dtype=np.float64).reshape(-1, 1)
    return Contender(
        lambda seed: textbook_neuron(X, targets, start(), ITERATIONS),
        lambda weights: float(sigmoid(NEW_CASE @ weights)[0, 0]),
    )


def autograd() -> Contender:
    """Return the same rule by torch's autograd."""
    import torch

    inputs, targets = torch.from_numpy(X), torch.tensor(Y, dtype=torch.float64).reshape(-1, 1)
    return Contender(
        lambda seed: torch_neuron(inputs, targets, torch.from_numpy(start()), ITERATIONS),
        lambda weights: float(sigmoid(NEW_CASE @ weights.numpy())[0, 0]),
    )


def neuron_10000(setting: Setting) -> Comparison:
    """Time 10,000 iterations."""
    contenders = {OURS: ours, "textbook-numpy": textbook}
    if has_torch():
        contenders["torch"] = autograd
    return Comparison(f"{ITERATIONS:,} iterations on 4 rows, float64", contenders)


TASKS: dict[str, Task] = {"neuron-10000": neuron_10000}
