import pytest

pytest.importorskip("torch")

from pellucid.experiments import logic, run


def test_the_figures_are_shares_of_the_bins_they_are_named_after(monkeypatch):
    for name, value in {"PAIRS": 60, "TEST_PAIRS": 20, "EPOCHS": 2}.items():
        monkeypatch.setattr(logic, name, value)
    result = run("logic")
    by_bin = result.metrics["accuracy_by_bin"]
    assert list(by_bin) == [str(k) for k in range(13)]
    assert result.metrics["accuracy_bin_12"] == by_bin["12"]
    model, again = result.payload["model"], run("logic")
    assert model.n_iter_ == 2
    assert result.metrics["train_pairs"] < 5 * 60  # bin 0 has but few
    assert again.metrics == result.metrics


def test_the_quick_tour_leaves_it_out_and_says_how_to_see_it():
    assert "pellucid run logic" in run("logic", quick=True).skipped
