"""Convolutional networks as torch modules, and trained by the engine ``torch``."""

import numpy as np
import pytest
import torch

from pellucid import CNNClassifier, load, save
from pellucid.errors import InvalidDataError

torch.set_num_threads(1)  # a second one makes networks this small many times slower
RNG = np.random.default_rng(1)
X = RNG.normal(size=(24, 2, 9, 9))
y = RNG.integers(0, 3, 24)
COMMON = {
    "conv_layers": ((4, 3), (6, 3)), "hidden_layer_sizes": (7,), "activation": ("relu", "tanh", "gelu"),
    "batch_size": 8, "max_iter": 4, "n_iter_no_change": 4, "random_state": 0, "dtype": "float64",
    "learning_rate_init": 0.01,
}  # fmt: skip
KINDS = {
    "plain": {},
    "mean pooling, strides": {"pooling": "average", "pool_size": (1, 2), "stride": (2, 1), "padding": 1},
    "groups": {"groups": (2, 2)},
    "normed": {"batch_norm": True},
    "summed up": {"alpha": 0.3, "solver": "sgd", "bias": False},
}


def network(kind, **changes):
    return CNNClassifier(**(COMMON | KINDS[kind] | changes))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_the_module_gives_the_same_logits_and_brings_its_weights_back(kind, dtype, tolerance):
    model = network(kind, dtype=dtype, engine="reference").fit(X, y)
    module = model.to_torch()
    assert {type(part).__module__.partition(".")[0] for part in module.modules()} == {"torch"}
    flat = X.reshape(24, -1).astype(dtype)
    with torch.no_grad():
        logits = module(torch.from_numpy(flat)).numpy()
    own = model.decision_function(flat)
    assert np.abs(logits - own).max() <= tolerance * max(1, np.abs(own).max())
    other = network(kind, dtype=dtype, engine="reference", random_state=5).fit(X, y)
    np.testing.assert_array_equal(other.from_torch(module).decision_function(X), model.decision_function(X))


@pytest.mark.parametrize("kind", KINDS)
def test_torch_takes_the_same_steps(kind):
    one, other = (list(network(kind, engine=engine).steps(X, y, "batch")) for engine in ("reference", "torch"))
    np.testing.assert_allclose([s.loss for s in other], [s.loss for s in one], rtol=1e-9)
    one, other = (network(kind, engine=engine).fit(X, y) for engine in ("reference", "torch"))
    np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("engine", ["torch", "compiled"])
def test_one_image_of_maps_of_one_pixel_is_its_own_mean(engine):
    changes = {"padding": 0, "pool_size": (3, 1), "batch_size": 23}  # the last batch has one image
    changes |= {"conv_layers": ((4, 3), (6, 2)), "solver": "sgd"}
    one, other = (network("normed", engine=name, **changes).fit(X, y) for name in ("reference", engine))
    assert one.stack_.shapes[-1] == (6, 1, 1)
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(other.stack_.parameters.whole, one.stack_.parameters.whole, rtol=1e-6, atol=1e-9)


def test_lbfgs_sees_the_images_as_they_are():
    changes = {"solver": "lbfgs", "shift": 1.0, "rotation": 10.0, "dropout": 0.2}
    one, other = (network("plain", engine=engine, **changes).fit(X, y) for engine in ("reference", "torch"))
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)


def test_augmentation_and_checkpoints_work_with_torch(tmp_path):
    changes = {"shift": 1.0, "rotation": 10.0, "dropout": 0.2, "batch_norm": True, "engine": "torch"}
    whole = network("plain", **changes).fit(X, y)
    still = network("plain", **(changes | {"shift": 0.0, "rotation": 0.0})).fit(X, y)
    assert whole.loss_curve_ != still.loss_curve_
    from pellucid.scaling.checkpoint import Checkpoint

    steps = network("plain", **changes).steps(X, y, "batch", checkpoint=Checkpoint(tmp_path, 0))
    for _ in range(5):
        next(steps)
    steps.close()
    resumed = network("plain", **changes).fit(X, y, checkpoint=tmp_path)
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    save(resumed, tmp_path / "model.pellucid")
    np.testing.assert_array_equal(load(tmp_path / "model.pellucid").predict_proba(X), whole.predict_proba(X))


def test_a_module_of_other_kernels_is_refused_with_both_shapes():
    model, other = (network("plain", engine="reference", max_iter=1, padding="same", conv_layers=((4, k), (6, 3)))
                    for k in (3, 5))  # fmt: skip
    other.fit(X, y)
    with pytest.raises(InvalidDataError, match=r"of shape \(4, 2, 5, 5\), but this network's weight1 is of shape"):
        model.fit(X, y).from_torch(other.to_torch())
