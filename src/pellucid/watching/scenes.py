"""What ``pellucid watch`` shows: a generator of scenes for each room, from the model's Steps and Traces.

Nothing is computed here that the network does not compute: the numbers are those of ``steps()`` and
``trace()``.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pellucid.language import say
from pellucid.learning.trace import Record, Trace
from pellucid.watching.blocks import BLUE, GREEN, ORANGE, QUIET, Field, bar, number, sparkline

__all__ = ["ROOMS", "Scene"]

RBM_ROUNDS = 10


@dataclass(frozen=True)
class Scene:
    """One screen: a title and what stands under it."""

    title: str
    body: RenderableType


def neuron(seed: int | None) -> Iterator[Scene]:
    """Show the nine-line neuron's iterations, ever fewer as less changes; then a row it has never seen."""
    from pellucid.experiments import neuron as room
    from pellucid.networks.neuron import Neuron

    model = Neuron(max_iter=room.ITERATIONS, random_state=room.DEFAULT_SEED if seed is None else seed)
    shown = {
        *range(1, 6),
        *(base * power for base in (1, 2, 5) for power in (10, 100, 1_000)),
        room.ITERATIONS,
    }
    for step in model.steps(room.X, room.Y):
        if step.number in shown:
            yield Scene(
                say("Iteration {n} of {total}", n=step.number, total=room.ITERATIONS),
                _neuron_body(step.copy(), room),
            )
    prediction = float(model.predict_proba(room.NEW_CASE)[0, 1])
    yield Scene(
        say("A row it has never seen"),
        Group(
            say("The new case is 1 0 0. Only the first weight counts: output = 1 / (1 + exp(-w₁))."),
            "",
            Text(f"{prediction:.8f}", style=f"bold {ORANGE}"),
            "",
            say("In all four rows the target was the first input, and that is what the neuron has learnt."),
        ),
    )


def _neuron_body(step: Any, room: Any) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in (say("inputs"), say("output"), "", say("target"), say("error"), say("delta")):
        table.add_column(heading)
    largest = float(np.abs(step.delta).max())
    for row, target, output, error, delta in zip(room.X, room.Y, step.output, step.error, step.delta, strict=True):
        table.add_row(
            " ".join(f"{value:g}" for value in row),
            f"{output:.4f}",
            bar(output, 16, ORANGE if target else BLUE),
            str(target),
            number(error),
            number(delta, largest),
        )
    weights = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in (say("weight"), say("change"), say("new value")):
        weights.add_column(heading)
    for index, (change, weight) in enumerate(zip(step.change, step.weights, strict=True), 1):
        weights.add_row(f"w{index}", number(change, float(np.abs(step.change).max())), f"{weight:+.4f}")
    return Group(
        Text(
            "output = 1 / (1 + exp(-X w))     error = y - output     delta = error · output · (1 - output)",
            style=QUIET,
        ),
        "",
        table,
        "",
        Text("w = w + Xᵀ delta", style=QUIET),
        "",
        weights,
    )


def two_layer(seed: int | None) -> Iterator[Scene]:
    """One iteration of the two-layer network, value by value; then where 1,500 of them lead."""
    from pellucid.experiments import two_layer as room

    model = room.network(room.DEFAULT_SEED if seed is None else seed)
    steps = model.steps(room.X, room.Y)
    first = next(steps)
    yield Scene(say("Two layers, one iteration"), _two_layer_opening(room))
    trace = model.trace(room.X, room.Y)
    for index in range(len(trace)):
        yield Scene(
            say("Iteration 2, value {n} of {total}", n=index + 1, total=len(trace)),
            _record_body(trace, index),
        )
    losses = [first.loss]
    shown = {5, 20, 50, 100, 200, 500, 1_000, room.ITERATIONS}
    for step in steps:
        losses.append(step.loss)
        if step.number in shown:
            outputs = model.predict_proba(room.X)[:, 1]
            yield Scene(
                say("After {n} of {total} iterations", n=step.number, total=room.ITERATIONS),
                _outputs_body(room, outputs, losses),
            )


