"""A network as a torch module of torch's own layers: the same logits, the same slopes, and its weights back."""

import numpy as np
import pytest
import torch

from pellucid import MLPClassifier, MLPRegressor
from pellucid.errors import InvalidDataError, InvalidDataTypeError
from pellucid.learning.recipe import Problem, Recipe
from pellucid.learning.reference import batch_gradient
from pellucid.networks.base import HIDDEN_ACTIVATIONS
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.schedule import Schedule
from pellucid.scaling.losses import rows
from pellucid.scaling.modules import as_torch

torch.set_num_threads(1)  # a second one makes networks this small many times slower

RNG = np.random.default_rng(0)
X = 3 * RNG.normal(size=(40, 6))
y = RNG.integers(0, 3, 40)
SHORT = {"max_iter": 3, "n_iter_no_change": 3, "random_state": 0, "engine": "reference"}
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def network(activation, dtype="float64", **settings):
    sizes = {"hidden_layer_sizes": (9, 5), "dtype": dtype}
    activations = (activation, "tanh")[: len(settings.get("hidden_layer_sizes", (9, 5)))]
    return MLPClassifier(**(SHORT | sizes | {"activation": activations} | settings)).fit(X, y)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("activation", HIDDEN_ACTIVATIONS)
def test_the_module_gives_the_same_logits(activation, dtype):
    model = network(activation, dtype)
    given = X.astype(dtype)
    with torch.no_grad():
        logits = model.to_torch()(torch.from_numpy(given)).numpy()
    own = model.decision_function(given)
    assert np.abs(logits - own).max() <= TOLERANCE[dtype] * max(1, np.abs(own).max())


@pytest.mark.parametrize("activation", HIDDEN_ACTIVATIONS)
def test_autograd_finds_the_same_slopes(activation):
    model = network(activation)
    loss, module, stack = model._make_loss(), model.to_torch(), model.stack_
    problem = Problem(X, np.eye(3)[y])
    batch_gradient(stack, Recipe(loss, Optimizer("sgd"), Schedule()), problem, np.arange(40))
    rows(loss, module(torch.from_numpy(X)), torch.from_numpy(problem.Y)).mean().backward()
    for parameter, slope in zip(module.parameters(), as_torch(stack, stack.parameters.gradient), strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), slope, rtol=0, atol=1e-12)


def test_the_module_holds_nothing_of_pellucid_and_shares_no_memory_with_the_network():
    model = network("relu", dropout=0.2)
    module = model.to_torch()
    assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch"}
    assert [type(part).__name__ for part in module] == [
        "Linear",
        "ReLU",
        "Dropout",
        "Linear",
        "Tanh",
        "Dropout",
        "Linear",
    ]
    assert not module.training
    before = model.decision_function(X)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(model.decision_function(X), before)


@pytest.mark.parametrize("bias", [True, False])
def test_weights_come_back(bias):
    model, other = network("relu", bias=bias), network("relu", bias=bias, random_state=1)
    assert other.from_torch(model.to_torch()) is other
    np.testing.assert_array_equal(other.decision_function(X), model.decision_function(X))


def test_a_module_that_was_trained_elsewhere_brings_its_weights():
    target = X @ np.arange(6)
    model = MLPRegressor(hidden_layer_sizes=(8,), **SHORT, dtype="float64").fit(X, target)
    module = model.to_torch()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        ((module(torch.from_numpy(X))[:, 0] - torch.from_numpy(target)) ** 2).mean().backward()
        optimizer.step()
    worse = model.score(X, target)
    assert model.from_torch(module).score(X, target) > max(0.9, worse)


def test_a_module_of_another_network_is_refused_with_both_shapes_and_nothing_changes(picture):
    model = network("relu")
    before = picture(model)
    with pytest.raises(InvalidDataError, match=r"'2.weight' is of shape \(4, 9\), but .* weight2 is of shape \(5, 9\)"):
        model.from_torch(network("relu", hidden_layer_sizes=(9, 4)).to_torch())
    with pytest.raises(InvalidDataError, match="has 4 parameters, but this network has 6"):
        model.from_torch(network("relu", hidden_layer_sizes=(9,)).to_torch())
    with pytest.raises(InvalidDataTypeError, match=r"must be a torch.nn.Module, got dict"):
        model.from_torch({})
    assert picture(model) == before


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_weights_of_any_float_type_come_back(dtype):
    model = network("relu", "float32")
    module = model.to_torch().to(dtype)
    rounded = [parameter.detach().double().numpy() for parameter in module.parameters()]
    model.from_torch(module)
    for own, view in zip(rounded, as_torch(model.stack_, model.stack_.parameters.vector), strict=True):
        np.testing.assert_array_equal(view, own)


def test_weights_that_are_not_finite_are_refused_by_row_and_column():
    model = network("relu")
    module = model.to_torch()
    with torch.no_grad():
        module[2].weight[1, 3] = np.nan
    with pytest.raises(InvalidDataError, match=r"2\.weight contains NaN at row 1, column 3"):
        model.from_torch(module)
