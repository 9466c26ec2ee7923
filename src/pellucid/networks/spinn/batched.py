"""SPINN at speed: the function of ``machine.py``, a step of all sentences at a time, with its gradient by hand.

A ``Plan`` says, from the transitions alone, which rows of one thin stack of states each step reads and writes.
With a tracker a step is a transition of every sentence that is not yet done; without one it is a level of all
trees, and equal subtrees may be one. Nothing is padded: a step's rows are those that have work. On a CPU both
directions are compiled loops over the tensors' memory; ``elsewhere.py`` does the same steps on other devices.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from pellucid.errors import InvalidArgumentError, InvalidDataError
from pellucid.networks.spinn import elsewhere
from pellucid.networks.spinn.machine import Cell, Encoded

__all__ = ["Plan", "encode", "plan"]


@dataclass(frozen=True)
class Plan:
    """Where each step finds its rows; B sentences, R reduces, S tracker steps.

    ``leaves`` is V. ``reduce_start``, ``track_start`` and ``cover_start`` (steps + 1,) are where a step's rows begin;
    ``left``, ``right`` (R,) the rows of its children, ``track_of`` (R,) the tracker's row beside it; ``buffer``,
    ``top`` (S,) the rows that the tracker sees; ``covered`` (R,) those that a word comes to lie upon, which it sees as
    the second of the stack; ``second`` (S,) which of these it is, from 1 on, or 0: none. ``roots`` (B,) are the rows
    of the sentences; ``row_of`` (S,) the tracker's row of each transition, sentence after sentence.
    """

    leaves: int
    reduce_start: np.ndarray
    left: np.ndarray
    right: np.ndarray
    track_of: np.ndarray
    track_start: np.ndarray
    buffer: np.ndarray
    top: np.ndarray
    second: np.ndarray
    cover_start: np.ndarray
    covered: np.ndarray
    roots: np.ndarray
    row_of: np.ndarray
    transitions: list[np.ndarray]

    @property
    def indices(self) -> tuple[np.ndarray, ...]:
        """The indices in the order in which the kernels take them."""
        return (
            self.reduce_start, self.left, self.right, self.track_of,
            self.track_start, self.buffer, self.top, self.second, self.cover_start, self.covered,
        )  # fmt: skip


def _flat(tokens: Sequence[np.ndarray], leaves: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all tokens in a row and the lengths, checked."""
    if not len(tokens):
        raise InvalidDataError("tokens must hold at least one sentence, got none")
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    if not lengths.all():
        raise InvalidDataError(f"a sentence must have at least one word, got none in sentence {lengths.argmin()}")
    words = np.concatenate(tokens).astype(np.int64, copy=False)
    if words.min() < 0 or words.max() >= leaves:
        wrong = words.min() if words.min() < 0 else words.max()
        raise InvalidDataError(f"tokens must be rows of the leaves, 0 to {leaves - 1}, got {wrong}")
    return words, lengths


def plan(
    tokens: Sequence[np.ndarray],
    transitions: Sequence[np.ndarray],
    leaves: int,
    *,
    tracker: bool = True,
    share: bool = True,
) -> Plan:
    """Return the plan of sentences whose words are rows of ``leaves`` states.

    Without ``tracker`` trees go level by level, and with ``share`` a subtree that occurs twice is computed once.

    Raises InvalidDataError that names the sentence and the position of what cannot be done.
    """
    from pellucid.parts.compiled.tree_plan import by_level, by_step, fault

    words, lengths = _flat(tokens, leaves)
    if len(transitions) != len(tokens):
        raise InvalidDataError(f"each sentence needs transitions: got {len(tokens)} and {len(transitions)}")
    taken = np.fromiter(map(len, transitions), np.int64, len(transitions))
    if (taken != 2 * lengths - 1).any():
        number = int((taken != 2 * lengths - 1).argmax())
        count, steps = lengths[number], taken[number]
        raise InvalidDataError(f"{count} words take {2 * count - 1} transitions, got {steps} in sentence {number}")
    flat = np.concatenate(transitions).astype(np.uint8, copy=False)
    sentence, position = fault(flat, lengths)
    if sentence >= 0:
        raise InvalidDataError(
            f"transition {position} of sentence {sentence} cannot be done: 0 (SHIFT) needs a word in the buffer, "
            f"1 (REDUCE) two states on the stack, got {transitions[sentence][position]}"
        )
    base, count = 1 + leaves, int((lengths - 1).sum())
    left, right, roots = (np.empty(size, np.int64) for size in (count, count, len(tokens)))
    none = np.zeros(0, np.int64)
    given = [np.asarray(steps, np.uint8) for steps in transitions]
    if tracker:
        order, longest = np.argsort(-lengths, kind="stable"), int(2 * lengths.max() - 1)
        reduce_start, track_start, cover_start = (np.empty(longest + 1, np.int64) for _ in range(3))
        track_of, covered = np.empty(count, np.int64), np.empty(count, np.int64)
        buffer, top, second, row_of = (np.empty(len(flat), np.int64) for _ in range(4))
        by_step(
            flat, words, lengths, order, base, reduce_start, left, right, track_of, track_start, buffer, top, second,
            cover_start, covered, roots, row_of,
        )  # fmt: skip
        return Plan(
            leaves, reduce_start, left, right, track_of, track_start, buffer, top, second, cover_start, covered, roots,
            row_of, given,
        )  # fmt: skip
    level = np.zeros(count, np.int64)
    count = by_level(flat, words, lengths, base, left, right, level, roots, share)
    order = np.argsort(level[:count], kind="stable")
    place = np.empty(base + count, np.int64)  # the old row of a state -> its row when levels follow one another
    place[:base] = np.arange(base)
    place[base + order] = base + np.arange(count)
    reduce_start = np.concatenate([[0], np.bincount(level[:count], minlength=1)[1:].cumsum()]).astype(np.int64)
    left, right = place[left[:count][order]], place[right[:count][order]]
    return Plan(
        leaves, reduce_start, left, right, none, none, none, none, none, none, none, place[roots], none, given
    )  # fmt: skip


