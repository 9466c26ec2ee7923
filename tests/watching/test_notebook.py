"""The widget shows the library's networks by the studio's own views, and moves while they run."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from pellucid import BernoulliRBM, CNNClassifier, GaussianRBM, HopfieldNetwork, MLPClassifier, MLPRegressor, Neuron
from pellucid.data import NEURON_TABLE, circles, load_digits
from pellucid.errors import InvalidArgumentError
from pellucid.watching import widget
from pellucid.watching.notebook import VIEWS, bundled

pytest.importorskip("anywidget")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def mlp(**changes):
    return MLPClassifier((4, 3), max_iter=20, n_iter_no_change=20, tol=0, random_state=0, **changes)


def test_it_moves_while_a_network_trains_and_changes_nothing_of_the_run():
    X, y = circles(60, random_state=0)
    watched, alone = mlp(), mlp().fit(X, y)
    shown = widget(watched, X, y)
    seen = [shown.weights for _ in shown.watch(watched.steps(X, y))]
    assert len(set(seen)) == 20
    assert watched.stack_.parameters.vector.tobytes() == alone.stack_.parameters.vector.tobytes()
    assert shown.views == ["network", "boundary", "curve"]
    assert shown.sizes == [2, 4, 3, 1]
    assert len(np.frombuffer(shown.weights, "<f4")) == 2 * 4 + 4 * 3 + 3
    assert len(shown.curve[1]) == 20
    assert len(shown.answer) == 40 * 40


def test_a_regressor_has_no_plane_and_a_wide_network_no_units():
    X = np.random.default_rng(0).normal(size=(50, 3))
    curve = MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, n_iter_no_change=5, tol=0).fit(X, X[:, 0])
    assert widget(curve).views == ["network", "curve"]
    assert widget(mlp(), X, X[:, 0] > 0).views == ["network", "curve"] or widget(mlp(), X, X[:, 0] > 0).views == []
    wide = MLPRegressor(hidden_layer_sizes=(100,), max_iter=5, n_iter_no_change=5, tol=0).fit(X, X[:, 0])
    assert widget(wide).views == ["curve"]


def test_a_neuron_and_a_hopfield_network():
    X, y = NEURON_TABLE
    shown = widget(Neuron(random_state=1).fit(X, y), X, y)
    assert shown.record["inputs"] == [0, 0, 1]
    assert shown.record["target"] == 0
    patterns = np.random.default_rng(0).choice([-1, 1], (2, 49))
    memory = HopfieldNetwork(random_state=0).fit(patterns)
    pad = widget(memory)
    for step in pad.watch(memory.steps(-patterns[0])):
        assert pad.unit == step.unit
        assert pad.state == step.state.tolist()
    assert pad.pad_side == 7


def test_a_convolutional_network_shows_its_maps_and_what_it_takes_for_what():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 6, 6)), np.arange(30) % 3
    model = CNNClassifier(
        ((2, 3), (3, 3)), (5,), max_iter=3, n_iter_no_change=3, tol=0, random_state=0, pool_size=(2, 1)
    )
    shown = widget(model, X, y)
    for _ in shown.watch(model.steps(X, y)):
        pass
    assert shown.views == ["maps", "confusion", "curve"]
    trace = model.trace(X[:1])
    assert [group["values"] for group in shown.maps] == [np.ravel(trace[name]).tolist() for name in ("a1", "a2")]
    assert shown.maps[0]["sources"] == np.ravel(trace["source1"]).tolist()
    assert shown.maps[0]["windows"] == [3, 3]
    assert "sources" not in shown.maps[1]
    assert shown.confusion == confusion_matrix(y, model.predict(X)).ravel().tolist()
    assert shown.classes == [0, 1, 2]
    assert len(shown.curve[1]) == 3
    assert widget(model, X).views == ["maps", "curve"]
    assert widget(model).views == ["curve"]


def test_what_is_counted_at_every_step_is_a_bounded_sample(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.random((2500, 6, 6)), np.repeat(np.arange(3), [2400, 60, 40])  # in order, as they often stand
    model = CNNClassifier(((2, 3),), (4,), max_iter=1, n_iter_no_change=1, tol=0, random_state=0).fit(X, y)
    asked = []
    predict = CNNClassifier.predict
    monkeypatch.setattr(CNNClassifier, "predict", lambda self, rows: asked.append(len(rows)) or predict(self, rows))
    taken = np.reshape(widget(model, X, y).confusion, (3, 3))
    assert asked == [1000]
    assert np.abs(taken.sum(axis=1) - [960, 24, 16]).max() <= 1
    few = np.reshape(widget(model, X[:30], y[:30]).confusion, (3, 3))
    assert few.sum() == 30


def test_a_machine_over_pictures_shows_its_weights_and_both_phases():
    X = load_digits()[0][:40]
    machine, alone = (BernoulliRBM(9, n_iter=2, random_state=0) for _ in range(2))
    shown = widget(machine, X)
    assert (shown.views, shown.filters) == (["rbm"], b"")
    for step in shown.watch(machine.steps(X)):
        assert len(shown.filters) == len(shown.change) == len(shown.positive) == 9 * 64
        assert shown.v_data == np.rint(255 * step.v_positive).astype(np.uint8).tobytes()
        assert shown.on_share[0] == step.h_positive.mean(axis=0).tolist()
    np.testing.assert_array_equal(machine.components_, alone.fit(X).components_)
    assert (shown.views, shown.tile, len(shown.picture), len(shown.hidden)) == (["rbm"], 8, 64, 9)
    with pytest.raises(InvalidArgumentError, match="square pictures, of 64 or 784 pixels for example, got 5"):
        widget(BernoulliRBM(2, n_iter=1).fit(X[:, 20:25]))


def test_spinn_s_reading_of_a_sentence_while_it_learns_and_a_trace():
    pytest.importorskip("torch")
    from pellucid.data.english import generate_english
    from pellucid.spinn import SPINNClassifier, Tree

    pairs = generate_english({"train": 300})["train"]
    model = SPINNClassifier(
        encoder="spinn", parses="predicted", hidden=12, embedding=8, tracker=8, mlp=16, max_iter=3, random_state=0
    )
    tree = Tree.left_branching(["every", "big", "unicorn", "runs"])
    shown = widget(model, tree)
    assert (shown.views, shown.reading) == (["spinn"], {})
    for _ in shown.watch(model.steps(pairs, [pair.label for pair in pairs])):
        trace = model.trace(tree)
        assert shown.reading["transitions"] == trace.tree.transitions.tolist()
        np.testing.assert_allclose(shown.reading["steps"][-1]["values"]["h"], trace.moments[-1].h, rtol=0, atol=1e-6)
    assert shown.reading["unknown"] == [2]
    assert shown.reading["compared"] == tree.transitions.tolist()
    assert shown.views == ["spinn", "curve"]
    assert shown.moment == 7
    assert widget(trace).reading["words"] == list(tree.words)
    with pytest.raises(InvalidArgumentError, match="give X, a text or a Tree, got None"):
        widget(model)


def test_what_it_does_not_show_is_named():
    with pytest.raises(
        InvalidArgumentError,
        match="HopfieldNetwork, BernoulliRBM, SPINNClassifier, Reading, Graph, got GaussianRBM",
    ):
        widget(GaussianRBM())
    with pytest.raises(InvalidArgumentError, match="at its first example: give X"):
        widget(Neuron().fit(*NEURON_TABLE))


def test_the_module_is_one_text_that_imports_nothing_by_name():
    text = bundled("widget.js")
    assert 'from "./' not in text
    assert text.count('from "data:text/javascript;base64,') == 11
    assert len(text) < 300_000
    for path in VIEWS.glob("*.js"):
        if path.name not in {"paint.js"}:
            assert "export default { render };" in path.read_text(encoding="utf-8")


def test_it_speaks_chinese_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    shown = widget(HopfieldNetwork().fit(np.ones((1, 9))))
    assert shown.texts["output"] == "输出"
