"""What several processes and one alone learn, so that both can be compared."""

import numpy as np

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