def _two_layer_opening(room: Any) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    table.add_column(say("inputs"))
    table.add_column(say("target"))
    for row, target in zip(room.X, room.Y, strict=True):
        table.add_row(" ".join(f"{value:g}" for value in row), str(target))
    return Group(
        say("Four rows. The target is 1 where exactly one of the first two inputs is; the third is always 1."),
        "",
        table,
        "",
        say("Three inputs feed four hidden units, these feed one output; each squashes its sum into 0 to 1."),
        say("What follows is one iteration: forwards to the loss, backwards to the blame, one step downhill."),
    )


def _record_body(trace: Trace, index: int) -> RenderableType:
    record = trace[index]
    shape = " × ".join(map(str, record.shape))
    sort = Text(f"({record.axes}) = {shape}" if record.axes and shape else shape or say("one number"), style=QUIET)
    return Group(
        _trail(record.phase),
        "",
        Text(record.formula, style="bold"),
        _meaning(record),
        sort,
        "",
        _values(record),
        "",
        Text(say("so far"), style=QUIET),
        _so_far(trace, index),
    )


def _trail(phase: str) -> Text:
    trail = Text()
    for name, text in (
        ("forward", say("forward")),
        ("loss", say("loss")),
        ("backward", say("backward")),
        ("update", say("update")),
    ):
        trail.append(f" {text} ", style=f"bold reverse {GREEN}" if name == phase else QUIET)
        trail.append("" if name == "update" else " ▸ ", style=QUIET)
    return trail


def _meaning(record: Record) -> str:
    meanings = {
        "a0": say("The input: one row for each example."),
        "p": say("The outputs: what the network answers."),
        "y": say("The targets: what it should have answered."),
        "z": say("The weighted sums that reach the units of layer {layer}.", layer=record.layer),
        "a": say("The activations: what the units of layer {layer} pass on.", layer=record.layer),
        "delta": say("The blame: how the loss changes with each sum of layer {layer}.", layer=record.layer),
        "dW": say("The gradient: how the loss changes with each weight into layer {layer}.", layer=record.layer),
        "db": say("The gradient: how the loss changes with each bias of layer {layer}.", layer=record.layer),
        "ΔW": say("The step: what is added to the weights into layer {layer}.", layer=record.layer),
        "Δb": say("The step: what is added to the biases of layer {layer}.", layer=record.layer),
        "loss": say("How far the outputs are from their targets, as one number."),
    }
    return meanings.get(record.name, meanings.get(record.name.rstrip("0123456789"), ""))


def _values(record: Record) -> RenderableType:
    values = np.asarray(record.value, dtype=float)
    if values.ndim == 0:
        return Text(f"{float(values):.6f}", style=f"bold {ORANGE}")
    values = np.atleast_2d(values)
    if values.shape[0] > 12 or values.shape[1] > 10:
        return Text(record.text())
    rows, columns = _labels(record, values.shape)
    table = Table(box=None, padding=(0, 2), header_style=QUIET)
    for heading in ("", *columns):
        table.add_column(heading, justify="right")
    largest = float(np.abs(values).max())
    for label, row in zip(rows, values, strict=True):
        table.add_row(Text(label, style=QUIET), *(number(float(value), largest) for value in row))
    return table


def _labels(record: Record, shape: tuple[int, ...]) -> tuple[list[str], list[str]]:
    """Return what the rows and columns of a value are: examples and units, or the two ends of a weight."""
    down, across = (range(1, size + 1) for size in shape)
    if record.axes.startswith("N"):
        return [say("row {n}", n=n) for n in down], [say("unit {n}", n=n) for n in across]
    return [say("from {n}", n=n) for n in down], [say("to {n}", n=n) for n in across]


def _so_far(trace: Trace, index: int) -> RenderableType:
    names = [
        Text(record.name, style=f"bold {ORANGE}" if at == index else "")
        for at, record in enumerate(trace)
        if at <= index
    ]
    return Columns(names, padding=(0, 2))


def _outputs_body(room: Any, outputs: np.ndarray, losses: list[float]) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in (say("inputs"), say("target"), say("output"), ""):
        table.add_column(heading)
    for row, target, output in zip(room.X, room.Y, outputs, strict=True):
        inputs = " ".join(f"{value:g}" for value in row)
        table.add_row(inputs, str(target), f"{output:.4f}", bar(output, 20, ORANGE if target else BLUE))
    return Group(table, "", Text.assemble(say("loss"), f"  {losses[-1]:.4f}  ", sparkline(losses)))


