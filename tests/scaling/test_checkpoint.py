"""Checkpoints: a training that was cut off comes to the same bits, and what is of another run is refused."""

import numpy as np
import pytest
import torch

from pellucid import CNNClassifier, MLPClassifier, load, save
from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.learning import loop
from pellucid.saving.entries import parse
from pellucid.saving.file import read_file, write_file
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
    whole = model(**changes)
    total = len(list(whole.steps(X, y, granularity)))
    steps = model(**changes).steps(X, y, granularity, checkpoint=Checkpoint(tmp_path, 0))
    for step in steps:
        if step.number == 7:
            break
    steps.close()
    for left in (total - 7, 0):  # it goes on, does not begin anew; then it is finished, and found so
        resumed = model(**changes)
        assert len(list(resumed.steps(X, y, granularity, checkpoint=tmp_path))) == left
        assert everything(resumed, tmp_path) == everything(whole, tmp_path)
        assert resumed.n_iter_ == whole.n_iter_


class Interrupting(Checkpoint):
    """A checkpoint that is renewed at every chance, at the eleventh of which Ctrl-C comes."""

    def __init__(self, folder):
        super().__init__(folder, 0)
        self.chances = 0

    def offer(self, state, *, now=False):
        super().offer(state, now=now)
        self.chances += 1
        if self.chances == 11:
            raise KeyboardInterrupt


@pytest.mark.parametrize("engine", ["torch", "compiled"])
@pytest.mark.parametrize("watched", ["steps", "verbose", "fit"])
def test_it_is_renewed_within_an_epoch_however_the_run_is_watched(tmp_path, monkeypatch, watched, engine, capsys):
    monkeypatch.setattr(loop, "CHUNK_SECONDS", 0)  # as if a batch took a tenth of a second
    whole = model(engine=engine).fit(X, y)
    cut = model(engine=engine, verbose=watched == "verbose")
    with pytest.warns(UserWarning, match="interrupted: the model is as it was after epoch 2"):
        if watched == "steps":
            list(cut.steps(X, y, checkpoint=Interrupting(tmp_path)))
        else:
            cut.fit(X, y, checkpoint=Interrupting(tmp_path))
    header, _ = read_checkpoint(tmp_path)
    assert (header["state"]["training"]["epoch"], header["state"]["training"]["batch"]) == (2, 1)
    resumed = model(engine=engine)
    assert len(list(resumed.steps(X, y, "batch", checkpoint=tmp_path))) == 12 * 5 - 11
    assert everything(resumed, tmp_path) == everything(whole, tmp_path)


def read_checkpoint(folder):
    text, arrays = read_file(folder / "checkpoint.pellucid")
    return parse(text), arrays


def test_a_warm_start_has_a_checkpoint_of_its_own(tmp_path, picture):
    first = model(warm_start=True).fit(X, y, checkpoint=tmp_path / "first")
    save(first, tmp_path / "begun")
    whole = load(tmp_path / "begun").fit(X, y)
    before = picture(first)
    with pytest.raises(InvalidArgumentError, match=r"of a run with weights_at_start='\w+', but now weights_at_start="):
        first.fit(X, y, checkpoint=tmp_path / "first")  # which would put the weights of the first fit back
    assert picture(first) == before
    steps = load(tmp_path / "begun").steps(X, y, checkpoint=Checkpoint(tmp_path / "second", 0))
    for _ in range(5):
        next(steps)
    steps.close()
    resumed = load(tmp_path / "begun")
    assert len(list(resumed.steps(X, y, checkpoint=tmp_path / "second"))) == 12 - 5
    assert everything(resumed, tmp_path) == everything(whole, tmp_path)
    assert resumed.n_iter_ == 12
    assert len(resumed.loss_curve_) == 24


def test_a_checkpoint_that_is_refused_changes_nothing(tmp_path, picture):
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "learning_rate_init": 0.05, "warm_start": True}
    fitted = model(**stopping).fit(X, y)
    assert (fitted._training.latest_vector != fitted._training.best_vector).any()
    save(fitted, tmp_path / "begun")
    model(batch_size=8).fit(X, y, checkpoint=tmp_path)
    before = picture(fitted)
    with pytest.raises(InvalidArgumentError, match="batch_size=8, but now batch_size=16"):
        fitted.set_params(dropout=0.5).fit(X, y, checkpoint=tmp_path)
    assert picture(fitted.set_params(dropout=0.0)) == before
    load(tmp_path / "begun").fit(X, y, checkpoint=tmp_path / "own")
    header, arrays = read_checkpoint(tmp_path / "own")
    write_file(tmp_path / "own" / "checkpoint.pellucid", header, arrays | {"bias2": np.zeros(4)})
    with pytest.raises(ModelFileError, match=r"holds an array 'bias2' of shape \(4,\), but its parameters ask for"):
        fitted.fit(X, y, checkpoint=tmp_path / "own")
    assert picture(fitted) == before


def test_images_of_another_shape_are_another_run(tmp_path):
    images = RNG.normal(size=(20, 4, 9))
    network = CNNClassifier([(2, 3)], (3,), max_iter=2, n_iter_no_change=2, random_state=0, engine="torch")
    network.fit(images, y[:20], checkpoint=tmp_path)
    with pytest.raises(InvalidArgumentError, match=r"image_shape=\(1, 4, 9\), but now image_shape=\(1, 9, 4\)"):
        network.fit(images.reshape(20, 9, 4), y[:20], checkpoint=tmp_path)


def test_a_newer_format_is_refused_with_both_versions(tmp_path):
    model().fit(X, y, checkpoint=tmp_path)
    header, arrays = read_checkpoint(tmp_path)
    write_file(tmp_path / "checkpoint.pellucid", header | {"format": 2, "pellucid": "9.1"}, arrays)
    with pytest.raises(ModelFileError, match=r"in format 2 by Pellucid 9\.1, but Pellucid .* reads format 1; go on"):
        model().fit(X, y, checkpoint=tmp_path)


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
