"""Splits: in proportion, reproducible, and fitted on the training rows alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data import Column, Table, load_digits, prepare, split
from pellucid.errors import InvalidArgumentError, InvalidDataError


@pytest.mark.parametrize("stratify", [False, True])
def test_every_row_is_on_one_side(stratify):
    train, test = split(np.arange(103) % 3, 0.3, 0, stratify=stratify)
    assert sorted([*train, *test]) == list(range(103))
    assert len(test) == 31


def test_a_share_that_is_whole_but_for_rounding_is_not_rounded_up():
    assert 100 * 0.07 > 7
    assert len(split(range(100), 0.07, 0)[1]) == 7


def test_the_same_seed_splits_the_same_and_another_otherwise():
    y = np.arange(100) % 4
    for stratify in (False, True):
        first, again, other = (split(y, 0.25, seed, stratify=stratify) for seed in (7, 7, 8))
        np.testing.assert_array_equal(first[0], again[0])
        np.testing.assert_array_equal(first[1], again[1])
        assert sorted(first[1]) != sorted(other[1])


def test_rows_come_shuffled():
    train, test = split(np.repeat([0, 1], 50), 0.25, 0, stratify=True)
    assert list(train) != sorted(train)
    assert list(test) != sorted(test)


def test_a_stratified_quarter_of_the_digits_holds_a_quarter_of_each():
    _, y = load_digits()
    _, test = split(y, 0.25, 0, stratify=True)
    assert len(test) == 450
    np.testing.assert_allclose(np.bincount(y[test]), np.bincount(y) * (450 / 1797), atol=1)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    counts=st.lists(st.integers(2, 40), min_size=2, max_size=6),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_every_class_is_on_both_sides_with_its_share(counts, fraction, seed):
    y = np.repeat([f"class {k}" for k in range(len(counts))], counts)
    try:
        train, test = split(y, fraction, seed, stratify=True)
    except InvalidDataError as error:
        assert "do not fit on both sides" in str(error)
        return
    assert sorted([*train, *test]) == list(range(len(y)))
    for label, count in zip(np.unique(y), counts, strict=True):
        held_out = (y[test] == label).sum()
        assert 1 <= held_out <= count - 1
        # one row on either side is owed to every class, so small classes can shift the shares of the others
        assert abs(held_out - count * len(test) / len(y)) <= len(counts)


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        (range(10), {"test_fraction": 0}, "test_fraction must be between 0 and 1, got 0"),
        (range(10), {"test_fraction": 1.0}, "test_fraction must be between 0 and 1, got 1.0"),
        (range(10), {"test_fraction": float("nan")}, "test_fraction must be between 0 and 1, got nan"),
        (range(10), {"random_state": -1}, "random_state must be a whole number >= 0 or None, got -1"),
        (range(10), {"random_state": 1.5}, "random_state must be a whole number >= 0 or None, got 1.5"),
        ([1], {}, r"two rows or more to be split, got \(1,\)"),
        ([[1, 2], [3, 4]], {}, r"y must have the shape \(N,\)"),
        (["a", "a", "b"], {"stratify": True}, "class 'b' has one row; a split in proportion needs two"),
        (
            [0, 0, 1, 1, 2, 2],
            {"stratify": True},
            "3 classes do not fit .* 6 rows with 2 held out; change test_fraction",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(y, arguments, message):
    with pytest.raises((InvalidArgumentError, InvalidDataError), match=message):
        split(y, **arguments)


def table(**columns):
    return Table("data.csv", tuple(Column(name, np.asarray(values)) for name, values in columns.items()))


RNG = np.random.default_rng(0)
N = 200
A = RNG.normal(10, 3, N)
LABELS = np.array(["no", "yes"], dtype=object)[(RNG.random(N) < 0.3).astype(int)]


def test_a_table_is_prepared_on_its_training_rows_only():
    prepared = prepare(table(a=A, y=LABELS), random_state=0)
    assert prepared.X_train.shape == (150, 1)
    assert prepared.X_test.shape == (50, 1)
    assert prepared.X_train.mean() == pytest.approx(0, abs=1e-6)
    assert abs(prepared.X_test.mean()) > 1e-3
    assert (prepared.y_test == "yes").mean() == pytest.approx((LABELS == "yes").mean(), abs=0.02)
    assert "Rows to learn from: 150; held out, each class in proportion: 50." in prepared.report


def test_rows_and_targets_stay_together():
    prepared = prepare(table(a=A, y=A * 2), random_state=0)
    column = prepared.preprocessor.used[0]
    for X, y in ((prepared.X_train, prepared.y_train), (prepared.X_test, prepared.y_test)):
        np.testing.assert_allclose((X[:, 0] * column.scale + column.mean) * 2, y, rtol=1e-5)


def test_rows_without_a_target_are_left_out_of_both_sides_and_counted():
    labels = LABELS.copy()
    labels[:20] = ""
    prepared = prepare(table(a=A, y=labels), random_state=0)
    assert len(prepared.y_train) + len(prepared.y_test) == 180
    assert "Rows left out because their target is blank: 20." in prepared.report


def test_a_row_counter_is_recognised_before_the_rows_are_shuffled():
    prepared = prepare(table(id=np.arange(1.0, N + 1), a=A, y=LABELS), random_state=0)
    assert prepared.preprocessor.feature_names == ("a",)
    assert "Column id: not used: it only counts the rows." in prepared.report


def test_a_class_with_one_row_is_split_at_random_and_said_so():
    labels = LABELS.copy()
    labels[3] = "perhaps"
    prepared = prepare(table(a=A, y=labels), random_state=0)
    assert "Rows to learn from: 150; held out at random: 50." in prepared.report
    assert prepared.preprocessor.target_.classes == ("no", "perhaps", "yes")


def test_what_the_held_out_rows_show_anew_is_reported():
    colours = np.array(["red"] * N, dtype=object)
    colours[::2] = "blue"
    _, test = split(LABELS, 0.25, 0, stratify=True)
    colours[test[0]] = "mauve"
    prepared = prepare(table(colour=colours, y=LABELS), random_state=0)
    assert prepared.preprocessor.feature_names == ("colour=blue", "colour=red")
    assert "Column colour: cells that hold what training did not show: 1;" in prepared.report[-1]
