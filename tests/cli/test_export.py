"""`export`: from a model file to ONNX or a script; what a script prints is what `predict` prints."""

import subprocess
import sys

import numpy as np
import pytest
from endings import one_line

from pellucid import MLPClassifier, save


def run_script(folder, table):
    done = subprocess.run(
        [sys.executable, "net.py", table], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_script_of_a_classifier_prints_what_predict_prints(call, flowers, tmp_path):
    call("train", flowers, "--epochs", 30)
    done = call("export", "flowers.pellucid", "net.py")
    assert (done.returncode, done.stdout) == (0, "Written: net.py, and its weights net.npz.\n")
    predicted = call("predict", "flowers.pellucid", flowers).stdout.splitlines()[1:]
    assert run_script(tmp_path, "flowers.csv") == predicted


def test_the_script_of_a_regressor_prints_amounts_in_the_unit_of_the_table(call, flowers, tmp_path):
    call("train", flowers, "--target", "length", "--epochs", 30)
    call("export", "flowers.pellucid", "net.py")
    predicted = call("predict", "flowers.pellucid", flowers).stdout.splitlines()[1:]
    printed = run_script(tmp_path, "flowers.csv")
    np.testing.assert_allclose([*map(float, printed)], [*map(float, predicted)], rtol=1e-4)


def test_other_endings_and_folders_that_are_not_there_are_usage_errors(call, flowers):
    call("train", flowers, "--epochs", 2)
    assert "must end in .onnx or .py, got net.txt" in one_line(call("export", "flowers.pellucid", "net.txt"), 2)
    assert "needs a folder that is there" in one_line(call("export", "flowers.pellucid", "no/net.py"), 2)


def exported(folder, model):
    return subprocess.run(
        [sys.executable, "-m", "pellucid", "export", model, "net.onnx"],
        cwd=folder, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
def test_it_is_said_where_the_file_has_fewer_digits_than_the_network(tmp_path):
    pytest.importorskip("onnxscript")
    model = MLPClassifier((3,), dtype="float64", max_iter=2, random_state=0).fit([[0.0], [1.0]], [0, 1])
    save(model, tmp_path / "net.pellucid")
    done = exported(tmp_path, "net.pellucid")
    assert done.stdout == "Written: net.onnx.\n"
    assert "The network computes in float64, the file in float32: about seven digits are the same." in done.stderr


@pytest.mark.long
def test_onnx_holds_the_regressor_in_the_unit_of_the_table(call, flowers, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    call("train", flowers, "--target", "length", "--epochs", 30)
    done = exported(tmp_path, "flowers.pellucid")
    assert done.stdout == "Written: net.onnx.\n"
    assert "float64" not in done.stderr
    from pellucid import load
    from pellucid.data import Preprocessor, read_table

    model = load(tmp_path / "flowers.pellucid")
    X = Preprocessor.from_json(model.preprocessing_["columns"]).transform(read_table(flowers))
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"X": X.astype(np.float32)})
    predicted = call("predict", "flowers.pellucid", flowers).stdout.splitlines()[1:]
    np.testing.assert_allclose(found[:, 0], [*map(float, predicted)], rtol=1e-4)
