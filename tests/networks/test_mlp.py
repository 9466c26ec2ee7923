"""The multilayer networks beside scikit-learn's, whose import they replace, and what they have besides."""

import inspect
import io
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn import neural_network
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid import MLPClassifier, MLPRegressor
from pellucid.errors import InvalidArgumentError, InvalidDataError

PAIRS = [(MLPClassifier, neural_network.MLPClassifier), (MLPRegressor, neural_network.MLPRegressor)]
# scikit-learn scales Adam's epsilon with the step, Kingma and Ba do not: here it is too small to matter.
TINY = 1e-14
OPTIMIZERS = {"sgd": SGDOptimizer, "adam": partial(AdamOptimizer, epsilon=TINY)}
# All the epochs that are asked for, and the same arithmetic.
EXACT = {"tol": 0, "n_iter_no_change": 1000, "max_iter": 12}


def same_start(ours, theirs):
    """Give our fitted network the weights of theirs."""
    for mine, other in zip((*ours.coefs_, *ours.intercepts_), (*theirs.coefs_, *theirs.intercepts_), strict=True):
        mine[...] = other


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_every_parameter_of_scikit_learn_is_there_with_its_default(ours, theirs):
    mine, other = ours().get_params(), theirs().get_params()
    assert {name: mine.get(name, "absent") for name in other} == other
    positions = [list(inspect.signature(kind).parameters)[:3] for kind in (ours, theirs)]
    assert positions[0][:2] == positions[1][:2]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_from_the_same_weights_training_goes_the_way_of_scikit_learn(ours, theirs, activation, solver, flowers):
    X, y = flowers
    settings = {
        "hidden_layer_sizes": (6, 5), "activation": activation, "solver": solver, "batch_size": 20, "shuffle": False,
        "alpha": 0.01, "random_state": 0, "warm_start": True, "learning_rate_init": 0.01,
        "epsilon": TINY,
    }  # fmt: skip
    other = theirs(max_iter=1, **settings).fit(X, y)
    mine = ours(dtype="float64", **EXACT | settings | {"max_iter": 1}).fit(X, y)
    # After the epoch that builds both: the same weights, and empty memories.
    same_start(mine, other)
    mine._training.memory.forget()
    other._optimizer = OPTIMIZERS[solver](other.coefs_ + other.intercepts_, other.learning_rate_init)
    for _ in range(10):
        other.partial_fit(X, y)
        mine.partial_fit(X, y)
    for one, two in zip((*mine.coefs_, *mine.intercepts_), (*other.coefs_, *other.intercepts_), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(mine.loss_curve_[-1], other.loss_curve_[-1], rtol=1e-7)


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", "sgd", "lbfgs"])
@pytest.mark.parametrize("loss", ["log_loss", "focal", "squared_error"])
def test_every_solver_learns_the_flowers(solver, loss, flowers):
    X, y = flowers
    model = MLPClassifier((8,), solver=solver, loss=loss, learning_rate_init=0.02, random_state=0, batch_size=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(X, y).score(X, y) >= 0.97


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_loss_learns_the_curve(solver, loss, curve):
    X, y = curve
    model = MLPRegressor(loss, (20,), "tanh", solver=solver, learning_rate_init=0.02, max_iter=400, random_state=0,
                         n_iter_no_change=400)  # fmt: skip
    assert model.fit(X, y).score(X, y) > 0.9


def test_poisson_learns_counts_and_refuses_negative_ones(curve):
    X, y = curve
    counts = np.random.default_rng(0).poisson(np.exp(y))
    model = MLPRegressor(
        "poisson", (10,), "tanh", learning_rate_init=0.02, max_iter=300, n_iter_no_change=300, random_state=0
    )
    model.fit(X, counts)
    assert (model.predict(X) > 0).all()
    assert model.out_activation_ == "exp"
    assert np.corrcoef(model.predict(X), np.exp(y))[0, 1] > 0.7
    with pytest.raises(InvalidDataError, match="y must be >= 0 for loss='poisson', got -1"):
        model.fit(X, np.where(np.arange(60) == 3, -1, counts))


def test_several_labels_a_sample_are_learnt(flowers):
    X, y = flowers
    labels = np.column_stack([y == 0, y != 2]).astype(int)
    model = MLPClassifier((10,), learning_rate_init=0.05, max_iter=100, n_iter_no_change=100, random_state=0).fit(
        X, labels
    )
    assert model.score(X, labels) > 0.95
    assert model.predict(X).shape == model.predict_proba(X).shape == (60, 2)
    assert model.out_activation_ == "logistic"
    np.testing.assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)
    with pytest.raises(InvalidDataError, match="0/1 for each of several labels; got 2"):
        model.fit(X, labels + 1)


def test_several_numbers_a_sample_are_predicted(curve):
    X, y = curve
    both = np.column_stack([y, -2 * y])
    model = MLPRegressor(hidden_layer_sizes=(20,), solver="lbfgs", max_iter=2000, random_state=0).fit(X, both)
    assert model.predict(X).shape == (60, 2)
    assert model.score(X, both) > 0.9
    assert model.fit(X, y).predict(X).shape == (60,)


def test_balanced_classes_count_the_same(flowers):
    X, y = flowers
    rare = np.concatenate([np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:4]])
    X, y = X[rare], y[rare]
    settings = {"max_iter": 30, "n_iter_no_change": 30, "random_state": 0, "dtype": "float64"}
    weighted = MLPClassifier((5,), **settings).fit(X, y, sample_weight=np.where(y == 0, 24 / 2 / 20, 24 / 2 / 4))
    balanced = MLPClassifier((5,), class_weight="balanced", **settings).fit(X, y)
    named = MLPClassifier((5,), class_weight={0: 0.6, 1: 3.0}, **settings).fit(X, y)
    for other in (balanced, named):
        np.testing.assert_allclose(other.coefs_[0], weighted.coefs_[0], rtol=1e-10)
    for bad in ("even", {0: -1.0}, {7: 1.0}, 3):
        with pytest.raises(InvalidArgumentError, match="class_weight"):
            MLPClassifier((5,), class_weight=bad, **settings).fit(X, y)


