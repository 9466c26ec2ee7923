"""The convolutional task: LeNet at batch 100 on MNIST's images, beside torch as it comes and at its best.

LeNet-5's sizes (LeCun et al. 1998), with ReLU and maxima: 6 of 5 x 5 (padding 2), pool, 16 of 5 x 5, pool, 120-84-10.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.mlp import accuracy, mnist
from pellucid.bench.peers import has_torch, torch_lenet

__all__ = ["TASKS"]

ROWS, TEST_ROWS, BATCH = 6_000, 2_000, 100


def lenet_b100(setting: Setting) -> Comparison:
    """Time one epoch of LeNet with Adam."""
    images = mnist(setting.data)
    X = np.ascontiguousarray(images.X[:ROWS].reshape(-1, 28, 28), np.float32)
    X_test, y, y_test = images.X_test[:TEST_ROWS].reshape(-1, 28, 28), images.y[:ROWS], images.y_test[:TEST_ROWS]

    def ours() -> Contender:
        from pellucid.networks.cnn import CNNClassifier

        def work(seed: int) -> Any:
            return CNNClassifier(
                ((6, 5), (16, 5)), (120, 84), padding=(2, 0), alpha=0, batch_size=BATCH, max_iter=1, tol=0,
                random_state=seed,
            ).fit(X, y)  # fmt: skip

        return Contender(work, lambda model: accuracy(model.predict(X_test), y_test))

    def torch_way(best: bool) -> Contender:
        import torch

        inputs, targets = torch.from_numpy(X[:, None]), torch.from_numpy(np.asarray(y).astype(np.int64))
        tests = torch.from_numpy(np.ascontiguousarray(X_test[:, None], np.float32))
        return Contender(
            lambda seed: torch_lenet(inputs, targets, batch_size=BATCH, epochs=1, seed=seed, best=best),
            lambda model: accuracy(model(tests).argmax(1), y_test),
        )

    contenders: dict[str, Callable[[], Contender]] = {OURS: ours}
    if has_torch():
        contenders |= {"torch": lambda: torch_way(False), "torch-fused": lambda: torch_way(True)}
    area, second = 28 * 28, 10 * 10
    convolutions = [(6, 25, area), (6, area, 25), (16, 150, second), (16, second, 150), (150, 16, second)]
    dense = [(400, 120), (120, 84), (84, 10)]
    count = len(X) // BATCH
    products = [(m, k, n, BATCH * count) for m, k, n in convolutions]
    for n_in, n_out in dense:
        products += [(BATCH, n_in, n_out, count), (n_in, BATCH, n_out, count), (BATCH, n_out, n_in, count)]
    per = f"1 epoch of {len(X):,} {images.name}, LeNet 6-16-120-84-10, batch {BATCH}, float32"
    return Comparison(per, contenders, tuple(products))


TASKS: dict[str, Task] = {"lenet-b100": lenet_b100}
