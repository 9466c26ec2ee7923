"""What is given to ``SPINNClassifier`` to learn from: examples, labels, words, and what is held out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection import train_test_split

from pellucid.data.vectors import Vectors, read_vectors
from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import class_labels
from pellucid.networks.spinn.examples import Sentence, check_alike, examples, words_of
from pellucid.networks.spinn.model import TREE_ENCODERS

if TYPE_CHECKING:
    from pellucid.networks.spinn.estimator import SPINNClassifier

__all__ = ["check_suited", "given_validation", "hold_out", "known_classes", "places_of", "words_and_vectors"]


def check_suited(estimator: "SPINNClassifier", found: list[tuple[Sentence, ...]]) -> None:
    """Raise an error where an estimator cannot learn from such examples."""
    if estimator.batch_norm and len(found) < 2:
        raise InvalidDataError("batch_norm=True needs two examples or more, got one: one number has no spread")
    if (estimator.mirror or estimator.identity is not None) and len(found[0]) != 2:
        raise InvalidArgumentError("mirror and identity are for pairs of sentences; X holds single ones")
    if estimator.every_node and (len(found[0]) != 1 or estimator.encoder not in TREE_ENCODERS):
        raise InvalidArgumentError(
            f"every_node=True needs single trees and an encoder that reads them ({', '.join(TREE_ENCODERS)})"
        )


def known_classes(estimator: "SPINNClassifier", labels: np.ndarray, classes: Any, fresh: bool) -> np.ndarray:
    """Return the classes in order; raise an error where they are too few or not those that are known."""
    known = np.unique(labels if classes is None else class_labels(classes, len(classes)))
    if not fresh:
        if classes is not None and not np.array_equal(known, estimator.classes_):
            raise InvalidArgumentError(
                f"classes must be those of the first call, {estimator.classes_.tolist()}; got {known.tolist()}"
            )
        _check_mirror(estimator.mirror, estimator.classes_)
        return estimator.classes_
    if estimator.mirror:
        own = known.tolist()
        known = np.unique([*own, *(estimator.mirror[one] for one in own if one in estimator.mirror)])
        _check_mirror(estimator.mirror, known)
    if len(known) < 2:
        raise InvalidDataError(f"y must hold two classes or more, got only {known.tolist()[0]!r}")
    if estimator.identity is not None and estimator.identity not in known.tolist():
        raise InvalidArgumentError(f"identity must be one of the classes {known.tolist()}, got {estimator.identity!r}")
    return known


def _check_mirror(mirror: Mapping[Any, Any] | None, known: np.ndarray) -> None:
    for label in mirror or ():
        if label not in known.tolist():
            raise InvalidArgumentError(f"mirror must be of labels among {known.tolist()}, got {label!r}")


def places_of(labels: np.ndarray, classes: np.ndarray, name: str = "y") -> np.ndarray:
    """Return each label's place among the classes: (N,) int64; ``name`` is that of the labels in errors."""
    places = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
    unseen = classes[places] != labels
    if unseen.any():
        raise InvalidDataError(
            f"{name} holds the class {labels[unseen].tolist()[0]!r}, which is not among the classes {classes.tolist()}"
        )
    return places.astype(np.int64)


def given_validation(
    estimator: "SPINNClassifier", X_val: Any, y_val: Any, count: int
) -> tuple[list[tuple[Sentence, ...]], np.ndarray] | None:
    """Return the examples that were given to judge by, and their labels; None where there are none."""
    if (X_val is None) != (y_val is None):
        raise InvalidArgumentError("X_val and y_val belong together: give both, or neither")
    if X_val is None:
        return None
    needs_trees = estimator.encoder in TREE_ENCODERS and estimator.parses == "given"
    found = examples(X_val, needs_trees=needs_trees, name="X_val")
    check_alike(found, count, "X_val", "X")
    return found, class_labels(y_val, len(found), ("X_val", "y_val"))


def hold_out(found: list[tuple[Sentence, ...]], labels: np.ndarray, fraction: float, seed: int) -> tuple[Any, Any, Any]:
    """Return the examples to learn from, their labels, and those held out with theirs."""
    try:
        kept, out = train_test_split(np.arange(len(found)), test_size=fraction, stratify=labels, random_state=seed)
    except ValueError as error:
        raise InvalidArgumentError(
            f"validation_fraction={fraction:g} cannot be held out of {len(found)} examples "
            f"({' '.join(str(error).split())}); choose another, or give X_val and y_val"
        ) from error
    return [found[i] for i in kept], labels[kept], ([found[i] for i in out], labels[out])


def words_and_vectors(
    estimator: "SPINNClassifier", found: list[tuple[Sentence, ...]], held_out: list[tuple[Sentence, ...]]
) -> tuple[Vocabulary, np.ndarray | None]:
    """Return the words that a model will know and, where there are pretrained vectors, a row of numbers for each."""
    lowercase = bool(estimator.lowercase)
    vocabulary, vectors = words_of(found, lowercase=lowercase, min_count=estimator.min_count), estimator.vectors
    if vectors is None:
        return vocabulary, None
    if not isinstance(vectors, Vectors):
        every = words_of([*found, *held_out], lowercase=lowercase, min_count=1)
        vectors = read_vectors(vectors, every.words, lowercase=lowercase)
    elif lowercase:
        vectors = vectors.in_small_letters()
    learned = words_of(found, lowercase=lowercase, min_count=1).words[1:]
    if not vectors.rows(learned)[1].any():
        raise InvalidDataError(
            f"vectors must hold words of X, got none of its {len(learned)}; are they of its language, and "
            f"written alike (lowercase={estimator.lowercase})?"
        )
    more = (word for word in vectors.words if word not in vocabulary)
    vocabulary = Vocabulary([*vocabulary.words[1:], *more], lowercase=lowercase)
    rows, _ = vectors.rows(vocabulary.words)
    rows[0] = 0  # unknown words, whatever the file says of <unk>
    return vocabulary, rows