def test_a_validation_set_of_ones_own_is_recorded_and_stops(flowers):
    X, y = flowers
    settings = {"learning_rate_init": 0.05, "max_iter": 40, "random_state": 0}
    watched = MLPClassifier((8,), n_iter_no_change=40, **settings).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert len(watched.validation_loss_curve_) == len(watched.validation_scores_) == len(watched.loss_curve_) == 40
    assert watched.validation_scores_[-1] == watched.score(X[40:], y[40:])
    alone = MLPClassifier((8,), n_iter_no_change=40, **settings).fit(X[:40], y[:40])
    np.testing.assert_array_equal(alone.coefs_[0], watched.coefs_[0])  # looking changes nothing
    assert alone.validation_loss_curve_ is None
    stopped = MLPClassifier((8,), early_stopping=True, n_iter_no_change=3, **settings)
    stopped.fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert stopped.n_iter_ < 40
    # the best weights are the ones that are kept
    assert stopped.score(X[40:], y[40:]) == stopped.best_validation_score_ == max(stopped.validation_scores_)
    with pytest.raises(InvalidArgumentError, match="X_val and y_val belong together"):
        stopped.fit(X, y, X_val=X)


def test_each_hidden_layer_may_have_its_own_activation_and_dropout(flowers):
    X, y = flowers
    model = MLPClassifier((7, 6), ("tanh", "gelu"), dropout=(0.0, 0.5), max_iter=3, n_iter_no_change=3, random_state=0)
    model.fit(X, y)
    z1 = X @ model.coefs_[0] + model.intercepts_[0]
    z2 = np.tanh(z1) @ model.coefs_[1] + model.intercepts_[1]
    a2 = torch.nn.functional.gelu(torch.from_numpy(z2)).numpy()  # at prediction nothing drops
    logits = a2 @ model.coefs_[2] + model.intercepts_[2]
    np.testing.assert_allclose(model.decision_function(X), logits, rtol=1e-4, atol=1e-5)
    for name, bad in (("activation", ("tanh",)), ("dropout", (0.1, 0.2, 0.3))):
        with pytest.raises(InvalidArgumentError, match=f"{name} must have one value a hidden layer \\(2\\)"):
            model.set_params(**{name: bad}).fit(X, y)
        model.set_params(activation="relu", dropout=0.0)


