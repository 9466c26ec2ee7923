import importlib
import os
import pickle
import pkgutil
import shutil
import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba.core.compiler import CompileResult

import pellucid
from pellucid.errors import PellucidWarning
from pellucid.parts import compiling

INNER = """
from pellucid.parts.compiling import kernel
from rooms.constants import FACTOR

@kernel()
def inner(x):
    return FACTOR * x + 1
"""
OUTER = """
from pellucid.parts.compiling import kernel
from rooms.inner import inner

@kernel()
def outer(x):
    return inner(x) + 100
"""


class Rooms:
    """A package of two kernel files, imported as if by a new process each time."""

    def __init__(self, folder, cache):
        self.folder, self.cache = folder / "rooms", cache
        self.folder.mkdir()
        for name, source in {
            "__init__": "",
            "constants": "FACTOR = 2\n",
            "inner": INNER,
            "outer": OUTER,
        }.items():
            self.write(name, source)

    def write(self, name, source):
        (self.folder / f"{name}.py").write_text(source)

    def forget(self):
        compiling._folder.cache_clear()
        compiling._warned.clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "rooms"]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def outer(self):
        self.forget()
        return importlib.import_module("rooms.outer").outer

    def files(self, name="outer"):
        return sorted(self.cache.rglob(f"rooms_{name}_*.nbc"))


def hits(dispatcher):
    return sum(dispatcher.stats.cache_hits.values()), sum(dispatcher.stats.cache_misses.values())


