"""Two seconds that say whether the house stands: one network each, its central promise."""

import numpy as np

import pellucid
from pellucid.data import NEURON_TABLE, XOR


def test_the_neuron_learns_its_table():
    X, y = NEURON_TABLE
    assert pellucid.Neuron(max_iter=500, random_state=1).fit(X, y).predict([[1, 0, 0]]) == [1]


def test_a_network_learns_xor_and_shows_it():
    X, y = XOR
    model = pellucid.MLPClassifier(
        (8,), "tanh", learning_rate_init=0.1, max_iter=100, n_iter_no_change=100, random_state=0
    )
    losses = [step.loss for step in model.steps(X, y)]
    assert losses[-1] < 0.1 < losses[0]
    assert model.score(X, y) == 1
    assert "dW1" in str(model.trace(X[0], y[0]))


def test_a_model_comes_back_from_its_file(tmp_path):
    X, y = XOR
    model = pellucid.MLPRegressor(hidden_layer_sizes=(4,), max_iter=5, n_iter_no_change=5, random_state=0).fit(X, y)
    pellucid.save(model, tmp_path / "model.pellucid")
    np.testing.assert_array_equal(pellucid.load(tmp_path / "model.pellucid").predict(X), model.predict(X))
