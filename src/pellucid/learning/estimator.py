"""What every estimator needs before it learns: input that is checked once, with errors that say where and what.

The numbers themselves are converted by scikit-learn (DataFrames, sparse, strided, big-endian, read-only memory);
here they are looked at: the first NaN or infinity is named by row and column. What scikit-learn refuses is
refused in its words, as an error of ours.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from pellucid.errors import InvalidArgumentError, InvalidDataError, InvalidDataTypeError, PellucidError

__all__ = [
    "check_boolean",
    "check_choice",
    "check_number",
    "check_seed",
    "checked_weights",
    "class_labels",
    "converted",
    "finite",
    "finite_outputs",
    "numbers",
    "numeric",
    "refused_in_our_words",
    "restorer",
    "same_length",
    "unchanged_by_errors",
    "validated",
]

# Of parameters: whole numbers stay within 64 bits, and others far from overflow.
LARGEST = 2**63 - 1
_reseeded = threading.local()


# -- parameters ----------------------------------------------------------------------------------------------


def check_number(
    name: str,
    value: Any,
    low: float,
    high: float = np.inf,
    *,
    open_low: bool = False,
    open_high: bool = False,
    integer: bool = False,
    otherwise: str = "",
) -> None:
    """Raise InvalidArgumentError unless the parameter is a finite number within bounds.

    ``otherwise`` tells what else the caller would have taken.
    """
    kinds = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    good = isinstance(value, kinds) and not isinstance(value, bool | np.bool_) and _is_finite(value)
    good = good and (low < value if open_low else low <= value)
    if good and (value < high if open_high else value <= (high if high < np.inf else LARGEST)):
        return
    kind = "a whole number" if integer else "a number" if high < np.inf else "a finite number"
    upper = "" if high == np.inf else f" and {'<' if open_high else '<='} {high:g}"
    raise InvalidArgumentError(
        f"{name} must be {kind} {'>' if open_low else '>='} {low:g}{upper}{otherwise}, got {value!r}"
    )


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise InvalidArgumentError unless the parameter is one of the names allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def check_boolean(name: str, value: Any) -> None:
    """Raise InvalidArgumentError unless the parameter is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgumentError(f"{name} must be True or False, got {value!r}")


def check_seed(random_state: Any) -> np.random.RandomState:
    """Return the generator that a ``random_state`` stands for; raise InvalidArgumentError if it stands for none.

    Draw from it at once: a whole number seeds the same generator again and again, one a thread, because making a
    new one takes sixty times longer, and longer than many a small fit.
    """
    if type(random_state) is int and 0 <= random_state < 1 << 32:
        if not hasattr(_reseeded, "generator"):
            _reseeded.generator = np.random.RandomState()
        _reseeded.generator.seed(random_state)
        return _reseeded.generator
    try:
        generator: np.random.RandomState = check_random_state(random_state)
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(
            "random_state must be None, a whole number from 0 to 4294967295 or a numpy.random.RandomState, "
            f"got {random_state!r}"
        ) from error
    return generator


# -- data ----------------------------------------------------------------------------------------------------


def restorer(estimator: Any) -> Callable[[], None]:
    """Return what gives the estimator the attributes, and the random state, that it has now."""
    before = dict(estimator.__dict__)
    generator = estimator.random_state if isinstance(estimator.random_state, np.random.RandomState) else None
    state: Any = None if generator is None else generator.get_state()

    def restore() -> None:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        if generator is not None:
            generator.set_state(state)

    return restore


@contextmanager
def unchanged_by_errors(estimator: Any) -> Iterator[None]:
    """Leave the estimator with the attributes, and the random state, that it has now if the block raises."""
    restore = restorer(estimator)
    try:
        yield
    except BaseException:
        restore()
        raise


@contextmanager
def refused_in_our_words() -> Iterator[None]:
    """Turn what scikit-learn and NumPy raise about data into InvalidDataError, with the same message."""
    try:
        with np.errstate(invalid="ignore", over="ignore"):
            yield
    except PellucidError:
        raise
    except ValueError as error:
        raise InvalidDataError(_one_line(error)) from error
    except TypeError as error:
        raise InvalidDataTypeError(_one_line(error)) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def numeric(estimator: Any, X: Any, *, reset: bool) -> Any:
    """Return X as an array (n, D) of numbers, or a CSR matrix; of whatever dtype, and perhaps not finite."""
    with refused_in_our_words():
        if type(X) is np.ndarray and X.ndim == 2 and X.size and X.dtype.kind in "fiub":
            # The common case, without scikit-learn's half a millisecond of looking for other kinds of input.
            if reset:
                estimator.n_features_in_ = X.shape[1]
                vars(estimator).pop("feature_names_in_", None)
            else:
                validate_data(estimator, X, reset=False, skip_check_array=True)
            return X
        return validate_data(estimator, X, reset=reset, dtype="numeric", accept_sparse="csr", ensure_all_finite=False)


