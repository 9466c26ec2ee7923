"""``torchrun ... -m pellucid spinn train``: two processes learn what one learns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import pellucid
from pellucid.data.english import generate_english
from pellucid.saving.file import read_file

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.name != "posix", reason="torchrun's processes are tested on POSIX systems"),
]
SST = [
    "(3 (2 a) (4 (4 good) (2 film)))",
    "(1 (1 bad) (2 film))",
    "(4 (3 (2 a) (3 (2 very) (4 (4 good) (2 film)))) (2 .))",
    "(0 (1 (1 bad) (1 bad)) (0 (2 film) (2 .)))",
    "(2 (2 a) (2 film))",
]
OPTIONS = {
    "sick": ["--parses", "predicted", "--tracker", "6", "--dev", "dev.txt"],
    "sst": ["--every-node", "--mlp-layers", "0"],
}


@pytest.fixture
def folder(tmp_path):
    """Write train.txt and dev.txt of SICK's columns, and sst.txt."""
    for name, found in generate_english({"train": 90, "dev": 20}).items():
        lines = ["\t".join([pair.label.upper(), *(tree.to_brackets() for tree in pair.trees)]) for pair in found]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "sst.txt").write_text("\n".join(SST * 5) + "\n", encoding="utf-8")
    return tmp_path


def trained(folder, format, processes):
    """Train; return the weights and what was printed. Batches of 7 part unequally."""
    out = f"{format}{processes}.pellucid"
    start = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    command = [
        sys.executable, *start, "-m", "pellucid", "spinn", "train", "--format", format, "--json", "--out", out,
        "--train", "sst.txt" if format == "sst" else "train.txt", "--hidden", "10", "--embedding", "8", "--mlp", "12",
        "--batch-size", "7", "--epochs", "3", *OPTIONS[format],
    ]  # fmt: skip
    path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(Path(pellucid.__file__).parents[1])]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # one of the processes speaks
    return read_file(folder / out)[1], json.loads(line)


@pytest.mark.parametrize("format", ["sick", "sst"])
def test_two_processes_learn_what_one_learns(folder, format):
    alone, facts = trained(folder, format, 1)
    together, said = trained(folder, format, 2)
    assert said["loss"] == pytest.approx(facts["loss"], abs=1e-4)
    assert said["dev_accuracy"] == facts["dev_accuracy"]
    assert set(together) == set(alone)
    for name, weights in alone.items():
        np.testing.assert_allclose(together[name], weights, rtol=0, atol=1e-4, err_msg=name)
