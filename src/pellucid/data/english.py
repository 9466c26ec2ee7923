"""A small fragment of English in which entailment, neutrality and contradiction can be decided exactly.

A sentence is quantifier, noun phrase, verb phrase, with its parse::

    ( ( every ( big dog ) ) runs )      ( ( ( not every ) cat ) ( does ( not sleep ) ) )

===========  =====================================================================================================
quantifiers  every, some, no, not every
adjectives   none, big, small (nothing is both)
nouns        animal > dog, cat; dog > poodle, beagle; person > man, woman; plant > tree, flower
verbs        moves > walks, runs; walks > marches, strolls; runs > sprints, jogs; rests > sleeps, sits
negation     does not (said of each: "every dog does not run" means that none does)
===========  =====================================================================================================

Words beside each other exclude each other (no dog is a cat, nothing runs and sleeps); they do not exhaust the word
above (some animals are neither), and one may do something that has no name here. What a sentence can talk about is
there: every noun, big, small and neither, has members.

**Natural logic** decides (van Benthem 1986; MacCartney, Manning 2007). Every sentence is ``every N P`` or ``some N P``,
with P a verb or its negation: no N P = every N not-P, not every N P = some N not-P. The wider and the narrower phrase
are words in the hierarchy; of predicates, not-P is wider than not-Q if Q is wider than P, and wider than any verb
that P excludes. Then

- every N P entails every N' P' if N' is as narrow as N or narrower, P' as wide as P or wider (every: down, up);
- some N P entails some N' P' if both are as wide or wider (some: up, up);
- every N P entails some N' P' if P' is as wide or wider and N and N' share a part (it has members);
- nothing else is entailed. A contradiction entails the hypothesis' negation (every N P / some N not-P).

All else is neutral. The tests decide the same pairs by enumerating every model.

**How a pair is drawn.** The premise evenly; the hypothesis' noun and verb, four times in five, are related to the
premise's (wider, narrower or beside it), else any. Every label is equally frequent in every split. No two pairs have
the same two sentences, in either order, within a split or in two, and no sentence stands beside itself.
"""

from collections.abc import Iterable, Mapping
from functools import cache, partial
from itertools import product
from typing import NamedTuple

from pellucid.data.generating import Drawn, balanced, check_sizes, collect, deal, seeded
from pellucid.data.sentences import INFERENCE_LABELS, Pair, Sentences
from pellucid.errors import InvalidArgumentError
from pellucid.trees import Tree

__all__ = [
    "ADJECTIVES",
    "NOUNS",
    "QUANTIFIERS",
    "VERBS",
    "Sentence",
    "english_label",
    "generate_english",
    "read_english",
]

QUANTIFIERS = ("every", "some", "no", "not every")
ADJECTIVES = ("", "big", "small")
NOUNS = {  # each noun and the next wider one
    "animal": "", "dog": "animal", "cat": "animal", "poodle": "dog", "beagle": "dog",
    "person": "", "man": "person", "woman": "person",
    "plant": "", "tree": "plant", "flower": "plant",
}  # fmt: skip
VERBS = {  # each verb, and the next wider one
    "move": "", "walk": "move", "run": "move", "march": "walk", "stroll": "walk", "sprint": "run", "jog": "run",
    "rest": "", "sleep": "rest", "sit": "rest",
}  # fmt: skip
RELATED = 0.8


class Sentence(NamedTuple):
    """A sentence of the fragment."""

    quantifier: str
    adjective: str
    noun: str
    negated: bool
    verb: str

    @property
    def tree(self) -> Tree:
        """The sentence with its parse."""
        return _tree(self)


@cache
def _tree(sentence: Sentence) -> Tree:
    quantifier, adjective, noun, negated, verb = sentence
    first, _, last = quantifier.rpartition(" ")
    phrase = (adjective, noun) if adjective else noun
    said = f"{verb}es" if verb.endswith("ch") else f"{verb}s"
    return Tree.from_nested((((first, last) if first else last, phrase), ("does", ("not", verb)) if negated else said))


def english_label(premise: Sentence, hypothesis: Sentence) -> str:
    """Return what the premise says of the hypothesis, by natural logic."""
    given, asked = _plain(premise), _plain(hypothesis)
    if _entails(given, asked):
        return "entailment"
    is_universal, adjective, noun, negated, verb = asked
    denied = (not is_universal, adjective, noun, not negated, verb)
    return "contradiction" if _entails(given, denied) else "neutral"


