"""NPZ: a zip of ``.npy`` arrays, read without NumPy's own reader, which allocates whatever a header claims.

Each member's header is held against the member's length before an array is made of it, and nothing is
unpickled.
"""

import io
import math
import os
import tokenize

import numpy as np
from numpy.lib import format as npy

from pellucid.data.archives import open_archive
from pellucid.errors import FileFormatError

__all__ = ["parse_npz"]

# What NumPy's header reader raises on headers that are not what they should be.
_BAD_HEADER = (
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    RecursionError,
    MemoryError,
    OverflowError,
    tokenize.TokenError,
)


def parse_npz(path: str | os.PathLike[str], max_bytes: int) -> dict[str, np.ndarray]:
    """Return the columns: those of X, named by feature_names or x1, x2, ..., then y if there is one."""
    with open_archive(path, max_bytes=max_bytes) as archive:
        if "X.npy" not in archive.names:
            raise FileFormatError(
                f"{path}: holds no array X (it holds {', '.join(archive.names[:5])}); "
                "save with numpy.savez(file, X=..., y=...), a spreadsheet as CSV"
            )
        arrays = {
            key: _array(archive.read(f"{key}.npy"), f"{path}, array {key}")
            for key in ("X", "y", "feature_names")
            if f"{key}.npy" in archive.names
        }
    X = arrays["X"]
    if X.ndim != 2 or 0 in X.shape or X.dtype.kind not in "biuf":
        raise FileFormatError(f"{path}: X must be numbers of shape (rows, columns), got {X.dtype} of shape {X.shape}")
    names = _names(arrays.get("feature_names"), X.shape[1], path)
    columns = {name: _numbers(X[:, j], f"{path}, X, column {name!r}") for j, name in enumerate(names)}
    if "y" in arrays:
        y = arrays["y"]
        if y.shape != (len(X),):
            raise FileFormatError(f"{path}: y must have the shape ({len(X)},) to go with X, got {y.shape}")
        if "y" in columns:
            raise FileFormatError(f"{path}: a feature must not be called 'y', the name of the target")
        columns["y"] = y.astype(object) if y.dtype.kind == "U" else _numbers(y, f"{path}, y")
    return columns


def _array(content: bytes, where: str) -> np.ndarray:
    stream = io.BytesIO(content)
    try:
        version = npy.read_magic(stream)
        read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read_header is None:
            raise ValueError(f"format version {version}")
        shape, fortran, dtype = read_header(stream)
    except _BAD_HEADER as error:
        raise FileFormatError(f"{where}: is not a NumPy array file ({error})") from None
    if dtype.hasobject:
        raise FileFormatError(f"{where}: holds Python objects, which are never read; save numbers or fixed-width text")
    if dtype.kind not in "biufU":
        raise FileFormatError(f"{where}: must hold numbers or text, holds {dtype}")
    at, held = stream.tell(), len(content) - stream.tell()
    # Lengths of zero are asked for first: NumPy refuses some shapes whose product is nothing.
    claimed = math.prod(shape) * dtype.itemsize
    if min(shape, default=1) < 0 or claimed != held or 0 in shape or dtype.itemsize == 0:
        raise FileFormatError(f"{where}: its header names {shape} {dtype}, {claimed} bytes; it holds {held}")
    flat = np.frombuffer(content, dtype, offset=at)
    try:
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise FileFormatError(f"{where}: its header names the shape {shape} ({error})") from None


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype.kind not in "biuf":
        raise FileFormatError(f"{where}: must hold numbers, holds {values.dtype}")
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, and is then refused
        numbers = values.astype(np.float64)
    if (bad := np.flatnonzero(np.isinf(numbers))).size:
        raise FileFormatError(
            f"{where}, row {bad[0]}: is infinite; only finite numbers and NaN (a blank) can be learnt"
        )
    return numbers


def _names(given: np.ndarray | None, width: int, path: str | os.PathLike[str]) -> list[str]:
    if given is None:
        return [f"x{j + 1}" for j in range(width)]
    if given.dtype.kind != "U" or given.shape != (width,) or len(set(given.tolist())) != width:
        raise FileFormatError(f"{path}: feature_names must be {width} different texts, one for each column of X")
    return [str(name) for name in given]
