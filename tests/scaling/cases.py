"""What several processes and one alone learn, so that both can be compared; and how processes are started."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from pellucid.errors import PellucidError

SETTINGS = {
    "hidden_layer_sizes": (6,), "max_iter": 5, "n_iter_no_change": 5, "batch_size": 10, "dtype": "float64",
    "random_state": 3, "engine": "torch",
}  # fmt: skip
WEIGHTS = np.linspace(0.1, 2, 37)
CASES = {
    "L2": ({"alpha": 0.1}, {}),
    "weighted": ({"alpha": 0.1, "class_weight": "balanced"}, {"sample_weight": WEIGHTS}),
    "summed": ({"loss": "sum_of_squares", "learning_rate_init": 0.01}, {}),
    "summed, one left over": ({"loss": "sum_of_squares", "learning_rate_init": 0.01}, {}),
    "stopping": ({"early_stopping": True, "validation_fraction": 0.3}, {}),
    "lbfgs": ({"solver": "lbfgs", "max_iter": 20}, {}),
}


def samples(name=None):
    """Return what the case of that name learns from; the last batch of one has fewer samples than processes."""
    n = 41 if name == "summed, one left over" else 37
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 5)), rng.integers(0, 3, n)


IMAGES = {
    "conv_layers": ((3, 3),), "hidden_layer_sizes": (5,), "batch_norm": True, "batch_size": 37, "max_iter": 1,
    "n_iter_no_change": 1, "dtype": "float64", "random_state": 3, "engine": "torch",
}  # fmt: skip


def images():
    rng = np.random.default_rng(1)
    return rng.normal(size=(37, 8, 8)), rng.integers(0, 3, 37)


def sentences(longest=5):
    """Return 41 trees over 2 or more of four words, and whether the first word is the last."""
    from pellucid.trees import Tree

    rng = np.random.default_rng(2)
    words = [rng.choice(list("abcd"), rng.integers(2, longest + 1)).tolist() for _ in range(41)]
    return [Tree.left_branching(some) for some in words], [int(some[0] == some[-1]) for some in words]


def spinn(**changes):
    from pellucid.spinn import SPINNClassifier

    sizes = {"hidden": 5, "embedding": 4, "mlp": 6, "batch_size": 9, "max_iter": 5, "random_state": 3}
    return SPINNClassifier(**(sizes | changes))


def outcome(action):
    """What an error says that comes out of the action, or None."""
    try:
        action()
    except (OSError, ArithmeticError, PellucidError) as error:
        return f"{type(error).__name__}: {error}"
    return None


class Full:
    """A stdout whose disk is full after some writing."""

    left = 4

    def write(self, text):
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "no space left")

    def flush(self):
        pass


def in_two_processes(script, folder):
    """Run a script beside this file in two processes, and return what each found, by rank."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name(script)), str(folder)]
    started = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank)}, stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=100)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [json.loads(text.splitlines()[-1]) for text in said]
