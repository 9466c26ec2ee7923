"""Truth tables: the smallest data sets there are, on which the history of neural networks turned.

XOR and parity cannot be drawn apart by one line, so one neuron cannot learn them (Minsky, Papert 1969); a
hidden layer can (Rumelhart, Hinton, Williams 1986). The arrays are read-only, since everyone shares them;
copy to change.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from pellucid.errors import InvalidArgumentError

__all__ = ["AND", "NAND", "NEURON_TABLE", "OR", "TWO_LAYER_TABLE", "XOR", "TruthTable", "parity"]

MAX_PARITY = 16


class TruthTable(NamedTuple):
    """Inputs and the output of a Boolean function; ``X, y = XOR``."""

    X: np.ndarray  # (N, D) float64, 0 or 1
    y: np.ndarray  # (N,) int64, 0 or 1


def _table(rows: Sequence[Sequence[int]], outputs: Sequence[int]) -> TruthTable:
    table = TruthTable(np.array(rows, np.float64), np.array(outputs, np.int64))
    for array in table:
        array.flags.writeable = False
    return table


def _gate(function: Callable[[int, int], int]) -> TruthTable:
    rows = list(product((0, 1), repeat=2))
    return _table(rows, [function(a, b) for a, b in rows])


XOR = _gate(lambda a, b: a ^ b)
AND = _gate(lambda a, b: a & b)
OR = _gate(lambda a, b: a | b)
NAND = _gate(lambda a, b: 1 - (a & b))

# The nine-line neuron's four examples: the output is the first input, the other two say nothing.
NEURON_TABLE = _table([[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]], [0, 1, 1, 0])
# The two-layer network's: XOR of the first two inputs; the third, always 1, stands in for a bias.
TWO_LAYER_TABLE = _table([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]], [0, 1, 1, 0])


def parity(n: int) -> TruthTable:
    """Return the parity of ``n`` bits: 1 where an odd number of the inputs is 1; ``parity(2)`` is XOR.

    X is (2**n, n), in counting order; y is (2**n,). Raises InvalidArgumentError where ``n`` is not a whole
    number from 1 to 16 (the table doubles with each bit).
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not 1 <= n <= MAX_PARITY:
        raise InvalidArgumentError(f"n must be a whole number from 1 to {MAX_PARITY}, got {n!r}")
    rows = list(product((0, 1), repeat=int(n)))
    return _table(rows, [sum(row) % 2 for row in rows])
