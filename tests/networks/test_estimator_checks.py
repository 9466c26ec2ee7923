"""scikit-learn's own estimator checks, on every public estimator, as they are."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.utils.estimator_checks import check_estimator

from pellucid import CNNClassifier, MLPClassifier, MLPRegressor, Neuron

# Enough epochs for the checks of accuracy; "stopped at max_iter" is as meant.
SHORT = {"max_iter": 60, "n_iter_no_change": 60, "learning_rate_init": 0.01}


class PoissonOfAnyTarget(MLPRegressor):
    """A Poisson regression takes no negative target: here they lose their sign first."""

    def _check_y(self, y, n_samples):
        return np.abs(super()._check_y(y, n_samples))


class RowsOfPixels(CNNClassifier):
    """The checks give rows of any number of columns: here each is an image one pixel high."""

    def _guessed_shape(self, columns):
        return 1, 1, columns


# In float64, as the multilayer network is there of itself: the checks compare to 1e-7.
IMAGES = {"conv_layers": ((8, 1),), "pool_size": 1, "dtype": "float64"}
CNNS = {
    "default": {},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "reference": {"engine": "reference", "activation": "tanh"},
}
CLASSIFIERS = {
    "default": {},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "float64": {"dtype": "float64"},
    "lbfgs": {"solver": "lbfgs"},
    # A rate so low that no unit falls: masks belong to rows, so a row in two copies draws others than one of weight 2.
    "sgd": {
        "solver": "sgd", "hidden_layer_sizes": (32, 16), "activation": ("tanh", "elu"), "dropout": (1e-9, 0.0),
        "learning_rate": "adaptive",
    },
    "reference": {"engine": "reference"},
    "focal": {"loss": "focal", "hidden_layer_sizes": (20, 10), "activation": ["gelu", "silu"]},
    "squared error": {"loss": "squared_error", "solver": "rmsprop"},
    "sum of squares": {"loss": "sum_of_squares", "bias": False, "initial_weights": "he_normal"},
    "adamw": {"solver": "adamw", "learning_rate": "cosine", "warmup_epochs": 2},
}  # fmt: skip
REGRESSORS = {
    "default": {},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "float64": {"dtype": "float64"},
    "lbfgs": {"solver": "lbfgs"},
    "sgd": CLASSIFIERS["sgd"] | {"loss": "huber"},
    "reference": {"engine": "reference"},
    "absolute error": {"loss": "absolute_error", "activation": "softplus"},
    "huber": {"loss": "huber", "solver": "rmsprop"},
    "sum of squares": {"loss": "sum_of_squares", "activation": "leaky_relu"},
}
NEURONS = {
    "default": {},
    "bias": {"bias": True},
    "float32": {"dtype": "float32"},
    "reference": {"engine": "reference"},
    "float32 reference with bias": {"dtype": "float32", "engine": "reference", "bias": True},
    "warm": {"warm_start": True},
}
ESTIMATORS = [
    *(pytest.param(Neuron(**{"max_iter": 100} | kw), id=f"Neuron {name}") for name, kw in NEURONS.items()),
    *(pytest.param(MLPClassifier(**SHORT | kw), id=f"MLPClassifier {name}") for name, kw in CLASSIFIERS.items()),
    *(pytest.param(MLPRegressor(**SHORT | kw), id=f"MLPRegressor {name}") for name, kw in REGRESSORS.items()),
    *(pytest.param(RowsOfPixels(**SHORT | IMAGES | kw), id=f"CNNClassifier {name}") for name, kw in CNNS.items()),
    pytest.param(PoissonOfAnyTarget(**SHORT | {"loss": "poisson"}), id="MLPRegressor poisson"),
]  # fmt: skip


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimator_passes_every_check_of_scikit_learn(estimator):
    results = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = [f"{r['check_name']}: {r['exception']!r}" for r in results if r["status"] not in {"passed", "skipped"}]
    assert failed == []
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}  # needs a variable set before SciPy is imported: see below
    assert len(results) > 50


def test_the_array_api_check_passes_in_a_process_that_allows_it():
    program = (
        "import json, pellucid\n"
        "from sklearn.utils.estimator_checks import check_estimator\n"
        "found = {}\n"
        "for name in ('Neuron', 'MLPClassifier', 'MLPRegressor'):\n"
        "    model = getattr(pellucid, name)(max_iter=10)\n"
        "    for r in check_estimator(model, on_skip=None, on_fail=None):\n"
        "        if r['check_name'] == 'check_array_api_input': found[name] = r['status']\n"
        "print(json.dumps(found))\n"
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == dict.fromkeys(("Neuron", "MLPClassifier", "MLPRegressor"), "passed")
