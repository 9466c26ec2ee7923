"""The entries of a model file: Python and NumPy values as JSON, and exactly back."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.errors import InvalidArgumentError, ModelFileError

__all__ = ["decode", "encode", "parse"]

# NumPy's bool, int, float and str; strings of at most 9,999 characters.
DTYPE = re.compile(r"[<|](b1|[iu][1248]|f[248]|U\d{1,4})")
MAX_BYTES = 1 << 28
MAX_INT_BITS = 4096


def encode(value: Any, name: str = "value") -> Any:
    """Return ``value`` as JSON that ``decode`` turns back exactly; ``name`` is what an error calls it.

    None, bool, int, str, finite floats, lists and dicts of names stand as they are. What JSON does not have
    becomes an object of one key: ``!float`` (nan, inf, -inf), ``!tuple``, ``!dict`` (pairs, for keys that are
    no names), ``!scalar`` and ``!array`` (NumPy's, with their dtype). InvalidArgumentError for the rest.
    """
    if isinstance(value, np.ndarray | np.generic):
        return _encode_numpy(value, name)
    if _stands(value):
        return value
    if type(value) is float:
        return {"!float": str(value)}
    if type(value) in (list, tuple):
        items = [encode(item, f"{name}[{i}]") for i, item in enumerate(value)]
        return items if type(value) is list else {"!tuple": items}
    if type(value) is dict:
        if all(type(key) is str and not key.startswith("!") for key in value):
            return {key: encode(item, f"{name}.{key}") for key, item in value.items()}
        pairs = [[encode(key, name), encode(item, f"{name}[{key!r}]")] for key, item in value.items()]
        return {"!dict": pairs}
    if isinstance(value, np.random.RandomState | np.random.Generator):
        raise InvalidArgumentError(
            f"{name} is a {type(value).__name__}, which a model file does not keep; give an int or None: "
            f"model.set_params({name.rpartition('.')[2]}=0)"
        )
    raise InvalidArgumentError(
        f"{name} is of type {type(value).__name__}, which a model file does not keep; it keeps None, bool, "
        "int, float, str, tuples, lists, dicts and NumPy's numbers and strings"
    )


def _stands(value: Any) -> bool:
    """Whether JSON keeps the value as it is."""
    if type(value) is int:
        return value.bit_length() <= MAX_INT_BITS
    return value is None or type(value) in (bool, str) or (type(value) is float and math.isfinite(value))


def _encode_numpy(value: np.ndarray | np.generic, name: str) -> dict[str, Any]:
    array = np.asarray(value)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    dtype = "object" if array.dtype == object else array.dtype.str
    if dtype != "object" and not DTYPE.fullmatch(dtype):
        raise InvalidArgumentError(
            f"{name} is of NumPy's type {array.dtype}, which a model file does not keep; convert it to bool, "
            "str or numbers of at most 64 bit"
        )
    values = [encode(item, name) for item in array.ravel().tolist()]
    if isinstance(value, np.generic):
        return {"!scalar": {"dtype": dtype, "value": values[0]}}
    return {"!array": {"dtype": dtype, "shape": list(array.shape), "values": values}}


def decode(value: Any) -> Any:
    """Return the value of which ``encode`` made ``value``; raise ModelFileError where it cannot have."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value)) if len(value) == 1 else ""
    if not kind.startswith("!"):
        return {key: decode(item) for key, item in value.items()}
    if kind not in KINDS:
        raise ModelFileError(f"holds an entry of an unknown kind, {kind!r}")
    return KINDS[kind](value[kind])


def _decode_float(word: Any) -> float:
    if word not in ("nan", "inf", "-inf"):
        raise ModelFileError(f"holds {word!r} for nan, inf or -inf")
    return float(word)


def _decode_array(code: str, shape: list[int], values: list[Any]) -> np.ndarray:
    if code != "object" and not DTYPE.fullmatch(code):
        raise ModelFileError(f"holds an entry of an unknown NumPy type, {code!r}")
    dtype = np.dtype(code)
    if (size := dtype.itemsize * len(values)) > MAX_BYTES:
        raise ModelFileError(f"holds an entry of {size} bytes, where {MAX_BYTES} are allowed")
    array = np.empty(len(values), dtype.newbyteorder("="))
    for i, item in enumerate(values):  # one by one: at once, an object array would make rows of tuples
        array[i] = decode(item)
    return array.reshape(shape)


KINDS: dict[str, Callable[[Any], Any]] = {
    "!float": _decode_float,
    "!tuple": lambda items: tuple(decode(item) for item in items),
    "!dict": lambda pairs: {decode(key): decode(item) for key, item in pairs},
    "!scalar": lambda content: _decode_array(content["dtype"], [], [content["value"]])[()],
    "!array": lambda content: _decode_array(content["dtype"], content["shape"], content["values"]),
}


def parse(text: str) -> dict[str, Any]:
    """Return a JSON object, refusing what JSON's reader lets pass: a key twice, NaN, what no double holds."""
    try:
        value = json.loads(
            text, object_pairs_hook=_distinct, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as error:
        raise ModelFileError(f"is damaged: its header is not JSON ({error}); get it again") from error
    if type(value) is not dict:
        raise ModelFileError("has a header that is not a JSON object")
    return value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ModelFileError(f"names {key!r} twice in its header")
        found[key] = value
    return found


def _refuse_constant(constant: str) -> None:
    raise ModelFileError(f"holds {constant} in its header, which is not JSON")


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ModelFileError(f"holds {digits} in its header, which no double can be")
    return value
