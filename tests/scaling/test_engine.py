"""The engine ``torch`` behind the estimators; that its steps are the other engines' is in tests/contracts."""

import gc
import pickle
import shutil
import subprocess
import sys
import warnings
import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pellucid import MLPClassifier, MLPRegressor, save
from pellucid.errors import DivergenceError, InvalidArgumentError, MissingExtraError, PellucidWarning
from pellucid.scaling import loop

torch.set_num_threads(1)  # a second one makes networks this small many times slower

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 5))
y = np.digitize(X[:, 0] * X[:, 1], [-0.4, 0.4])
COMMON = {
    "hidden_layer_sizes": (8, 6), "activation": ("relu", "gelu"), "batch_size": 16, "learning_rate_init": 0.02,
    "max_iter": 25, "n_iter_no_change": 25, "random_state": 1, "dtype": "float64",
}  # fmt: skip


def classifier(engine, **changes):
    return MLPClassifier(**(COMMON | {"engine": engine} | changes))


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"solver": "sgd", "momentum": 0.0}, {}),
        ({"solver": "sgd", "nesterovs_momentum": False}, {}),
        ({"solver": "sgd", "learning_rate": "cosine"}, {}),
        ({"alpha": 0.5}, {"sample_weight": RNG.uniform(0.1, 2, 60)}),
        ({"class_weight": {0: 3.0, 1: 1.0, 2: 0.5}, "loss": "focal"}, {}),
        ({"loss": "sum_of_squares", "learning_rate_init": 0.001}, {}),
        ({"early_stopping": True, "validation_fraction": 0.2, "n_iter_no_change": 3}, {}),
        ({"solver": "lbfgs", "max_iter": 100}, {}),
        ({"solver": "lbfgs", "max_iter": 100, "dropout": 0.5}, {}),  # the loss that it minimises is one without
    ],
)
def test_estimators_learn_what_they_learn_with_the_compiled_engine(changes, given):
    one, other = (classifier(engine, **changes).fit(X, y, **given) for engine in ("compiled", "torch"))
    assert other.engine_ == "torch"
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(other.predict_proba(X), one.predict_proba(X), rtol=1e-6)
    assert other.n_iter_ == one.n_iter_


def begun_again(model):
    """Return the model with its weights as they are and nothing else remembered, and a module of those weights."""
    module = model.fit(X, y).to_torch().train()
    return model.from_torch(module).set_params(warm_start=True, shuffle=False), module


def losses_by_hand(module, epochs):
    """Return the losses of torch's own loop, its products computed from bfloat16 numbers."""
    optimizer, losses = torch.optim.Adam(module.parameters(), 0.02), []
    for rows in [np.arange(start, min(start + 16, 60)) for start in (0, 16, 32, 48)] * epochs:
        with torch.autocast("cpu", torch.bfloat16):
            logits = module(torch.tensor(X[rows], dtype=torch.float32))
        loss = torch.nn.functional.cross_entropy(logits.float(), torch.tensor(y[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_mixed_precision_is_that_of_autocast_with_weights_in_float32():
    found = {}
    for precision in ("bf16", "full"):
        model = classifier("torch", precision=precision, dtype="float32", alpha=0, max_iter=3, solver="adam")
        model, module = begun_again(model.fit(X.astype(np.float32), y))
        found[precision] = [step.loss for step in model.steps(X, y, "batch")]
        assert model.stack_.dtype == np.float32
        if precision == "bf16":
            np.testing.assert_allclose(found["bf16"], losses_by_hand(module, 3), rtol=1e-5)
    assert 1e-5 < np.abs(np.subtract(*found.values())).max() < 0.1


def test_a_compiled_network_takes_the_same_steps(monkeypatch):
    graphs, compile = [], torch.compile

    def counting(graph, _):
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", lambda module: compile(module, backend=counting))
    one, other = (classifier("torch", compile=flag).fit(X, y) for flag in (False, True))
    assert len(graphs) > 1  # the first is only to see whether torch can compile
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)
    assert pickle.loads(pickle.dumps(other)).predict_proba(X).tolist() == other.predict_proba(X).tolist()


@pytest.mark.long
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_torchs_own_compiler_takes_the_same_steps():
    one, other = (classifier("torch", compile=flag, max_iter=4).fit(X, y) for flag in (False, True))
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)


def test_where_torch_cannot_compile_one_line_says_so_and_nothing_changes(monkeypatch, picture):
    compile = torch.compile

    def failing(*_):
        raise OSError("no compiler in this place")

    model = classifier("torch").fit(X, y).set_params(compile=True)
    before = picture(model)
    monkeypatch.setattr(torch, "compile", lambda module: compile(module, backend=failing))
    with pytest.raises(InvalidArgumentError, match=r"^compile=True cannot be used here.*; use compile=False$"):
        model.fit(X, y)
    assert picture(model) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "half"}, "precision must be one of full, bf16"),
        ({"precision": "bf16"}, "precision must be 'full' with dtype='float64'; got 'bf16'"),
        ({"precision": "bf16", "dtype": "auto", "solver": "lbfgs"}, "precision must be 'full' with solver='lbfgs'"),
        ({"precision": "bf16", "dtype": "auto", "engine": "auto"}, "precision='bf16' is for engine='torch'"),
        ({"compile": True, "engine": "compiled"}, "compile=True is for engine='torch', got engine='compiled'"),
        ({"compile": "yes"}, "compile must be"),
    ],
)
def test_options_that_do_not_go_together_are_refused(changes, words):
    with pytest.raises(InvalidArgumentError, match=words):
        classifier("torch").set_params(**changes).fit(X, y)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson"])
