"""Own parses at speed: what ``machine.py`` does without given transitions, all sentences a transition at a time."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from pellucid.errors import InvalidArgumentError
from pellucid.networks.spinn.batched import _flat, _give_back, _memory, _piece, _space, _weight_shapes
from pellucid.networks.spinn.machine import Cell, Encoded

__all__ = ["parse"]


@torch.no_grad()
def parse(cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray]) -> Encoded:
    """Read sentences by the cell's own transitions (masked), without gradient; on the CPU, in compiled code."""
    from pellucid.parts.compiled.shift_reduce import parse as compiled
    from pellucid.parts.compiled.shift_reduce import room_to_parse

    if not cell.predict:
        raise InvalidArgumentError("transitions must be given to a cell that predicts none; or set predict=True")
    words, lengths = _flat(tokens, len(leaves))
    table, W, b, V, d, U, u = (
        _memory(tensor.cpu()) for tensor in (leaves, cell.W, cell.b, cell.V, cell.d, cell.U, cell.u)
    )
    B, H, T, K, dtype = len(lengths), cell.hidden, cell.tracker, len(W), W.dtype
    (panels,) = _space(dtype, _weight_shapes(H, T, K))
    memory = _piece(panels + room_to_parse(len(table), B, len(words), H, T, K), dtype)
    h, taken = np.empty((B, H), dtype), np.empty(2 * len(words) - B, np.uint8)
    compiled(words, lengths, table, W, b, V, d, U, u, memory[:panels], memory[panels:], cell.multiply, h, taken)
    _give_back(memory)
    ends = accumulate((2 * n - 1 for n in lengths.tolist()), initial=0)
    transitions = [taken[start:end] for start, end in pairwise(ends)]
    return Encoded(torch.from_numpy(h).to(leaves.device), transitions, None)
