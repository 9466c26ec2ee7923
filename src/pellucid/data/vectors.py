r"""Word vectors as GloVe writes them (Pennington, Socher, Manning 2014): a line a word, the word and its d numbers.

The last d fields, parted by the plain space, are the numbers; what stands before them is the word, which may hold
spaces (``. . .``), no-break spaces or U+0085. Lines end at ``\n``. Where a word stands twice, its first vector is kept
and the others are counted; a word that is not UTF-8 is read with U+FFFD in place of what is broken, and counted.
Numbers are written in plain decimal digits: ``nan``, ``1_0`` and the digits of other scripts are refused by line.

**Memory.** The file is read line by line. What is kept takes 4 d bytes a word and some 150 bytes for the word itself;
``max_bytes`` (1 GiB unless told otherwise) bounds their sum. With ``words``, only these are kept: 300 numbers each for
SNLI's 37,000 words take 50 MB, of whatever size the file is.
"""

import json
import os
import re
import secrets
import warnings
from array import array
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path

import numpy as np

from pellucid.data.files import open_source
from pellucid.data.text_lines import byte_lines
from pellucid.errors import FileFormatError, InvalidArgumentError, PellucidWarning

__all__ = ["MAX_KEPT", "Vectors", "cache_folder", "cached_vectors", "read_vectors"]

MAX_KEPT = 1 << 30  # bytes
MAX_TEXT = 1 << 36  # bytes of text that one file may decompress to: 64 GiB; none of it stays in memory
A_WORD = 150  # bytes: the string, its place in the dictionary
LOOKED_AT = 100  # lines, to find d
CACHE_FORMAT = "pellucid vectors 1"

_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PLAIN = re.compile(rb"[0-9eE+\-. ]*")  # of these characters alone, float() reads nothing that _NUMBER would not
_HEADER = re.compile(rb"[0-9]+ [0-9]+")  # word2vec's text form begins with how many words and how many numbers