def xor(seed: int | None) -> Iterator[Scene]:
    """Exclusive or: the outputs over the whole plane as they bend, the four points, the loss."""
    from pellucid.experiments import xor as room

    model = room.network(room.DEFAULT_SEED if seed is None else seed)
    losses: list[float] = []
    shown = {1, 2, 5, 10, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300, 400, 500}
    for step in model.steps(room.X, room.Y):
        losses.append(step.loss)
        if step.number in shown:
            outputs = model.predict_proba(room.X)[:, 1]
            body = Columns([_plane(model), _outputs_body(room, outputs, losses)], padding=(0, 4))
            yield Scene(say("Exclusive or, iteration {n}", n=step.number), body)
        if step.number == max(shown):
            return


def _plane(model: Any) -> RenderableType:
    across = np.linspace(-0.3, 1.3, 17)
    up = across[::-1]
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    low, high = int(np.abs(across).argmin()), int(np.abs(across - 1).argmin())
    top, bottom = int(np.abs(up - 1).argmin()), int(np.abs(up).argmin())
    marks = {(bottom, low): "0", (top, low): "1", (bottom, high): "1", (top, high): "0"}
    return Field(model.predict_proba(grid)[:, 1].reshape(17, 17), "signed", marks)


def digits(seed: int | None) -> Iterator[Scene]:
    """Handwritten digits: after each epoch another test image, what the network makes of it, and the loss."""
    from pellucid.experiments import digits as room

    parts = room.parts(room.DEFAULT_SEED if seed is None else seed)
    model = room.network(room.DEFAULT_SEED if seed is None else seed)
    losses: list[float] = []
    for step in model.steps(parts.X_train, parts.y_train):
        losses.append(step.loss)
        if step.epoch <= 10 or step.epoch % 5 == 0:
            right = float(np.mean(model.predict(parts.X_test) == parts.y_test))
            index = (step.epoch - 1) % len(parts.X_test)
            body = _digit_body(model, parts.X_test[index], parts.y_test[index], right, losses)
            yield Scene(say("Digits, epoch {n} of {total}", n=step.epoch, total=room.EPOCHS), body)


def _digit_body(model: Any, image: np.ndarray, truth: int, right: float, losses: list[float]) -> RenderableType:
    probabilities = model.predict_proba(image[None, :])[0]
    table = Table(box=None, padding=(0, 1), show_header=False)
    for label, probability in zip(model.classes_, probabilities, strict=True):
        colour = GREEN if label == truth else BLUE
        table.add_row(
            Text(str(label), style="bold" if label == truth else ""),
            bar(probability, 24, colour),
            f"{probability:.3f}",
        )
    return Group(
        Columns([Field(image.reshape(8, 8)), table], padding=(0, 4)),
        "",
        say("A test image of a {digit}, which the network has never learnt from.", digit=truth),
        "",
        Text.assemble(say("loss"), f"  {losses[-1]:.4f}  ", sparkline(losses)),
        say("{share:.1%} of all test images are read correctly so far.", share=right),
    )


def hopfield(seed: int | None) -> Iterator[Scene]:
    """Show a letter with noise that repairs itself, flip by flip, while its energy falls."""
    from pellucid.data.letters import LETTER_NAMES, SIDE, letters
    from pellucid.experiments import hopfield as room
    from pellucid.networks.hopfield import corrupted

    seed = room.DEFAULT_SEED if seed is None else seed
    model = room.letter_network("pseudo_inverse", seed)
    place = seed % len(LETTER_NAMES)
    noisy = corrupted(letters()[[place]], 0.1, seed)[0]  # (N,)
    energies = [float(model.energy(noisy[None])[0])]

    def body(state: np.ndarray, text: str, mark: dict[tuple[int, int], str]) -> RenderableType:
        return Group(
            Field((state.reshape(SIDE, SIDE) + 1) / 2, "ink", mark),
            "",
            text,
            Text.assemble(say("energy"), f"  {energies[-1]:.4f}  ", sparkline(energies)),
        )

    yield Scene(
        say("The letter {name} with noise", name=LETTER_NAMES[place]),
        body(noisy, say("One pixel in ten is wrong. Each unit looks at its field, and follows it."), {}),
    )
    flips = 0
    for step in model.steps(noisy):
        if step.flipped:
            flips += 1
            energies.append(step.energy)
            text = say("unit {unit}: its field is {field:+.3f}, so it flips", unit=step.unit, field=step.field)
            yield Scene(say("Flip {n}", n=flips), body(step.state.copy(), text, {divmod(step.unit, SIDE): "o"}))
            rest = step.state.copy()
    right = flips > 0 and bool((rest == letters()[place]).all())
    text = (
        say("No unit flips any more: the letter is back.") if right else say("No unit flips any more: another valley.")
    )
    yield Scene(say("At rest after {n} flips", n=flips), body(rest if flips else noisy, text, {}))


