"""SPINN, one sentence at a time: a buffer of words, a stack, and a list of transitions. Read this room first.

A state is a pair (h, c) of vectors (H,). A sentence of n words is read in 2n - 1 transitions: SHIFT takes the
first word from the buffer onto the stack, REDUCE replaces the two uppermost states of the stack by one::

    z = [h_left; h_right; h_left · h_right; e] W + b            (5H,)   the product and e are optional
    a, i, f_left, f_right, o = five parts of z                  (H,) each
    c = tanh(a) σ(i) + c_left σ(f_left) + c_right σ(f_right)
    h = σ(o) tanh(c)

e (T,) is what the tracker knows: an LSTM that sees the first word of the buffer and the two uppermost states of
the stack before every transition (a place that is empty is zero)::

    g, i, f, o = four parts of [h_buffer; h_top; h_second; e] V + d
    m = tanh(g) σ(i) + m σ(f)                                   (T,)    its memory
    e = σ(o) tanh(m)
    p = softmax(e U + u)                                        (2,)    of SHIFT and of REDUCE

Where no transitions are given, the likelier one is taken, among those that are possible: SHIFT needs a word in
the buffer, REDUCE two states on the stack. What is left on the stack at the end is the sentence.

Source: Bowman, Gauthier, Rastogi, Gupta, Manning, Potts 2016, sections 3.1-3.3; the mask is ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pellucid.errors import InvalidArgumentError
from pellucid.trees import REDUCE, SHIFT

__all__ = ["Cell", "Encoded", "machine", "possible", "reduce", "track", "track_lstm", "tree_lstm"]


@dataclass(frozen=True)
class Encoded:
    """What a batch of B sentences became.

    ``h`` (B, H) are the sentences; ``transitions`` the transitions taken, an array a sentence; ``logits``
    (S, 2) those of all transitions, sentence after sentence, None where the cell predicts none.
    """

    h: Tensor
    transitions: list[np.ndarray]
    logits: Tensor | None


class Cell(nn.Module):
    """The weights: W, b of Reduce, V, d of the tracker, U, u of its predictions.

    Parameters
    ----------
    hidden : int
        H, the size of h and of c.
    tracker : int, default=0
        T, the size of the tracker; 0: none (a plain TreeLSTM).
    predict : bool, default=False
        Whether the tracker predicts transitions.
    multiply : bool, default=False
        Whether Reduce sees h_left · h_right too.

    """

    def __init__(self, hidden: int, tracker: int = 0, *, predict: bool = False, multiply: bool = False) -> None:
        super().__init__()
        if hidden < 1 or tracker < 0:
            raise InvalidArgumentError(f"hidden must be >= 1 and tracker >= 0, got {hidden} and {tracker}")
        if predict and not tracker:
            raise InvalidArgumentError("predict=True needs a tracker, got tracker=0; set tracker >= 1")
        self.hidden, self.tracker, self.predict, self.multiply = hidden, tracker, predict, multiply
        inputs = (3 if multiply else 2) * hidden + tracker
        self.W = nn.Parameter(torch.empty(inputs, 5 * hidden))
        self.b = nn.Parameter(torch.zeros(5 * hidden))
        self.V = nn.Parameter(torch.empty(3 * hidden + tracker if tracker else 0, 4 * tracker))
        self.d = nn.Parameter(torch.zeros(4 * tracker))
        self.U = nn.Parameter(torch.empty(tracker if predict else 0, 2))
        self.u = nn.Parameter(torch.zeros(2 if predict else 0))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights uniformly, variance 1 / inputs; biases 0, but 1 for what lets memories pass."""
        with torch.no_grad():
            for weights in (self.W, self.V, self.U):
                if weights.numel():
                    bound = (3 / weights.shape[0]) ** 0.5
                    nn.init.uniform_(weights, -bound, bound)
            for bias in (self.b, self.d, self.u):
                bias.zero_()
            self.b[2 * self.hidden : 4 * self.hidden] = 1
            self.d[2 * self.tracker : 3 * self.tracker] = 1


State = tuple[Tensor, Tensor]


