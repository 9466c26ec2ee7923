"""Propositional logic: how two formulas stand to each other (Bowman, Potts, Manning 2015; relations: MacCartney 2009).

A formula is a variable ``a`` to ``f``, ``( not x )``, ``( x ( and y ) )`` or ``( x ( or y ) )``. With the six variables
there are 64 assignments; the truth table of a formula is one whole number with a bit for each. With p and q the sets of
assignments that make the two true, D all 64, exactly one relation holds:

=   p = q                   equivalence
<   p inside q, p ≠ q       forward entailment
>   q inside p, p ≠ q       reverse entailment
^   p ∩ q = ∅, p ∪ q = D    negation
|   p ∩ q = ∅, p ∪ q ≠ D    alternation
v   p ∩ q ≠ ∅, p ∪ q = D    cover
#   none of these           independence

Formulas that are always true or always false are left out: several relations would hold at once.

**How a pair is drawn.** Its bin is the number of operators (not, and, or) of the longer formula. Four of the six
variables are drawn for the pair, as published. The longer formula has as many operators as the bin says, the other any
number up to that, drawn evenly; which comes first is drawn too. A formula with n > 0 operators is, in equal shares, a
negation, a conjunction or a disjunction; the other n - 1 operators are parted between its two sides evenly at random.
No two pairs have the same two formulas, in either order, within a split or in two. Where a bin has fewer pairs than
asked for (bin 0 has 21), they are dealt out in the proportions asked for. Labels are as frequent as they come.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from random import Random

from pellucid.data.generating import Drawn, check_sizes, collect, deal, seeded
from pellucid.data.sentences import RELATIONS, Pair, Sentences
from pellucid.errors import InvalidArgumentError
from pellucid.trees import REDUCE, SHIFT, Tree

__all__ = ["VARIABLES", "bin_of", "generate_logic", "relation", "truth_table"]

VARIABLES = "abcdef"
EVERY = (1 << (1 << len(VARIABLES))) - 1  # D: a bit for each of the 64 assignments
TABLES = {name: sum(1 << row for row in range(1 << len(VARIABLES)) if row >> i & 1) for i, name in enumerate(VARIABLES)}
AT_ONCE = 4  # variables in a pair
OPERATORS = ("not", "and", "or")

Formula = tuple[list[str], list[int], int]  # words, transitions, truth table


def relation(p: int, q: int) -> str:
    """Return the relation of two truth tables."""
    if p == q:
        return "="
    if not p & q:
        return "^" if p | q == EVERY else "|"
    if p | q == EVERY:
        return "v"
    return "<" if p & q == p else ">" if p & q == q else "#"


def truth_table(tree: Tree) -> int:
    """Return the assignments under which a formula holds: bit r stands for those variables whose bits r has."""
    stack: list[int | tuple[str, int] | str] = []
    words = iter(tree.words)
    for transition in tree.transitions.tolist():
        if transition == SHIFT:
            word = next(words)
            if word not in TABLES and word not in OPERATORS:
                raise InvalidArgumentError(f"{word!r} is no word of logic; they are a to f, not, and, or")
            stack.append(TABLES.get(word, word))
            continue
        right, left = stack.pop(), stack.pop()
        if left == "not" and isinstance(right, int):
            stack.append(EVERY ^ right)
        elif isinstance(left, str) and left != "not" and isinstance(right, int):
            stack.append((left, right))  # and x, or x: half of an operation
        elif isinstance(left, int) and isinstance(right, tuple):
            stack.append(left & right[1] if right[0] == "and" else left | right[1])
        else:
            raise InvalidArgumentError(f"{tree} is no formula; write ( not x ), ( x ( and y ) ), ( x ( or y ) )")
    if not isinstance(stack[0], int):
        raise InvalidArgumentError(f"{tree} is no formula; write ( not x ), ( x ( and y ) ), ( x ( or y ) )")
    return stack[0]


def bin_of(pair: Pair) -> int:
    """Return the number of operators in the longer formula."""
    return max(sum(word in OPERATORS for word in tree.words) for tree in pair.trees)


def generate_logic(
    sizes: Mapping[str, int], *, bins: Mapping[str, Iterable[int]] | None = None, random_state: int = 0
) -> dict[str, Sentences]:
    """Return ``sizes`` pairs for each bin of each split, by the rules above.

    ``bins`` says which each split has; 0 to 4 for ``train``, 0 to 12 for any other, unless told otherwise (the
    published protocol). What a bin lacks is counted in ``dropped``.
    """
    check_sizes(sizes)
    unknown = set(bins or {}) - set(sizes)
    if unknown:
        raise InvalidArgumentError(f"bins must be of the splits {', '.join(sizes)}, got {min(unknown)!r}")
    places: dict[str, tuple[int, ...]] = {}
    for split in sizes:
        default = range(5 if split == "train" else 13)
        places[split] = tuple((bins or {}).get(split, default))
        wrong = [k for k in places[split] if isinstance(k, bool) or not isinstance(k, int) or not 0 <= k <= 100]
        if wrong or not places[split]:
            raise InvalidArgumentError(f"bins[{split!r}] must be whole numbers from 0 to 100, got {places[split]!r}")
    random = seeded(random_state)
    wanted = {split: dict.fromkeys(places[split], size) for split, size in sizes.items()}
    found: dict[int, list[Pair]] = {}
    for k in sorted({k for ks in places.values() for k in ks}):
        total = sum(quota.get(k, 0) for quota in wanted.values())
        found |= collect(partial(_draw_pair, random, k), {k: total})  # type: ignore[arg-type]
    dealt = deal(found, wanted, random)  # type: ignore[arg-type]
    made = {}
    for split, examples in dealt.items():
        have = Counter(bin_of(pair) for pair in examples if isinstance(pair, Pair))
        lacking = {f"bin {k} has no more": sizes[split] - have[k] for k in wanted[split] if have[k] < sizes[split]}
        made[split] = Sentences(f"logic, {split}", examples, RELATIONS, lacking)
    return made


def _draw_pair(random: Random, operators: int) -> Drawn[int] | None:
    variables = random.sample(VARIABLES, AT_ONCE)
    longer = _draw(random, operators, variables)
    other = _draw(random, random.randint(0, operators), variables)
    first, second = (longer, other) if random.random() < 0.5 else (other, longer)
    if first[2] in (0, EVERY) or second[2] in (0, EVERY):
        return None
    # A formula's words and transitions are told apart by its closing form, which is shorter than its tree.
    keys = frozenset((" ".join(words), bytes(transitions)) for words, transitions, _ in (first, second))
    return operators, keys, partial(_pair, first, second)


def _pair(first: Formula, second: Formula) -> Pair:
    label = relation(first[2], second[2])
    return Pair(label, Tree(first[0], first[1]), Tree(second[0], second[1]))


def _draw(random: Random, operators: int, variables: list[str]) -> Formula:
    if not operators:
        name = random.choice(variables)
        return [name], [SHIFT], TABLES[name]
    operator = random.choice(OPERATORS)
    if operator == "not":
        words, transitions, table = _draw(random, operators - 1, variables)
        return ["not", *words], [SHIFT, *transitions, REDUCE], EVERY ^ table
    on_the_left = random.randrange(operators)
    left = _draw(random, on_the_left, variables)
    right = _draw(random, operators - 1 - on_the_left, variables)
    words = [*left[0], operator, *right[0]]
    transitions = [*left[1], SHIFT, *right[1], REDUCE, REDUCE]
    return words, transitions, left[2] & right[2] if operator == "and" else left[2] | right[2]
