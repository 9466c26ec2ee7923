"""Binary trees over words, held as what a shift-reduce machine does to build them. NumPy alone.

A tree over n words is n words and T = 2n - 1 transitions: SHIFT (0) moves the next word from the buffer to the
stack, REDUCE (1) takes two trees off the stack and puts their union on it. So every node *is* one transition, in
the order in which children come before parents (postorder); the last one is the root.

::

    Tree(words, transitions, labels=None)
        words         tuple of n strings (no space, tab, line break or round bracket in one: write -LRB-, -RRB-)
        transitions   (T,) uint8, read-only, 0 = SHIFT, 1 = REDUCE
        labels        (T,) int64, read-only, one a node in the order of the transitions; or None
        len(tree)     n
        label         the root's label, or None
    tree.spans()      (T, 2): node t covers words[begin:end]
    tree.children()   (T, 2): the transitions that made node t's left and right child; -1, -1 for a word
    tree.depth()      edges from the root to the deepest word
    tree.draw()       the tree as text, for a terminal

One sentence in the forms that are read and printed (Bowman et al. 2016, section 3.1; Socher et al. 2013)::

    brackets   ( ( The church ) ( has cracks ) )              Tree.from_brackets   tree.to_brackets()
    closing    The church ) has cracks ) )                    Tree.from_closing    tree.to_closing()
    lines      WORDS: The church has cracks                   Tree.from_lines      tree.to_lines()
               PARSES: S S R S S R R
    sst        (3 (2 (2 The) (2 church)) (3 (2 has) (2 ...    Tree.from_sst        tree.to_sst()
    nested     (("The", "church"), ("has", "cracks"))         Tree.from_nested     tree.to_nested()

``Tree.parse(text)`` tells the four written forms apart. Words are separated by the plain space and by nothing
else: a no-break space belongs to a word. What is not a tree is refused with the place where it stops being one.
Nothing recurses: a tree may be 100,000 levels deep.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np

from pellucid.errors import InvalidDataError
from pellucid.language import Phrase, phrase

__all__ = ["REDUCE", "SHIFT", "Nested", "Tree", "transitions_from_text", "transitions_to_text"]

SHIFT = 0
REDUCE = 1
OPEN, CLOSE = "()"
DRAWN_DEPTH = 40  # levels that draw() shows unless told otherwise
DRAWN_WORDS = 8  # of a part that lies deeper

Nested = str | tuple[Any, Any]  # a word, or a pair of Nested

_TOKEN = re.compile(r"[()]|[^() ]+")
_BREAK = re.compile(r"[\t\r\n]")
_NOT_IN_A_WORD = re.compile(r"[ \t\r\n()]")
_LABEL = re.compile(r"[+-]?[0-9]{1,18}")
_SST = re.compile(r" *\([+-]?[0-9]+ ")
_LINES = re.compile(r" *WORDS: ([^\n]*?) *\r?\n *PARSES: ([^\n]*?) *\Z")
_LETTERS = {"S": SHIFT, "SHIFT": SHIFT, "R": REDUCE, "REDUCE": REDUCE}


class Tree:
    """A binary tree over words; immutable, compared and hashed by value. The module says what it holds.

    Raises InvalidDataError where the transitions build no tree, with the number of the first that cannot be
    (counted from 1), or where there is not one label a node.
    """

    __slots__ = ("_labels", "_transitions", "_words")
    _words: tuple[str, ...]
    _transitions: np.ndarray
    _labels: np.ndarray | None

    def __init__(self, words: Iterable[str], transitions: Any, labels: Any = None) -> None:
        self._words = _checked_words(words)
        self._transitions = _checked_transitions(transitions, len(self._words))  # (T,)
        self._labels = None if labels is None else _checked_labels(labels, len(self._transitions))  # (T,)

    @classmethod
    def _built(cls, words: Iterable[str], transitions: Any, labels: Any = None) -> "Tree":
        """Return a tree whose parts are known to fit, without asking again."""
        tree = object.__new__(cls)
        tree._words = tuple(words)
        tree._transitions = _frozen(np.array(transitions, np.uint8))
        tree._labels = None if labels is None else _frozen(np.array(labels, np.int64))
        return tree

    @property
    def words(self) -> tuple[str, ...]:
        """The words, from left to right."""
        return self._words

    @property
    def transitions(self) -> np.ndarray:
        """What builds the tree: (T,) uint8, 0 = SHIFT, 1 = REDUCE."""
        return self._transitions

    @property
    def labels(self) -> np.ndarray | None:
        """One label a node, in the order of the transitions: (T,) int64; or None."""
        return self._labels

    @property
    def label(self) -> int | None:
        """The label of the root, or None."""
        return None if self._labels is None else int(self._labels[-1])

    def __len__(self) -> int:
        return len(self._words)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, Tree) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return self._words, self._transitions.tobytes(), None if self._labels is None else self._labels.tobytes()

    def __repr__(self) -> str:
        return f"Tree.parse({str(self)!r})"

    def __str__(self) -> str:
        return self.to_brackets() if self._labels is None else self.to_sst()

    def __reduce__(self) -> tuple[Any, ...]:
        return Tree, (self._words, self._transitions, self._labels)

    def __copy__(self) -> "Tree":
        return self

    def __deepcopy__(self, memo: Any) -> "Tree":
        return self

    @classmethod
    def parse(cls, text: str) -> "Tree":
        """Return the tree that ``text`` writes in any of the four written forms.

        A first bracket with a whole number close behind it, ``(3 ``, begins the form of SST; ``( 3 `` does not.
        """
        if text.lstrip(" ").startswith(("WORDS: ", "WORDS:\n", "WORDS:\r")):
            return cls.from_lines(text)
        if "(" not in text:
            return cls.from_closing(text)
        return cls.from_sst(text) if _SST.match(text) else cls.from_brackets(text)

    @classmethod
    def from_brackets(cls, text: str) -> "Tree":
        """Return the tree of a binary parse: ``( ( The church ) ( has cracks ) )``; one word is a tree too."""
        text = text.rstrip(" \r\n")
        tokens = _tokens(text)
        words: list[str] = []
        transitions: list[int] = []
        counts = [1]  # the children of each open node; below them all stands the text, which holds one tree
        for i, token in enumerate(tokens):
            if token == CLOSE:
                if counts[-1] != 2 or len(counts) == 1:
                    _fail_at_closing(text, i, len(counts) > 1)
                counts.pop()
                transitions.append(REDUCE)
                continue
            if counts[-1] == 2:
                _fail_at_third(text, i, len(counts))
            counts[-1] += 1
            if token == OPEN:
                counts.append(0)
            else:
                words.append(token)
                transitions.append(SHIFT)
        _check_end(text, len(counts) - 1, counts[-1] == 2)
        return cls._built(words, transitions)

    @classmethod
    def from_closing(cls, text: str) -> "Tree":
        """Return the tree of closing brackets only: ``The church ) has cracks ) )``."""
        text = text.rstrip(" \r\n")
        tokens = _tokens(text)
        words: list[str] = []
        transitions: list[int] = []
        depth = 0
        for i, token in enumerate(tokens):
            if token == CLOSE:
                if depth < 2:
                    said = {"trees": _trees(depth)}
                    _fail(text, i, phrase("the bracket closes over {trees}, and it needs two before it", **said))
                depth -= 1
                transitions.append(REDUCE)
            elif token == OPEN:
                _fail(text, i, phrase("an opening bracket stands in the form that has closing ones only"))
            else:
                depth += 1
                words.append(token)
                transitions.append(SHIFT)
        if depth != 1:
            raise InvalidDataError(
                phrase(
                    "position {n}: the text ends with {trees} and must end with one; "
                    "a closing bracket makes one of the last two",
                    n=len(text) + 1,
                    trees=_trees(depth),
                )
            )
        return cls._built(words, transitions)

    @classmethod
    def from_sst(cls, text: str) -> "Tree":
        """Return the tree of an s-expression with a label at every node: ``(3 (2 Good) (2 .))``."""
        text = text.rstrip(" \r\n")
        tokens = _tokens(text)
        words: list[str] = []
        transitions: list[int] = []
        labels: list[int] = []
        open_labels: list[int] = []
        counts = [1]
        i = 0
        while i < len(tokens):
            token = tokens[i]
            if token == OPEN:
                if counts[-1] == 2:
                    _fail_at_third(text, i, len(counts))
                counts[-1] += 1
                open_labels.append(_label_at(text, tokens, i + 1))
                counts.append(0)
                i += 2
                if i < len(tokens) and tokens[i] not in "()":
                    if i + 1 == len(tokens):
                        _check_end(text, len(counts) - 1, False)
                    if tokens[i + 1] != CLOSE:
                        _fail(text, i + 1, phrase("a leaf holds more than its label and one word; it must close here"))
                    counts.pop()
                    words.append(tokens[i])
                    transitions.append(SHIFT)
                    labels.append(open_labels.pop())
                    i += 2
                continue
            if token != CLOSE:
                said = {"word": repr(token), "leaf": f"(2 {token})"}
                _fail(text, i, phrase("the word {word} has no label; write {leaf}, with its own label for 2", **said))
            if counts[-1] != 2 or len(counts) == 1:
                _fail_at_closing(text, i, len(counts) > 1)
            counts.pop()
            transitions.append(REDUCE)
            labels.append(open_labels.pop())
            i += 1
        _check_end(text, len(counts) - 1, counts[-1] == 2)
        return cls._built(words, transitions, labels)

    @classmethod
    def from_lines(cls, text: str) -> "Tree":
        """Return the tree of two lines: ``WORDS:`` and the words, ``PARSES:`` and an S or R a transition."""
        lines = _LINES.match(text.rstrip(" \r\n"))
        if lines is None:
            raise InvalidDataError("the text must be two lines, 'WORDS: The church' and 'PARSES: S S R'")
        return cls([word for word in lines[1].split(" ") if word], transitions_from_text(lines[2]))

    @classmethod
    def from_nested(cls, nested: Nested) -> "Tree":
        """Return the tree of nested pairs: ``(("The", "church"), ("has", "cracks"))``."""
        words: list[str] = []
        transitions: list[int] = []
        # What is still to do, each with its path: (parent's path, which child), so that paths cost nothing.
        pending: list[tuple[Any, Any]] = [(nested, None)]
        while pending:
            node, path = pending.pop()
            if node is None:
                transitions.append(REDUCE)
            elif isinstance(node, str):
                if not node or _NOT_IN_A_WORD.search(node):
                    raise InvalidDataError(f"at {_path(path)}: {_why_no_word(node)}")
                words.append(node)
                transitions.append(SHIFT)
            elif isinstance(node, tuple) and len(node) == 2:
                pending += [(None, path), (node[1], (path, 1)), (node[0], (path, 0))]
            else:
                held = _count(len(node), "child") if isinstance(node, tuple) else type(node).__name__
                raise InvalidDataError(f"at {_path(path)}: a node must be a word or a tuple of two nodes, got {held}")
        return cls._built(words, transitions)

    @classmethod
    def left_branching(cls, words: Iterable[str]) -> "Tree":
        """Return ``( ( ( a b ) c ) d )``: the baseline that every parser must beat."""
        words = _checked_words(words)
        return cls._built(words, ([SHIFT] + [SHIFT, REDUCE] * (len(words) - 1)))

    @classmethod
    def right_branching(cls, words: Iterable[str]) -> "Tree":
        """Return ``( a ( b ( c d ) ) )``: for English a better baseline than the left."""
        words = _checked_words(words)
        return cls._built(words, [SHIFT] * len(words) + [REDUCE] * (len(words) - 1))

    def with_labels(self, labels: Any) -> "Tree":
        """Return the same tree with these labels (one a node in the order of the transitions), or with None."""
        return Tree(self._words, self._transitions, labels)

    def to_brackets(self) -> str:
        """Return ``( ( The church ) ( has cracks ) )``."""
        opens = np.zeros(len(self), np.int64)  # (n,) brackets that open before each word
        spans = self.spans()
        np.add.at(opens, spans[self._transitions == REDUCE, 0], 1)
        parts: list[str] = []
        words = iter(zip(self._words, opens.tolist(), strict=True))
        for transition in self._transitions.tolist():
            if transition == REDUCE:
                parts.append(")")
            else:
                word, n = next(words)
                parts += ["("] * n
                parts.append(word)
        return " ".join(parts)

    def to_closing(self) -> str:
        """Return ``The church ) has cracks ) )``."""
        words = iter(self._words)
        return " ".join(")" if t == REDUCE else next(words) for t in self._transitions.tolist())

    def to_sst(self) -> str:
        """Return ``(3 (2 Good) (2 .))``; needs labels."""
        if self._labels is None:
            raise InvalidDataError("the tree has no labels, and the form of SST needs one a node; see with_labels")
        spans, labels = self.spans(), self._labels.tolist()
        opening: list[list[int]] = [[] for _ in self._words]  # the nodes that begin at each word, innermost first
        for t, begin in enumerate(spans[:, 0].tolist()):
            opening[begin].append(t)
        parts: list[str] = []
        at = 0
        for transition in self._transitions.tolist():
            if transition == REDUCE:
                parts.append(")")
                continue
            nodes = opening[at]
            begun = " ".join(f"({labels[t]}" for t in reversed(nodes))
            parts.append(f"{' ' if at else ''}{begun} {self._words[at]})")
            at += 1
        return "".join(parts)

    def to_lines(self) -> str:
        r"""Return ``WORDS: The church\nPARSES: S S R``."""
        return f"WORDS: {' '.join(self._words)}\nPARSES: {transitions_to_text(self._transitions)}"

    def to_nested(self) -> Nested:
        """Return ``(("The", "church"), ("has", "cracks"))``."""
        words, stack = iter(self._words), list[Nested]()
        for transition in self._transitions.tolist():
            if transition == REDUCE:
                right = stack.pop()
                stack[-1] = (stack[-1], right)
            else:
                stack.append(next(words))
        return stack[0]

    def children(self) -> np.ndarray:
        """Return (T, 2) int64: the transitions that made the left and the right child; -1 twice for a word."""
        found = np.full((len(self._transitions), 2), -1)
        stack: list[int] = []
        for t, transition in enumerate(self._transitions.tolist()):
            if transition == REDUCE:
                right = stack.pop()
                found[t] = stack.pop(), right
            stack.append(t)
        return found

    def spans(self) -> np.ndarray:
        """Return (T, 2) int64: node t covers ``words[begin:end]``."""
        ends = np.cumsum(self._transitions == SHIFT)  # (T,)
        begins: list[int] = []
        stack: list[int] = []
        shifted = 0
        for transition in self._transitions.tolist():
            if transition == REDUCE:
                stack.pop()
            else:
                stack.append(shifted)
                shifted += 1
            begins.append(stack[-1])
        return np.stack([np.array(begins, np.int64), ends.astype(np.int64)], axis=1)

    def depth(self) -> int:
        """Return the number of edges between the root and the deepest word."""
        stack: list[int] = []
        for transition in self._transitions.tolist():
            if transition == REDUCE:
                right = stack.pop()
                stack[-1] = max(stack[-1], right) + 1
            else:
                stack.append(0)
        return stack[0]

    def draw(self, depth: int = DRAWN_DEPTH) -> str:
        """Return the tree as lines of text, one a word; what lies deeper than ``depth`` levels stands in one line.

        ::

            ─┬─┬─ The
             │ └─ church
             └─┬─ has
               └─ cracks
        """
        children, spans = self.children().tolist(), self.spans().tolist()
        tags = [""] * len(children) if self._labels is None else [str(label) for label in self._labels.tolist()]
        width = max(map(len, tags))
        lines: list[str] = []
        line = ""
        pending = [(len(children) - 1, "", "", 0)]  # node, what stands before it, what before its later lines, level
        while pending:
            t, first, later, level = pending.pop()
            line += first
            tag = tags[t].ljust(width, "─")
            left, right = children[t]
            if left < 0 or level >= depth:
                begin, end = spans[t]
                lines.append(f"{line}─{tag} {self._shown(begin, end)}")
                line = ""
                continue
            line += f"─{tag}┬"
            indent = later + " " * (1 + width)
            pending.append((right, f"{indent}└", f"{indent} ", level + 1))
            pending.append((left, "", f"{indent}│", level + 1))
        return "\n".join(lines)

    def _shown(self, begin: int, end: int) -> str:
        if end - begin == 1:
            return self._words[begin]
        shown = " ".join(self._words[begin : min(end, begin + DRAWN_WORDS)])
        return f"[{shown}]" if end - begin <= DRAWN_WORDS else f"[{shown} … {end - begin:,} words]"


def transitions_from_text(text: str) -> np.ndarray:
    """Return ``S S R`` (or ``SHIFT SHIFT REDUCE``) as (T,) uint8."""
    letters = [letter for letter in text.split(" ") if letter]
    for t, letter in enumerate(letters, 1):
        if letter not in _LETTERS:
            raise InvalidDataError(f"transition {t} must be S or R, got {letter!r}")
    return np.array([_LETTERS[letter] for letter in letters], np.uint8)


def transitions_to_text(transitions: Sequence[int] | np.ndarray) -> str:
    """Return transitions as ``S S R``."""
    return " ".join("R" if t == REDUCE else "S" for t in np.asarray(transitions).tolist())


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _checked_words(words: Iterable[str]) -> tuple[str, ...]:
    if isinstance(words, str):
        raise InvalidDataError("words must be a sequence of strings, got one string; split it, or use Tree.parse")
    found = tuple(words)
    for i, word in enumerate(found, 1):
        if not isinstance(word, str):
            raise InvalidDataError(f"word {i} must be a string, got {type(word).__name__}")
        if not word or _NOT_IN_A_WORD.search(word):
            raise InvalidDataError(f"word {i}: {_why_no_word(word)}")
    if not found:
        raise InvalidDataError("a tree must have one word or more, got none")
    return found


def _why_no_word(word: str) -> str:
    if not word:
        return "a word must hold a character, got ''"
    return f"a word must hold no space, tab, line break or round bracket (write -LRB-, -RRB-), got {word!r}"


def _checked_transitions(transitions: Any, n: int) -> np.ndarray:
    given = np.asarray(transitions)
    if given.ndim != 1 or given.dtype.kind not in "uib":
        raise InvalidDataError(
            "transitions must be one row of 0 (SHIFT) and 1 (REDUCE), "
            f"got an array of type {given.dtype} and shape {given.shape}"
        )
    wrong = np.flatnonzero((given != SHIFT) & (given != REDUCE))
    if len(wrong):
        raise InvalidDataError(f"transition {wrong[0] + 1} must be 0 (SHIFT) or 1 (REDUCE), got {given[wrong[0]]}")
    moves = given.astype(np.uint8)  # (T,) a copy: the caller keeps the array
    heights = np.cumsum(1 - 2 * moves.astype(np.int64))  # (T,) trees on the stack after each
    over = np.flatnonzero(np.cumsum(moves == SHIFT) > n)
    under = np.flatnonzero(heights < 1)
    if len(under) and not (len(over) and over[0] < under[0]):
        t = int(under[0])
        before = int(heights[t - 1]) if t else 0
        raise InvalidDataError(f"transition {t + 1} is REDUCE and finds {_count(before, 'tree')}; it needs two")
    if len(over):
        raise InvalidDataError(f"transition {over[0] + 1} is SHIFT and finds no word left of {n}")
    if len(moves) != 2 * n - 1:
        left = n - int((moves == SHIFT).sum())
        height = int(heights[-1]) if len(heights) else 0
        raise InvalidDataError(
            f"{n} words need {2 * n - 1} transitions, got {len(moves)}, which end with {_count(left, 'word')} in the "
            f"buffer and {_count(height, 'tree')} on the stack"
        )
    return _frozen(moves)


def _checked_labels(labels: Any, size: int) -> np.ndarray:
    given = np.asarray(labels)
    if given.dtype.kind not in "ui" or given.shape != (size,):
        raise InvalidDataError(
            f"labels must be one whole number for each of the {size} nodes, "
            f"got an array of type {given.dtype} and shape {given.shape}"
        )
    return _frozen(given.astype(np.int64))


def _tokens(text: str) -> list[str]:
    if broken := _BREAK.search(text):
        raise InvalidDataError(
            phrase(
                "position {n}: a tab or line break stands in the tree; words are parted by the space",
                n=broken.start() + 1,
            )
        )
    tokens = _TOKEN.findall(text)
    if not tokens:
        raise InvalidDataError(phrase("a tree must have one word or more, got a blank text"))
    return tokens


def _fail(text: str, i: int, reason: Phrase) -> NoReturn:
    """Refuse ``text`` at its token ``i``."""
    starts = [match.start() for match in _TOKEN.finditer(text)]
    place = (starts[i] if i < len(starts) else len(text)) + 1
    raise InvalidDataError(phrase("position {n}: {reason}", n=place, reason=reason))


def _fail_at_third(text: str, i: int, levels: int) -> NoReturn:
    if levels == 1:
        _fail(text, i, phrase("the tree has ended and the text goes on; one text holds one tree"))
    _fail(text, i, phrase("the node has a third child; every node must have two"))


def _fail_at_closing(text: str, i: int, is_open: bool) -> NoReturn:
    if not is_open:
        _fail(text, i, phrase("the bracket closes what was never opened"))
    _fail(text, i, phrase("the node closes with fewer than two children; every node must have two"))


def _check_end(text: str, still_open: int, is_one: bool) -> None:
    if still_open:
        said = {"n": len(text) + 1, "brackets": still_open}
        raise InvalidDataError(
            phrase("position {n}: the text ends while {brackets} bracket is open", **said)
            if still_open == 1
            else phrase("position {n}: the text ends while {brackets} brackets are open", **said)
        )
    if not is_one:
        raise InvalidDataError(phrase("a tree must have one word or more, got none"))


def _label_at(text: str, tokens: list[str], i: int) -> int:
    if i >= len(tokens) or not _LABEL.fullmatch(tokens[i]):
        got = repr(tokens[i]) if i < len(tokens) else phrase("the end")
        _fail(
            text, i,
            phrase("a label must follow the opening bracket, a whole number in plain digits, got {got}", got=got),
        )  # fmt: skip
    return int(tokens[i])


def _trees(n: int) -> Phrase:
    return phrase("no trees") if n == 0 else phrase("1 tree") if n == 1 else phrase("{n} trees", n=n)


def _count(n: int, noun: str) -> str:
    plural = "children" if noun == "child" else f"{noun}s"
    return f"{n if n else 'no'} {noun if n == 1 else plural}"


def _path(path: Any) -> str:
    """Return where a node stands: ``root[0][1]``, only its last steps where it stands deep."""
    steps: list[str] = []
    while path is not None and len(steps) < 12:
        path, child = path
        steps.append(f"[{child}]")
    return ("root" if path is None else "root…") + "".join(reversed(steps))
