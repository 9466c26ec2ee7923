"""The steps of ``batched.py`` on devices whose memory compiled loops cannot see: kernels on a GPU, or torch operations.

Triton, which comes with torch for CUDA, builds the kernels at the first batch; it needs a C compiler, Python's headers
and a GPU that it knows. Where it fails torch operations take its place from the start, and a warning says so.
"""

import warnings
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from pellucid.errors import PellucidWarning
from pellucid.networks.spinn import stepwise

__all__ = ["backward", "forward"]

_refused: list[str] = []  # why there are no kernels, once that was found


def _suits(tensor: Tensor) -> bool:
    """Say whether the kernels are written for a tensor's device and dtype; they add in no fixed order."""
    suits = tensor.device.type == "cuda" and tensor.dtype in (torch.float32, torch.float64)
    return suits and not torch.are_deterministic_algorithms_enabled()


def _has_kernels(tensor: Tensor) -> bool:
    return _suits(tensor) and not _refused and find_spec("triton") is not None


def _on(tensor: Tensor) -> AbstractContextManager[Any]:
    """Return where a tensor's GPU is the current one: Triton launches there."""
    return torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext()


def forward(made: Any, h: Tensor, *given: Any) -> None:
    """Do what ``stepwise.forward`` does."""
    if _has_kernels(h):
        try:
            from pellucid.networks.spinn import fused

            with _on(h):
                fused.forward(made, h, *given)
            return
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever Triton, its compilers and the driver raise
            _refused.append(str(error).strip().partition("\n")[0] or repr(error))
            warnings.warn(
                f"SPINN computes by torch operations, which are slower: Triton built no kernels here ({_refused[0]}); "
                "it needs a C compiler, Python's headers and a GPU that it knows",
                PellucidWarning,
                stacklevel=2,
            )
    stepwise.forward(made, h, *given)


def backward(made: Any, h: Tensor, *given: Any) -> None:
    """Do what ``stepwise.backward`` does."""
    if _has_kernels(h):
        from pellucid.networks.spinn import fused

        with _on(h):
            fused.backward(made, h, *given)
    else:
        stepwise.backward(made, h, *given)
