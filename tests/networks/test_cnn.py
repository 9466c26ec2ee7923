"""CNNClassifier: its gradient and its steps against torch, its engines against each other, and its manners."""

import copy
import json
import os
import pickle
import platform
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pellucid import CNNClassifier, load, save
from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.learning.engine import Reference, named
from pellucid.learning.recipe import Problem, Recipe
from pellucid.parts.conv_stack import ConvStack, Stage
from pellucid.parts.loss import Loss
from pellucid.parts.optimizer import Optimizer
from pellucid.parts.schedule import Schedule

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(43, 7, 6))
y = (X[:, :3].mean(axis=(1, 2)) > 0).astype(int) + (X[:, 3:].mean(axis=(1, 2)) > 0)
ENGINES = ("reference", "compiled")
COMMON = {
    "conv_layers": [(5, 3), (4, 2)], "padding": [1, 0], "pool_size": [2, 1], "hidden_layer_sizes": (6,), "max_iter": 10,
    "batch_size": 16, "tol": 0, "n_iter_no_change": 99, "random_state": 1, "dtype": "float64",
    "learning_rate_init": 0.01,
}  # fmt: skip


def model(**changes):
    return CNNClassifier(**COMMON | changes)


def parameters(fitted):
    return fitted.stack_.parameters.whole


def random_stack(rng, dtype=np.float64):
    """Up to three stages of any stride, padding, groups, pooling; with images that they fit into."""
    shape = (int(rng.choice([1, 2, 3])), int(rng.integers(5, 12)), int(rng.integers(5, 12)))
    stages, here, norm = [], shape, not rng.integers(3)
    while len(stages) < int(rng.integers(1, 4)):
        groups = int(rng.choice([1, 1, here[0]]))
        stage = Stage(
            groups * int(rng.integers(1, 9)), int(rng.integers(1, 5)),
            str(rng.choice(["relu", "tanh", "silu", "identity"])),
            int(rng.choice([1, 1, 2, 3])), int(rng.integers(0, 4)), int(rng.choice([1, 2, 2, 3])),
            str(rng.choice(["max", "average"])), groups, norm,
        )  # fmt: skip
        try:
            here = stage.pooled(here)
        except InvalidArgumentError:
            continue
        stages.append(stage)
    hidden = [5] if rng.integers(2) else []
    moves = {"shift": 1.5, "rotation": 20.0} if rng.integers(2) else {}
    stack = ConvStack(
        shape, stages, (*hidden, 3), ["tanh"] * len(hidden), bias=bool(rng.integers(4)), dtype=dtype, **moves
    )
    stack.initialise("auto", rng)
    for name, view in (stack.parameters.views | stack.parameters.running).items():
        if name.startswith(("bias", "beta", "mean")):
            view[:] = rng.normal(size=view.shape) / 3
        elif name.startswith(("gamma", "variance")):
            view[:] = rng.uniform(0.5, 2, view.shape)
    return stack


def close(mine, truth, tolerance):
    assert np.abs(mine - truth).max() <= tolerance * max(1, np.abs(truth).max())


