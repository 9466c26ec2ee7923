"""The multilayer tasks, from four rows of XOR to MNIST: one network, batch, solver, number of epochs for all.

Quality is accuracy on rows that were not trained on (the truth tables have none such; predicting is graded on
the rows that it is given). Each round has its own seed, and a row's quality is the mean over the rounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.peers import (
    TextbookTwoLayer,
    TextbookXor,
    has_torch,
    sklearn_classifier,
    torch_classifier,
    torch_network,
    torch_two_layer,
)
from pellucid.data import TWO_LAYER_TABLE, XOR, load_digits, load_mnist

__all__ = ["TASKS"]

ALPHA = 1e-4
MNIST_HIDDEN = (256, 128)
MNIST_EPOCHS = 3


def accuracy(predicted: Any, y: Any) -> float:
    """Return the share of rows that are right."""
    return float(np.mean(np.asarray(predicted).ravel() == np.asarray(y).ravel()))


# --- two-layer-1500: 3-4-1, no biases, sum of squares ---------------------------------------------


def two_layer_1500(setting: Setting) -> Comparison:
    """Time the tutorials' two-layer network, 1,500 full-batch iterations; everybody records every loss."""
    X, y = np.array(TWO_LAYER_TABLE[0], dtype=np.float64), np.asarray(TWO_LAYER_TABLE[1])
    column = y.astype(np.float64).reshape(-1, 1)
    iterations, hidden = 1_500, 4

    def ours() -> Contender:
        from pellucid.networks.mlp import MLPClassifier

        def work(seed: int) -> Any:
            return MLPClassifier(
                hidden_layer_sizes=(hidden,), activation="logistic", bias=False, initial_weights="uniform",
                loss="sum_of_squares", alpha=0, solver="sgd", learning_rate_init=1, momentum=0,
                nesterovs_momentum=False, max_iter=iterations, tol=0, n_iter_no_change=iterations,
                shuffle=False, dtype="float64", random_state=seed,
            ).fit(X, y)  # fmt: skip

        return Contender(work, lambda model: accuracy(model.predict(X), y))

    def textbook() -> Contender:
        def work(seed: int) -> TextbookTwoLayer:
            rng = np.random.RandomState(seed)
            return TextbookTwoLayer(X, column, hidden, rng).train(iterations)

        return Contender(work, lambda net: accuracy(net.output > 0.5, y))

    def torch_modules() -> Contender:
        import torch

        inputs, targets = torch.from_numpy(X), torch.from_numpy(column)
        return Contender(
            lambda seed: torch_two_layer(inputs, targets, hidden, iterations, seed),
            lambda model: accuracy(model(inputs).detach().numpy() > 0.5, y),
        )

    contenders = {OURS: ours, "textbook-numpy": textbook}
    if has_torch():
        contenders["torch"] = torch_modules
    return Comparison(f"{iterations:,} iterations on 4 rows, 3-{hidden}-1, float64", contenders)


# --- xor-10000: 2-2-1 with biases, cross-entropy --------------------------------------------------

# The classic 2-2-1 has local minima; these starts lead out of them, so that equal quality can be read off.
XOR_SEED = {OURS: 0, "sklearn-f64": 0, "textbook-numpy": 0}


def xor_10000(setting: Setting) -> Comparison:
    """Time XOR with two hidden units, 10,000 full-batch iterations; everybody records every loss."""
    X, y = np.array(XOR[0], dtype=np.float64), np.asarray(XOR[1])
    column = y.astype(np.float64).reshape(-1, 1)
    iterations, step = 10_000, 1.0
    settings: dict[str, Any] = {
        "hidden_layer_sizes": (2,), "activation": "logistic", "solver": "sgd", "learning_rate_init": step,
        "momentum": 0, "nesterovs_momentum": False, "alpha": 0, "batch_size": 4, "shuffle": False,
    }  # fmt: skip

    def ours() -> Contender:
        from pellucid.networks.mlp import MLPClassifier

        def work(seed: int) -> Any:
            return MLPClassifier(
                max_iter=iterations, tol=0, n_iter_no_change=iterations, dtype="float64",
                random_state=XOR_SEED[OURS], **settings,
            ).fit(X, y)  # fmt: skip

        return Contender(work, lambda model: accuracy(model.predict(X), y))

    def textbook() -> Contender:
        rng = np.random.default_rng(XOR_SEED["textbook-numpy"])
        weights = rng.standard_normal((2, 2)), np.zeros(2), rng.standard_normal((2, 1)), np.zeros(1)
        return Contender(
            lambda seed: TextbookXor(*weights).train(X, column, iterations, step),
            lambda net: accuracy(net.predict_proba(X) > 0.5, y),
        )

    def sklearn() -> Contender:
        return Contender(
            lambda seed: sklearn_classifier(iterations, random_state=XOR_SEED["sklearn-f64"], **settings).fit(X, y),
            lambda model: accuracy(model.predict(X), y),
        )

    contenders = {OURS: ours, "textbook-numpy": textbook, "sklearn-f64": sklearn}
    return Comparison(f"{iterations:,} iterations on 4 rows, 2-2-1, float64", contenders)


