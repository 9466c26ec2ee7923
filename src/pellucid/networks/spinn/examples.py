"""What X may hold, made into one form: trees, pairs of trees, plain text, pairs of texts.

A text is cut into words by ``data/tokenizing.py`` and has no transitions: the model must then find its own, or read
none. Where a pair goes both ways, training may learn it in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from pellucid.data.tokenizing import tokenize
from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import InvalidDataError, InvalidDataTypeError
from pellucid.networks.spinn.model import Side
from pellucid.trees import Tree

__all__ = [
    "Sentence", "batches", "both_ways", "check_alike", "chosen", "examples", "node_labels", "sentence", "sides",
    "words_of",
]  # fmt: skip

POOL = 20  # batches that are drawn together and cut by length


class Sentence(NamedTuple):
    """Words, and, where it came as a tree, its transitions and the labels of its nodes."""

    words: tuple[str, ...]
    transitions: np.ndarray | None = None
    labels: np.ndarray | None = None


def sentence(given: Any, where: str) -> Sentence | None:
    """Return a Tree or a text as a Sentence, None for anything else; ``where`` begins the error of a blank text."""
    if isinstance(given, Tree):
        return Sentence(given.words, given.transitions, given.labels)
    if not isinstance(given, str):
        return None
    words = tokenize(given)
    if not words:
        raise InvalidDataError(f"{where} is blank; a sentence must have one word or more")
    return Sentence(tuple(words))


def examples(X: Any, *, needs_trees: bool, name: str = "X") -> list[tuple[Sentence, ...]]:
    """Return each example as a tuple of one sentence or two; all must be alike.

    Raises InvalidDataError that names the row: where there is a text and the model reads given parses, where there
    is neither tree nor text, where one row is a pair and another is not. ``name`` is that of X in it.
    """
    if isinstance(X, str | Tree) or not hasattr(X, "__iter__"):
        raise InvalidDataTypeError(
            f"{name} must be a list of trees, of texts, or of pairs of them, got {type(X).__name__}"
        )
    if isinstance(X, Mapping) or hasattr(X, "columns"):  # of these, names would be read as sentences
        raise InvalidDataTypeError(
            f"{name} must be a list of trees, of texts, or of pairs of them, got {type(X).__name__}; "
            "give one column as a list, or two as list(zip(one, other))"
        )
    found: list[tuple[Sentence, ...]] = []
    for row, given in enumerate(X):
        parts = (given,) if isinstance(given, Tree | str) else getattr(given, "trees", given)
        made = [sentence(part, f"{name} at row {row}") for part in parts] if isinstance(parts, tuple | list) else []
        if len(made) not in (1, 2) or None in made:
            raise InvalidDataTypeError(
                f"{name} must hold trees, texts, or pairs of them, got {type(given).__name__} at row {row}"
            )
        if found and len(made) != len(found[0]):
            raise InvalidDataError(f"{name} must hold either single sentences or pairs, but row 0 and row {row} differ")
        own = tuple(part for part in made if part is not None)
        if needs_trees and any(part.transitions is None for part in own):
            raise InvalidDataError(
                f"{name} holds text at row {row}, and this model reads given parses; give trees (Tree.parse), or train "
                "one with parses='predicted', which finds its own"
            )
        found.append(own)
    if not found:
        raise InvalidDataError(f"{name} must hold at least one sentence or pair of sentences, got none")
    return found


def check_alike(found: list[tuple[Sentence, ...]], count: int, name: str, where: str) -> None:
    """Raise InvalidDataError unless the examples have as many sides as those in ``where``."""
    kinds = {1: "single sentences", 2: "pairs of sentences"}
    if len(found[0]) != count:
        raise InvalidDataError(f"{name} must hold {kinds[count]} as in {where}, got {kinds[len(found[0])]}")


def words_of(found: Sequence[tuple[Sentence, ...]], *, lowercase: bool, min_count: int) -> Vocabulary:
    """Return the vocabulary of the examples."""
    trees = (_Words(part.words) for parts in found for part in parts)
    return Vocabulary.of(trees, lowercase=lowercase, min_count=min_count)  # type: ignore[arg-type]


class _Words(NamedTuple):
    """All that a vocabulary asks of a tree."""

    words: tuple[str, ...]


def sides(found: Sequence[tuple[Sentence, ...]], vocabulary: Vocabulary) -> list[Side]:
    """Return the word numbers and the transitions of all first sentences, and of all second ones."""
    numbers = cache(vocabulary.indices)  # many a sentence stands in several pairs
    return [
        Side([numbers(part.words) for part in side], [part.transitions for part in side])
        for side in zip(*found, strict=True)
    ]


def chosen(made: Sequence[Side], rows: np.ndarray) -> list[Side]:
    """Return these rows of each side."""
    return [Side([side.tokens[i] for i in rows], [side.transitions[i] for i in rows]) for side in made]


def node_labels(found: Sequence[tuple[Sentence, ...]], targets: np.ndarray, classes: np.ndarray) -> list[np.ndarray]:
    """Return each tree's class of every node, (T,) int64, -1 where it has none; the root's is the target."""
    places = {str(label): place for place, label in enumerate(classes.tolist())}
    made = []
    for row, (part, *_) in enumerate(found):
        if part.labels is None:
            raise InvalidDataError(f"every_node=True needs trees with labels, X has one without at row {row}")
        known = {label: places.get(str(label), -1) for label in np.unique(part.labels).tolist()}
        for label, place in known.items():
            if label >= 0 and place < 0:
                raise InvalidDataError(
                    f"a node is labelled {label} at row {row}, which is no class of y ({', '.join(places)}); "
                    "write -1 for a node without label"
                )
        own = np.array([known[label] for label in part.labels.tolist()], np.int64)  # (T,)
        own[-1] = targets[row]
        made.append(own)
    return made


def both_ways(
    found: list[tuple[Sentence, ...]], labels: np.ndarray, mirror: Mapping[Any, Any] | None, identity: Any
) -> tuple[list[tuple[Sentence, ...]], np.ndarray]:
    """Add the pairs that follow from those given: exchanged ones, and each premise beside itself.

    ``mirror`` says, for each label that tells it, the label when the sides are exchanged; ``identity`` is the label
    of a sentence beside itself, None for no such pairs.
    """
    more, told = list(found), labels.tolist()
    for (first, second), label in zip(found, labels.tolist(), strict=True) if mirror else ():
        if label in mirror:  # type: ignore[operator]
            more.append((second, first))
            told.append(mirror[label])  # type: ignore[index]
    if identity is not None:
        for words in {first.words: first for first, _ in found}.values():
            more.append((words, words))
            told.append(identity)
    return more, np.array(told)


def batches(rng: np.random.Generator, lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of each batch of an epoch: alike in length, so that a batch has few steps that are thin.

    No batch but an only one has one row: it joins the one before (batch normalisation needs two).
    """
    order = rng.permutation(len(lengths))
    for pool in _cut(order, POOL * size):
        cuts = _cut(pool[np.argsort(lengths[pool], kind="stable")], size)
        for place in rng.permutation(len(cuts)):
            yield cuts[place]


def _cut(rows: np.ndarray, size: int) -> list[np.ndarray]:
    starts = np.arange(size, len(rows), size)
    return np.split(rows, starts[:-1] if len(starts) and len(rows) - starts[-1] == 1 else starts)
