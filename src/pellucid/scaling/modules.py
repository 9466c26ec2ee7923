"""A stack of layers as a plain torch module, and the weights from one to the other; torch is imported when asked for.

Pellucid computes x W with W (D, H); torch's Linear keeps Wᵀ (H, D). Every other parameter is laid out alike, and
both name them in the same order: the layers', weight before bias. What batch normalisation remembers without learning
it is a module's buffers there, and ``running`` here.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from pellucid.errors import InvalidDataError, InvalidDataTypeError
from pellucid.learning.estimator import finite
from pellucid.parts.activation import LEAK
from pellucid.parts.augment import Augment
from pellucid.parts.conv import BatchNorm2d, Conv2d
from pellucid.parts.dense import Dense
from pellucid.parts.stack import Stack
from pellucid.scaling import import_torch

__all__ = [
    "activation_function", "as_torch", "module_of", "products_of_lines", "read_weights", "running",
    "with_norms_of_one_value",
]  # fmt: skip


def as_torch(stack: Stack, vector: np.ndarray) -> list[np.ndarray]:
    """Return views of a flat vector of θ's length: one a parameter, in the order and the shape that torch has it."""
    views = []
    for name, shape in stack.parameters.shapes.items():
        start = stack.parameters.offset(name)
        part = vector[start : start + int(np.prod(shape))].reshape(shape)
        views.append(part.T if part.ndim == 2 else part)
    return views


def module_of(stack: Stack) -> Any:
    """Return a ``torch.nn.Sequential`` of torch's own layers with copies of the stack's weights, ready to predict."""
    torch = import_torch()
    with torch.random.fork_rng(devices=[]):  # torch draws weights, which are not kept
        layers = [module for layer in stack.layers for module in _modules(torch, layer)]
    module = torch.nn.Sequential(*layers).to(getattr(torch, stack.dtype.name))
    with torch.no_grad():
        for parameter, view in zip(module.parameters(), as_torch(stack, stack.parameters.vector), strict=True):
            parameter.copy_(torch.from_numpy(view))
        for buffer, view in zip(running(module), stack.parameters.running.values(), strict=True):
            buffer.copy_(torch.from_numpy(view))
    return module.eval()


def with_norms_of_one_value(module: Any) -> Any:
    """Return the module, its batch normalisations such that one value a channel is its own mean, as in ``parts``.

    torch's own raise ValueError where a batch of one image has maps of one pixel.
    """
    for norm in module:
        if isinstance(norm, import_torch().nn.BatchNorm2d):
            norm.forward = partial(_normed, norm)
    return module


def _normed(norm: Any, x: Any) -> Any:
    """Return γ x̂ + β of a batch of images (N, C, H, W)."""
    torch = import_torch()
    if not norm.training or x.numel() > x.shape[1]:
        return type(norm).forward(norm, x)
    with torch.no_grad():  # variance 0
        norm.running_mean.lerp_(x.flatten().to(norm.running_mean.dtype), norm.momentum)
        norm.running_var.mul_(1 - norm.momentum)
    return (x - x) * norm.weight[:, None, None] + norm.bias[:, None, None]


def products_of_lines(module: Any, weights: list[Any], lines: list[Any]) -> list[Any]:
    """Let dense layers multiply with W (D, H) as it lies in memory; return the tensors whose slopes torch then finds.

    A slope is then laid out as its weight is, which fused optimizers do twice as fast.
    """
    of = {id(weight): line for weight, line in zip(weights, lines, strict=True)}
    for layer in module:
        if isinstance(layer, import_torch().nn.Linear):
            layer.forward = partial(_times, of[id(layer.weight)], layer.bias)
    return [line if line.ndim == 2 else weight for weight, line in zip(weights, lines, strict=True)]


def _times(line: Any, bias: Any, x: Any) -> Any:
    return x @ line if bias is None else import_torch().addmm(bias, x, line)