class _Encode(torch.autograd.Function):
    """Leaves (V, 2H) and weights to the h (wanted, H) of some states and, where asked, all e (S, T) of the tracker."""

    @staticmethod
    def forward(
        ctx: Any, leaves: Tensor, W: Tensor, b: Tensor, V: Tensor, d: Tensor, made: Plan, wanted: np.ndarray,
        mult: bool, all_e: bool,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        H, T, R, S, base = W.shape[1] // 5, d.shape[0] // 4, made.left.size, made.buffer.size, 1 + made.leaves
        is_compiled = _is_compiled(leaves)
        # torch operations multiply both states of the stack at every step, and keep nothing of what is covered.
        N, inputs = (made.covered.size, H + T) if is_compiled else (0, 2 * H + T)
        states = [(base + R, H), (base + R, H), (base if T else 0, 4 * T), (1 + N if T else 0, 4 * T), (S, T), (S, T)]
        kept = [(R, W.shape[0]), (R, 5 * H), (S, inputs if T else 0), (S, 4 * T), (N, H)]
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(W, b, V, d)
        if is_compiled:
            from pellucid.parts.compiled.shift_reduce import forward

            table = _memory(leaves)
            space, *arrays = _workspace(
                [_space(table.dtype, _weight_shapes(H, T, len(W))), *states, *kept], table.dtype
            )
            h, c, P, Q, e, m, X, Z, Y, G, C = arrays
            weights = map(_memory, (W, b, V, d))
            forward(*(*made.indices, table, h, c, P, Q, e, m, *weights, X, Z, Y, G, C, mult, space))
            out, seen = torch.from_numpy(h[wanted]), torch.from_numpy(e.copy() if all_e else e[:0])
            if not any(ctx.needs_input_grad):
                _give_back(h)
        else:
            h, c, P, _, e, m, X, Z, Y, G, C = (leaves.new_empty(shape) for shape in (*states, *kept))
            h[0], c[0] = 0, 0
            h[1:base], c[1:base] = leaves[:, :H], leaves[:, H:]
            elsewhere.forward(made, h, c, P, e, m, W, b, V, d, X, Z, Y, G, mult)
            out, seen = h[torch.from_numpy(wanted).to(h.device)], e.clone() if all_e else e[:0]
        ctx.kept, ctx.made, ctx.wanted, ctx.mult = (h, c, e, m, X, Z, Y, G, C), made, wanted, mult
        return out, seen

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_e: Tensor | None) -> tuple[Tensor | None, ...]:
        if ctx.kept is None:
            raise InvalidArgumentError("the gradient can be taken once a forward pass; call encode again")
        (h, c, e, m, X, Z, Y, G, C), ctx.kept = ctx.kept, None
        W, b, V, d = ctx.saved_tensors
        made, base, H, T = ctx.made, 1 + ctx.made.leaves, h.shape[1], e.shape[1]
        rows, steps, covers = (
            int(np.diff(start).max(initial=0)) for start in (made.reduce_start, made.track_start, made.cover_start)
        )
        shapes = [
            h.shape, c.shape, e.shape, m.shape, (base if T else 0, 4 * T), (1 + len(C) if T else 0, 4 * T),
            (rows, X.shape[1]), (steps, Y.shape[1]), (covers, H),
        ]  # fmt: skip
        results = [W.shape, b.shape, V.shape, d.shape, (made.leaves, 2 * H)]
        if isinstance(h, np.ndarray):
            from pellucid.parts.compiled.shift_reduce import backward

            forwards = _weight_shapes(H, T, len(W))
            space, *scratch = _workspace([_space(h.dtype, [(n, k) for k, n in forwards], forwards), *shapes], h.dtype)
            gradients = [_array(shape, h.dtype) for shape in results]
            wanted = ctx.wanted[: 0 if d_out is None else None]
            outside = [np.empty((0, n), h.dtype) if one is None else _memory(one) for one, n in ((d_out, H), (d_e, T))]
            given = (h, c, e, m, _memory(W), _memory(V), X, Z, Y, G, C, wanted, *outside)
            backward(*(*made.indices, *given, *scratch, *gradients, ctx.mult, space))
            _give_back(h)
            _give_back(space)
            dW, db, dV, dd, d_leaves = map(torch.from_numpy, gradients)
            return d_leaves, dW, db, dV, dd, None, None, None, None
        dh, dc, de, dm, dP, _, dX, dY, _, dW, db, dV, dd, _ = (h.new_zeros(shape) for shape in shapes + results)
        if d_out is not None:
            dh.index_add_(0, torch.from_numpy(ctx.wanted).to(h.device), d_out)
        if d_e is not None:
            de += d_e
        given = (made, h, c, e, m, W, V, X, Z, Y, G, dh, dc, de, dm, dP, dX, dY, dW, db, dV, dd, ctx.mult)
        elsewhere.backward(*given)
        return torch.cat([dh[1:base], dc[1:base]], 1), dW, db, dV, dd, None, None, None, None


