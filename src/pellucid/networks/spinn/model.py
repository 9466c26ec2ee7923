"""From sentences to labels: words to leaves, leaves to a sentence by the encoder, one or two sentences to a label.

::

    leaf = E[word] P + p                                (2H,)   h and c of a word; (H,) where no tree is read
    s = what the encoder makes of the leaves            (H,)
    x = s                                                       of a single sentence
    x = [a; b; |a - b|; a · b]                          (4H,)   of a pair; a - b for |a - b| where features="plain"
    p(label) = softmax(head(x))                         (C,)    head: layers of relu(x M + m), then a linear one

=========  ====================================================================================================
spinn      shift and reduce with a tracker (``machine.py``); parses given, or its own
treelstm   shift and reduce without
lstm, gru  the leaves one after another, last state (Hochreiter, Schmidhuber 1997; Cho et al. 2014)
rnn        h = tanh(leaf A + h B + b) (Elman 1990)
sum        Σ leaf, which knows no order
=========  ====================================================================================================

Where parses are predicted, training adds the transition loss: minus the mean log-probability of the given
transition, over the transitions at which both are possible. Batch normalisation and dropout stand around the
projection and before each layer of the head, as in the article's code.

Source: Bowman et al. 2016, sections 3.2-4.1; |a - b|, blind to the order, is ours. The paper sums the transition
loss over a sentence; the mean does not depend on its length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.networks.spinn.batched import Plan, encode, plan
from pellucid.networks.spinn.beam import beam_parse
from pellucid.networks.spinn.machine import Cell
from pellucid.networks.spinn.parsing import parse

__all__ = ["ENCODERS", "FEATURES", "TREE_ENCODERS", "Batch", "Outcome", "Side", "TreeClassifier", "pair_features"]

TREE_ENCODERS = ("treelstm", "spinn")
SEQUENCE_ENCODERS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
ENCODERS = (*TREE_ENCODERS, *SEQUENCE_ENCODERS, "sum")
FEATURES = ("symmetric", "plain")


class Side(NamedTuple):
    """Sentences: their word numbers, and their transitions (None: the model finds its own, or reads none)."""

    tokens: Sequence[np.ndarray]
    transitions: Sequence[np.ndarray | None]


@dataclass(frozen=True)
class Batch:
    """B sentences made ready in NumPy, which another thread can do; the first half stands before the second in pairs.

    ``words`` (V,) are the leaves' words; ``tokens`` say of which leaves a sentence consists. ``made`` is the plan of
    the transitions, None where the model finds its own; ``nodes`` (S,) the rows of all nodes where all are wanted.
    ``open`` are the places, among all transitions, where both were possible; ``right`` what was right there.
    """

    sides: int
    words: np.ndarray
    tokens: list[np.ndarray]
    lengths: np.ndarray
    made: Plan | None = None
    nodes: np.ndarray | None = None
    open: np.ndarray | None = None
    right: np.ndarray | None = None


@dataclass(frozen=True)
class Outcome:
    """``logits`` (B, C), or (S, C) of every node; the transition loss; its own transitions, where it took them."""

    logits: Tensor
    transition_loss: Tensor | None = None
    transitions: list[np.ndarray] | None = None


def pair_features(a: Tensor, b: Tensor, features: str) -> Tensor:
    """Return what the head sees of two sentences (B, H): (B, 4H)."""
    difference = (a - b).abs() if features == "symmetric" else a - b
    return torch.cat([a, b, difference, a * b], 1)


def head(inputs: int, units: int, layers: int, classes: int, dropout: float, batch_norm: bool) -> nn.Sequential:
    """Return the layers from x to the logits; before each of them, if wanted, batch normalisation and dropout."""
    parts: list[nn.Module] = []
    for size in [*[units] * layers, classes]:
        parts += [nn.BatchNorm1d(inputs)] if batch_norm else []
        parts += [nn.Dropout(dropout)] if dropout else []
        parts += [nn.Linear(inputs, size), nn.ReLU()]
        inputs = size
    return nn.Sequential(*parts[:-1])


def open_transitions(transitions: Sequence[np.ndarray], lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the places, in all transitions one sentence after another, where both were possible; and what was done."""
    flat = np.concatenate(transitions).astype(np.int64)
    ends = (2 * lengths - 1).cumsum()
    before = np.concatenate([[0], flat.cumsum()])  # reduces before each transition, of this sentence and all earlier
    own = np.repeat(np.concatenate([[0], ends[:-1]]), 2 * lengths - 1)
    reduces = before[:-1] - before[own]
    shifts = np.arange(len(flat)) - own - reduces
    places = np.flatnonzero((shifts < np.repeat(lengths, 2 * lengths - 1)) & (shifts - reduces > 1))
    return places, flat[places]


