"""The reference engine: training a stack in plain NumPy, the definition that compiled code is held equal to."""

import numpy as np

from pellucid.learning.recipe import Problem, Recipe
from pellucid.parts.stack import Stack

__all__ = ["batch_gradient", "predict", "train_batch"]

PREDICT_ROWS = 256


def train_batch(
    stack: Stack,
    recipe: Recipe,
    problem: Problem,
    rows: np.ndarray,
    slots: np.ndarray,
    step: int,
    rate: float,
) -> tuple[float, float]:
    """Learn from the samples ``rows``, in place; return their loss and weight. ``step`` counts from 1."""
    value, weight = batch_gradient(stack, recipe, problem, rows, training=True)
    recipe.optimizer.update(stack.parameters.vector, stack.parameters.gradient, slots, step, rate)
    return value, weight


def batch_gradient(
    stack: Stack, recipe: Recipe, problem: Problem, rows: np.ndarray, training: bool = False
) -> tuple[float, float]:
    """Write the gradient of the loss of the samples ``rows``; return that loss and their weight."""
    loss = recipe.loss
    weights = problem.weights[rows] if problem.weights.size else np.ones(len(rows), stack.dtype)
    weight = float(weights.sum(dtype=np.float64))
    scale = 1 / weight if loss.averaged else 1.0
    logits, caches = stack.forward(problem.X[rows], training)  # (N, K)
    target = problem.Y[rows]
    value = float((weights * loss.rows(logits, target)).sum(dtype=np.float64)) * scale
    stack.backward(loss.gradient(logits, target) * (weights * stack.dtype.type(scale))[:, None], caches)
    return value + _add_penalty(stack, recipe.alpha * scale), weight


def _add_penalty(stack: Stack, strength: float) -> float:
    """Add the slope of strength/2 |W|² to the gradient; return that penalty. Biases are free."""
    total = 0.0
    for number, weight in enumerate(stack.weights, start=1):
        total += float((weight**2).sum(dtype=np.float64))
        stack.parameters.slopes[f"weight{number}"][...] += weight * stack.dtype.type(strength)
    return strength / 2 * total


def predict(stack: Stack, X: np.ndarray) -> np.ndarray:
    """Return the logits (n, K), some rows at a time: the patches of many images would take much memory."""
    return np.concatenate([stack.forward(X[i : i + PREDICT_ROWS])[0] for i in range(0, max(1, len(X)), PREDICT_ROWS)])