# --- digits and MNIST: ReLU, Adam, minibatches ----------------------------------------------------


@dataclass(frozen=True)
class Images:
    """Rows to train on and rows to be graded on, X C-contiguous float32; ``name`` says which they are."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@cache
def digits() -> Images:
    """Return the 1,797 digits, a stratified quarter held out."""
    from sklearn.model_selection import train_test_split

    X, y = load_digits()
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
    return Images("digits", np.ascontiguousarray(X), y, X_test, y_test)


@cache
def mnist(data: str | None) -> Images:
    """Return MNIST from the folder, else from the cache, else a stand-in; nothing is downloaded."""
    from pellucid.data.mnist import SHA256, cache_folder

    if data is None and not all((cache_folder() / name).is_file() for name in SHA256):
        return enlarged_digits()
    found = load_mnist(data)
    return Images("MNIST images", found.X_train, found.y_train, found.X_test, found.y_test)


def enlarged_digits(rows: int = 60_000, test_rows: int = 10_000, seed: int = 0) -> Images:
    """Return a stand-in for MNIST: the 8 x 8 digits three times as large, at random places in 28 x 28."""
    small, rng = digits(), np.random.default_rng(seed)

    def enlarge(X: np.ndarray, y: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = rng.integers(0, len(X), n)
        large = X[chosen].reshape(n, 8, 8).repeat(3, axis=1).repeat(3, axis=2)
        out = np.zeros((n, 28, 28), np.float32)
        for i, (top, left) in enumerate(rng.integers(0, 5, (n, 2))):
            out[i, top : top + 24, left : left + 24] = large[i]
        return out.reshape(n, 784), y[chosen]

    train, test = enlarge(small.X, small.y, rows), enlarge(small.X_test, small.y_test, test_rows)
    return Images("images, a stand-in for MNIST made of enlarged digits", *train, *test)


def adam_contenders(
    images: Images, hidden: tuple[int, ...], batch: int, epochs: int, engine: str = "auto"
) -> Mapping[str, Callable[[], Contender]]:
    """Return everybody who trains a ReLU network with Adam at 1e-3 on minibatches."""
    settings: dict[str, Any] = {"hidden_layer_sizes": hidden, "alpha": ALPHA, "batch_size": batch}

    def grade(model: Any) -> float:
        return accuracy(model.predict(images.X_test), images.y_test)

    def ours() -> Contender:
        from pellucid.networks.mlp import MLPClassifier

        def work(seed: int) -> Any:
            return MLPClassifier(
                max_iter=epochs, tol=0, n_iter_no_change=epochs, random_state=seed, engine=engine, **settings
            ).fit(images.X, images.y)

        return Contender(work, grade)

    def sklearn(dtype: type) -> Contender:
        X: np.ndarray = images.X.astype(dtype, copy=False)
        return Contender(lambda seed: sklearn_classifier(epochs, random_state=seed, **settings).fit(X, images.y), grade)

    def torch_adam(fused: bool) -> Contender:
        import torch

        X, y = torch.from_numpy(images.X), torch.from_numpy(images.y)
        return Contender(
            lambda seed: torch_classifier(
                X, y, hidden=hidden, batch_size=batch, epochs=epochs, alpha=ALPHA, seed=seed, fused=fused
            ),
            lambda model: accuracy(model(torch.from_numpy(images.X_test)).argmax(1), images.y_test),
        )

    contenders: dict[str, Callable[[], Contender]] = {
        OURS: ours,
        "sklearn-f32": lambda: sklearn(np.float32),
        "sklearn-f64": lambda: sklearn(np.float64),
    }
    if has_torch():
        contenders |= {"torch": lambda: torch_adam(False), "torch-fused": lambda: torch_adam(True)}
    return contenders


def training_products(
    rows: int, batch: int, sizes: tuple[int, ...], epochs: int
) -> tuple[tuple[int, int, int, int], ...]:
    """Return the products (m, k, n, count) of ``epochs`` epochs of backpropagation through ``sizes``.

    A layer has three: X W forwards, Xᵀ D for the weights, and, from the second layer on, D Wᵀ backwards.
    """
    products = []
    for size, count in ((batch, rows // batch), (rows % batch, 1)):
        for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
            products += [(size, n_in, n_out, count * epochs), (n_in, size, n_out, count * epochs)]
            if layer:
                products.append((size, n_out, n_in, count * epochs))
    return tuple(product for product in products if 0 not in product)


def digits_adam(batch: int, epochs: int) -> Task:
    """Return the task of training 64-100-10 on the digits."""

    def task(setting: Setting) -> Comparison:
        images = digits()
        per = f"{epochs} epochs of {len(images.X):,} digits, 64-100-10, batch {batch}, float32"
        return Comparison(per, adam_contenders(images, (100,), batch, epochs))

    return task


def mnist_b200_adam(setting: Setting) -> Comparison:
    """Time MNIST's 784-256-128-10; memory and the share of the machine's sgemm rate beside it."""
    images, epochs, batch = mnist(setting.data), MNIST_EPOCHS, 200
    sizes = (784, *MNIST_HIDDEN, 10)
    return Comparison(
        f"{epochs} epochs of {len(images.X):,} {images.name}, 784-256-128-10, batch {batch}, float32",
        adam_contenders(images, MNIST_HIDDEN, batch, epochs),
        training_products(len(images.X), batch, sizes, epochs),
        memory=True,
    )


def mnist_engine_torch(setting: Setting) -> Comparison:
    """Time MNIST's network by the engine ``torch`` beside loops that torch's users write by hand."""
    images, epochs, batch = mnist(setting.data), 1, 200
    everybody = adam_contenders(images, MNIST_HIDDEN, batch, epochs, "torch")
    per = f"{epochs} epoch of {len(images.X):,} {images.name}, 784-256-128-10, batch {batch}, float32, engine='torch'"
    return Comparison(per, {name: make for name, make in everybody.items() if not name.startswith("sklearn")})


# --- predict-60000: the same weights for everybody ------------------------------------------------


def predict_60000(setting: Setting) -> Comparison:
    """Time the prediction of 60,000 rows by one network, trained for an epoch on a sixth of them."""
    images = mnist(setting.data)
    X, y, sizes = images.X, images.y, (784, *MNIST_HIDDEN, 10)

    @cache
    def trained() -> Any:
        from pellucid.networks.mlp import MLPClassifier

        model = MLPClassifier(hidden_layer_sizes=MNIST_HIDDEN, max_iter=1, tol=0, random_state=0)
        return model.fit(X[:10_000], y[:10_000])

    def grade(predicted: Any) -> float:
        return accuracy(predicted, y)

    def ours() -> Contender:
        model = trained()
        return Contender(lambda seed: model.predict(X), grade)

    def sklearn(dtype: type) -> Contender:
        own: np.ndarray = X.astype(dtype, copy=False)
        model = sklearn_classifier(1, hidden_layer_sizes=MNIST_HIDDEN).fit(own[:1_000], y[:1_000])
        model.coefs_ = [weights.astype(dtype) for weights in trained().coefs_]
        model.intercepts_ = [biases.astype(dtype) for biases in trained().intercepts_]
        return Contender(lambda seed: model.predict(own), grade)

    def torch_inference() -> Contender:
        import torch

        model, tensor = torch_network(sizes), torch.from_numpy(X)
        with torch.no_grad():
            for layer, (W, b) in enumerate(zip(trained().coefs_, trained().intercepts_, strict=True)):
                model[2 * layer].weight.copy_(torch.from_numpy(W.T.copy()))
                model[2 * layer].bias.copy_(torch.from_numpy(b.copy()))

        def work(seed: int) -> Any:
            with torch.inference_mode():
                return model(tensor).argmax(1)

        return Contender(work, grade)

    contenders: dict[str, Callable[[], Contender]] = {
        OURS: ours,
        "sklearn-f32": lambda: sklearn(np.float32),
        "sklearn-f64": lambda: sklearn(np.float64),
    }
    if has_torch():
        contenders["torch"] = torch_inference
    products = tuple((len(X), n_in, n_out, 1) for n_in, n_out in pairwise(sizes))
    per = f"{len(X):,} rows of {images.name}, 784-256-128-10, float32"
    return Comparison(per, contenders, products, memory=True)


TASKS: dict[str, Task] = {
    "two-layer-1500": two_layer_1500,
    "xor-10000": xor_10000,
    "digits-b32-adam": digits_adam(32, 100),
    "digits-b200-adam": digits_adam(200, 300),
    "mnist-b200-adam": mnist_b200_adam,
    "predict-60000": predict_60000,
}
if has_torch():
    TASKS["mnist-engine-torch"] = mnist_engine_torch
