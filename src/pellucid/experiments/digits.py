"""Handwritten digits, 8 x 8 pixels, the 1,797 that scikit-learn brings along: no download.

A quarter is held out for the test, each digit in its proportion. The settings were chosen on a further
quarter of the training part; the test part was not looked at for them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pellucid.data import load_digits
from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_images, summary_of
from pellucid.language import say
from pellucid.networks.mlp import MLPClassifier

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
EPOCHS = 60


def network(seed: int) -> MLPClassifier:
    """Return the network, untrained: 64-400-10 with dropout and a falling learning rate."""
    return MLPClassifier(
        hidden_layer_sizes=(400,),
        dropout=0.5,
        learning_rate="cosine",
        learning_rate_init=0.005,
        batch_size=32,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS,
        random_state=seed,
    )


class Parts(NamedTuple):
    """The images (N, 64) and their digits (N,): three quarters to learn from, one quarter for the test."""

    X_train: np.ndarray
    X_test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


def parts(seed: int) -> Parts:
    """Return the digits, split so that each digit has its proportion in both parts."""
    return Parts(*_split(*load_digits(), 0.25, seed))


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on three quarters of the images, a tenth of them aside to watch it by, and score the rest."""
    X_train, X_test, y_train, y_test = parts(seed)
    X_train, X_val, y_train, y_val = _split(X_train, y_train, 0.1, seed)
    model = network(seed)
    for step in model.steps(X_train, y_train, X_val=X_val, y_val=y_val):
        progress(step.epoch / EPOCHS, say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss))
    metrics, payload = score_images(model, X_test, y_test)
    return Finding(metrics, {"test_accuracy": ">= 0.975"}, summary_of(metrics), payload)


def _split(X: np.ndarray, y: np.ndarray, share: float, seed: int) -> list[np.ndarray]:
    from sklearn.model_selection import train_test_split

    pieces: list[np.ndarray] = train_test_split(X, y, test_size=share, stratify=y, random_state=seed)
    return pieces
