"""The commands and their options: names, types and help. The work is elsewhere, imported when asked for."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from pellucid.cli.spinn_app import spinn_app
from pellucid.language import say

__all__ = ["app"]

# Plain help: typer's boxes would double the time that `pellucid --help` takes, and read badly aloud.
app = typer.Typer(add_completion=False, rich_markup_mode=None)
app.add_typer(spinn_app, name="spinn", help=say("Read sentences: train, evaluate, predict, parse."))


class Task(StrEnum):
    """What `train` may learn."""

    AUTO = "auto"
    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class Engine(StrEnum):
    """What may run the arithmetic."""

    AUTO = "auto"
    COMPILED = "compiled"
    REFERENCE = "reference"
    TORCH = "torch"


class Precision(StrEnum):
    """What torch may compute products from."""

    FULL = "full"
    BF16 = "bf16"


class Device(StrEnum):
    """Where torch may train."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


Json = Annotated[bool, Option("--json", help=say("Print one JSON object on stdout, nothing else."))]
AnySeed = Annotated[int | None, Option(min=0, max=2**32 - 1, help=say("The random seed."))]
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help=say("The random seed."))]
Data = Annotated[Path | None, Option(metavar="DIR", help=say("A folder with MNIST's files."))]
ModelFile = Annotated[Path, Argument(metavar="MODEL", help=say("A model file, as train writes it."))]


