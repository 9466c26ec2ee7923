"""``SPINNClassifier`` as a model file keeps it (``pellucid.saving``), and back."""

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import ModelFileError
from pellucid.networks.spinn.model import TreeClassifier
from pellucid.networks.spinn.parameters import check_parameters
from pellucid.saving import expect_names, expect_shape

if TYPE_CHECKING:
    from pellucid.networks.spinn.estimator import SPINNClassifier

__all__ = ["KEPT", "from_file", "to_file"]

E = TypeVar("E", bound="SPINNClassifier")

KEPT = (  # attributes that are kept beside parameters, words and weights
    "classes_", "n_sides_", "n_iter_", "t_", "loss_curve_", "validation_loss_curve_", "validation_scores_",
    "best_validation_score_", "padding_share_", "_seed",
)  # fmt: skip


def _built_from(estimator: "SPINNClassifier") -> dict[str, Any]:
    """Return the parameters by which the model was built, whatever they are now."""
    known = {name: value for name, value in estimator._built.items() if name not in ("sides", "predict", "tracker")}
    tracker = {"tracker": estimator._built["tracker"]} if estimator._built["tracker"] else {}
    return known | tracker | estimator._built_words | {
        "parses": "predicted" if estimator._built["predict"] else "given", "vectors": None,
        "embedding": estimator.model_.embedding.embedding_dim,
    }  # fmt: skip


def to_file(estimator: "SPINNClassifier") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a model's file."""
    check_parameters(estimator)
    parameters = estimator.get_params(deep=False) | _built_from(estimator)
    parameters["mirror"] = None if estimator.mirror is None else dict(estimator.mirror)
    header = {
        "parameters": parameters,
        "attributes": {name: getattr(estimator, name) for name in KEPT},
        "words": list(estimator.vocabulary_.words),
        "frozen": not estimator.model_.embedding.weight.requires_grad,
    }
    return header, {name: value.cpu().numpy() for name, value in estimator.model_.state_dict().items()}


def from_file(kind: type[E], entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> E:
    """Return an estimator of this kind as ``to_file`` told of it; raise ModelFileError where the two disagree."""
    try:
        estimator = kind(**entries["parameters"] | {"device": "cpu"})
        check_parameters(estimator)
        for name, value in entries["attributes"].items():
            if name not in KEPT:
                raise ModelFileError(f"holds an attribute {name!r}, which a {kind.__name__} does not have")
            setattr(estimator, name, value)
        estimator.vocabulary_ = Vocabulary(entries["words"][1:], lowercase=bool(estimator.lowercase))
        estimator._built, estimator._built_words = estimator._settings(estimator.n_sides_), estimator._worded()
        with torch.device("meta"):  # nothing is allocated before all shapes are known to be right
            module = TreeClassifier(
                len(estimator.vocabulary_), len(estimator.classes_), embedding=estimator.embedding, **estimator._built
            )
        shapes = module.state_dict()
        expect_names(arrays, shapes)
        for name, value in shapes.items():
            expect_shape(arrays, name, tuple(value.shape))
        weights = {name: torch.from_numpy(arrays[name]).to(value.dtype) for name, value in shapes.items()}
        module.load_state_dict(weights, assign=True)
        module.embedding.weight.requires_grad_(not entries["frozen"])
        estimator.model_ = module.eval()
        estimator._begin()
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"does not describe a {kind.__name__}: {error}") from error
    return estimator