def converted(X: Any, dtype: Any) -> np.ndarray:
    """Return X as a C-contiguous (n, D) array of that dtype, without a copy where it is one already.

    Raises InvalidDataError naming the first value that is not finite, or too large for the dtype.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        dense = X.astype(dtype).toarray(order="C") if hasattr(X, "toarray") else np.ascontiguousarray(X, dtype)
    return finite("X", dense, original=X)


def validated(estimator: Any, X: Any, dtype: Any, *, reset: bool) -> np.ndarray:
    """Return X checked by scikit-learn and by ``finite``, as a C-contiguous (n, D) array of that dtype."""
    return converted(numeric(estimator, X, reset=reset), dtype)


def class_labels(y: Any, n_samples: int, names: tuple[str, str] = ("X", "y")) -> np.ndarray:
    """Return y as one label a sample (n,), bool, whole numbers or strings; raise InvalidDataError if it is not.

    ``names`` are those of the samples and of the labels in what an error says.
    """
    if not (type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iubU"):
        _name_missing_labels(y, names[1])
        with refused_in_our_words():
            check_classification_targets(y)
            y = column_or_1d(y, warn=True)
    return same_length(y, n_samples, names)


def _name_missing_labels(y: Any, name: str) -> None:
    """Raise InvalidDataError naming the first label that is None or NaN."""
    with refused_in_our_words():
        labels = np.asarray(y)
    if labels.dtype.kind == "f":
        finite(name, labels)
    elif labels.dtype.kind == "O" and labels.ndim == 1:
        for row, label in enumerate(labels.tolist()):
            if label is None or (isinstance(label, float) and math.isnan(label)):
                raise InvalidDataError(f"{name} contains {label} at row {row}; remove samples without a label")


def numbers(name: str, values: Any, dtype: Any) -> np.ndarray:
    """Return the values as a finite array of that dtype; raise InvalidDataError if they are anything but numbers."""
    with refused_in_our_words():
        given = np.asarray(values)
    if given.dtype.kind in "OUS":
        for value in given.ravel().tolist():
            if value is None or isinstance(value, str | bytes):
                raise InvalidDataError(f"{name} must be numbers, got {value!r}")
        with refused_in_our_words():
            given = given.astype(np.float64)
    if given.dtype.kind not in "fiub":
        raise InvalidDataError(f"{name} must be numbers, got {given.dtype}")
    with np.errstate(over="ignore", invalid="ignore"):
        array = given.astype(dtype)
    return finite(name, array, original=given)


def finite(name: str, array: np.ndarray, original: Any = None) -> np.ndarray:
    """Return the array, or raise InvalidDataError naming the row and column of its first NaN or infinity."""
    with np.errstate(all="ignore"):
        # One pass without a temporary; only a sum that is not finite is worth a closer look.
        if not array.size or np.isfinite(array.sum(dtype=np.float64 if array.dtype.itemsize < 8 else None)):
            return array
    bad = ~np.isfinite(array)
    if not bad.any():
        return array
    place = np.unravel_index(int(np.argmax(bad)), array.shape)
    value = array[place]
    where = f"row {place[0]}" + (f", column {place[1]}" if len(place) > 1 else "")
    given = value if original is None else original[place]
    if np.isinf(value) and np.isfinite(given):
        mend = "; use dtype='float64', or scale the data" if array.dtype == np.float32 else "; scale the data"
        raise InvalidDataError(f"{name} contains {given:g} at {where}, too large for {array.dtype} (infinity){mend}")
    kind = "NaN" if np.isnan(value) else "infinity"
    raise InvalidDataError(f"{name} contains {kind} at {where}; remove or impute such values (no NaN, no infinity)")


def checked_weights(sample_weight: Any, n_samples: int) -> np.ndarray | None:
    """Return sample weights as float64 (n,), or None if there are none.

    Raises InvalidDataError when they are of the wrong length, negative, not finite, or all zero.
    """
    if sample_weight is None:
        return None
    weights = numbers("sample_weight", sample_weight, np.float64)
    if weights.ndim == 0:
        weights = np.full(n_samples, float(weights))
    if weights.shape != (n_samples,):
        raise InvalidDataError(f"sample_weight must be of shape ({n_samples},), one a sample; got {weights.shape}")
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise InvalidDataError(f"sample_weight must be >= 0, got {weights[row]:g} at row {row}")
    if not weights.any():
        raise InvalidDataError("sample_weight is zero for every sample; at least one must be positive")
    return weights


def finite_outputs(outputs: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return what a network made of X (n, D); raise InvalidDataError where X was too large for it to stay finite."""
    with np.errstate(all="ignore"):
        if np.isfinite(outputs.sum()) or np.isfinite(outputs).all():
            return outputs
    row = int(np.argmax(~np.isfinite(outputs.reshape(len(X), -1)).all(axis=1)))
    raise InvalidDataError(
        f"X at row {row}, with values up to {np.abs(X[row]).max():g}, drives the network beyond the finite numbers; "
        "scale the data as for training"
    )


def same_length(y: np.ndarray, n_samples: int, names: tuple[str, str] = ("X", "y")) -> np.ndarray:
    """Return y, or raise InvalidDataError unless it has one row a sample."""
    if len(y) != n_samples:
        X, own = names
        raise InvalidDataError(
            f"{X} and {own} have inconsistent numbers of samples: {X} has {n_samples}, {own} has {len(y)}; "
            "give one target a sample"
        )
    return y
