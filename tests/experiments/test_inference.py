from importlib.machinery import ModuleSpec

import numpy as np
import pytest

pytest.importorskip("torch")

import pellucid
from pellucid.errors import PellucidWarning
from pellucid.experiments import inference, run
from pellucid.trees import Tree
from pellucid.watching import figures


@pytest.fixture
def small(monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "SIZES", {"train": 900, "validation": 60, "test": 90})
    monkeypatch.setattr(inference, "EPOCHS", 2)
    monkeypatch.setattr(inference, "model_file", lambda: tmp_path / "kept" / "inference.pellucid")
    return tmp_path / "kept" / "inference.pellucid"


def test_the_model_is_kept_and_answers_as_the_one_that_was_trained(small):
    result = run("inference")
    assert result.metrics["model_file"] == str(small)
    pairs = [tuple(map(Tree.parse, inference.EXAMPLE))]
    kept = pellucid.load(small)
    assert np.array_equal(kept.predict_proba(pairs), result.payload["model"].predict_proba(pairs))
    assert np.array_equal(kept.predict_proba(pairs)[0], result.payload["probabilities"])
    assert len(result.payload["model"].validation_loss_curve_) == 2


def test_a_model_that_cannot_be_kept_is_a_warning_and_no_failure(small):
    small.parent.write_text("a file stands where the folder should")
    with pytest.warns(PellucidWarning, match="the model could not be kept"):
        result = run("inference")
    assert result.metrics["model_file"] is None


def test_a_quick_run_leaves_the_kept_model_alone(small, tmp_path):
    result = run("inference", quick=True)
    assert result.metrics["model_file"] is None
    assert not small.exists()
    assert [path.stem for path in figures(result, tmp_path)] == ["inference-pair", "inference-confusion"]


def test_without_torch_the_quick_tour_skips_it_and_names_the_extra(monkeypatch):
    monkeypatch.setattr(inference, "find_spec", lambda name: None if name == "torch" else ModuleSpec(name, None))
    assert "pellucid[torch]" in run("inference", quick=True).skipped


def test_the_example_has_the_label_that_is_drawn_as_its_truth():
    from pellucid.data.english import Sentence, english_label

    premise, hypothesis = Sentence("every", "big", "dog", False, "run"), Sentence("some", "", "animal", True, "sleep")
    assert (premise.tree, hypothesis.tree) == tuple(map(Tree.parse, inference.EXAMPLE))
    assert english_label(premise, hypothesis) == inference.TRUTH


@pytest.mark.long
def test_unseen_pairs_are_judged_rightly(monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "model_file", lambda: tmp_path / "inference.pellucid")
    result = run("inference", seed=3)
    assert result.passed, result.metrics
