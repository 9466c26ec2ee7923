import numpy as np
import pytest

pytest.importorskip("torch")

from pellucid.data import evaluate_listops
from pellucid.experiments import listops, run
from pellucid.experiments.listops import EXAMPLE, Lesson, depth, lists, values
from pellucid.trees import Tree
from pellucid.watching import figures


@pytest.fixture(scope="module")
def result():
    course = (Lesson(300, 6, 2), Lesson(100, 30, 1), Lesson(50, 100, 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(listops.COURSES, "short", course)
        for name, value in {"TEST": 200, "PARSER_EXAMPLES": 60, "PARSER_EPOCHS": 1}.items():
            patch.setattr(listops, name, value)
        yield run("listops")


def test_the_whole_course_is_taken_by_one_model(result):
    model = result.payload["model"]
    assert len(model.loss_curve_) == result.metrics["epochs"] == 4
    assert model.t_ == 2 * 5 + 2 + 1  # updates of 64 expressions
    assert result.metrics["train_expressions"] == 450


def test_accuracy_by_length_and_by_depth_is_that_of_the_whole_test(result):
    metrics = result.metrics
    assert list(metrics["accuracy_by_length"]) == ["20", "40", "60", "80", "100"]
    assert 0 <= metrics["test_accuracy"] <= 1
    low, high = min(metrics["accuracy_by_depth"].values()), max(metrics["accuracy_by_depth"].values())
    assert low <= metrics["test_accuracy"] <= high


def test_transition_accuracy_is_that_of_the_parsers_own_trees(result):
    own = result.payload["parser"].parse([EXAMPLE])[0]
    assert own.words == EXAMPLE.words
    assert 0.4 < result.metrics["transition_accuracy"] <= 1


def test_the_lists_of_an_expression_are_those_that_brackets_close():
    assert [" ".join(part.words) for part in lists(EXAMPLE).values()] == [
        "[MIN 8 5 9 ]",
        "[MED 1 7 3 ]",
        "[SM 4 [MED 1 7 3 ] 9 ]",
        " ".join(EXAMPLE.words),
    ]
    assert [depth(part) for part in lists(EXAMPLE).values()] == [1, 1, 2, 3]
    assert depth(Tree.parse("7")) == 0


def test_each_list_is_given_with_the_models_value_and_the_true_one(result):
    found = values(result.payload["model"], EXAMPLE)
    assert [true for _, _, true in found] == ["5", "3", "6", str(evaluate_listops(EXAMPLE))]
    said = result.payload["model"].predict(list(lists(EXAMPLE).values()))
    assert np.array_equal([answer for _, answer, _ in found], said)


def test_its_pictures_are_drawn(result, tmp_path):
    assert [path.stem for path in figures(result, tmp_path)] == [
        "listops-tree",
        "listops-lengths",
        "listops-confusion",
    ]


def test_the_quick_tour_leaves_it_out_and_says_how_to_see_it():
    assert "pellucid run listops" in run("listops", quick=True).skipped


@pytest.mark.long
def test_a_course_of_short_lists_teaches_them(monkeypatch):
    monkeypatch.setitem(listops.COURSES, "short", (Lesson(20_000, 6, 3), Lesson(1_000, 20, 1), Lesson(500, 30, 1)))
    model = run("listops").payload["model"]
    short = listops.generate_listops({"test": 500}, max_length=6, random_state=9)["test"]
    assert np.mean(model.predict(short) == [example.label for example in short]) > 0.8
