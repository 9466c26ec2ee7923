"""``run`` refuses what it does not know before anything is trained."""

import subprocess
import sys

import numpy as np
import pytest

from pellucid.errors import InvalidArgumentError
from pellucid.experiments import EXPERIMENTS, run


def test_an_unknown_experiment_is_refused_by_name():
    with pytest.raises(InvalidArgumentError, match=r"experiment must be one of neuron, two-layer, xor, .*got 'nor'"):
        run("nor")


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "1", True])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(InvalidArgumentError, match="seed must be a whole number from 0 to 4294967295, got"):
        run("neuron", seed=seed)


def test_an_unknown_option_is_refused():
    with pytest.raises(InvalidArgumentError, match="options of mnist must be among: model; got 'depth'"):
        run("mnist", options={"depth": 3})


def test_an_experiment_without_options_says_so():
    with pytest.raises(InvalidArgumentError, match="options of xor must be among: none; got 'model'"):
        run("xor", options={"model": "mlp"})


def test_a_model_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidArgumentError, match="model of mnist must be one of mlp, cnn, got 'rbm'"):
        run("mnist", options={"model": "rbm"})


def test_a_quick_mnist_without_data_is_skipped_and_says_why():
    result = run("mnist", quick=True)
    assert result.skipped
    assert "--data" in result.skipped
    assert not result.passed


def test_importing_the_table_imports_no_network():
    code = (
        "import sys, pellucid.experiments; "
        "print([m for m in ('sklearn', 'numba', 'matplotlib', 'pellucid.networks.mlp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_experiment_has_the_same_three_names():
    from importlib import import_module

    for module in map(import_module, EXPERIMENTS.values()):
        assert callable(module.experiment)
        assert isinstance(module.DEFAULT_SEED, int)
        assert all(isinstance(allowed, tuple) for allowed in module.OPTIONS.values())


def test_a_numpy_seed_is_a_seed():
    assert run("mnist", quick=True, seed=np.int64(3)).seed == 3