@app.callback(invoke_without_command=True, help=say("Neural networks you can see through."))
def pellucid(
    context: typer.Context,
    version: Annotated[bool, Option("--version", help=say("Print the version and leave."))] = False,
) -> None:
    """Answer `pellucid` without a command."""
    if version:
        from pellucid import __version__

        print(f"pellucid {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command(help=say("See the networks learn: figures, a report."))
def tour(
    *,
    quick: Annotated[bool, Option("--quick", help=say("At most 3 minutes, nothing to download."))] = False,
    data: Data = None,
    out: Annotated[Path, Option(metavar="DIR", help=say("The folder for figures and report."))] = Path("pellucid-tour"),
) -> None:
    """Run all the experiments."""
    from pellucid.cli import experiments

    experiments.tour(quick=quick, data=data, out=out)


@app.command(help=say("Run one experiment and judge its figures."))
def run(
    name: Annotated[
        str,
        Argument(
            metavar="NAME",
            help="neuron, two-layer, xor, digits, mnist, cnn-digits, hopfield, rbm-digits, logic, listops, inference",
        ),
    ],
    *,
    json: Json = False,
    seed: AnySeed = None,
    figures: Annotated[Path | None, Option(metavar="DIR", help=say("Draw figures into this folder."))] = None,
    data: Data = None,
    model: Annotated[str | None, Option(metavar="mlp|cnn", help=say("The network for mnist."))] = None,
    training: Annotated[
        str | None, Option(metavar="long", help=say("short (10 minutes) or long, for listops."))
    ] = None,
) -> None:
    """Run one experiment."""
    from pellucid.cli import experiments

    given = {"model": model, "training": training}
    options = {name: value for name, value in given.items() if value is not None}
    experiments.run(name, json=json, seed=seed, figures=figures, data=data, options=options)


@app.command(help=say("Watch a network learn, one step at a key."))
def watch(
    room: Annotated[str, Argument(metavar="ROOM", help="neuron, two-layer, xor, digits, cnn, hopfield, rbm, spinn")],
    *,
    seed: AnySeed = None,
) -> None:
    """Show one step at a time in the terminal."""
    from pellucid.watching import terminal

    terminal.watch(room, seed=seed)


@app.command(help=say("Open the studio: networks in a web page."))
def studio(
    *,
    port: Annotated[int | None, Option(min=0, max=65535, help=say("The port; else the first free from 8765."))] = None,
    host: Annotated[str, Option(help=say("The address to listen at."))] = "127.0.0.1",
    token: Annotated[str | None, Option(help=say("The secret in the page's address; else a new one."))] = None,
    token_file: Annotated[
        Path | None, Option(metavar="FILE", help=say("A file that holds the secret: other users see arguments."))
    ] = None,
    allow_remote: Annotated[bool, Option("--allow-remote", help=say("Let other machines in, too."))] = False,
    browser: Annotated[bool, Option("--browser/--no-browser", help=say("Open the page in a browser."))] = True,
) -> None:
    """Serve the studio until Ctrl-C."""
    from pellucid.watching.studio import serve
    from pellucid.watching.studio.serving import token_of

    serve(port, host=host, token=token or token_of(token_file), remote=allow_remote, browser=browser)


@app.command(help=say("Open a lesson as a notebook; or list them."))
def lesson(
    name: Annotated[
        str | None, Argument(metavar="[NAME]", help="neuron, mlp, convolution, hopfield, rbm, graphs, spinn")
    ] = None,
    *,
    out: Annotated[Path | None, Option(metavar="DIR", help=say("A folder for your copy of it."))] = None,
    port: Annotated[int | None, Option(min=1, max=65535, help=say("The port; else any that is free."))] = None,
    browser: Annotated[bool, Option("--browser/--no-browser", help=say("Open the page in a browser."))] = True,
) -> None:
    """Open a copy of a lesson with marimo."""
    from pellucid.cli.lessons import lesson

    lesson(name, out=out, port=port, browser=browser)


@app.command(help=say("Train a network on a table of your own."))
def train(
    file: Annotated[Path, Argument(metavar="FILE", help=say("A CSV with a header, or an NPZ with X, y."))],
    *,
    target: Annotated[str | None, Option(metavar="NAME", help=say("The column to predict; else the last."))] = None,
    task: Annotated[Task, Option(help=say("What to learn; auto: by the target."))] = Task.AUTO,
    out: Annotated[Path | None, Option(metavar="MODEL", help=say("The file for the trained model."))] = None,
    hidden: Annotated[str, Option(metavar="100,50", help=say("The units of each hidden layer."))] = "100",
    epochs: Annotated[int, Option(min=1, help=say("Passes over the rows, at most."))] = 200,
    seed: Seed = 0,
    test_fraction: Annotated[float, Option(min=0.0, max=0.9, help=say("The share of rows for the test."))] = 0.2,
    engine: Annotated[Engine, Option(help=say("What runs the arithmetic."))] = Engine.AUTO,
    device: Annotated[Device, Option(help=say("Where torch trains."))] = Device.AUTO,
    precision: Annotated[Precision, Option(help=say("What torch computes products from."))] = Precision.FULL,
    compile: Annotated[bool, Option("--compile", help=say("Let torch compile the network first."))] = False,
    checkpoint: Annotated[
        Path | None, Option(metavar="DIR", help=say("Keep there what is needed to go on, and go on from it."))
    ] = None,
    checkpoint_every: Annotated[float, Option(min=0.0, help=say("Seconds between checkpoints."))] = 10.0,
    json: Json = False,
) -> None:
    """Read, split, scale, train, report, save."""
    from pellucid.cli.train import Order, train

    order = Order(
        file, target, task.value, out, hidden, epochs, seed, test_fraction, engine.value, device.value,
        precision.value, compile, checkpoint, checkpoint_every,
    )  # fmt: skip
    train(order, json=json)


@app.command(help=say("Predict the rows of a table: CSV on stdout."))
def predict(
    model: ModelFile,
    file: Annotated[Path, Argument(metavar="FILE", help=say("A table with the columns of training."))],
    *,
    proba: Annotated[bool, Option("--proba", help=say("Every class's probability, too."))] = False,
    out: Annotated[Path | None, Option(metavar="CSV", help=say("A file, instead of stdout."))] = None,
) -> None:
    """Predict from a model file alone."""
    from pellucid.cli.predict import predict

    predict(model, file, proba=proba, out=out)


@app.command(help=say("Say what is in a model file."))
def inspect(model: ModelFile, *, json: Json = False) -> None:
    """Describe a model file."""
    from pellucid.cli.inspect import inspect

    inspect(model, json=json)


@app.command(help=say("Write a network as ONNX, or as a script."))
def export(
    model: ModelFile,
    out: Annotated[Path, Argument(metavar="OUT", help=say("A file that ends in .onnx or .py."))],
) -> None:
    """Bring a network to where Pellucid is not."""
    from pellucid.cli.export import export

    export(model, out)


@app.command(help=say("Time Pellucid and its peers on this machine."))
def bench(
    room: Annotated[
        str | None,
        Argument(metavar="[ROOM]", help=say("neuron, mlp, cnn, hopfield, rbm, spinn or watching; else all.")),
    ] = None,
    *,
    threads: Annotated[int, Option(min=1, help=say("Threads for everybody."))] = 1,
    device: Annotated[Device | None, Option(help=say("Where torch computes, for both (spinn)."))] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Measure."""
    from pellucid.cli import experiments

    experiments.bench(room, threads=threads, device=None if device is None else device.value, data=data, json=json)
