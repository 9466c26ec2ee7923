"""What an interrupt, an error, a divergence leaves: the last whole epoch, or the estimator as it was."""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.data.logic import generate_logic  # noqa: E402
from pellucid.errors import DivergenceError, PellucidWarning  # noqa: E402
from pellucid.networks.spinn import objective  # noqa: E402
from pellucid.networks.spinn.examples import batches  # noqa: E402
from pellucid.spinn import SPINNClassifier  # noqa: E402


@pytest.fixture(scope="module")
def logic():
    return generate_logic({"train": 150, "test": 40}, bins={"train": range(3), "test": range(3)})


@pytest.fixture
def stop(monkeypatch):
    """Return a function after which an error stops the given epoch of a fit after so many of its batches."""

    def set_up(epoch, after, error=KeyboardInterrupt):
        begun = []

        def stopping(rng, lengths, size):
            begun.append(1)
            for number, rows in enumerate(batches(rng, lengths, size)):
                if len(begun) == epoch and number > after:  # a batch is drawn ahead
                    raise error
                yield rows

        monkeypatch.setattr(objective, "batches", stopping)

    return set_up


def small(**settings):
    sizes = {"hidden": 12, "embedding": 8, "tracker": 4, "mlp": 16, "batch_size": 16, "max_iter": 3, "random_state": 0}
    return SPINNClassifier(**sizes | {"learning_rate": "constant"} | settings)


def picture(model):
    """Return all that a fit changes, but for the optimizer's memory."""
    names = ("n_iter_", "t_", "loss_curve_", "validation_scores_", "best_validation_score_", "vocabulary_")
    weights = {name: value.tolist() for name, value in model.model_.state_dict().items()}
    means = model._average and (model._average.t, model._average.swapped, [m.tolist() for m in model._average.means])
    kept = {name: copy.copy(getattr(model, name)) for name in names}
    return kept | {
        "classes": model.classes_.tolist(),
        "weights": weights,
        "means": means,
        "rng": model._rng.bit_generator.state,
    }


@pytest.mark.parametrize("settings", [{}, {"batch_norm": True}, {"averaging": 0.9}, {"learning_rate": "step"}])
def test_an_interrupt_goes_back_to_the_last_whole_epoch(settings, logic, stop):
    train = logic["train"]
    expected = small(**settings, max_iter=2).fit(train, train.y)
    stop(epoch=3, after=4)
    with pytest.warns(PellucidWarning, match="the model is as it was after epoch 2, and is usable"):
        model = small(**settings).fit(train, train.y)
    assert model.interrupted_
    assert picture(model) == picture(expected)
    assert not model.model_.training


def test_with_early_stopping_an_interrupt_keeps_the_best_epoch_and_says_so(logic, stop):
    train, test = logic["train"], logic["test"]
    settings = {"early_stopping": True, "learning_rate_init": 0.05, "max_iter": 9}
    stop(epoch=8, after=2)
    with pytest.warns(PellucidWarning, match="the model has the best weights after epoch 7"):
        model = small(**settings).fit(train, train.y, X_val=test, y_val=test.y)
    assert len(model.validation_scores_) == 7
    assert model.validation_scores_[-1] < model.score(test, test.y) == max(model.validation_scores_)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("after", [0, 4])
@pytest.mark.parametrize("again", ["fit", "warm", "part"])
@pytest.mark.parametrize("settings", [{}, {"averaging": 0.9, "batch_norm": True}])
def test_before_the_first_epoch_has_ended_a_trained_model_stays_as_it_was(settings, again, after, error, logic, stop):
    train = logic["train"]
    model = small(**settings, warm_start=again == "warm").fit(train, train.y)
    before, weights = picture(model), model.model_
    stop(1, after, error)
    with pytest.raises(error):
        if again == "part":
            model.partial_fit(train, train.y)
        else:
            model.fit(train, train.y)
    assert picture(model) == before
    assert model.model_ is weights


def test_where_nothing_was_learned_an_interrupt_in_the_first_epoch_leaves_nothing(logic, stop):
    stop(1, 4)
    model = small()
    with pytest.raises(KeyboardInterrupt):
        model.fit(logic["train"], logic["train"].y)
    assert set(vars(model)) == set(model.get_params())


def test_going_on_counts_its_own_epochs(logic, stop):
    train = logic["train"]
    model = small(warm_start=True).fit(train, train.y)
    stop(2, 3)
    with pytest.warns(PellucidWarning, match="after epoch 1"):
        model.fit(train, train.y)
    assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (1, 80, 4)  # 20 batches an epoch


@pytest.mark.parametrize("settings", [{}, {"early_stopping": True}])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_divergence_is_named_and_the_last_finite_weights_are_kept(logic, batch_norm, settings):
    train = logic["train"]
    model = small(learning_rate_init=1e18, batch_norm=batch_norm, **settings)
    with pytest.raises(DivergenceError, match=r"in epoch 1 at learning rate 1e\+18; .*; lower learning_rate_init"):
        model.fit(train, train.y)
    assert all(np.isfinite(value.numpy()).all() for value in model.model_.state_dict().values())
    assert np.isfinite(model.predict_proba(logic["test"])).all()


def test_a_later_divergence_goes_back_to_the_last_whole_epoch(logic):
    train = logic["train"]
    expected = small(max_iter=1, batch_norm=True).fit(train, train.y)
    model = small(batch_norm=True)
    with pytest.raises(DivergenceError, match="in epoch 2 at learning rate"):
        for _ in model.steps(train, train.y):
            model.learning_rate_init = 1e18
    assert picture(model) == picture(expected)