@pytest.fixture
def rooms(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # so that an edit within a second is seen
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    made = Rooms(tmp_path, tmp_path / "cache")
    yield made
    made.forget()


def test_a_kernel_is_compiled_once_a_signature_and_then_loaded(rooms):
    outer = rooms.outer()
    assert (outer(3), outer(3.5)) == (107, 108.0)
    assert hits(outer) == (0, 2)
    assert len(rooms.files()) == 2
    again = rooms.outer()
    assert again is not outer
    assert (again(3.5), again(3)) == (108.0, 107)
    assert hits(again) == (2, 0)


@pytest.mark.parametrize(
    ("name", "source", "result"),
    [
        ("outer", OUTER.replace("100", "200"), 207),
        ("inner", INNER.replace("+ 1", "+ 5"), 111),
        ("constants", "FACTOR = 3\n", 110),
    ],
)
def test_a_change_in_any_file_that_a_kernel_calls_or_imports_is_noticed(rooms, name, source, result):
    assert rooms.outer()(3) == 107
    rooms.write(name, source)
    outer = rooms.outer()
    assert outer(3) == result
    assert hits(outer) == (0, 1)
    assert len(rooms.files()) == 1  # the old one was replaced
    again = rooms.outer()
    assert again(3) == result
    assert hits(again) == (1, 0)


def test_a_change_in_a_file_that_a_kernel_does_not_import_costs_nothing(rooms):
    assert rooms.outer()(3) == 107
    rooms.write("other", "x = 1\n")
    rooms.write("__init__", "import rooms.other\n")
    outer = rooms.outer()
    assert outer(3) == 107
    assert hits(outer) == (1, 0)


@pytest.mark.parametrize(
    "form",
    [
        "import rooms.constants\nFACTOR = rooms.constants.FACTOR",
        "from rooms import constants\nFACTOR = constants.FACTOR",
        "from . import constants\nFACTOR = constants.FACTOR",
        "from .constants import FACTOR",
    ],
)
def test_imports_are_followed_in_every_form(rooms, form):
    rooms.write("inner", INNER.replace("from rooms.constants import FACTOR", form))
    assert rooms.outer()(3) == 107
    rooms.write("constants", "FACTOR = 4\n")
    assert rooms.outer()(3) == 113


APART = INNER.replace("kernel()", "kernel(apart=True)")


def test_a_kernel_that_is_apart_is_called_and_not_taken_in(rooms):
    rooms.write("inner", APART)
    outer = rooms.outer()
    assert (outer(3), outer(3.5)) == (107, 108.0)
    inner = sys.modules["rooms.inner"].inner
    assert inner(3) == 7
    (text, *_) = outer.inspect_llvm().values()
    assert compiling._symbol(inner.dispatcher, outer.signatures[0]) in text
    assert inner.dispatcher.overloads[outer.signatures[0]].fndesc.llvm_func_name not in text


def test_what_is_apart_is_there_before_its_caller_is_loaded(rooms):
    rooms.write("inner", APART)
    assert rooms.outer()(3) == 107
    outer = rooms.outer()
    assert outer(3) == 107
    inner = sys.modules["rooms.inner"].inner.dispatcher
    assert (hits(outer), hits(inner)) == ((1, 0), (1, 0))


def test_a_damaged_file_of_a_kernel_that_is_apart_is_written_anew_and_its_caller_kept(rooms):
    rooms.write("inner", APART)
    assert rooms.outer()(3) == 107
    (file,) = rooms.files("inner")
    file.write_bytes(flip(-1)(file.read_bytes()))
    outer = rooms.outer()
    with pytest.warns(PellucidWarning, match=r"inner.*\.nbc was damaged"):
        assert outer(3) == 107
    assert (hits(outer), hits(sys.modules["rooms.inner"].inner.dispatcher)) == ((1, 0), (0, 1))


def test_an_error_in_a_kernel_that_is_apart_reaches_the_caller(rooms):
    rooms.write("inner", APART.replace("    return", "    if x > 5:\n        raise ValueError\n    return"))
    assert rooms.outer()(3) == 107
    with pytest.raises(ValueError):  # it has no words
        rooms.outer()(6)


def cut(n):
    return lambda content: content[:n]


def flip(i):
    return lambda content: content[:i] + bytes([content[i] ^ 1]) + content[i:][1:]


def other_code(content):
    rest = content[32:64] + pickle.dumps(("not", "a", "kernel"))
    return sha256(rest).digest() + rest


@pytest.mark.parametrize(
    "damage",
    [cut(0), cut(10), cut(40), cut(1000), cut(-1), flip(5), flip(40), flip(70), flip(-1), other_code],
    ids=["cut0", "cut10", "cut40", "cut1000", "cut-1", "flip5", "flip40", "flip70", "flip-1", "other_code"],
)
def test_a_damaged_file_is_compiled_and_written_anew_with_one_warning(rooms, damage):
    assert rooms.outer()(3) == 107
    for path in (*rooms.files("outer"), *rooms.files("inner")):
        path.write_bytes(damage(path.read_bytes()))
    outer = rooms.outer()
    with pytest.warns(
        PellucidWarning, match=r"kernels are compiled again: .*outer.*\.nbc (was damaged|cannot be used)"
    ) as said:
        assert outer(3) == 107
    assert len(said) == 1
    assert hits(outer) == (0, 1)
    again = rooms.outer()
    assert again(3) == 107
    assert hits(again) == (1, 0)


def test_a_place_that_cannot_be_written_means_no_cache_and_one_warning(rooms, monkeypatch):
    rooms.cache.write_text("a file, not a folder")
    with pytest.warns(
        PellucidWarning, match="nothing can be written in .*cache.*; .* set NUMBA_CACHE_DIR to a folder"
    ) as said:
        assert rooms.outer()(3) == 107
    assert len(said) == 1


def test_a_folder_that_vanishes_costs_one_warning(rooms):
    outer = rooms.outer()
    shutil.rmtree(rooms.cache)
    with pytest.warns(PellucidWarning, match=r"outer\w*-\w*\.nbc cannot be written|inner.*cannot be written") as said:
        assert outer(3) == 107
    assert len(said) == 1


@pytest.mark.parametrize("name", ["_reduce", "_rebuild"])
def test_a_numba_without_its_private_ways_still_runs_with_one_warning(rooms, monkeypatch, name):
    if name == "_rebuild":
        assert rooms.outer()(3) == 107
    monkeypatch.delattr(CompileResult, name)
    outer = rooms.outer()
    with pytest.warns(PellucidWarning, match=f"cannot be (written|used) .*{name}") as said:
        assert outer(3) == 107
    assert len(said) == 1


def test_a_dispatcher_that_keeps_its_code_elsewhere_is_left_alone_with_a_warning(rooms):
    function = rooms.outer().py_func
    rooms.forget()
    with pytest.warns(PellucidWarning, match=r"Numba .* keeps its kernels in a way that is not known here"):
        compiling._keep(SimpleNamespace(py_func=function), function)


def test_without_numbas_variable_kernels_lie_beside_their_source_or_else_at_home(rooms, monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(compiling, "user_cache_dir", lambda *_, **__: str(tmp_path / "home"))
    assert rooms.outer()(3) == 107
    assert [path.parent.name for path in rooms.folder.rglob("*.nbc")] == ["__pycache__"] * 2
    assert not (tmp_path / "home").exists()
    shutil.rmtree(rooms.folder / "__pycache__")
    (rooms.folder / "__pycache__").write_text("a file, not a folder")
    assert rooms.outer()(3) == 107
    assert len(list((tmp_path / "home" / "kernels").rglob("*.nbc"))) == 2


def test_recompiling_forgets_what_was_kept(rooms):
    outer = rooms.outer()
    outer(3)
    before = rooms.files()[0].stat().st_mtime_ns
    outer.recompile()
    assert hits(outer) == (0, 2)
    assert rooms.files()[0].stat().st_mtime_ns > before


def test_with_compilation_switched_off_a_kernel_is_the_python_function(rooms, monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    assert rooms.outer()(3) == 107
    assert not rooms.cache.exists()


def test_reordered_sums_keep_nan_infinities_and_signed_zeros():
    def classify(x):
        return np.isnan(x[0]), np.isinf(x[1]), np.copysign(1.0, x[2])

    assert compiling.kernel()(classify)(np.array([np.nan, np.inf, -0.0])) == (True, True, -1.0)


def test_exact_kernels_add_in_the_order_that_is_written_and_others_may_not():
    def total(x):
        result = np.float32(0)
        for i in range(x.size):
            result += x[i]
        return result

    x = np.random.default_rng(0).normal(size=10_001).astype(np.float32)
    assert compiling.kernel(exact=True)(total)(x) == total(x)
    assert compiling.kernel()(total)(x) == pytest.approx(total(x), rel=1e-3)


def test_every_kernel_of_the_package_is_compiled_through_the_decorator():
    found = 0
    for module in pkgutil.walk_packages(pellucid.__path__, "pellucid."):
        if "compiled" not in module.name:
            continue
        for name in vars(importlib.import_module(module.name)).values():
            value = getattr(name, "dispatcher", name)  # of a kernel that is apart
            if isinstance(value, numba.core.dispatcher.Dispatcher):
                found += 1
                assert value.targetoptions["fastmath"] in (compiling.FAST, compiling.EXACT)
                assert value.targetoptions["nogil"]
    assert found > 20


# In processes of their own.

SCRIPT = """
import os, sys, warnings
sys.path.insert(0, sys.argv[1])
import numba, numpy, pellucid.parts.compiling
numba.njit(lambda x: x)(1)  # loads all of Numba, which another user may not be able to read
"""
CALL = """
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    from rooms.outer import outer
    results = [outer(x) for x in eval(sys.argv[2])]
print(results, sum(outer.stats.cache_hits.values()), *[str(warning.message) for warning in said])
"""


def start(folder, calls="[3]", before="", **settings):
    environment = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "HOME")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + before + CALL, str(folder), calls],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"env": environment | settings.pop("env", {})} | settings,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


