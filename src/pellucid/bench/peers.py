"""The peers, each as its users write it: textbook NumPy, PyTorch, scikit-learn.

None is slowed down on purpose: tensors stand ready before the clock starts, minibatches are taken by index
without a DataLoader (which is slower), nothing is printed. Where Pellucid records the loss, so does the peer.
"""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = [
    "TextbookTwoLayer",
    "TextbookXor",
    "has_hopfieldnetwork",
    "has_torch",
    "package_hopfield",
    "sklearn_classifier",
    "textbook_hopfield",
    "textbook_neuron",
    "torch_classifier",
    "torch_neuron",
    "torch_two_layer",
]


def has_torch() -> bool:
    """Say whether PyTorch is installed; without it its rows are absent."""
    return find_spec("torch") is not None


def sigmoid(z: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-z)), as every tutorial writes it."""
    result: np.ndarray = 1 / (1 + np.exp(-z))
    return result


def sigmoid_derivative(a: np.ndarray) -> np.ndarray:
    """Return the slope of the sigmoid where its output is a."""
    result: np.ndarray = a * (1 - a)
    return result


def textbook_neuron(X: np.ndarray, y: np.ndarray, weights: np.ndarray, iterations: int) -> np.ndarray:
    """Return the weights (D, 1) of the one-neuron tutorials; X (N, D), y (N, 1). They record no loss."""
    for _ in range(iterations):
        output = sigmoid(np.dot(X, weights))
        weights = weights + np.dot(X.T, (y - output) * output * (1 - output))
    return weights


class TextbookTwoLayer:
    """The class of the two-layer tutorials: no biases, sum-of-squares loss, chain rule by hand, step 1.

    It keeps the loss of every iteration, since the tutorials plot it, and writes the whole chain of factors
    once for each weight matrix, as they do, although a part is common to both.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, hidden: int, rng: np.random.RandomState) -> None:
        self.input = X
        self.y = y
        self.weights1 = rng.rand(X.shape[1], hidden)
        self.weights2 = rng.rand(hidden, 1)
        self.losses: list[float] = []

    def feedforward(self) -> None:
        """Compute both layers."""
        self.layer1 = sigmoid(np.dot(self.input, self.weights1))
        self.output = sigmoid(np.dot(self.layer1, self.weights2))

    def backprop(self) -> None:
        """Write the chain rule out for each weight matrix, then take a step of 1 down the slope."""
        change2 = np.dot(self.layer1.T, 2 * (self.y - self.output) * sigmoid_derivative(self.output))
        change1 = np.dot(
            self.input.T,
            np.dot(2 * (self.y - self.output) * sigmoid_derivative(self.output), self.weights2.T)
            * sigmoid_derivative(self.layer1),
        )
        self.weights1 += change1
        self.weights2 += change2

    def train(self, iterations: int) -> "TextbookTwoLayer":
        """Repeat feedforward and backprop, keeping the losses."""
        for _ in range(iterations):
            self.feedforward()
            self.losses.append(float(np.sum((self.y - self.output) ** 2)))
            self.backprop()
        return self


class TextbookXor:
    """Two inputs, two hidden sigmoid units, one sigmoid output, biases; cross-entropy, gradient descent."""

    def __init__(self, weights1: np.ndarray, bias1: np.ndarray, weights2: np.ndarray, bias2: np.ndarray) -> None:
        self.weights1, self.bias1 = weights1.copy(), bias1.copy()
        self.weights2, self.bias2 = weights2.copy(), bias2.copy()
        self.losses: list[float] = []

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the output (N, 1)."""
        self.hidden = sigmoid(np.dot(X, self.weights1) + self.bias1)
        return sigmoid(np.dot(self.hidden, self.weights2) + self.bias2)

    def train(self, X: np.ndarray, y: np.ndarray, iterations: int, learning_rate: float) -> "TextbookXor":
        """Descend for so many full-batch iterations, keeping the losses."""
        n = len(X)
        for _ in range(iterations):
            output = self.predict_proba(X)
            self.losses.append(float(-np.mean(y * np.log(output) + (1 - y) * np.log(1 - output))))
            delta2 = (output - y) / n
            delta1 = np.dot(delta2, self.weights2.T) * self.hidden * (1 - self.hidden)
            self.weights2 -= learning_rate * np.dot(self.hidden.T, delta2)
            self.bias2 -= learning_rate * np.sum(delta2, axis=0)
            self.weights1 -= learning_rate * np.dot(X.T, delta1)
            self.bias1 -= learning_rate * np.sum(delta1, axis=0)
        return self


def torch_neuron(X: "torch.Tensor", y: "torch.Tensor", weights: "torch.Tensor", iterations: int) -> "torch.Tensor":
    """Train the neuron by autograd: half the squared error has the tutorial's rule as its slope."""
    import torch

    weights = weights.clone().requires_grad_()
    for _ in range(iterations):
        loss = 0.5 * ((y - torch.sigmoid(X @ weights)) ** 2).sum()
        loss.backward()
        with torch.no_grad():
            weights -= weights.grad
            weights.grad = None
    return weights.detach()


