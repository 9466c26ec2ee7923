"""Opening a data file, gzip or plain, so that whatever is wrong with it becomes one error that names it."""

import gzip
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pellucid.errors import FileFormatError

__all__ = ["GZIP_MAGIC", "MAX_BYTES", "Source", "open_source", "read_bytes", "size_of"]

GZIP_MAGIC = b"\x1f\x8b"
MAX_BYTES = 1 << 31  # 2 GiB: what a data file may hold once decompressed, unless its reader is told otherwise
DEFLATE_RATIO = 1032  # no deflate stream expands further (zlib's technical notes), gzip or zip
BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """An open file: its decompressed bytes, and the most of them that it can hold (None: nobody knows)."""

    name: str
    stream: IO[bytes]
    capacity: int | None


@contextmanager
def open_source(path: str | os.PathLike[str]) -> Iterator[Source]:
    """Open ``path`` for reading, decompressing it where it begins as gzip does, whatever it is called.

    Every failure to read within the block raises FileFormatError: no such file, no permission, a folder, a
    gzip stream that is cut or whose checksum is wrong.
    """
    name = str(path)
    try:
        with Path(path).open("rb") as raw:
            size = size_of(raw)
            if raw.peek(2)[:2] != GZIP_MAGIC:
                yield Source(name, raw, size)
                return
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield Source(name, cast(IO[bytes], unpacked), None if size is None else size * DEFLATE_RATIO)
    except EOFError:
        raise FileFormatError(f"{name}: the gzip stream is cut short; fetch the file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise FileFormatError(f"{name}: the gzip stream is damaged ({error}); fetch the file again") from None
    except OSError as error:
        raise FileFormatError(f"{name}: cannot be read ({error.strerror or error})") from error


def read_bytes(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> bytes:
    """Return the whole file, decompressed if it is gzip, refusing to make more than ``max_bytes`` of it."""
    with open_source(path) as source:
        parts: list[bytes] = []
        total = 0
        while block := source.stream.read(BLOCK):
            total += len(block)
            if total > max_bytes:
                raise FileFormatError(f"{path}: holds more than {max_bytes} bytes, the ceiling for a file of its kind")
            parts.append(block)
    return b"".join(parts)


def size_of(raw: IO[bytes]) -> int | None:
    """Return the size of an open file in bytes, or None for a pipe or a device, which has none."""
    status = os.fstat(raw.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
