import numpy as np
import pytest

from pellucid.bench import peers
from pellucid.bench.neuron import ITERATIONS, NEW_CASE, X, Y, start

XOR_X, XOR_Y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]])


def column():
    return np.asarray(Y, dtype=np.float64).reshape(-1, 1)


def test_the_textbook_neuron_gives_the_published_figure():
    weights = peers.textbook_neuron(X, column(), start(), ITERATIONS)
    assert round(float(peers.sigmoid(NEW_CASE @ weights)[0, 0]), 8) == 0.99993704


def test_autograd_follows_the_textbook_neuron():
    torch = pytest.importorskip("torch")
    weights = peers.torch_neuron(torch.from_numpy(X), torch.from_numpy(column()), torch.from_numpy(start()), 100)
    np.testing.assert_allclose(weights.numpy(), peers.textbook_neuron(X, column(), start(), 100), rtol=1e-12)


def test_the_textbook_two_layer_network_descends_the_slope_that_autograd_finds():
    torch = pytest.importorskip("torch")
    net = peers.TextbookTwoLayer(X, column(), 4, np.random.RandomState(0))
    W1, W2 = (torch.tensor(w, requires_grad=True) for w in (net.weights1, net.weights2))
    output = torch.sigmoid(torch.sigmoid(torch.from_numpy(X) @ W1) @ W2)
    loss = ((torch.from_numpy(column()) - output) ** 2).sum()
    loss.backward()
    net.train(1)
    assert net.losses == pytest.approx([loss.item()], rel=1e-14)
    np.testing.assert_allclose(net.weights1, (W1 - W1.grad).detach().numpy(), rtol=1e-13)
    np.testing.assert_allclose(net.weights2, (W2 - W2.grad).detach().numpy(), rtol=1e-13)


def test_the_textbook_xor_descends_the_slope_that_autograd_finds():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    parts = [rng.standard_normal(shape) for shape in ((2, 2), (2,), (2, 1), (1,))]
    tensors = [torch.tensor(part, requires_grad=True) for part in parts]
    W1, b1, W2, b2 = tensors
    output = torch.sigmoid(torch.sigmoid(torch.from_numpy(XOR_X) @ W1 + b1) @ W2 + b2)
    loss = torch.nn.functional.binary_cross_entropy(output, torch.from_numpy(XOR_Y))
    loss.backward()
    net = peers.TextbookXor(*parts).train(XOR_X, XOR_Y, 1, 0.5)
    assert net.losses == pytest.approx([loss.item()], rel=1e-13)
    for mine, tensor in zip((net.weights1, net.bias1, net.weights2, net.bias2), tensors, strict=True):
        np.testing.assert_allclose(mine, (tensor - 0.5 * tensor.grad).detach().numpy(), rtol=1e-12)


def test_a_textbook_network_leaves_the_weights_it_was_given():
    given = [np.ones(shape) for shape in ((2, 2), (2,), (2, 1), (1,))]
    peers.TextbookXor(*given).train(XOR_X, XOR_Y, 3, 1.0)
    assert all((part == 1).all() for part in given)


def test_scikit_learn_runs_exactly_the_epochs_that_it_is_told():
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = peers.sklearn_classifier(7, hidden_layer_sizes=(2,), random_state=0).fit(XOR_X, XOR_Y.ravel())
    assert model.n_iter_ == 7


@pytest.mark.parametrize("fused", [False, True])
def test_the_torch_classifier_learns(fused):
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(300, 5, generator=generator)
    targets = (inputs[:, 0] > 0).long()
    model = peers.torch_classifier(
        inputs, targets, hidden=(8,), batch_size=32, epochs=100, alpha=1e-4, seed=0, fused=fused
    )
    assert (model(inputs).argmax(1) == targets).float().mean() > 0.95


def test_the_torch_two_layer_network_learns_its_table():
    torch = pytest.importorskip("torch")
    targets = torch.tensor([[0.0], [1.0], [1.0], [0.0]], dtype=torch.float64)
    inputs = torch.tensor([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.float64)
    model = peers.torch_two_layer(inputs, targets, hidden=4, iterations=1500, seed=0)
    assert (model(inputs) - targets).abs().max() < 0.1
