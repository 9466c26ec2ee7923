"""Models in files: one format, which plain ``safetensors`` reads too; nothing in a file is code.

``save`` asks a model for its entries and arrays, ``entries`` makes JSON of the entries and exactly back,
``file`` puts both into one safetensors file and reads it back with distrust. ``MODELS`` alone decides which
class may be made from a file, and a class makes itself: ``to_file(self) -> (entries, arrays)`` and
``from_file(cls, entries, arrays)``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from pellucid import __version__
from pellucid.errors import InvalidArgumentError, ModelFileError, PellucidError
from pellucid.saving.entries import decode, encode, parse
from pellucid.saving.file import check_finite, read_file, write_file

__all__ = ["decode", "encode", "expect_names", "expect_shape", "load", "read_header", "save"]

MODELS = {
    "CNNClassifier": "pellucid.networks.cnn",
    "DenseAssociativeMemory": "pellucid.networks.dense_memory",
    "HopfieldNetwork": "pellucid.networks.hopfield",
    "BernoulliRBM": "pellucid.networks.rbm",
    "GaussianRBM": "pellucid.networks.rbm",
    "MLPClassifier": "pellucid.networks.mlp",
    "MLPRegressor": "pellucid.networks.mlp",
    "Neuron": "pellucid.networks.neuron",
    "Recording": "pellucid.learning.recording",
    "SPINNClassifier": "pellucid.networks.spinn",
}
FORMAT = 1
RESERVED = ("class", "format", "pellucid")


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a model to one file, all of it or nothing.

    The file is written beside ``path``, brought to the disk, and then takes the name: whoever reads ``path``,
    also after a crash, finds the previous model or the new one, whole.

    Raises
    ------
    InvalidArgumentError
        ``model`` is no model of Pellucid, or a parameter is what no file keeps (a RandomState, a function).
    ModelFileError
        An array is not finite, or the file cannot be written (disk full, no permission).

    """
    name = type(model).__name__
    if name not in MODELS or getattr(import_module(MODELS[name]), name) is not type(model):
        raise InvalidArgumentError(
            f"model must be a {_known(' or ')} of Pellucid itself, got {type(model).__module__}.{name}; "
            "other objects can be pickled"
        )
    entries, arrays = model.to_file()
    if taken := [key for key in RESERVED if key in entries]:
        raise InvalidArgumentError(f"{name} gave an entry {taken[0]!r}, which the file keeps for itself")
    header: dict[str, Any] = {"class": name, "format": FORMAT, "pellucid": __version__}
    header |= {key: encode(value, key) for key, value in entries.items()}
    with _about(path):
        for array_name, array in arrays.items():
            check_finite(array_name, array)
        write_file(path, header, arrays)


def load(path: str | os.PathLike[str]) -> Any:
    """Return the model that a file holds; raise ModelFileError, which says why, for any other file.

    Nothing in the file is run. It is refused when one bit differs from what was saved.
    """
    header, arrays = _read(path)
    name = header["class"]
    with _about(path):
        if name not in MODELS:
            raise ModelFileError(
                f"holds a {name!r}, which Pellucid {__version__} does not know; it loads {_known(', ')}"
            )
        return getattr(import_module(MODELS[name]), name).from_file(header, arrays)


def read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a model file says of itself, checked as ``load`` checks it, without making the model.

    Keys: ``class``, ``format``, ``pellucid`` (the version that wrote it), what the class gave, and
    ``arrays``: the dtype and the shape of each by its name.
    """
    header, arrays = _read(path)
    return header | {"arrays": {name: (array.dtype.name, array.shape) for name, array in arrays.items()}}


def expect_names(arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> None:
    """Raise ModelFileError unless the file holds exactly the arrays that the model's parameters ask for."""
    wanted = list(names)
    for name in wanted:
        if name not in arrays:
            raise ModelFileError(f"lacks the array {name!r}, which its parameters ask for")
    if extra := sorted(set(arrays) - set(wanted)):
        raise ModelFileError(f"holds an array {extra[0]!r}, which its parameters do not ask for")


def expect_shape(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array of that name; raise ModelFileError unless it is there and has that shape."""
    if name not in arrays:
        raise ModelFileError(f"lacks the array {name!r} of shape {shape}, which its parameters ask for")
    if arrays[name].shape != shape:
        raise ModelFileError(
            f"holds an array {name!r} of shape {arrays[name].shape}, but its parameters ask for {shape}"
        )
    return arrays[name]


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the entries and arrays of a file that is whole, of a known format, and finite."""
    with _about(path):
        text, arrays = read_file(path)
        header = parse(text)
        version, wrote = header["format"], header["pellucid"]
        if type(version) is not int or type(wrote) is not str or type(header["class"]) is not str:
            raise ModelFileError("names its class, format version or Pellucid's version wrongly")
        if not 1 <= version <= FORMAT:
            raise ModelFileError(
                f"was written in format {version} by Pellucid {wrote}, but Pellucid {__version__} reads up "
                f"to format {FORMAT}; upgrade pellucid"
            )
        for name, array in arrays.items():
            check_finite(name, array)
        return {key: decode(value) for key, value in header.items()}, arrays


@contextmanager
def _about(path: str | os.PathLike[str]) -> Iterator[None]:
    """Let whatever a file's content makes fail become one ModelFileError that names the file."""
    try:
        yield
    except KeyError as error:
        raise ModelFileError(f"{path}: lacks the entry {error}; save the model again") from error
    except (PellucidError, ArithmeticError, AttributeError, IndexError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ModelFileError(f"{path}: nests its entries too deeply") from error
    except MemoryError as error:
        raise ModelFileError(f"{path}: asks for more memory than there is") from error


def _known(separator: str) -> str:
    return separator.join(sorted(MODELS))
