"""Checkpoints: everything needed to go on with a training bit for bit, in one file that is whole at any moment.

The file is a model file (``saving/file.py``: safetensors and JSON, its digest in it, written beside and put in
place), of the class ``Checkpoint``. Its *identity* says of which run it is: how many processes, which parameters,
which data. The process of rank 0 alone writes and reads; it tells the others.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import __version__
from pellucid.errors import InvalidArgumentError, ModelFileError, ProcessError
from pellucid.learning.estimator import check_number
from pellucid.saving.entries import decode, encode, parse
from pellucid.saving.file import read_bytes, write_file
from pellucid.scaling.processes import ALONE, Processes

__all__ = ["Checkpoint", "State", "agree", "fingerprint"]

NAME = "checkpoint.pellucid"
FORMAT = 1
State = tuple[dict[str, Any], dict[str, np.ndarray]]


class Checkpoint:
    """The checkpoint in a folder, which is made if it is not there, renewed every so many seconds of training."""

    def __init__(self, folder: str | os.PathLike[str], every: float = 10.0) -> None:
        check_number("every", every, 0)
        self.path, self.every = Path(folder) / NAME, float(every)
        self._identity: dict[str, Any] = {}
        self._together, self._written = ALONE, time.monotonic()

    @classmethod
    def given(cls, checkpoint: Any, random_state: Any) -> "Checkpoint":
        """Return the Checkpoint, or that in the folder, with which ``fit`` was called.

        Raises InvalidArgumentError where it is neither, and where no seed is given with which a training begins again.
        """
        if random_state is None:
            raise InvalidArgumentError(
                "checkpoint needs a random_state, with which the same training begins again; got random_state=None"
            )
        if isinstance(checkpoint, cls):
            return checkpoint
        if not isinstance(checkpoint, str | os.PathLike):
            raise InvalidArgumentError(f"checkpoint must be the path of a folder or a Checkpoint, got {checkpoint!r}")
        return cls(checkpoint)

    def resume(self, identity: Mapping[str, Any], together: Processes = ALONE) -> State | None:
        """Return the state that is kept for the run of this identity, or None where there is none yet.

        Raises InvalidArgumentError where what is kept is of another run, and ModelFileError where it is damaged.
        """
        self._together, self._written = together, time.monotonic()
        names = sorted(identity, key=lambda name: (name != "class", name))  # whose it is comes before how it is set
        self._identity = {"processes": together.size} | {name: encode(identity[name], name) for name in names}
        agree(identity, together)
        content = None
        if together.rank == 0:
            self._make_folder()
            content = self.path.read_bytes() if self.path.exists() else None
        content = together.told_by(0, content)
        return None if content is None else self._opened(content)

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidArgumentError(
                f"checkpoint must be a folder that can be written, got {self.path.parent} ({error.strerror or error})"
            ) from error

    def _opened(self, content: bytes) -> State:
        try:
            text, arrays = read_bytes(content)
            header = parse(text)
            if header.get("class") != "Checkpoint":
                raise ModelFileError(f"holds a {header.get('class')!r}, not a checkpoint")
            if header["format"] != FORMAT:
                raise ModelFileError(
                    f"was written in format {header['format']} by Pellucid {header['pellucid']}, but Pellucid "
                    f"{__version__} reads format {FORMAT}; go on with that version, or choose another folder"
                )
            known, state = header["identity"], decode(header["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(f"{self.path}: {error}") from error
        for name in [*self._identity, *known]:
            was, now = known.get(name), self._identity.get(name)
            if was != now:
                raise InvalidArgumentError(
                    f"{self.path} is of a run with {name}={decode(was)!r}, but now {name}={decode(now)!r}; "
                    "go on with the same, or choose another folder"
                )
        return state, arrays

    def offer(self, state: Callable[[], State], *, now: bool = False) -> None:
        """Keep the state if its time has come, or ``now``."""
        if self._together.rank or not (now or time.monotonic() - self._written >= self.every):
            return
        header, arrays = state()
        entries = {
            "class": "Checkpoint", "format": FORMAT, "pellucid": __version__,
            "identity": self._identity, "state": encode(header, "state"),
        }  # fmt: skip
        try:
            write_file(self.path, entries, arrays)
        except ModelFileError as error:
            raise ModelFileError(f"{self.path}: {error}") from error
        self._written = time.monotonic()


def fingerprint(arrays: Iterable[np.ndarray | None]) -> str:
    """Return 16 digits that tell whether arrays are the same: dtypes, shapes, and every byte."""
    digest = sha256()
    for array in arrays:
        if array is None:
            digest.update(b"none")
            continue
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        plain = np.array(array.tolist()) if array.dtype == object else array
        digest.update(np.ascontiguousarray(plain).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]


def agree(identity: Mapping[str, Any], together: Processes) -> None:
    """Raise ProcessError, naming the rank and both values, unless all processes are about to do the same."""
    own = {name: encode(value, name) for name, value in identity.items()}
    for rank, text in enumerate(together.told_by_all(json.dumps(own))):
        for name, value in json.loads(text).items():
            if value != own.get(name):
                raise ProcessError(
                    f"rank {rank} has {name}={decode(value)!r}, but rank {together.rank} has "
                    f"{decode(own.get(name))!r}; give every process the same"
                )
