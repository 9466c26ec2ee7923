"""Watching, for every network: the same bits watched as unwatched; steps that say what they are; traces that show it.

Sentence networks have tests of their own, in ``networks/spinn``.
"""

import itertools
from collections.abc import Mapping
from html.parser import HTMLParser

import numpy as np
import pytest

import pellucid
from pellucid import BernoulliRBM, CNNClassifier, GaussianRBM, HopfieldNetwork, MLPClassifier, MLPRegressor, Neuron
from pellucid.errors import PellucidWarning
from pellucid.learning.recording import Recording
from pellucid.learning.step import Step
from pellucid.networks.dense_memory import DenseAssociativeMemory

pytestmark = pytest.mark.filterwarnings("ignore:training stopped after max_iter")

RNG = np.random.default_rng(0)
X = RNG.random((24, 9))
y = (X[:, 0] > 0.5).astype(int)
PATTERNS = RNG.choice([-1.0, 1.0], (4, 60))
START = RNG.choice([-1.0, 1.0], 60)
EPOCHS = {"max_iter": 6, "tol": 0, "n_iter_no_change": 6, "random_state": 0, "batch_size": 5}


def mlp(kind=MLPClassifier, **changes):
    return lambda: kind(**{"hidden_layer_sizes": (5, 3)} | EPOCHS | changes)


def cnn(**changes):
    given = {"image_shape": (3, 3), "pool_size": 1, "padding": 0, "hidden_layer_sizes": (4,)} | EPOCHS | changes
    return lambda: CNNClassifier([(2, 2)], **given)


# Networks that learn in steps: name: what makes one
LEARNING = {
    "neuron": lambda: Neuron(max_iter=20, random_state=0),
    "neuron, reference": lambda: Neuron(max_iter=20, bias=True, random_state=0, engine="reference"),
    "mlp": mlp(),
    "mlp, reference": mlp(engine="reference"),
    "mlp, torch": mlp(engine="torch"),
    "mlp, dropout, early stopping": mlp(dropout=0.2, early_stopping=True, validation_fraction=0.25),
    "mlp without bias": mlp(bias=False, solver="sgd"),
    "mlp, L-BFGS": mlp(solver="lbfgs"),
    "regressor": mlp(MLPRegressor),
    "cnn": cnn(),
    "cnn, reference, batch normalisation": cnn(batch_norm=True),
    "rbm": lambda: BernoulliRBM(4, n_iter=3, batch_size=5, random_state=0),
    "rbm, cd": lambda: BernoulliRBM(4, n_iter=3, batch_size=5, random_state=0, algorithm="cd", k=2, momentum=0.5),
    "gaussian rbm": lambda: GaussianRBM(4, n_iter=3, batch_size=5, random_state=0, learning_rate=0.01),
}


def memory(**changes):
    return lambda: HopfieldNetwork(**{"random_state": 0} | changes).fit(PATTERNS)


def dense(**changes):
    return lambda: DenseAssociativeMemory(**changes).fit(PATTERNS)


# Networks that recall in steps
RECALLING = {
    "hopfield": memory(),
    "hopfield, factors": memory(form="factor"),
    "hopfield, pseudo-inverse": memory(rule="pseudo_inverse"),
    "hopfield, all at once": memory(update="synchronous"),
    "hopfield, by chance": memory(update="stochastic", temperature=0.3, max_iter=5),
    "dense, polynomial": dense(degree=3),
    "dense, exponential": dense(interaction="exponential", beta=20.0),
    "dense, softmax": dense(interaction="softmax", beta=0.3),
}
EVERY = LEARNING | RECALLING
# How finely a run can be watched, where it can be chosen.
FINER = [name for name in LEARNING if name.startswith(("mlp", "regressor", "cnn")) and "L-BFGS" not in name]


def steps_of(name, network, *granularity):
    return network.steps(X, y, *granularity) if name in LEARNING else network.steps(START)


def kept(network):
    """All that a file keeps of a network: its weights, and what a later fit would go on from."""
    entries, arrays = network.to_file()
    return repr(entries), {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in arrays.items()}