class TreeClassifier(nn.Module):
    """Words, encoder and head; ``sides`` is 1 for single sentences, 2 for pairs. ``device`` is that of its weights."""

    def __init__(
        self, words: int, classes: int, *, sides: int, encoder: str, embedding: int, hidden: int, tracker: int = 0,
        predict: bool = False, multiply: bool = False, mlp: int = 0, mlp_layers: int = 1,
        features: str = "symmetric", dropout_embedding: float = 0.0, dropout: float = 0.0, word_dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.sides, self.encoder, self.features, self.hidden = sides, encoder, features, hidden
        self.dropout_embedding, self.word_dropout = dropout_embedding, word_dropout
        reads_trees = encoder in TREE_ENCODERS
        leaf = 2 * hidden if reads_trees else hidden
        self.embedding = nn.Embedding(words, embedding)
        self.project = nn.Linear(embedding, leaf)
        self.norm = nn.BatchNorm1d(leaf) if batch_norm else None
        self.cell = None
        if reads_trees:
            self.cell = Cell(hidden, tracker if encoder == "spinn" else 0, predict=predict, multiply=multiply)
        kind = SEQUENCE_ENCODERS.get(encoder)
        self.sequence = None if kind is None else kind(hidden, hidden, batch_first=True)
        self.head = head((4 if sides == 2 else 1) * hidden, mlp, mlp_layers, classes, dropout, batch_norm)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.project.weight.device

    def prepare(self, sides: Sequence[Side], *, train: bool = False, own: bool = False, nodes: bool = False) -> Batch:
        """Make sentences, or pairs, ready: each distinct word one leaf, or, where leaves differ by chance, each one.

        ``own`` leaves the transitions to the model; ``nodes`` asks for every node.
        """
        tokens = [one for side in sides for one in side.tokens]
        given = [one for side in sides for one in side.transitions]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        words = np.concatenate(tokens)
        if train and (self.dropout_embedding or self.word_dropout or self.norm is not None):
            rows = np.arange(len(words))
        else:
            words, rows = np.unique(words, return_inverse=True)
        split = np.split(rows, lengths.cumsum()[:-1])
        if self.cell is None or own:
            return Batch(len(sides), words, split, lengths)
        transitions = [one for one in given if one is not None]
        made = plan(split, transitions, len(words), tracker=self.cell.tracker > 0)
        if not train:
            return Batch(len(sides), words, split, lengths, made)
        wanted = node_rows(made, split, transitions) if nodes else None
        choices = open_transitions(transitions, lengths) if self.cell.predict else (None, None)
        return Batch(len(sides), words, split, lengths, made, wanted, *choices)

    def leaves(self, batch: Batch) -> Tensor:
        """Return the leaves (V, 2H), or (V, H) where no tree is read."""
        words = torch.from_numpy(batch.words).to(self.device)
        if self.training and self.word_dropout:
            words = words * (torch.rand(words.shape, device=self.device) >= self.word_dropout)  # 0: the unknown word
        found = self.project(self.embedding(words))
        if self.norm is not None:
            found = self.norm(found)
        return nn.functional.dropout(found, self.dropout_embedding, self.training)

    def encode(self, batch: Batch, beam: int = 1) -> tuple[Tensor, Tensor | None, list[np.ndarray] | None]:
        """Return the sentences (B, H) or all nodes (S, H), the logits of the transitions, and its own transitions."""
        leaves = self.leaves(batch)
        if self.cell is None:
            return self._read(leaves, batch), None, None
        if batch.made is None:
            if beam > 1:
                taken = beam_parse(self.cell, leaves, batch.tokens, beam)
                return encode(self.cell, leaves, batch.tokens, taken).h, None, taken
            found = parse(self.cell, leaves, batch.tokens)
            return found.h, None, found.transitions
        found = encode(self.cell, leaves, batch.tokens, made=batch.made, wanted=batch.nodes)
        return found.h, found.logits, None

    def _read(self, leaves: Tensor, batch: Batch) -> Tensor:
        """Return the sentences (B, H) of what knows no tree."""
        if self.sequence is None:
            sentence = np.repeat(np.arange(len(batch.tokens)), batch.lengths)
            rows = leaves[torch.from_numpy(np.concatenate(batch.tokens)).to(self.device)]
            out = leaves.new_zeros(len(batch.tokens), self.hidden)
            return out.index_add(0, torch.from_numpy(sentence).to(self.device), rows)
        places = np.arange(batch.lengths.max()) < batch.lengths[:, None]  # (B, n)
        padded = np.zeros(places.shape, np.int64)
        padded[places] = np.concatenate(batch.tokens)
        steps = nn.utils.rnn.pack_padded_sequence(
            leaves[torch.from_numpy(padded).to(self.device)], torch.from_numpy(batch.lengths), batch_first=True,
            enforce_sorted=False,
        )  # fmt: skip
        last = self.sequence(steps)[1]
        return (last[0] if isinstance(last, tuple) else last)[-1]

    def forward(self, batch: Batch, beam: int = 1) -> Outcome:
        """Return the logits of the labels; both sides of pairs are encoded together."""
        h, steps, taken = self.encode(batch, beam)
        loss = None
        if steps is not None and batch.open is not None and batch.right is not None:
            places, right = (torch.from_numpy(array).to(self.device) for array in (batch.open, batch.right))
            total = nn.functional.cross_entropy(steps[places], right, reduction="sum")
            loss = total / max(len(batch.open), 1)
        if self.sides == 2:
            first, second = h.chunk(2)
            h = pair_features(first, second, self.features)
        return Outcome(self.head(h), loss, taken)


def node_rows(made: Plan, tokens: Sequence[np.ndarray], transitions: Sequence[np.ndarray]) -> np.ndarray:
    """Return the row of the states that each transition makes, (S,), one sentence after another."""
    if made.row_of.size:  # each reduce stands beside the tracker's row of its transition
        reduce_at = np.zeros(made.buffer.size, np.int64)
        reduce_at[made.track_of] = 1 + made.leaves + np.arange(made.left.size)
        return np.where(np.concatenate(transitions), reduce_at[made.row_of], made.buffer[made.row_of])
    from pellucid.parts.compiled.tree_nodes import node_rows as compiled

    flat, words = np.concatenate(transitions).astype(np.uint8), np.concatenate(tokens).astype(np.int64)
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    rows = np.empty(len(flat), np.int64)
    compiled(flat, words, lengths, made.left, made.right, 1 + made.leaves, rows)
    return rows
