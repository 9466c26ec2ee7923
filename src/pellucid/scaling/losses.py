"""The losses of ``parts/loss.py`` in torch's operations, so that autograd finds their slopes."""

from typing import Any

from pellucid.parts.loss import Loss
from pellucid.scaling import import_torch
from pellucid.scaling.modules import activation_function

__all__ = ["rows"]


def rows(loss: Loss, z: Any, y: Any) -> Any:
    """Return each sample's loss (N,), from logits z (N, K) and targets y (N, K), or class numbers (N,)."""
    torch = import_torch()
    F = torch.nn.functional
    if y.ndim == 1:
        return F.cross_entropy(z, y, reduction="none")
    if loss.name == "log_loss":
        if loss.link == "softmax":
            return -(y * F.log_softmax(z, dim=1)).sum(1)
        return F.binary_cross_entropy_with_logits(z, y, reduction="none").sum(1)
    if loss.name == "focal":
        return _focal(torch, loss, z, y)
    if loss.name == "poisson":
        return (z.exp() - y * z + torch.special.xlogy(y, y) - y).sum(1)
    error = activation_function(loss.link)(z) - y
    each = {
        "squared_error": lambda e: e.square() / 2,
        "sum_of_squares": torch.square,
        "absolute_error": torch.abs,
        "huber": lambda e: F.huber_loss(e, torch.zeros_like(e), reduction="none", delta=loss.parameter),
    }[loss.name](error)
    return each.sum(1)


def _focal(torch: Any, loss: Loss, z: Any, y: Any) -> Any:
    F = torch.nn.functional
    log_p = F.log_softmax(z, dim=1) if loss.link == "softmax" else F.logsigmoid(torch.where(y > 0.5, z, -z))
    # Where q = 1 - p is 0, or near it, the slope of its power is taken as 0, as in parts/loss.py.
    q = (-torch.expm1(log_p)).clamp_min(torch.finfo(z.dtype).tiny)
    each = -(q**loss.parameter) * log_p
    return (each * y).sum(1) if loss.link == "softmax" else each.sum(1)
