"""Networks for where Pellucid is not: ONNX in onnxruntime, a script on NumPy alone; both say what predict says."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from pellucid import CNNClassifier, HopfieldNetwork, MLPClassifier, MLPRegressor
from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.networks.exporting import write_onnx, write_python

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5)).astype(np.float32)
y = RNG.integers(0, 3, 60)
SHORT = {"max_iter": 5, "n_iter_no_change": 5, "random_state": 0, "dtype": "float32", "engine": "reference"}
MODELS = {
    "several classes": lambda: MLPClassifier((7, 6), ("gelu", "elu"), **SHORT).fit(X, np.array(["a", "b", "c"])[y]),
    "two classes": lambda: MLPClassifier((7,), "silu", **SHORT).fit(X, y > 0),
    "labels": lambda: MLPClassifier((7,), "tanh", **SHORT).fit(X, np.eye(3, dtype=int)[y]),
    "squared": lambda: MLPClassifier((7,), "softplus", loss="squared_error", **SHORT).fit(X, y),
    "a number": lambda: MLPRegressor("huber", (7,), "leaky_relu", **SHORT).fit(X, X[:, 0]),
    "numbers": lambda: MLPRegressor("poisson", (7,), "logistic", bias=False, **SHORT).fit(X, np.abs(X[:, :2])),
    "images": lambda: CNNClassifier(
        ((4, 3), (6, 3)), (8,), image_shape=(8, 8), batch_norm=True, groups=(1, 2), **SHORT
    ).fit(load_digits().data[:60] / 16, load_digits().target[:60]),
    "mean pooling": lambda: CNNClassifier(
        ((4, 3),), (8,), image_shape=(8, 8), pooling="average", stride=2, padding=1, **SHORT
    ).fit(load_digits().data[:60] / 16, load_digits().target[:60]),
}
# onnxruntime has few of the float64 operations that such networks need.
DOUBLE = SHORT | {"dtype": "float64"}
MODELS |= {
    "float64": lambda: MLPClassifier((7, 6, 5, 4), ("gelu", "elu", "softplus", "leaky_relu"), **DOUBLE).fit(X, y),
    "float64 number": lambda: MLPRegressor("huber", (7,), "softplus", **DOUBLE).fit(X, 100 + X[:, 0]),
    "float64 images": lambda: CNNClassifier(
        ((4, 3),), (8,), image_shape=(8, 8), pooling="average", batch_norm=True, **DOUBLE
    ).fit(load_digits().data[:60] / 16, load_digits().target[:60]),
}

# torch takes seconds to export each
SLOW = {"squared", "labels", "numbers", "mean pooling", "a number", "two classes", "float64 number"}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def rows_for(model):
    return (load_digits().data[60:80] / 16).astype(np.float32) if model.n_features_in_ == 64 else X[:20]


def expected(model, rows):
    return model.predict_proba(rows) if hasattr(model, "classes_") else model.predict(rows).reshape(len(rows), -1)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in SLOW)) for n in MODELS])
def test_onnxruntime_says_what_predict_says(name, tmp_path):
    model = MODELS[name]()
    onnxruntime = pytest.importorskip("onnxruntime")
    write_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    rows = rows_for(model)
    first, *others = session.run(None, {"X": rows})
    assert np.abs(first - expected(model, rows)).max() <= 1e-5
    if hasattr(model, "classes_"):
        logits = model.decision_function(rows).reshape(others[0].shape)
        np.testing.assert_allclose(others[0], logits, atol=1e-5)
        assert "classes" in session.get_modelmeta().custom_metadata_map
    assert session.get_modelmeta().custom_metadata_map["dtype"] == "float32"
    assert len(session.run(None, {"X": rows[:1]})[0]) == 1  # any number of rows


def test_the_script_says_what_predict_says(model, tmp_path):
    write_python(model, tmp_path / "network.py")
    rows = rows_for(model)
    np.save(tmp_path / "rows.npy", rows)
    answer = "predict_proba" if hasattr(model, "classes_") else "predict"
    script = (
        "import sys, numpy as np, network\n"
        f"np.save('answer.npy', network.{answer}(np.load('rows.npy')))\n"
        "print(network.predict(np.load('rows.npy')).tolist())\n"
        "assert 'pellucid' not in sys.modules and 'scipy' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    found = np.load(tmp_path / "answer.npy").reshape(len(rows), -1)
    assert np.abs(found - expected(model, rows)).max() <= 1e-5
    if hasattr(model, "classes_"):
        assert done.stdout.strip() == str(model.predict(rows).tolist())


def test_what_has_no_layers_is_refused(tmp_path):
    memory = HopfieldNetwork().fit(RNG.choice([-1, 1], (2, 30)))
    for write in (write_onnx, write_python):
        with pytest.raises(InvalidArgumentError, match=r"only networks of layers can be exported.* got a Hopfield"):
            write(memory, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_without_onnx_one_line_names_the_extras(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pellucid\[torch,onnx\]'"):
        write_onnx(MODELS["two classes"](), tmp_path / "model.onnx")
