"""The preprocessor: what becomes of each column, that it is said, and that it comes back from its header."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.data import Column, Preprocessor, Table
from pellucid.errors import InvalidArgumentError, InvalidDataError


def table(**columns):
    made = []
    for name, values in columns.items():
        is_text = any(isinstance(value, str) for value in values)
        blank = "" if is_text else math.nan
        cells = [blank if value is None else value for value in values]
        made.append(Column(name, np.array(cells, dtype=object if is_text else np.float64)))
    return Table("data.csv", tuple(made), np.arange(2, 2 + len(made[0].values)))


Y = ["no", "yes", "no", "yes"]


def features(preprocessor, X):
    return dict(zip(preprocessor.feature_names, X.T.tolist(), strict=True))


def test_numbers_are_brought_to_mean_0_and_standard_deviation_1():
    data = table(a=[1, 2, 3, 6], b=[-1e6, 0, 1e6, 5e6], y=Y)
    X = Preprocessor().fit(data).transform(data)
    assert X.dtype == np.float32
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(X.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(X[:, 0], (np.array([1, 2, 3, 6]) - 3) / math.sqrt(3.5), rtol=1e-6)


def test_a_blank_becomes_the_median_and_is_marked():
    data = table(a=[1, None, 3, 100, 5], y=[*Y, "no"])
    preprocessor = Preprocessor().fit(data)
    found = features(preprocessor, preprocessor.transform(data))
    filled = np.array([1, 4, 3, 100, 5])
    np.testing.assert_allclose(found["a"], (filled - filled.mean()) / filled.std(), rtol=1e-6)
    assert found["a (blank)"] == [0, 1, 0, 0, 0]
    assert "Column a: blank cells: 1; taken as the median 4 and marked in a column of their own." in preprocessor.report


def test_a_blank_that_training_did_not_have_becomes_the_median_and_is_reported():
    preprocessor = Preprocessor().fit(table(a=[1, 2, 3, 6], y=Y))
    X = preprocessor.transform(table(a=[None, 2.5]))
    assert X[0] == X[1]
    assert preprocessor.transform_report == [
        "Column a: blank cells, which training did not have: 1; taken as the median 2.5."
    ]


def test_a_constant_column_is_kept_at_0_whatever_comes_later():
    data = table(a=[0.1, 0.1, 0.1, 0.1], b=[1, 2, 3, 4], y=Y)
    preprocessor = Preprocessor().fit(data)
    assert features(preprocessor, preprocessor.transform(data))["a"] == [0, 0, 0, 0]
    assert features(preprocessor, preprocessor.transform(table(a=[7], b=[1])))["a"] == [0]
    assert "Columns that hold the same number in every row, kept at 0: a." in preprocessor.report


def test_text_becomes_a_column_a_level():
    data = table(colour=["red", "blue", "red", "green"], y=Y)
    preprocessor = Preprocessor().fit(data)
    assert features(preprocessor, preprocessor.transform(data)) == {
        "colour=blue": [0, 1, 0, 0],
        "colour=green": [0, 0, 0, 1],
        "colour=red": [1, 0, 1, 0],
    }
    assert "Column colour: text with 3 levels; one column of 0 and 1 each." in preprocessor.report


def test_an_unseen_level_is_all_zeros_counted_and_reported():
    preprocessor = Preprocessor().fit(table(colour=["red", "blue", "red", "blue"], y=Y))
    X = preprocessor.transform(table(colour=["mauve", "red", None]))
    np.testing.assert_array_equal(X, [[0, 0], [0, 1], [0, 0]])
    assert preprocessor.transform_report == [
        "Column colour: cells that hold what training did not show: 2; taken as none of the known texts."
    ]


def test_blank_text_is_marked_where_training_had_blanks():
    data = table(colour=["red", None, "red", "blue"], y=Y)
    preprocessor = Preprocessor().fit(data)
    found = features(preprocessor, preprocessor.transform(data))
    assert found["colour (blank)"] == [0, 1, 0, 0]
    assert found["colour=red"] == [1, 0, 1, 0]
    assert "Column colour: blank cells: 1; marked in a column of their own." in preprocessor.report


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([f"person {n}" for n in range(20)], "Column a: not used: 20 different texts, as names or ids have"),
        ([f"{n % 51} x" for n in range(200)], "Column a: not used: 51 different texts"),
        (["same"] * 20, "Column a: not used: it holds the same text in every row."),
        ([None] * 20, "Column a: not used: every cell is blank."),
        (list(range(1, 21)), "Column a: not used: it only counts the rows."),
        (list(range(20)), "Column a: not used: it only counts the rows."),
        (
            [*map(str, range(12)), *map(str, range(12)), "?"],
            "most cells are numbers, but not all, for example ?;",
        ),
        (["1,5", "2,5"] * 10, "Column a: not used: its numbers have a decimal comma, for example 1,5;"),
    ],
)
def test_a_column_that_cannot_be_learnt_from_is_dropped_and_reported(values, sentence):
    n = len(values)
    data = table(a=values, b=[k * k % 7 for k in range(n)], y=["no", "yes"] * (n // 2) + ["no"] * (n % 2))
    preprocessor = Preprocessor().fit(data)
    assert preprocessor.feature_names == ("b",)
    assert any(sentence in said for said in preprocessor.report)
    assert preprocessor.transform(table(b=[3])).shape == (1, 1)


@pytest.mark.parametrize(
    "values",
    [
        [f"level {n % 10}" for n in range(16)],
        [f"{n % 50} x" for n in range(200)],
        [1990 + n for n in range(20)],
        [*range(19), 20],
        ["1", "2", "3a"] * 7,
    ],
)
def test_a_column_at_the_limit_is_used(values):
    n = len(values)
    data = table(a=values, y=["no", "yes"] * (n // 2) + ["no"] * (n % 2))
    assert Preprocessor().fit(data).feature_names[0].startswith("a")


def test_numbers_kept_as_text_are_levels():
    data = table(a=[f"{n % 12}" for n in range(48)], y=["no", "yes"] * 24)
    assert len(Preprocessor().fit(data).feature_names) == 12


def test_columns_are_dropped_when_asked():
    preprocessor = Preprocessor().fit(table(a=[1, 2, 3, 4], b=[1, 2, 4, 3], y=Y), drop=["a"])
    assert preprocessor.feature_names == ("b",)
    assert "Column a: not used, as asked." in preprocessor.report
    with pytest.raises(InvalidDataError, match=r"has no column 'c'; it has a, y"):
        Preprocessor().fit(table(a=[1, 2, 3, 4], y=Y), drop=["c"])
    with pytest.raises(InvalidArgumentError, match="drop must not name the target column, got 'y'"):
        Preprocessor().fit(table(a=[1, 2, 3, 4], y=Y), drop=["y"])


def test_without_a_column_to_learn_from_the_reason_is_said():
    with pytest.raises(InvalidDataError, match=r"no column is left to learn from.*a: not used: every cell is blank"):
        Preprocessor().fit(table(a=[None] * 4, y=Y))
    with pytest.raises(InvalidDataError, match="no column is left to learn from"):
        Preprocessor().fit(table(y=Y))


@pytest.mark.parametrize(
    ("values", "task", "why", "classes"),
    [
        (Y, "classification", "text", ("no", "yes")),
        ([0, 1, 1, 0], "classification", "few", (0, 1)),
        ([3, 7, 3, 7, 5, 5], "classification", "few", (3, 5, 7)),
        (list(range(20)) * 2, "classification", "few", tuple(range(20))),
        (list(range(21)) * 4, "regression", "many", ()),
        ([1, 2, 3, 4], "regression", "many", ()),
        ([1, 2, 3, 3], "regression", "many", ()),
        ([1e300, 2e300] * 2, "regression", "many", ()),
        ([0.5, 1, 0.5, 1], "regression", "many", ()),
    ],
)
def test_the_task_follows_from_the_target(values, task, why, classes):
    data = table(a=[k * k for k in range(len(values))], y=values)
    preprocessor = Preprocessor().fit(data)
    assert (preprocessor.target_.task, preprocessor.target_.why, preprocessor.target_.classes) == (
        task,
        why,
        classes,
    )
    y = preprocessor.target(data)
    assert y.tolist() == values
    assert y.dtype.kind == ("f" if task == "regression" else "U" if why == "text" else "i")
    assert preprocessor.report[0].startswith("Target: column y; it holds ")


def test_the_task_can_be_told():
    data = table(a=[1, 2, 3, 5], y=[0, 1, 1, 0])
    assert Preprocessor().fit(data, task="regression").target(data).dtype == np.float64
    names = table(a=[1, 2, 3, 5], y=["p", "q", "r", "s"])
    assert Preprocessor().fit(names, task="classification").target_.classes == ("p", "q", "r", "s")


def test_the_target_is_the_last_column_unless_told():
    data = table(a=[1, 2, 3, 6], b=[4, 4, 5, 5], c=[1, 1, 2, 2])
    assert Preprocessor().fit(data).target_.name == "c"
    assert Preprocessor().fit(data, "b").feature_names == ("a", "c")


@pytest.mark.parametrize(
    ("values", "arguments", "message"),
    [
        (Y, {"task": "clustering"}, "task must be one of auto, classification, regression, got 'clustering'"),
        (Y, {"target": "z"}, r"data\.csv has no column 'z'; it has a, y"),
        (Y, {"task": "regression"}, "regression needs numbers; column 'y' (is|holds) text"),
        ([0.5, 1, 0.5, 1], {"task": "classification"}, "the target column 'y' holds broken numbers"),
        (["no"] * 4, {}, "the target column 'y' holds only 'no'; a classifier needs two classes or more"),
        ([1] * 4, {}, "holds only 1; a classifier needs two"),
        ([None] * 4, {}, "every cell of the target column 'y' is blank"),
        (["p", "q", "r", "s"], {}, "holds 4 different texts in 4 rows, as names do; name the column"),
    ],
)
def test_a_target_that_does_not_fit_is_refused(values, arguments, message):
    with pytest.raises((InvalidArgumentError, InvalidDataError), match=message):
        Preprocessor().fit(table(a=[1, 2, 3, 6], y=values), **arguments)


def test_rows_with_a_blank_target_are_left_out_and_counted():
    data = table(a=[1, 2, 3, 1000, 6], y=["no", "yes", "no", None, "yes"])
    preprocessor = Preprocessor().fit(data)
    assert "Rows left out because their target is blank: 1." in preprocessor.report
    labelled = preprocessor.labelled(data)
    assert labelled.n_rows == 4
    assert preprocessor.transform(labelled).mean() == pytest.approx(0, abs=1e-6)
    with pytest.raises(InvalidDataError, match=r"data\.csv, line 5, column 'y': the target is blank"):
        preprocessor.target(data)


def test_columns_are_matched_by_name():
    data = table(a=[1, 2, 3, 6], b=["u", "v", "u", "v"], y=Y)
    preprocessor = Preprocessor().fit(data)
    X = preprocessor.transform(data)
    other = table(extra=[0, 0, 0, 0], b=["u", "v", "u", "v"], a=[1, 2, 3, 6])
    np.testing.assert_array_equal(preprocessor.transform(other), X)
    assert preprocessor.transform_report == ["Columns that training did not have, ignored: extra."]


def test_missing_columns_are_refused_by_name():
    preprocessor = Preprocessor().fit(table(a=[1, 2, 3, 6], b=[1, 2, 2, 1], c=[3, 2, 1, 1], y=Y))
    with pytest.raises(InvalidDataError, match=r"data\.csv has no column 'a', 'c', which the model was .* it has b"):
        preprocessor.transform(table(b=[1]))
    with pytest.raises(InvalidDataError, match=r"has no column 'y'"):
        preprocessor.target(table(b=[1]))


def test_text_where_training_had_numbers_is_refused_with_its_line():
    preprocessor = Preprocessor().fit(table(a=[1, 2, 3, 6], y=[0, 1, 1, 0]))
    with pytest.raises(InvalidDataError, match=r"line 3, column 'a': must be a number as in training, got 'x'"):
        preprocessor.transform(table(a=["1", "x"]))
    with pytest.raises(InvalidDataError, match=r"line 2, column 'y': must be a number as in training, got 'no'"):
        preprocessor.target(table(y=["no"]))
    with pytest.raises(InvalidDataError, match=r"line 3, column 'y': a class must be whole, got 0.5"):
        preprocessor.target(table(y=[1, 0.5]))


def test_numbers_where_training_had_text_are_taken_as_text():
    preprocessor = Preprocessor().fit(table(size=["1", "2", "XL", "1"], y=["1", "2", "a", "1"]), task="classification")
    np.testing.assert_array_equal(preprocessor.transform(table(size=[1, 2, None])), [[1, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert preprocessor.target(table(y=[2, 1])).tolist() == ["2", "1"]
    assert preprocessor.text_columns == ("size", "y")


def test_a_value_too_far_from_training_is_refused_by_name():
    preprocessor = Preprocessor().fit(table(a=[1, 2, 3, 6], y=Y))
    with pytest.raises(InvalidDataError, match=r"line 3, column 'a': 1e\+300 is too far from the training values"):
        preprocessor.transform(table(a=[1, 1e300]))


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1.0, 1e30, 1e200, 1.7e308 / 6])
def test_numbers_of_any_size_give_finite_columns(scale):
    data = table(a=[1 * scale, -6 * scale, 3 * scale, 6 * scale], y=Y)
    X = Preprocessor().fit(data).transform(data)
    expected = np.array([0, -7, 2, 5]) / math.sqrt(78 / 4)
    np.testing.assert_allclose(X[:, 0], expected, atol=2e-3 if scale == 1e-320 else 1e-6)


def fitted():
    data = table(
        a=[1, None, 3, 100],
        b=[0.1, 0.2, 0.3, 1 / 3],
        c=["red", "blue", None, "red"],
        d=[5, 5, 5, 5],
        e=[None] * 4,
        f=["ü", "ü", "ü", "ü"],
        y=Y,
    )
    return Preprocessor().fit(data), data


def test_the_header_makes_the_same_preprocessor():
    preprocessor, data = fitted()
    text = json.dumps(preprocessor.to_json(), allow_nan=False)
    again = Preprocessor.from_json(json.loads(text))
    assert again.to_json() == preprocessor.to_json()
    assert again.report == preprocessor.report
    assert again.feature_names == preprocessor.feature_names
    assert again.target_ == preprocessor.target_
    np.testing.assert_array_equal(again.transform(data), preprocessor.transform(data))


def test_a_regressors_header_makes_the_same_preprocessor():
    data = table(a=[1, 2, 3, 7], y=[0.5, 1.5, 3, 4])
    preprocessor = Preprocessor().fit(data)
    again = Preprocessor.from_json(json.loads(json.dumps(preprocessor.to_json())))
    assert again.target_ == preprocessor.target_
    assert again.target(data).tolist() == [0.5, 1.5, 3, 4]


def changed(path, value):
    header = json.loads(json.dumps(fitted()[0].to_json()))
    *way, last = path
    place = header
    for key in way:
        place = place[key]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return header


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["rows"], -1, "rows must be a whole number >= 0"),
        (["rows"], True, "rows must be a whole number >= 0"),
        (["rows"], KeyError, "preprocessing must have the keys columns, rows, target"),
        (["more"], 1, "preprocessing must have the keys columns, rows, target"),
        (["columns"], {}, "columns must be a list"),
        (["columns"], [], "columns must hold one that is used"),
        (["columns", 0], 5, r"columns\[0\]\.kind must be one of number, text, dropped"),
        (["columns", 0, "kind"], "picture", r"columns\[0\]\.kind must be one of number, text, dropped"),
        (["columns", 0, "kind"], ["number"], r"columns\[0\]\.kind must be one of number, text, dropped"),
        (["columns", 0, "kind"], "text", r"columns\[0\] must have the keys blanks, kind, levels, name"),
        (["columns", 0, "name"], 3, r"columns\[0\]\.name must be text"),
        (["columns", 0, "name"], "b", r"columns must hold every name once"),
        (["columns", 0, "name"], "y", r"columns must hold every name once"),
        (["columns", 0, "mean"], "1", r"columns\[0\]\.mean must be a finite number"),
        (["columns", 0, "mean"], math.nan, r"columns\[0\]\.mean must be a finite number"),
        (["columns", 0, "median"], math.inf, r"columns\[0\]\.median must be a finite number"),
        (["columns", 0, "scale"], -1.0, r"columns\[0\]\.scale must be >= 0"),
        (["columns", 0, "scale"], 10**400, r"columns\[0\]\.scale must be a finite number"),
        (["columns", 0, "blanks"], 0.5, r"columns\[0\]\.blanks must be a whole number >= 0"),
        (["columns", 2, "levels"], ["a", "a"], r"columns\[2\]\.levels must be different texts, none empty"),
        (["columns", 2, "levels"], ["a", ""], r"columns\[2\]\.levels must be different texts, none empty"),
        (["columns", 2, "levels"], [], r"columns\[2\]\.levels must be different texts, none empty"),
        (["columns", 2, "levels"], [1], r"columns\[2\]\.levels must be text"),
        (["columns", 4, "reason"], "because", r"columns\[4\]\.reason must be one of asked, blank"),
        (["columns", 4, "reason"], {}, r"columns\[4\]\.reason must be one of asked, blank"),
        (["target"], None, "target must be an object"),
        (["target", "name"], None, "target.name must be text"),
        (["target", "task"], "auto", "target.task must be one of classification, regression"),
        (["target", "task"], "regression", "target.classes must be empty in regression"),
        (["target", "why"], "why not", "target.why must be one of text, few, many, asked"),
        (["target", "classes"], ["no"], "target.classes must be two or more different"),
        (["target", "classes"], ["yes", "no"], "target.classes must be .* in order"),
        (["target", "classes"], ["no", 1], "target.classes must be two or more different"),
        (["target", "classes"], [0, 1.0], "target.classes must be two or more different"),
        (["target", "classes"], [[], []], "target.classes must be two or more different"),
        (["target", "classes"], [1, 10**30], r"target.classes must be within 2\*\*53"),
        (["target", "unlabelled"], None, "target.unlabelled must be a whole number >= 0"),
    ],
)
def test_a_header_that_was_not_written_so_is_refused_by_its_key(path, value, message):
    with pytest.raises(InvalidDataError, match=f"the preprocessing header is not as it was written: {message}"):
        Preprocessor.from_json(changed(path, value))


@pytest.mark.parametrize("header", [None, [], "text", 3])
def test_a_header_that_is_no_object_is_refused(header):
    with pytest.raises(InvalidDataError, match="preprocessing must be an object"):
        Preprocessor.from_json(header)


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=64)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(values=st.lists(numbers, min_size=4, max_size=12))
def test_training_rows_are_always_finite_and_standardised(values):
    n = len(values)
    data = table(a=values, b=[k * k for k in range(n)], y=[k % 2 for k in range(n)])
    X = Preprocessor().fit(data).transform(data)
    assert np.isfinite(X).all()
    assert np.abs(X[:, 0]).max() <= math.sqrt(n) * 1.01
