"""Every form of a tree is read back as the tree that wrote it, and what is no tree is refused by its place."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import InvalidDataError
from pellucid.trees import REDUCE, SHIFT, Tree, transitions_from_text, transitions_to_text

BRACKETS = "( ( The church ) ( ( has ( cracks ( in ( the ceiling ) ) ) ) . ) )"
CLOSING = "The church ) has cracks in the ceiling ) ) ) ) . ) )"
LINES = "WORDS: The church has cracks in the ceiling .\nPARSES: S S R S S S S S R R R R S R R"
NESTED = (("The", "church"), (("has", ("cracks", ("in", ("the", "ceiling")))), "."))
SST = "(3 (2 It) (4 (4 (2 's) (4 (3 (2 a) (4 (3 lovely) (2 film))) (2 indeed))) (-2 .)))"
DEEP = 100_001

fuzz = settings(deadline=None, derandomize=True, max_examples=150)
words_of_all_kinds = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\r\n()"), min_size=1, max_size=5
).filter(lambda word: word != "WORDS:")


@st.composite
def trees(draw):
    nested = draw(st.recursive(words_of_all_kinds, lambda part: st.tuples(part, part), max_leaves=20))
    tree = Tree.from_nested(nested)
    if not draw(st.booleans()):
        return tree
    size = len(tree.transitions)
    return tree.with_labels(draw(st.lists(st.integers(-9, 9**18), min_size=size, max_size=size)))


def test_the_articles_sentence_reads_the_same_in_all_its_forms():
    tree = Tree.parse(BRACKETS)
    assert tree == Tree.parse(CLOSING) == Tree.parse(LINES) == Tree.from_nested(NESTED)
    assert (tree.to_brackets(), tree.to_closing(), tree.to_lines(), tree.to_nested()) == (
        BRACKETS,
        CLOSING,
        LINES,
        NESTED,
    )
    assert tree.words == ("The", "church", "has", "cracks", "in", "the", "ceiling", ".")
    assert tree.transitions.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1]
    assert (len(tree), tree.labels, tree.label, tree.depth()) == (8, None, None, 6)


def test_labels_stand_in_the_order_of_the_transitions():
    tree = Tree.parse("(3 (2 It) (4 (1 's) (0 good)))")
    assert tree.transitions.tolist() == [0, 0, 0, 1, 1]
    assert tree.labels.tolist() == [2, 1, 0, 4, 3]
    assert tree.label == 3
    assert Tree.parse(SST).to_sst() == SST


@fuzz
@given(trees())
def test_every_form_reads_back_what_it_wrote(tree):
    bare = tree.with_labels(None)
    for form in ("brackets", "closing", "lines", "nested"):
        assert getattr(Tree, f"from_{form}")(getattr(tree, f"to_{form}")()) == bare
    for written in (tree.to_brackets(), tree.to_closing(), tree.to_lines()):
        assert Tree.parse(written) == bare
    assert Tree.parse(str(tree)) == tree
    assert eval(repr(tree), {"Tree": Tree}) == tree
    assert Tree(tree.words, tree.transitions, tree.labels) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert copy.copy(tree) == copy.deepcopy(tree) == tree
    assert hash(Tree.parse(str(tree))) == hash(tree)


@fuzz
@given(trees())
def test_spans_and_children_say_the_same_tree_as_plain_recursion(tree):
    spans, children = tree.spans().tolist(), tree.children().tolist()

    def rebuilt(t):
        left, right = children[t]
        return tree.words[spans[t][0]] if left < 0 else (rebuilt(left), rebuilt(right))

    def depth(node):
        return 0 if isinstance(node, str) else 1 + max(map(depth, node))

    nested = rebuilt(len(children) - 1)
    assert nested == tree.to_nested()
    assert tree.depth() == depth(nested)
    for t, (left, right) in enumerate(children):
        if left >= 0:
            assert spans[t] == [spans[left][0], spans[right][1]]
            assert spans[left][1] == spans[right][0]


@fuzz
@given(st.text("() ab12", max_size=24))
def test_any_text_is_a_tree_or_refused_and_never_anything_else(text):
    for read in (Tree.parse, Tree.from_brackets, Tree.from_closing, Tree.from_sst, Tree.from_lines):
        try:
            tree = read(text)
        except InvalidDataError:
            continue
        Tree(tree.words, tree.transitions, tree.labels)  # asks everything again


@fuzz
@given(st.lists(st.sampled_from([SHIFT, REDUCE]), max_size=11), st.integers(1, 6))
def test_transitions_are_accepted_exactly_where_a_stack_machine_accepts_them(transitions, n):
    stack, buffer, is_tree = 0, n, True
    for transition in transitions:
        is_tree &= buffer > 0 if transition == SHIFT else stack > 1
        stack, buffer = (stack + 1, buffer - 1) if transition == SHIFT else (stack - 1, buffer)
    is_tree &= stack == 1 and buffer == 0
    if is_tree:
        assert Tree(["w"] * n, transitions).transitions.tolist() == transitions
    else:
        with pytest.raises(InvalidDataError):
            Tree(["w"] * n, np.array(transitions, np.int64))


@pytest.mark.parametrize("branching", [Tree.left_branching, Tree.right_branching])
def test_a_tree_may_be_a_hundred_thousand_levels_deep(branching):
    tree = branching([str(i) for i in range(DEEP)])
    labelled = tree.with_labels(np.arange(2 * DEEP - 1))
    for form in ("brackets", "closing", "lines", "nested"):
        assert getattr(Tree, f"from_{form}")(getattr(tree, f"to_{form}")()) == tree
    assert Tree.parse(str(labelled)) == labelled
    assert pickle.loads(pickle.dumps(labelled)) == labelled
    assert copy.deepcopy(labelled) == labelled
    assert len({labelled, copy.copy(labelled), tree}) == 2
    assert len(repr(tree)) > DEEP
    assert tree.depth() == DEEP - 1
    assert tree.spans()[-1].tolist() == [0, DEEP]
    drawn = tree.draw()
    assert "words]" in drawn
    assert len(drawn) < 20_000


def test_a_drawing_has_a_line_a_word_and_shows_labels():
    assert Tree.parse("( ( The church ) ( has cracks ) )").draw() == (
        "─┬─┬─ The\n │ └─ church\n └─┬─ has\n   └─ cracks"
    )
    assert Tree.parse("(3 (2 a) (14 (2 b) (2 c)))").draw() == "─3─┬─2─ a\n   └─14┬─2─ b\n       └─2─ c"
    assert Tree.parse("a").draw() == "─ a"
    assert Tree.parse("( a ( b ( c d ) ) )").draw(depth=1) == "─┬─ a\n └─ [b c d]"


def test_words_are_parted_by_the_plain_space_only():
    tree = Tree.parse("( a\u00a0b \u0085 )")
    assert tree.words == ("a\u00a0b", "\u0085")
    assert Tree.parse("(2 (2 8\u00a01/2) (2 \u2028))").words == ("8\u00a01/2", "\u2028")


def test_trees_cannot_be_changed_by_whoever_holds_their_arrays():
    mine = np.array([0, 0, 1])
    tree = Tree(["a", "b"], mine, [1, 2, 3])
    mine[:] = 9
    assert tree.transitions.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="read-only"):
        tree.transitions[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        tree.labels[0] = 1
    with pytest.raises(AttributeError):
        tree.words = ("c", "d")


def test_trees_differ_by_words_by_shape_and_by_labels():
    tree = Tree.parse("( a ( b c ) )")
    assert tree != Tree.parse("( ( a b ) c )")
    assert tree != Tree.parse("( a ( b d ) )")
    assert tree != tree.with_labels([0] * 5)
    assert tree != "( a ( b c ) )"


def test_the_baselines_branch_to_one_side():
    assert Tree.left_branching(list("abcd")).to_brackets() == "( ( ( a b ) c ) d )"
    assert Tree.right_branching(list("abcd")).to_brackets() == "( a ( b ( c d ) ) )"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a tree must have one word or more, got a blank text"),
        ("   ", "a tree must have one word or more, got a blank text"),
        ("( a", "position 4: the text ends while 1 bracket is open"),
        ("( ( a b )", "position 10: the text ends while 1 bracket is open"),
        ("( a )", "position 5: the node closes with fewer than two children; every node must have two"),
        ("( ( a ) b )", "position 7: the node closes with fewer than two children; every node must have two"),
        ("()", "position 2: the node closes with fewer than two children; every node must have two"),
        ("( a b c )", "position 7: the node has a third child; every node must have two"),
        ("( a b ( c d ) )", "position 7: the node has a third child; every node must have two"),
        ("( a b ) c", "position 9: the tree has ended and the text goes on; one text holds one tree"),
        ("( a b ) )", "position 9: the bracket closes what was never opened"),
        ("( a\tb )", "position 4: a tab or line break stands in the tree; words are parted by the space"),
        ("a b", "position 4: the text ends with 2 trees and must end with one; a closing bracket makes one of"),
        ("a )", "position 3: the bracket closes over 1 tree, and it needs two before it"),
        (")", "position 1: the bracket closes over no trees, and it needs two before it"),
        ("(2 (2 a) b)", r"position 10: the word 'b' has no label; write (2 b), with its own label for 2"),
        ("(2 (2 a b) (2 c))", "position 9: a leaf holds more than its label and one word; it must close here"),
        ("(2 (2 a))", "position 9: the node closes with fewer than two children; every node must have two"),
        ("(2 (2 a) (2 b) (2 c))", "position 16: the node has a third child; every node must have two"),
        ("(2 (2 a) (2 b)))", "position 16: the bracket closes what was never opened"),
        ("(2 (2 a) (2 b)", "position 15: the text ends while 1 bracket is open"),
        ("(1 2", "position 5: the text ends while 1 bracket is open"),
        (
            "(2 (2 a) (x b))",
            "position 11: a label must follow the opening bracket, a whole number in plain digits",
        ),
        ("(2 (2 a) (1_0 b))", "a whole number in plain digits, got '1_0'"),
        ("(2 (2 a) (\u0663 b))", "a whole number in plain digits, got '\u0663'"),
        ("(2 (2 a) (", "position 11: a label must follow the opening bracket, a whole number in plain digits, got the"),
        ("WORDS: a b\nPARSES: S R S", "transition 2 is REDUCE and finds 1 tree; it needs two"),
        ("WORDS: a b\nPARSES: S S", "2 words need 3 transitions, got 2, which end with no words in the buffer and 2"),
        ("WORDS: a\nPARSES: S S", "transition 2 is SHIFT and finds no word left of 1"),
        ("WORDS: a\nPARSES: S X", "transition 2 must be S or R, got 'X'"),
        ("WORDS: a", "the text must be two lines, 'WORDS: The church' and 'PARSES: S S R'"),
        ("WORDS: \nPARSES: S", "a tree must have one word or more, got none"),
    ],
)
def test_what_is_no_tree_is_refused_by_its_place(text, message):
    with pytest.raises(InvalidDataError) as refused:
        Tree.parse(text)
    assert str(refused.value).startswith(message) or message in str(refused.value)


@pytest.mark.parametrize(
    ("nested", "message"),
    [
        (("a", ("b", "c", "d")), "at root[1]: a node must be a word or a tuple of two nodes, got 3 children"),
        ((("a",), "b"), "at root[0]: a node must be a word or a tuple of two nodes, got 1 child"),
        ((("a", ()), "b"), "at root[0][1]: a node must be a word or a tuple of two nodes, got no children"),
        (["a", "b"], "at root: a node must be a word or a tuple of two nodes, got list"),
        (("a", "b c"), "at root[1]: a word must hold no space"),
        (("", "b"), "at root[0]: a word must hold a character"),
    ],
)
def test_nested_tuples_that_are_no_tree_are_refused_by_their_path(nested, message):
    with pytest.raises(InvalidDataError) as refused:
        Tree.from_nested(nested)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a b", [0, 0, 1]), "words must be a sequence of strings, got one string; split it, or use Tree.parse"),
        ((["a", 1], [0, 0, 1]), "word 2 must be a string, got int"),
        ((["a", "("], [0, 0, 1]), r"word 2: a word must hold no space, tab, line break or round bracket"),
        ((["a", "b"], [0, 0, 2]), "transition 3 must be 0 (SHIFT) or 1 (REDUCE), got 2"),
        ((["a", "b"], [0, 0, 1.0]), "transitions must be one row of 0 (SHIFT) and 1 (REDUCE), got an array of type"),
        ((["a", "b"], []), "transitions must be one row of 0 (SHIFT) and 1 (REDUCE), got an array of type float64"),
        ((["a", "b"], [[0, 0, 1]]), "transitions must be one row of 0 (SHIFT) and 1 (REDUCE), got an array of type"),
        ((["a", "b"], [0, 0, 1], [1, 2]), "labels must be one whole number for each of the 3 nodes, got an array of"),
        ((["a", "b"], [0, 0, 1], [1, 2, 0.5]), "labels must be one whole number for each of the 3 nodes, got an"),
        (([], []), "a tree must have one word or more, got none"),
    ],
)
def test_parts_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(InvalidDataError) as refused:
        Tree(*arguments)
    assert str(refused.value).startswith(message)


def test_a_tree_without_labels_has_no_form_of_sst():
    with pytest.raises(InvalidDataError, match="the tree has no labels, and the form of SST needs one a node"):
        Tree.parse("( a b )").to_sst()


def test_transitions_are_written_as_letters_and_read_as_letters_or_words():
    assert transitions_to_text(transitions_from_text("SHIFT SHIFT REDUCE")) == "S S R"


def test_trees_need_numpy_alone():
    code = "import sys, pellucid.trees; print({'numba', 'scipy', 'sklearn', 'torch', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
