"""``SPINNClassifier``: trees, or pairs of trees, to labels, as a scikit-learn estimator. Their parses are given."""

import warnings
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import InvalidDataError, InvalidDataTypeError, PellucidWarning
from pellucid.learning.estimator import check_boolean, check_choice, check_number, check_seed, class_labels
from pellucid.learning.step import Step
from pellucid.learning.threads import limited_threads
from pellucid.networks.spinn.model import ENCODERS, FEATURES, Side, TreeClassifier
from pellucid.scaling.loop import cosine, train
from pellucid.trees import Tree

__all__ = ["SPINNClassifier"]

POOL = 20  # batches that are drawn together and cut by length
AT_ONCE = 512  # examples that are predicted together


class SPINNClassifier(ClassifierMixin, BaseEstimator):
    """A classifier of trees (``Tree``) or of pairs of trees (premise, hypothesis), whose parses are given.

    Parameters
    ----------
    encoder : {"treelstm", "spinn", "sum"}, default="treelstm"
        Without tracker, with it, or the sum of the words, which knows no tree.
    hidden : int, default=50
        H, the size of a state.
    embedding : int, default=50
        The size of a word's vector.
    tracker : int, default=16
        The size of the tracker of ``spinn``.
    multiply : bool, default=True
        Whether Reduce sees h_left · h_right too.
    mlp : int, default=100
        Hidden units of the head.
    features : {"symmetric", "plain"}, default="symmetric"
        What the head sees of a pair beside both: their difference without its sign, or with it.
    learning_rate_init : float, default=0.003
        Of the first epoch; it falls along a cosine.
    weight_decay : float, default=0.01
        AdamW's.
    clip : float, default=5.0
        The longest gradient.
    batch_size : int, default=64
    max_iter : int, default=20
        Epochs.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (C,)
    vocabulary_ : Vocabulary
    model_ : TreeClassifier
        The torch module.
    loss_curve_ : list of float
        The mean loss of each epoch.
    n_iter_ : int

    """

    def __init__(
        self, *, encoder: str = "treelstm", hidden: int = 50, embedding: int = 50, tracker: int = 16,
        multiply: bool = True, mlp: int = 100, features: str = "symmetric", learning_rate_init: float = 0.003,
        weight_decay: float = 0.01, clip: float = 5.0, batch_size: int = 64, max_iter: int = 20,
        random_state: Any = None,
    ) -> None:  # fmt: skip
        self.encoder = encoder
        self.hidden = hidden
        self.embedding = embedding
        self.tracker = tracker
        self.multiply = multiply
        self.mlp = mlp
        self.features = features
        self.learning_rate_init = learning_rate_init
        self.weight_decay = weight_decay
        self.clip = clip
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Iterable[Any], y: Any) -> Self:
        """Learn from trees or pairs of trees X and their labels y; Ctrl-C ends it with what was learned so far."""
        try:
            for _ in self.steps(X, y):
                pass
        except KeyboardInterrupt:
            if not hasattr(self, "model_"):
                raise
            self.model_.eval()
            warnings.warn("training was interrupted; the model is as the last batch left it", PellucidWarning, 2)
        return self

    def steps(self, X: Iterable[Any], y: Any) -> Iterator[Step]:
        """Learn as ``fit`` does and yield a Step after each epoch: ``loss``, ``gradient_norm``, the largest."""
        self._check_parameters()
        examples = _examples(X)
        labels = class_labels(y, len(examples))
        classes, targets = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise InvalidDataError(f"y must hold two classes or more, got only {classes.tolist()[0]!r}")
        seed = int(check_seed(self.random_state).randint(2**31))
        rng = np.random.default_rng(seed)
        vocabulary = Vocabulary.of(tree for trees in examples for tree in trees)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = TreeClassifier(
                len(vocabulary), len(classes), sides=len(examples[0]), encoder=self.encoder, embedding=self.embedding,
                hidden=self.hidden, tracker=self.tracker, multiply=bool(self.multiply), mlp=self.mlp,
                features=self.features,
            )  # fmt: skip
        self.classes_, self.vocabulary_, self.model_ = classes, vocabulary, model
        self.n_sides_, self.n_iter_, self.loss_curve_ = len(examples[0]), 0, []
        sides, wanted = _sides(examples, vocabulary), torch.from_numpy(targets)
        lengths = np.array([sum(map(len, trees)) for trees in examples])

        def loss(rows: np.ndarray) -> tuple[Any, int]:
            with limited_threads(1):
                logits = model(_taken(sides, rows))
            return torch.nn.functional.cross_entropy(logits, wanted[torch.from_numpy(rows)]), len(rows)

        epochs = train(
            model, lambda: _batches(rng, lengths, self.batch_size), loss, epochs=self.max_iter,
            rate=cosine(self.learning_rate_init, self.max_iter), weight_decay=self.weight_decay, clip=self.clip,
        )  # fmt: skip
        for number, (mean, norm) in enumerate(epochs, 1):
            self.n_iter_ = number
            self.loss_curve_.append(mean)
            yield Step("epoch", number, MappingProxyType({"loss": mean, "gradient_norm": norm}))

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        """Return the probability of each class: (N, C)."""
        check_is_fitted(self)
        examples = _examples(X)
        if len(examples[0]) != self.n_sides_:
            kinds = {1: "single trees", 2: "pairs of trees"}
            raise InvalidDataError(f"X must hold {kinds[self.n_sides_]} as in fit, got {kinds[len(examples[0])]}")
        sides = _sides(examples, self.vocabulary_)
        order = np.argsort([sum(map(len, trees)) for trees in examples], kind="stable")
        out = np.empty((len(examples), len(self.classes_)), np.float64)
        with torch.no_grad(), limited_threads(1):
            for first in range(0, len(order), AT_ONCE):
                rows = order[first : first + AT_ONCE]
                out[rows] = self.model_(_taken(sides, rows)).double().softmax(1).numpy()
        return out

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """Return the likeliest label of each example: (N,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def _check_parameters(self) -> None:
        check_choice("encoder", self.encoder, ENCODERS)
        check_choice("features", self.features, FEATURES)
        check_boolean("multiply", self.multiply)
        for name in ("hidden", "embedding", "tracker", "mlp", "batch_size", "max_iter"):
            check_number(name, getattr(self, name), 1, integer=True)
        check_number("learning_rate_init", self.learning_rate_init, 0, open_low=True)
        check_number("clip", self.clip, 0, open_low=True)
        check_number("weight_decay", self.weight_decay, 0)


def _examples(X: Any) -> list[tuple[Tree, ...]]:
    """Return each example as a tuple of one tree or two; all must be alike."""
    if isinstance(X, str | Tree) or not hasattr(X, "__iter__"):
        raise InvalidDataTypeError(f"X must be a list of trees or of pairs of trees, got {type(X).__name__}")
    examples: list[tuple[Tree, ...]] = []
    for row, given in enumerate(X):
        trees = (given,) if isinstance(given, Tree) else getattr(given, "trees", given)
        is_good = isinstance(trees, tuple | list) and len(trees) in (1, 2) and all(isinstance(t, Tree) for t in trees)
        if not is_good:
            raise InvalidDataTypeError(
                f"X must hold trees or pairs of trees, got {type(given).__name__} at row {row}; "
                "make a tree of text by Tree.parse"
            )
        if examples and len(trees) != len(examples[0]):
            raise InvalidDataError(f"X must hold either single trees or pairs, got both: row 0 and row {row} differ")
        examples.append(tuple(trees))
    if not examples:
        raise InvalidDataError("X must hold at least one tree or pair of trees, got none")
    return examples


def _sides(examples: list[tuple[Tree, ...]], vocabulary: Vocabulary) -> list[Side]:
    return [
        ([vocabulary.indices(tree.words) for tree in trees], [tree.transitions for tree in trees])
        for trees in zip(*examples, strict=True)
    ]


def _taken(sides: list[Side], rows: np.ndarray) -> list[Side]:
    return [([tokens[i] for i in rows], [steps[i] for i in rows]) for tokens, steps in sides]


def _batches(rng: np.random.Generator, lengths: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yield the rows of each batch of an epoch: alike in length, so that a batch has few levels that are thin."""
    order = rng.permutation(len(lengths))
    for first in range(0, len(order), POOL * size):
        pool = order[first : first + POOL * size]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        starts = np.arange(0, len(pool), size)
        for start in rng.permutation(starts):
            yield pool[start : start + size]