def test_what_a_trace_shows_is_what_autograd_finds(flowers):
    X, y = flowers
    model = MLPClassifier((5, 4), "tanh", solver="sgd", momentum=0, dtype="float64", max_iter=2, n_iter_no_change=2,
                          alpha=0, learning_rate_init=0.3, random_state=0).fit(X, y)  # fmt: skip
    trace = model.trace(X[:6], y[:6])
    leaves = [
        torch.tensor(array, requires_grad=True)
        for pair in zip(model.coefs_, model.intercepts_, strict=True)
        for array in pair
    ]
    a, kept = torch.tensor(X[:6]), []
    for layer in range(3):
        z = a @ leaves[2 * layer] + leaves[2 * layer + 1]
        z.retain_grad()
        kept.append(z)
        a = torch.tanh(z)
    loss = torch.nn.functional.cross_entropy(z, torch.tensor(y[:6]))
    loss.backward()
    assert trace["loss"] == pytest.approx(loss.item(), rel=1e-12)
    for layer, z in enumerate(kept, start=1):
        np.testing.assert_allclose(trace[f"z{layer}"], z.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(trace[f"delta{layer}"], z.grad.numpy(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(trace[f"dW{layer}"], leaves[2 * layer - 2].grad.numpy(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(trace[f"db{layer}"], leaves[2 * layer - 1].grad.numpy(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(trace[f"ΔW{layer}"], -0.3 * trace[f"dW{layer}"], rtol=1e-9, atol=1e-15)
    text = str(trace)
    for formula in ("z1 = a0 W1 + b1", "δ2 = (δ3 W3ᵀ) · f'(z2)", "dW1 = a0ᵀ δ1"):
        assert formula in text
    assert "<table>" in trace._repr_html_()


def test_tracing_changes_nothing(flowers, picture):
    X, y = flowers
    model = MLPClassifier((5,), dropout=0.5, max_iter=3, n_iter_no_change=3, random_state=0).fit(X, y)
    parameters = model.stack_.parameters.vector.copy()
    state = model._training.to_arrays()[0]
    model.trace(X[0], y[0])
    np.testing.assert_array_equal(model.stack_.parameters.vector, parameters)
    assert model._training.to_arrays()[0] == state


def test_verbose_prints_scikit_learns_lines(capsys, flowers):
    X, y = flowers
    MLPClassifier((5,), max_iter=2, n_iter_no_change=2, random_state=0, verbose=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(", loss = ")[0] for line in lines] == ["Iteration 1", "Iteration 2"]


def test_a_bar_is_drawn_on_a_terminal_and_nowhere_else(monkeypatch, capsys, flowers):
    X, y = flowers
    model = MLPClassifier((5,), max_iter=2, n_iter_no_change=2, random_state=0, verbose="bar")
    model.fit(X, y)
    assert capsys.readouterr() == ("", "")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    model.fit(X, y)
    assert "MLPClassifier" in terminal.getvalue()


def test_scikit_learns_callbacks_are_told_of_every_epoch(flowers):
    callback = pytest.importorskip("sklearn.callback")
    X, y = flowers
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = MLPClassifier((8,), learning_rate_init=0.05, max_iter=6, n_iter_no_change=6, random_state=0)
    model.set_callbacks(monitor).fit(X, y)
    alone = MLPClassifier((8,), learning_rate_init=0.05, max_iter=6, n_iter_no_change=6, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.coefs_[0], alone.coefs_[0])  # they only listen
    by_task = {entry["task_name"]: entry["accuracy"] for entry in monitor.get_logs().data}
    for step in MLPClassifier(**model.get_params()).steps(X, y):
        assert f"epoch {step.epoch}" in by_task
    assert by_task["fit"] == by_task["epoch 6"] == model.score(X, y)
    assert len(set(by_task.values())) > 1


def test_reaching_max_iter_while_still_improving_is_said(flowers):
    X, y = flowers
    with pytest.warns(ConvergenceWarning, match="training stopped after max_iter=15 epochs and was still improving"):
        MLPClassifier((8,), max_iter=15, random_state=0).fit(X, y)


def test_it_works_in_pipelines_and_searches(flowers):
    X, y = flowers
    network = MLPClassifier(learning_rate_init=0.05, max_iter=20, n_iter_no_change=20, random_state=0)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), network), {"mlpclassifier__hidden_layer_sizes": [(2,), (10,)]}, cv=3
    )
    assert search.fit(X, y).best_score_ > 0.9


def test_it_computes_in_float32_where_it_pays_and_in_float64_when_asked(flowers):
    X, y = flowers
    settings = {"max_iter": 2, "n_iter_no_change": 2, "random_state": 0}
    assert MLPClassifier((4,), **settings).fit(X, y).coefs_[0].dtype == np.float64  # so small that it costs nothing
    assert MLPClassifier((500, 500), **settings).fit(X, y).coefs_[0].dtype == np.float32
    assert MLPClassifier((500, 500), dtype="float64", **settings).fit(X, y).coefs_[0].dtype == np.float64
    assert MLPClassifier((4,), solver="lbfgs").fit(X, y).coefs_[0].dtype == np.float64
    small = MLPClassifier((4,), dtype="float32", **settings).fit(X.astype(np.float32), y)
    assert small.decision_function(X.astype(np.float32)).dtype == np.float32


def test_the_layers_see_what_is_written_into_the_one_vector(flowers):
    X, y = flowers
    model = MLPClassifier((4,), max_iter=2, n_iter_no_change=2, random_state=0).fit(X, y)
    model.stack_.parameters.vector[:] = 0
    assert all(not weight.any() for weight in (*model.coefs_, *model.intercepts_))
    np.testing.assert_allclose(model.predict_proba(X), 1 / 3)
