"""MNIST from a folder, from the cache, and by a download that must be the right file; no network is used."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pellucid.data import load_mnist, mnist, write_idx
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError

STEMS = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def arrays(part, n):
    images = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
    return {
        f"{part}-images-idx3-ubyte": images,
        f"{part}-labels-idx1-ubyte": (np.arange(n) % 10).astype(np.uint8),
    }


DATA = {**arrays("train", 30), **arrays("t10k", 20)}


def fill(folder, rename=lambda name: name, end=".gz"):
    folder.mkdir(exist_ok=True)
    for name, array in DATA.items():
        write_idx(folder / (rename(name) + end), array)
    return folder


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("rename", [lambda name: name, lambda name: name.replace("-idx", ".idx")])
def test_a_folder_is_read_by_any_of_the_usual_names(tmp_path, rename, end):
    found = load_mnist(fill(tmp_path / "mnist", rename, end))
    expected = DATA["train-images-idx3-ubyte"].reshape(30, 784).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(found.X_train, expected)
    assert found.X_train.dtype == np.float32
    assert found.X_test.shape == (20, 784)
    np.testing.assert_array_equal(found.y_test, np.arange(20) % 10)
    assert found.y_test.dtype == np.int64


def test_a_split_leaves_the_other_parts_files_unread(tmp_path):
    folder = fill(tmp_path / "mnist")
    for name in STEMS[2:]:
        (folder / f"{name}.gz").write_bytes(b"damaged")
    found = load_mnist(str(folder), split="train")
    assert found.X_train.shape == (30, 784)
    assert found.X_test.shape == (0, 784)
    assert found.y_test.shape == (0,)
    with pytest.raises(FileFormatError, match="t10k-labels"):
        load_mnist(folder, split="test")


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="split must be one of all, train, test, got 'dev'"):
        load_mnist(tmp_path, split="dev")


def test_a_missing_file_is_named_with_the_names_it_could_have(tmp_path):
    folder = fill(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileFormatError, match=r"holds none of t10k-labels-idx1-ubyte, .*, t10k-labels\.idx1-ubyte\.gz"):
        load_mnist(folder)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="absent: is not a folder"):
        load_mnist(tmp_path / "absent")


def test_labels_and_images_must_be_as_many(tmp_path):
    folder = fill(tmp_path / "mnist")
    write_idx(folder / "train-labels-idx1-ubyte.gz", np.zeros(29, np.uint8))
    with pytest.raises(FileFormatError, match=r"holds 30 images, .* 29 labels; they must be as many"):
        load_mnist(folder)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("train-labels-idx1-ubyte", np.full(30, 10, np.uint8), "must hold one digit from 0 to 9"),
        ("train-labels-idx1-ubyte", np.zeros((30, 1), np.uint8), "must hold one digit from 0 to 9"),
        ("train-labels-idx1-ubyte", np.zeros(30, np.int32), "must hold uint8 numbers, holds int32"),
        ("train-images-idx3-ubyte", np.zeros((30, 27, 28), np.uint8), r"images of 28 x 28 .* \(30, 27, 28\)"),
        ("train-images-idx3-ubyte", np.zeros((30, 784), np.uint8), r"images of 28 x 28 .* \(30, 784\)"),
        (
            "train-images-idx3-ubyte",
            np.zeros((30, 28, 28), np.float32),
            "must hold uint8 numbers, holds float32",
        ),
    ],
)
def test_other_content_under_mnists_names_is_refused(tmp_path, name, array, message):
    folder = fill(tmp_path / "mnist")
    write_idx(folder / f"{name}.gz", array)
    with pytest.raises(FileFormatError, match=message):
        load_mnist(folder)


class FakeDownloader:
    """Of pooch's interface: writes ``content`` instead of asking a network, and remembers what was asked."""

    def __init__(self, content=b"", failure=None):
        self.content, self.failure, self.asked = content, failure, []

    def __call__(self, url, output_file, pooch):
        self.asked.append(url)
        Path(output_file).write_bytes(self.content)
        if self.failure:
            raise self.failure


NAME = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def right(monkeypatch):
    content = b"the right file"
    monkeypatch.setitem(mnist.SHA256, NAME, hashlib.sha256(content).hexdigest())
    return content


def test_a_download_with_the_right_hash_is_kept(tmp_path, right):
    downloader = FakeDownloader(right)
    path = mnist.fetch(NAME, tmp_path / "cache", downloader)
    assert path.read_bytes() == right
    assert downloader.asked == [mnist.MIRRORS[0] + NAME]


def test_a_cached_file_with_the_right_hash_is_not_downloaded_again(tmp_path, right):
    (tmp_path / NAME).write_bytes(right)
    downloader = FakeDownloader(failure=OSError("no network"))
    assert mnist.fetch(NAME, tmp_path, downloader).read_bytes() == right
    assert downloader.asked == []


@pytest.mark.parametrize(
    ("downloader", "reason"),
    [
        (FakeDownloader(b"another file"), "hash"),
        (FakeDownloader(b"the right", ConnectionError("connection cut")), "connection cut"),
    ],
)
def test_a_wrong_hash_or_a_cut_download_leaves_the_old_file_and_nothing_else(tmp_path, right, downloader, reason):
    (tmp_path / NAME).write_bytes(b"an old file")
    with pytest.raises(InvalidDataError, match=f"could not be downloaded into .*{reason}.* name their folder as data"):
        mnist.fetch(NAME, tmp_path, downloader)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"an old file"
    assert len(downloader.asked) == len(mnist.MIRRORS)


def test_an_old_file_with_a_wrong_hash_is_replaced_by_a_right_download(tmp_path, right):
    (tmp_path / NAME).write_bytes(b"an old file")
    assert mnist.fetch(NAME, tmp_path, FakeDownloader(right)).read_bytes() == right


def test_without_a_folder_the_cache_is_read(tmp_path, monkeypatch):
    folder = fill(tmp_path / "mnist")
    monkeypatch.setattr(mnist, "cache_folder", lambda: folder)
    for name in STEMS:
        digest = hashlib.sha256((folder / f"{name}.gz").read_bytes()).hexdigest()
        monkeypatch.setitem(mnist.SHA256, f"{name}.gz", digest)
    assert load_mnist().X_train.shape == (30, 784)


def test_the_cache_is_this_users_and_named_after_pellucid():
    folder = mnist.cache_folder()
    assert folder.is_absolute()
    assert folder.name == "mnist"
    assert "pellucid" in [part.lower() for part in folder.parts]
