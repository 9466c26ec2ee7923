"""Zip and tar archives, read and never extracted: a member becomes bytes in memory, no file on the disk.

An archive is judged by its listing before anything is read. One name that leads out of a folder, one link,
device, encrypted or repeated member, and the whole archive is refused: who put it there meant no good or made
it by mistake.
"""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

from pellucid.data.files import MAX_BYTES
from pellucid.errors import FileFormatError, InvalidArgumentError

__all__ = ["Archive", "open_archive"]

# What the standard library raises on archives that are damaged; every one becomes a FileFormatError.
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    ValueError,
    struct.error,
    RuntimeError,  # zipfile: a password is asked for; NotImplementedError: an unknown method
    KeyError,
    IndexError,
    OverflowError,
)


class Archive:
    """An open archive that has passed its inspection; ``names`` lists its files in order."""

    def __init__(self, source: str, members: dict[str, Callable[[], bytes]]) -> None:
        self._source = source
        self._members = members

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files in the archive, folders left out."""
        return tuple(self._members)

    def read(self, name: str) -> bytes:
        """Return the content of the file ``name``, its checksum checked where the format has one.

        Raises InvalidArgumentError where the archive holds no such file, FileFormatError where it is damaged.
        """
        if name not in self._members:
            raise InvalidArgumentError(f"{self._source} holds no {name!r}; it holds {_listing(self.names)}")
        with _damage_named(self._source):
            return self._members[name]()


@contextmanager
def open_archive(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> Iterator[Archive]:
    """Open a zip archive or a tar archive (plain, gzip, bzip2 or xz) for reading, told apart by content.

    ``max_bytes`` is the most bytes that all members together may hold, decompressed.

    Raises FileFormatError where the archive cannot be read, is damaged, holds more than ``max_bytes``, or a
    member that is a link, a device, encrypted, named twice, or named so that it would lead out of a folder.
    """
    name = str(path)
    with ExitStack() as stack:
        with _damage_named(name):
            raw = stack.enter_context(Path(path).open("rb"))
            members = (
                _zip_members(raw, name, max_bytes) if zipfile.is_zipfile(raw) else _tar_members(raw, name, max_bytes)
            )
        yield Archive(name, members)


def _zip_members(raw: IO[bytes], source: str, max_bytes: int) -> dict[str, Callable[[], bytes]]:
    archive = zipfile.ZipFile(raw)
    members: dict[str, Callable[[], bytes]] = {}
    total = 0
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise FileFormatError(f"{source}: {entry.orig_filename!r} is a link or a device; only files are read")
        if entry.flag_bits & 0x1:
            raise FileFormatError(
                f"{source}: {entry.orig_filename!r} is encrypted; pack the archive without a password"
            )
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(
                f"{source}: {entry.orig_filename!r} is packed by an uncommon method; use stored or deflate"
            )
        total += entry.file_size
        _check_total(total, source, max_bytes)
        _add(members, entry.orig_filename, entry.is_dir(), partial(_zip_content, archive, entry), source)
    return members


def _zip_content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as stream:
        # Asked for a size, zipfile decompresses no more than that, whatever the packed bytes would grow to.
        return stream.read(entry.file_size)


def _tar_members(raw: IO[bytes], source: str, max_bytes: int) -> dict[str, Callable[[], bytes]]:
    archive = tarfile.TarFile(fileobj=_Capped(_decompressed(raw), source, max_bytes))
    members: dict[str, Callable[[], bytes]] = {}
    total = 0
    for entry in archive:
        if not (entry.isreg() or entry.isdir()) or entry.issparse():
            raise FileFormatError(f"{source}: {entry.name!r} is a link, a device or a sparse file; only files are read")
        total += entry.size
        _check_total(total, source, max_bytes)
        _add(members, entry.name, entry.isdir(), partial(_tar_content, archive, entry), source)
    return members


def _tar_content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(entry)  # a view of the member's bytes: nothing is written
    content = stream.read() if stream else b""
    if len(content) != entry.size:
        raise EOFError("the archive is cut short")
    return content


def _add(
    members: dict[str, Callable[[], bytes]], name: str, folder: bool, read: Callable[[], bytes], source: str
) -> None:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or any(bad in name for bad in "\\:\0"):
        raise FileFormatError(f"{source}: the name {name!r} leads out of a folder or is not portable; it is refused")
    if folder or not parts:
        return
    if (plain := "/".join(parts)) in members:
        raise FileFormatError(f"{source}: holds {plain!r} twice; which one is meant cannot be known")
    members[plain] = read


def _check_total(total: int, source: str, max_bytes: int) -> None:
    if total > max_bytes:
        raise FileFormatError(f"{source}: would decompress to more than {max_bytes} bytes, the ceiling")


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    raw.seek(0)
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(raw)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(raw)
    return raw


class _Capped(io.RawIOBase):
    """A stream that refuses to stand further than ``max_bytes`` and a tar's own headers from its start.

    A tar inside gzip has no listing of its own: looking for the next header decompresses whatever lies before
    it.
    """

    def __init__(self, stream: IO[bytes], source: str, max_bytes: int) -> None:
        self._stream = stream
        self._source = source
        self._ceiling = max_bytes + max(max_bytes // 8, 1 << 20)
        self._max_bytes = max_bytes

    def read(self, size: int = -1) -> bytes:
        at = self._stream.tell()
        if size < 0 or at + size > self._ceiling:
            size = self._ceiling - at + 1
        content = self._stream.read(size)
        self._check(at + len(content))
        return content

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._ceiling:
            _check_total(position, self._source, self._max_bytes)


@contextmanager
def _damage_named(source: str) -> Iterator[None]:
    try:
        yield
    except (FileFormatError, InvalidArgumentError):
        raise
    except _DAMAGE as error:
        raise FileFormatError(f"{source}: cannot be read as a zip or tar archive ({error})") from error


def _listing(names: tuple[str, ...], most: int = 10) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