@dataclass(frozen=True, eq=False)
class Vectors:
    """Words and their vectors; ``matrix[i]`` (n, d) float32 belongs to ``words[i]``. Counts say what was left out."""

    words: tuple[str, ...]
    matrix: np.ndarray
    lowercase: bool
    duplicates: int
    garbled: int

    def __len__(self) -> int:
        return len(self.words)

    def in_small_letters(self) -> "Vectors":
        """Return these vectors by words in small letters; of several that become one the first is kept."""
        if self.lowercase:
            return self
        places: dict[str, int] = {}
        for i, word in enumerate(self.words):
            places.setdefault(word.lower(), i)
        more = len(self.words) - len(places)
        return Vectors(tuple(places), self.matrix[list(places.values())], True, self.duplicates + more, self.garbled)

    def rows(self, words: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of ``words``, (V, d) float32, and which are known, (V,) bool; unknown rows are zeros."""
        places = {word: i for i, word in enumerate(self.words)}
        found = np.array([places.get(w.lower() if self.lowercase else w, -1) for w in words], np.int64)  # (V,)
        known = found >= 0
        rows = np.zeros((len(found), self.matrix.shape[1]), np.float32)  # (V, d)
        rows[known] = self.matrix[found[known]]
        return rows, known


def read_vectors(
    path: str | os.PathLike[str],
    words: Collection[str] | None = None,
    *,
    dimension: int | None = None,
    lowercase: bool = False,
    max_bytes: int = MAX_KEPT,
) -> Vectors:
    """Return the vectors in ``path``, of ``words`` only if given.

    ``dimension`` is d; without it, the first lines tell. With ``lowercase``, words are put in small letters before
    they are compared, those of the file too.
    """
    if dimension is not None and (isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1):
        raise InvalidArgumentError(f"dimension must be a whole number of 1 or more, got {dimension!r}")
    lines_left = byte_lines(path, MAX_TEXT)  # read once: it may be a pipe
    looked_at = list(islice(lines_left, LOOKED_AT + 1))
    d = dimension or _find_dimension(looked_at, path)
    wanted = None if words is None else {word.lower() if lowercase else word for word in words}
    places: dict[str, int] = {}
    numbers, lines = array("f"), array("q")
    seen_twice = garbled = 0
    for number, line in chain(looked_at, lines_left):
        if number == 1 and d > 1 and _HEADER.fullmatch(line.rstrip(b" ")):
            continue
        fields = line.rstrip(b" ").rsplit(b" ", d)
        where = f"{path}, line {number}"
        if len(fields) <= d or not fields[0]:
            raise FileFormatError(f"{where}: must hold a word and {d} numbers, has {len(fields)} fields")
        values = _numbers(fields[1:], where)
        try:
            word = fields[0].decode("utf-8")
        except UnicodeDecodeError:
            word = fields[0].decode("utf-8", errors="replace")
            garbled += 1
        word = word.lower() if lowercase else word
        if wanted is not None and word not in wanted:
            continue
        if word in places:
            seen_twice += 1
            continue
        places[word] = len(places)
        numbers.extend(values)
        lines.append(number)
        if len(places) * (4 * d + A_WORD) > max_bytes:
            raise FileFormatError(
                f"{where}: the vectors up to here take more than {max_bytes} bytes; name the words that you need "
                "(words=), or raise max_bytes"
            )
    matrix = np.frombuffer(numbers, np.float32).reshape(-1, d) if places else np.zeros((0, d), np.float32)  # (n, d)
    for row in np.flatnonzero(~np.isfinite(matrix).all(axis=1)):
        raise FileFormatError(f"{path}, line {lines[row]}: holds a number beyond float32 (3.4e38)")
    return Vectors(tuple(places), matrix, lowercase, seen_twice, garbled)


def cached_vectors(
    path: str | os.PathLike[str],
    words: Collection[str],
    cache: str | os.PathLike[str] | None = None,
    *,
    dimension: int | None = None,
    lowercase: bool = False,
) -> Vectors:
    """Return ``read_vectors(path, words)``, from ``cache`` where an earlier call left it there.

    The cache is a safetensors file that holds the filtered vectors and what they were filtered from: path, size and
    time of the file, the words, the arguments. Where any of it differs, or the cache is damaged, it is made anew; it
    is put in place whole or not at all, with a warning where that fails. None: a file of its own for each path, words
    and arguments in ``cache_folder()``. What is no regular file (a pipe) is read without a cache.
    """
    if Path(path).exists() and not Path(path).is_file():
        return read_vectors(path, words, dimension=dimension, lowercase=lowercase)
    with open_source(path):  # says what is wrong with it, if anything is
        status = Path(path).stat()
    asked = [CACHE_FORMAT, str(Path(path).resolve()), dimension, lowercase, sorted(set(words))]
    name = _digits(asked)
    key = _digits([*asked, status.st_size, status.st_mtime_ns])
    try:
        target = cache_folder() / f"{name[:16]}.safetensors" if cache is None else Path(cache)
    except RuntimeError:  # a user without a home
        return read_vectors(path, words, dimension=dimension, lowercase=lowercase)
    kept = _kept(target, key)
    if kept is not None:
        return kept
    vectors = read_vectors(path, words, dimension=dimension, lowercase=lowercase)
    try:
        if cache is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        _keep(vectors, target, key)
    except OSError as error:
        warnings.warn(
            f"{target}: vectors cannot be kept for the next time ({error.strerror or error})",
            PellucidWarning,
            stacklevel=2,
        )
    return vectors


def cache_folder() -> Path:
    """Return where filtered vectors are kept: ``vectors`` in this user's cache folder for Pellucid."""
    from platformdirs import user_cache_path

    return user_cache_path("pellucid", appauthor=False) / "vectors"


def _digits(asked: Sequence[object]) -> str:
    return sha256(json.dumps(asked).encode()).hexdigest()


def _keep(vectors: Vectors, target: Path, key: str) -> None:
    """Put a cache in place, whole or not at all; raise OSError where that fails."""
    from safetensors.numpy import save

    text = np.frombuffer("\n".join(vectors.words).encode(), np.uint8)  # a word holds no line end
    counts = np.array([len(vectors), vectors.duplicates, vectors.garbled, vectors.lowercase], np.int64)
    arrays = {"words": text, "matrix": np.ascontiguousarray(vectors.matrix), "counts": counts}
    temporary = target.with_name(f".pellucid-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(save(arrays, metadata={"key": key, "sha256": _digest(arrays)}))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):  # what could not be made cannot be removed
            temporary.unlink()
        raise


def _kept(target: Path, key: str) -> Vectors | None:
    """Return what a cache holds, or None where it is absent, damaged, or of something else."""
    from safetensors import SafetensorError, safe_open

    try:
        if not target.is_file():
            return None
        with safe_open(target, framework="np") as stored:
            metadata = stored.metadata() or {}
            if metadata.get("key") != key:
                return None
            arrays = {name: stored.get_tensor(name) for name in ("words", "matrix", "counts")}
    except (SafetensorError, OSError):
        return None
    if metadata.get("sha256") != _digest(arrays):
        return None
    count, duplicates, garbled, lowercase = arrays["counts"].tolist()
    words = tuple(arrays["words"].tobytes().decode().split("\n")) if count else ()
    return Vectors(words, arrays["matrix"], bool(lowercase), duplicates, garbled)


def _digest(arrays: dict[str, np.ndarray]) -> str:
    digest = sha256()
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].shape} ".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()


def _find_dimension(lines: Iterable[tuple[int, bytes]], path: str | os.PathLike[str]) -> int:
    """Return the smallest count of numbers that end one of the first lines: a word may itself end in numbers."""
    found: list[int] = []
    for number, line in lines:
        fields = line.rstrip(b" ").split(b" ")
        if number == 1 and _HEADER.fullmatch(line.rstrip(b" ")):
            continue
        count = 0
        while count < len(fields) - 1 and _NUMBER.fullmatch(fields[-1 - count]):
            count += 1
        if not count:
            raise FileFormatError(f"{path}, line {number}: must end with numbers, ends with {_shown(fields[-1])}")
        found.append(count)
    if not found:
        raise FileFormatError(f"{path}: holds no vector; a line must hold a word and its numbers")
    return min(found)


def _numbers(fields: list[bytes], where: str) -> list[float]:
    try:
        if _PLAIN.fullmatch(b" ".join(fields)):
            return list(map(float, fields))
    except ValueError:
        pass
    wrong = next(field for field in fields if not _NUMBER.fullmatch(field))
    raise FileFormatError(f"{where}: {_shown(wrong)} is not a number in plain digits")


def _shown(field: bytes) -> str:
    return repr(field[:40].decode("utf-8", errors="replace"))
