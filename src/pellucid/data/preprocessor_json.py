"""The preprocessor as plain JSON, for a model file's header, and back, believing nothing that it reads."""

import math
from collections.abc import Sequence
from typing import Any

from pellucid.data.targets import TASKS, Target
from pellucid.data.treatments import REASONS, DroppedColumn, NumberColumn, TextColumn, Treatment
from pellucid.errors import InvalidDataError

__all__ = ["read_header", "write_header"]

WHYS = ("text", "few", "many", "asked")


def write_header(target: Target, treatments: Sequence[Treatment], n_rows: int) -> dict[str, Any]:
    """Return target and treatments as a dict of plain JSON values."""
    return {
        "rows": n_rows,
        "target": {
            "name": target.name,
            "task": target.task,
            "why": target.why,
            "classes": list(target.classes),
            "unlabelled": target.unlabelled,
        },
        "columns": [_write(treatment) for treatment in treatments],
    }


def read_header(header: Any) -> tuple[Target, tuple[Treatment, ...], int]:
    """Return what ``write_header`` was given; InvalidDataError names the first key that is wrong."""
    entries = _entries(header, "preprocessing", {"rows", "target", "columns"})
    treatments = tuple(_read(entry, f"columns[{j}]") for j, entry in enumerate(_list(entries["columns"], "columns")))
    target = _read_target(entries["target"])
    names = [treatment.name for treatment in treatments] + [target.name]
    _demand(len(set(names)) == len(names), "columns", "hold every name once")
    used = any(not isinstance(treatment, DroppedColumn) for treatment in treatments)
    _demand(used, "columns", "hold one that is used")
    return target, treatments, _count(entries["rows"], "rows")


def _write(treatment: Treatment) -> dict[str, Any]:
    if isinstance(treatment, DroppedColumn):
        return {
            "kind": "dropped",
            "name": treatment.name,
            "reason": treatment.reason,
            "detail": treatment.detail,
        }
    common = {"kind": treatment.kind, "name": treatment.name, "blanks": treatment.blanks}
    if isinstance(treatment, TextColumn):
        return {**common, "levels": list(treatment.levels)}
    return {**common, "median": treatment.median, "mean": treatment.mean, "scale": treatment.scale}


def _read(entry: Any, where: str) -> Treatment:
    kind = entry.get("kind") if isinstance(entry, dict) else None
    keys = {
        "number": {"blanks", "median", "mean", "scale"},
        "text": {"blanks", "levels"},
        "dropped": {"reason", "detail"},
    }
    _demand(isinstance(kind, str) and kind in keys, f"{where}.kind", f"be one of {', '.join(keys)}")
    values = _entries(entry, where, {"kind", "name", *keys[str(kind)]})
    name = _text(values["name"], f"{where}.name")
    if kind == "dropped":
        _one_of(values["reason"], f"{where}.reason", REASONS)
        return DroppedColumn(name, values["reason"], _text(values["detail"], f"{where}.detail"))
    blanks = _count(values["blanks"], f"{where}.blanks")
    if kind == "text":
        levels = [_text(level, f"{where}.levels") for level in _list(values["levels"], f"{where}.levels")]
        distinct = len(set(levels)) == len(levels) and "" not in levels and bool(levels)
        _demand(distinct, f"{where}.levels", "be different texts, none empty")
        return TextColumn(name, tuple(levels), blanks)
    median, mean, scale = (_number(values[key], f"{where}.{key}") for key in ("median", "mean", "scale"))
    _demand(scale >= 0, f"{where}.scale", "be >= 0")
    return NumberColumn(name, median, mean, scale, blanks)


def _read_target(entry: Any) -> Target:
    values = _entries(entry, "target", {"name", "task", "why", "classes", "unlabelled"})
    name = _text(values["name"], "target.name")
    _one_of(values["task"], "target.task", TASKS[1:])
    _one_of(values["why"], "target.why", WHYS)
    classes = _list(values["classes"], "target.classes")
    kinds = {type(label) for label in classes}
    if values["task"] == "regression":
        _demand(not classes, "target.classes", "be empty in regression")
    else:
        uniform = kinds in ({str}, {int}) and len(set(classes)) == len(classes) >= 2 and sorted(classes) == classes
        _demand(uniform, "target.classes", "be two or more different texts or whole numbers, in order")
        within = kinds == {str} or all(abs(label) <= 2**53 for label in classes)
        _demand(within, "target.classes", "be within 2**53")
    unlabelled = _count(values["unlabelled"], "target.unlabelled")
    return Target(name, values["task"], values["why"], tuple(classes), unlabelled)


def _demand(condition: bool, where: str, what: str) -> None:
    if not condition:
        raise InvalidDataError(f"the preprocessing header is not as it was written: {where} must {what}")


def _entries(value: Any, where: str, keys: set[str]) -> dict[str, Any]:
    _demand(isinstance(value, dict), where, "be an object")
    _demand(value.keys() == keys, where, f"have the keys {', '.join(sorted(keys))}")
    return dict(value)


def _list(value: Any, where: str) -> list[Any]:
    _demand(isinstance(value, list), where, "be a list")
    return list(value)


def _text(value: Any, where: str) -> str:
    _demand(isinstance(value, str), where, "be text")
    return str(value)


def _one_of(value: Any, where: str, allowed: Sequence[str]) -> None:
    _demand(isinstance(value, str) and value in allowed, where, f"be one of {', '.join(allowed)}")


def _count(value: Any, where: str) -> int:
    _demand(type(value) is int and value >= 0, where, "be a whole number >= 0")
    return int(value)


def _number(value: Any, where: str) -> float:
    fits = type(value) is float or (type(value) is int and abs(value) <= 2**53)
    _demand(fits and math.isfinite(value), where, "be a finite number")
    return float(value)
