import pytest

pytest.importorskip("torch")

from pellucid.data.logic import relation, truth_table
from pellucid.experiments import logic, run
from pellucid.trees import Tree
from pellucid.watching import figures


@pytest.fixture(scope="module")
def result():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PAIRS": 60, "MORE_PAIRS": 30, "TEST_PAIRS": 20, "EPOCHS": 2}.items():
            patch.setattr(logic, name, value)
        yield run("logic")


def test_the_figures_are_shares_of_the_bins_they_are_named_after(result):
    by_bin = result.metrics["accuracy_by_bin"]
    assert list(by_bin) == [str(k) for k in range(13)]
    assert result.metrics["accuracy_bin_12"] == by_bin["12"]
    short = result.payload["is_right"][: result.metrics["test_pairs"]]
    assert result.metrics["accuracy_all"] == pytest.approx(short.mean())
    assert result.payload["model"].n_iter_ == 2
    assert 3 * 60 + 2 * 30 < result.metrics["train_pairs"] < 5 * 60 + 2 * 30  # bin 0 has but few


def test_the_same_seed_gives_the_same_figures(result):
    assert run("logic").metrics == result.metrics


def test_the_example_stands_in_the_relation_that_is_drawn_as_its_truth():
    assert relation(*(truth_table(Tree.parse(text)) for text in logic.EXAMPLE)) == logic.TRUTH


def test_its_pictures_are_drawn(result, tmp_path):
    assert [path.stem for path in figures(result, tmp_path)] == ["logic-bins", "logic-pair", "logic-confusion"]


def test_the_quick_tour_leaves_it_out_and_says_how_to_see_it():
    assert "pellucid run logic" in run("logic", quick=True).skipped
