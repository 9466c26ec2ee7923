"""Results of real runs, once for all the tests that look at them."""

import pytest

from pellucid.experiments import run


@pytest.fixture(scope="session")
def results():
    return {name: run(name) for name in ("neuron", "two-layer", "xor", "digits")}
