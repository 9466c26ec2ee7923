"""Checkpoints: a training that was cut off comes to the same bits, and what is of another run is refused."""

import numpy as np
import pytest
import torch

from pellucid import MLPClassifier, save
from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.scaling.checkpoint import Checkpoint, fingerprint
from pellucid.scaling.loop import Run, cosine, train

torch.set_num_threads(1)  # a second one makes networks this small many times slower

RNG = np.random.default_rng(4)
X = RNG.normal(size=(80, 4))
y = RNG.integers(0, 3, 80)
COMMON = {
    "hidden_layer_sizes": (6,), "batch_size": 16, "max_iter": 12, "n_iter_no_change": 12, "random_state": 1,
    "dtype": "float64", "engine": "torch",
}  # fmt: skip


def model(**changes):
    return MLPClassifier(**(COMMON | changes))


def everything(fitted, folder):
    """All that a run leaves behind and would go on from, as the bytes of its file."""
    save(fitted, folder / "model.pellucid")
    return (folder / "model.pellucid").read_bytes()


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("granularity", ["epoch", "batch"])
@pytest.mark.parametrize(
    "changes", [{}, {"dropout": 0.4}, {"early_stopping": True}, {"solver": "sgd", "learning_rate": "cosine"}]
)
def test_a_cut_training_goes_on_to_the_same_bits(tmp_path, changes, granularity, engine):
    changes = changes | {"engine": engine}
    whole = model(**changes).fit(X, y)
    steps = model(**changes).steps(X, y, granularity, checkpoint=Checkpoint(tmp_path, 0))
    for step in steps:
        if step.number == 7:
            break
    steps.close()
    resumed = model(**changes).fit(X, y, checkpoint=tmp_path)
    assert everything(resumed, tmp_path) == everything(whole, tmp_path)
    assert resumed.n_iter_ == whole.n_iter_
    again = model(**changes).fit(X, y, checkpoint=tmp_path)  # it is finished, and found so
    assert everything(again, tmp_path) == everything(whole, tmp_path)


def test_another_run_is_refused_with_both_values(tmp_path):
    model().fit(X, y, checkpoint=tmp_path)
    file = str(tmp_path / "checkpoint.pellucid")
    for changes, said in {
        ("batch_size", 8): "batch_size=16, but now batch_size=8",
        ("alpha", 0.1): "alpha=0.0001, but now alpha=0.1",
        ("random_state", 2): r"random_state=\d+, but now random_state=\d+",
        ("engine", "compiled"): "engine='torch', but now engine='compiled'",
    }.items():
        with pytest.raises(InvalidArgumentError, match=f"{file} is of a run with {said}; go on with the same, or"):
            model(**dict([changes])).fit(X, y, checkpoint=tmp_path)
    other = X.copy()
    other[3, 2] += 1e-9
    with pytest.raises(InvalidArgumentError, match=r"data='[0-9a-f]{16}', but now data='[0-9a-f]{16}'"):
        model().fit(other, y, checkpoint=tmp_path)


def test_what_a_checkpoint_cannot_keep_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="checkpoint needs a random_state"):
        model(random_state=None).fit(X, y, checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match="in batches, got solver='lbfgs'"):
        model(solver="lbfgs").fit(X, y, checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match="must be the path of a folder or a Checkpoint, got 3"):
        model().fit(X, y, checkpoint=3)
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgumentError, match="checkpoint must be a folder that can be written"):
        model().fit(X, y, checkpoint=tmp_path / "file")


def test_a_damaged_checkpoint_and_a_model_in_its_place_are_refused(tmp_path):
    fitted = model().fit(X, y, checkpoint=tmp_path)
    file = tmp_path / "checkpoint.pellucid"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"checkpoint.pellucid: is damaged"):
        model().fit(X, y, checkpoint=tmp_path)
    save(fitted, file)
    with pytest.raises(ModelFileError, match="holds a 'MLPClassifier', not a checkpoint"):
        model().fit(X, y, checkpoint=tmp_path)


def test_it_is_renewed_only_when_its_time_has_come(tmp_path):
    list(model().steps(X, y, checkpoint=Checkpoint(tmp_path / "seldom", 3600)))
    assert (tmp_path / "seldom" / "checkpoint.pellucid").exists()  # at the end in any case
    steps = model().steps(X, y, checkpoint=Checkpoint(tmp_path / "never", 3600))
    next(steps)
    steps.close()
    assert not (tmp_path / "never" / "checkpoint.pellucid").exists()


def test_a_fingerprint_knows_dtype_shape_and_every_byte():
    one = np.arange(6.0)
    assert fingerprint([one]) == fingerprint([one.copy()])
    others = [one.astype(np.float32), one.reshape(2, 3), np.nextafter(one, 9)]
    assert len({fingerprint([each]) for each in [one, *others]} | {fingerprint([one, None])}) == 5


def run_of_a_module(checkpoint, stop_after=None):
    torch.manual_seed(3)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Dropout(0.3), torch.nn.Linear(5, 3)).double()
    rng = np.random.default_rng(6)
    inputs, classes = torch.from_numpy(X), torch.from_numpy(y)
    seen = []

    def loss(rows):
        seen.append(rows)
        if stop_after is not None and len(seen) > stop_after:
            raise KeyboardInterrupt
        return torch.nn.functional.cross_entropy(module(inputs[rows]), classes[rows]), len(rows)

    run = Run(module, torch.optim.AdamW(module.parameters(), weight_decay=0.1), rng)
    if found := run.kept_in(checkpoint, {"what": "a test"}):
        run.load(*found)

    def batches(first):
        return np.array_split(rng.permutation(80), 5)[first:]

    return run, seen, train(run, batches, loss, epochs=6, rate=cosine(0.05, 6), clip=1.0)


def test_any_module_goes_on_to_the_same_bits(tmp_path):
    whole, _, epochs = run_of_a_module(None)
    assert len(list(epochs)) == 6
    _, _, epochs = run_of_a_module(Checkpoint(tmp_path, 0), stop_after=13)
    with pytest.raises(KeyboardInterrupt):
        list(epochs)
    resumed, seen, epochs = run_of_a_module(Checkpoint(tmp_path, 0))
    rest = list(epochs)
    assert len(seen) == 6 * 5 - 13  # it has not begun anew
    assert rest == whole.curve[2:]
    assert resumed.curve == whole.curve
    for one, other in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(one, other)
