"""Bad input and faults, one table for every estimator: one error of ours, in words that help, and nothing changed.

The numbers are those of the rows of the fault list: 1 NaN, 2 extreme logits, 3 huge X, 4 divergence, 6 layer
sizes, 7 batch size, 8 little data, 9-10 early stopping, 11-12 classes, 13 weights, 14 kinds of arrays, 17 Ctrl-C.
"""

import _thread
import threading
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse

from pellucid import CNNClassifier, MLPClassifier, MLPRegressor, Neuron, load, save
from pellucid.errors import DivergenceError, InvalidArgumentError, InvalidDataError, PellucidError, PellucidWarning
from pellucid.parts.compiled.loss import loss_and_slope
from pellucid.parts.loss import Loss
from pellucid.scaling.losses import rows as torch_losses

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3))
y = (X[:, 0] > 0).astype(int)
# Epochs enough to be another network than before, and as many as are meant.
SHORT = {"hidden_layer_sizes": (5,), "max_iter": 3, "n_iter_no_change": 3, "random_state": 0}


def make(name, **changes):
    if name == "Neuron":
        return Neuron(max_iter=20, random_state=0, **changes)
    if name == "CNNClassifier":
        return CNNClassifier([(3, 1)], image_shape=(1, len(X[0])), pool_size=1, **SHORT | changes)
    kind = MLPClassifier if name == "MLPClassifier" else MLPRegressor
    return kind(**SHORT | changes)


IMAGES = RNG.normal(size=(24, 2, 4, 3))
SHORT_IMAGES = {name: value for name, value in SHORT.items() if name != "hidden_layer_sizes"} | {"padding": 0}

EVERY = ("Neuron", "MLPClassifier", "MLPRegressor", "CNNClassifier")
LAYERED = EVERY[1:]
ENGINES = ("compiled", "reference")


def refused(model, picture, error, words, X, y, **fit):
    """The fit is refused in these words, and leaves a fitted model as it was."""
    before = picture(model)
    with pytest.raises(error) as raised:
        model.fit(X, y, **fit)
    assert isinstance(raised.value, PellucidError)
    for word in words:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)
    assert picture(model) == before


# -- 1, 3: what is not finite, or too large --------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", EVERY)
def test_1_the_first_bad_value_of_X_is_named_by_row_and_column(name, value, picture):
    bad = X.copy()
    bad[7, 2] = bad[9, 0] = value
    kind = "NaN" if np.isnan(value) else "infinity"
    refused(make(name).fit(X, y), picture, InvalidDataError, [f"X contains {kind} at row 7, column 2"], bad, y)
    fitted = make(name).fit(X, y)
    with pytest.raises(InvalidDataError, match=f"X contains {kind} at row 7, column 2"):
        fitted.predict(bad)


@pytest.mark.parametrize("name", EVERY)
def test_1_the_first_bad_value_of_y_is_named_by_row(name, picture):
    bad = y.astype(float)
    bad[5] = np.nan
    refused(make(name).fit(X, y), picture, InvalidDataError, ["y contains NaN at row 5"], X, bad)


@pytest.mark.parametrize("scale", [1e20, 1e160, 1e300])
@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_3_huge_X_is_refused_or_everything_stays_finite(name, dtype, scale):
    model = make(name, dtype=dtype)
    try:
        model.fit(X * scale, y)
        out = model.predict(X * scale)
    except PellucidError as error:
        assert "scale" in str(error) or "learning_rate" in str(error)  # either outcome will do
    else:
        assert np.isfinite(out).all()
    if hasattr(model, "coef_" if name == "Neuron" else "coefs_"):
        weights = [model.coef_] if name == "Neuron" else model.coefs_
        assert all(np.isfinite(weight).all() for weight in weights)


