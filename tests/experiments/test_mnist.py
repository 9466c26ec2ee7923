"""The MNIST experiment on a small data set of the same format, written by the test."""

import numpy as np
import pytest

from pellucid.data import load_digits, write_idx
from pellucid.errors import FileFormatError
from pellucid.experiments import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Scikit-learn's digits, enlarged to 28 x 28, as MNIST's four files."""
    where = tmp_path_factory.mktemp("mnist")
    X, y = load_digits()
    large = np.kron(X.reshape(-1, 8, 8), np.ones((3, 3)))
    images = (255 * np.pad(large, ((0, 0), (2, 2), (2, 2)))).astype(np.uint8)
    for prefix, rows in (("train", slice(0, 1500)), ("t10k", slice(1500, None))):
        write_idx(where / f"{prefix}-images-idx3-ubyte", images[rows])
        write_idx(where / f"{prefix}-labels-idx1-ubyte", y[rows].astype(np.uint8))
    return where


def test_mnist_is_read_from_a_folder_learnt_and_scored(folder):
    result = run("mnist", data=folder, quick=True)
    assert result.metrics["test_images"] == 297
    assert result.metrics["test_accuracy"] > 0.5  # a few epochs of a small set: only that it learns
    assert result.metrics["fit_seconds"] > 0
    assert len(result.payload["worst_images"]) > 0


def test_a_folder_without_mnist_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileFormatError, match="holds none of train-images-idx3-ubyte"):
        run("mnist", data=tmp_path)
