"""Sentences with their trees and labels, from the files in which they are published.

Every reader returns one thing: ``Sentences``, whose examples are ``Example`` (a label and a tree) or ``Pair`` (a
label, a premise and a hypothesis), and which counts what it left out. The formats, a line an example:

==========  =======================================================================  ======================
snli        JSON: gold_label, sentence1_binary_parse, sentence2_binary_parse         Bowman et al. 2015
multinli    the same fields                                                          Williams et al. 2018
sick        label TAB parse TAB parse [TAB more]; or named by a first row            Marelli et al. 2014
logic       relation TAB parse TAB parse                                             Bowman et al. 2015
listops     label TAB parse; or Source and Target, named by a first row              Nangia, Bowman 2018
sst         an s-expression with a label 0-4 at every node                           Socher et al. 2013
==========  =======================================================================  ======================

Whatever is wrong with a line is one FileFormatError with the file and the line's number.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType

import numpy as np

from pellucid.data.text_lines import text_lines
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError
from pellucid.trees import Tree

__all__ = [
    "FORMATS",
    "INFERENCE_LABELS",
    "LISTOPS_LABELS",
    "RELATIONS",
    "SENTIMENTS",
    "Example",
    "Pair",
    "Sentences",
    "read_listops",
    "read_logic",
    "read_sentences",
    "read_sick",
    "read_snli",
    "read_sst",
]

INFERENCE_LABELS = ("entailment", "neutral", "contradiction")
RELATIONS = ("#", "=", "<", ">", "|", "^", "v")
LISTOPS_LABELS = tuple("0123456789")
SENTIMENTS = tuple("01234")  # very negative, negative, neutral, positive, very positive
UNDECIDED = "-"
NO_GOLD_LABEL = "no gold label"  # why such a row is dropped
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence: its label and its tree."""

    label: str
    tree: Tree

    @property
    def trees(self) -> tuple[Tree, ...]:
        """The one tree."""
        return (self.tree,)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences: what the first says about the second, and the tree of each."""

    label: str
    premise: Tree
    hypothesis: Tree

    @property
    def trees(self) -> tuple[Tree, ...]:
        """The premise and the hypothesis."""
        return self.premise, self.hypothesis


@dataclass(frozen=True)
class Sentences:
    """What a reader found or a generator made: the examples, the classes there are, and what was dropped, and why."""

    source: str
    examples: Sequence[Example | Pair]
    classes: tuple[str, ...]
    dropped: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example | Pair]:
        return iter(self.examples)

    @property
    def trees(self) -> Iterator[Tree]:
        """Every tree, pairs one after the other."""
        return chain.from_iterable(example.trees for example in self.examples)

    @property
    def y(self) -> np.ndarray:
        """Each example's label as its place in ``classes``: (N,) int64."""
        places = {label: i for i, label in enumerate(self.classes)}
        return np.array([places[example.label] for example in self.examples], np.int64)  # (N,)

    def counts(self) -> dict[str, int]:
        """Return how many examples each class has."""
        found = np.bincount(self.y, minlength=len(self.classes))
        return dict(zip(self.classes, found.tolist(), strict=True))


def read_snli(path: str | os.PathLike[str]) -> Sentences:
    """Return the pairs of SNLI's or MultiNLI's jsonl.

    Rows on which the annotators did not agree (``-``) are dropped and counted.
    """
    examples: list[Example | Pair] = []
    undecided = 0
    for number, line in text_lines(path):
        where = f"{path}, line {number}"
        row = _json_object(line, where)
        label = _text_field(row, "gold_label", where)
        if label == UNDECIDED:
            undecided += 1
            continue
        _check_label(label, (*INFERENCE_LABELS, UNDECIDED), where)
        premise, hypothesis = (
            _tree(Tree.from_brackets, _text_field(row, name, where), f"{where}, {name}")
            for name in ("sentence1_binary_parse", "sentence2_binary_parse")
        )
        examples.append(Pair(label, premise, hypothesis))
    return _found(path, examples, INFERENCE_LABELS, {NO_GOLD_LABEL: undecided})


def read_sick(path: str | os.PathLike[str]) -> Sentences:
    """Return the pairs of SICK: label and two parses first, more columns or none; a first row may name them.

    Named columns may stand in any order: the label under ``entailment_judgment`` (or ``entailment_label``), the
    parses under ``sentence_A`` and ``sentence_B``. Labels are said in small letters, as SNLI's.
    """
    examples: list[Example | Pair] = []
    label_at, first, second = 0, 1, 2
    for number, fields, where in _rows(path, 3):
        if number == 1 and "sentence_A" in fields:
            names = [name.removeprefix("%").replace("entailment_label", "entailment_judgment") for name in fields]
            label_at, first, second = (
                _place(names, name, where) for name in ("entailment_judgment", "sentence_A", "sentence_B")
            )
            continue
        _check_columns(fields, max(label_at, first, second) + 1, where)
        label = fields[label_at].lower()
        _check_label(label, INFERENCE_LABELS, where)
        examples.append(Pair(label, *_pair(fields[first], fields[second], where)))
    return _found(path, examples, INFERENCE_LABELS)


def read_logic(path: str | os.PathLike[str]) -> Sentences:
    """Return pairs of formulas and their relation: ``relation TAB parse TAB parse``."""
    examples: list[Example | Pair] = []
    for _, fields, where in _rows(path, 3):
        _check_label(fields[0], RELATIONS, where)
        examples.append(Pair(fields[0], *_pair(fields[1], fields[2], where)))
    return _found(path, examples, RELATIONS)