# -- 2: extreme logits ------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "size"), [("float32", 1e4), ("float32", 1e30), ("float64", 1e4), ("float64", 1e300)])
@pytest.mark.parametrize("link", ["softmax", "logistic"])
@pytest.mark.parametrize("name", ["log_loss", "focal"])
def test_2_cross_entropy_of_extreme_logits_is_finite_and_silent(name, link, dtype, size):
    rows, columns = 1_000_000, 3
    z = (RNG.choice([-1, 1], size=(rows, columns)) * size).astype(dtype)
    target = np.eye(columns, dtype=dtype)[RNG.integers(0, columns, rows)]
    loss = Loss(name, link, 2.0)
    with np.errstate(all="raise", under="ignore"):
        each, slope = loss.rows(z, target), loss.gradient(z, target)
    assert each.shape == (rows,)
    assert np.isfinite(each).all()
    assert np.isfinite(slope).all()
    d, p = np.empty(z.size, dtype), np.empty(z.size, dtype)
    total = loss_and_slope(
        loss.code, {"softmax": 10, "logistic": 1}[link], 2.0, z.ravel(), p, target.ravel(), np.zeros(0, dtype), d,
        columns, 1.0,
    )  # fmt: skip
    assert total == pytest.approx(each.sum(dtype=np.float64), rel=1e-5)
    np.testing.assert_allclose(d.reshape(rows, columns), slope, atol=1e-6)
    logits = torch.from_numpy(z).requires_grad_()
    given = target.argmax(1) if link == "softmax" and name == "log_loss" else target  # as the engine gives it
    of_torch = torch_losses(loss, logits, torch.from_numpy(given))
    of_torch.sum().backward()
    np.testing.assert_allclose(of_torch.detach().numpy(), each, rtol=1e-5)
    np.testing.assert_allclose(logits.grad.numpy(), slope, atol=1e-6)


# -- 4: divergence ----------------------------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("engine", ENGINES)
def test_4_divergence_names_epoch_and_rate_and_keeps_the_last_finite_weights(engine, early_stopping):
    model = MLPRegressor(
        hidden_layer_sizes=(5,), solver="sgd", learning_rate_init=1e3, max_iter=50, random_state=0, engine=engine,
        early_stopping=early_stopping, validation_fraction=0.25,
    )  # fmt: skip
    with pytest.raises(DivergenceError, match=r"diverged in epoch \d+ at learning rate 1000: .* learning_rate_init"):
        model.fit(X, 10 * X[:, 0])
    assert all(np.isfinite(weight).all() for weight in (*model.coefs_, *model.intercepts_))
    assert np.isfinite(model.loss_curve_).all()


@pytest.mark.parametrize("engine", (*ENGINES, "torch"))
def test_4_running_means_that_overflow_end_training_and_the_finite_ones_stay(engine):
    model = CNNClassifier([(3, 2)], (4,), batch_norm=True, dtype="float32", engine=engine, **SHORT_IMAGES)
    model.fit(IMAGES, y)
    before = model.stack_.parameters.whole.copy()
    # Squares of 1e25 are beyond float32: the variance is infinite, 1/σ is 0, and loss and weights stay finite.
    with pytest.raises(DivergenceError, match=r"diverged in epoch 4 at learning rate 0.001"):
        model.set_params(warm_start=True).fit(IMAGES * 1e25, y)
    np.testing.assert_array_equal(model.stack_.parameters.whole, before)
    assert np.isfinite(model.predict_proba(IMAGES)).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_4_a_neuron_that_overflows_keeps_its_weights(engine):
    model = Neuron(max_iter=5, random_state=0, dtype="float32", warm_start=True, engine=engine).fit(X, y)
    model.w_[:] = 0  # every output a half, every delta an eighth: 22 times 3e38 / 8 is too large for a weight
    with pytest.raises(DivergenceError, match="the weights before are kept; scale the data"):
        model.fit(np.full((24, 3), 3e38, np.float32), [0] + 23 * [1])
    np.testing.assert_array_equal(model.coef_, [[0, 0, 0]])


# -- 6, 7: sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(0,), (5, -1), (2.0,), (True,), 0, -3, 2.5, True, ("5",), None])
@pytest.mark.parametrize("name", LAYERED)
def test_6_layer_sizes_are_whole_numbers_from_one_on(name, sizes, picture):
    model = make(name).fit(X, y).set_params(hidden_layer_sizes=sizes)
    words = ["hidden_layer_sizes must be whole numbers >= 1", repr(sizes)]
    refused(model, picture, InvalidArgumentError, words, X, y)


@pytest.mark.parametrize("name", LAYERED)
def test_7_a_batch_larger_than_the_data_is_clipped_with_one_warning(name):
    with pytest.warns(PellucidWarning, match="batch_size=100 is more than the 24 training samples") as caught:
        clipped = make(name, batch_size=100).fit(X, y)
    assert len(caught) == 1
    np.testing.assert_array_equal(clipped.coefs_[0], make(name, batch_size=24).fit(X, y).coefs_[0])


# -- 8: little data ---------------------------------------------------------------------------------


