"""``train``: from a person's own table to one file that holds the network and all that predicting needs.

That is the network and, as its ``preprocessing_``, what turns a table into its input and its output back into
the table's unit.
"""

import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pellucid.cli import display
from pellucid.cli.predict import predicted
from pellucid.cli.scoring import Score, score
from pellucid.data import Preprocessor, Table, prepare, read_table
from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.language import say
from pellucid.saving import read_header, save
from pellucid.scaling.processes import launched

__all__ = ["Order", "ctrl_c_heard", "destination", "report_epoch", "train"]

PATIENCE = 20  # epochs without improvement
ROWS_FOR_EARLY_STOPPING = 200  # below, a tenth of the rows decides nothing


@dataclass(frozen=True)
class Order:
    """What `train` was asked for."""

    file: Path
    target: str | None
    task: str
    out: Path | None
    hidden: str
    epochs: int
    seed: int
    test_fraction: float
    engine: str
    device: str
    precision: str
    compile: bool
    checkpoint: Path | None
    checkpoint_every: float


@dataclass(frozen=True)
class Material:
    """The rows to learn from and those of the test, as numbers, and how the table became them."""

    preprocessor: Preprocessor
    X_train: np.ndarray  # (N, D)
    y_train: np.ndarray  # (N,) classes, or amounts as in the table
    X_test: np.ndarray
    y_test: np.ndarray
    report: Sequence[str]

    @property
    def is_classification(self) -> bool:
        """Whether classes are predicted."""
        return self.preprocessor.target_.task == "classification"


def train(order: Order, *, json: bool) -> None:
    """Read, split, scale, train, save, judge on the test rows; Ctrl-C while it trains saves what there is."""
    begin = perf_counter()
    here = launched()
    if here.size > 1 and order.engine != "torch":
        raise InvalidArgumentError(say("{n} processes need --engine torch", n=here.size))
    out = destination(order.out or Path(f"{order.file.stem}.pellucid"))
    layers = _layers(order.hidden)
    material = _material(read_table(order.file), order)
    for line in material.report:
        display.note(line)
    model = _network(material, order, layers)
    center, spread = _center_and_spread(material)
    model.preprocessing_ = {"columns": material.preprocessor.to_json(), "center": center, "spread": spread}
    y = material.y_train if material.is_classification else (material.y_train - center) / spread
    if not _learn(model, material.X_train, y, order):
        raise KeyboardInterrupt(_save_interrupted(model, out))
    if here.rank > 0:
        return
    save(model, out)
    judged = score(material.y_train, material.y_test, predicted(model, material.X_test), model)
    if json:
        display.print_json(_as_json(model, material, judged, out, perf_counter() - begin))
    else:
        display.show(*_as_text(model, judged, out))


def destination(out: Path) -> Path:
    """Return where the model goes, refusing now what would only fail after the training."""
    if out.is_dir():
        raise InvalidArgumentError(say("--out must name a file, {path} is a folder", path=out))
    if not out.parent.is_dir():
        raise InvalidArgumentError(say("--out needs a folder that is there, {path} is not", path=out.parent))
    if out.exists():
        try:
            read_header(out)
        except ModelFileError:
            raise InvalidArgumentError(
                say("{path} is there and is no whole model: move it away or choose another --out", path=out)
            ) from None
    return out


