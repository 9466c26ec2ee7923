"""``pellucid spinn``: the commands that read sentences, and their options. The work is in ``spinn.py``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from pellucid.language import say

__all__ = ["spinn_app"]

spinn_app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Format(StrEnum):
    """How a file of sentences is written."""

    SNLI = "snli"
    MULTINLI = "multinli"
    SICK = "sick"
    LOGIC = "logic"
    LISTOPS = "listops"
    SST = "sst"


class Encoder(StrEnum):
    """What makes a sentence of its words."""

    SPINN = "spinn"
    TREELSTM = "treelstm"
    LSTM = "lstm"
    GRU = "gru"
    RNN = "rnn"
    SUM = "sum"


class Parses(StrEnum):
    """Whose parses are read."""

    GIVEN = "given"
    PREDICTED = "predicted"


class Features(StrEnum):
    """What is seen of a pair."""

    SYMMETRIC = "symmetric"
    PLAIN = "plain"


class Solver(StrEnum):
    """What turns slopes into steps."""

    ADAMW = "adamw"
    RMSPROP = "rmsprop"


class Schedule(StrEnum):
    """How the learning rate goes on."""

    COSINE = "cosine"
    CONSTANT = "constant"
    STEP = "step"


AnyFormat = Annotated[Format, Option(help=say("How the files are written."))]
Json = Annotated[bool, Option("--json", help=say("Print one JSON object on stdout, nothing else."))]
Model = Annotated[Path, Argument(metavar="MODEL", help=say("A model file, as spinn train writes it."))]
Lines = Annotated[Path | None, Argument(metavar="[FILE]", help=say("Sentences, one a line; else stdin."))]
Device = Annotated[str, Option(help=say("Where torch computes: auto, cpu, cuda, mps."))]
Beam = Annotated[int | None, Option(min=1, help=say("Beginnings of a parse that are kept; else the model's."))]


@spinn_app.command(help=say("Learn from sentences with trees and labels."))
def train(
    *,
    format: AnyFormat,
    train: Annotated[Path, Option(metavar="FILE", help=say("The examples to learn from."))],
    out: Annotated[Path, Option(metavar="MODEL", help=say("The file for the trained model."))],
    dev: Annotated[Path | None, Option(metavar="FILE", help=say("Examples to judge by after every epoch."))] = None,
    vectors: Annotated[Path | None, Option(metavar="GLOVE", help=say("Pretrained word vectors, as text."))] = None,
    train_vectors: Annotated[bool, Option("--train-vectors", help=say("Let pretrained vectors change."))] = False,
    encoder: Annotated[Encoder | None, Option(help=say("What reads; else treelstm, or spinn with a tracker."))] = None,
    tracker: Annotated[int | None, Option(min=0, help=say("The tracker's size; 0: none."))] = None,
    parses: Annotated[Parses, Option(help=say("Read the given parses, or the model's own."))] = Parses.GIVEN,
    transition_weight: Annotated[float, Option(min=0.0, help=say("How much parsing counts in the loss."))] = 1.0,
    hidden: Annotated[int, Option(min=1, help=say("The size of a state."))] = 50,
    embedding: Annotated[int, Option(min=1, help=say("The size of a word, without --vectors."))] = 50,
    multiply: Annotated[bool, Option(help=say("Reduce sees the children's product too."))] = True,
    mlp: Annotated[int, Option(min=1, help=say("Units of each layer of the head."))] = 100,
    mlp_layers: Annotated[int, Option(min=0, help=say("Layers of the head before its last."))] = 1,
    features: Annotated[Features, Option(help=say("The difference of a pair without its sign, or with."))] = (
        Features.SYMMETRIC
    ),
    every_node: Annotated[bool, Option("--every-node", help=say("Learn the label of every node (sst)."))] = False,
    binary: Annotated[bool, Option("--binary", help=say("Negative or positive, without neutral (sst)."))] = False,
    mirror: Annotated[
        str | None, Option(metavar="LABELS", help=say("Learn pairs of these labels exchanged too: a,b or a=b,b=a."))
    ] = None,
    identity: Annotated[
        str | None, Option(metavar="LABEL", help=say("Learn each premise beside itself, with this label."))
    ] = None,
    lowercase: Annotated[bool, Option("--lowercase", help=say("Put words in small letters."))] = False,
    min_count: Annotated[int, Option(min=1, help=say("Words seen less often are unknown."))] = 1,
    word_dropout: Annotated[
        float, Option(min=0.0, max=0.99, help=say("The share of words read as unknown in training."))
    ] = 0.0,
    dropout_embedding: Annotated[
        float, Option(min=0.0, max=0.99, help=say("The share of a word's numbers left out in training."))
    ] = 0.0,
    dropout: Annotated[
        float, Option(min=0.0, max=0.99, help=say("The share of the head's numbers left out in training."))
    ] = 0.0,
    batch_norm: Annotated[bool, Option("--batch-norm", help=say("Normalise over the batch."))] = False,
    solver: Annotated[Solver, Option(help=say("The optimizer."))] = Solver.ADAMW,
    learning_rate: Annotated[Schedule, Option(help=say("How the learning rate goes on."))] = Schedule.COSINE,
    learning_rate_init: Annotated[float, Option(help=say("The first learning rate."))] = 0.003,
    step_factor: Annotated[float, Option(help=say("What step multiplies the rate by."))] = 0.75,
    step_size: Annotated[int, Option(min=1, help=say("After how many updates it does."))] = 10_000,
    weight_decay: Annotated[float, Option(min=0.0, help=say("How much large weights shrink at each step."))] = 0.01,
    clip: Annotated[float, Option(help=say("The longest gradient."))] = 5.0,
    averaging: Annotated[float, Option(min=0.0, max=0.9999, help=say("Decay of the mean of the weights."))] = 0.0,
    batch_size: Annotated[int, Option(min=1, help=say("The examples of an update."))] = 64,
    epochs: Annotated[int, Option(min=1, help=say("Passes over the examples, at most."))] = 20,
    patience: Annotated[
        int | None, Option(min=1, help=say("Stop after so many epochs without a better score on --dev; keep the best."))
    ] = None,
    seed: Annotated[int, Option(min=0, max=2**32 - 1, help=say("The random seed."))] = 0,
    device: Device = "cpu",
    checkpoint: Annotated[
        Path | None, Option(metavar="DIR", help=say("Keep there what is needed to go on, and go on from it."))
    ] = None,
    checkpoint_every: Annotated[float, Option(min=0.0, help=say("Seconds between checkpoints."))] = 10.0,
    json: Json = False,
) -> None:
    """Read, train, save, report."""
    from pellucid.cli import spinn

    settings = {
        "parses": parses.value, "transition_weight": transition_weight, "hidden": hidden, "embedding": embedding,
        "multiply": multiply, "mlp": mlp, "mlp_layers": mlp_layers, "features": features.value,
        "freeze_vectors": not train_vectors, "every_node": every_node, "identity": identity, "lowercase": lowercase,
        "min_count": min_count, "word_dropout": word_dropout, "dropout_embedding": dropout_embedding,
        "dropout": dropout, "batch_norm": batch_norm, "solver": solver.value, "learning_rate": learning_rate.value,
        "learning_rate_init": learning_rate_init, "step_factor": step_factor, "step_size": step_size,
        "weight_decay": weight_decay, "clip": clip, "averaging": averaging, "batch_size": batch_size,
        "max_iter": epochs, "random_state": seed, "device": device,
    }  # fmt: skip
    order = spinn.Order(
        format.value, train, dev, out, None if encoder is None else encoder.value, tracker, mirror, binary, patience,
        vectors, checkpoint, checkpoint_every,
    )  # fmt: skip
    spinn.train(order, settings, json=json)


@spinn_app.command(help=say("Judge a model on examples that it has not learned from."))
def evaluate(
    model: Model,
    file: Annotated[Path, Argument(metavar="FILE", help=say("Examples with their labels."))],
    *,
    format: AnyFormat,
    binary: Annotated[
        bool, Option("--binary", help=say("Negative or positive, also by a model of five classes (sst)."))
    ] = False,
    beam: Beam = None,
    device: Device = "cpu",
    json: Json = False,
) -> None:
    """Score labels and parses."""
    from pellucid.cli import spinn

    spinn.evaluate(model, file, format.value, binary=binary, beam=beam, device=device, json=json)


@spinn_app.command(help=say("Label sentences: lines in, labels out; pairs are parted by a tab."))
def predict(
    model: Model,
    file: Lines = None,
    *,
    proba: Annotated[bool, Option("--proba", help=say("Every class's probability, too."))] = False,
    beam: Beam = None,
    device: Device = "cpu",
) -> None:
    """Classify lines."""
    from pellucid.cli import spinn

    spinn.predict(model, file, proba=proba, beam=beam, device=device)


@spinn_app.command(help=say("Parse sentences: lines in, brackets out."))
def parse(model: Model, file: Lines = None, *, beam: Beam = None, device: Device = "cpu") -> None:
    """Parse lines."""
    from pellucid.cli import spinn

    spinn.parse(model, file, beam=beam, device=device)
