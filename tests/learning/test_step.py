"""A Step shows live memory, read-only; a copy keeps it."""

import numpy as np
import pytest

from pellucid import MLPClassifier
from pellucid.learning.step import Step, view

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
y = (X[:, 0] > 0).astype(int)


def steps(granularity="epoch"):
    model = MLPClassifier((4,), max_iter=4, n_iter_no_change=4, batch_size=10, random_state=0)
    return model, model.steps(X, y, granularity)


def test_values_are_attributes_and_items():
    step = Step("epoch", 3, {"loss": 0.5})
    assert step.loss == step["loss"] == 0.5
    assert str(step) == "epoch 3: loss=0.5"
    with pytest.raises(AttributeError, match="this epoch step has no value 'los'"):
        step.los  # noqa: B018


@pytest.mark.parametrize("granularity", ["epoch", "batch"])
def test_arrays_are_read_only_views_that_live(granularity):
    model, run = steps(granularity)
    first = next(run)
    with pytest.raises(ValueError, match="read-only"):
        first.parameters[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        first.coefs[0][0, 0] = 1
    kept, before = first.copy(), first.parameters.copy()
    next(run)
    assert np.shares_memory(first.parameters, model.stack_.parameters.vector)
    assert not np.array_equal(first.parameters, before)
    np.testing.assert_array_equal(kept.parameters, before)
    np.testing.assert_array_equal(kept.coefs[0].ravel(), before[:12])
    kept.parameters[0] = 1  # one's own


def test_batches_are_numbered_within_their_epochs():
    _, run = steps("batch")
    assert [(step.epoch, step.batch, step.number) for step in run][:5] == [
        (1, 1, 1), (1, 2, 2), (1, 0, 3), (2, 1, 4), (2, 2, 5)
    ]  # fmt: skip


def test_a_view_is_the_same_memory_and_cannot_be_written():
    array = np.zeros(3)
    seen = view(array)
    array[1] = 2
    assert seen[1] == 2
    assert not seen.flags.writeable
    assert array.flags.writeable


def test_shapes_tell_arrays_from_words():
    step = Step("epoch", 1, {"n": 3, "a": np.zeros((2, 3)), "W": [np.zeros(2), np.zeros((2, 4))], "words": ("a", "b")})
    assert step.shapes == {"n": (), "a": (2, 3), "W": [(2,), (2, 4)], "words": (2,)}


def test_a_step_is_shown_as_html_that_runs_nothing():
    shown = Step("epoch", 1, {"a": np.ones((2, 3)), "<b>": ("<i>",)}, {"a": "a < b"}, (view,))._repr_html_()
    assert "a &lt; b" in shown
    assert "2x3" in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "def view(array: np.ndarray)" in shown
