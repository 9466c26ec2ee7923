"""From sentences to labels: words to states, states to a sentence by the tree, one or two sentences to a label.

::

    (h, c) = E[word] P + p                              (2H,)   the leaf of a word
    s = what the encoder makes of the leaves            (H,)    spinn: with tracker; treelstm: without; sum: Σ h
    x = s                                                       of a single sentence
    x = [a; b; |a - b|; a · b]                          (4H,)   of a pair; a - b for |a - b| where features="plain"
    p(label) = softmax(relu(x M + m) N + n)             (C,)

Source: Bowman et al. 2016, sections 3.2 and 4.1; |a - b|, blind to the order, is ours.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.networks.spinn.batched import encode
from pellucid.networks.spinn.machine import Cell

__all__ = ["ENCODERS", "FEATURES", "Side", "TreeClassifier", "pair_features"]

ENCODERS = ("treelstm", "spinn", "sum")
FEATURES = ("symmetric", "plain")

Side = tuple[Sequence[np.ndarray], Sequence[np.ndarray]]  # the sentences' word numbers and their transitions


def pair_features(a: Tensor, b: Tensor, features: str) -> Tensor:
    """Return what the head sees of two sentences (B, H): (B, 4H)."""
    difference = (a - b).abs() if features == "symmetric" else a - b
    return torch.cat([a, b, difference, a * b], 1)


class TreeClassifier(nn.Module):
    """Words, encoder and head; ``sides`` is 1 for single sentences, 2 for pairs."""

    def __init__(
        self, words: int, classes: int, *, sides: int, encoder: str, embedding: int, hidden: int, tracker: int,
        multiply: bool, mlp: int, features: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.features, self.hidden = encoder, features, hidden
        self.embedding = nn.Embedding(words, embedding)
        self.project = nn.Linear(embedding, 2 * hidden)
        self.cell = None if encoder == "sum" else Cell(hidden, tracker if encoder == "spinn" else 0, multiply=multiply)
        inputs = (4 if sides == 2 else 1) * hidden
        self.head = nn.Sequential(nn.Linear(inputs, mlp), nn.ReLU(), nn.Linear(mlp, classes))

    def encode(self, side: Side) -> Tensor:
        """Return the sentences (B, H)."""
        tokens, transitions = side
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        words, own = np.unique(np.concatenate(tokens), return_inverse=True)  # each word's leaf is computed once
        leaves = self.project(self.embedding(torch.from_numpy(words)))  # (V, 2H)
        if self.cell is None:
            sentence = torch.from_numpy(np.repeat(np.arange(len(tokens)), lengths))
            rows = leaves[torch.from_numpy(own), : self.hidden]
            return leaves.new_zeros(len(tokens), self.hidden).index_add(0, sentence, rows)
        return encode(self.cell, leaves, np.split(own, lengths.cumsum()[:-1]), transitions).h

    def forward(self, sides: Sequence[Side]) -> Tensor:
        """Return the logits (B, C) of sentences, or of pairs; both sides are encoded together."""
        if len(sides) == 1:
            return self.head(self.encode(sides[0]))
        (tokens_a, steps_a), (tokens_b, steps_b) = sides
        both = self.encode(([*tokens_a, *tokens_b], [*steps_a, *steps_b]))  # (2B, H)
        a, b = both[: len(tokens_a)], both[len(tokens_a) :]
        return self.head(pair_features(a, b, self.features))
