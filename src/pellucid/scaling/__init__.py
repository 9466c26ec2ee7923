"""PyTorch as the bigger engine: trains a module given batches and a loss, on one device or many; knows no network.

``modules`` makes a torch module of a stack of layers, ``loop`` trains any module, ``engine`` trains a stack with it,
``processes`` shares the work among those that ``torchrun`` starts, ``checkpoint`` keeps what is needed to go on.
"""

from typing import Any

from pellucid.errors import MissingExtraError

__all__ = ["import_torch"]


def import_torch() -> Any:
    """Return the module ``torch``; raise MissingExtraError, which names the extra, where it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "this needs PyTorch, which is not installed: python -m pip install 'pellucid[torch]'"
        ) from error
    return torch