def test_regressors_too(loss):
    target = np.exp(X[:, 0])
    one, other = (MLPRegressor(loss, **COMMON, engine=engine).fit(X, target) for engine in ("compiled", "torch"))
    np.testing.assert_allclose(other.loss_curve_, one.loss_curve_, rtol=1e-9)


def test_the_last_gradient_is_on_view():
    steps = [list(classifier(engine, max_iter=1).steps(X, y, "batch"))[-1] for engine in ("reference", "torch")]
    np.testing.assert_allclose(steps[1].gradient, steps[0].gradient, rtol=1e-9, atol=1e-12)


def test_divergence_is_named_and_the_last_finite_weights_stay():
    model = classifier("torch", activation="relu", solver="sgd", learning_rate_init=1e3, momentum=0.99)
    with (
        warnings.catch_warnings(),
        pytest.raises(DivergenceError, match=r"diverged in epoch \d+ at learning rate 1000"),
    ):
        model.set_params(loss="squared_error", alpha=10.0).fit(X, y)
    # The weights, not what they make of X: finite ones may be so large already that their products are not.
    assert all(np.isfinite(weights).all() for weights in model.coefs_ + model.intercepts_)


def test_ctrl_c_leaves_the_model_of_the_last_whole_epoch(monkeypatch):
    whole = classifier("torch", max_iter=7, n_iter_no_change=7).fit(X, y)
    backward, calls = loop.Processes.backward, []

    def interrupted(self, *arguments, **named):
        calls.append(1)
        if len(calls) == 7 * 4 + 3:
            raise KeyboardInterrupt
        return backward(self, *arguments, **named)

    monkeypatch.setattr(loop.Processes, "backward", interrupted)
    with pytest.warns(PellucidWarning, match="as it was after epoch 7"):
        model = classifier("torch").fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), whole.predict_proba(X))


def test_without_torch_one_line_names_the_extra(monkeypatch, picture):
    model = classifier("torch")
    before = picture(model)
    monkeypatch.setitem(sys.modules, "torch", None)
    for use in (lambda: model.fit(X, y), lambda: classifier("compiled").fit(X, y).to_torch()):
        with pytest.raises(MissingExtraError, match=r"^this needs PyTorch.*pip install 'pellucid\[torch\]'$"):
            use()
    assert picture(model) == before


def test_what_torch_has_trained_predicts_loads_and_unpickles_without_torch(tmp_path):
    model = classifier("torch").fit(X, y)
    save(model, tmp_path / "model.pellucid")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    np.save(tmp_path / "X.npy", X)
    script = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] == 'torch':\n"
        "            raise ModuleNotFoundError('No module named torch')\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import pickle, numpy, pellucid\n"
        "X = numpy.load('X.npy')\n"
        "for model in pellucid.load('model.pellucid'), pickle.load(open('model.pickle', 'rb')):\n"
        "    print(model.predict(X).tolist())\n"
        "model.set_params(engine='compiled', warm_start=True, max_iter=1).fit(X, model.predict(X))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [str(model.predict(X).tolist())] * 2


def test_a_fit_may_go_on_with_another_engine():
    ten = classifier("torch", max_iter=10, n_iter_no_change=10).fit(X, y)
    five = classifier("compiled", max_iter=5, n_iter_no_change=5, warm_start=True).fit(X, y)
    five.set_params(engine="torch").fit(X, y)
    assert five.engine_ == "torch"
    np.testing.assert_allclose(five.loss_curve_, ten.loss_curve_, rtol=1e-9)


class NoFloat64(TorchDispatchMode):
    """As on an Apple GPU: no tensor is of float64."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor) and made.dtype == torch.float64:
            raise TypeError(f"{function} made a tensor of float64")
        return made


@pytest.mark.parametrize("changes", [{}, {"loss": "sum_of_squares"}, {"solver": "sgd", "loss": "focal"}])
def test_a_device_without_float64_is_enough_for_float32(changes):
    with NoFloat64():
        classifier("torch", dtype="float32", **changes).fit(X, y, sample_weight=RNG.uniform(0.1, 2, 60))
    with pytest.raises(TypeError, match="made a tensor of float64"), NoFloat64():
        classifier("torch", dtype="float64").fit(X, y)


def test_devices_are_refused_where_they_cannot_be():
    with pytest.raises(InvalidArgumentError, match="device must be one of auto, cpu, cuda, mps; got 'tpu'"):
        classifier("torch", device="tpu").fit(X, y)
    with pytest.raises(InvalidArgumentError, match="device='cuda' is for engine='torch', got engine='compiled'"):
        classifier("compiled", device="cuda").fit(X, y)
    if not torch.cuda.is_available():
        with pytest.raises(InvalidArgumentError, match="device='cuda' cannot be used here"):
            classifier("torch", device="cuda").fit(X, y)


@pytest.mark.parametrize("changes", [{}, {"solver": "lbfgs"}])
def test_a_trained_network_does_not_keep_its_samples(changes):
    samples = X.copy()
    model = classifier("torch", **changes).fit(samples, y)
    steps = classifier("torch").steps(samples, y)
    next(steps)
    steps.close()
    kept = weakref.ref(samples)
    del samples
    gc.collect()
    assert kept() is None
    assert model.predict(X).shape == y.shape


def test_torchs_own_random_numbers_and_threads_stay_as_they_were():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    classifier("torch", dropout=0.5).fit(X, y)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads
