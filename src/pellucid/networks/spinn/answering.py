"""What a trained network of sentences answers: labels, states, parses, traces."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from pellucid.data.vocabulary import Vocabulary
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.estimator import check_choice
from pellucid.learning.threads import limited_threads
from pellucid.networks.spinn.examples import Sentence, check_alike, chosen, examples, sentence, sides
from pellucid.networks.spinn.model import TREE_ENCODERS, TreeClassifier
from pellucid.networks.spinn.tracing import Reading, reading
from pellucid.trees import Tree

__all__ = ["Answers", "one_thread"]

AT_ONCE = 512  # examples that are predicted together
PARSES = ("given", "predicted")


class Answers:
    """The half of ``SPINNClassifier`` that is used after training."""

    beam: int
    classes_: np.ndarray
    vocabulary_: Vocabulary
    model_: TreeClassifier
    n_sides_: int
    _built: dict[str, Any]

    @property
    def _needs_trees(self) -> bool:
        return self._built["encoder"] in TREE_ENCODERS and not self._built["predict"]

    def _logits(self, found: list[tuple[Sentence, ...]]) -> np.ndarray:
        """Return the logits (N, C) in float64."""
        made, own = sides(found, self.vocabulary_), self._built["predict"]
        order = np.argsort([sum(len(part.words) for part in parts) for parts in found], kind="stable")
        out = np.empty((len(found), len(self.classes_)), np.float64)
        size = max(1, AT_ONCE // self.beam)
        with torch.no_grad(), one_thread():
            for first in range(0, len(order), size):
                rows = order[first : first + size]
                batch = self.model_.prepare(chosen(made, rows), own=own)
                out[rows] = self.model_(batch, self.beam).logits.double().cpu().numpy()
        return out

    def predict_proba(self, X: Iterable[Any]) -> np.ndarray:
        """Return the probability of each class: (N, C)."""
        check_is_fitted(self)
        found = examples(X, needs_trees=self._needs_trees)
        check_alike(found, self.n_sides_, "X", "fit")
        logits = self._logits(found)
        likely = np.exp(logits - logits.max(1, keepdims=True))
        return likely / likely.sum(1, keepdims=True)

    def predict(self, X: Iterable[Any]) -> np.ndarray:
        """Return the likeliest label of each example: (N,)."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def encode(self, X: Iterable[Any]) -> np.ndarray:
        """Return what the encoder makes of sentences, (N, H), or of pairs, (N, 2, H), in float32."""
        check_is_fitted(self)
        found = examples(X, needs_trees=self._needs_trees)
        made = sides([(part,) for parts in found for part in parts], self.vocabulary_)
        out = np.empty((len(made[0].tokens), self._built["hidden"]), np.float32)
        with torch.no_grad(), one_thread():
            for first in range(0, len(out), AT_ONCE):
                rows = np.arange(first, min(first + AT_ONCE, len(out)))
                batch = self.model_.prepare(chosen(made, rows), own=self._built["predict"])
                out[rows] = self.model_.encode(batch, self.beam)[0].cpu().numpy()
        return out if len(found[0]) == 1 else out.reshape(len(found), 2, -1)

    def parse(self, sentences: Any) -> Any:
        """Return the tree that the model itself makes of a sentence (a text, or a Tree whose words are taken).

        A list of sentences gives a list of trees.
        """
        check_is_fitted(self)
        if not self._built["predict"]:
            raise InvalidArgumentError("this model finds no parses; train one with encoder='spinn', parses='predicted'")
        if isinstance(sentences, str | Tree):
            return self.parse([sentences])[0]
        found = [_single(given, f"sentence {place}") for place, given in enumerate(sentences)]
        if not found:
            return []
        made = sides([(one,) for one in found], self.vocabulary_)
        taken: list[np.ndarray] = []
        size = max(1, AT_ONCE // self.beam)
        with torch.no_grad(), one_thread():
            for first in range(0, len(found), size):
                rows = np.arange(first, min(first + size, len(found)))
                batch = self.model_.prepare(chosen(made, rows), own=True)
                taken += self.model_.encode(batch, self.beam)[2] or []
        return [Tree(one.words, steps) for one, steps in zip(found, taken, strict=True)]

    def trace(self, sentence: Any, *, parses: str | None = None) -> Reading:
        """Return how one sentence is read, a record for every value of every step: see ``tracing.Reading``.

        A model that finds its own parses reads by them; ``parses="given"`` lets it follow those of a Tree.
        """
        check_is_fitted(self)
        parses = ("predicted" if self._built["predict"] else "given") if parses is None else parses
        check_choice("parses", parses, PARSES)
        if (encoder := self._built["encoder"]) not in TREE_ENCODERS:
            raise InvalidArgumentError(
                f"trace shows how trees are read ({', '.join(TREE_ENCODERS)}), and the encoder is {encoder!r}"
            )
        own = _single(sentence, "the sentence")
        if own.transitions is None or parses == "predicted":
            tree = self.parse(sentence)
            own = Sentence(tree.words, tree.transitions)
        return reading(self.model_, self.model_.cell, own.words, self.vocabulary_.indices(own.words), own.transitions)


def _single(given: Any, where: str) -> Sentence:
    found = sentence(given, where)
    if found is None:
        raise InvalidDataError(f"{where} must be a text or a Tree, got {type(given).__name__}")
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and torch use one thread within the block: two cost tens of times more where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with limited_threads(1):
            yield
    finally:
        torch.set_num_threads(before)
