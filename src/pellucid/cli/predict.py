"""``predict``: a model file and a table, and nothing else, become predictions as CSV."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from pellucid.cli import display
from pellucid.data import Preprocessor, Table, read_table
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.language import say
from pellucid.saving import load

__all__ = ["predict", "predicted"]


def predict(model_file: Path, file: Path, *, proba: bool, out: Path | None) -> None:
    """Write the predictions for the rows of a table, one line a row, on stdout or into ``out``."""
    model = load(model_file)
    if hasattr(model, "vocabulary_"):
        kind = type(model).__name__
        raise InvalidArgumentError(
            say("{path} holds a {kind}, which reads sentences: use `pellucid spinn`", path=model_file, kind=kind)
        )
    if proba and not hasattr(model, "classes_"):
        raise InvalidArgumentError(say("--proba needs a classifier, but {path} predicts amounts", path=model_file))
    name, X = _input(model, model_file, file)
    columns = {name: predicted(model, X)}
    if proba:
        columns |= {f"p({label})": p for label, p in zip(model.classes_, model.predict_proba(X).T, strict=True)}
    with _opened(out, not_over=(file, model_file)) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(value) for value in row] for row in zip(*columns.values(), strict=True))


def predicted(model: Any, X: np.ndarray) -> np.ndarray:
    """Return the predictions (N,) as the table held them: classes, or amounts in their own unit."""
    if not len(X):
        return np.empty(0)
    answers: np.ndarray = model.predict(X)
    known = getattr(model, "preprocessing_", None)
    if known is None or hasattr(model, "classes_"):
        return answers
    return answers.astype(np.float64) * float(known["spread"]) + float(known["center"])


def _input(model: Any, model_file: Path, file: Path) -> tuple[str, np.ndarray]:
    """Return the name of what is predicted, and X (N, D) of the rows of ``file``."""
    known = getattr(model, "preprocessing_", None)
    if known is None:
        return "prediction", _numbers(read_table(file), model, model_file)
    preprocessor = Preprocessor.from_json(known["columns"])
    table = read_table(file, text_columns=preprocessor.text_columns)
    X = preprocessor.transform(table)
    for line in preprocessor.transform_report:
        display.note(line)
    return preprocessor.target_.name, X


def _numbers(table: Table, model: Any, model_file: Path) -> np.ndarray:
    """Return X for a model saved from Python, which knows its columns by name or only by their number."""
    names = list(getattr(model, "feature_names_in_", table.names))
    if len(names) != model.n_features_in_:
        raise InvalidDataError(
            f"{table.source} has {len(names)} columns, but {model_file} takes {model.n_features_in_} "
            "and does not know their names"
        )
    text = [name for name in names if table[name].is_text]
    if text:
        raise InvalidDataError(f"{table.source}: column {text[0]!r} is text; {model_file} takes numbers only")
    return np.column_stack([table[name].values for name in names])


@contextmanager
def _opened(out: Path | None, not_over: Sequence[Path]) -> Iterator[TextIO]:
    """Give stdout, or a file that takes the name ``out`` when it is whole."""
    if out is None:
        yield sys.stdout
        return
    if any(out.exists() and out.samefile(path) for path in not_over):
        raise InvalidArgumentError(say("--out must not be a file that is read, got {path}", path=out))
    part = out.with_name(out.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _cell(value: Any) -> Any:
    """Return a number with as many digits as float32 has, anything else as it is."""
    return f"{value:.7g}" if isinstance(value, float | np.floating) else value
