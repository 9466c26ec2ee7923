"""The package's own estimators in files, and in memory."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from pellucid import MLPClassifier, MLPRegressor, Neuron, load, save
from pellucid.errors import ModelFileError
from pellucid.saving import read_header
from pellucid.saving.entries import encode, parse
from pellucid.saving.file import read_file, write_file

ATTRIBUTES = [
    *("coefs_", "intercepts_", "coef_", "intercept_", "loss_", "loss_curve_", "validation_loss_curve_"),
    *("validation_scores_", "best_loss_", "n_iter_", "n_layers_", "n_outputs_", "out_activation_"),
    *("classes_", "n_features_in_", "n_threads_", "engine_"),
]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
LABELS = np.array(["no", "yes", "perhaps"], dtype=object)[RNG.integers(0, 3, 40)]
SETTINGS = {"max_iter": 5, "tol": 0, "engine": "reference", "random_state": 0, "n_iter_no_change": 9}

MODELS = {
    "neuron": (Neuron(max_iter=5, random_state=1, engine="reference"), X[:, 0] > 0),
    "neuron with bias": (Neuron(max_iter=5, bias=True, random_state=1, engine="reference"), X[:, 0] > 0),
    "string labels": (MLPClassifier((4, 3), activation=("tanh", "relu"), **SETTINGS), LABELS),
    "numpy strings": (MLPClassifier(4, solver="sgd", **SETTINGS), LABELS.astype("<U12")),
    "class weights": (MLPClassifier((), class_weight={0: 1, 1: 2.5}, **SETTINGS), X[:, 1] > 0),
    "multilabel": (MLPClassifier((4,), **SETTINGS), (X[:, :2] > 0).astype(int)),
    "regressor": (
        MLPRegressor(hidden_layer_sizes=[4], solver="rmsprop", bias=False, **SETTINGS),
        X @ [1, 2, 3],
    ),
    "two outputs": (MLPRegressor(hidden_layer_sizes=(4,), early_stopping=True, **SETTINGS), X[:, :2]),
}


@pytest.fixture(params=MODELS, ids=str)
def fitted(request):
    model, y = MODELS[request.param]
    return clone(model).fit(X, y)


def through_file(model, tmp_path):
    save(model, tmp_path / "model")
    return load(tmp_path / "model")


def through_joblib(model, tmp_path):
    joblib.dump(model, stream := io.BytesIO())
    stream.seek(0)
    return joblib.load(stream)


def through_pickle(model, tmp_path):
    return pickle.loads(pickle.dumps(model))


def through_deepcopy(model, tmp_path):
    return copy.deepcopy(model)


@pytest.mark.parametrize("way", [through_file, through_joblib, through_pickle, through_deepcopy])
def test_a_model_comes_back_with_its_parameters_attributes_and_predictions(fitted, way, tmp_path):
    back = way(fitted, tmp_path)
    assert type(back) is type(fitted)
    assert repr(back.get_params()) == repr(fitted.get_params())
    np.testing.assert_array_equal(back.predict(X), fitted.predict(X))
    assert back.predict(X).dtype == fitted.predict(X).dtype
    if hasattr(fitted, "predict_proba"):
        np.testing.assert_array_equal(back.predict_proba(X), fitted.predict_proba(X))
    for name in ATTRIBUTES:
        assert hasattr(back, name) == hasattr(fitted, name), name
        assert repr(getattr(back, name, None)) == repr(getattr(fitted, name, None)), name


def test_a_loaded_model_is_no_view_of_anything_and_can_be_fitted_again(fitted, tmp_path):
    back = through_file(fitted, tmp_path)
    y = fitted.predict(X)
    np.testing.assert_array_equal(back.fit(X, y).predict(X), clone(fitted).fit(X, y).predict(X))


def forged(model, path, entries=None, arrays=None):
    """Save the model with other entries or arrays, under a digest that is right."""
    save(model, path)
    text, stored = read_file(path)
    header = parse(text)
    for name, value in (entries or {}).items():
        header[name] = header[name] | encode(value)
    stored |= arrays or {}
    write_file(path, header, {name: array for name, array in stored.items() if array is not None})
    return path


def test_shapes_unlike_the_parameters_are_refused_with_both_sides_stated(tmp_path):
    model = MLPClassifier((4,), **SETTINGS).fit(X, LABELS)
    path = forged(model, tmp_path / "model", entries={"parameters": {"hidden_layer_sizes": (5,)}})
    with pytest.raises(ModelFileError, match=r"model: holds an array '\w+' of shape \(3, 4\), but .* ask for \(3, 5\)"):
        load(path)


@pytest.mark.parametrize("name", ["neuron", "string labels", "regressor"])
def test_missing_and_extra_arrays_are_refused_by_name(name, tmp_path):
    model, y = MODELS[name]
    model = clone(model).fit(X, y)
    path = tmp_path / "model"
    save(model, path)
    for array in list(read_header(path)["arrays"]):
        with pytest.raises(ModelFileError, match=f"'({array}|{array.removeprefix('training.')})'"):
            load(forged(model, path, arrays={array: None}))
    with pytest.raises(ModelFileError, match="holds an array 'surplus', which its parameters do not ask for"):
        load(forged(model, path, arrays={"surplus": np.zeros(2)}))


def test_another_class_than_the_file_says_is_refused(tmp_path):
    path = tmp_path / "model"
    save(Neuron(max_iter=5, engine="reference").fit(X, X[:, 0] > 0), path)
    text, arrays = read_file(path)
    write_file(path, parse(text) | {"class": "MLPClassifier"}, arrays)
    with pytest.raises(ModelFileError, match="model: "):
        load(path)


def test_an_attribute_that_no_model_has_is_refused(tmp_path):
    model = MLPClassifier((4,), **SETTINGS).fit(X, LABELS)
    with pytest.raises(ModelFileError, match="holds an attribute 'predict'"):
        load(forged(model, tmp_path / "model", entries={"attributes": {"predict": 1}}))


def test_parameters_that_ask_for_more_memory_than_there_is_are_refused(tmp_path):
    model = MLPClassifier((4,), **SETTINGS).fit(X, LABELS)
    sizes = {"hidden_layer_sizes": (10**9, 10**9)}
    with pytest.raises(ModelFileError, match=r"model: (asks for more memory than there is|holds an array)"):
        load(forged(model, tmp_path / "model", entries={"parameters": sizes}))


def test_plain_safetensors_finds_the_weights(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy")
    model = MLPClassifier((4,), **SETTINGS).fit(X, LABELS)
    save(model, tmp_path / "model")
    stored = safetensors.load_file(tmp_path / "model")
    for weights in model.coefs_:
        assert any(np.array_equal(weights, array) for array in stored.values())
