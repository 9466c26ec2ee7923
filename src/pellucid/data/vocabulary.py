"""A vocabulary: each known word's number. 0 is every unknown word."""

from collections import Counter
from collections.abc import Iterable

import numpy as np

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.trees import Tree

__all__ = ["UNKNOWN", "Vocabulary"]

UNKNOWN = "<unk>"


class Vocabulary:
    """Words and their numbers: ``words[0]`` is ``<unk>``, the unknown word.

    With ``lowercase``, words are put in small letters before they are looked up.
    """

    def __init__(self, words: Iterable[str], *, lowercase: bool = False) -> None:
        self.lowercase = lowercase
        given = [word.lower() if lowercase else word for word in words]
        self.words: tuple[str, ...] = (UNKNOWN, *(word for word in given if word != UNKNOWN))
        self._places = {word: i for i, word in enumerate(self.words)}
        if len(self._places) < len(self.words):
            twice = next(word for word, n in Counter(self.words).items() if n > 1)
            raise InvalidDataError(f"every word of a vocabulary must stand once, {twice!r} stands twice")

    @classmethod
    def of(
        cls, trees: Iterable[Tree], *, lowercase: bool = False, min_count: int = 1, max_size: int | None = None
    ) -> "Vocabulary":
        """Return the words of ``trees``, the most frequent first, equally frequent ones in alphabetical order.

        Words seen fewer than ``min_count`` times, and those beyond ``max_size`` numbers, are unknown.
        """
        if min_count < 1:
            raise InvalidArgumentError(f"min_count must be 1 or more, got {min_count}")
        if max_size is not None and max_size < 1:
            raise InvalidArgumentError(f"max_size must be 1 or more, or None, got {max_size}")
        counts: Counter[str] = Counter()
        for tree in trees:
            counts.update(map(str.lower, tree.words) if lowercase else tree.words)
        kept = sorted((w for w, n in counts.items() if n >= min_count and w != UNKNOWN), key=lambda w: (-counts[w], w))
        return cls(kept if max_size is None else kept[: max_size - 1], lowercase=lowercase)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and (word.lower() if self.lowercase else word) in self._places

    def __getitem__(self, word: str) -> int:
        return self._places.get(word.lower() if self.lowercase else word, 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Vocabulary):
            return NotImplemented
        return (self.words, self.lowercase) == (other.words, other.lowercase)

    def __hash__(self) -> int:
        return hash((self.words, self.lowercase))

    def __repr__(self) -> str:
        return f"<Vocabulary of {len(self)} words{', lower-cased' if self.lowercase else ''}>"

    def indices(self, words: Iterable[str]) -> np.ndarray:
        """Return each word's number: (n,) int64."""
        get = self._places.get
        if self.lowercase:
            words = map(str.lower, words)
        return np.array([get(word, 0) for word in words], np.int64)  # (n,)
