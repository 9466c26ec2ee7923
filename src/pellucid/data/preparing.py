"""Training rows and held-out rows: the split, and all the way from a table to the arrays of both."""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.data.preprocessor import Preprocessor
from pellucid.data.tables import Table
from pellucid.data.targets import Target
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.language import say

__all__ = ["Prepared", "prepare", "split"]


@dataclass(frozen=True)
class Prepared:
    """A table, ready to be learnt from; ``report`` says in sentences what was done to get there."""

    preprocessor: Preprocessor
    X_train: np.ndarray  # (N, D) float32
    y_train: np.ndarray  # (N,) str or int64 classes, or float64 amounts
    X_test: np.ndarray
    y_test: np.ndarray
    report: list[str] = field(default_factory=list)


def prepare(
    table: Table,
    target: str | None = None,
    task: str = "auto",
    *,
    drop: Collection[str] = (),
    test_fraction: float = 0.25,
    random_state: int | None = None,
) -> Prepared:
    """Choose the target, leave out rows without one, hold rows out, fit the preprocessor on the others only.

    Classes are held out in proportion where each has two rows or more. Raises what ``Preprocessor.fit`` and
    ``split`` raise.
    """
    chosen = Target.choose(table, target, task)
    rows = np.flatnonzero(chosen.labelled(table))
    y = chosen.values(table.take(rows))
    stratify = chosen.task == "classification" and _can_stratify(y, test_fraction)
    train, test = split(y, test_fraction, random_state, stratify=stratify)
    preprocessor = Preprocessor().fit_rows(table, rows[train], chosen, drop)
    X_train = preprocessor.transform(table.take(rows[train]))
    X_test = preprocessor.transform(table.take(rows[test]))
    counts = {"train": len(train), "test": len(test)}
    said = (
        say("Rows to learn from: {train}; held out, each class in proportion: {test}.", **counts)
        if stratify
        else say("Rows to learn from: {train}; held out at random: {test}.", **counts)
    )
    report = [*preprocessor.report, said, *preprocessor.transform_report]
    return Prepared(preprocessor, X_train, y[train], X_test, y[test], report)


def split(
    y: Any, test_fraction: float = 0.25, random_state: int | None = None, *, stratify: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the training rows and of the held-out rows, both shuffled.

    ``test_fraction`` of the rows, rounded up, are held out. With ``stratify`` each class of ``y`` (N,) has
    its share, to the nearest row by largest remainders, and at least one row on either side.

    Raises InvalidArgumentError where ``test_fraction`` is not between 0 and 1 or ``random_state`` is not a
    whole number >= 0 or None; InvalidDataError where there are too few rows, a class has one row only, or a
    side has fewer rows than there are classes.
    """
    if not 0 < test_fraction < 1:
        raise InvalidArgumentError(f"test_fraction must be between 0 and 1, got {test_fraction!r}")
    whole = isinstance(random_state, int | np.integer) and not isinstance(random_state, bool)
    if random_state is not None and (not whole or random_state < 0):
        raise InvalidArgumentError(f"random_state must be a whole number >= 0 or None, got {random_state!r}")
    labels = np.asarray(y)
    n = len(labels) if labels.ndim == 1 else 0
    if n < 2:
        raise InvalidDataError(f"y must have the shape (N,) with two rows or more to be split, got {labels.shape}")
    n_test = _n_test(n, test_fraction)
    rng = np.random.default_rng(random_state)
    order = rng.permutation(n)
    if not stratify:
        return order[n_test:], order[:n_test]
    codes, shares = _shares(labels, n_test)
    held_out = np.zeros(n, bool)
    for code, share in enumerate(shares):
        held_out[order[codes[order] == code][:share]] = True
    return order[~held_out[order]], order[held_out[order]]


def _n_test(n: int, test_fraction: float) -> int:
    rounded_up = math.ceil(n * test_fraction - 1e-9)  # 100 * 0.07 is a little more than 7
    return min(max(1, rounded_up), n - 1)


def _shares(labels: np.ndarray, n_test: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's class code (N,) and how many rows of each class (C,) are held out."""
    classes, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if (alone := np.flatnonzero(counts < 2)).size:
        name = classes[alone[0]].item()
        raise InvalidDataError(f"class {name!r} has one row; a split in proportion needs two of each class or more")
    if not len(classes) <= n_test <= len(labels) - len(classes):
        raise InvalidDataError(
            f"{len(classes)} classes do not fit on both sides of a split of {len(labels)} rows "
            f"with {n_test} held out; change test_fraction"
        )
    exact = counts * (n_test / len(labels))
    shares = np.clip(np.floor(exact).astype(np.int64), 1, counts - 1)
    while (lacking := n_test - int(shares.sum())) != 0:
        step = 1 if lacking > 0 else -1
        room = (shares < counts - 1) if step > 0 else (shares > 1)
        owed = np.where(room, step * (exact - shares), -np.inf)
        shares[int(np.argmax(owed))] += step
    return codes, shares


def _can_stratify(y: np.ndarray, test_fraction: float) -> bool:
    if len(y) < 2 or not 0 < test_fraction < 1:
        return False  # split says why
    n_test = _n_test(len(y), test_fraction)
    _, counts = np.unique(y, return_counts=True)
    return bool(counts.min() >= 2 and len(counts) <= n_test <= len(y) - len(counts))
