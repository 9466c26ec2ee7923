"""A training of sentences that was cut off goes on from its checkpoint, to the bit; another's is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid import MLPClassifier, save  # noqa: E402
from pellucid.errors import InvalidArgumentError, ModelFileError  # noqa: E402
from pellucid.networks.spinn.objective import Objective  # noqa: E402
from pellucid.scaling.checkpoint import Checkpoint  # noqa: E402
from pellucid.spinn import SPINNClassifier, Tree  # noqa: E402

RNG = np.random.default_rng(5)
WORDS = [RNG.choice(list("abcde"), RNG.integers(2, 7)).tolist() for _ in range(41)]
X = [Tree.left_branching(some) if k % 2 else Tree.right_branching(some) for k, some in enumerate(WORDS)]
y = [int(some[0] < some[-1]) for some in WORDS]
BATCHES, EPOCHS = 5, 6  # batches of 9; the last, which would have five of 41, takes them


def model(**changes):
    sizes = {"hidden": 5, "embedding": 4, "mlp": 6, "batch_size": 9, "max_iter": EPOCHS, "random_state": 3}
    return SPINNClassifier(**(sizes | changes))


class Killed(BaseException):
    """Comes out of nowhere, and nobody can do anything about it."""


@pytest.fixture
def updates(monkeypatch):
    """Return the list of batches that were learned from; with an item "kill at N" the N-th is not."""
    seen, own = {"count": 0, "kill at": None}, Objective.loss

    def loss(self, rows):
        seen["count"] += 1
        if seen["count"] == seen["kill at"]:
            raise Killed
        return own(self, rows)

    monkeypatch.setattr(Objective, "loss", loss)
    return seen


def everything(fitted, folder):
    """All that a training leaves behind, as the bytes of its file, and as those after one more epoch."""
    found = []
    for _ in range(2):
        save(fitted, folder / "model.pellucid")
        found.append((folder / "model.pellucid").read_bytes())
        fitted.partial_fit(X, y)
    return found


KINDS = {
    "plain": {},
    "dropout": {"dropout": 0.3, "dropout_embedding": 0.2, "word_dropout": 0.2},
    "mean of the weights": {"averaging": 0.9},
    "mean, early stopping": {"averaging": 0.9, "early_stopping": True, "validation_fraction": 0.3},
    "steps": {"learning_rate": "step", "step_size": 3, "step_factor": 0.7},
    "rmsprop, normed": {"solver": "rmsprop", "batch_norm": True},
    "own parses": {"encoder": "spinn", "parses": "predicted", "tracker": 4},
}


@pytest.mark.parametrize("place", [2, 2 * BATCHES + 1, 3 * BATCHES - 1])
@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_training_goes_on_to_the_same_bits(tmp_path, updates, kind, place):
    whole = model(**KINDS[kind]).fit(X, y)
    per_epoch = updates["count"] // EPOCHS
    expected = everything(whole, tmp_path)
    updates |= {"count": 0, "kill at": place + 1}
    with pytest.raises(Killed):
        model(**KINDS[kind]).fit(X, y, checkpoint=Checkpoint(tmp_path, 0))
    updates |= {"count": 0, "kill at": None}
    torch.manual_seed(99)  # what goes on has its own random numbers
    resumed = model(**KINDS[kind]).fit(X, y, checkpoint=tmp_path)
    assert updates["count"] == EPOCHS * per_epoch - place  # it has not begun anew
    assert everything(resumed, tmp_path) == expected
    updates["count"] = 0
    again = model(**KINDS[kind]).fit(X, y, checkpoint=tmp_path)  # it is finished, and found so
    assert updates["count"] == 0
    assert everything(again, tmp_path) == expected


def test_early_stopping_counts_on(tmp_path, updates):
    changes = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 2, "max_iter": 40}
    whole = model(**changes).fit(X, y)
    epochs = whole.n_iter_
    assert 3 <= epochs < 40
    expected = everything(whole, tmp_path)
    for stop in (2, epochs // 2 + 1, epochs):
        folder = tmp_path / str(stop)
        steps = model(**changes).steps(X, y, checkpoint=folder)
        assert [next(steps).number for _ in range(stop)] == list(range(1, stop + 1))
        steps.close()  # in the epoch's end, whose checkpoint is not written yet
        resumed = model(**changes)
        assert [step.number for step in resumed.steps(X, y, checkpoint=folder)] == list(range(stop, epochs + 1))
        assert everything(resumed, folder) == expected
    updates["count"] = 0
    assert list(model(**changes).steps(X, y, checkpoint=folder)) == []
    assert updates["count"] == 0


def test_ctrl_c_after_going_on_leaves_the_last_whole_epoch(tmp_path, updates, monkeypatch):
    whole = model(max_iter=2, learning_rate="constant").fit(X, y)
    expected = whole.predict_proba(X)
    updates |= {"count": 0, "kill at": 2 * BATCHES + 3}
    changes = {"learning_rate": "constant"}
    with pytest.raises(Killed):
        model(**changes).fit(X, y, checkpoint=Checkpoint(tmp_path, 0))
    updates |= {"count": 0, "kill at": 2}
    monkeypatch.setattr("test_resuming.Killed", KeyboardInterrupt)
    with pytest.warns(UserWarning, match="as it was after epoch 2"):
        resumed = model(**changes).fit(X, y, checkpoint=Checkpoint(tmp_path, 3600))
    np.testing.assert_array_equal(resumed.predict_proba(X), expected)


def test_another_run_is_refused_with_both_values_and_the_model_stays_as_it_was(tmp_path, picture):
    fitted = model(averaging=0.9, warm_start=True).fit(X, y)
    model(averaging=0.9).fit(X, y, checkpoint=tmp_path)
    before, answers = picture(fitted), fitted.predict_proba(X)
    fitted.set_params(batch_size=8)
    with pytest.raises(InvalidArgumentError, match="is of a run with batch_size=9, but now batch_size=8"):
        fitted.fit(X, y, checkpoint=tmp_path)
    fitted.set_params(batch_size=9)
    with pytest.raises(InvalidArgumentError, match=r"start='[0-9a-f]{16}', but now start='[0-9a-f]{16}'"):
        fitted.fit(X, y, checkpoint=tmp_path)  # which would go on from other weights
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentError, match="checkpoint must be a folder that can be written"):
        fitted.fit(X, y, checkpoint=tmp_path / "file")
    assert picture(fitted) == before
    np.testing.assert_array_equal(fitted.predict_proba(X), answers)


@pytest.mark.parametrize("what", ["data", "labels", "held out"])
def test_other_data_is_refused(tmp_path, what):
    given = {"X_val": X[:9], "y_val": y[:9]}
    model(max_iter=1).fit(X, y, **given, checkpoint=tmp_path)
    others, labels = list(X), list(y)
    if what == "data":
        others[3] = Tree.left_branching(["a", *X[3].words])
    elif what == "labels":
        labels[3] = 1 - labels[3]
    else:
        given["X_val"] = [*X[:8], X[9]]
    with pytest.raises(InvalidArgumentError, match=r"data='[0-9a-f]{16}', but now data='[0-9a-f]{16}'"):
        model(max_iter=1).fit(others, labels, **given, checkpoint=tmp_path)


def test_other_vectors_are_refused(tmp_path):
    def with_vectors(number):
        file = tmp_path / "vectors.txt"
        file.write_text("".join(f"{word} {number} {place}.5\n" for place, word in enumerate("abcde")))
        return model(max_iter=1, vectors=str(file))

    with_vectors(1).fit(X, y, checkpoint=tmp_path / "run")
    with_vectors(1).fit(X, y, checkpoint=tmp_path / "run")
    with pytest.raises(InvalidArgumentError, match=r"start='[0-9a-f]{16}', but now start="):
        with_vectors(2).fit(X, y, checkpoint=tmp_path / "run")


def test_what_a_checkpoint_cannot_keep_and_anothers_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="checkpoint needs a random_state"):
        model(random_state=None).fit(X, y, checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match="must be the path of a folder or a Checkpoint, got 3"):
        model().fit(X, y, checkpoint=3)
    other = MLPClassifier(max_iter=2, n_iter_no_change=2, random_state=0)
    other.fit(np.eye(4), [0, 1, 0, 1], checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match="of a run with class='MLPClassifier', but now class='SPINNCl"):
        model().fit(X, y, checkpoint=tmp_path)
    file = tmp_path / "checkpoint.pellucid"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"checkpoint.pellucid: is damaged"):
        model().fit(X, y, checkpoint=tmp_path)


def test_it_is_renewed_at_the_end_of_each_epoch_and_when_its_time_has_come(tmp_path, updates):
    file = tmp_path / "checkpoint.pellucid"
    updates["kill at"] = BATCHES  # in the first epoch
    with pytest.raises(Killed):
        model().fit(X, y, checkpoint=Checkpoint(tmp_path, 3600))
    assert not file.exists()
    updates |= {"count": 0, "kill at": BATCHES + 2}
    with pytest.raises(Killed):
        model().fit(X, y, checkpoint=Checkpoint(tmp_path, 3600))
    assert file.exists()
