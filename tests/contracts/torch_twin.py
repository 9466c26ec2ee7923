"""The same networks in torch, from their formulas: the oracle of gradients and trajectories."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from pellucid.learning.recipe import Problem, Recipe
from pellucid.parts.loss import Loss
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.schedule import Schedule
from pellucid.parts.stack import Stack

torch.set_num_threads(1)  # a second one makes networks this small many times slower

ACTIVATIONS = {
    "identity": lambda z: z,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda z: F.leaky_relu(z, 0.01),
    "elu": F.elu,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "silu": F.silu,
    "exp": torch.exp,
}
HIDDEN = tuple(name for name in ACTIVATIONS if name != "exp")

LOSSES = {
    "squared_error": lambda p, y, _: (p - y) ** 2 / 2,
    "sum_of_squares": lambda p, y, _: (p - y) ** 2,
    "absolute_error": lambda p, y, _: F.l1_loss(p, y, reduction="none"),
    "huber": lambda p, y, delta: F.huber_loss(p, y, reduction="none", delta=delta),
}

# Every loss on every link that it may stand on, with several of the numbers that it takes.
LOSSES_AND_LINKS = [
    *(Loss(loss, link, 0.3) for loss in LOSSES for link in ACTIVATIONS),
    Loss("poisson", "exp"),
    Loss("log_loss", "logistic"),
    Loss("log_loss", "softmax"),
    *(Loss("focal", link, gamma) for link in ("logistic", "softmax") for gamma in (0, 0.5, 1, 2, 3.5)),
]


def label(loss):
    return f"{loss.name}-{loss.link}" + (f"-{loss.parameter:g}" if loss.name in {"focal", "huber"} else "")


def loss_rows(loss, z, y):
    """Each sample's loss (N,)."""
    if loss.name == "log_loss" and loss.link == "softmax":
        return F.cross_entropy(z, y, reduction="none")
    if loss.name == "log_loss":
        return F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(1)
    if loss.name == "focal" and loss.link == "softmax":
        log_p = (F.log_softmax(z, dim=1) * y).sum(1)
        return -((1 - log_p.exp()) ** loss.parameter) * log_p
    if loss.name == "focal":
        log_p = F.logsigmoid(torch.where(y == 1, z, -z))
        return (-((1 - log_p.exp()) ** loss.parameter) * log_p).sum(1)
    if loss.name == "poisson":
        return (z.exp() - y * z - y + torch.special.xlogy(y, y)).sum(1)
    return LOSSES[loss.name](ACTIVATIONS[loss.link](z), y, loss.parameter).sum(1)


def parameters(stack):
    """The stack's parameters as torch leaves, in its order, float64."""
    return [torch.tensor(view, dtype=torch.float64, requires_grad=True) for view in stack.parameters.views.values()]


def objective(stack, leaves, loss, alpha, x, y, weights):
    """The loss of a batch, as documented: a weighted mean (or sum) of rows, and L2 over weights alone."""
    step = 2 if stack.bias else 1
    z = x
    for layer, name in enumerate(stack.activations):
        z = z @ leaves[step * layer]
        if stack.bias:
            z = z + leaves[step * layer + 1]
        z = ACTIVATIONS[name](z)
    scale = 1 / weights.sum() if loss.averaged else 1.0
    value = (weights * loss_rows(loss, z, y)).sum() * scale
    return value + alpha / 2 * scale * sum((weight**2).sum() for weight in leaves[::step])


@dataclass
class Case:
    """A random network, with something to learn and a way to do it."""

    stack: Stack
    problem: Problem
    recipe: Recipe

    def truth(self):
        """Loss, gradient (n,), and slope at the input (N, D), by torch in float64."""
        leaves = parameters(self.stack)
        x, y, w = (torch.tensor(a, dtype=torch.float64) for a in (self.problem.X, self.problem.Y, self.problem.weights))
        x.requires_grad_()
        w = w if len(w) else torch.ones(len(x), dtype=torch.float64)
        value = objective(self.stack, leaves, self.recipe.loss, self.recipe.alpha, x, y, w)
        *slopes, at_input = torch.autograd.grad(value, [*leaves, x])
        return float(value.detach()), torch.cat([s.reshape(-1) for s in slopes]).numpy(), at_input.numpy()


def targets(loss, shape, rng):
    """Targets that the loss is made for."""
    if loss.link == "softmax":
        return np.eye(shape[1])[rng.integers(0, shape[1], shape[0])]
    if loss.name in {"log_loss", "focal"}:
        return rng.integers(0, 2, shape).astype(float)
    return rng.poisson(2.0, shape).astype(float) if loss.name == "poisson" else rng.normal(size=shape)


def random_case(loss, seed, dtype=np.float64, activations=HIDDEN):
    """A network of up to three hidden layers, with or without biases, weights, L2; of few or many samples."""
    rng = np.random.default_rng([seed, loss.code, *map(ord, loss.link), int(10 * loss.parameter)])
    wide = (2, 9, 40) if seed % 6 == 0 else (1, 2, 3, 5)
    hidden = [int(size) for size in rng.choice(wide, rng.integers(0, 4))]
    outputs = int(rng.integers(2 if loss.link == "softmax" else 1, 5))
    n = 300 if seed % 8 == 0 else int(rng.integers(1, 10))  # more than are worked on at once, or few
    bias, weighted, alpha = bool(rng.integers(2)), bool(rng.integers(2)), float(rng.choice([0.0, 0.3]))
    stack = Stack(
        (int(rng.integers(1, 6)), *hidden, outputs),
        rng.choice(activations, len(hidden)),
        bias=bias,
        dtype=dtype,
    )
    stack.initialise("lecun_normal", rng)
    for each in stack.biases:
        each[:] = rng.normal(size=each.shape) / 2
    X, Y = rng.normal(size=(n, stack.sizes[0])), targets(loss, (n, outputs), rng)
    weights = rng.uniform(0.1, 3, n) if weighted else np.zeros(0)
    problem = Problem(X.astype(dtype), Y.astype(dtype), weights.astype(dtype))
    plain = Recipe(loss, Optimizer("sgd", momentum=0.0), Schedule(rate=0.5), alpha, n, shuffle=False, patience=-1)
    return Case(stack, problem, plain)
