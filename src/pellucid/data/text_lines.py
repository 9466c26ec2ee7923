r"""The lines of a text file: UTF-8, each with its number. Lines end at ``\n`` (or ``\r\n``) and nowhere else.

Python's ``splitlines`` also breaks at U+0085 and U+2028, which stand inside sentences that people wrote.
"""

import os
from collections.abc import Iterator
from typing import IO

from pellucid.data.files import MAX_BYTES, open_source
from pellucid.errors import FileFormatError
from pellucid.language import phrase

__all__ = ["BOM", "MAX_LINE", "byte_lines", "decoded", "stream_lines", "text_lines"]

MAX_LINE = 1 << 22  # 4 MiB: no sentence is as long
BOM = b"\xef\xbb\xbf"


def byte_lines(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> Iterator[tuple[int, bytes]]:
    """Yield each line's number and bytes, its end taken off; at most MAX_LINE of them are in memory at once."""
    with open_source(path) as source:
        yield from _lines(source.stream, str(path), max_bytes)


def _lines(stream: IO[bytes], name: str, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    total = number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        total += len(line)
        if len(line) > MAX_LINE:
            raise FileFormatError(f"{name}, line {number}: is longer than {MAX_LINE} bytes; is it text?")
        if total > max_bytes:
            raise FileFormatError(f"{name}: holds more than {max_bytes} bytes, the ceiling for a file of its kind")
        if number == 1:
            line = line.removeprefix(BOM)
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")


def decoded(line: bytes, where: str) -> str:
    """Return the line's text; raise FileFormatError, which begins with ``where``, for what is not UTF-8 text."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        said = {"where": where, "n": error.start + 1}
        raise FileFormatError(phrase("{where}: byte {n} is not UTF-8; save the file as UTF-8 text", **said)) from None
    if "\0" in text:
        raise FileFormatError(phrase("{where}: holds a zero byte; save the file as UTF-8 text", where=where))
    return text


def text_lines(path: str | os.PathLike[str], max_bytes: int = MAX_BYTES) -> Iterator[tuple[int, str]]:
    """Yield each line's number and text; blank lines only at the end of the file, where they are passed over."""
    return _texts(byte_lines(path, max_bytes), str(path))


def stream_lines(stream: IO[bytes], name: str, max_bytes: int = MAX_BYTES) -> Iterator[tuple[int, str]]:
    """Yield what ``text_lines`` would of a file that holds the rest of the stream; ``name`` is its name in errors."""
    return _texts(_lines(stream, name, max_bytes), name)


def _texts(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[tuple[int, str]]:
    blank = 0
    for number, line in lines:
        text = decoded(line, f"{name}, line {number}")
        if not text.strip(" \t\r"):
            blank = blank or number
            continue
        if blank:
            raise FileFormatError(f"{name}, line {blank}: is blank; every line must hold an example")
        yield number, text
