"""The widget shows the library's networks by the studio's own views, and moves while they run."""

import numpy as np
import pytest

from pellucid import BernoulliRBM, HopfieldNetwork, MLPClassifier, MLPRegressor, Neuron
from pellucid.data import NEURON_TABLE, circles
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


def test_what_it_does_not_show_is_named():
    with pytest.raises(
        InvalidArgumentError, match="widget shows StackEstimator, Neuron, HopfieldNetwork, Graph, got BernoulliRBM"
    ):
        widget(BernoulliRBM())
    with pytest.raises(InvalidArgumentError, match="at its first example: give X"):
        widget(Neuron().fit(*NEURON_TABLE))


def test_the_module_is_one_text_that_imports_nothing_by_name():
    text = bundled("widget.js")
    assert 'from "./' not in text
    assert text.count('from "data:text/javascript;base64,') == 7
    assert len(text) < 300_000
    for path in VIEWS.glob("*.js"):
        if path.name not in {"paint.js"}:
            assert "export default { render };" in path.read_text(encoding="utf-8")


def test_it_speaks_chinese_where_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    shown = widget(HopfieldNetwork().fit(np.ones((1, 9))))
    assert shown.texts["output"] == "输出"
