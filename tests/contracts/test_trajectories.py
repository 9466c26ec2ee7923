"""A hundred steps of training, by every engine, against the same hundred steps written by hand in torch."""

from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import torch
import torch_twin as twin

from pellucid.learning.engine import BATCH_LOSS, named
from pellucid.learning.loop import Training
from pellucid.learning.recipe import Problem, Recipe
from pellucid.parts.loss import Loss
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.schedule import Schedule
from pellucid.parts.stack import Stack
from pellucid.scaling.engine import Torch

STEPS = 100
ENGINES = (named("reference"), named("compiled"), Torch("cpu"))

SGD = torch.optim.SGD
OPTIMIZERS = {  # ours, torch's, the learning rate
    "sgd": (Optimizer("sgd", momentum=0.0), SGD, {}, 0.1),
    "momentum": (Optimizer("sgd", momentum=0.8, nesterov=False), SGD, {"momentum": 0.8}, 0.03),
    "nesterov": (Optimizer("sgd", momentum=0.8), SGD, {"momentum": 0.8, "nesterov": True}, 0.03),
    "adam": (
        Optimizer("adam", beta_1=0.85, beta_2=0.99, epsilon=1e-6),
        torch.optim.Adam, {"betas": (0.85, 0.99), "eps": 1e-6}, 0.02,
    ),
    "adamw": (Optimizer("adamw", weight_decay=0.3), torch.optim.AdamW, {"weight_decay": 0.3}, 0.02),
    "rmsprop": (Optimizer("rmsprop", rho=0.95), torch.optim.RMSprop, {"alpha": 0.95, "eps": 1e-8}, 0.01),
}  # fmt: skip

LOSSES = {
    "softmax": Loss("log_loss", "softmax"),
    "logistic": Loss("log_loss", "logistic"),
    "focal": Loss("focal", "softmax", 2.0),
    "squared error": Loss("squared_error"),
    "sum of squares": Loss("sum_of_squares", "logistic"),
    "huber": Loss("huber", "identity", 0.7),
    "poisson": Loss("poisson", "exp"),
}

# (optimizer, loss, strength of L2, biases, sample weights)
RUNS = [
    *((optimizer, loss, 0.0, True, False) for optimizer in OPTIMIZERS for loss in LOSSES),
    *((optimizer, "softmax", 0.5, True, True) for optimizer in OPTIMIZERS),
    *((optimizer, "sum of squares", 0.05, False, False) for optimizer in ("sgd", "adam")),
]


def beginning(optimizer, loss, alpha, bias, weighted):
    """A fresh training: 26 samples in batches of 8, the last of a pass of 2, in a new order each pass."""
    rng = np.random.default_rng(len(optimizer + loss))
    loss, (ours, _, _, rate) = LOSSES[loss], OPTIMIZERS[optimizer]
    # Below one logistic output each, sums of squares grow with the batch.
    rate = rate / 4 if not loss.averaged else rate
    stack = Stack((4, 6, 5, 3), ("tanh", "silu"), bias=bias, dtype=np.float64)
    stack.initialise("glorot_uniform", rng)
    n = 26
    X, Y = rng.normal(size=(n, 4)), twin.targets(loss, (n, 3), rng)
    problem = Problem(X, Y, rng.uniform(0.2, 2, n) if weighted else np.zeros(0))
    recipe = Recipe(loss, ours, Schedule(rate=rate), alpha, batch_size=8, shuffle=True, patience=-1)
    return Training.begin(stack, recipe, rng), recipe, problem


@cache
def truth(run):
    """The losses and the parameters after each step, by torch."""
    training, recipe, problem = beginning(*run)
    _, of_torch, settings, _ = OPTIMIZERS[run[0]]
    stack, shuffle = training.stack, deepcopy(training.shuffle_rng)
    leaves = twin.parameters(stack)
    optimizer = of_torch(leaves, lr=recipe.schedule.rate, **settings)
    X, Y = torch.tensor(problem.X), torch.tensor(problem.Y)
    weights = torch.tensor(problem.weights) if len(problem.weights) else torch.ones(len(X), dtype=torch.float64)
    losses, vectors = [], []
    while len(losses) < STEPS:
        for rows in np.array_split(shuffle.permutation(len(X)), [8, 16, 24]):
            optimizer.zero_grad()
            value = twin.objective(stack, leaves, recipe.loss, recipe.alpha, X[rows], Y[rows], weights[rows])
            value.backward()
            optimizer.step()
            losses.append(float(value.detach()))
            vectors.append(torch.cat([leaf.detach().reshape(-1) for leaf in leaves]).numpy())
    return np.array(losses), np.array(vectors)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join(map(str, run)))
@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_a_hundred_steps_are_those_of_torch(engine, run):
    losses, vectors = truth(run)
    training, recipe, problem = beginning(*run)
    start = training.stack.parameters.vector.copy()
    steps = [
        (training.memory.monitor[BATCH_LOSS], training.stack.parameters.vector.copy())
        for _ in training.run(engine, recipe, problem, STEPS // 4, "batch")
    ]
    mine = np.array([vector for _, vector in steps])
    np.testing.assert_allclose([loss for loss, _ in steps], losses, rtol=1e-9)
    assert np.abs(mine - vectors).max() <= 1e-9 * np.abs(vectors).max()
    assert np.abs(mine[-1] - start).max() > 0.05  # it did go somewhere


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
def test_the_loss_of_an_epoch_is_the_mean_over_its_samples(engine):
    """By weight; a smaller last batch counts less. A sum of squares is summed."""
    for run in (("sgd", "softmax", 0.5, True, True), ("sgd", "softmax", 0.0, True, False), RUNS[-2]):
        losses, _ = truth(run)
        training, recipe, problem = beginning(*run)
        weights = problem.weights if problem.weights.size else np.ones(problem.size)
        shuffle = deepcopy(training.shuffle_rng)
        for _ in training.run(engine, recipe, problem, STEPS // 4):
            pass
        for epoch, loss in enumerate(training.loss_curve):
            shares = [weights[rows].sum() for rows in np.array_split(shuffle.permutation(26), [8, 16, 24])]
            batches = losses[4 * epoch : 4 * epoch + 4]
            expected = np.average(batches, weights=shares) if recipe.loss.averaged else batches.sum()
            assert loss == pytest.approx(expected, rel=1e-9)
