"""The pictures of each experiment: what a Result holds, drawn so that a beginner sees what was learnt."""

from collections.abc import Callable, Mapping
from textwrap import fill
from typing import Any

import numpy as np

from pellucid.experiments import Result
from pellucid.language import say
from pellucid.watching import memories, panels, sentences
from pellucid.watching.diagram import draw_network
from pellucid.watching.style import BLUE, CYCLE, GREEN, INK, LINE, MUTED, ORANGE, Picture, picture

__all__ = ["pictures_of"]

Draw = Callable[[Result], Picture]


def pictures_of(result: Result) -> Mapping[str, Draw]:
    """Return the pictures of a result by their names, the most telling one first; none if it was skipped."""
    if result.skipped:
        return {}
    return _CONVOLVED if hasattr(result.payload.get("model"), "conv_layers") else _GALLERY[result.experiment]


def neuron_learning(result: Result) -> Picture:
    """Draw the outputs of the four rows and the weights over the iterations, and the new case."""
    payload = result.payload
    steps, y = payload["steps"], payload["y"]
    moments = [step.iteration for step in steps]
    outputs = np.array([step.output for step in steps])  # (moments, N)
    weights = np.array([step.weights for step in steps])  # (moments, D)
    figure = picture(13, 4.6)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.15, 1, 0.85])
    for row, colour in enumerate(CYCLE[: len(y)]):
        name = say("{row} → {target}", row=_row(payload["X"][row]), target=y[row])
        left.plot(moments, outputs[:, row], color=colour, label=name, linestyle="-" if y[row] else "--")
    left.set(xscale="log", xlabel=say("iteration"), ylabel=say("output"), ylim=(-0.03, 1.03), xlim=(1, moments[-1]))
    left.set_title(say("Each row moves to its target, 0 or 1"))
    left.legend(loc="center right", title=say("row → target"))
    for unit, colour in enumerate(CYCLE[: weights.shape[1]]):
        middle.plot(moments, weights[:, unit], color=colour)
        middle.annotate(
            f"$w_{unit + 1}$",
            (moments[-1], weights[-1, unit]),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
        )
    middle.axhline(0, color=MUTED, linewidth=1)
    middle.set(xscale="log", xlabel=say("iteration"), ylabel=say("weight"), xlim=(1, moments[-1]))
    middle.set_title(say("The first weight grows: it decides"))
    for axes in (left, middle):
        panels.plain(axes.xaxis)
    draw_network(
        right,
        [payload["model"].coef_.T],
        [payload["new_case"][0], np.array([payload["prediction"]])],
        column_names=(say("new case"), say("answer")),
    )
    right.set_title(say("A row it has never seen"))
    answer = f"{payload['prediction']:.8f}"
    right.text(1.6, -0.65, answer, color=ORANGE, fontsize=13, weight="bold", ha="center")
    return figure


def two_layer_learning(result: Result) -> Picture:
    """Predictions against the truth, the loss, and the largest error from 100 starts."""
    payload = result.payload
    outputs, y = payload["outputs"], payload["y"]
    figure = picture(13, 4.4)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1.05, 1, 1])
    places = np.arange(len(y))
    left.vlines(places, y, outputs, color=LINE, linewidth=2)
    left.scatter(places, y, s=190, facecolor="none", edgecolor=INK, linewidth=1.8, label=say("truth"))
    left.scatter(places, outputs, s=75, color=ORANGE, label=say("prediction"), zorder=3)
    for place, output in zip(places, outputs, strict=True):
        left.annotate(
            f"{output:.3f}",
            (place, output),
            xytext=(14, 0),
            textcoords="offset points",
            va="center",
            fontsize=9.5,
        )
    left.set_xticks(places, [_row(row) for row in payload["X"]])
    left.set(ylim=(-0.12, 1.12), xlim=(-0.4, len(y) - 0.3), xlabel=say("input row"), yticks=[0, 0.5, 1])
    left.set_title(say("Predictions meet the truth"))
    left.legend(loc="center")
    panels.curves(middle, payload["model"].loss_curve_)
    middle.set(xlabel=say("iteration"))
    middle.set_title(say("The loss only ever falls"))
    _starts(right, payload["max_errors"])
    return figure


def _starts(axes: Any, errors: np.ndarray) -> None:
    axes.plot(np.arange(1, errors.size + 1), np.sort(errors), color=GREEN)
    axes.axhline(0.05, color=ORANGE, linestyle="--", linewidth=1.5)
    panels.note(
        axes,
        0.02,
        0.05,
        say("allowed: 0.05"),
        transform=axes.get_yaxis_transform(),
        color=ORANGE,
        va="bottom",
    )
    axes.set(
        ylim=(0, max(0.06, 1.1 * float(errors.max()))),
        xlabel=say("start, best first"),
        ylabel=say("largest error"),
    )
    axes.set_title(say("Not luck: {n} random starts", n=errors.size))


