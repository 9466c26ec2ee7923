"""A Boltzmann machine's weights and one of its steps as bytes, for the view ``views/rbm.js``."""

from typing import Any

import numpy as np

from pellucid.learning.step import Step

__all__ = ["phases", "share", "signed", "weights"]

MOST_IMAGES = 10  # of a batch


def share(values: np.ndarray) -> np.ndarray:
    """Return values from 0 to 1 as 0 to 255."""
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def signed(values: np.ndarray, largest: float) -> np.ndarray:
    """Return values from -largest to largest as 0 to 255, with 128 for zero."""
    return np.rint(127.5 + 127.5 * np.clip(values / largest, -1, 1)).astype(np.uint8)


def weights(components: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the largest weight, and all of them (H, D) as bytes."""
    largest = float(np.abs(components).max()) or 1.0
    return {"largest": largest}, {"filters": signed(components, largest)}


def phases(step: Step) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return both phases of a step and the change that they make, as numbers and as bytes.

    Both outer products are on one scale, whose end is ``most``; ``on_share`` says how often each hidden unit is on.
    """
    most = max(float(step.outer_positive.max()), float(step.outer_negative.max()), 1e-9)
    changed = float(np.abs(step.change).max()) or 1.0
    numbers = {
        "rate": float(step.learning_rate), "changed": changed, "most": most,
        "on_share": [step.h_positive.mean(axis=0).tolist(), step.h_negative.mean(axis=0).tolist()],
    }  # fmt: skip
    arrays = {
        "positive": share(step.outer_positive / most), "negative": share(step.outer_negative / most),
        "change": signed(step.change, changed),
        "v_data": share(step.v_positive[:MOST_IMAGES]), "v_model": share(step.v_negative[:MOST_IMAGES]),
    }  # fmt: skip
    return numbers, arrays
