"""The two-layer network: three inputs, four hidden units, one output, the chain rule by hand.

Sigmoid units, no biases (the third input is always 1), sum-of-squares loss, gradient descent with step 1
over all four rows at once. It learns exclusive or, which no single neuron can. The set-up is James Loy's
(2018, "How to build your own neural network from scratch in Python"), with its 1,500 iterations.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.data import TWO_LAYER_TABLE
from pellucid.experiments.result import Finding, Progress
from pellucid.language import say
from pellucid.networks.mlp import MLPClassifier

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
ITERATIONS = 1_500
SEEDS = 100

X, Y = TWO_LAYER_TABLE  # (N, D), (N,)


def network(seed: int) -> MLPClassifier:
    """Return the network of this experiment, untrained, with starting weights uniform in (0, 1)."""
    return MLPClassifier(
        hidden_layer_sizes=(4,),
        activation="logistic",
        loss="sum_of_squares",
        bias=False,
        initial_weights="uniform",
        solver="sgd",
        learning_rate_init=1.0,
        momentum=0.0,
        nesterovs_momentum=False,
        alpha=0.0,
        shuffle=False,
        max_iter=ITERATIONS,
        tol=0.0,
        n_iter_no_change=ITERATIONS,
        dtype="float64",
        random_state=seed,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train the network of ``seed``, then those of seeds 0 to 99, so that one lucky start proves nothing."""
    model = network(seed).fit(X, Y)
    outputs = model.predict_proba(X)[:, 1]
    progress(0.1, say("trained"))
    others = []
    for other in range(SEEDS):
        others.append(_measure(network(other).fit(X, Y)))
        progress(0.1 + 0.9 * (other + 1) / SEEDS, say("{n} of {total} starts", n=other + 1, total=SEEDS))
    monotonic, max_error = _measure(model)
    metrics = {
        "iterations": model.n_iter_,
        "loss_monotonic": monotonic,
        "max_error": max_error,
        "final_loss": float(model.loss_curve_[-1]),
        "outputs": [round(float(value), 6) for value in outputs],
        "seeds": SEEDS,
        "seeds_monotonic": sum(falls for falls, _ in others),
        "seeds_within_0.05": sum(error <= 0.05 for _, error in others),
    }
    expected = {"loss_monotonic": "== true", "max_error": "<= 0.05", "iterations": f"== {ITERATIONS}"}
    summary = (
        say(
            "After {n} iterations the outputs are {outputs} for the targets {targets}.",
            n=model.n_iter_,
            outputs=np.array2string(outputs, precision=3),
            targets=Y,
        ),
        say(
            "Of {total} random starts, {close} end within 0.05; {falls} with a loss that never rises.",
            total=SEEDS,
            close=metrics["seeds_within_0.05"],
            falls=metrics["seeds_monotonic"],
        ),
    )
    payload = {
        "model": model,
        "X": X,
        "y": Y,
        "outputs": outputs,
        "max_errors": np.array([e for _, e in others]),
    }
    return Finding(metrics, expected, summary, payload)


def _measure(model: MLPClassifier) -> tuple[bool, float]:
    falls = bool(np.all(np.diff(model.loss_curve_) <= 0))
    return falls, float(np.abs(model.predict_proba(X)[:, 1] - Y).max())