@pytest.mark.skipif(os.name != "posix", reason="privileges are dropped as POSIX does it")
def test_without_home_and_without_a_place_to_write_it_runs_with_one_warning():
    folder = Path(tempfile.mkdtemp())  # pytest's own folder is closed to all but its user
    try:
        Rooms(folder, folder)
        (folder / "rooms").chmod(0o555)
        folder.chmod(0o777)  # a working folder in which a cache named "~" could be made by mistake
        drop = "if os.geteuid() == 0: os.setgroups([]); os.setgid(54321); os.setuid(54321)\n"
        home = {} if os.geteuid() == 0 else {"HOME": "/dev/null"}
        out = finish(start(folder, before=f"os.chdir({str(folder)!r})\n{drop}", env=home))
        assert out.startswith("[107] 0 kernels are compiled again: nothing can be written in")
        assert out.count("compiled again") == 1
        assert [path.name for path in folder.iterdir()] == ["rooms"]
    finally:
        (folder / "rooms").chmod(0o755)
        shutil.rmtree(folder)


def test_processes_that_fill_one_cache_at_once_leave_it_whole(tmp_path):
    Rooms(tmp_path, tmp_path)
    cache = tmp_path / "cache"
    env = {"NUMBA_CACHE_DIR": str(cache)}
    calls = [
        "[3, 3.5, numpy.float32(3)]",
        "[3.5, numpy.float32(3), 3]",
        "[numpy.float32(3), 3, 3.5]",
        "[3.5, 3]",
    ]
    for out in [finish(process) for process in [start(tmp_path, call, env=env) for call in calls]]:
        assert "again" not in out
    out = finish(start(tmp_path, calls[0], env=env))
    assert out == "[107, 108.0, 107.0] 3"
    for path in (written := list(cache.rglob("*.nbc"))):
        assert sha256(path.read_bytes()[32:]).digest() == path.read_bytes()[:32]
    assert len(written) == 6
    assert not list(cache.rglob("*.tmp"))
