"""NumPy is the oracle of products in registers and of vectors as values."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid.parts import compiling
from pellucid.parts.compiled import matrix_unit, packed, vectors
from pellucid.parts.compiling import kernel
from pellucid.parts.processor import has_matrix_unit

SHAPES = [(1, 1, 1), (5, 3, 4), (6, 7, 16), (7, 20, 17), (8, 300, 33), (13, 5, 100), (100, 30, 50), (200, 9, 31)]
SHAPES += [(11, 3, 33), (22, 5, 40), (200, 300, 33)]  # other heights; as much room as is asked for
FOR_THE_UNIT = [(1, 512, 512), (17, 600, 513), (33, 777, 545), (200, 515, 530), (530, 70, 540), (512, 300, 512)]
SHAPES += FOR_THE_UNIT


@kernel()
def both_ways(a, b, b_turned, c, d, a_turned, e, space):
    (m, k), n = a.shape, b.shape[1]
    packed.pack(b, space)
    packed.add_packed(a, space, c, m, k, n)
    packed.pack_turned(b_turned, space)
    packed.add_packed(a, space, d, m, k, n)
    packed.add_packed_tn(a_turned, b, e, space)


@kernel()
def gates(x, logistic, tanh):
    for j in range(0, x.size, vectors.lanes(x)):
        vectors.store(logistic, j, vectors.logistic(vectors.load(x, j)))
        vectors.store(tanh, j, vectors.tanh(vectors.load(x, j)))


def roomy(values, behind=7.0):
    """Return a copy of an array with room behind it, and that room."""
    flat = np.full(values.size + vectors.ROOM, behind, values.dtype)
    flat[: values.size] = values.ravel()
    return flat[: values.size].reshape(values.shape), flat[values.size :]


def added_to(start, a, b):
    """Return A B added to ``start`` by each of the three products, and the room behind it."""
    (m, k), n = a.shape, b.shape[1]
    found = [roomy(np.full((m, n), start, a.dtype)) for _ in range(3)]
    (c, _), (d, _), (e, _) = found
    space = np.full(packed.space_for(a.itemsize, [(k, n)], [(m, n)]), np.nan, a.dtype)
    both_ways(roomy(a)[0], roomy(b)[0], np.ascontiguousarray(b.T), c, d, roomy(np.ascontiguousarray(a.T))[0], e, space)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_packed_products_are_added_and_nothing_else_changes(shape, dtype):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    expected, tolerance = 1 + a.astype(float) @ b, 1e-4 if dtype == np.float32 else 1e-12
    for found, behind in added_to(1, a, b):
        np.testing.assert_allclose(found, expected, atol=tolerance)
        np.testing.assert_array_equal(behind, 7)


@pytest.mark.parametrize("shape", [(9, 4, 19), (33, 777, 545)])
@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_a_row_that_is_not_finite_spoils_no_other(shape, wrong):
    m, k, n = shape
    a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    a[3] = wrong
    for found, behind in added_to(0, a, b):
        if np.isnan(wrong) or shape in FOR_THE_UNIT:
            assert not np.isfinite(found[3]).any()
        else:
            assert np.isinf(found[3]).all()
        assert (np.delete(found, 3, 0) == k).all()
        assert (behind == 7).all()


@pytest.mark.parametrize("shape", FOR_THE_UNIT)
def test_large_products_are_as_exact_as_float32_lets_them_be(shape):
    m, k, n = shape
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal(size).astype(np.float32) for size in ((m, k), (k, n)))
    a *= 10.0 ** rng.integers(-12, 12, (m, 1)).astype(np.float32)  # rows of all sizes
    exact = a.astype(float) @ b
    scale = np.abs(a).astype(float) @ np.abs(b)
    for found, _ in added_to(0, a, b):
        assert np.max(np.abs(found - exact) / scale) < 8 * 2.0**-24


def test_kernels_for_the_matrix_unit_lie_in_files_of_their_own(monkeypatch):
    cache = both_ways._cache
    target = both_ways.targetctx.codegen()
    paths = set()
    for answer in (True, False):
        monkeypatch.setattr(compiling, "has_matrix_unit", lambda answer=answer: answer)
        paths.add(cache._path((), target))
    assert len(paths) == 2


@pytest.mark.skipif(matrix_unit.UNIT, reason="here they are wanted")
def test_kernels_for_the_matrix_unit_are_not_compiled_where_there_is_none():
    added_to(0, *np.ones((2, 1, 1), np.float32))
    assert packed.add_packed.dispatcher.overloads
    assert not matrix_unit.add_unit.dispatcher.overloads
    assert not matrix_unit.add_unit_tn.dispatcher.overloads


@pytest.mark.parametrize("setting", [{"PELLUCID_MATRIX_UNIT": "0"}, {"NUMBA_CPU_NAME": "generic"}])
def test_the_matrix_unit_is_left_alone_where_it_is_not_wanted_or_numba_builds_for_less(setting):
    script = "from pellucid.parts.processor import has_matrix_unit; print(has_matrix_unit())"
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | setting, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 3e-7), (np.float64, 1e-15)])
def test_logistic_and_tanh_of_vectors(dtype, tolerance):
    x = np.concatenate([np.linspace(-40, 40, 4001), [0, 1e-30, -1e-30, 800, -800, np.inf, -np.inf]]).astype(dtype)
    values, (logistic, _), (tanh, _) = roomy(x)[0], roomy(x), roomy(x)
    gates(values, logistic, tanh)
    wide = x.astype(np.longdouble)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(logistic, 1 / (1 + np.exp(-wide)), rtol=tolerance, atol=2e-38)
    np.testing.assert_allclose(tanh, np.tanh(wide), rtol=tolerance, atol=0)


def test_nan_stays_nan():
    x = np.full(8, np.nan)
    logistic, tanh = roomy(x)[0], roomy(x)[0]
    logistic[:] = tanh[:] = 0
    gates(roomy(x)[0], logistic, tanh)
    assert np.isnan(logistic).all()
    assert np.isnan(tanh).all()


@pytest.mark.long
@pytest.mark.parametrize(("width", "unit"), [(32, "0"), (64, "0"), (64, "1")])
def test_registers_of_either_width_compute_the_same(width, unit, tmp_path):
    """LLVM makes two registers of one that the machine does not have, so that any machine can say."""
    if unit == "1" and not has_matrix_unit():
        pytest.skip("this processor has no matrix unit")
    script = (
        "import sys, pytest; from pellucid.parts.compiled import vectors; vectors.WIDTH = int(sys.argv[1]); "
        "sys.exit(pytest.main(['-q', '-n', '0', '-p', 'no:cacheprovider', *sys.argv[2:]]))"
    )
    here = Path(__file__)
    of_sentences = here.parents[1] / "networks" / "spinn" / "test_batched.py"
    done = subprocess.run(
        [sys.executable, "-c", script, str(width), str(here), str(of_sentences)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PELLUCID_MATRIX_UNIT": unit}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