def two_layer_inside(result: Result) -> Picture:
    """Draw the trained network four times, with the values that each input row leaves in its units."""
    payload = result.payload
    model = payload["model"]
    figure = picture(13, 4.4)
    _heading(figure, say("Inside: what each unit says to each row"))
    for axes, row, target in zip(figure.subplots(1, len(payload["X"])), payload["X"], payload["y"], strict=True):
        draw_network(
            axes,
            model.coefs_,
            activations(model, row),
            column_names=(say("input"), say("hidden"), say("output")),
        )
        axes.set_title(say("{row} → {target}", row=_row(row), target=target), loc="center")
    return figure


def xor_surface(result: Result) -> Picture:
    """Draw the network with its weights, and what it answers over the whole plane."""
    payload = result.payload
    model = payload["model"]
    figure = picture(11.5, 4.8)
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
    draw_network(left, model.coefs_, column_names=(say("input"), say("hidden"), say("output")))
    left.set_title(say("Orange lines say yes, blue lines say no"))
    drawn = panels.surface(right, model, payload["X"], payload["y"])
    right.set(xticks=[0, 1], yticks=[0, 1])
    right.set_title(say("Exclusive or: no straight line parts the colours"))
    bar = figure.colorbar(drawn, ax=right, ticks=[0, 0.5, 1], fraction=0.05, pad=0.04)
    bar.set_label(say("output"), color=MUTED)
    bar.outline.set_visible(False)
    return figure


def xor_starts(result: Result) -> Picture:
    """Draw the losses of 100 starts with four hidden units, and of 100 with the classic two."""
    payload = result.payload
    figure = picture(12.5, 4.6)
    left, right = figure.subplots(1, 2)
    _losses(left, payload["curves"], payload["solved"])
    left.set_title(
        say(
            "4 hidden units: {n} of {total} starts learn it",
            n=_count(payload["solved"]),
            total=len(payload["solved"]),
        )
    )
    _losses(right, payload["classic_curves"], payload["classic_solved"])
    right.set_title(
        say(
            "The classic 2: {n} of {total}; orange is stuck",
            n=_count(payload["classic_solved"]),
            total=len(payload["classic_solved"]),
        )
    )
    return figure


def _losses(axes: Any, curves: list[np.ndarray], solved: list[int | None]) -> None:
    for losses, found in zip(curves, solved, strict=True):
        stuck = found is None
        axes.plot(
            np.arange(1, losses.size + 1),
            losses,
            color=ORANGE if stuck else BLUE,
            linewidth=1,
            alpha=0.6,
            zorder=3 if stuck else 2,
        )
        if not stuck:
            axes.plot(losses.size, losses[-1], ".", color=BLUE, markersize=5, alpha=0.8)
    axes.set(xscale="log", xlabel=say("iteration"), ylabel=say("loss"))
    axes.set_ylim(bottom=0)
    axes.set_xlim(1, 1.3 * max(losses.size for losses in curves))
    panels.plain(axes.xaxis)


def images_confusion(result: Result) -> Picture:
    """Which digits are taken for which, and how the loss fell."""
    payload = result.payload
    model = payload["model"]
    figure = picture(12.5, 5.2)
    left, right = figure.subplots(1, 2, width_ratios=[1.05, 1])
    panels.confusion(left, payload["confusion"], payload["classes"])
    left.set_title(say("{share:.2%} of the test images are read correctly", share=result.metrics["test_accuracy"]))
    panels.curves(right, model.loss_curve_, getattr(model, "validation_loss_curve_", None))
    right.set_title(say("Loss on what it learns from, and on what it has not seen"))
    return figure


def images_weights(result: Result) -> Picture:
    """Draw what the first hidden units look for, as images."""
    W = result.payload["model"].coefs_[0]
    strongest = np.argsort(np.linalg.norm(W, axis=0))[::-1][:60]
    figure = picture(12.5, 5.6)
    axes = figure.subplots()
    panels.tiles(axes, W[:, strongest], columns=12)
    _heading(
        figure,
        say("What {n} hidden units look for: ink at orange says yes, ink at blue says no", n=strongest.size),
    )
    return figure