def tree_lstm(left: State, right: State, z: Tensor) -> State:
    """Return h and c (H,) of two children and the sums z (5H,)."""
    a, i, f_left, f_right, o = z.chunk(5, -1)
    c = a.tanh() * i.sigmoid() + left[1] * f_left.sigmoid() + right[1] * f_right.sigmoid()
    return o.sigmoid() * c.tanh(), c


def reduce(cell: Cell, left: State, right: State, e: Tensor | None) -> State:
    """Return the state (H,), (H,) that two neighbours become."""
    inputs = [left[0], right[0]]
    if cell.multiply:
        inputs.append(left[0] * right[0])
    if e is not None:
        inputs.append(e)
    return tree_lstm(left, right, torch.cat(inputs, -1) @ cell.W + cell.b)


def track(cell: Cell, buffer: list[State], stack: list[State], state: State) -> State:
    """Return what the tracker knows, e and m (T,), after a look at buffer and stack."""
    nothing = torch.zeros_like(cell.b[: cell.hidden])
    seen = [
        buffer[0][0] if buffer else nothing,
        stack[-1][0] if stack else nothing,
        stack[-2][0] if len(stack) > 1 else nothing,
        state[0],
    ]
    return track_lstm(cell, seen, state[1])


def track_lstm(cell: Cell, seen: Sequence[Tensor], memory: Tensor) -> State:
    """Return e and m (T,) after a look at what is seen: h_buffer, h_top, h_second, e."""
    g, i, f, o = (torch.cat(list(seen), -1) @ cell.V + cell.d).chunk(4, -1)
    m = g.tanh() * i.sigmoid() + memory * f.sigmoid()
    return o.sigmoid() * m.tanh(), m


def possible(buffer: Sequence[Any], stack: Sequence[Any]) -> tuple[bool, bool]:
    """Say whether SHIFT and whether REDUCE can be done."""
    return len(buffer) > 0, len(stack) > 1


def read(cell: Cell, words: Sequence[State], given: np.ndarray | None) -> tuple[Tensor, list[int], list[Tensor]]:
    """Return the sentence's h (H,), the transitions taken, and the logits (2,) of each."""
    buffer: list[State] = list(words)
    stack: list[State] = []
    e = m = cell.d.new_zeros(cell.tracker)
    taken: list[int] = []
    logits: list[Tensor] = []
    for step in range(2 * len(words) - 1):
        if cell.tracker:
            e, m = track(cell, buffer, stack, (e, m))
        if cell.predict:
            logits.append(e @ cell.U + cell.u)
        if given is not None:
            transition = int(given[step])
        else:
            can_shift, can_reduce = possible(buffer, stack)
            wants_reduce = bool(logits[-1][REDUCE] > logits[-1][SHIFT])
            transition = REDUCE if can_reduce and (wants_reduce or not can_shift) else SHIFT
        if transition == SHIFT:
            stack.append(buffer.pop(0))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(reduce(cell, left, right, e if cell.tracker else None))
        taken.append(transition)
    return stack.pop()[0], taken, logits


def machine(
    cell: Cell, leaves: Tensor, tokens: Sequence[np.ndarray], transitions: Sequence[np.ndarray] | None = None
) -> Encoded:
    """Read B sentences, one after another.

    ``leaves`` (V, 2H) holds h and c of each word; ``tokens`` the rows of it that a sentence consists of;
    ``transitions`` 0 (SHIFT) and 1 (REDUCE), 2n - 1 for n words. Without them the cell must predict.
    """
    if transitions is None and not cell.predict:
        raise InvalidArgumentError("transitions must be given to a cell that predicts none; or set predict=True")
    h, taken, logits = [], [], []
    for number, sentence in enumerate(tokens):
        rows = leaves[torch.as_tensor(np.asarray(sentence, np.int64), device=leaves.device)]
        words = [(row[: cell.hidden], row[cell.hidden :]) for row in rows]
        out, steps, found = read(cell, words, None if transitions is None else transitions[number])
        h.append(out)
        taken.append(np.array(steps, np.uint8))
        logits += found
    return Encoded(torch.stack(h), taken, torch.stack(logits) if logits else None)