def running(module: Any) -> list[Any]:
    """Return the means and variances that a module's batch normalisations remember, in order."""
    return [buffer for name, buffer in module.named_buffers() if name.endswith(("running_mean", "running_var"))]


def read_weights(stack: Stack, module: Any) -> np.ndarray:
    """Return all of a module's numbers, laid out as the stack's ``parameters.whole``; the stack stays as it is.

    Raises InvalidDataError where a parameter's shape is not the stack's, or a weight is not finite.
    """
    torch = import_torch()
    if not isinstance(module, torch.nn.Module):
        raise InvalidDataTypeError(f"module must be a torch.nn.Module, got {type(module).__name__}")
    named = [*module.named_parameters(), *(("running statistics", value) for value in running(module))]
    given = [(name, value.detach().cpu().double().numpy()) for name, value in named]  # NumPy has no bfloat16
    whole, size = np.empty_like(stack.parameters.whole), stack.parameters.vector.size
    wanted = [*zip(stack.parameters.shapes, as_torch(stack, whole[:size]), strict=True)]
    start = size
    for own, view in stack.parameters.running.items():
        wanted.append((own, whole[start : start + view.size].reshape(view.shape)))
        start += view.size
    if len(given) != len(wanted):
        raise InvalidDataError(f"the module has {len(given)} parameters, but this network has {len(wanted)}")
    for (name, value), (own, place) in zip(given, wanted, strict=True):
        if value.shape != place.shape:
            raise InvalidDataError(
                f"the module's {name!r} is of shape {value.shape}, but this network's {own} is of shape {place.shape} "
                "in torch's layout"
            )
        with np.errstate(over="ignore"):
            place[...] = finite(name, value)
    return finite("the module", whole)


@cache
def activation_function(name: str) -> Callable[[Any], Any]:
    """Return the torch function that is the activation, or output link, of that name."""
    torch = import_torch()
    if name == "exp":
        exp: Callable[[Any], Any] = torch.exp
        return exp
    made = _activation(torch, name)
    return made[0] if made else lambda z: z


def _activation(torch: Any, name: str) -> list[Any]:
    nn = torch.nn
    made = {
        "identity": lambda: None,
        "logistic": nn.Sigmoid,
        "tanh": nn.Tanh,
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(LEAK),
        "elu": nn.ELU,
        "softplus": lambda: nn.Softplus(threshold=40),  # beyond, log(1 + exp(z)) is z to the last bit of float64
        "gelu": nn.GELU,
        "silu": nn.SiLU,
    }[name]()
    return [] if made is None else [made]


def _modules(torch: Any, layer: Any) -> list[Any]:
    """Return torch's modules for one layer, with torch's random weights."""
    nn = torch.nn
    if isinstance(layer, Dense):
        n_in, n_out = layer.weight.shape
        return [nn.Linear(n_in, n_out, bias=layer.bias is not None), *_activation(torch, layer.activation.name)]
    if isinstance(layer, Conv2d):
        out, within, *kernel = layer.weight.shape
        made = nn.Conv2d(
            within * layer.groups, out, tuple(kernel), layer.stride, layer.padding,
            groups=layer.groups, bias=layer.bias is not None,
        )  # fmt: skip
        return [made, *_activation(torch, layer.activation.name)]
    if isinstance(layer, BatchNorm2d):
        made = nn.BatchNorm2d(len(layer.gamma), layer.epsilon, layer.momentum)
        return [made, *_activation(torch, layer.activation.name)]
    if isinstance(layer, Augment):  # of the data, not of the network
        return []
    made = {
        "Dropout": lambda: nn.Dropout(layer.rate),
        "MaxPool2d": lambda: nn.MaxPool2d(layer.size, layer.stride, layer.padding),
        "AveragePool2d": lambda: nn.AvgPool2d(layer.size, layer.stride, layer.padding),
        "Unflatten": lambda: nn.Unflatten(1, layer.shape),
        "Flatten": nn.Flatten,
    }[type(layer).__name__]()
    return [made]
