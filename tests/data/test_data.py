"""The package: its names are there, and naming it costs nothing."""

import subprocess
import sys

import pytest

from pellucid import data


def test_every_public_name_is_there():
    for name in data.__all__:
        assert getattr(data, name) is not None
    assert set(data.__all__) <= set(dir(data))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match=r"module 'pellucid\.data' has no attribute 'load_cats'"):
        data.load_cats  # noqa: B018 - the access is the test


def test_the_import_brings_neither_scikit_learn_nor_pooch_nor_scipy():
    code = (
        "import sys, pellucid.data as d; d.read_table, d.load_mnist, d.prepare, d.XOR, d.load_digits;"
        "print([m for m in ('sklearn', 'pooch', 'scipy', 'platformdirs', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
