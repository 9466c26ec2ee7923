"""Exclusive or: four hidden units learn it from any start; the classic two do not, and that is shown.

A start counts as solved when every output comes within 0.1 of its target in at most 10,000 iterations over
all four rows. The classic network (2-2-1, sigmoid, plain gradient descent on squared error: Rumelhart,
Hinton and Williams 1986, chapter 8) gets caught on plateaus and in local minima; four hidden units,
cross-entropy and momentum do not.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.data import XOR
from pellucid.experiments.result import Finding, Progress
from pellucid.language import say
from pellucid.networks.mlp import MLPClassifier

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
ITERATIONS = 10_000
SEEDS = 100
CLOSE = 0.1

X, Y = XOR  # (N, D), (N,)


def network(seed: int) -> MLPClassifier:
    """Return the network that learns exclusive or: 2-4-1, cross-entropy, Nesterov's momentum."""
    return _full_batch(seed, hidden_layer_sizes=(4,), learning_rate_init=1.0, momentum=0.9)


def classic(seed: int) -> MLPClassifier:
    """Return the classic 2-2-1 network: squared error, plain gradient descent."""
    return _full_batch(
        seed,
        hidden_layer_sizes=(2,),
        loss="sum_of_squares",
        learning_rate_init=0.5,
        momentum=0.0,
        nesterovs_momentum=False,
    )


def _full_batch(seed: int, **settings: Any) -> MLPClassifier:
    """Return what both share: sigmoid units, float64, all four rows at each step, no early end."""
    return MLPClassifier(
        activation="logistic",
        solver="sgd",
        alpha=0.0,
        shuffle=False,
        max_iter=ITERATIONS,
        tol=0.0,
        n_iter_no_change=ITERATIONS,
        dtype="float64",
        random_state=seed,
        **settings,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train both networks from 100 starts each, then the one of ``seed`` for its picture."""
    solved, curves = _many(network, lambda n: progress(0.3 * n / SEEDS, say("4 hidden units, start {n}", n=n)))
    old, old_curves = _many(classic, lambda n: progress(0.3 + 0.6 * n / SEEDS, say("2 hidden units, start {n}", n=n)))
    model = network(seed)
    iterations, _ = learn(model)
    outputs = model.predict_proba(X)[:, 1]
    metrics = {
        "accuracy": float(model.score(X, Y)),
        "max_error": float(np.abs(outputs - Y).max()),
        "iterations": iterations,
        "seeds": SEEDS,
        "seeds_solved": sum(n is not None for n in solved),
        "iterations_median": _median(solved),
        "classic_221_solved": sum(n is not None for n in old),
        "classic_221_iterations_median": _median(old),
    }
    expected = {"accuracy": "== 1.0", "seeds_solved": ">= 97"}
    summary = (
        say(
            "With 4 hidden units, {solved} of {total} starts learn it, in {median:.0f} iterations (median).",
            solved=metrics["seeds_solved"],
            total=SEEDS,
            median=metrics["iterations_median"] or 0,
        ),
        say(
            "The classic network with 2 hidden units does so in {solved} of {total}; the others are stuck.",
            solved=metrics["classic_221_solved"],
            total=SEEDS,
        ),
    )
    payload = {
        "model": model,
        "X": X,
        "y": Y,
        "outputs": outputs,
        "solved": solved,
        "curves": curves,
        "classic_solved": old,
        "classic_curves": old_curves,
    }
    return Finding(metrics, expected, summary, payload)


def learn(model: MLPClassifier) -> tuple[int | None, np.ndarray]:
    """Train for 10,000 iterations; return when it was solved (None: it was not) and the losses until then.

    Solved means that every output is within 0.1 of its target at the end; the iteration is the first one
    whose loss is so small that no output can be further off.
    """
    model.fit(X, Y)
    losses = np.array(model.loss_curve_)
    if np.abs(model.predict_proba(X)[:, 1] - Y).max() > CLOSE:
        return None, losses
    sure = CLOSE**2 if model.loss == "sum_of_squares" else -np.log(1 - CLOSE) / len(Y)
    below = np.flatnonzero(losses <= sure)
    iteration = int(below[0]) + 1 if below.size else losses.size
    return iteration, losses[:iteration]


def _many(
    build: Callable[[int], MLPClassifier], tell: Callable[[int], None]
) -> tuple[list[int | None], list[np.ndarray]]:
    found = []
    for seed in range(SEEDS):
        found.append(learn(build(seed)))
        tell(seed + 1)
    return [n for n, _ in found], [losses for _, losses in found]


def _median(counts: list[int | None]) -> float | None:
    solved = [n for n in counts if n is not None]
    return float(np.median(solved)) if solved else None
