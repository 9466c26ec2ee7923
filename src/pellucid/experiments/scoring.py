"""How well images of digits are told apart: accuracy, confusion matrix, figures by class, worst mistakes."""

from typing import Any

import numpy as np

from pellucid.language import say

__all__ = ["score_images"]


def score_images(
    model: Any, X: np.ndarray, y: np.ndarray, *, mistakes: int = 16
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (metrics, payload) of a fitted classifier on test images X (N, D) with labels y (N,).

    The ``mistakes`` kept are those of which the model was most certain: they teach more than the near misses.
    """
    from sklearn.metrics import confusion_matrix, f1_score, precision_recall_fscore_support

    probabilities = model.predict_proba(X)  # (N, C)
    predicted = model.classes_[probabilities.argmax(axis=1)]  # (N,)
    precision, recall, f1, support = precision_recall_fscore_support(
        y, predicted, labels=model.classes_, zero_division=0
    )
    wrong = np.flatnonzero(predicted != y)
    worst = wrong[np.argsort(probabilities[wrong].max(axis=1))[::-1][:mistakes]]
    metrics = {
        "test_accuracy": float(np.mean(predicted == y)),
        "test_errors": int(wrong.size),
        "test_images": int(y.size),
        "macro_f1": float(f1_score(y, predicted, average="macro")),
        "per_class": {
            str(label): {"precision": float(p), "recall": float(r), "f1": float(f), "images": int(n)}
            for label, p, r, f, n in zip(model.classes_, precision, recall, f1, support, strict=True)
        },
        "confusion_matrix": confusion_matrix(y, predicted, labels=model.classes_).tolist(),
    }
    payload = {
        "model": model,
        "classes": model.classes_,
        "confusion": np.array(metrics["confusion_matrix"]),
        "worst_images": X[worst],
        "worst_true": y[worst],
        "worst_predicted": predicted[worst],
        "worst_certainty": probabilities[worst].max(axis=1),
        "sample_images": X[:10],
        "sample_true": y[:10],
        "sample_probabilities": probabilities[:10],
    }
    return metrics, payload


def summary_of(metrics: dict[str, Any]) -> tuple[str, ...]:
    """Return the lines that say how it went, in the language of the moment."""
    weakest = min(metrics["per_class"], key=lambda label: metrics["per_class"][label]["f1"])
    return (
        say(
            "{right} of {total} test images are read correctly: {share:.2%}.",
            right=metrics["test_images"] - metrics["test_errors"],
            total=metrics["test_images"],
            share=metrics["test_accuracy"],
        ),
        say(
            "The hardest digit is {digit}: F1 {f1:.3f}.",
            digit=weakest,
            f1=metrics["per_class"][weakest]["f1"],
        ),
    )
