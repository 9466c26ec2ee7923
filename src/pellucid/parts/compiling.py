"""The one decorator through which Pellucid's kernels are compiled (Numba), and where their code is kept.

Modules that use it are heavy (0.4 s for Numba itself), so they are imported where they are used.

Numba's own cache is not used: it does not notice that a kernel calls kernels of other files (and so runs
old code), it raises where a file of its own is damaged or no folder can be written, and two processes that
fill it at once may leave the code for one signature under the name of another. Here a file is one kernel for
one signature, complete in itself:

    digest of all that follows (32 bytes) | stamp (32 bytes) | the compiled kernel, as Numba pickles it

It is used if the digest is right and the stamp is that of now: the sources of the kernel's module and of
all that it imports from the package, and the versions of Python, NumPy and Numba. Otherwise the kernel is
compiled and its file replaced in one move. What goes wrong costs time, never a result: one warning a process.

A kernel that calls another takes it in: Numba optimises all the code that is called anew for every caller, and for
every caller of that. A kernel that is large and called from several others is ``apart``: it is compiled once, and the
others call it by a name under which its address is known. A file then also says which kernels must be there first.
"""

import ast
import importlib
import os
import pickle
import re
import secrets
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, wraps
from hashlib import sha256
from importlib.util import resolve_name
from inspect import signature as pysignature
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable
from platformdirs import user_cache_dir

from pellucid.errors import PellucidWarning
from pellucid.parts.processor import has_matrix_unit

__all__ = ["kernel"]

F = TypeVar("F", bound=Callable[..., object])

# Sums may be reordered, so that they vectorise; NaN, infinities and signed zeros keep their meaning.
FAST = {"contract", "reassoc", "arcp"}
# Arithmetic whose order matters (range reductions, compensated sums).
EXACT = {"contract"}
SYMBOLS = "pellucid_kernel"

_warned: list[str] = []
# What stands behind each symbol: a kernel that is apart, and the types of its arguments.
_apart: dict[str, tuple[Any, Any]] = {}


def kernel(exact: bool = False, inner: bool = False, inline: bool = False, apart: bool = False) -> Callable[[F], F]:
    """Return a decorator that compiles a function for any shapes.

    ``exact`` forbids reordering of sums. An ``inner`` kernel is called by other kernels only, and is not kept in
    a file of its own; an ``inline`` one becomes part of its callers; one that is ``apart`` is called by them by its
    address, and kept in a file also where it is ``inner``. All three are for the time that compiling takes.
    """

    def compiled(function: F) -> F:
        options = {"nogil": True, "error_model": "numpy", "fastmath": EXACT if exact else FAST}
        options |= {"no_cpython_wrapper": inner, "no_cfunc_wrapper": True}
        made: F = numba.njit(inline="always" if inline else "never", **options)(function)
        if not hasattr(made, "py_func"):  # NUMBA_DISABLE_JIT leaves functions as they are
            return made
        if apart or not (inner or inline):
            _keep(made, function)
        return _called_by_address(made, function) if apart else made

    return compiled


def _called_by_address(dispatcher: Any, function: F) -> F:
    """Return the kernel as something that other kernels call without taking its code in."""

    @wraps(function)
    def called(*arguments: Any) -> Any:
        return dispatcher(*arguments)

    @type_callable(called)
    def _typed(_context: Any) -> Any:
        def signature(*given: Any) -> Any:
            kinds = tuple(map(numba.types.unliteral, given))
            _know(dispatcher, kinds)
            return dispatcher.overloads[kinds].signature.return_type(*kinds)

        signature.pysig = pysignature(function)  # type: ignore[attr-defined]
        return signature

    @lower_builtin(called, numba.types.VarArg(numba.types.Any))
    def _lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        convention, result, kinds = context.call_conv, signature.return_type, signature.args
        shape = convention.get_function_type(result, kinds)
        target = cgutils.get_or_insert_function(builder.module, shape, _symbol(dispatcher, kinds))
        status, value = convention.call_function(builder, target, result, kinds, arguments)
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return value

    called.dispatcher = dispatcher  # type: ignore[attr-defined]
    return called  # type: ignore[return-value]


def _know(dispatcher: Any, kinds: Any) -> None:
    """Compile or load a kernel for these types, and make its address known under its symbol."""
    dispatcher.compile(kinds)
    symbol = _symbol(dispatcher, kinds)
    if symbol not in _apart or _apart[symbol][0] is not dispatcher:
        made = dispatcher.overloads[kinds]
        llvm.add_symbol(symbol, made.library.get_pointer_to_function(made.fndesc.llvm_func_name))
        _apart[symbol] = (dispatcher, kinds)


def _called(library: Any) -> list[tuple[str, str, Any]]:
    """Return module, name and argument types of every kernel that compiled code calls by its address."""
    names = [function.name for function in library._final_module.functions]
    found = [_apart[name] for name in names if name in _apart]
    return [(kernel.py_func.__module__, kernel.py_func.__qualname__, kinds) for kernel, kinds in found]


def _symbol(dispatcher: Any, kinds: Any) -> str:
    """Return the name of a kernel's machine code, the same in every process."""
    function = dispatcher.py_func
    digest = sha256(repr((function.__module__, function.__qualname__, kinds)).encode()).hexdigest()[:24]
    return f"{SYMBOLS}_{function.__name__}_{digest}"


