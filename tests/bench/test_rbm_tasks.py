"""The Boltzmann machines' tasks: the same work for all, and a score that is anybody's pseudo-likelihood."""

import numpy as np
import pytest

from pellucid import BernoulliRBM
from pellucid.bench import rbm
from pellucid.bench.comparison import OURS, Setting
from pellucid.bench.goals import RATIO


def test_the_score_is_the_mean_pseudo_likelihood_a_unit():
    X = (np.random.default_rng(0).random((30, 6)) < 0.4).astype(np.float64)
    model = BernoulliRBM(4, random_state=0).fit(X)
    assert rbm.pseudo_likelihood(model, X) == pytest.approx(model.score_samples(X).mean() / 6)


def test_all_learn_about_as_well_from_the_same_rows():
    X = np.repeat(np.random.default_rng(0).random((200, 4)) < 0.5, 2, axis=1).astype(np.float32)
    made = rbm.contenders(X, {"n_components": 8, "learning_rate": 0.1, "n_iter": 60, "batch_size": 10})
    assert set(made) == {OURS, "sklearn-f64", "sklearn-f32"}
    scores = [contender.quality(contender.work(0)) for contender in (make() for make in made.values())]
    assert min(scores) > np.log(0.5)  # what knows nothing
    assert np.ptp(scores) < 0.1


def test_each_task_says_what_it_times_and_has_its_goals():
    for name, task in rbm.TASKS.items():
        assert {peer for known, peer in RATIO if known == name} == {"sklearn-f64", "sklearn-f32"}
        if name == "rbm-digits":
            assert task(Setting()).per == "10 epochs of 8,980 nudged digits, 64-100, batch 10"
