"""The steps on other devices: Triton's interpreter runs the kernels without a GPU, its compiler builds them for one."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pellucid.bench.spinn import random_transitions
from pellucid.errors import PellucidWarning
from pellucid.networks import spinn
from pellucid.networks.spinn import batched, elsewhere
from pellucid.networks.spinn.machine import Cell, machine

# hidden, tracker, multiply, predict: beyond one block of 128 columns; without tracker; shorter than anything
CELLS = [(130, 40, True, False), (7, 150, False, True), (5, 0, True, False), (5, 0, False, False), (3, 2, True, True)]
INTERPRETED = """
from test_elsewhere import CELLS, check
from pellucid.networks.spinn import batched, elsewhere

batched._is_compiled = lambda tensor: False
elsewhere._has_kernels = lambda tensor: True
for cell in CELLS:
    check(*cell)
"""
BUILT = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from pellucid.networks.spinn import triton_kernels as kernels

ROWS = {"top", "second", "buffer", "left", "right", "track_of"}
NUMBERS = {"start", "before", "remembered", "base", "H", "T", "M"}
for name in kernels.__all__:
    kernel = getattr(kernels, name)
    for number in ("fp32", "fp64"):
        types = {one: "*i64" if one in ROWS else "i32" if one in NUMBERS else f"*{number}" for one in kernel.arg_names}
        source = ASTSource(kernel, types | {"BLOCK": "constexpr"}, {"BLOCK": 128})
        made = triton.compile(source, target=GPUTarget("cuda", 80, 32), options={"enable_fp_fusion": True})
        assert made.asm["cubin"]
"""


def results(function, cell, leaves, *arguments, **keywords):
    """Return outputs and all gradients; zero where nothing was computed."""
    for tensor in (leaves, *cell.parameters()):
        tensor.grad = None
    found = function(cell, leaves, *arguments, **keywords)
    loss = found.h.sin().sum() + (0 if found.logits is None else found.logits.cos().sum())
    loss.backward()
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in (leaves, *cell.parameters())]
    return [one.detach().cpu() for one in (found.h, *gradients)]


def check(hidden, tracker, multiply, predict, device="cpu"):
    """Compare with the machine, words and subtrees shared, sentences of 1 to 6 words."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    cell = Cell(hidden, tracker, predict=predict, multiply=multiply).double()
    leaves = torch.randn(7, 2 * hidden, dtype=torch.float64, requires_grad=True)
    lengths = [1, 6, *rng.integers(1, 7, 3)]
    tokens = [rng.integers(0, 7, n) for n in lengths]
    transitions = [random_transitions(rng, int(n)) for n in lengths]
    expected = results(machine, cell, leaves, tokens, transitions)
    there = leaves.detach().to(device).requires_grad_()
    found = results(batched.encode, cell.to(device), there, tokens, transitions)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=1e-10)


def ran(script, tmp_path, **settings):
    """Run a script in a process whose Triton does as the settings say."""
    pytest.importorskip("triton")
    paths = {"PYTHONPATH": str(Path(__file__).parent), "TRITON_CACHE_DIR": str(tmp_path)}
    command, environment = [sys.executable, "-c", script], os.environ | paths | settings
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def test_kernels_are_the_machine_in_outputs_and_all_gradients(tmp_path):
    ran(INTERPRETED, tmp_path, TRITON_INTERPRET="1")


def test_kernels_are_built_for_a_gpu_that_need_not_be_there(tmp_path):
    ran(BUILT, tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("cell", CELLS)
def test_a_gpu_is_the_machine_too(cell):
    check(*cell, device="cuda")
    assert not elsewhere._refused


def test_where_no_kernels_are_built_torch_operations_take_their_place(monkeypatch):
    def fail(*given):
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    monkeypatch.setattr(batched, "_is_compiled", lambda tensor: False)
    monkeypatch.setattr(elsewhere, "_suits", lambda tensor: True)
    monkeypatch.setattr(elsewhere, "_refused", [])
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: True)
    monkeypatch.setattr(spinn, "fused", SimpleNamespace(forward=fail), raising=False)
    with pytest.warns(PellucidWarning, match=r"Triton built no kernels here \(Failed to find C compiler.\)"):
        check(5, 3, True, True)
    check(5, 3, True, True)  # and nothing is said again


def test_memory_that_is_wanting_is_no_reason_to_do_without_kernels(monkeypatch):
    def fail(*given):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(batched, "_is_compiled", lambda tensor: False)
    monkeypatch.setattr(elsewhere, "_suits", lambda tensor: True)
    monkeypatch.setattr(elsewhere, "_refused", [])
    monkeypatch.setattr(elsewhere, "find_spec", lambda name: True)
    monkeypatch.setattr(spinn, "fused", SimpleNamespace(forward=fail), raising=False)
    with pytest.raises(torch.OutOfMemoryError):
        check(5, 3, True, True)
    assert not elsewhere._refused