def _keep(dispatcher: Any, function: Callable[..., object]) -> None:
    """Let the compiled kernel be kept in a file, where there is a place for it."""
    folder = _folder(Path(function.__code__.co_filename).parent)
    if folder is None:
        return
    if not hasattr(dispatcher, "_cache"):
        _warn(f"Numba {numba.__version__} keeps its kernels in a way that is not known here")
        return
    try:
        dispatcher._cache = KernelCache(function, folder)
    except (OSError, SyntaxError) as error:
        _warn(f"the source of {function.__qualname__} cannot be read ({error})")


class KernelCache:
    """The files of one kernel, in the form in which Numba's dispatcher asks for them."""

    def __init__(self, function: Callable[..., object], folder: Path) -> None:
        self.cache_path = str(folder)
        self._folder = folder
        self._name = re.sub(r"\W", "_", f"{function.__module__}.{function.__qualname__}")
        self._line = function.__code__.co_firstlineno
        self._stamp = _stamp(function.__module__)

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the compiled kernel for a signature, or None if it must be compiled."""
        target.refresh()
        path = self._path(signature, target.codegen())
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            return _warn(f"{path} cannot be read ({error.strerror})")
        if sha256(content[32:]).digest() != content[:32]:
            return _warn(f"{path} was damaged and is written anew")
        if content[32:64] != self._stamp:
            return None
        try:
            from numba.core.compiler import CompileResult

            # The file is the user's own, and is trusted as the .pyc files beside it are.
            called, state = pickle.loads(content[64:])  # noqa: S301
            for module, name, kinds in called:
                _know(getattr(importlib.import_module(module), name).dispatcher, kinds)
            return CompileResult._rebuild(target, *state)
        except Exception as error:  # whatever Numba's private ways become: a kernel can always be compiled
            return _warn(f"{path} cannot be used ({error!r})")

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a compiled kernel; other processes see the whole file or none."""
        path = self._path(signature, result.codegen)
        try:
            from numba.core.serialize import dumps

            if result.library.has_dynamic_globals:
                _warn(f"{self._name} holds addresses of this process")
                return
            content = self._stamp + dumps((_called(result.library), result._reduce()))
            _replace(path, sha256(content).digest() + content)
        except PermissionError as error:
            # Windows does not let a file be replaced that another process is reading: that process has it.
            if os.name != "nt" or not path.exists():
                _warn(f"{path} cannot be written ({error.strerror})")
        except Exception as error:  # whatever Numba's private ways become, and full disks: the kernel runs
            _warn(f"{path} cannot be written ({error!r})")

    def flush(self) -> None:
        """Forget every kept signature, so that the next call compiles."""
        for path in self._folder.glob(f"{self._name}-*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, signature: Any, codegen: Any) -> Path:
        key = repr((signature, codegen.magic_tuple(), has_matrix_unit(), self._line, sys.implementation.cache_tag))
        return self._folder / f"{self._name}-{sha256(key.encode()).hexdigest()[:24]}.nbc"


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@cache
def _folder(source: Path) -> Path | None:
    """Return where kernels of a source folder are kept: NUMBA_CACHE_DIR, else beside them, else at home."""
    own = f"{source.name}-{sha256(str(source).encode()).hexdigest()[:16]}"
    if chosen := numba.config.CACHE_DIR:
        places = [Path(chosen).absolute() / own]
    else:
        places = [source / "__pycache__", *(home / own for home in _at_home())]
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
        except OSError:
            continue
        return place
    _warn(f"nothing can be written in {' or '.join(map(str, places))}")
    return None


def _at_home() -> list[Path]:
    """Return the user's own folder for kernels; none for a user without a home (a container, a service)."""
    try:
        folder = Path(user_cache_dir("pellucid", appauthor=False)) / "kernels"
    except RuntimeError:
        return []
    return [folder] if folder.is_absolute() else []  # older platformdirs leave "~/.cache" as it is


def _stamp(module: str) -> bytes:
    """Return a digest of all that the machine code of a module's kernels is made from."""
    digest = sha256(repr((numba.__version__, np.__version__, sys.version)).encode())
    packages = ("pellucid", module.partition(".")[0])
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in sys.modules or name.partition(".")[0] not in packages:
            continue
        seen.add(name)
        file = Path(str(sys.modules[name].__file__))
        status = file.stat()
        content, imported = _read(file, name, status.st_mtime_ns, status.st_size)
        digest.update(name.encode() + content)
        waiting += imported
    return digest.digest()


@cache
def _read(file: Path, module: str, _changed: int, _size: int) -> tuple[bytes, tuple[str, ...]]:
    """Return the digest of a source and what it imports at its top; time and size are there for the cache."""
    source = file.read_bytes()
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    imported: list[str] = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            imported += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            origin = resolve_name(origin, package) if node.level else origin
            imported += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    return sha256(source).digest(), tuple(imported)


def _warn(reason: str) -> None:
    """Say once a process that kernels are compiled again, and why."""
    if _warned:
        return
    _warned.append(reason)
    warnings.warn(
        f"kernels are compiled again: {reason}; this takes seconds and changes no result; if it happens in "
        "every run, set NUMBA_CACHE_DIR to a folder that can be written",
        PellucidWarning,
        stacklevel=3,
    )