def read_listops(path: str | os.PathLike[str]) -> Sentences:
    """Return ListOps: ``label TAB parse``, or the two columns that a first row names Source and Target."""
    examples: list[Example | Pair] = []
    label_at, parse_at = 0, 1
    for number, fields, where in _rows(path, 2):
        if number == 1 and {"Source", "Target"} <= set(fields):
            label_at, parse_at = fields.index("Target"), fields.index("Source")
            continue
        _check_columns(fields, max(label_at, parse_at) + 1, where)
        _check_label(fields[label_at], LISTOPS_LABELS, where)
        examples.append(Example(fields[label_at], _tree(_bracketed, fields[parse_at], where)))
    return _found(path, examples, LISTOPS_LABELS)


def read_sst(path: str | os.PathLike[str]) -> Sentences:
    """Return the trees of SST: a label 0-4 at every node (``tree.labels``); the example's is the root's."""
    examples: list[Example | Pair] = []
    for number, line in text_lines(path):
        where = f"{path}, line {number}"
        tree = _tree(Tree.from_sst, line, where)
        labels = np.asarray(tree.labels)  # (T,)
        outside = np.flatnonzero((labels < 0) | (labels > 4))
        if len(outside):
            begin, end = tree.spans()[outside[0]]
            raise FileFormatError(
                f"{where}: a label must be a whole number from 0 to 4, got {labels[outside[0]]} "
                f"over {' '.join(tree.words[begin:end])!r}"
            )
        examples.append(Example(str(tree.label), tree))
    return _found(path, examples, SENTIMENTS)


FORMATS: Mapping[str, Callable[[str | os.PathLike[str]], Sentences]] = MappingProxyType(
    {
        "snli": read_snli,
        "multinli": read_snli,
        "sick": read_sick,
        "logic": read_logic,
        "listops": read_listops,
        "sst": read_sst,
    }
)


def read_sentences(path: str | os.PathLike[str], format: str) -> Sentences:
    """Return what ``path`` holds in the named format."""
    if format not in FORMATS:
        raise InvalidArgumentError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    return FORMATS[format](path)


def _found(
    path: str | os.PathLike[str],
    examples: Sequence[Example | Pair],
    classes: tuple[str, ...],
    dropped: Mapping[str, int] | None = None,
) -> Sentences:
    if not examples:
        left = ", ".join(f"{n} with {why}" for why, n in (dropped or {}).items() if n)
        raise FileFormatError(f"{path}: holds no example{f' ({left} dropped)' if left else ''}")
    return Sentences(str(path), examples, classes, MappingProxyType({k: n for k, n in (dropped or {}).items() if n}))


def _rows(path: str | os.PathLike[str], least: int) -> Iterator[tuple[int, list[str], str]]:
    for number, line in text_lines(path):
        where = f"{path}, line {number}"
        fields = [cell.strip(" ") for cell in line.split("\t")]
        if len(fields) < least:
            raise FileFormatError(
                f"{where}: has {len(fields)} column{'s' if len(fields) > 1 else ''} and must have {least} or more, "
                "parted by tabs"
            )
        yield number, fields, where


def _place(names: list[str], name: str, where: str) -> int:
    if name not in names:
        raise FileFormatError(f"{where}: names no column {name!r}; it names {', '.join(names)}")
    return names.index(name)


def _check_columns(fields: list[str], needed: int, where: str) -> None:
    if len(fields) < needed:
        raise FileFormatError(f"{where}: has {len(fields)} columns and must have {needed} or more")


def _check_label(label: str, allowed: Iterable[str], where: str) -> None:
    if label not in allowed:
        raise FileFormatError(f"{where}: the label must be one of {' '.join(allowed)}, got {label!r}")


def _pair(premise: str, hypothesis: str, where: str) -> tuple[Tree, Tree]:
    first = _tree(_bracketed, premise, f"{where}, first sentence")
    return first, _tree(_bracketed, hypothesis, f"{where}, second sentence")


def _bracketed(text: str) -> Tree:
    if "(" not in text and " " in text:
        raise InvalidDataError("the sentence has no parse; it must be written with brackets, as ( a b )")
    return Tree.from_brackets(text)


def _tree(read: Callable[[str], Tree], text: str, where: str) -> Tree:
    try:
        if not text.strip(" "):
            raise InvalidDataError("the sentence is blank; it must be a tree of one word or more")
        return read(text)
    except InvalidDataError as error:
        raise FileFormatError(f"{where}: {error}") from None


def _json_object(line: str, where: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except RecursionError:
        raise FileFormatError(f"{where}: the JSON is nested too deeply; one flat object was expected") from None
    except ValueError as error:
        raise FileFormatError(f"{where}: is not JSON ({error})") from None
    if not isinstance(row, dict):
        raise FileFormatError(f"{where}: must be a JSON object, got {type(row).__name__}")
    return row


def _text_field(row: Mapping[str, object], name: str, where: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        got = "has none" if name not in row else f"got {type(value).__name__}"
        raise FileFormatError(f"{where}: must have the text field {name!r}, {got}")
    if _SURROGATE.search(value):
        raise FileFormatError(f"{where}, {name}: holds half a character (a lone surrogate), which no UTF-8 can write")
    return value
