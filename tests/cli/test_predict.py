"""`predict` and `inspect`: the model file alone is enough."""

import csv
import io
import json

import numpy as np
import pytest
from endings import one_line

import pellucid
from pellucid import MLPRegressor, Neuron


@pytest.fixture
def model(call, flowers):
    assert call("train", flowers).returncode == 0
    return flowers.with_suffix(".pellucid")


def rows_of(done):
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_there_is_one_prediction_a_row_under_the_name_of_the_target(call, model, flowers):
    predicted = [row["species"] for row in rows_of(call("predict", model, flowers))]
    truth = [row["species"] for row in csv.DictReader(io.StringIO(flowers.read_text(encoding="utf-8")))]
    assert len(predicted) == 90
    assert np.mean([p == t for p, t in zip(predicted, truth, strict=True)]) >= 0.95


def test_probabilities_add_up_and_their_largest_is_the_prediction(call, model, flowers):
    for row in rows_of(call("predict", model, flowers, "--proba")):
        p = {name: float(row[f"p({name})"]) for name in ("long", "middle", "short")}
        assert sum(p.values()) == pytest.approx(1, abs=1e-5)
        assert max(p, key=p.get) == row["species"]


def test_columns_may_come_in_another_order_with_others_between_and_without_the_target(call, model, flowers, tmp_path):
    (tmp_path / "a.csv").write_text("length,width,colour\n1.2,3,red\n5.5,,blue\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("colour,note,width,length\nred,x,3,1.2\nblue,,,5.5\n", encoding="utf-8")
    a, b = call("predict", model, "a.csv"), call("predict", model, "b.csv")
    assert a.stdout == b.stdout == "species\nshort\nlong\n"
    assert "note" in b.stderr


def test_a_missing_column_is_named(call, model, tmp_path):
    (tmp_path / "a.csv").write_text("length,width\n1.2,3\n", encoding="utf-8")
    assert "'colour'" in one_line(call("predict", model, "a.csv"), 1)


def test_text_where_training_had_numbers_names_the_line(call, model, tmp_path):
    (tmp_path / "a.csv").write_text("length,width,colour\n1.2,3,red\nlong,3,red\n", encoding="utf-8")
    assert "line 3" in one_line(call("predict", model, "a.csv"), 1)


def test_out_writes_the_same_into_a_file_and_nothing_on_stdout(call, model, flowers, tmp_path):
    done = call("predict", model, flowers, "--out", "answers.csv")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "answers.csv").read_text(encoding="utf-8") == call("predict", model, flowers).stdout
    assert not list(tmp_path.glob("*.part"))


def test_out_does_not_go_over_what_is_read(call, model, flowers):
    before = flowers.read_bytes(), model.read_bytes()
    for path in (flowers, model):
        assert "--out must not be a file that is read" in one_line(call("predict", model, flowers, "--out", path), 2)
    assert (flowers.read_bytes(), model.read_bytes()) == before


def test_out_into_a_folder_that_is_not_there_is_one_line(call, model, flowers):
    assert "nowhere" in one_line(call("predict", model, flowers, "--out", "nowhere/a.csv"), 1)


def test_probabilities_of_amounts_are_refused(call, tmp_path):
    x = np.arange(20.0)[:, None]
    pellucid.save(
        MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, n_iter_no_change=9, tol=0, random_state=0).fit(x, x[:, 0]),
        tmp_path / "m",
    )
    (tmp_path / "a.csv").write_text("x\n1\n", encoding="utf-8")
    assert "needs a classifier" in one_line(call("predict", "m", "a.csv", "--proba"), 2)
    assert call("predict", "m", "a.csv").stdout.startswith("prediction\n")


def test_a_model_saved_from_python_takes_columns_by_position(call, tmp_path):
    X, y = [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]], [0, 1, 1, 0]
    pellucid.save(Neuron(random_state=1).fit(X, y), tmp_path / "neuron.pellucid")
    (tmp_path / "new.csv").write_text("a,b,c\n1,0,0\n0,1,1\n", encoding="utf-8")
    assert call("predict", "neuron.pellucid", "new.csv").stdout == "prediction\n1\n0\n"
    (tmp_path / "few.csv").write_text("a,b\n1,0\n", encoding="utf-8")
    assert "few.csv has 2 columns" in one_line(call("predict", "neuron.pellucid", "few.csv"), 1)
    (tmp_path / "text.csv").write_text("a,b,c\n1,0,x\n", encoding="utf-8")
    assert "column 'c' is text" in one_line(call("predict", "neuron.pellucid", "text.csv"), 1)


def test_inspect_says_what_is_in_the_file(call, model):
    shown = call("inspect", model).stdout
    for text in ("MLPClassifier", "species", "long, middle, short", "colour=red", "random_state=0"):
        assert text in shown
    facts = json.loads(call("inspect", model, "--json").stdout)
    assert facts["class"] == "MLPClassifier"
    assert facts["pellucid"] == pellucid.__version__
    assert facts["layers"] == [len(facts["features"]), 100, 3]
    assert facts["weights"] == (len(facts["features"]) + 1) * 100 + 101 * 3
    assert facts["classes"] == ["long", "middle", "short"]


def test_inspect_knows_every_model_that_can_be_saved(call, tmp_path):
    neuron = Neuron(random_state=1).fit([[0, 1], [1, 1]], [0, 1])
    pellucid.save(neuron, tmp_path / "neuron.pellucid")
    assert json.loads(call("inspect", "neuron.pellucid", "--json").stdout)["layers"] == [2, 1]


def test_a_flipped_bit_is_refused(call, model, flowers):
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    assert model.name in one_line(call("predict", model, flowers), 1)
