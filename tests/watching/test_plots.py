"""Pictures of networks, traces and results: they are drawn, say the right thing, and leave nothing behind."""

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from pellucid.errors import InvalidArgumentError
from pellucid.experiments import Result, run
from pellucid.networks.mlp import MLPClassifier
from pellucid.networks.neuron import Neuron
from pellucid.watching import figures, plot
from pellucid.watching.diagram import draw_network
from pellucid.watching.style import BLUE, ORANGE, picture

FOUR = ("neuron", "two-layer", "xor", "digits")


def texts(figure):
    found = [figure.get_suptitle()]
    for axes in figure.axes:
        found += [axes.get_title("left"), axes.get_title("center"), *(text.get_text() for text in axes.texts)]
    return "\n".join(found)


@pytest.mark.parametrize("name", FOUR)
def test_every_picture_of_a_result_is_saved_and_has_ink(results, name, tmp_path):
    paths = figures(results[name], tmp_path / "new" / "folder")
    assert paths
    for path in paths:
        assert path.name.startswith(f"{name}-")
        with Image.open(path) as image:
            assert image.width > 600
            assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize("name", FOUR)
def test_a_results_first_picture_is_its_plot(results, name):
    assert texts(plot(results[name])).strip()


def test_a_picture_of_a_result_can_be_named(results):
    assert "starts learn it" in texts(plot(results["xor"], name="starts"))


def test_an_unknown_picture_is_refused_with_those_there_are(results):
    with pytest.raises(InvalidArgumentError, match="name must be one of surface, starts for xor, got 'loss'"):
        plot(results["xor"], name="loss")


def test_a_skipped_result_has_no_pictures(tmp_path):
    skipped = run("mnist", quick=True)
    assert figures(skipped, tmp_path) == []
    with pytest.raises(InvalidArgumentError, match="this result of mnist has no pictures: MNIST is 11 MB"):
        plot(skipped)


def test_a_result_without_mistakes_is_drawn(results, tmp_path):
    perfect = dict(results["digits"].payload)
    for name in ("worst_images", "worst_true", "worst_predicted", "worst_certainty"):
        perfect[name] = perfect[name][:0]
    result = Result("digits", 0, results["digits"].metrics, {}, True, 1.0, (), perfect)
    assert len(figures(result, tmp_path)) == len(figures(results["digits"], tmp_path))


def test_a_trace_shows_every_value_with_its_formula(results):
    payload = results["two-layer"].payload
    trace = payload["model"].trace(payload["X"], payload["y"])
    shown = " ".join(texts(plot(trace)).split())
    for record in trace:
        assert " ".join(record.formula.split()) in shown


def test_a_small_network_is_drawn_unit_by_unit_with_its_loss_and_its_plane(results):
    payload = results["xor"].payload
    figure = plot(payload["model"], payload["X"], payload["y"])
    assert len(figure.axes) == 3


def test_a_neuron_is_drawn(results):
    assert len(plot(results["neuron"].payload["model"]).axes) >= 1


def test_a_network_over_images_shows_its_first_weights(results):
    assert "look for" in texts(plot(results["digits"].payload["model"]))


def test_a_large_network_over_a_table_is_drawn():
    X = np.random.default_rng(0).normal(size=(60, 15))
    model = MLPClassifier(hidden_layer_sizes=(30,), max_iter=5, tol=0, n_iter_no_change=5).fit(X, X[:, 0] > 0)
    assert len(plot(model).axes) == 2


@pytest.mark.parametrize("model", [MLPClassifier(), Neuron(), "a text"])
def test_what_is_not_fitted_is_refused(model):
    with pytest.raises(InvalidArgumentError, match="plot takes a fitted network, a Trace or a Result, got"):
        plot(model)


def test_a_reading_shows_its_tree_and_what_the_machine_knew_at_each_step():
    pytest.importorskip("torch")
    from pellucid.data.english import generate_english
    from pellucid.spinn import SPINNClassifier

    pairs = generate_english({"train": 60})["train"]
    y = [pair.label for pair in pairs]
    tree = pairs.examples[0].premise
    for settings in ({"encoder": "spinn", "parses": "predicted"}, {}):
        trace = SPINNClassifier(hidden=8, tracker=6, max_iter=1, random_state=0, **settings).fit(pairs, y).trace(tree)
        figure = plot(trace)
        assert all(word in texts(figure) for word in tree.words)
        ticks = [label.get_text() for label in figure.axes[1].get_xticklabels()]
        assert [tick.split()[0] for tick in ticks] == [moment.name for moment in trace.moments]
        (image,) = figure.axes[1].images
        assert image.get_array().shape == (6 if settings else 8, len(trace.moments))


def test_plot_leaves_no_global_state(results):
    before = dict(mpl.rcParams)
    plot(results["neuron"])
    assert dict(mpl.rcParams) == before


def test_a_positive_weight_is_an_orange_line_and_a_negative_a_blue_one():
    axes = picture(2, 2).subplots()
    draw_network(axes, [np.array([[1.0], [-2.0]])])
    assert [to_rgb(line.get_color()) for line in axes.lines] == [to_rgb(ORANGE), to_rgb(BLUE)]
    assert axes.lines[0].get_linewidth() < axes.lines[1].get_linewidth()


def test_values_are_written_into_their_units():
    axes = picture(2, 2).subplots()
    draw_network(axes, [np.array([[1.0], [-2.0]])], [np.array([0.25, 1.0]), np.array([-0.5])], signed=True)
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "\u22120.50"]
