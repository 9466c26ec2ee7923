"""Truth tables hold what logic says."""

import numpy as np
import pytest

from pellucid.data import AND, NAND, NEURON_TABLE, OR, TWO_LAYER_TABLE, XOR, parity
from pellucid.errors import InvalidArgumentError


@pytest.mark.parametrize(
    ("table", "outputs"),
    [(XOR, [0, 1, 1, 0]), (AND, [0, 0, 0, 1]), (OR, [0, 1, 1, 1]), (NAND, [1, 1, 1, 0])],
)
def test_gates_list_their_inputs_in_counting_order(table, outputs):
    np.testing.assert_array_equal(table.X, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_array_equal(table.y, outputs)
    assert table.X.dtype == np.float64
    assert table.y.dtype == np.int64


def test_the_neurons_output_is_its_first_input():
    np.testing.assert_array_equal(NEURON_TABLE.X, [[0, 0, 1], [1, 1, 1], [1, 0, 1], [0, 1, 1]])
    np.testing.assert_array_equal(NEURON_TABLE.y, NEURON_TABLE.X[:, 0])


def test_the_two_layer_table_is_xor_with_a_third_input_of_one():
    np.testing.assert_array_equal(TWO_LAYER_TABLE.X[:, :2], XOR.X)
    np.testing.assert_array_equal(TWO_LAYER_TABLE.X[:, 2], 1)
    np.testing.assert_array_equal(TWO_LAYER_TABLE.y, XOR.y)


def test_parity_of_two_bits_is_xor():
    for ours, theirs in zip(parity(2), XOR, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_parity_changes_when_any_bit_does():
    X, y = parity(5)
    assert X.shape == (32, 5)
    weights = 1 << np.arange(4, -1, -1)
    for bit in range(5):
        flipped = X.copy()
        flipped[:, bit] = 1 - flipped[:, bit]
        np.testing.assert_array_equal(y[(flipped @ weights).astype(int)], 1 - y)


@pytest.mark.parametrize("n", [0, -1, 17, 2.0, True, "2"])
def test_parity_refuses_what_is_not_a_number_of_bits(n):
    with pytest.raises(InvalidArgumentError, match="n must be a whole number from 1 to 16, got"):
        parity(n)


def test_tables_cannot_be_changed_for_everyone():
    with pytest.raises(ValueError, match="read-only"):
        XOR.y[0] = 1