def rbm(seed: int | None) -> Iterator[Scene]:
    """Show a Boltzmann machine learn digits, batch by batch; then let it dream, round by round of Gibbs sampling."""
    from pellucid.data import load_digits
    from pellucid.experiments import rbm_digits as room

    model = room.dreamer(room.DEFAULT_SEED if seed is None else seed, 3)
    X = room.nudged(load_digits()[0])
    X = X[np.random.RandomState(model.random_state).permutation(len(X))]
    last = -(-len(X) // model.batch_size)
    shown = {1, 2, 3, 10, 30, 100, 300, last, 2 * last, 3 * last}
    for step in model.steps(X):
        if step.number in shown:
            yield Scene(
                say("Batch {n}, epoch {epoch} of {total}", n=step.number, epoch=step.epoch, total=model.n_iter),
                _rbm_body(step.copy(), float(model.score_samples(X[:50]).mean())),
            )
    v = X[:1]
    for turn in range(RBM_ROUNDS):
        trace = model.trace(v[0])
        yield Scene(say("The machine alone: round {n} of Gibbs sampling", n=turn + 1), _gibbs_body(trace))
        v = np.asarray(trace["v_next"])


def _rbm_body(step: Any, score: float) -> RenderableType:
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in (say("v of the data"), say("v of the machine"), say("change of one unit's weights")):
        table.add_column(heading)
    unit = int(np.abs(step.change).sum(axis=1).argmax())
    largest = float(np.abs(step.change[unit]).max()) or 1.0
    table.add_row(
        Field(step.v_positive[0].reshape(8, 8)),
        Field(step.v_negative[0].reshape(8, 8)),
        Field(0.5 + step.change[unit].reshape(8, 8) / (2 * largest), "signed"),
    )
    return Group(
        Text("ΔW = η (<P(h|v) vᵀ>_data - <P(h|v) vᵀ>_model)", style=QUIET),
        "",
        table,
        "",
        say("Data pulls the weights towards itself; what the machine makes up pushes them away."),
        say("Unit {unit} changes most, by {size:.4f} at most.", unit=unit, size=largest),
        Text.assemble(say("log pseudo-likelihood of 50 images"), f"  {score:.2f}"),
    )


def _gibbs_body(trace: Trace) -> RenderableType:
    h = np.asarray(trace["h"])[0].reshape(10, 10)
    table = Table(box=None, padding=(0, 2), header_style="bold")
    for heading in ("v", say("P(h = 1 | v), o: drawn as 1"), "P(v' = 1 | h)"):
        table.add_column(heading)
    table.add_row(
        Field(np.asarray(trace["v"])[0].reshape(8, 8)),
        Field(np.asarray(trace["p_h"])[0].reshape(10, 10), marks={(int(r), int(c)): "o" for r, c in np.argwhere(h)}),
        Field(np.asarray(trace["p_v"])[0].reshape(8, 8)),
    )
    return Group(
        Text("h ~ σ(c + W v)     v' ~ σ(b + Wᵀh)", style=QUIET),
        "",
        table,
        "",
        say(
            "{on} of {n} hidden units are on; from them alone the picture on the right is drawn.",
            on=int(h.sum()),
            n=h.size,
        ),
        Text.assemble(say("free energy"), f"  {float(np.asarray(trace['free_energy'])[0]):.2f}"),
    )


ROOMS: Mapping[str, Callable[[int | None], Iterator[Scene]]] = {
    "neuron": neuron,
    "two-layer": two_layer,
    "xor": xor,
    "digits": digits,
    "hopfield": hopfield,
    "rbm": rbm,
}
