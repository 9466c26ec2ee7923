"""ListOps: nested operations on lists of digits, whose value needs the tree (Nangia, Bowman 2018).

An expression is a digit or ``[OP x1 ... xk ]``, with 2 to ``max_args`` expressions x, and its value is a digit:

MAX, MIN   the largest, the smallest
MED        the median; of an even number the mean of the two in the middle, rounded down
SM         the sum modulo 10

Its parse takes the list from the left, as published: ``( ( ( [MAX 2 ) 9 ) ] )``.

**How an expression is drawn.** Its length (words: operators, digits and closing brackets) is drawn evenly from those
possible between ``min_length`` and ``max_length``, or between those that ``lengths`` names for its split: short ones
in plenty make a course that begins with what is easy. An expression of length L is a digit if L = 1; otherwise its
operator is drawn evenly, and so are k, the number of its parts, among those possible, and j, how many of them are
no digits; the words left over are parted among these j at random. What nests deeper than ``max_depth`` operators is
drawn anew. Every label is equally frequent in every split (an expression whose label has its share is put back), and
no expression stands twice, within a split or in two.
"""

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from random import Random

from pellucid.data.generating import Drawn, balanced, check_sizes, collect, deal, seeded
from pellucid.data.sentences import LISTOPS_LABELS, Example, Sentences
from pellucid.errors import InvalidArgumentError
from pellucid.trees import REDUCE, SHIFT, Tree

__all__ = ["OPERATORS", "evaluate_listops", "generate_listops"]