def test_8_one_feature_and_few_samples_are_fitted():
    for name in EVERY:
        one = {"image_shape": (1, 1)} if name == "CNNClassifier" else {}
        assert len(make(name).set_params(**one).fit(X[:, :1], y).predict(X[:, :1])) == len(X)
    assert make("MLPRegressor").fit(X[:1], [2.0]).predict(X[:1]).shape == (1,)
    for name in EVERY[:2]:
        both = [int(np.argmax(y == 0)), int(np.argmax(y == 1))]
        assert make(name).fit(X[both], y[both]).predict(X[:1]).shape == (1,)
    one = make("MLPClassifier").partial_fit(X[:1], y[:1], classes=[0, 1])
    assert one.predict(X[:1]).shape == (1,)


@pytest.mark.parametrize("name", EVERY)
def test_8_no_rows_and_one_class_are_refused_by_name(name, picture):
    refused(make(name).fit(X, y), picture, InvalidDataError, ["0 sample(s)"], X[:0], y[:0])
    if name != "MLPRegressor":
        refused(make(name).fit(X, y), picture, InvalidDataError, ["class"], X, np.ones(len(X), int))


@pytest.mark.parametrize("form", [(0, 4, 3), (0, 2, 4, 3)])
def test_8_no_images_are_refused_by_name(form, picture):
    images = IMAGES[:, 0] if len(form) == 3 else IMAGES
    model = CNNClassifier([(3, 2)], (4,), **SHORT_IMAGES).fit(images, y)
    refused(model, picture, InvalidDataError, ["0 sample(s)"], np.zeros(form), y[:0])
    with pytest.raises(InvalidDataError, match=r"0 sample\(s\)"):
        model.predict(np.zeros(form))


# -- 9, 10: early stopping --------------------------------------------------------------------------


def test_9_fewer_validation_rows_than_classes_name_validation_fraction(picture):
    labels = np.arange(24) % 8
    model = make("MLPClassifier", early_stopping=True).fit(X, y).set_params(validation_fraction=0.1)
    words = ["validation_fraction=0.1", "3 of 24 samples", "fewer than 8"]
    refused(model, picture, InvalidArgumentError, words, X, labels)


@pytest.mark.parametrize("kind", [str, object])
def test_10_string_labels_with_early_stopping_work(kind):
    labels = np.array(["no", "yes"], dtype=kind)[y]
    settings = {"early_stopping": True, "validation_fraction": 0.25, "max_iter": 20, "n_iter_no_change": 20}
    model = make("MLPClassifier", **settings).fit(X, labels)
    numbered = make("MLPClassifier", **settings).fit(X, y)
    assert model.validation_scores_ == numbered.validation_scores_
    assert set(model.predict(X)) <= {"no", "yes"}


# -- 11, 12: classes and layers that change ---------------------------------------------------------


def test_11_partial_fit_names_unseen_classes_and_asks_for_all_at_first(picture):
    with pytest.raises(InvalidArgumentError, match="classes must be given in the first call of partial_fit"):
        make("MLPClassifier").partial_fit(X, y)
    model = make("MLPClassifier").partial_fit(X, y, classes=[0, 1])
    before = picture(model)
    with pytest.raises(InvalidDataError, match=r"class .*7.*, which is not among the classes \[0, 1\]"):
        model.partial_fit(X, np.where(y == 1, 7, y))
    with pytest.raises(InvalidArgumentError, match=r"classes must be those of the first call, \[0, 1\]; got \[0, 2\]"):
        model.partial_fit(X, y, classes=[0, 2])
    assert picture(model) == before


def test_12_a_warm_start_with_other_classes_or_layers_states_both(picture):
    model = make("MLPClassifier", warm_start=True).fit(X, y)
    words = ["warm_start=True", "[0, 1]", "[0, 5]"]
    refused(model, picture, InvalidArgumentError, words, X, np.where(y == 1, 5, y))
    for name in LAYERED:
        model = make(name, warm_start=True).fit(X, y).set_params(hidden_layer_sizes=(6,))
        both = ["9-5-1", "9-6-1"] if name == "CNNClassifier" else ["(3, 5, 1)", "(3, 6, 1)"]
        refused(model, picture, InvalidArgumentError, [*both, "warm_start"], X, y)
        model = make(name, warm_start=True).fit(X, y)
    for name in LAYERED:
        model = make(name, warm_start=True).fit(X, y).set_params(activation="tanh")
        refused(model, picture, InvalidArgumentError, ["relu", "tanh", "warm_start"], X, y)
        model = make(name, warm_start=True).fit(X, y).set_params(bias=False)
        refused(model, picture, InvalidArgumentError, ["bias True", "ask for False", "warm_start"], X, y)
    neuron = make("Neuron", warm_start=True).fit(X, y)
    refused(neuron, picture, InvalidArgumentError, ["[0, 1]", "[0, 5]"], X, np.where(y == 1, 5, y))