def images_worst(result: Result) -> Picture:
    """Draw the mistakes of which the network was most certain."""
    payload = result.payload
    n = len(payload["worst_images"])
    rows = max(1, -(-n // 8))
    columns = max(1, -(-n // rows))
    figure = picture(1.55 * columns + 0.3, 2.05 * rows + 0.5)
    _heading(figure, say("The mistakes it was most certain of"))
    for index in range(n):
        title = say(
            "a {true}, read as {read}\n{share:.0%} certain",
            true=payload["worst_true"][index],
            read=payload["worst_predicted"][index],
            share=payload["worst_certainty"][index],
        )
        panels.image(figure.add_subplot(rows, columns, index + 1), payload["worst_images"][index], title)
    return figure


def images_sample(result: Result) -> Picture:
    """Ten test images with the probability that the network gives to each digit."""
    payload = result.payload
    figure = picture(12.5, 3.4)
    _heading(figure, say("Ten test images, and what the network makes of them"))
    axes = figure.subplots(2, 10, height_ratios=[1.3, 1])
    for index in range(10):
        panels.image(axes[0, index], payload["sample_images"][index])
        panels.bars_of(
            axes[1, index],
            payload["sample_probabilities"][index],
            payload["classes"],
            payload["sample_true"][index],
        )
    return figure


def activations(model: Any, row: np.ndarray) -> list[np.ndarray]:
    """Return the values that ``row`` (D,) leaves in each layer, the input first, from the model's trace."""
    trace = model.trace(row)
    return [np.ravel(record.value) for record in trace if record.name.rstrip("0123456789") in ("a", "p")]


def _heading(figure: Picture, text: str) -> None:
    figure.suptitle(text, x=0.012, ha="left")


def _count(solved: list[int | None]) -> int:
    return sum(found is not None for found in solved)


def _row(values: np.ndarray) -> str:
    return " ".join(f"{value:g}" for value in values)


_IMAGES: Mapping[str, Draw] = {
    "confusion": images_confusion,
    "weights": images_weights,
    "sample": images_sample,
    "worst": images_worst,
}


def cnn_filters(result: Result) -> Picture:
    """Draw the patterns that the first convolution looks for."""
    kernels = result.payload["model"].coefs_[0]  # (O, C, k, k)
    patterns = kernels.reshape(-1, kernels.shape[2] * kernels.shape[3])
    figure = picture(10.5, 3.6)
    axes = figure.subplots()
    panels.tiles(axes, patterns.T, columns=min(8, len(patterns)))
    _heading(figure, say("What the first convolution looks for: ink at orange says yes, ink at blue says no"))
    return figure


def cnn_maps(result: Result) -> Picture:
    """Draw one digit, where its patterns were found, what pooling left, and how each pixel would change the loss."""
    trace = result.payload["trace"]
    figure = picture(12.5, 6.4)
    _heading(figure, say("One digit on its way through the network"))
    left, right = figure.subplots(2, 2, width_ratios=[1, 2.4])
    panels.image(left[0], trace["a0"][0, 0].ravel())
    left[0].set_title(say("the digit"), fontsize=11)
    rows = (
        (left[1], "a1", say("where its patterns were found")),
        (right[1], "m2", say("what the second pooling left")),
    )
    for axes, name, title in rows:
        maps = trace[name][0]
        panels.tiles(axes, maps.reshape(len(maps), -1).T, columns=max(1, len(maps) // 2))
        axes.set_title(title, fontsize=11)
    gradient = trace["dx"][0, 0]
    panels.tiles(right[0], gradient.reshape(-1, 1), columns=1)
    how = say("how ink at each pixel would raise (orange) or lower (blue) the loss")
    right[0].set_title(fill(how, 36), fontsize=11)
    return figure


_CONVOLVED: Mapping[str, Draw] = {
    "confusion": images_confusion,
    "filters": cnn_filters,
    "maps": cnn_maps,
    "sample": images_sample,
    "worst": images_worst,
}


def rbm_filters(result: Result) -> Picture:
    """Draw the weights of each hidden unit as an image."""
    figure = picture(7, 7.4)
    axes = figure.subplots()
    panels.tiles(axes, result.payload["model"].components_.T, columns=10)
    axes.set_title(say("What each hidden unit looks for"))
    return figure


def rbm_images(result: Result) -> Picture:
    """Draw images with their reconstructions, and fantasy particles."""
    payload = result.payload
    figure = picture(9, 5.4)
    upper, lower = figure.subplots(2, 1, height_ratios=[2, 3])
    panels.tiles(upper, np.vstack([payload["images"], payload["reconstructions"]]).T, columns=10)
    upper.set_title(say("Digits, and below them how the machine sees them"))
    panels.tiles(lower, payload["fantasies"].T, columns=10)
    lower.set_title(say("What it dreams: chains begun at random"))
    return figure


def rbm_confusion(result: Result) -> Picture:
    """Draw which digits are taken for which by what reads the hidden units."""
    figure = picture(6.4, 5.6)
    axes = figure.subplots()
    panels.confusion(axes, result.payload["confusion"], result.payload["classes"])
    axes.set_title(say("{share:.2%} of the test images are read correctly", share=result.metrics["test_accuracy"]))
    return figure


_GALLERY: Mapping[str, Mapping[str, Draw]] = {
    "neuron": {"learning": neuron_learning},
    "two-layer": {"learning": two_layer_learning, "inside": two_layer_inside},
    "xor": {"surface": xor_surface, "starts": xor_starts},
    "digits": _IMAGES,
    "mnist": _IMAGES,
    "cnn-digits": _CONVOLVED,
    "hopfield": {
        "recall": memories.recall,
        "energies": memories.energies,
        "spurious": memories.spurious,
        "landscape": memories.landscape,
        "capacity": memories.capacity,
    },
    "rbm-digits": {"filters": rbm_filters, "images": rbm_images, "confusion": rbm_confusion},
    "logic": {"bins": sentences.logic_bins, "pair": sentences.logic_pair, "confusion": sentences.confusion},
    "listops": {
        "tree": sentences.listops_tree,
        "lengths": sentences.listops_lengths,
        "confusion": sentences.confusion,
    },
    "inference": {"pair": sentences.pair, "confusion": sentences.confusion},
}
