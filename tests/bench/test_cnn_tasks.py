"""The convolutional tasks: the same epoch on every engine."""

import numpy as np
import pytest

from pellucid.bench import cnn
from pellucid.bench.comparison import OURS, Setting


def test_every_engine_ends_with_the_same_loss(monkeypatch):
    monkeypatch.setattr(cnn, "NOISE", 70)
    compared = cnn.channels((2, 6, 6), ((3, 3), (4, 1)))(Setting())
    assert compared.per.startswith("1 epoch of 70 images (2, 6, 6), 3 of 3 x 3, 4 of 1 x 1")
    found = {name: (made := make()).quality(made.work(0)) for name, make in compared.contenders.items()}
    assert {OURS, "patches"} <= set(found)
    assert np.isfinite(found[OURS])
    assert list(found.values()) == pytest.approx([found[OURS]] * len(found), rel=1e-5)


def test_products_count_no_slopes_of_pixels():
    products = cnn.channels((2, 6, 6), ((3, 3),))(Setting()).products
    assert products[:2] == ((3, 18, 36, cnn.NOISE), (3, 36, 18, cnn.NOISE))
    assert sum(m * k * n * times for m, k, n, times in products[2:]) == 3 * 4 * 64 * (3 * 3 * 3) * 20
