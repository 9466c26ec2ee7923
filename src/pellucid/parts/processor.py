"""What this machine's processor can do, as far as kernels are built for it."""

import ctypes
import os
import platform
import sys
from functools import cache

import numba
from llvmlite import binding

__all__ = ["has_matrix_unit", "has_wide_registers", "is_fast"]

_ARCH_PRCTL, _ASK, _TILES = 158, 0x1023, 18  # Linux, x86-64: the call, ARCH_REQ_XCOMP_PERM, the tiles' data


@cache
def _features() -> dict[str, bool]:
    return dict(binding.get_host_cpu_features())


def has_wide_registers() -> bool:
    """Say whether there are 32 registers of 64 bytes (AVX-512), not 16 of 32."""
    return _features().get("avx512f", False)


def is_fast() -> bool:
    """Say whether there are registers for tiles of sums (AVX2 with fused products, AVX-512); else BLAS is faster."""
    return has_wide_registers() or (_features().get("avx2", False) and _features().get("fma", False))


@cache
def has_matrix_unit() -> bool:
    """Say whether the processor multiplies tiles of bfloat16 (AMX), and ask the system to let this process do so.

    ``PELLUCID_MATRIX_UNIT=0``, set before the import, does without. Linux lets no process use the unit that has not
    asked, and Numba may be told to build for less than this processor: LLVM aborts over instructions it is denied.
    """
    allowed = numba.config.CPU_FEATURES
    if allowed is not None and "+amx-bf16" not in allowed:
        return False
    if os.environ.get("PELLUCID_MATRIX_UNIT") == "0" or not has_wide_registers():
        return False
    if sys.platform != "linux" or platform.machine() != "x86_64" or not _features().get("amx-bf16", False):
        return False
    try:
        return ctypes.CDLL(None).syscall(_ARCH_PRCTL, _ASK, _TILES) == 0
    except (OSError, AttributeError):
        return False
