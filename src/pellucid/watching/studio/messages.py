"""What a page says and hears: JSON that is held to a budget before anything is made of it, and binary frames.

A frame is the length of its header (4 bytes, little-endian), the header (JSON, padded with spaces so that the data
begin at a multiple of 8), then the arrays back to back, each at a multiple of 8. The header's ``arrays`` maps names
to dtype, shape and place.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.language import Phrase, phrase

__all__ = ["MOST_BYTES", "Reader", "frame", "parse", "refusal"]

MOST_BYTES = 1 << 20  # of one message
MOST_DEPTH = 12
BRACKETS = re.compile(r"[\[\]{}]")


def parse(text: str | bytes | None) -> dict[str, Any]:
    """Return a message as a dict; raise InvalidArgumentError, in one sentence, for anything else."""
    if not isinstance(text, str):
        raise InvalidArgumentError("a message must be JSON text, got bytes")
    if len(text) > MOST_BYTES:
        raise InvalidArgumentError(f"a message must be of at most {MOST_BYTES} characters, got {len(text)}")
    if _too_deep(text):
        raise InvalidArgumentError(f"a message must nest at most {MOST_DEPTH} deep")
    try:
        value = json.loads(text, parse_constant=_refuse)
    except ValueError:  # JSONDecodeError is one; so is a number of 5,000 digits
        raise InvalidArgumentError("a message must be JSON, and this is not") from None
    if type(value) is not dict:
        raise InvalidArgumentError(f"a message must be a JSON object, got a {type(value).__name__}")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _too_deep(text: str) -> bool:
    """Whether brackets nest beyond the bound, those within strings counted too; found without recursion."""
    depth = 0
    for bracket in BRACKETS.finditer(text):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MOST_DEPTH:
            return True
    return False


class Reader:
    """Takes settings out of a JSON object one by one, each within its bounds; ``done`` refuses what is left over."""

    def __init__(self, values: Any, what: str = "settings") -> None:
        if type(values) is not dict:
            kind = type(values).__name__
            raise InvalidArgumentError(phrase("{what} must be an object, got a {kind}", what=what, kind=kind))
        self.values, self.what = dict(values), what

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self.values.pop(name, default)
        if type(value) is not int or not low <= value <= high:
            said = {"name": name, "low": low, "high": high, "value": _short(value)}
            raise InvalidArgumentError(
                phrase("{name} must be a whole number from {low} to {high}, got {value}", **said)
            )
        return value

    def number(self, name: str, low: float, high: float, default: float) -> float:
        """Return a number from ``low`` to ``high``."""
        return number(name, self.values.pop(name, default), low, high)

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the texts ``allowed``."""
        value = self.values.pop(name, default)
        if type(value) is not str or value not in allowed:
            said = {"name": name, "allowed": ", ".join(allowed), "value": _short(value)}
            raise InvalidArgumentError(phrase("{name} must be one of {allowed}, got {value}", **said))
        return value

    def text(self, name: str, most: int, default: str) -> str:
        """Return a text of at most ``most`` characters."""
        value = self.values.pop(name, default)
        if type(value) is not str or len(value) > most:
            size = len(value) if type(value) is str else _short(value)
            said = {"name": name, "most": most, "value": size}
            raise InvalidArgumentError(
                phrase("{name} must be a text of at most {most} characters, got {value}", **said)
            )
        return value

    def boolean(self, name: str, default: bool) -> bool:
        """Return true or false."""
        value = self.values.pop(name, default)
        if type(value) is not bool:
            said = {"name": name, "value": _short(value)}
            raise InvalidArgumentError(phrase("{name} must be true or false, got {value}", **said))
        return value

    def integers(self, name: str, count: tuple[int, int], low: int, high: int, default: Sequence[int]) -> list[int]:
        """Return a list of whole numbers, as many as ``count`` allows."""
        value = self._list(name, count, default)
        for item in value:
            if type(item) is not int or not low <= item <= high:
                said = {"name": name, "low": low, "high": high, "value": _short(item)}
                raise InvalidArgumentError(
                    phrase("{name} must hold whole numbers from {low} to {high}, got {value}", **said)
                )
        return value

    def table(
        self, name: str, rows: tuple[int, int], columns: tuple[int, int], low: float, high: float,
        default: Sequence[Sequence[float]],
    ) -> list[list[float]]:  # fmt: skip
        """Return rows of numbers, all as long as the first."""
        value = self._list(name, rows, default)
        for row in value:
            if type(row) is not list or not columns[0] <= len(row) <= columns[1] or len(row) != len(value[0]):
                said = {"name": name, "low": columns[0], "high": columns[1]}
                raise InvalidArgumentError(
                    phrase("{name} must hold rows of {low} to {high} numbers, all as long as the first", **said)
                )
        return [[number(name, item, low, high) for item in row] for row in value]

    def _list(self, name: str, count: tuple[int, int], default: Sequence[Any]) -> list[Any]:
        value = self.values.pop(name, list(default))
        if type(value) is not list or not count[0] <= len(value) <= count[1]:
            size = len(value) if type(value) is list else _short(value)
            said = {"name": name, "low": count[0], "high": count[1], "value": size}
            raise InvalidArgumentError(phrase("{name} must be a list of {low} to {high}, got {value}", **said))
        return value

    def done(self) -> None:
        """Raise InvalidArgumentError if anything is left that nobody asked for."""
        if self.values:
            said = {"what": self.what, "value": _short(next(iter(self.values)))}
            raise InvalidArgumentError(phrase("{what} must not hold {value}", **said))


def number(name: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` as a float from ``low`` to ``high``."""
    if type(value) not in (int, float) or not low <= value <= high:  # nan is within no bounds
        said = {"name": name, "low": f"{low:g}", "high": f"{high:g}", "value": _short(value)}
        raise InvalidArgumentError(phrase("{name} must be a number from {low} to {high}, got {value}", **said))
    return float(value)


def _short(value: Any) -> str:
    if type(value) is int and value.bit_length() > 256:
        return phrase("a whole number of many digits")
    text = repr(value) if type(value) in (str, int, float, bool, type(None)) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def refusal(error: PellucidError) -> dict[str, Any]:
    """Return what a page is told of an error: its text, and ``said``, the key and values of it, where it has them."""
    text = error.args[0] if error.args else ""
    return {"refused": str(error)} | ({"said": text.plain()} if isinstance(text, Phrase) else {})


def frame(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a frame; what is not finite in the header becomes null, a phrase its key and values."""
    places, parts, at = {}, [], 0
    for name, array in arrays.items():
        data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes()
        places[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "at": at}
        data += b"\0" * (-len(data) % 8)
        parts.append(data)
        at += len(data)
    text = json.dumps(_plain(dict(header) | {"arrays": places}), allow_nan=False, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return len(text).to_bytes(4, "little") + text + b"".join(parts)


def _plain(value: Any) -> Any:
    """Return NumPy's numbers and arrays as Python's, and phrases by their keys."""
    if isinstance(value, Phrase):
        return _plain(value.plain())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