def _layers(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[1-9][0-9]{0,5}", part) for part in parts):
        raise InvalidArgumentError(
            say("--hidden must be whole numbers from 1 to 999999, such as 100,50, got {text!r}", text=text)
        )
    return tuple(int(part) for part in parts)


def _material(table: Table, order: Order) -> Material:
    """Turn the table into arrays; the preprocessing is fitted on the training rows alone."""
    if order.test_fraction:
        ready = prepare(table, order.target, order.task, test_fraction=order.test_fraction, random_state=order.seed)
        return Material(ready.preprocessor, ready.X_train, ready.y_train, ready.X_test, ready.y_test, ready.report)
    preprocessor = Preprocessor().fit(table, order.target, order.task)
    rows = preprocessor.labelled(table)
    X, y = preprocessor.transform(rows), preprocessor.target(rows)
    report = [*preprocessor.report, say("Rows to learn from: {n}; none held out.", n=len(y))]
    return Material(preprocessor, X, y, X[:0], y[:0], report)


def _network(material: Material, order: Order, layers: tuple[int, ...]) -> Any:
    from pellucid.networks.mlp import MLPClassifier, MLPRegressor  # takes long: a bad table is refused before

    n = len(material.y_train)
    rarest = np.unique(material.y_train, return_counts=True)[1].min() if material.is_classification else n
    kind = MLPClassifier if material.is_classification else MLPRegressor
    return kind(
        hidden_layer_sizes=layers,
        batch_size=min(n, max(16, min(200, n // 20))),  # at least twenty updates an epoch, where there are rows
        max_iter=order.epochs,
        early_stopping=bool(n >= ROWS_FOR_EARLY_STOPPING and rarest >= 2),
        n_iter_no_change=PATIENCE,
        random_state=order.seed,
        engine=order.engine,
        device=order.device,
        precision=order.precision,
        compile=order.compile,
    )


def _center_and_spread(material: Material) -> tuple[float, float]:
    """Return what brings amounts to mean 0 and standard deviation 1, where a network learns well."""
    if material.is_classification:
        return 0.0, 1.0
    return float(material.y_train.mean()), float(material.y_train.std()) or 1.0


def _learn(model: Any, X: np.ndarray, y: np.ndarray, order: Order) -> bool:
    """Train; show the epochs as a bar on a terminal, elsewhere now and then as a line. False: interrupted."""
    from pellucid.scaling.checkpoint import Checkpoint

    checkpoint = Checkpoint(order.checkpoint, order.checkpoint_every) if order.checkpoint is not None else None
    with _warnings_told_otherwise(), ctrl_c_heard(), display.progress_bar(say("training")) as progress:
        try:
            with closing(model.steps(X, y, checkpoint=checkpoint)) as steps:
                for step in steps:
                    text = say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss)
                    report_epoch(progress, step.epoch, order.epochs, text)
        except KeyboardInterrupt:
            return False
    return not getattr(model, "interrupted_", False)


def report_epoch(progress: Callable[[float, str], None], epoch: int, epochs: int, text: str) -> None:
    """Show how far the training is: in the bar on a terminal, elsewhere now and then as a line."""
    progress(epoch / epochs, text)
    if not sys.stderr.isatty() and re.fullmatch("[125]0*", str(epoch)):
        display.note(text)


@contextmanager
def _warnings_told_otherwise() -> Iterator[None]:
    """Silence what the report says anyway: how many epochs it took, and that there was an interruption."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "training interrupted")
        yield


@contextmanager
def ctrl_c_heard() -> Iterator[None]:
    """Let Ctrl-C reach the training as KeyboardInterrupt, unless it is ignored."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _save_interrupted(model: Any, out: Path) -> str:
    if not getattr(model, "n_iter_", 0):
        return say("interrupted in the first epoch: nothing is saved")
    if launched().rank == 0:
        save(model, out)
    return say("interrupted after epoch {n}; the network up to there is saved in {path}", n=model.n_iter_, path=out)


def _sizes(model: Any) -> list[int]:
    return [int(model.n_features_in_), *(int(W.shape[1]) for W in model.coefs_)]


def _as_json(model: Any, material: Material, judged: Score, out: Path, seconds: float) -> dict[str, Any]:
    return {
        "model": str(out),
        "task": material.preprocessor.target_.task,
        "target": material.preprocessor.target_.name,
        "rows": {"train": len(material.y_train), "test": len(material.y_test)},
        "columns": list(material.report),
        "layers": _sizes(model),
        "epochs": int(model.n_iter_),
        "loss": float(model.loss_),
        "metrics": judged.metrics,
        "baseline": judged.baseline,
        "seconds": round(seconds, 3),
    }


def _as_text(model: Any, judged: Score, out: Path) -> list[Any]:
    sizes = "-".join(map(str, _sizes(model)))
    return [
        say("Network {sizes}, {n} epochs, loss {loss:.4f}.", sizes=sizes, n=model.n_iter_, loss=model.loss_),
        *judged.shown(),
        say("Saved in {path}; use it with `pellucid predict {path} FILE`.", path=out),
    ]