@pytest.mark.parametrize("engine", (*ENGINES, "torch"))
@pytest.mark.parametrize("name", LAYERED)
def test_12_a_warm_start_takes_up_other_dropout_and_what_is_saved_predicts_the_same(name, engine, tmp_path):
    changes = {"dropout": 0.5} | ({"shift": 0.7, "rotation": 20.0} if name == "CNNClassifier" else {})
    curves = {}
    for changed in (False, True):
        model = make(name, warm_start=True, engine=engine).fit(X, y)
        model.set_params(**(changes if changed else {})).fit(X, y)
        curves[changed] = model.loss_curve_
        save(model, tmp_path / "model")
        np.testing.assert_array_equal(load(tmp_path / "model").predict(X), model.predict(X))
        again = load(tmp_path / "model").fit(X, y)
        np.testing.assert_array_equal(again.coefs_[0], model.fit(X, y).coefs_[0])
    assert curves[False][:3] == curves[True][:3]
    assert curves[False][3:] != curves[True][3:]


@pytest.mark.parametrize("name", LAYERED)
def test_12_parameters_of_another_network_are_not_saved_beside_its_weights(name, tmp_path):
    model = make(name).fit(X, y).set_params(activation="tanh")
    with pytest.raises(InvalidArgumentError, match=r"relu.*, but the parameters .* ask for .*tanh.*; set the param"):
        save(model, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


# -- 13: sample weights -----------------------------------------------------------------------------

WEIGHTS = {
    "negative": (np.where(np.arange(24) == 4, -1.0, 1), ["sample_weight must be >= 0, got -1 at row 4"]),
    "not finite": (np.where(np.arange(24) == 4, np.nan, 1), ["sample_weight contains NaN at row 4"]),
    "all zero": (np.zeros(24), ["sample_weight is zero for every sample"]),
    "too few": (np.ones(23), ["sample_weight must be of shape (24,)", "(23,)"]),
    "a table": (np.ones((24, 1)), ["sample_weight must be of shape (24,)", "(24, 1)"]),
    "words": (["a"] * 24, ["sample_weight must be numbers, got 'a'"]),
}


@pytest.mark.parametrize("case", WEIGHTS)
@pytest.mark.parametrize("name", LAYERED)
def test_13_weights_that_weigh_nothing_sensible_are_refused(name, case, picture):
    weights, words = WEIGHTS[case]
    refused(make(name).fit(X, y), picture, InvalidDataError, words, X, y, sample_weight=weights)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LAYERED)
