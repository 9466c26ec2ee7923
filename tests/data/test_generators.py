"""Generated sentences obey their published rules, and their labels those who count everything."""

from itertools import product
from statistics import median

import numpy as np
import pytest

from pellucid.data import evaluate_listops, generate_english, generate_listops, generate_logic
from pellucid.data.english import ADJECTIVES, NOUNS, QUANTIFIERS, VERBS, Sentence, english_label, read_english
from pellucid.data.logic import EVERY, VARIABLES, bin_of, relation, truth_table
from pellucid.errors import InvalidArgumentError
from pellucid.trees import Tree


def pairs_of(sentences):
    return [frozenset(pair.trees) for pair in sentences]


def listops_by_recursion(nested):
    """Return an operator with what it has gathered, or a value."""
    if isinstance(nested, str):
        return int(nested) if nested.isdigit() else nested
    left, right = map(listops_by_recursion, nested)
    if right != "]":
        return (*left, right) if isinstance(left, tuple) else (left, right)
    operator, *values = left
    return {
        "[MAX": lambda: max(values),
        "[MIN": lambda: min(values),
        "[MED": lambda: int(median(values)),
        "[SM": lambda: sum(values) % 10,
    }[operator]()


def test_listops_labels_are_the_values_of_their_trees():
    made = generate_listops({"train": 500}, max_length=40, max_depth=4)["train"]
    for example in made:
        assert str(listops_by_recursion(example.tree.to_nested())) == example.label
        assert str(evaluate_listops(example.tree)) == example.label


def test_listops_splits_are_balanced_disjoint_and_within_their_lengths():
    made = generate_listops({"train": 400, "test": 100}, min_length=10, max_length=30, max_args=3, random_state=7)
    assert set(made["train"].counts().values()) == {40}
    assert set(made["test"].counts().values()) == {10}
    trees = [example.tree for split in made.values() for example in split]
    assert len(set(trees)) == 500
    assert {len(tree) for tree in trees} <= set(range(10, 31))
    assert len({len(tree) for tree in trees}) > 15
    for tree in trees:
        operators = sum(word.startswith("[") for word in tree.words)
        assert len(tree) - 2 * operators <= 1 + 2 * operators  # each operator at most three parts for one


def test_listops_splits_have_lengths_of_their_own_and_share_nothing():
    sizes = {"short": 900, "test": 200, "middle": 200}
    lengths = {"short": (4, 6), "middle": (4, 20)}
    made = generate_listops(sizes, lengths=lengths, max_length=30, random_state=2)
    assert list(made) == list(sizes)
    assert {split: len(one) for split, one in made.items()} == sizes
    assert {len(tree) for tree in made["short"].trees} == {4, 5, 6}
    assert max(map(len, made["middle"].trees)) == 20
    assert max(map(len, made["test"].trees)) == 30
    assert len({tree for one in made.values() for tree in one.trees}) == 1300
    assert set(made["short"].counts().values()) == {90}
    # Other splits with shorter sentences do not change what a test set among all lengths holds.
    assert set(generate_listops({"test": 200}, max_length=30, random_state=2)["test"].trees) == set(made["test"].trees)


def test_listops_depth_is_bounded():
    for example in generate_listops({"all": 200}, max_length=40, max_depth=2)["all"]:
        level = deepest = 0
        for word in example.tree.words:
            level += word.startswith("[") - (word == "]")
            deepest = max(deepest, level)
        assert deepest <= 2


def holds(nested, truth):
    if isinstance(nested, str):
        return truth[nested]
    left, right = nested
    if left == "not":
        return not holds(right, truth)
    operator, other = right
    values = holds(left, truth), holds(other, truth)
    return all(values) if operator == "and" else any(values)


def test_logic_relations_are_those_of_the_full_truth_tables():
    made = generate_logic({"train": 60}, bins={"train": range(7)})["train"]
    worlds = [dict(zip("abcdef", values, strict=True)) for values in product((False, True), repeat=6)]
    seen = set()
    for pair in made:
        p, q = ({i for i, world in enumerate(worlds) if holds(tree.to_nested(), world)} for tree in pair.trees)
        assert p
        assert q
        assert len(p) < 64
        assert len(q) < 64
        told = {
            "=": p == q,
            "<": p < q,
            ">": p > q,
            "^": not p & q and len(p | q) == 64,
            "|": not p & q and len(p | q) < 64,
            "v": bool(p & q) and len(p | q) == 64 and p != q and not p < q and not p > q,
        }
        true = [label for label, is_so in told.items() if is_so] or ["#"]
        assert [pair.label] == true
        seen.add(pair.label)
    assert seen == set("#=<>|^v")


