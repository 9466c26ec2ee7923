"""The Boltzmann machines' tasks: epochs of PCD on the nudged digits and on MNIST, beside scikit-learn's.

Quality is the mean log pseudo-likelihood a visible unit, by the full sum over all units, on the same rows for both.
"""

from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.mlp import mnist
from pellucid.data import load_digits

__all__ = ["TASKS"]

ROWS = 200


def pseudo_likelihood(model: Any, X: np.ndarray) -> float:
    """Return the mean log pseudo-likelihood a visible unit of anybody's machine on X (N, D)."""
    from scipy.special import log_expit

    W, b, c = (np.asarray(a, np.float64) for a in (
        model.components_, model.intercept_visible_, model.intercept_hidden_,
    ))  # fmt: skip
    total = 0.0
    for v in X.astype(np.float64):
        flip = 1 - 2 * v
        z = W @ v + c  # (H,)
        rise = np.logaddexp(0, z).sum() - np.logaddexp(0, z + flip[:, None] * W.T).sum(axis=1) - flip * b
        total += log_expit(rise).mean()
    return total / len(X)


def contenders(X: np.ndarray, settings: dict[str, Any]) -> dict[str, Any]:
    """Return Pellucid and scikit-learn, in float64 as it comes and in float32, on X (N, D)."""
    held = X[:: max(1, len(X) // ROWS)][:ROWS]

    def ours() -> Contender:
        from pellucid.networks.rbm import BernoulliRBM

        return Contender(
            lambda seed: BernoulliRBM(**settings, random_state=seed).fit(X),
            lambda model: pseudo_likelihood(model, held),
        )

    def sklearn(dtype: type) -> Contender:
        from sklearn.neural_network import BernoulliRBM

        given: np.ndarray = X.astype(dtype)
        return Contender(
            lambda seed: BernoulliRBM(**settings, random_state=seed).fit(given),
            lambda model: pseudo_likelihood(model, held),
        )

    return {OURS: ours, "sklearn-f64": lambda: sklearn(np.float64), "sklearn-f32": lambda: sklearn(np.float32)}


def rbm_digits(setting: Setting) -> Comparison:
    """Time 10 epochs, 64-100, batches of 10."""
    from pellucid.experiments.rbm_digits import nudged

    settings = {"n_components": 100, "learning_rate": 0.06, "n_iter": 10, "batch_size": 10}
    X = nudged(load_digits()[0])[:8980]  # whole batches: scikit-learn weighs a last one that is not full otherwise
    return Comparison(f"10 epochs of {len(X):,} nudged digits, 64-100, batch 10", contenders(X, settings))


def rbm_mnist(setting: Setting) -> Comparison:
    """Time one epoch, 784-256, batches of 100."""
    images = mnist(setting.data)
    settings = {"n_components": 256, "learning_rate": 0.05, "n_iter": 1, "batch_size": 100}
    X = np.ascontiguousarray(images.X.reshape(len(images.X), -1)[:10_000], np.float32)
    return Comparison(f"1 epoch of {len(X):,} images, 784-256, batch 100, {images.name}", contenders(X, settings))


TASKS: dict[str, Task] = {"rbm-digits": rbm_digits, "rbm-mnist": rbm_mnist}
