"""The model file: safetensors with its own digest, written whole or not at all, read with distrust.

::

    8 bytes   length of the header, little-endian
    header    {"__metadata__": {"sha256": 64 hex digits, "pellucid": the entries as JSON},
               name: {"dtype": "F32", "shape": [64, 100], "data_offsets": [begin, end]}, ...}
              and spaces up to a multiple of 8 bytes
    data      the arrays: little-endian, C order, back to back

The digest is the SHA-256 of the whole file with its own 64 digits taken as zeros. It stands first in the
header, so at the same place in every file.
"""

import json
import math
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pellucid.errors import ModelFileError
from pellucid.saving.entries import parse

__all__ = ["check_finite", "read_bytes", "read_file", "write_file"]

PREFIX = b'{"__metadata__":{"sha256":"'
DIGEST = slice(8 + len(PREFIX), 8 + len(PREFIX) + 64)
BLANK = "0" * 64
MAX_HEADER = 1 << 24  # bytes; the entries of a model with 100,000 feature names need some 2 MB
MAX_ARRAYS = 10_000
MAX_DIMENSIONS = 32
DTYPES = {
    name: np.dtype(code)
    for name, code in {
        "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
        "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?",
    }.items()
}  # fmt: skip
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_file(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Put a file of this header (JSON values) and these arrays in ``path``'s place, or change nothing."""
    parts = _parts(header, arrays)
    target = Path(os.path.realpath(path))  # a link stays a link
    temporary = target.with_name(f".pellucid-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as stream:
            for part in parts:
                stream.write(part)
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException as error:
        with suppress(OSError):  # what could not be made cannot be removed
            temporary.unlink()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise ModelFileError(f"not saved ({reason}); what stood there before is unchanged") from error
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Bring the new name itself to the disk, where the system can: Windows and some network disks cannot."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parts(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> list[bytes | memoryview]:
    """Return the file as its parts: the length, the header with its digest, the bytes of each array."""
    stored = [(name, _storable(name, array)) for name, array in arrays.items()]
    stored.sort(key=lambda item: -item[1].itemsize)  # widest first: each lies at a multiple of its own width
    table: dict[str, Any] = {"__metadata__": {"sha256": BLANK, "pellucid": json.dumps(header, allow_nan=False)}}
    end = 0
    for name, array in stored:
        begin, end = end, end + array.nbytes
        table[name] = {
            "dtype": DTYPE_NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > MAX_HEADER or len(stored) > MAX_ARRAYS:
        raise ModelFileError(
            f"not saved: the model has {len(stored)} arrays (at most {MAX_ARRAYS}) and a header of "
            f"{len(text)} bytes (at most {MAX_HEADER}); shorten its names and labels"
        )
    first = bytearray(len(text).to_bytes(8, "little") + text)
    rest = [_bytes_of(array) for _, array in stored]
    digest = sha256(first)
    for part in rest:
        digest.update(part)
    first[DIGEST] = digest.hexdigest().encode()
    return [bytes(first), *rest]


def _storable(name: str, array: np.ndarray) -> np.ndarray:
    """Return the array little-endian and in C order."""
    little = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
    if little.dtype not in DTYPE_NAMES:
        raise ModelFileError(
            f"not saved: the array {name!r} is of type {array.dtype}; give bool or numbers of at most 64 bit"
        )
    return little


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def check_finite(name: str, array: np.ndarray) -> None:
    """Raise ModelFileError, naming the first place, if an array of floats holds NaN or an infinity."""
    if array.dtype.kind == "f" and not (finite := np.isfinite(array)).all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        axes = ("row", "column") if len(place) <= 2 else (f"axis {i}:" for i in range(len(place)))
        where = ", ".join(f"{axis} {i}" for axis, i in zip(axes, place, strict=False)) or "its only place"
        raise ModelFileError(f"array {name!r} holds {array[place]} at {where} (counted from 0); it must be finite")


def read_file(path: str | os.PathLike[str]) -> tuple[str, dict[str, np.ndarray]]:
    """Return the header's JSON text and the arrays, writeable and their own, of a file that is whole."""
    try:
        with Path(path).open("rb") as stream:
            return _read(stream, os.fstat(stream.fileno()).st_size)
    except OSError as error:
        raise ModelFileError(f"cannot be read ({error.strerror or error})") from error


def read_bytes(content: bytes) -> tuple[str, dict[str, np.ndarray]]:
    """Return what ``read_file`` returns, from the bytes of a file."""
    return _read(BytesIO(content), len(content))


def _read(stream: BinaryIO, size: int) -> tuple[str, dict[str, np.ndarray]]:
    """Read a file of ``size`` bytes in one pass, allocating nothing that these bytes could not fill."""
    head = _head(stream, size)
    length = int.from_bytes(head[:8], "little")
    text = head[8:] + stream.read(8 + length - len(head))
    table = parse(text.decode("utf-8"))
    metadata = table.pop("__metadata__")
    if set(metadata) != {"sha256", "pellucid"} or type(metadata["pellucid"]) is not str:
        raise ModelFileError("has other metadata than a model file of Pellucid")
    digest = sha256(head[: DIGEST.start] + BLANK.encode() + text[DIGEST.stop - 8 :])
    arrays = {}
    for name, dtype, shape in _places(table, size - 8 - length):
        array = np.empty(shape, dtype)
        stream.readinto(_bytes_of(array))  # type: ignore[attr-defined]  # typeshed gives BinaryIO no readinto
        digest.update(_bytes_of(array))
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=False)
    if digest.hexdigest().encode() != head[DIGEST]:
        raise ModelFileError("is damaged: its digest is not that of its content; get it again")
    return metadata["pellucid"], arrays


def _head(stream: BinaryIO, size: int) -> bytes:
    """Return the file's beginning, up to the digest, once it is that of a model file."""
    head = stream.read(DIGEST.stop)
    if not head.startswith(PREFIX, 8):
        if head.startswith(b"\x80"):
            raise ModelFileError("is a pickle, which could run code, so it was not read; use pellucid.save")
        raise ModelFileError("is not a model file of Pellucid, or its beginning is damaged")
    length = int.from_bytes(head[:8], "little")
    if not len(head) - 8 < length <= min(MAX_HEADER, size - 8):
        raise ModelFileError(
            f"claims a header of {length} bytes, where {max(0, size - 8)} follow and {MAX_HEADER} are "
            "allowed; it is cut or damaged: get it again"
        )
    return head


def _places(table: Mapping[str, Any], size: int) -> list[tuple[str, np.dtype[Any], tuple[int, ...]]]:
    """Return name, dtype and shape of each array, in the order of the data, which they fill exactly."""
    if len(table) > MAX_ARRAYS:
        raise ModelFileError(f"claims {len(table)} arrays, where at most {MAX_ARRAYS} are allowed")
    found = sorted((_place(name, entry) for name, entry in table.items()), key=lambda place: place[:2])
    end = 0
    for begin, stop, name, _, _ in found:
        if begin != end:
            raise ModelFileError(f"array {name!r} begins at byte {begin} of the data, where {end} is next")
        end = stop
    if end != size:
        raise ModelFileError(f"its arrays take {end} bytes, but {size} follow the header; get it again")
    return [place[2:] for place in found]


def _place(name: str, entry: Any) -> tuple[int, int, str, np.dtype[Any], tuple[int, ...]]:
    """Return begin, end, name, dtype and shape of one array, once they agree with each other."""
    if type(entry) is not dict or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ModelFileError(f"array {name!r} must have a dtype, a shape and data_offsets, and nothing else")
    dtype, shape, offsets = DTYPES.get(str(entry["dtype"])), entry["shape"], entry["data_offsets"]
    if dtype is None:
        raise ModelFileError(f"array {name!r} is of type {entry['dtype']!r}, not of {', '.join(DTYPES)}")
    if not _are_counts(shape) or not _are_counts(offsets) or len(shape) > MAX_DIMENSIONS or len(offsets) != 2:
        raise ModelFileError(f"array {name!r} has shape {shape} and data_offsets {offsets}, as no array has")
    # NumPy counts an empty array's other axes too, so they must not overflow either.
    if math.prod(max(n, 1) for n in shape) * dtype.itemsize >= 1 << 63:
        raise ModelFileError(f"array {name!r} has shape {shape}, whose size overflows")
    if offsets[1] - offsets[0] != (wanted := math.prod(shape) * dtype.itemsize):
        raise ModelFileError(f"array {name!r} of shape {shape} needs {wanted} bytes, not data_offsets {offsets}")
    return offsets[0], offsets[1], name, dtype, tuple(shape)


def _are_counts(value: Any) -> bool:
    return type(value) is list and all(type(n) is int and n >= 0 for n in value)
