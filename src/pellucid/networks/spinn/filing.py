"""``SPINNClassifier`` as a model file keeps it (``pellucid.saving``), and back."""

from typing import Any

import numpy as np
import torch

from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import ModelFileError
from pellucid.networks.spinn.model import TreeClassifier
from pellucid.networks.spinn.parameters import check_parameters
from pellucid.saving import expect_names, expect_shape

__all__ = ["KEPT", "from_file", "to_file"]

KEPT = (  # attributes that are kept beside parameters, words and weights
    "classes_", "n_sides_", "n_iter_", "t_", "loss_curve_", "validation_loss_curve_", "validation_scores_",
    "best_validation_score_", "padding_share_", "_seed",
)  # fmt: skip


def _built_from(model: Any) -> dict[str, Any]:
    """Return the parameters by which the model was built, whatever they are now."""
    known = {name: value for name, value in model._built.items() if name not in ("sides", "predict", "tracker")}
    tracker = {"tracker": model._built["tracker"]} if model._built["tracker"] else {}
    return known | tracker | model._built_words | {
        "parses": "predicted" if model._built["predict"] else "given", "vectors": None,
        "embedding": model.model_.embedding.embedding_dim,
    }  # fmt: skip


def to_file(model: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a model's file."""
    check_parameters(model)
    parameters = model.get_params(deep=False) | _built_from(model)
    parameters["mirror"] = None if model.mirror is None else dict(model.mirror)
    header = {
        "parameters": parameters,
        "attributes": {name: getattr(model, name) for name in KEPT},
        "words": list(model.vocabulary_.words),
        "frozen": not model.model_.embedding.weight.requires_grad,
    }
    return header, {name: value.cpu().numpy() for name, value in model.model_.state_dict().items()}


def from_file(kind: Any, entries: dict[str, Any], arrays: dict[str, np.ndarray]) -> Any:
    """Return the model, an estimator of this kind, of which ``to_file`` told."""
    try:
        model = kind(**entries["parameters"] | {"device": "cpu"})
        check_parameters(model)
        for name, value in entries["attributes"].items():
            if name not in KEPT:
                raise ModelFileError(f"holds an attribute {name!r}, which a {kind.__name__} does not have")
            setattr(model, name, value)
        model.vocabulary_ = Vocabulary(entries["words"][1:], lowercase=bool(model.lowercase))
        model._built, model._built_words = model._settings(model.n_sides_), model._worded()
        with torch.device("meta"):  # nothing is allocated before all shapes are known to be right
            module = TreeClassifier(
                len(model.vocabulary_), len(model.classes_), embedding=model.embedding, **model._built
            )
        shapes = module.state_dict()
        expect_names(arrays, shapes)
        for name, value in shapes.items():
            expect_shape(arrays, name, tuple(value.shape))
        weights = {name: torch.from_numpy(arrays[name]).to(value.dtype) for name, value in shapes.items()}
        module.load_state_dict(weights, assign=True)
        module.embedding.weight.requires_grad_(not entries["frozen"])
        model.model_ = module.eval()
        model._begin()
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"does not describe a {kind.__name__}: {error}") from error
    return model