def generate_english(sizes: Mapping[str, int], *, random_state: int = 0) -> dict[str, Sentences]:
    """Return ``sizes`` pairs a split, by the rules above: ``generate_english({"train": 20_000, "test": 2_000})``."""
    check_sizes(sizes)
    random = seeded(random_state)
    sentences = _every_sentence()

    def draw() -> Drawn[str] | None:
        premise = random.choice(sentences)
        hypothesis = Sentence(
            random.choice(QUANTIFIERS),
            random.choice(ADJECTIVES),
            random.choice(_related(premise.noun) if random.random() < RELATED else tuple(NOUNS)),
            random.random() < 0.5,
            random.choice(_related(premise.verb) if random.random() < RELATED else tuple(VERBS)),
        )
        if premise == hypothesis:
            return None
        label = english_label(premise, hypothesis)
        return label, frozenset((premise, hypothesis)), partial(_pair, label, premise, hypothesis)

    wanted = {split: balanced(size, INFERENCE_LABELS) for split, size in sizes.items()}
    total = {label: sum(quota[label] for quota in wanted.values()) for label in INFERENCE_LABELS}
    found = collect(draw, total)
    short = [label for label in INFERENCE_LABELS if len(found[label]) < total[label]]
    if short:
        raise InvalidArgumentError(
            f"sizes ask for {total[short[0]]} pairs with {short[0]}, and the fragment gave {len(found[short[0]])}; "
            "ask for fewer"
        )
    dealt = deal(found, wanted, random)
    return {split: Sentences(f"English, {split}", examples, INFERENCE_LABELS) for split, examples in dealt.items()}


def read_english(words: Iterable[str]) -> Sentence | None:
    """Return the sentence that these words are, None where they are none of the fragment; capitals do not matter."""
    return _by_words().get(tuple(map(str.lower, words)))


def _every_sentence() -> list[Sentence]:
    return [Sentence(*parts) for parts in product(QUANTIFIERS, ADJECTIVES, NOUNS, (False, True), VERBS)]


@cache
def _by_words() -> dict[tuple[str, ...], Sentence]:
    return {sentence.tree.words: sentence for sentence in _every_sentence()}


def _pair(label: str, premise: Sentence, hypothesis: Sentence) -> Pair:
    return Pair(label, premise.tree, hypothesis.tree)


Plain = tuple[bool, str, str, bool, str]  # every (or some), adjective, noun, negated, verb


def _plain(sentence: Sentence) -> Plain:
    """Return the sentence with every or some, its predicate turned round where the quantifier denies it."""
    quantifier, adjective, noun, negated, verb = sentence
    return quantifier in ("every", "no"), adjective, noun, negated ^ (quantifier in ("no", "not every")), verb


def _entails(given: Plain, asked: Plain) -> bool:
    every, adjective, noun, negated, verb = given
    every_asked, adjective_asked, noun_asked, negated_asked, verb_asked = asked
    if not _predicate_is_wider(negated_asked, verb_asked, negated, verb):
        return False
    if not every:
        return not every_asked and _is_wider(noun_asked, noun) and adjective_asked in ("", adjective)
    if every_asked:
        return _is_wider(noun, noun_asked) and adjective in ("", adjective_asked)
    meet = _is_wider(noun, noun_asked) or _is_wider(noun_asked, noun)
    return meet and ("" in (adjective, adjective_asked) or adjective == adjective_asked)


def _predicate_is_wider(negated: bool, verb: str, than_negated: bool, than_verb: str) -> bool:
    if not negated:
        return not than_negated and _is_wider(verb, than_verb)
    if than_negated:
        return _is_wider(than_verb, verb)
    return not _is_wider(verb, than_verb) and not _is_wider(than_verb, verb)  # not V, and a verb that V excludes


@cache
def _wider(word: str) -> tuple[str, ...]:
    """Return the word and all wider ones."""
    above = (NOUNS | VERBS)[word]
    return (word, *_wider(above)) if above else (word,)


def _is_wider(word: str, than: str) -> bool:
    return word in _wider(than)


@cache
def _related(word: str) -> tuple[str, ...]:
    """Return the words above, below and beside a word, and itself."""
    words = NOUNS if word in NOUNS else VERBS
    return tuple(
        other for other in words if other in _wider(word) or word in _wider(other) or words[other] == words[word]
    )
