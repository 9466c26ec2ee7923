"""MNIST: 60,000 handwritten digits to learn from, 10,000 to be tested on (LeCun, Cortes, Burges 1998).

The multilayer network's architecture, dropout, schedule and number of epochs were chosen on 10,000 images split off
the training part (the convolutional one's are a first guess, tried there for two epochs); the figure is then measured
once on the test part, after training on all 60,000.
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_images, summary_of
from pellucid.language import say
from pellucid.networks.cnn import CNNClassifier
from pellucid.networks.mlp import MLPClassifier

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {"model": ("mlp", "cnn")}
EPOCHS = {"mlp": 20, "cnn": 8}
QUICK_EPOCHS = {"mlp": 4, "cnn": 1}
EXPECTED = {"mlp": ">= 0.985", "cnn": ">= 0.992"}


def network(seed: int, epochs: int, model: str = "mlp") -> MLPClassifier | CNNClassifier:
    """Return the network, untrained: 784-800-400-10 with dropout, or two convolutions with moved images."""
    if model == "cnn":
        return CNNClassifier(
            conv_layers=((16, 5), (32, 5)),
            hidden_layer_sizes=(128,),
            padding="valid",
            shift=1.5,
            rotation=10,
            dropout=0.3,
            batch_size=100,
            learning_rate="cosine",
            learning_rate_init=0.002,
            alpha=0.0,
            max_iter=epochs,
            tol=0.0,
            n_iter_no_change=epochs,
            random_state=seed,
        )
    return MLPClassifier(
        hidden_layer_sizes=(800, 400),
        batch_size=200,
        learning_rate="cosine",
        learning_rate_init=0.002,
        dropout=0.4,
        alpha=0.0,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs,
        random_state=seed,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on all 60,000 images and score the 10,000 of the test."""
    from pellucid.data import load_mnist

    if quick and data is None:
        return Finding(skipped=say("MNIST is 11 MB to download; name the folder that has it with --data"))
    mnist = load_mnist(data)
    kind = options["model"]
    epochs = (QUICK_EPOCHS if quick else EPOCHS)[kind]
    model = network(seed, epochs, kind)
    start = perf_counter()
    for step in model.steps(mnist.X_train, mnist.y_train):
        progress(step.epoch / epochs, say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss))
    fit_seconds = perf_counter() - start
    metrics, payload = score_images(model, mnist.X_test, mnist.y_test)
    metrics |= {"epochs": epochs, "fit_seconds": round(fit_seconds, 1)}
    if kind == "cnn":
        payload |= {"trace": model.trace(mnist.X_test[0], mnist.y_test[0])}
    return Finding(metrics, {"test_accuracy": ">= 0.97" if quick else EXPECTED[kind]}, summary_of(metrics), payload)