END = "]"
OPERATORS: Mapping[str, Callable[[list[int]], int]] = {
    "[MAX": max,
    "[MIN": min,
    "[MED": lambda values: (sorted(values)[(len(values) - 1) // 2] + sorted(values)[len(values) // 2]) // 2,
    "[SM": lambda values: sum(values) % 10,
}
_NAMES = tuple(OPERATORS)


class _TooDeepError(Exception):
    pass


def generate_listops(
    sizes: Mapping[str, int],
    *,
    min_length: int = 4,
    max_length: int = 100,
    max_depth: int = 20,
    max_args: int = 5,
    lengths: Mapping[str, tuple[int, int]] | None = None,
    random_state: int = 0,
) -> dict[str, Sentences]:
    """Return ``sizes`` expressions a split, by the rules above: ``generate_listops({"train": 9000, "test": 1000})``.

    ``lengths={"short": (4, 12)}`` gives the split ``short`` bounds of its own.
    """
    check_sizes(sizes)
    for name, value, most in (("max_depth", max_depth, 100), ("max_args", max_args, 100)):
        _check_whole(name, value, 1 if name == "max_depth" else 2, most)
    unknown = set(lengths or {}) - set(sizes)
    if unknown:
        raise InvalidArgumentError(f"lengths must be of the splits {', '.join(sizes)}, got {min(unknown)!r}")
    bounds = {split: _bounds(split, (lengths or {}).get(split), min_length, max_length) for split in sizes}
    random = seeded(random_state)

    def draw(possible: list[int]) -> Drawn[str] | None:
        words: list[str] = []
        transitions: list[int] = []
        try:
            value = _draw(random, random.choice(possible), max_depth, max_args, words, transitions)
        except _TooDeepError:
            return None
        return str(value), tuple(words), partial(_example, value, words, transitions)

    made: dict[str, Sentences] = {}
    seen: set[Hashable] = set()
    # The longest go first: a test set among all lengths is then drawn as if there were no other split.
    for low, high in sorted(set(bounds.values()), key=lambda bound: (-bound[1], bound[0])):
        wanted = {split: balanced(sizes[split], LISTOPS_LABELS) for split in sizes if bounds[split] == (low, high)}
        total = {label: sum(quota[label] for quota in wanted.values()) for label in LISTOPS_LABELS}
        found = collect(partial(draw, [n for n in range(low, high + 1) if n not in (2, 3)]), total, seen)
        short = [label for label in LISTOPS_LABELS if len(found[label]) < total[label]]
        if short:
            raise InvalidArgumentError(
                f"sizes ask for {total[short[0]]} distinct expressions of value {short[0]}, and these lengths and "
                f"depths gave {len(found[short[0]])}; ask for fewer, or allow longer or deeper ones"
            )
        for split, examples in deal(found, wanted, random).items():
            made[split] = Sentences(f"ListOps, {split}", examples, LISTOPS_LABELS)
    return {split: made[split] for split in sizes}


def _bounds(split: str, own: tuple[int, int] | None, min_length: int, max_length: int) -> tuple[int, int]:
    """Return the shortest and the longest length of a split, checked."""
    names = ("min_length", "max_length")
    if own is not None:
        if not isinstance(own, tuple | list) or len(own) != 2:
            raise InvalidArgumentError(f"lengths[{split!r}] must be a shortest and a longest length, got {own!r}")
        names = (f"lengths[{split!r}][0]", f"lengths[{split!r}][1]")
        min_length, max_length = own
    _check_whole(names[1], max_length, 1, 10_000)
    _check_whole(names[0], min_length, 1, max_length)
    if min_length > 1 and max_length < 4:
        raise InvalidArgumentError(f"no expression has {min_length} to {max_length} words; lengths are 1, 4, 5, ...")
    return min_length, max_length


def _check_whole(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidArgumentError(f"{name} must be a whole number from {least} to {most}, got {value!r}")


def evaluate_listops(tree: Tree) -> int:
    """Return the value of an expression, read from its words alone."""
    lists: list[tuple[str, list[int]]] = [("", [])]
    for word in tree.words:
        if word in OPERATORS:
            lists.append((word, []))
        elif word == END and len(lists) > 1 and lists[-1][1]:
            operator, values = lists.pop()
            lists[-1][1].append(OPERATORS[operator](values))
        elif word in LISTOPS_LABELS:
            lists[-1][1].append(int(word))
        else:
            raise InvalidArgumentError(f"{word!r} cannot stand here in ListOps; words are {' '.join(_NAMES)} ] and 0-9")
    if len(lists) > 1 or len(lists[0][1]) != 1:
        raise InvalidArgumentError(f"{' '.join(tree.words)!r} is not one expression of ListOps")
    return lists[0][1][0]


def _example(value: int, words: list[str], transitions: list[int]) -> Example:
    return Example(str(value), Tree(words, transitions))


def _draw(random: Random, length: int, depth: int, max_args: int, words: list[str], transitions: list[int]) -> int:
    """Append an expression of ``length`` words to ``words`` and ``transitions``, and return its value."""
    if length == 1:
        value = random.randrange(10)
        words.append(str(value))
        transitions.append(SHIFT)
        return value
    if not depth:
        raise _TooDeepError
    operator = random.choice(_NAMES)
    words.append(operator)
    transitions.append(SHIFT)
    values = []
    for part in _parts(random, length - 2, max_args):
        values.append(_draw(random, part, depth - 1, max_args, words, transitions))
        transitions.append(REDUCE)
    words.append(END)
    transitions += [SHIFT, REDUCE]
    return OPERATORS[operator](values)


def _parts(random: Random, length: int, max_args: int) -> list[int]:
    """Part ``length`` words into 2 to ``max_args`` expressions: each a digit, or three words longer, or more."""
    possible = [k for k in range(2, max_args + 1) if length == k or length >= k + 3]
    if not possible:
        raise _TooDeepError
    k = random.choice(possible)
    extra = length - k
    parts = [1] * k
    if extra:
        longer = random.sample(range(k), random.randint(1, min(k, extra // 3)))
        cuts = sorted(random.randint(0, extra - 3 * len(longer)) for _ in longer[1:])
        for i, begin, end in zip(longer, [0, *cuts], [*cuts, extra - 3 * len(longer)], strict=True):
            parts[i] += 3 + end - begin
    return parts
