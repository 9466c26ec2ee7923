"""`run` and `tour`: the experiments, judged and shown."""

import json
from dataclasses import replace

import pytest
from endings import one_line

from pellucid.cli import experiments
from pellucid.errors import InvalidDataError
from pellucid.experiments import EXPERIMENTS, Result


def test_run_neuron_gives_the_published_figure(call):
    done = call("run", "neuron", "--json")
    assert done.returncode == 0
    result = json.loads(done.stdout)
    assert set(result) == {"experiment", "seed", "metrics", "expected", "passed", "seconds"}
    assert f"{result['metrics']['prediction']:.8f}" == "0.99993704"
    assert len(done.stdout.splitlines()) == 1


def test_run_shows_figures_beside_what_is_expected(call):
    shown = call("run", "neuron").stdout
    for text in ("prediction", "0.99993704", "measured", "expected", "as expected, in"):
        assert text in shown


def test_another_seed_is_used_and_said(call):
    result = json.loads(call("run", "neuron", "--seed", 7, "--json").stdout)
    assert result["seed"] == 7
    assert result["passed"]


def test_figures_are_drawn_into_a_folder_that_is_made(call, tmp_path):
    assert call("run", "neuron", "--figures", "deep/figures").returncode == 0
    assert [path.suffix for path in (tmp_path / "deep" / "figures").iterdir()] == [".png"] * len(
        list((tmp_path / "deep" / "figures").iterdir())
    )
    assert list((tmp_path / "deep" / "figures").iterdir())


def test_an_experiment_that_misses_its_figure_is_exit_status_1(call, monkeypatch):
    real = experiments.run_experiment

    def missed(*arguments, **options):
        return replace(real(*arguments, **options), passed=False)

    monkeypatch.setattr(experiments, "run_experiment", missed)
    done = call("run", "neuron")
    assert done.returncode == 1
    assert "not as expected" in done.stdout


def test_figures_into_a_file_are_refused_before_the_training(call, tmp_path):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    done = call("run", "neuron", "--figures", "taken")
    assert (done.returncode, done.stdout) == (1, "")
    assert "taken" in done.stderr


@pytest.fixture
def short_tour(monkeypatch):
    """The tour with the neuron run for real, and one experiment skipped, one broken."""
    real = experiments.run_experiment

    def run(name, **options):
        if name == "neuron":
            return real(name, **options)
        if name == "mnist":
            return Result("mnist", 0, {}, {}, False, 0.0, skipped="no data")
        raise InvalidDataError(f"{name} is broken")

    monkeypatch.setattr(experiments, "run_experiment", run)
    return monkeypatch


def test_the_tour_goes_on_after_a_failure_and_names_what_failed_and_what_was_skipped(call, short_tour, tmp_path):
    short_tour.setattr(experiments, "EXPERIMENTS", dict.fromkeys(("broken", "neuron", "mnist"), ""))
    done = call("tour", "--quick", "--out", "seen")
    assert done.returncode == 1
    for text in ("broken is broken", "skipped: no data", "0.999937"):
        assert text in " ".join(done.stdout.replace("│", " ").split())
    assert (tmp_path / "seen" / "report.html").is_file()
    assert list((tmp_path / "seen").glob("neuron*.png"))


def test_a_tour_with_something_skipped_has_not_failed(call, short_tour):
    short_tour.setattr(experiments, "EXPERIMENTS", dict.fromkeys(("neuron", "mnist"), ""))
    assert call("tour", "--quick").returncode == 0


@pytest.mark.long
def test_the_quick_tour_passes(pellucid, tmp_path):
    done = pellucid("tour", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in EXPERIMENTS:
        assert name in done.stdout
    assert (tmp_path / "pellucid-tour" / "report.html").is_file()


def test_bench_takes_no_room_that_is_not_there(call):
    assert "neuron, mlp, cnn, hopfield, rbm, spinn" in one_line(call("bench", "cellar"), 2)


@pytest.mark.long
def test_bench_gives_a_row_for_each_task_and_peer(call):
    done = call("bench", "neuron", "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["room"]) == (0, "neuron")
    assert {"task", "peer", "ratio", "pellucid_s", "peer_s", "per"} <= set(result["rows"][0])
