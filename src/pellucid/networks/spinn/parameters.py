"""What the parameters of ``SPINNClassifier`` may be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from pellucid.errors import InvalidArgumentError
from pellucid.learning.estimator import check_boolean, check_choice, check_number
from pellucid.networks.spinn.answering import PARSES
from pellucid.networks.spinn.model import ENCODERS, FEATURES
from pellucid.scaling.engine import DEVICES, device_for
from pellucid.scaling.processes import launched

if TYPE_CHECKING:
    from pellucid.networks.spinn.estimator import SPINNClassifier

__all__ = ["check_parameters", "device_of"]

SOLVERS = ("adamw", "rmsprop")
SCHEDULES = ("cosine", "constant", "step")
MOST_LAYERS = 100
SIZES = ("hidden", "embedding", "tracker", "mlp", "batch_size", "max_iter", "beam", "min_count", "step_size")
FRACTIONS = ("dropout_embedding", "dropout", "word_dropout", "averaging")


def check_parameters(estimator: "SPINNClassifier") -> None:
    """Raise InvalidArgumentError unless each of an estimator's parameters is one that it takes, and fits the others."""
    check_choice("encoder", estimator.encoder, ENCODERS)
    check_choice("parses", estimator.parses, PARSES)
    check_choice("features", estimator.features, FEATURES)
    check_choice("solver", estimator.solver, SOLVERS)
    check_choice("learning_rate", estimator.learning_rate, SCHEDULES)
    for name in ("multiply", "freeze_vectors", "lowercase", "batch_norm", "every_node", "early_stopping"):
        check_boolean(name, getattr(estimator, name))
    check_boolean("warm_start", estimator.warm_start)
    for name in SIZES:
        check_number(name, getattr(estimator, name), 1, integer=True)
    check_number("mlp_layers", estimator.mlp_layers, 0, MOST_LAYERS, integer=True)
    check_number("n_iter_no_change", estimator.n_iter_no_change, 1, integer=True)
    for name in FRACTIONS:
        check_number(name, getattr(estimator, name), 0, 1, open_high=True)
    for name in ("learning_rate_init", "clip", "step_factor"):
        check_number(name, getattr(estimator, name), 0, open_low=True)
    for name in ("weight_decay", "transition_weight"):
        check_number(name, getattr(estimator, name), 0)
    check_number("validation_fraction", estimator.validation_fraction, 0, 1, open_low=True, open_high=True)
    if estimator.parses == "predicted" and estimator.encoder != "spinn":
        raise InvalidArgumentError(f"parses='predicted' needs encoder='spinn', got encoder={estimator.encoder!r}")
    if not (estimator.mirror is None or isinstance(estimator.mirror, Mapping)):
        raise InvalidArgumentError(f"mirror must be a mapping of labels to labels or None, got {estimator.mirror!r}")
    if estimator.batch_norm and estimator.batch_size < 2:
        raise InvalidArgumentError(
            f"batch_norm=True needs a batch_size of 2 or more, got {estimator.batch_size}: one number has no spread"
        )
    device_of(estimator.device)


def device_of(name: str) -> torch.device:
    """Return the torch.device of that name; raise InvalidArgumentError where torch cannot compute there."""
    if name in DEVICES:
        place: torch.device = device_for(name, np.dtype(np.float32))
        return place
    if launched().size > 1 and str(name).startswith("cuda:"):
        raise InvalidArgumentError(
            f"device must be 'cuda' or 'cpu' for several processes, each of which takes a GPU; got {name!r}"
        )
    try:
        made = torch.zeros(1, device=name)
        made.tolist()  # "meta" makes tensors without numbers
        return made.device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InvalidArgumentError(
            f"device must be one that torch has here or 'auto', got {name!r} ({reason})"
        ) from None
