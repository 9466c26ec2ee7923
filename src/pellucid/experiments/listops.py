"""ListOps: the value of nested lists of digits, which only who reads the tree can find (Nangia, Bowman 2018).

Training and test expressions have up to 100 words; they are Pellucid's own (``data/listops.py``). A TreeLSTM whose
Reduce sees h_left · h_right reads each list from its left: its state there is the operator with what it has gathered.
It learns as people do, short lists first: what a single list is worth, then lists in lists, then all lengths. The
settings were chosen on expressions of another seed.

Beside it a small SPINN learns to find the brackets itself: how many of its transitions are right is reported.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from pellucid.data.listops import OPERATORS, evaluate_listops, generate_listops
from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_sentences
from pellucid.language import say
from pellucid.trees import Tree

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {"training": ("short", "long")}
TEST, LONGEST = 2_000, 100
EXAMPLE = Tree.parse(
    "( ( ( ( ( [MAX 2 ) ( ( ( ( [MIN 8 ) 5 ) 9 ) ] ) ) ( ( ( ( [SM 4 ) ( ( ( ( [MED 1 ) 7 ) 3 ) ] ) ) 9 ) ] ) ) 0 ) ] )"
)
PARSER_EXAMPLES, PARSER_EPOCHS = 6_000, 4
EXPECTED = {"short": ">= 0.90", "long": ">= 0.97"}


class Lesson(NamedTuple):
    """A part of the course: ``size`` expressions of up to ``longest`` words, ``epochs`` times."""

    size: int
    longest: int
    epochs: int


COURSES = {
    "short": (Lesson(100_000, 9, 3), Lesson(60_000, 30, 3), Lesson(40_000, LONGEST, 4)),
    "long": (Lesson(200_000, 9, 6), Lesson(150_000, 30, 6), Lesson(120_000, LONGEST, 10)),
}


def network(seed: int) -> Any:
    """Return the network, untrained: a TreeLSTM of 64 units."""
    from pellucid.networks.spinn import SPINNClassifier

    return SPINNClassifier(
        hidden=64,
        embedding=32,
        mlp=128,
        learning_rate="constant",
        learning_rate_init=0.002,
        clip=1.0,
        averaging=0.999,
        batch_size=64,
        warm_start=True,
        random_state=seed,
    )


def parser(seed: int) -> Any:
    """Return the small SPINN that finds the brackets itself, untrained."""
    from pellucid.networks.spinn import SPINNClassifier

    return SPINNClassifier(
        encoder="spinn", parses="predicted", hidden=32, embedding=16, tracker=32, mlp=32, learning_rate_init=0.005,
        batch_size=64, max_iter=PARSER_EPOCHS, random_state=seed,
    )  # fmt: skip


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Take the course, score expressions of all lengths, and train and score the parser."""
    if quick:
        return Finding(skipped=say("training takes minutes; see it by: pellucid run listops"))
    course = COURSES[options["training"]]
    lessons = {f"lesson {number}": lesson for number, lesson in enumerate(course, 1)}
    splits = generate_listops(
        {"test": TEST, **{name: lesson.size for name, lesson in lessons.items()}},
        max_length=LONGEST,
        lengths={name: (4, lesson.longest) for name, lesson in lessons.items()},
        random_state=seed,
    )
    test = splits["test"]
    total, done = sum(lesson.size * lesson.longest * lesson.epochs for lesson in course), 0
    model = network(seed)
    for name, lesson in lessons.items():
        is_last = lesson is course[-1]
        model.set_params(max_iter=lesson.epochs, learning_rate="cosine" if is_last else "constant")
        for step in model.steps(splits[name], [example.label for example in splits[name]]):
            done += lesson.size * lesson.longest
            progress(0.9 * done / total, say("epoch {n}, loss {loss:.4f}", n=len(model.loss_curve_), loss=step.loss))
    metrics, payload = score_sentences(model, test)
    lengths = np.array([len(example.trees[0]) for example in test])
    depths = np.array([depth(example.trees[0]) for example in test])
    is_right = payload["is_right"]
    metrics["accuracy_by_length"] = {
        str(top): float(is_right[(lengths > top - 20) & (lengths <= top)].mean()) for top in range(20, LONGEST + 1, 20)
    }
    metrics["accuracy_by_depth"] = {str(k): float(is_right[depths == k].mean()) for k in np.unique(depths).tolist()}
    own = parser(seed)
    course_of_parser = splits["lesson 2"].examples[:PARSER_EXAMPLES]
    for step in own.steps(course_of_parser, [example.label for example in course_of_parser]):
        progress(0.9 + 0.1 * step.epoch / PARSER_EPOCHS, say("parser, epoch {n}", n=step.epoch))
    trees = [example.trees[0] for example in test]
    found = np.concatenate([tree.transitions for tree in own.parse(trees)])
    metrics["transition_accuracy"] = float((found == np.concatenate([tree.transitions for tree in trees])).mean())
    metrics |= {"train_expressions": sum(lesson.size for lesson in course), "epochs": len(model.loss_curve_)}
    payload |= {"example": EXAMPLE, "values": values(model, EXAMPLE), "parser": own}
    expected = {"test_accuracy": EXPECTED[options["training"]], "transition_accuracy": ">= 0.99"}
    summary = (
        say(
            "{share:.1%} of {n} expressions of up to {longest} words get their value.",
            share=metrics["test_accuracy"],
            n=len(test),
            longest=LONGEST,
        ),
        say("Brackets found by itself: {share:.1%} of the transitions.", share=metrics["transition_accuracy"]),
    )
    return Finding(metrics, expected, summary, payload)


def depth(tree: Tree) -> int:
    """Return how many lists stand one in another, at most."""
    levels = np.cumsum([(word in OPERATORS) - (word == "]") for word in tree.words])
    return int(levels.max())


def lists(tree: Tree) -> dict[int, Tree]:
    """Return each list in an expression by its node, as an expression of its own."""
    found, children = {}, tree.children()
    for node, (begin, end) in enumerate(tree.spans().tolist()):
        # A list ends where its closing bracket, a word of its own, is joined.
        if end - begin > 1 and tree.words[end - 1] == "]" and children[children[node, 1], 0] < 0:
            found[node] = Tree(tree.words[begin:end], tree.transitions[node - 2 * (end - begin) + 2 : node + 1])
    return found


def values(model: Any, tree: Tree) -> list[tuple[int, str, str]]:
    """Return each list's node, its value as the model finds it, and the true one."""
    parts = lists(tree)
    return [
        (node, str(answer), str(evaluate_listops(part)))
        for (node, part), answer in zip(parts.items(), model.predict(list(parts.values())), strict=True)
    ]
