import numpy as np
import pytest

from pellucid.bench import mlp
from pellucid.bench.comparison import OURS, Setting


def test_training_has_three_products_a_layer_but_for_the_first():
    products = mlp.training_products(rows=400, batch=200, sizes=(784, 256, 10), epochs=3)
    assert products == (
        (200, 784, 256, 6), (784, 200, 256, 6),
        (200, 256, 10, 6), (256, 200, 10, 6), (200, 10, 256, 6),
    )  # fmt: skip


def test_a_last_batch_that_is_not_full_has_its_products_too():
    products = mlp.training_products(rows=70, batch=32, sizes=(4, 3), epochs=1)
    assert products == ((32, 4, 3, 2), (4, 32, 3, 2), (6, 4, 3, 1), (4, 6, 3, 1))


def test_the_stand_in_shows_whole_digits_and_keeps_held_out_ones_apart():
    images = mlp.enlarged_digits(rows=50, test_rows=20, seed=1)
    assert (images.X.shape, images.X_test.shape, images.X.dtype) == ((50, 784), (20, 784), np.float32)
    small = {(9 * row).sum().round(3) for row in mlp.digits().X}
    assert all(row.sum().round(3) in small for row in images.X)
    np.testing.assert_array_equal(images.X, mlp.enlarged_digits(rows=50, test_rows=20, seed=1).X)


def test_without_mnist_the_stand_in_is_used_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("pellucid.data.mnist.cache_folder", lambda: tmp_path)
    monkeypatch.setattr(mlp, "enlarged_digits", lambda: "stand-in")
    mlp.mnist.cache_clear()
    try:
        assert mlp.mnist(None) == "stand-in"
    finally:
        mlp.mnist.cache_clear()
    monkeypatch.undo()
    assert "stand-in" in mlp.enlarged_digits(rows=1, test_rows=1).name


def test_a_folder_without_mnist_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="holds none of train-images"):
        mlp.mnist(str(tmp_path))


def test_the_digits_keep_a_stratified_quarter_apart():
    images = mlp.digits()
    assert (len(images.X), len(images.X_test)) == (1347, 450)
    assert np.ptp(np.bincount(images.y_test)) <= 3


@pytest.mark.parametrize("task", ["two-layer-1500", "xor-10000"])
def test_everybody_solves_the_truth_tables(task):
    comparison = mlp.TASKS[task](Setting())
    for name in (OURS, "textbook-numpy"):
        contender = comparison.contenders[name]()
        assert contender.quality(contender.work(0)) == 1.0
