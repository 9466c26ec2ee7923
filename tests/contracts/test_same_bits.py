"""One run, however it is watched, cut, kept or carried: the same bits, within an engine."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pellucid import CNNClassifier, MLPClassifier, MLPRegressor, load, save
from pellucid.learning import loop

RNG = np.random.default_rng(5)
X = RNG.normal(size=(53, 4))
y = np.digitize(X[:, 0] * X[:, 1] + 0.3 * RNG.normal(size=53), [-0.5, 0.5])
HELD_OUT = {"X_val": X[:11] + 0.1, "y_val": y[:11]}

EPOCHS = 10
COMMON = {
    "hidden_layer_sizes": (7, 5), "activation": ("tanh", "relu"), "batch_size": 8, "learning_rate_init": 0.02,
    "max_iter": EPOCHS, "tol": 0, "n_iter_no_change": 1000, "random_state": 3, "dtype": "float64",
}  # fmt: skip

# name: (what differs from COMMON, what fit is given besides X and y)
SETTINGS = {
    "adam": ({}, {}),
    "adamw": ({"solver": "adamw"}, {}),
    "rmsprop": ({"solver": "rmsprop"}, {}),
    "sgd": ({"solver": "sgd", "momentum": 0.0}, {}),
    "momentum": ({"solver": "sgd", "nesterovs_momentum": False}, {}),
    "nesterov": ({"solver": "sgd"}, {}),
    "float32": ({"dtype": "float32"}, {}),
    "dropout": ({"dropout": (0.2, 0.5)}, {}),
    "full batch": ({"batch_size": 53}, {}),
    "in order": ({"shuffle": False}, {}),
    "steps down": ({"learning_rate": "step", "step_size": 3, "step_factor": 0.5}, {}),
    "inverse scaling": ({"learning_rate": "invscaling", "power_t": 0.1}, {}),
    "warm-up": ({"warmup_epochs": 4}, {}),
    "weights": ({}, {"sample_weight": RNG.uniform(0.1, 2, 53)}),
    "class weights": ({"class_weight": "balanced", "loss": "focal"}, {}),
    "validation": ({}, HELD_OUT),
    "early stopping": ({"early_stopping": True, "validation_fraction": 0.2, "dropout": 0.3}, {}),
    "early stopping on given data": ({"early_stopping": True}, HELD_OUT),
}
# The rate or the end of training depend on what was seen: no promise about fits that are cut in two.
ADAPTIVE = {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1}
REACTING = {
    "cosine": ({"learning_rate": "cosine"}, {}),
    "adaptive": (ADAPTIVE, {}),
    "adaptive, dropout": (ADAPTIVE | {"dropout": 0.2}, {}),
    "adaptive, stopped early": (ADAPTIVE | {"early_stopping": True}, {}),
    "converging": ({"tol": 0.2, "n_iter_no_change": 2}, {}),
    "converging in whole batches": ({"tol": 0.2, "n_iter_no_change": 2, "batch_size": 53}, {}),
    "stopped early": ({"early_stopping": True, "n_iter_no_change": 1, "tol": 0.05}, {}),
}
ENGINES = ("reference", "compiled", "torch")


def model(name, engine, **changes):
    settings = (SETTINGS | REACTING)[name][0]
    return MLPClassifier(**(COMMON | settings | {"engine": engine} | changes))


def given(name):
    return (SETTINGS | REACTING)[name][1]


def everything(fitted):
    """All that a run leaves behind and would go on from."""
    header, arrays = fitted._training.to_arrays()
    curves = fitted.loss_curve_, fitted.validation_loss_curve_, fitted.validation_scores_
    arrays = arrays | {"vector": fitted.stack_.parameters.vector, "probabilities": fitted.predict_proba(X)}
    # The gradient of the last batch is on view, but nothing depends on it.
    return {"header": header, "curves": curves} | {name: value.tobytes() for name, value in arrays.items()}


def assert_same(one, other):
    one, other = everything(one), everything(other)
    assert {name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)} == {}


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("name", SETTINGS | REACTING)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_watched_run_is_the_unwatched_one(engine, name):
    unwatched = model(name, engine).fit(X, y, **given(name))
    for granularity in ("epoch", "batch"):
        watched = model(name, engine)
        numbers = [step.number for step in watched.steps(X, y, granularity, **given(name))]
        assert numbers == list(range(1, len(numbers) + 1))
        assert_same(watched, unwatched)


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("name", REACTING)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_should_react_in_these_runs_does(engine, name):
    rates = [step.learning_rate for step in model(name, engine).steps(X, y)]
    if "adaptive" in name or name == "cosine":
        assert rates[-1] < rates[0]
    else:
        assert len(rates) < EPOCHS


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("seconds", [0, 2e-6, 5e-6, 1e9])
@pytest.mark.parametrize("name", ["adam", "dropout", "early stopping", "full batch", *REACTING])
@pytest.mark.parametrize("engine", ENGINES)
def test_how_a_fit_is_cut_into_calls_changes_nothing(monkeypatch, engine, name, seconds):
    """A call of 0 s is one batch; 2e-6 s are a few; 1e9 s are all epochs."""
    usual = model(name, engine).fit(X, y, **given(name))
    monkeypatch.setattr(loop, "CHUNK_SECONDS", seconds)
    assert_same(model(name, engine).fit(X, y, **given(name)), usual)


@pytest.mark.parametrize("order_bytes", [0, 2000])
@pytest.mark.parametrize("engine", ENGINES)
def test_how_many_orders_are_drawn_ahead_changes_nothing(monkeypatch, engine, order_bytes):
    usual = model("dropout", engine).fit(X, y)
    monkeypatch.setattr(loop, "ORDER_BYTES", order_bytes)
    assert_same(model("dropout", engine).fit(X, y), usual)


def through_pickle(fitted, path):
    return pickle.loads(pickle.dumps(fitted))


def through_deepcopy(fitted, path):
    return copy.deepcopy(fitted)


def through_file(fitted, path):
    save(fitted, path / "model.pellucid")
    return load(path / "model.pellucid")


def through_memory(fitted, path):
    return fitted


@pytest.mark.parametrize("carried", [through_memory, through_pickle, through_deepcopy, through_file])
@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("engine", ENGINES)
def test_ten_epochs_are_five_and_five(tmp_path, engine, name, carried):
    ten = model(name, engine).fit(X, y, **given(name))
    five = carried(model(name, engine, max_iter=5, warm_start=True).fit(X, y, **given(name)), tmp_path)
    assert_same(five.fit(X, y, **given(name)), ten)


@pytest.mark.parametrize("carried", [through_pickle, through_deepcopy, through_file])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_copy_goes_its_own_way(tmp_path, engine, carried):
    first = model("dropout", engine, max_iter=5, warm_start=True).fit(X, y)
    before = everything(first)
    carried(first, tmp_path).fit(X, y)
    assert everything(first) == before


@pytest.mark.parametrize("name", ["adam", "dropout", "nesterov", "in order", "early stopping", "weights"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("carried", [through_memory, through_pickle, through_file])
def test_a_generator_closed_after_an_epoch_can_be_gone_on_from(tmp_path, engine, name, carried):
    ten = model(name, engine).fit(X, y, **given(name))
    cut = model(name, engine, warm_start=True)
    run = cut.steps(X, y, **given(name))
    for step in run:
        if step.epoch == 4:
            break
    run.close()
    assert np.isfinite(cut.predict_proba(X)).all()
    cut = carried(cut, tmp_path).set_params(max_iter=6)
    assert_same(cut.fit(X, y, **given(name)), ten)


@pytest.mark.parametrize("name", ["adam", "dropout", "in order", "weights"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("carried", [through_memory, through_pickle, through_file])
def test_a_generator_closed_within_an_epoch_can_be_gone_on_from(tmp_path, engine, name, carried):
    ten = model(name, engine).fit(X, y, **given(name))
    cut = model(name, engine, warm_start=True)
    run = cut.steps(X, y, "batch", **given(name))
    for step in run:
        if (step.epoch, step.batch) == (4, 3):
            break
    run.close()
    assert np.isfinite(cut.predict_proba(X)).all()
    cut = carried(cut, tmp_path).set_params(max_iter=7)  # the rest of the fourth, and six
    assert_same(cut.fit(X, y, **given(name)), ten)


@pytest.mark.parametrize("engine", ENGINES)
def test_partial_fits_are_epochs(engine):
    ten = model("dropout", engine).fit(X, y)
    parts = model("dropout", engine)
    for _ in range(EPOCHS):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    assert_same(parts, ten)


@pytest.mark.parametrize("engine", ENGINES)
def test_two_runs_of_one_seed_are_the_same_and_of_two_seeds_are_not(engine):
    one, two = (model("dropout", engine).fit(X, y) for _ in range(2))
    assert_same(one, two)
    other = model("dropout", engine, random_state=4).fit(X, y)
    assert not np.array_equal(one.stack_.parameters.vector, other.stack_.parameters.vector)


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("engine", ENGINES)
def test_lbfgs_watched_is_lbfgs_unwatched(engine):
    settings = {
        "hidden_layer_sizes": (5,),
        "solver": "lbfgs",
        "max_iter": 15,
        "random_state": 0,
        "engine": engine,
    }
    unwatched, watched = MLPRegressor(**settings).fit(X, X @ [1, 2, 3, 4]), MLPRegressor(**settings)
    losses = [step.loss for step in watched.steps(X, X @ [1, 2, 3, 4])]
    assert losses == unwatched.loss_curve_ == sorted(losses, reverse=True)
    np.testing.assert_array_equal(watched.stack_.parameters.vector, unwatched.stack_.parameters.vector)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [MLPClassifier, CNNClassifier])
def test_threads_that_predict_side_by_side_get_what_one_alone_gets(kind, engine):
    images = RNG.normal(size=(1200, 144))
    labels = (images[:, :72].mean(axis=1) > 0).astype(int)
    settings = {"max_iter": 1, "n_iter_no_change": 1, "random_state": 0, "engine": engine}
    fitted = kind(**settings).fit(images[:100], labels[:100])
    parts = [images[start : start + 300 - start // 10] for start in (0, 300, 600, 900)] * 8
    alone = [fitted.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(fitted.predict_proba, parts))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
