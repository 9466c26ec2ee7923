"""The torch training loop: a module, its batches, a loss; it knows no network and imports torch when it runs."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pellucid.errors import DivergenceError

__all__ = ["cosine", "train"]


def cosine(rate: float, epochs: int) -> Callable[[int], float]:
    """Return the learning rate of each epoch, 0 to epochs - 1: from ``rate`` down to almost nothing."""
    return lambda epoch: rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def train(
    module: Any,
    batches: Callable[[], Iterable[Any]],
    loss: Callable[[Any], tuple[Any, int]],
    *,
    epochs: int,
    rate: Callable[[int], float],
    weight_decay: float = 0.0,
    clip: float = math.inf,
    optimizer: Any = None,
) -> Iterator[tuple[float, float]]:
    """Train by AdamW and yield, after each epoch, its mean loss and the largest norm that a gradient had.

    ``batches()`` gives the batches of one epoch; ``loss(batch)`` their mean loss and how many examples it is of.
    Gradients longer than ``clip`` are shortened to it. An ``optimizer`` that is given goes on in AdamW's place.
    Raises DivergenceError before a weight leaves the finite numbers.
    """
    import torch

    weights = [weight for weight in module.parameters() if weight.numel()]
    if optimizer is None:
        optimizer = torch.optim.AdamW(weights, rate(0), weight_decay=weight_decay)
    for epoch in range(epochs):
        module.train()
        for group in optimizer.param_groups:
            group["lr"] = rate(epoch)
        total, count, longest = 0.0, 0, 0.0
        for batch in batches():
            optimizer.zero_grad()
            value, size = loss(batch)
            value.backward()
            norm = float(torch.nn.utils.clip_grad_norm_(weights, clip))
            if not math.isfinite(norm):
                raise DivergenceError(
                    f"the gradient is {norm} in epoch {epoch + 1}; the last finite weights are kept; "
                    "lower learning_rate_init"
                )
            optimizer.step()
            total, count, longest = total + float(value.detach()) * size, count + size, max(longest, norm)
        module.eval()
        yield total / count, longest
