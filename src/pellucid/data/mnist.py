"""MNIST (LeCun, Cortes, Burges 1998): 60,000 handwritten digits to learn from, 10,000 to be judged on.

From a folder that the user names, from Pellucid's cache, or downloaded into it by pooch. A download is kept
only when its SHA-256 is right; until then whatever stood there before stays. A folder of the user's is taken
as it is: data sets made in MNIST's image (Fashion-MNIST, copies in another order) have hashes of their own.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from pellucid.data.idx import read_idx
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError

__all__ = ["Mnist", "load_mnist"]

Split = Literal["all", "train", "test"]

PIXELS = 28 * 28
PREFIX = {"train": "train", "test": "t10k"}

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
# Of the four original files, as published in several data set catalogues.
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


@dataclass(frozen=True)
class Mnist:
    """The digits. A part that was not asked for has no rows."""

    X_train: np.ndarray  # (N, 784) float32 in [0, 1], 1 is ink, the rows of an image one after another
    y_train: np.ndarray  # (N,) int64, 0 to 9
    X_test: np.ndarray
    y_test: np.ndarray


def load_mnist(data: str | os.PathLike[str] | None = None, split: Split = "all") -> Mnist:
    """Return MNIST.

    ``data`` is the folder that holds the four files, gzip or plain, a dash or a dot before ``idx``. None: the
    cache of this user, filled by a download of 11 MB the first time. ``split="train"`` leaves the test files
    unread, so that nothing can be chosen on them; ``"test"`` the other way round.

    Raises InvalidArgumentError where ``split`` is none of these; FileFormatError where a file is missing from
    ``data``, is not IDX, or images and labels do not belong together; InvalidDataError where every download
    failed.
    """
    if split not in get_args(Split):
        raise InvalidArgumentError(f"split must be one of {', '.join(get_args(Split))}, got {split!r}")
    train = _part(data, "train") if split != "test" else _nothing()
    test = _part(data, "test") if split != "train" else _nothing()
    return Mnist(*train, *test)


def fetch(name: str, folder: Path, downloader: Any = None) -> Path:
    """Return the path of ``name`` in ``folder``, downloading it where it is absent or not the original.

    ``downloader`` is a callable of pooch's interface ``(url, output_file, pooch)``; None: pooch's own for the
    URL.
    """
    import pooch

    reasons = []
    for mirror in MIRRORS:
        try:
            found = pooch.retrieve(mirror + name, f"sha256:{SHA256[name]}", name, folder, downloader=downloader)
            return Path(found)
        except (OSError, ValueError) as error:  # no network or no disk; a hash that is not the file's
            reasons.append(f"{mirror}: {error}")
    raise InvalidDataError(
        f"{name} could not be downloaded into {folder} ({'; '.join(reasons)}); "
        "fetch MNIST's four files by other means and name their folder as data"
    )


def cache_folder() -> Path:
    """Return where downloads are kept: ``mnist`` in this user's cache folder for Pellucid."""
    from platformdirs import user_cache_path

    return user_cache_path("pellucid", appauthor=False) / "mnist"


def _part(data: str | os.PathLike[str] | None, part: str) -> tuple[np.ndarray, np.ndarray]:
    images = _locate(data, f"{PREFIX[part]}-images-idx3-ubyte")
    labels = _locate(data, f"{PREFIX[part]}-labels-idx1-ubyte")
    y = read_idx(labels, dtype="uint8")
    if y.ndim != 1 or (y.size and y.max() > 9):
        raise FileFormatError(f"{labels}: must hold one digit from 0 to 9 for each image")
    X = read_idx(images, dtype="uint8", divide_by=255)
    if X.ndim != 3 or X.shape[1] * X.shape[2] != PIXELS:
        raise FileFormatError(f"{images}: must hold images of 28 x 28 pixels, has the shape {X.shape}")
    if len(X) != len(y):
        raise FileFormatError(f"{images} holds {len(X)} images, {labels} {len(y)} labels; they must be as many")
    return X.reshape(len(X), PIXELS), y.astype(np.int64)


def _locate(data: str | os.PathLike[str] | None, stem: str) -> Path:
    if data is None:
        return fetch(stem + ".gz", cache_folder())
    folder = Path(data)
    if not folder.is_dir():
        raise FileFormatError(f"{folder}: is not a folder; data must be the one that holds MNIST's four files")
    names = [name + end for name in (stem, stem.replace("-idx", ".idx")) for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileFormatError(f"{folder}: holds none of {', '.join(names)}")


def _nothing() -> tuple[np.ndarray, np.ndarray]:
    return np.empty((0, PIXELS), np.float32), np.empty(0, np.int64)