def torch_two_layer(X: "torch.Tensor", y: "torch.Tensor", hidden: int, iterations: int, seed: int) -> Any:
    """Train the two-layer network by torch's modules, loss and optimizer; weights start uniform(0, 1)."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    first, second = nn.Linear(X.shape[1], hidden, bias=False), nn.Linear(hidden, 1, bias=False)
    model = nn.Sequential(first, nn.Sigmoid(), second, nn.Sigmoid()).to(X.dtype)
    for weights in model.parameters():
        nn.init.uniform_(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    criterion = nn.MSELoss(reduction="sum")
    losses = []
    for _ in range(iterations):
        optimizer.zero_grad()
        loss = criterion(model(X), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model


def torch_classifier(
    X: "torch.Tensor",
    y: "torch.Tensor",
    *,
    hidden: Sequence[int],
    batch_size: int,
    epochs: int,
    alpha: float,
    seed: int,
    fused: bool = False,
) -> Any:
    """Train a ReLU network with Adam on shuffled minibatches and keep the mean loss of each epoch.

    ``weight_decay = alpha / batch_size`` is scikit-learn's and Pellucid's penalty (which spares the biases;
    torch's does not, unless the user makes groups of parameters, which few do).
    """
    import torch
    from torch import nn

    torch.manual_seed(seed)
    model = torch_network((X.shape[1], *hidden, 10))
    decay = alpha / batch_size
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=decay, fused=True if fused else None)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(epochs):
        order, total = torch.randperm(len(X)), 0.0
        for start in range(0, len(X), batch_size):
            index = order[start : start + batch_size]
            optimizer.zero_grad()
            loss = criterion(model(X[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X))
    return model


def torch_network(sizes: Sequence[int]) -> Any:
    """Return the ReLU network as torch's users stack it, from Glorot's weights, as everybody else here."""
    from torch import nn

    layers: list[Any] = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        nn.init.xavier_uniform_(layers[-2].weight)
    return nn.Sequential(*layers[:-1])


def torch_lenet(
    X: "torch.Tensor", y: "torch.Tensor", *, batch_size: int, epochs: int, seed: int, best: bool = False
) -> Any:
    """Train LeNet with Adam on shuffled minibatches; ``best``: channels last, and the fused optimizer."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
    for layer in model:  # as Pellucid draws them, or one epoch would end elsewhere
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    if best:
        model, X = model.to(memory_format=torch.channels_last), X.to(memory_format=torch.channels_last)
    optimizer, criterion = torch.optim.Adam(model.parameters(), fused=True if best else None), nn.CrossEntropyLoss()
    losses = []
    for _ in range(epochs):
        order, total = torch.randperm(len(X)), 0.0
        for start in range(0, len(X), batch_size):
            index = order[start : start + batch_size]
            images = X[index].to(memory_format=torch.channels_last) if best else X[index]
            optimizer.zero_grad()
            loss = criterion(model(images), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X))
    return model


def sklearn_classifier(epochs: int, **settings: Any) -> Any:
    """Return scikit-learn's MLPClassifier, told to run exactly ``epochs`` epochs."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(max_iter=epochs, tol=0.0, n_iter_no_change=epochs, **settings)


def textbook_hopfield(W: np.ndarray, probes: np.ndarray, orders: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
    """Return where each probe (n, N) comes to rest: a dot product a visit, until a sweep changes nothing."""
    states = []
    for probe in probes:
        s = probe.astype(W.dtype)
        for order in orders():
            changed = False
            for i in order:
                field = np.dot(W[i], s)
                if field * s[i] < 0:
                    s[i] = -s[i]
                    changed = True
            if not changed:
                break
        states.append(s)
    return np.array(states)


def has_hopfieldnetwork() -> bool:
    """Say whether the ``hopfieldnetwork`` package is there."""
    return find_spec("hopfieldnetwork") is not None


def package_hopfield(network: Any, probes: np.ndarray) -> np.ndarray:
    """Return where each probe (n, N) comes to rest by the ``hopfieldnetwork`` package, in its own random orders."""
    states = []
    for probe in probes:
        network.set_initial_neurons_state(probe.copy())
        network.update_neurons(1, "async", run_max=True)
        states.append(network.S)
    return np.array(states)
