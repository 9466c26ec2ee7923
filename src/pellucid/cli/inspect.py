"""``inspect``: what a model file says of itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pellucid.cli import display
from pellucid.data import Preprocessor
from pellucid.language import say
from pellucid.saving import load, read_header

__all__ = ["inspect"]

MOST = 12  # items of a list that are shown


def inspect(model_file: Path, *, json: bool) -> None:
    """Show network, classes, columns and parameters of a model file."""
    facts = _facts(read_header(model_file), load(model_file))
    if json:
        display.print_json(facts)
        return
    rows = [[name, _brief(value)] for name, value in facts.items() if name not in ("parameters", "columns")]
    display.show(display.table(str(model_file), [say("entry"), say("value")], rows))
    chosen = ", ".join(f"{name}={value!r}" for name, value in facts["parameters"].items())
    display.show(say("Parameters other than the defaults: {names}.", names=chosen or "-"), *facts["columns"])


def _facts(header: Mapping[str, Any], model: Any) -> dict[str, Any]:
    if hasattr(model, "vocabulary_"):
        return _of_sentences(header, model)
    known = getattr(model, "preprocessing_", None)
    preprocessor = Preprocessor.from_json(known["columns"]) if known else None
    weights = model.coefs_ if hasattr(model, "coefs_") else [model.coef_.T]
    biases = model.intercepts_ if hasattr(model, "intercepts_") else [model.intercept_]
    defaults = type(model)().get_params()
    names = preprocessor.feature_names if preprocessor else getattr(model, "feature_names_in_", ())
    return {
        "class": header["class"],
        "format": header["format"],
        "pellucid": header["pellucid"],
        "task": "classification" if hasattr(model, "classes_") else "regression",
        "target": preprocessor.target_.name if preprocessor else None,
        "classes": list(getattr(model, "classes_", ())),
        "layers": [weights[0].shape[0], *(W.shape[1] for W in weights)],
        "weights": sum(W.size for W in weights) + sum(b.size for b in biases),
        "epochs": int(model.n_iter_),
        "loss": getattr(model, "loss_", None),
        "features": list(names),
        "parameters": {name: value for name, value in model.get_params().items() if value != defaults[name]},
        "columns": preprocessor.report if preprocessor else [],
    }


def _of_sentences(header: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Return the facts of a model that reads sentences, which knows words in place of columns."""
    defaults = type(model)().get_params()
    return {
        "class": header["class"],
        "format": header["format"],
        "pellucid": header["pellucid"],
        "task": "classification of pairs" if model.n_sides_ == 2 else "classification of sentences",
        "classes": list(model.classes_),
        "words": len(model.vocabulary_),
        "weights": sum(weight.numel() for weight in model.model_.parameters()),
        "epochs": int(model.n_iter_),
        "loss": model.loss_curve_[-1] if model.loss_curve_ else None,
        "parameters": {name: value for name, value in model.get_params().items() if value != defaults[name]},
        "columns": [],
    }


def _brief(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value[:MOST])) + (f" ... ({len(value)})" if len(value) > MOST else "") or "-"
    return "-" if value is None else display.number(value)
