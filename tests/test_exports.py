"""What the package is called, offers, and costs to import."""

import json
import subprocess
import sys
from importlib.metadata import version

import pytest

import pellucid


def test_every_public_name_is_there_and_is_listed():
    assert {*pellucid.__all__} <= {*dir(pellucid)}
    for name in pellucid.__all__:
        assert getattr(pellucid, name) is not None
    assert pellucid.__version__ == version("pellucid")
    with pytest.raises(AttributeError, match="module 'pellucid' has no attribute 'Perceptron'"):
        pellucid.Perceptron  # noqa: B018


def modules_after(statement):
    program = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


HELP = """
import pellucid.cli
sys.argv = ["pellucid", "--help"]
try:
    pellucid.cli.main()
except SystemExit:
    pass
"""


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import pellucid", {"numpy", "sklearn", "torch", "numba", "matplotlib", "rich"}),
        ("import pellucid.parts.stack", {"sklearn", "torch", "numba"}),
        ("from pellucid.spinn import Tree", {"torch", "sklearn", "numba"}),
        ("import pellucid.networks.mlp", {"torch", "numba", "matplotlib"}),
        (HELP, {"sklearn", "torch", "numba", "matplotlib"}),
    ],
)  # fmt: skip
def test_heavy_libraries_wait_until_they_are_used(statement, absent):
    assert modules_after(statement) & absent == set()
