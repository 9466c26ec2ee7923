import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.saving import decode, encode
from pellucid.saving.entries import parse


def there_and_back(value):
    return decode(parse(json.dumps({"value": encode(value)}, allow_nan=False))["value"])


plain = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats() | st.text(max_size=5)
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(nested)
def test_python_values_come_back_exactly_with_their_types(value):
    assert repr(there_and_back(value)) == repr(value)


@pytest.mark.parametrize("value", [{"!tuple": [1]}, {"!": 0}, {"!dict": []}, {0: 0.5, 1: 2.0}, {True: 1}])
def test_dicts_that_look_like_our_marks_or_have_other_keys_come_back_as_they_were(value):
    assert repr(there_and_back(value)) == repr(value)


def test_tuple_of_layer_sizes_comes_back_a_tuple_and_a_list_a_list():
    assert there_and_back({"hidden_layer_sizes": (100,)}) == {"hidden_layer_sizes": (100,)}
    assert there_and_back([100]) == [100]


def test_negative_zero_and_the_largest_float_come_back():
    assert math.copysign(1, there_and_back(-0.0)) == -1
    assert there_and_back(1.7976931348623157e308) == 1.7976931348623157e308


@pytest.mark.parametrize(
    "scalar",
    [
        np.float32(0.1),
        np.float64(0.1),
        np.float16(0.1),
        np.float32(np.inf),
        np.int8(-5),
        np.uint64(2**64 - 1),
        np.bool_(True),
        np.str_("日本"),
    ],
)
def test_numpy_scalars_come_back_with_their_type(scalar):
    back = there_and_back(scalar)
    assert type(back) is type(scalar)
    assert back == scalar


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "dog"]),
        np.array(["cat", "dog"], dtype="<U20"),
        np.array(["cat", "", "日本 "], dtype=object),
        np.array([1, "one", None, 2.5, True, (1, 2)], dtype=object),
        np.array([False, True]),
        np.array([-3, 2**62]),
        np.array([[0.1, np.nan], [-0.0, np.inf]], dtype=np.float32),
        np.array([1.0, 2.0]).astype(">f8"),
        np.empty((0, 3), dtype=np.int16),
        np.array(7),
    ],
    ids=lambda a: f"{a.dtype}",
)
def test_numpy_arrays_come_back_with_dtype_shape_and_values(labels):
    back = there_and_back(labels)
    assert isinstance(back, np.ndarray)
    assert back.dtype == labels.dtype.newbyteorder("=")
    assert back.shape == labels.shape
    assert repr(back.tolist()) == repr(labels.tolist())


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generators_state_comes_back_so_that_its_numbers_go_on(kind):
    rng = np.random.Generator(kind(7))
    rng.random(5, dtype=np.float32)
    copy = np.random.Generator(kind())
    copy.bit_generator.state = there_and_back(rng.bit_generator.state)
    assert copy.random(9).tolist() == rng.random(9).tolist()


@pytest.mark.parametrize("state", [np.random.RandomState(0), np.random.default_rng(0)])
def test_random_generators_are_refused_with_the_parameter_and_the_mending_named(state):
    kind = type(state).__name__
    with pytest.raises(
        InvalidArgumentError,
        match=rf"parameters.random_state is a {kind}.*int or None: model.set_params\(random_state=0\)",
    ):
        encode({"alpha": 1.0, "random_state": state}, "parameters")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (print, "value is of type builtin_function_or_method"),
        ([1, {1, 2}], r"value\[1\] is of type set"),
        ({"a": b"x"}, "value.a is of type bytes"),
        (1j, "value is of type complex"),
        (1 << 5000, "value is of type int"),
        (np.array([1j]), "NumPy's type complex128"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "NumPy's type datetime64"),
        (np.longdouble(1), "NumPy's type (longdouble|float128)"),
        (np.array([print], dtype=object), r"value is of type builtin"),
    ],
)
def test_what_a_file_does_not_keep_is_refused_by_name(value, words):
    with pytest.raises(InvalidArgumentError, match=words):
        encode(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "names 'a' twice"),
        ('{"a": [{"b": 1, "c": 2, "b": 1}]}', "names 'b' twice"),
        ('{"a": NaN}', "holds NaN"),
        ('{"a": -Infinity}', "holds -Infinity"),
        ('{"a": 1e999}', "holds 1e999"),
        ("[1]", "not a JSON object"),
        ('{"a": 1', "is damaged: its header is not JSON"),
    ],
)
def test_json_that_pythons_reader_lets_pass_is_refused(text, words):
    with pytest.raises(ModelFileError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"!python": "os.system"}, "unknown kind, '!python'"),
        ({"!float": "1_0"}, "'1_0' for nan"),
        ({"!array": {"dtype": "<M8[D]", "shape": [1], "values": [0]}}, "unknown NumPy type, '<M8"),
        ({"!array": {"dtype": "<U99999999", "shape": [1], "values": [""]}}, "unknown NumPy type"),
        ({"!array": {"dtype": "<U9999", "shape": [9999], "values": [""] * 9999}}, "bytes, where .* allowed"),
    ],
)
def test_entries_that_encode_cannot_have_made_are_refused(entry, words):
    with pytest.raises(ModelFileError, match=words):
        decode(entry)