def _is_compiled(tensor: Tensor) -> bool:
    """Say whether compiled loops can see a tensor's memory."""
    return tensor.device.type == "cpu"


LINE = 64  # bytes of a cache line
_spare: list[np.ndarray] = []  # memory that nobody uses: new memory costs a page fault every 4 kB


def _workspace(shapes: Sequence[tuple[int, ...]], dtype: Any) -> list[np.ndarray]:
    """Return empty arrays in one piece of memory, behind each of which kernels may read and write back."""
    from pellucid.parts.compiled.vectors import size_with_room

    sizes = [prod(shape) for shape in shapes]
    places = list(accumulate(map(size_with_room, sizes), initial=0))
    flat = _piece(places[-1], dtype)
    return [flat[at : at + size].reshape(shape) for at, size, shape in zip(places[:-1], sizes, shapes, strict=True)]


def _piece(size: int, dtype: Any) -> np.ndarray:
    """Return so many numbers of memory that nobody uses, which begin with a cache line."""
    total = size * dtype.itemsize
    try:
        memory = _spare.pop()
    except IndexError:
        memory = np.empty(0, np.uint8)
    if len(memory) < total + LINE:
        memory = np.empty(total + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + total].view(dtype)


def _give_back(array: np.ndarray) -> None:
    """Keep the memory of a workspace, known by one of its arrays, for the next one."""
    while array.base is not None:
        array = array.base
    if len(_spare) < 2:
        _spare.append(array)


def _array(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Return an empty array behind which kernels may read and write back."""
    from pellucid.parts.compiled.vectors import ROOM

    return np.empty(prod(shape) + ROOM, dtype)[: prod(shape)].reshape(shape)


def _weight_shapes(H: int, T: int, inputs: int) -> list[tuple[int, int]]:
    """Return the shapes (k, n) in which the kernels multiply with the weights: W, and V in three parts."""
    return [(inputs, 5 * H), (H + T, 4 * T), (H, 4 * T), (H, 4 * T)]


def _space(dtype: Any, weights: Sequence[tuple[int, int]], slopes: Sequence[tuple[int, int]] = ()) -> tuple[int]:
    """Return how many numbers the kernels need to lay out weights (k, n), and slopes (m, n); 0: BLAS multiplies."""
    from pellucid.parts.compiled.packed import space_for
    from pellucid.parts.processor import is_fast

    if not is_fast():
        return (0,)
    return (space_for(dtype.itemsize, weights, slopes),)


def _memory(tensor: Tensor) -> np.ndarray:
    """Return the tensor's memory as a contiguous array."""
    return tensor.detach().contiguous().numpy()


def encode(
    cell: Cell,
    leaves: Tensor,
    tokens: Sequence[np.ndarray],
    transitions: Sequence[np.ndarray] | None = None,
    *,
    made: Plan | None = None,
    share: bool = True,
    wanted: np.ndarray | None = None,
) -> Encoded:
    """Return what ``machine`` returns, all sentences at once; gradients flow to the leaves and the cell.

    ``made`` is a plan made beforehand (on another thread); then tokens and transitions are not looked at. ``wanted``
    are rows of its stack of states: then h holds these in place of the sentences.
    """
    if made is None:
        if transitions is None:
            from pellucid.networks.spinn.parsing import parse

            transitions = parse(cell, leaves, tokens).transitions
        made = plan(tokens, transitions, len(leaves), tracker=cell.tracker > 0, share=share)
    if (made.buffer.size > 0) != (cell.tracker > 0) or made.leaves != len(leaves):
        raise InvalidArgumentError(
            f"the plan is for {made.leaves} leaves {'with' if made.buffer.size else 'without'} tracker, "
            f"got {len(leaves)} leaves and tracker={cell.tracker}; make another by plan()"
        )
    rows = made.roots if wanted is None else wanted
    h, e = _Encode.apply(leaves, cell.W, cell.b, cell.V, cell.d, made, rows, cell.multiply, cell.predict)
    logits = None
    if cell.predict:
        logits = e[torch.from_numpy(made.row_of).to(e.device)] @ cell.U + cell.u
    return Encoded(h, made.transitions, logits)