def watched(run):
    """Do all that one may do with steps, and see that none of it can be written to."""
    recording, seen = Recording(7), []
    for step in recording.watch(run):
        seen.append((step.copy(), str(step), step.shapes, step.sources()))
        for value in step.values.values():
            for array in value if isinstance(value, list) else [value]:
                if isinstance(array, np.ndarray) and array.base is not None:
                    assert not array.flags.writeable
    return recording


@pytest.mark.parametrize(
    ("name", "granularity"), [(name, ()) for name in LEARNING] + [(name, ("batch",)) for name in FINER]
)
def test_a_watched_fit_is_an_unwatched_one_to_the_last_bit(name, granularity):
    alone, seen = LEARNING[name]().fit(X, y), LEARNING[name]()
    recording = watched(steps_of(name, seen, *granularity))
    recording._repr_html_()
    assert kept(seen) == kept(alone)
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(alone, method):
            assert getattr(seen, method)(X).tobytes() == getattr(alone, method)(X).tobytes()


@pytest.mark.filterwarnings(f"ignore::{PellucidWarning.__module__}.{PellucidWarning.__name__}")
@pytest.mark.parametrize("name", RECALLING)
def test_a_watched_recall_is_an_unwatched_one_to_the_last_bit(name, picture):
    network = RECALLING[name]()
    before, wanted = picture(network), network.predict(START[None])[0]
    recording = watched(steps_of(name, network))
    np.testing.assert_array_equal(recording[-1].state, wanted)
    assert picture(network) == before


@pytest.mark.parametrize("name", EVERY)
def test_each_step_says_its_formulas_its_shapes_and_the_functions_that_made_it(name):
    for step in itertools.islice(steps_of(name, EVERY[name]()), 3):
        assert isinstance(step, Step)
        for key, value in step.values.items():
            if isinstance(value, list) or np.ndim(value):
                assert step.formulas.get(key), f"{key} has no formula"
        assert step.shapes.keys() == step.values.keys()
        assert isinstance(step.formulas, Mapping)
        assert step.functions
        assert all("def " in source for source in step.sources())


@pytest.mark.parametrize("name", EVERY)
def test_a_run_is_recorded_thinned_copied_saved_and_replayed(name, tmp_path):
    recording = Recording.of(steps_of(name, EVERY[name]()), most=3)
    every = [step.copy() for step in steps_of(name, EVERY[name]())]
    numbers = [*range(1, len(every) + 1, recording.every)]
    numbers += [len(every)] * (numbers[-1] != len(every))
    assert [step.number for step in recording] == numbers
    assert len(recording) <= 4
    pellucid.save(recording, tmp_path / "run.pellucid")
    for replayed in (recording, recording.copy(), pellucid.load(tmp_path / "run.pellucid")):
        for number, step in zip(numbers, replayed, strict=True):
            assert step.kind == every[number - 1].kind
            assert step.shapes == every[number - 1].shapes
            for key, value in every[number - 1].values.items():
                np.testing.assert_equal(step.values[key], value)


class Balance(HTMLParser):
    """Notes tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# What a trace is handed in, and a value that is given rather than made.
GIVEN = {"X", "w", "a0", "y", "v", "s", "x"}


@pytest.mark.parametrize("name", EVERY)
def test_every_trace_and_recording_renders_itself_for_a_notebook(name):
    network = EVERY[name]()
    if name in LEARNING:
        network.fit(X, y)
    recalls = name in RECALLING or "rbm" in name
    trace = network.trace(START if name in RECALLING else X[0]) if recalls else network.trace(X[0], y[0])
    shown = [trace, Recording.of(itertools.islice(steps_of(name, EVERY[name]()), 5))]
    for html in (each._repr_html_() for each in shown):
        balance = Balance()
        balance.feed(html.replace('vector-effect="non-scaling-stroke"/>', "></polyline>"))
        assert balance.open == []
        assert "<script" not in html
        assert "http" not in html
        assert "def " in html  # the source of what ran
    for record in trace:
        assert record.formula
        assert np.isfinite(record.value).all()
    made = [record for record in trace if record.name not in GIVEN]
    assert sum(record.function is not None for record in made) >= len(made) / 2, [
        r.name for r in made if not r.function
    ]
