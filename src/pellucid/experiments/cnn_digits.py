"""Handwritten digits, 8 x 8 pixels, read by convolution: no download.

The split is that of the experiment ``digits``. The settings were chosen on a further quarter of the training part;
the test part was not looked at for them.
"""

from collections.abc import Mapping
from typing import Any

from pellucid.experiments.digits import parts
from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_images, summary_of
from pellucid.language import say
from pellucid.networks.cnn import CNNClassifier

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
EPOCHS, QUICK_EPOCHS = 60, 30
SIDE = 8


def network(seed: int, epochs: int = EPOCHS) -> CNNClassifier:
    """Return the network, untrained: 16 and 32 patterns of 3 x 3, then 100 units, with small shifts and rotations."""
    return CNNClassifier(
        conv_layers=((16, 3), (32, 3)),
        hidden_layer_sizes=(100,),
        dropout=0.3,
        shift=0.8,
        rotation=15,
        batch_size=32,
        learning_rate="cosine",
        learning_rate_init=0.003,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=seed,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on three quarters of the images and score the rest."""
    X_train, X_test, y_train, y_test = parts(seed)
    epochs = QUICK_EPOCHS if quick else EPOCHS
    model = network(seed, epochs)
    for step in model.steps(X_train.reshape(-1, SIDE, SIDE), y_train):
        progress(step.epoch / epochs, say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss))
    metrics, payload = score_images(model, X_test, y_test)
    payload |= {"trace": model.trace(X_test[0], y_test[0])}
    return Finding(metrics, {"test_accuracy": ">= 0.98" if quick else ">= 0.985"}, summary_of(metrics), payload)
