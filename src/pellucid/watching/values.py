"""What the views are given, as JSON values: the same in the studio and in notebooks."""

from typing import Any

import numpy as np

from pellucid.learning.step import Step
from pellucid.trees import Tree

__all__ = ["reading_values", "step_values"]

DIGITS = 6


def reading_values(
    reading: Any, vocabulary: Any, compared: Tree | None = None, *, given: bool = True
) -> dict[str, Any]:
    """Return a ``Reading`` for the view ``spinn.js``: words, transitions, and what each step made.

    ``vocabulary`` says which words are unknown. ``compared`` is another parse of the same words, drawn below; ``given``
    says whether it came with the sentence, or is the model's own.
    """
    return {
        "words": list(reading.tree.words),
        "unknown": [place for place, word in enumerate(reading.tree.words) if word not in vocabulary],
        "transitions": reading.tree.transitions.tolist(),
        "compared": None if compared is None else compared.transitions.tolist(),
        "compared_is_given": given,
        "steps": [step_values(moment) for moment in reading.moments],
    }


def step_values(step: Step) -> dict[str, Any]:
    """Return a Step's arrays of numbers by their names, each with formula and shape, and the names of its functions."""
    arrays = {name: value for name, value in step.values.items() if isinstance(value, np.ndarray)}
    return {
        "values": {name: np.round(value.astype(np.float64), DIGITS).tolist() for name, value in arrays.items()},
        "shapes": {name: list(value.shape) for name, value in arrays.items()},
        "formulas": {name: step.formulas[name] for name in arrays if name in step.formulas},
        "functions": [function.__qualname__ for function in step.functions],
    }