def test_13_weight_zero_is_absence_and_weight_two_is_a_copy(name, engine):
    # Steps so small that rounding stays rounding; order would be another for another number of samples.
    settings = {"dtype": "float64", "engine": engine, "shuffle": False, "solver": "sgd", "max_iter": 30, "alpha": 0.1,
                "n_iter_no_change": 30}  # fmt: skip
    weights = np.arange(24) % 3
    rows = np.repeat(np.arange(24), weights)
    weighted = make(name, batch_size=16, **settings).fit(X, y, sample_weight=weights)
    copied = make(name, batch_size=24, **settings).fit(X[rows], y[rows])
    np.testing.assert_allclose(weighted.loss_curve_, copied.loss_curve_, rtol=1e-12)
    for one, other in zip(weighted.coefs_, copied.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


# -- 14: kinds of arrays ----------------------------------------------------------------------------

WHOLE = np.round(X * 4)  # what every number type here can hold


def read_only_memmap(values, path):
    np.save(path / "X.npy", values)
    return np.load(path / "X.npy", mmap_mode="r")


def strided(values, path):
    wide = np.zeros((2 * len(values), 2 * values.shape[1]))
    wide[::2, ::2] = values
    return wide[::2, ::2]


KINDS = {
    "read-only memmap": read_only_memmap,
    "Fortran order": lambda values, path: np.asfortranarray(values),
    "strided": strided,
    "backwards": lambda values, path: values[::-1, ::-1][::-1, ::-1],
    "big-endian": lambda values, path: values.astype(">f8"),
    "float16": lambda values, path: values.astype(np.float16),
    "int8": lambda values, path: values.astype(np.int8),
    "lists": lambda values, path: values.tolist(),
    "csr": lambda values, path: sparse.csr_matrix(values),
    "csc": lambda values, path: sparse.csc_array(values),
    "coo": lambda values, path: sparse.coo_matrix(values),
    "pandas": lambda values, path: pd.DataFrame(values, columns=["a", "b", "c"]),
    "polars": lambda values, path: pl.DataFrame(values, schema=["a", "b", "c"]),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EVERY)
def test_14_every_kind_of_array_gives_the_same_network(name, kind, engine, tmp_path):
    given = KINDS[kind](WHOLE, tmp_path)
    usual, other = (make(name, dtype="float64", engine=engine) for _ in range(2))
    usual.fit(WHOLE, y)
    other.fit(given, y)
    first, second = (model.coef_ if name == "Neuron" else model.coefs_[0] for model in (usual, other))
    np.testing.assert_array_equal(first, second)
    expected = usual.predict(WHOLE.astype(np.float32)) if kind == "float16" else usual.predict(WHOLE)
    np.testing.assert_array_equal(other.predict(given), expected)


def backwards_images(values, path):
    turned = (slice(None, None, -1),) * values.ndim
    return values[turned].copy()[turned]


def strided_images(values, path):
    wide = np.zeros([2 * side for side in values.shape])
    inner = wide[tuple(slice(None, None, 2) for _ in values.shape)]
    inner[...] = values
    return inner


@pytest.mark.parametrize("engine", (*ENGINES, "torch"))
@pytest.mark.parametrize(
    "kind", ["read-only memmap", "Fortran order", "strided", "big-endian", "float16", "int8", "lists"]
)
@pytest.mark.parametrize("dimensions", [3, 4])
def test_14_images_in_every_kind_of_array_give_the_same_network(dimensions, kind, engine, tmp_path):
    whole = np.round(IMAGES * 4) if dimensions == 4 else np.round(IMAGES[:, 0] * 4)
    given = (KINDS | {"strided": strided_images, "backwards": backwards_images})[kind](whole, tmp_path)
    settings = SHORT_IMAGES | {"dtype": "float64", "engine": engine, "pool_size": 1}
    usual, other = (CNNClassifier([(3, 2)], (4,), **settings).fit(images, y) for images in (whole, given))
    np.testing.assert_array_equal(usual.stack_.parameters.vector, other.stack_.parameters.vector)
    expected = usual.predict_proba(whole.astype(np.float32)) if kind == "float16" else usual.predict_proba(whole)
    np.testing.assert_array_equal(other.predict_proba(given), expected)


@pytest.mark.parametrize("name", EVERY)
def test_14_things_that_are_no_numbers_are_refused(name, picture):
    model = make(name).fit(X, y)
    refused(model, picture, InvalidDataError, ["Complex data not supported"], X + 1j, y)
    refused(model, picture, InvalidDataError, ["'a'"], np.full((24, 3), "a", object), y)
    refused(model, picture, InvalidDataError, ["2D array"], X[:, 0], y)
    refused(model, picture, InvalidDataError, ["inconsistent numbers of samples", "24", "23"], X, y[:-1])


# -- 17: Ctrl-C -------------------------------------------------------------------------------------


def interrupted(fit, after):
    """Run ``fit`` and press Ctrl-C meanwhile; return the warnings."""
    timer = threading.Timer(after, _thread.interrupt_main)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        timer.start()
        fit()
        timer.join()
    return [str(warning.message) for warning in caught if issubclass(warning.category, PellucidWarning)]


@pytest.mark.parametrize("name", EVERY)
def test_17_ctrl_c_leaves_a_usable_model_of_whole_epochs_and_says_so(name):
    make(name).fit(X, y)  # compiled now
    model = make(name)
    model.set_params(max_iter=10**9, **({} if name == "Neuron" else {"n_iter_no_change": 10**9, "alpha": 0.01}))
    start = time.monotonic()
    messages = interrupted(lambda: model.fit(X, y), after=0.3)
    assert time.monotonic() - start < 5
    unit = "iteration" if name == "Neuron" else "epoch"
    assert len(messages) == 1
    assert messages[0].endswith(f"is as it was after {unit} {model.n_iter_}, and usable")
    assert model.n_iter_ > 0
    assert np.isfinite(model.predict(X).astype(float)).all()
    if name != "Neuron":
        assert len(model.loss_curve_) == model.n_iter_
        again = make(name).set_params(max_iter=min(model.n_iter_, 2000), n_iter_no_change=10**9, alpha=0.01).fit(X, y)
        assert again.loss_curve_ == model.loss_curve_[: again.n_iter_]
