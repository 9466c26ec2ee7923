"""A Recording keeps a run within a bound, changes nothing of it, and goes into a file and back."""

import warnings
from itertools import count
from types import MappingProxyType

import numpy as np
import pytest

import pellucid
from pellucid import BernoulliRBM, HopfieldNetwork, MLPClassifier, Neuron
from pellucid.data import NEURON_TABLE, XOR
from pellucid.errors import InvalidArgumentError
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step


def run_of(length):
    """Steps whose one array is live memory, as a network's is."""
    memory = np.zeros(3)
    for number in range(1, length + 1):
        memory[:] = number
        yield Step("tick", number, MappingProxyType({"loss": 1 / number, "memory": memory}))


def mlp(**changes):
    return MLPClassifier((3,), max_iter=40, n_iter_no_change=40, tol=0, random_state=0, **changes)


def test_it_keeps_the_first_every_2_to_the_k_th_and_the_last():
    recording = Recording.of(run_of(100), most=10)
    assert recording.every == 16
    assert [step.number for step in recording] == [1, 17, 33, 49, 65, 81, 97, 100]
    assert [step.memory[0] for step in recording] == [1, 17, 33, 49, 65, 81, 97, 100]
    assert recording.seen == 100


@pytest.mark.parametrize("length", [0, 1, 2, 3, 9, 10, 11, 20, 21, 1000])
@pytest.mark.parametrize("most", [2, 3, 10])
def test_it_never_holds_more_than_most_and_the_last(length, most):
    recording = Recording(most)
    for step in recording.watch(run_of(length)):
        assert len(recording) <= most + 1
        assert recording[-1].number == step.number
        assert recording[0].number == 1
    assert len(recording) >= min(length, most // 2)


def test_a_million_steps_stay_bounded():
    recording = Recording(1000)
    step = Step("tick", 1, MappingProxyType({"loss": 0.5}))
    for _ in range(1_000_000):
        recording.add(step)
    assert recording.seen == 1_000_000
    assert 500 <= len(recording) <= 1001
    assert recording.nbytes <= 8 * 1001


def test_it_is_bounded_in_bytes_too():
    big = Step("tick", 1, MappingProxyType({"memory": np.zeros(1000)}))
    recording = Recording(1000, most_bytes=80_000)
    for _ in range(500):
        recording.add(big)
        assert recording.nbytes <= 80_000


def held(recording):
    return sum(np.asarray(value).nbytes for step in recording for value in step.values.values())


@pytest.mark.parametrize("sizes", [(100_000, 1), (1, 100_000), (1, 1, 1, 100_000), (300_000, 1, 1)])
def test_steps_of_different_sizes_are_counted_as_large_as_they_are(sizes):
    recording = Recording(1000, most_bytes=1_000_000)
    for number in range(100):
        memory = np.zeros(sizes[number % len(sizes)])
        recording.add(Step("tick", number + 1, MappingProxyType({"memory": memory})))
        assert recording.nbytes == held(recording)
        assert held(recording) <= 1_000_000 or len(recording) <= 2  # the first and the last
    assert recording.copy().nbytes == held(recording)


def test_a_recording_that_is_loaded_counts_its_bytes(tmp_path):
    recording = Recording.of(run_of(21), most=4)
    pellucid.save(recording, tmp_path / "run.pellucid")
    assert pellucid.load(tmp_path / "run.pellucid").nbytes == recording.nbytes == held(recording)


def test_it_keeps_only_the_names_that_are_asked_for():
    recording = Recording.of(run_of(5), names=["loss"])
    assert recording.names() == ["loss"]
    assert recording.curve("loss") == ([1, 2, 3, 4, 5], [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    with pytest.raises(KeyError, match="'memory' is not in this recording; it has loss"):
        recording.curve("memory")


@pytest.mark.parametrize("most", [1, 2.5, True])
def test_a_bound_below_two_is_refused(most):
    with pytest.raises(InvalidArgumentError, match="most must be"):
        Recording(most)


@pytest.mark.parametrize("granularity", ["epoch", "batch"])
def test_a_recorded_run_is_the_unrecorded_one(granularity):
    recorded, alone = mlp(batch_size=2), mlp(batch_size=2).fit(*XOR)
    Recording.of(recorded.steps(*XOR, granularity=granularity), most=4)
    assert recorded.stack_.parameters.vector.tobytes() == alone.stack_.parameters.vector.tobytes()
    assert recorded.loss_curve_ == alone.loss_curve_


def runs():
    yield "neuron", lambda: Neuron(max_iter=30, random_state=1).steps(*NEURON_TABLE)
    yield "mlp", lambda: mlp().steps(*XOR)
    yield "mlp without bias", lambda: mlp(bias=False).steps(*XOR)
    patterns = np.random.default_rng(0).choice([-1, 1], (3, 40))
    yield "hopfield", lambda: HopfieldNetwork(random_state=0).fit(patterns).steps(np.ones(40))
    synchronous = HopfieldNetwork(random_state=0, update="synchronous")
    yield "hopfield at once", lambda: synchronous.fit(patterns).steps(np.ones(40))
    X = np.random.default_rng(0).integers(0, 2, (11, 6)).astype(float)
    yield "rbm", lambda: BernoulliRBM(4, n_iter=3, batch_size=4, random_state=0).steps(X)


@pytest.mark.parametrize(("name", "steps"), list(runs()), ids=[name for name, _ in runs()])
def test_a_file_gives_back_every_step(tmp_path, name, steps):
    recording = Recording.of(steps(), most=8)
    pellucid.save(recording, tmp_path / "run.pellucid")
    loaded = pellucid.load(tmp_path / "run.pellucid")
    assert (loaded.seen, loaded.every, len(loaded)) == (recording.seen, recording.every, len(recording))
    for one, other in zip(recording, loaded, strict=True):
        assert (one.kind, one.number, list(one.values)) == (other.kind, other.number, list(other.values))
        assert one.shapes == other.shapes
        for value in one.values:
            np.testing.assert_equal(other.values[value], one.values[value])
            assert type(other.values[value]) is type(one.values[value]) or np.isscalar(one.values[value])
        assert dict(one.formulas) == dict(other.formulas)
    for step in steps():  # it goes on as the one that was saved
        recording.add(step)
        loaded.add(step)
    assert [step.number for step in loaded] == [step.number for step in recording]


def test_what_a_file_cannot_keep_is_named(tmp_path):
    recording = Recording.of([Step("tick", 1, MappingProxyType({"word": "no"}))])
    with pytest.raises(InvalidArgumentError, match="the value 'word' is of type str"):
        pellucid.save(recording, tmp_path / "run.pellucid")


def test_a_copy_has_arrays_of_its_own():
    recording = Recording.of(run_of(5))
    other = recording.copy()
    other[0].memory[0] = 9
    other.add(other[0])
    assert recording[0].memory[0] == 1
    assert len(recording) == 5


def test_it_renders_itself_as_text_and_html():
    recording = Recording.of(mlp().steps(*XOR), most=16)
    assert str(recording).splitlines()[0] == "40 steps, 11 of them kept: the first, every 4, the last"
    html = recording._repr_html_()
    assert "<polyline" in html
    assert "loss from" in html
    assert "def batch_gradient(" in html
    assert "<script" not in html
    assert "http" not in html
    assert Recording()._repr_html_()


def test_each_step_says_what_made_it():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, steps in runs():
            step = next(iter(steps()))
            assert step.sources(), name
            assert all("def " in source for source in step.sources()), name
            assert set(step.formulas) <= set(step.values) | {"weights"}, name
            assert step.shapes.keys() == step.values.keys()


def test_endless_runs_can_be_watched():
    recording = Recording(4)
    endless = (Step("tick", number, MappingProxyType({"loss": 1.0})) for number in count(1))
    for step in recording.watch(endless):
        if step.number == 50:
            break
    assert recording[-1].number == 50