def test_logic_splits_share_no_pair_and_keep_to_their_bins():
    made = generate_logic({"train": 300, "test": 40}, random_state=3)
    train, test = pairs_of(made["train"]), pairs_of(made["test"])
    assert len(set(train) | set(test)) == len(train) + len(test)
    bins = {split: np.bincount([bin_of(pair) for pair in made[split]]).tolist() for split in made}
    assert bins["train"] == [18, 300, 300, 300, 300]
    assert bins["test"] == [3] + [40] * 12
    assert dict(made["test"].dropped) == {"bin 0 has no more": 37}
    variables = {len(set(pair.premise.words + pair.hypothesis.words) & set(VARIABLES)) for pair in made["test"]}
    assert max(variables) <= 4


def test_logic_reads_formulas_and_refuses_what_is_none():
    a, b = (truth_table(Tree.parse(name)) for name in "ab")
    assert truth_table(Tree.parse("( not a )")) == EVERY ^ a
    assert truth_table(Tree.parse("( a ( or b ) )")) == a | b
    assert relation(a & b, a) == "<"
    for text, message in [
        ("( a b )", "is no formula"),
        ("( not x )", "'x' is no word of logic"),
        ("not", "no formula"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            truth_table(Tree.parse(text))


# The fragment's models, counted: kinds of things (a noun, an adjective) and kinds of acts (a verb), each also in its
# nameless variety ("some other animal"); a model says for each kind which acts some member of it does.
def below(word, above):
    while word:
        if word == above:
            return True
        word = (NOUNS | VERBS)[word]
    return False


KINDS = [(noun, adjective) for noun in NOUNS for adjective in ADJECTIVES]
ACTS = [*VERBS, "nothing that has a name"]


def model_label(premise, hypothesis):
    def thing(sentence, kind):
        return below(kind[0], sentence.noun) and sentence.adjective in ("", kind[1])

    def act(sentence, name):
        return name in VERBS and below(name, sentence.verb)

    both = (premise, hypothesis)
    # Kinds that no sentence of the two tells apart need one model between them; so do acts.
    things = sorted({tuple(thing(s, kind) for s in both) for kind in KINDS})
    acts = sorted({tuple(act(s, name) for s in both) for name in ACTS})
    models = np.arange(1 << (len(things) * len(acts)))
    occupied = (models[:, None] >> np.arange(len(things) * len(acts)) & 1).astype(bool)
    occupied = occupied.reshape(len(models), len(things), len(acts))
    occupied = occupied[occupied.any(axis=2).all(axis=1)]  # every kind has members

    def true(which, sentence):
        here = [i for i, told in enumerate(things) if told[which]]
        does = np.array([told[which] != sentence.negated for told in acts])
        some, fails = occupied[:, here][:, :, does].any((1, 2)), occupied[:, here][:, :, ~does].any((1, 2))
        return {"every": ~fails, "some": some, "no": ~some, "not every": fails}[sentence.quantifier]

    p, h = true(0, premise), true(1, hypothesis)
    assert p.any()
    return "entailment" if h[p].all() else "contradiction" if not h[p].any() else "neutral"


def test_natural_logic_decides_as_every_model_does():
    phrases = [("", "dog"), ("big", "dog"), ("", "poodle"), ("small", "poodle"), ("big", "animal"), ("", "cat"),
               ("", "person")]  # fmt: skip
    verbs = ["move", "walk", "march", "run", "rest"]
    first = [
        Sentence(q, *phrase, n, v) for q in QUANTIFIERS for phrase in phrases[:2] for n in (0, 1) for v in verbs[1:2]
    ]
    second = [Sentence(q, *phrase, n, v) for q in QUANTIFIERS for phrase in phrases for n in (0, 1) for v in verbs]
    labels = {}
    for premise, hypothesis in product(first, second):
        labels[premise, hypothesis] = model_label(premise, hypothesis)
    wrong = {pair: label for pair, label in labels.items() if english_label(*pair) != label}
    assert not wrong
    assert set(labels.values()) == {"entailment", "neutral", "contradiction"}


def test_english_labels_of_what_is_generated_agree_with_every_model():
    by_text = {}
    for parts in product(QUANTIFIERS, ADJECTIVES, NOUNS, (False, True), VERBS):
        by_text[Sentence(*parts).tree] = Sentence(*parts)
    assert len(by_text) == 4 * 3 * 11 * 2 * 10
    for pair in generate_english({"test": 300})["test"]:
        assert model_label(by_text[pair.premise], by_text[pair.hypothesis]) == pair.label


def test_english_splits_are_balanced_and_share_no_pair():
    made = generate_english({"train": 3000, "test": 300}, random_state=1)
    assert set(made["train"].counts().values()) == {1000}
    pairs = pairs_of(made["train"]) + pairs_of(made["test"])
    assert len(set(pairs)) == 3300
    assert all(len(pair) == 2 for pair in pairs)


def test_a_sentence_of_the_fragment_is_known_by_its_words():
    sentence = Sentence("not every", "small", "cat", True, "march")
    assert read_english(sentence.tree.words) == sentence
    assert read_english(["Every", "dog", "runs"]) == Sentence("every", "", "dog", False, "run")
    for words in (["every", "dog"], ["dog", "every", "runs"], ["every", "dog", "run"], []):
        assert read_english(words) is None


def test_english_has_parses():
    assert Sentence("not every", "big", "dog", True, "sleep").tree.to_brackets() == (
        "( ( ( not every ) ( big dog ) ) ( does ( not sleep ) ) )"
    )
    assert Sentence("every", "", "cat", False, "march").tree.to_brackets() == "( ( every cat ) marches )"


@pytest.mark.parametrize("generate", [generate_listops, generate_logic, generate_english])
def test_a_seed_gives_the_same_examples_and_another_seed_others(generate):
    first, again, other = (generate({"a": 30, "b": 10}, random_state=seed) for seed in (1, 1, 2))
    assert first == again
    assert first["a"].examples != other["a"].examples


@pytest.mark.parametrize("generate", [generate_listops, generate_logic, generate_english])
def test_sizes_that_are_no_numbers_are_refused(generate):
    for sizes, message in [
        ({}, "sizes must name one split or more"),
        ({"train": 0}, r"sizes\['train'\] must be a whole number of 1 or more, got 0"),
        ({"train": True}, "whole number of 1 or more, got True"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            generate(sizes)


def test_arguments_that_allow_nothing_are_refused():
    with pytest.raises(InvalidArgumentError, match="max_args must be a whole number from 2 to 100, got 1"):
        generate_listops({"train": 10}, max_args=1)
    with pytest.raises(InvalidArgumentError, match="no expression has 2 to 3 words; lengths are 1, 4, 5"):
        generate_listops({"train": 10}, min_length=2, max_length=3)
    with pytest.raises(InvalidArgumentError, match="sizes ask for 10 distinct expressions of value 0, and these"):
        generate_listops({"train": 100}, min_length=1, max_length=1)
    with pytest.raises(InvalidArgumentError, match=r"bins\['train'\] must be whole numbers from 0 to 100, got \(-1,\)"):
        generate_logic({"train": 10}, bins={"train": [-1]})


@pytest.mark.parametrize("generate", [generate_english, generate_listops, generate_logic])
@pytest.mark.parametrize("seed", [None, True, 1.5, np.random.RandomState(0)])
def test_a_seed_is_a_whole_number(generate, seed):
    with pytest.raises(InvalidArgumentError, match="random_state must be a whole number, got "):
        generate({"train": 5}, random_state=seed)


@pytest.mark.parametrize("generate", [generate_english, generate_listops, generate_logic])
def test_a_numpy_number_is_a_seed_too(generate):
    assert [e.label for e in generate({"train": 5}, random_state=np.int64(3))["train"].examples] == [
        e.label for e in generate({"train": 5}, random_state=3)["train"].examples
    ]


def test_bins_of_a_split_that_is_not_made_are_refused():
    with pytest.raises(InvalidArgumentError, match="bins must be of the splits train, got 'trian'"):
        generate_logic({"train": 5}, bins={"trian": [2]})
    with pytest.raises(InvalidArgumentError, match="max_length must be a whole number from 1 to 10000, got '50'"):
        generate_listops({"train": 5}, max_length="50")
    with pytest.raises(InvalidArgumentError, match="lengths must be of the splits train, got 'test'"):
        generate_listops({"train": 5}, lengths={"test": (4, 9)})
    with pytest.raises(
        InvalidArgumentError, match=r"lengths\['train'\] must be a shortest and a longest length, got 9"
    ):
        generate_listops({"train": 5}, lengths={"train": 9})
    with pytest.raises(
        InvalidArgumentError, match=r"lengths\['train'\]\[0\] must be a whole number from 1 to 4, got 9"
    ):
        generate_listops({"train": 5}, lengths={"train": (9, 4)})
    with pytest.raises(InvalidArgumentError, match="sizes must name one split or more"):
        generate_english([5])
