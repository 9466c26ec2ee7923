"""IDX, the format of MNIST (LeCun, Cortes, Burges 1998): a header that says type and shape, then the numbers.

==========  =============================================================================================
bytes       meaning
==========  =============================================================================================
0, 1        zero
2           type: 0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64
3           number of axes, k
4 ... 4k+3  the k lengths, each an unsigned 32-bit integer, the most significant byte first
then        the numbers, last axis fastest, the most significant byte first
==========  =============================================================================================

A file is believed only as far as its bytes go: what the header claims is held against the file's size and a
ceiling before anything is allocated, and the body must end where the header says.
"""

import gzip
import math
import os
from pathlib import Path

import numpy as np

from pellucid.data.files import Source, open_source
from pellucid.errors import FileFormatError, InvalidArgumentError

__all__ = ["MAX_BYTES", "read_idx", "write_idx"]

MAX_BYTES = 1 << 30  # 1 GiB; MNIST's largest file holds 47 MB
MAX_AXES = 64  # NumPy's own limit
BLOCK = 1 << 20
TYPES = {
    code: np.dtype(f">{kind}")
    for code, kind in zip(b"\x08\x09\x0b\x0c\x0d\x0e", ("u1", "i1", "i2", "i4", "f4", "f8"), strict=True)
}


def read_idx(
    path: str | os.PathLike[str],
    *,
    dtype: str | None = None,
    divide_by: float | None = None,
    max_bytes: int = MAX_BYTES,
) -> np.ndarray:
    """Return the array in an IDX file, gzip or plain.

    It has the shape and the type that the header names, in the machine's byte order; ``dtype`` refuses any
    type but the one it names. With ``divide_by`` the numbers are divided by it and come as float32, a block
    at a time: the file's own numbers never stand in memory beside the result. ``max_bytes`` is the most bytes
    of numbers that the file may hold, decompressed.

    Raises FileFormatError where the file is not IDX, claims more than it holds or than ``max_bytes``, goes on
    after its end, or is a gzip stream that is cut or damaged.
    """
    with open_source(path) as source:
        stored, shape = _header(source, max_bytes)
        native = stored.newbyteorder("=")
        if dtype is not None and native != np.dtype(dtype):
            raise FileFormatError(f"{path}: must hold {dtype} numbers, holds {native}")
        out = np.empty(shape, native if divide_by is None else np.float32)
        _fill(source, out.reshape(-1), stored, divide_by)
        if source.stream.read(1):  # reading past the end also makes gzip check its checksum
            raise FileFormatError(f"{path}: goes on after the {_claim(stored, shape)} that its header names")
    return out


def write_idx(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Write ``array`` as IDX, gzipped where the name ends in ``.gz``; the file appears whole or not at all.

    Raises InvalidArgumentError where IDX has no type for the array's dtype, or no header for a single number.
    """
    codes = {dtype.newbyteorder("="): code for code, dtype in TYPES.items()}
    native = array.dtype.newbyteorder("=")
    if native not in codes:
        allowed = ", ".join(map(str, codes))
        raise InvalidArgumentError(f"array must have one of IDX's dtypes ({allowed}), got {array.dtype}")
    if array.ndim == 0:
        raise InvalidArgumentError("array must have at least one axis, got a single number")
    header = bytes([0, 0, codes[native], array.ndim]) + np.array(array.shape, ">u4").tobytes()
    content = header + array.astype(TYPES[codes[native]]).tobytes()
    target = Path(path)
    part = target.with_name(target.name + ".part")
    part.write_bytes(gzip.compress(content, mtime=0) if target.suffix == ".gz" else content)
    part.replace(target)


def _header(source: Source, max_bytes: int) -> tuple[np.dtype, tuple[int, ...]]:
    magic = source.stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise FileFormatError(
            f"{source.name}: is not an IDX file: it begins with {magic[:2]!r}, not with two zero bytes"
        )
    code, axes = magic[2], magic[3]
    if code not in TYPES:
        allowed = ", ".join(f"0x{known:02X}" for known in TYPES)
        raise FileFormatError(f"{source.name}: IDX type code must be one of {allowed}, got 0x{code:02X}")
    if not 1 <= axes <= MAX_AXES:
        raise FileFormatError(f"{source.name}: IDX must have 1 to {MAX_AXES} axes, the header names {axes}")
    lengths = source.stream.read(4 * axes)
    if len(lengths) < 4 * axes:
        raise FileFormatError(f"{source.name}: ends inside its header")
    dtype = TYPES[code]
    shape = tuple(int.from_bytes(lengths[at : at + 4], "big") for at in range(0, 4 * axes, 4))
    # An axis of length 0 must not hide the others from the ceiling: NumPy multiplies the rest as well.
    claimed = dtype.itemsize * math.prod(max(length, 1) for length in shape)
    if claimed > max_bytes:
        raise FileFormatError(f"{source.name}: the header claims {_claim(dtype, shape)}; the ceiling is {max_bytes}")
    if source.capacity is not None and _bytes(dtype, shape) > source.capacity:
        raise FileFormatError(
            f"{source.name}: the header claims {_claim(dtype, shape)}, more than the file can hold ({source.capacity})"
        )
    return dtype, shape


def _fill(source: Source, flat: np.ndarray, dtype: np.dtype, divide_by: float | None) -> None:
    """Read ``flat.size`` numbers of ``dtype``, a block at a time."""
    buffer = np.empty(BLOCK // dtype.itemsize, dtype)
    for start in range(0, flat.size, buffer.size):
        block = buffer[: flat.size - start]
        missing = _read_into(source, block.view(np.uint8))
        if missing:
            at = start * dtype.itemsize + block.nbytes - missing
            raise FileFormatError(
                f"{source.name}: ends after {at} bytes of numbers, "
                f"its header names {flat.size * dtype.itemsize}; fetch the file again"
            )
        into = flat[start : start + block.size]
        if divide_by is None:
            into[:] = block
        else:
            np.divide(block, np.float32(divide_by), out=into, casting="same_kind")


def _read_into(source: Source, block: np.ndarray) -> int:
    """Fill ``block`` of bytes and return how many were not there."""
    done = 0
    while done < block.size:
        piece = source.stream.read(block.size - done)  # a gzip stream may give less than asked
        if not piece:
            break
        block[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
        done += len(piece)
    return block.size - done


def _bytes(dtype: np.dtype, shape: tuple[int, ...]) -> int:
    return dtype.itemsize * math.prod(shape)


def _claim(dtype: np.dtype, shape: tuple[int, ...]) -> str:
    return f"{_bytes(dtype, shape)} bytes ({' x '.join(map(str, shape))} {dtype.newbyteorder('=')})"
