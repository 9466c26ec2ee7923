"""`train`: a table becomes one file; every treatment is said; the figures stand beside a guess."""

import json

import numpy as np
import pytest
from endings import one_line

import pellucid


@pytest.fixture
def amounts(tmp_path):
    """A table of 300 rows: the price is 40,000 + 3,000 times the size, and the town adds 50,000."""
    rng = np.random.default_rng(0)
    size, town = rng.uniform(20, 120, 300), rng.integers(0, 2, 300)
    price = 40_000 + 3_000 * size + 50_000 * town
    lines = [f"{s:.1f},{('hill', 'lake')[t]},{p:.0f}" for s, t, p in zip(size, town, price, strict=True)]
    path = tmp_path / "houses.csv"
    path.write_text("\n".join(["size,town,price", *lines]), encoding="utf-8")
    return path


def test_classes_are_learnt_and_reported_beside_the_most_frequent_class(call, flowers):
    done = call("train", flowers, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert (report["task"], report["target"], report["model"]) == (
        "classification",
        "species",
        "flowers.pellucid",
    )
    assert report["rows"] == {"train": 72, "test": 18}
    assert report["metrics"]["accuracy"] >= 0.9
    assert report["baseline"]["accuracy"] == pytest.approx(1 / 3)
    assert np.sum(report["metrics"]["confusion_matrix"]) == 18
    assert report["metrics"]["classes"] == ["long", "middle", "short"]


def test_json_is_the_only_thing_on_stdout_and_one_line(call, flowers):
    assert len(call("train", flowers, "--json").stdout.splitlines()) == 1


def test_every_treatment_of_a_column_is_said(call, flowers):
    done = call("train", flowers)
    assert "species" in done.stderr
    assert "width" in done.stderr
    assert "median" in done.stderr
    assert "colour" in done.stderr


def test_people_read_a_table_of_figures_and_the_confusion_matrix(call, flowers):
    shown = call("train", flowers).stdout
    for text in ("accuracy", "always ", "Confusion matrix", "middle", "Saved in flowers.pellucid"):
        assert text in shown


def test_amounts_are_learnt_in_their_own_unit_and_reported_beside_the_mean(call, amounts):
    report = json.loads(call("train", amounts, "--json").stdout)
    assert report["task"] == "regression"
    assert report["metrics"]["r2"] > 0.98
    assert report["metrics"]["mean_absolute_error"] < 10_000
    assert report["baseline"]["r2"] <= 0
    assert report["baseline"]["mean_absolute_error"] > 50_000


def test_predicted_amounts_are_in_the_unit_of_the_table(call, amounts):
    call("train", amounts)
    (amounts.parent / "new.csv").write_text("town,size\nlake,100\nhill,30\n", encoding="utf-8")
    lines = call("predict", "houses.pellucid", "new.csv").stdout.splitlines()
    assert lines[0] == "price"
    assert float(lines[1]) == pytest.approx(390_000, rel=0.05)
    assert float(lines[2]) == pytest.approx(130_000, rel=0.1)


def test_the_test_rows_do_not_touch_what_is_learnt(call, flowers):
    call("train", flowers, "--out", "a.pellucid")
    changed = json.loads(call("inspect", "a.pellucid", "--json").stdout)
    assert changed["layers"][0] == len(changed["features"])


def test_the_same_seed_gives_the_same_file_and_another_seed_another(call, flowers, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert call("train", flowers, "--seed", seed, "--out", name, "--epochs", 5).returncode == 0
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_options_reach_the_network(call, flowers):
    call("train", flowers, "--hidden", "7, 5", "--epochs", 3, "--engine", "reference")
    facts = json.loads(call("inspect", "flowers.pellucid", "--json").stdout)
    assert facts["layers"][1:] == [7, 5, 3]
    assert facts["epochs"] <= 3
    assert facts["parameters"]["engine"] == "reference"


def test_precision_and_compile_reach_torch(call, flowers, monkeypatch):
    torch = pytest.importorskip("torch")
    graphs, compile = [], torch.compile

    def counting(graph, _):
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", lambda module: compile(module, backend=counting))
    order = ("train", flowers, "--engine", "torch", "--epochs", 3)
    losses = []
    for options in ((), ("--precision", "bf16"), ("--compile",)):
        done = call(*order, *options, "--json")
        assert done.returncode == 0
        losses.append(json.loads(done.stdout)["loss"])
        assert bool(graphs) == (options == ("--compile",))
        parameters = json.loads(call("inspect", "flowers.pellucid", "--json").stdout)["parameters"]
        assert parameters.get("precision", "full") == ("bf16" if "bf16" in options else "full")
        assert parameters.get("compile", False) == ("--compile" in options)
    full, rounded, compiled = losses
    assert compiled == pytest.approx(full, rel=1e-5)
    assert 1e-6 < abs(rounded - full) < 0.1


@pytest.mark.parametrize("options", [("--precision", "bf16"), ("--compile",)])
def test_precision_and_compile_are_for_torch(call, flowers, options):
    done = call("train", flowers, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("is for engine='torch', got engine='auto'")


def test_without_test_rows_no_figure_is_claimed(call, flowers):
    done = call("train", flowers, "--test-fraction", 0)
    assert "nobody knows how good it is" in done.stdout
    assert json.loads(call("train", flowers, "--test-fraction", 0, "--json").stdout)["metrics"] == {}


def test_another_column_can_be_the_target(call, flowers):
    report = json.loads(call("train", flowers, "--target", "length", "--json").stdout)
    assert (report["task"], report["target"]) == ("regression", "length")


def test_a_target_that_is_not_there_names_the_columns(call, flowers):
    assert "length, width, colour, species" in one_line(call("train", flowers, "--target", "kind"), 1)


def test_text_cannot_be_regressed(call, flowers):
    assert "species" in one_line(call("train", flowers, "--task", "regression"), 1)


@pytest.mark.parametrize("hidden", ["0", "-5", "ten", "", "10,,5", "1.5", "１０"])
def test_hidden_layers_that_cannot_be_are_a_usage_error(call, flowers, hidden):
    assert "--hidden must be whole numbers" in one_line(call("train", flowers, f"--hidden={hidden}"), 2)


def test_the_model_does_not_go_over_another_file(call, flowers, tmp_path):
    before = flowers.read_bytes()
    assert "is there and is no whole model" in one_line(call("train", flowers, "--out", flowers), 2)
    assert flowers.read_bytes() == before


def test_an_earlier_model_is_replaced(call, flowers):
    assert call("train", flowers, "--epochs", 1).returncode == 0
    assert call("train", flowers, "--epochs", 2).returncode == 0
    assert json.loads(call("inspect", "flowers.pellucid", "--json").stdout)["epochs"] == 2


@pytest.mark.parametrize(("out", "message"), [("nowhere/m", "nowhere is not"), (".", "is a folder")])
def test_a_place_that_cannot_be_written_is_refused_before_the_training(call, flowers, out, message):
    assert message in one_line(call("train", flowers, "--out", out), 2)


def test_a_network_that_learnt_nothing_is_called_so(call, tmp_path):
    rng = np.random.default_rng(3)
    rows = [f"{rng.normal():.3f},{('yes', 'yes', 'no')[rng.integers(3)]}" for _ in range(60)]
    (tmp_path / "noise.csv").write_text("\n".join(["x,answer", *rows]), encoding="utf-8")
    assert "no better than this guess" in call("train", "noise.csv", "--epochs", 1).stdout


def test_an_npz_is_a_table_too(call, tmp_path):
    X = np.random.default_rng(0).normal(size=(80, 3))
    np.savez(tmp_path / "data.npz", X=X, y=(X[:, 0] > 0).astype(int))
    report = json.loads(call("train", "data.npz", "--json").stdout)
    assert report["metrics"]["accuracy"] >= 0.8
    assert call("predict", "data.pellucid", "data.npz").stdout.startswith("y\n")


def test_the_file_loads_in_python_and_brings_its_preprocessing(call, flowers, tmp_path):
    call("train", flowers)
    model = pellucid.load(tmp_path / "flowers.pellucid")
    assert list(model.classes_) == ["long", "middle", "short"]
    assert set(model.preprocessing_) == {"columns", "center", "spread"}