def test_the_compiled_engine_is_the_reference_on_any_stages():
    recipe = Recipe(
        Loss("log_loss", "softmax"), Optimizer("sgd", momentum=0.0), Schedule(rate=0.5), 0.3, 20, False, 0.0, -1
    )
    for seed in range(80):
        rng = np.random.default_rng(seed)
        stack, n = random_stack(rng), int(rng.integers(1, 21))
        images = rng.normal(size=(n, int(np.prod(stack.image_shape))))
        weights = rng.uniform(0.2, 2, n) if seed % 3 == 0 else np.zeros(0)
        problem = Problem(images, np.eye(3)[rng.integers(0, 3, n)], weights)
        compiled, reference = named("compiled", stack), Reference()
        compiled.threads = 1 + seed % 3
        loss, truth = (engine.loss_and_gradient(stack, recipe, problem) for engine in (compiled, reference))
        assert loss == pytest.approx(truth, rel=1e-12)
        close(compiled.predict(stack, images), reference.predict(stack, images), 1e-12)
        ends = []
        for engine in (compiled, reference):
            own = copy.deepcopy(stack)  # its generator too, so that both move the images alike
            engine._learn(own, recipe, problem, np.arange(n), np.zeros((0, own.parameters.vector.size)), 1, 0.5)
            ends.append(np.concatenate([own.parameters.whole, own.parameters.gradient]))
        close(*ends, 1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_hundred_steps_are_those_of_torch(engine):
    fitted = model(engine=engine, max_iter=34, alpha=0.2, learning_rate_init=0.003)
    run = fitted.steps(X, y, "batch")
    losses, vectors = [], []
    begun = CNNClassifier(**COMMON | {"engine": engine})
    begun._prepare(X, y, None, (None, None), False, None)
    leaves = [torch.tensor(view.copy(), requires_grad=True) for view in begun.stack_.parameters.views.values()]
    shuffle = copy.deepcopy(begun._training.shuffle_rng)
    for step in run:
        losses.append(step.loss)
        vectors.append(step.parameters.copy())
    optimizer = torch.optim.Adam(leaves, lr=0.003)
    images, labels = torch.tensor(X)[:, None], torch.tensor(y)
    done = 0
    while done < 100:
        for rows in np.array_split(shuffle.permutation(43), [16, 32]):
            W1, b1, W2, b2, W3, b3, W4, b4 = leaves
            a = F.max_pool2d(F.relu(F.conv2d(images[rows], W1, b1, padding=1)), 2)
            a = F.relu(F.conv2d(a, W2, b2)).flatten(1)
            logits = F.relu(a @ W3 + b3) @ W4 + b4
            loss = F.cross_entropy(logits, labels[rows])
            loss = loss + 0.1 / len(rows) * sum((W**2).sum() for W in (W1, W2, W3, W4))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            assert losses[done] == pytest.approx(float(loss.detach()), rel=1e-9)
            vector = torch.cat([leaf.detach().reshape(-1) for leaf in leaves]).numpy()
            close(vectors[done], vector, 1e-9)
            done += 1


SETTINGS = {
    "plain": {},
    "moved": {"shift": 1.0, "rotation": 10.0, "dropout": 0.3},
    "average": {"pooling": "average", "activation": "tanh"},
    "float32": {"dtype": "float32"},
    "stopped early": {"early_stopping": True, "validation_fraction": 0.3},
    "normed": {"batch_norm": True},
}


@pytest.mark.filterwarnings("ignore:training stopped after max_iter")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_watched_run_is_the_unwatched_one_and_ten_epochs_are_five_and_five(engine, name, tmp_path):
    settings = SETTINGS[name] | {"engine": engine}
    ten = model(**settings).fit(X, y)
    for granularity in ("epoch", "batch"):
        watched = model(**settings)
        for _ in watched.steps(X, y, granularity):
            pass
        np.testing.assert_array_equal(parameters(watched), parameters(ten))
    for carried in ("memory", "pickle", "file"):
        five = model(**settings, warm_start=True).set_params(max_iter=5).fit(X, y)
        if carried == "pickle":
            five = pickle.loads(pickle.dumps(five))
        if carried == "file":
            save(five, tmp_path / "model")
            five = load(tmp_path / "model")
        np.testing.assert_array_equal(parameters(five.fit(X, y)), parameters(ten))
    assert ten.engine_ == engine


def test_a_plan_is_of_one_stack_and_is_made_once(monkeypatch):
    rng, engine = np.random.default_rng(0), named("compiled", random_stack(np.random.default_rng(1)))
    images = rng.normal(size=(5, 36))
    for activation in ("relu", "tanh", "silu"):  # as many parameters, and yet another network
        stack = ConvStack((1, 6, 6), [Stage(3, 3, activation)], (2,), [], dtype=np.float64)
        stack.initialise("auto", np.random.default_rng(0))
        close(engine.predict(stack, images), Reference().predict(stack, images), 1e-12)
        assert activation in stack.architecture
    monkeypatch.setattr(Stage, "__str__", None)  # words about a stage, which no batch needs
    assert len(list(model(engine="compiled", max_iter=2).steps(X, y, "batch"))) == 2 * 3


def test_multiply_adds_are_counted_without_making_the_network():
    wide = model(hidden_layer_sizes=(3000, 3000))
    wide.image_shape_ = (1, 7, 6)
    tracemalloc.start()
    count = wide._multiply_adds(42)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6
    assert count == wide._build_stack(42, 1, np.float32).multiply_adds
    # Convolutions: places x kernels x their size; then dense layers.
    assert count == 42 * 5 * 9 + 2 * 2 * 4 * 5 * 4 + 16 * 3000 + 3000 * 3000 + 3000


def test_images_in_any_form_are_the_same_network():
    forms = (X, X[:, None], X.reshape(43, -1))
    fitted = [model(image_shape=(7, 6)).fit(form, y) for form in forms]
    for one in fitted:
        np.testing.assert_array_equal(parameters(one), parameters(fitted[0]))
        assert one.image_shape_ == (1, 7, 6)
        for form in forms:
            np.testing.assert_array_equal(one.predict(form), fitted[0].predict(X))


def test_flat_rows_of_a_square_number_are_square_images():
    fitted = CNNClassifier([(2, 3)], max_iter=1, n_iter_no_change=9).fit(X.reshape(43, -1)[:, :36], y)
    assert fitted.image_shape_ == (1, 6, 6)


def test_the_trace_shows_maps_where_maxima_came_from_and_the_gradient_image():
    fitted = model(batch_norm=False).fit(X, y)
    trace = fitted.trace(X[0], y[0])
    a, source, pooled = trace["a1"], trace["source1"], trace["m1"]
    np.testing.assert_array_equal(np.take(a[0].reshape(5, -1), 0, 0)[source[0, 0]], pooled[0, 0])
    np.testing.assert_allclose(trace["p"][0], fitted.predict_proba(X[:1])[0])
    assert trace["dx"].shape == (1, 1, 7, 6)
    step, moved = 1e-6, X[:1].copy()
    moved[0, 2, 3] += step
    rise = float(fitted.trace(moved, y[:1])["loss"]) - float(trace["loss"])
    assert rise / step == pytest.approx(trace["dx"][0, 0, 2, 3], rel=1e-4)
    assert "where in a1 each maximum came from" in str(trace)
    assert model(batch_norm=True).fit(X, y).trace(X[0], y[0])["n1"].shape == (1, 5, 7, 6)


def test_batch_normalisation_keeps_its_running_means_in_every_copy(tmp_path):
    fitted = model(batch_norm=True, early_stopping=True, validation_fraction=0.3).fit(X, y)
    assert fitted.engine_ == "compiled"
    assert fitted.stack_.parameters.state.any()
    save(fitted, tmp_path / "model")
    for other in (load(tmp_path / "model"), pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.predict_proba(X), fitted.predict_proba(X))


# Trains two small networks, and prints what machine code it was and what came out.
SCRIPT = """
import json
import numpy as np
from pellucid import CNNClassifier
from pellucid.learning import compiled_conv
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 1, 12, 12)).astype(np.float32)
y = (X[:, 0, :6].mean(axis=(1, 2)) > X[:, 0, 6:].mean(axis=(1, 2))).astype(int)
found = []
for dtype in ("float32", "float64"):
    network = CNNClassifier(
        [(6, 3), (7, 5)], (9,), pooling=POOLING, shift=1, rotation=5, batch_size=12, max_iter=3, n_iter_no_change=9,
        random_state=0, dtype=dtype,
    ).fit(X, y)
    found.append(network.decision_function(X).tolist() + network.loss_curve_)
from pellucid.parts.compiled.conv import add_weight_slopes
text = "".join(add_weight_slopes.dispatcher.inspect_asm().values())
print(json.dumps({"registers": [name for name in ("xmm", "ymm", "zmm") if name in text], "found": found}))
"""
MACHINES = {"host": {}}
if platform.machine().lower() in {"x86_64", "amd64"}:
    MACHINES |= {
        "SSE2": {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": "+sse2"},
        "AVX2": {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+bmi,+bmi2"},
        "no AVX": {"NUMBA_ENABLE_AVX": "0"},
    }


@pytest.mark.long
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_every_kind_of_machine_comes_to_the_same_numbers(pooling, tmp_path):
    results = {}
    for name, settings in MACHINES.items():
        script = SCRIPT.replace("POOLING", repr(pooling))
        environment = os.environ | settings | {"NUMBA_CACHE_DIR": str(tmp_path / name), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        results[name] = json.loads(done.stdout)
    for name, result in results.items():
        for single, (mine, truth) in enumerate(zip(result["found"], results["host"]["found"], strict=True)):
            np.testing.assert_allclose(mine, truth, rtol=(1e-3, 1e-9)[single], atol=(1e-4, 1e-12)[single])
        if name in {"SSE2", "AVX2"}:
            assert ("ymm" in result["registers"]) == (name == "AVX2")


REFUSED = {
    "kernel": ({"conv_layers": [(4, 9)], "padding": 0, "pool_size": 1}, "kernel of 9 x 9, and the images .* are 7 x 6"),
    "second kernel": ({"conv_layers": [(4, 3), (4, 5)], "padding": "valid", "pool_size": 2}, "convolution 2"),
    "stride": ({"stride": 0}, "stride must be a whole number >= 1, got 0"),
    "pool": ({"pool_size": [8, 1]}, "pool_size must fit into the images: convolution 1 makes images of 7 x 6, got 8"),
    "no pool": ({"pool_size": 0}, "pool_size must be a whole number >= 1, got 0"),
    "shape": ({"image_shape": (7, 7)}, r"image_shape must multiply to the 42 columns of X; got \(7, 7\), which is 49"),
    "odd shape": ({"image_shape": 42}, "image_shape must be .height, width."),
    "no square": ({"image_shape": None}, "image_shape must be given: X has 42 columns, which make no square"),
    "even": ({"padding": "same"}, "padding must be a number or 'valid' .* got 'same' for a kernel of 2"),
    "groups": ({"groups": [1, 3]}, "groups must divide the channels on both sides of convolution 2, 5 and 4; got 3"),
    "layers": ({"conv_layers": [(4,)]}, "conv_layers must be pairs"),
    "no layers": ({"conv_layers": []}, "conv_layers must be pairs"),
    "too many": ({"stride": [1, 1, 1]}, r"stride must have one value a convolution \(2\)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_15_what_does_not_fit_is_refused_in_words_and_changes_nothing(name, picture):
    changes, words = REFUSED[name]
    flat = X.reshape(43, -1)
    fitted = model(image_shape=(7, 6)).fit(flat, y).set_params(**changes)
    before = picture(fitted)
    with pytest.raises(InvalidArgumentError, match=words) as raised:
        fitted.fit(flat, y)
    assert "\n" not in str(raised.value)
    assert picture(fitted) == before


def test_15_images_of_another_shape_than_in_training_are_refused():
    fitted = model().fit(X, y)
    with pytest.raises(InvalidDataError, match=r"images of \(1, 7, 6\) as in training; got \(1, 6, 7\)"):
        fitted.predict(X.transpose(0, 2, 1))
    with pytest.raises(InvalidDataError, match="got shape"):
        fitted.predict(X[None, None])
