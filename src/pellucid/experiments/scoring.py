"""How well images, or sentences, are told apart: accuracy, confusion matrix, figures by class, worst mistakes."""

from typing import Any

import numpy as np

from pellucid.data.sentences import Sentences
from pellucid.language import say

__all__ = ["score_images", "score_sentences"]


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


def score_sentences(model: Any, sentences: Sentences) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (metrics, payload) of a fitted classifier on sentences or pairs; ``is_right`` (N,) is in the payload."""
    from sklearn.metrics import confusion_matrix

    y = np.array([example.label for example in sentences])
    predicted = model.predict(sentences)  # (N,)
    is_right = predicted == y
    matrix = confusion_matrix(y, predicted, labels=model.classes_)
    metrics = {
        "test_accuracy": float(is_right.mean()),
        "test_errors": int((~is_right).sum()),
        "test_examples": int(y.size),
        "per_class": {str(label): float(is_right[y == label].mean()) for label in np.unique(y)},
        "confusion_matrix": matrix.tolist(),
    }
    return metrics, {"model": model, "classes": model.classes_, "confusion": matrix, "is_right": is_right}
