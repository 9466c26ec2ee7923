"""The convolutional task: LeNet at batch 100 on MNIST's images, beside torch as it comes and at its best.

LeNet-5's sizes (LeCun et al. 1998), with ReLU and maxima: 6 of 5 x 5 (padding 2), pool, 16 of 5 x 5, pool, 120-84-10.

The ``channels`` tasks ask whether the direct kernel is still the right one where there are many channels: one epoch of
two convolutions on noise, beside the readable engine, which copies patches and leaves the product to BLAS, and torch's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.mlp import accuracy, mnist
from pellucid.bench.peers import has_torch, torch_lenet

__all__ = ["TASKS"]

ROWS, TEST_ROWS, BATCH = 6_000, 2_000, 100
NOISE = 256  # images of the tasks of many channels


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


def channels(shape: tuple[int, int, int], layers: tuple[tuple[int, int], ...]) -> Task:
    """Return the task of one epoch with these convolutions (channels, kernel) on images (C, H, W)."""

    def task(setting: Setting) -> Comparison:
        rng = np.random.default_rng(0)
        X, y = rng.random((NOISE, *shape), dtype=np.float32), np.arange(NOISE) % 4

        def contender(engine: str) -> Contender:
            from pellucid.networks.cnn import CNNClassifier

            def work(seed: int) -> Any:
                return CNNClassifier(
                    layers, (20,), batch_size=64, max_iter=1, tol=0, dtype="float32", engine=engine, random_state=seed
                ).fit(X, y)

            return Contender(work, lambda model: float(model.loss_))

        contenders: dict[str, Callable[[], Contender]] = {
            OURS: lambda: contender("compiled"),
            "patches": lambda: contender("reference"),
        }
        if has_torch():
            contenders["torch"] = lambda: contender("torch")
        products: list[tuple[int, int, int, int]] = []
        (depth, height, width), last = shape, layers[-1][0]
        for out, kernel in layers:
            inputs, area = depth * kernel**2, height * width
            products += [(out, inputs, area, NOISE), (out, area, inputs, NOISE)]
            if depth != shape[0]:  # nobody asks for the slopes of pixels
                products.append((inputs, out, area, NOISE))
            depth, height, width = out, height // 2, width // 2
        flat, count = last * height * width, NOISE // 64
        products += [(64, flat, 20, count), (flat, 64, 20, count), (64, 20, flat, count)]
        text = ", ".join(f"{out} of {kernel} x {kernel}" for out, kernel in layers)
        return Comparison(
            f"1 epoch of {NOISE} images {shape}, {text}, batch 64, float32", contenders, tuple(products)
        )  # fmt: skip

    return task


TASKS: dict[str, Task] = {
    "lenet-b100": lenet_b100,
    "channels-16-64-128": channels((16, 16, 16), ((64, 3), (128, 3))),
    "channels-32-64-128-1x1": channels((32, 16, 16), ((64, 1), (128, 1))),
    "channels-64-128-256": channels((64, 8, 8), ((128, 3), (256, 3))),
}
