"""What an experiment hands back, and the one rule by which it has passed."""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pellucid.errors import InvalidArgumentError

__all__ = ["Finding", "Progress", "Result", "meets"]

Progress = Callable[[float, str], None]

_EXPECTATION = re.compile(r"(?P<sign>>=|<=|==) (?P<bound>true|false|[-+.0-9e]+)(?: to (?P<decimals>\d+) decimals)?")
_RANGE = re.compile(r"(?P<low>[-+.0-9e]*[0-9])\.\.(?P<high>[-+0-9][-+.0-9e]*)")
_COMPARE = {">=": operator.ge, "<=": operator.le, "==": operator.eq}


@dataclass(frozen=True)
class Finding:
    """What one experiment found: its ``metrics``, what was ``expected`` of them, what was seen.

    ``expected`` maps a metric's name to a comparison such as ``">= 0.975"``, or a range, ``"0.12..0.15"``.
    ``summary`` holds lines for people, in their language; ``payload`` holds fitted models and arrays for the
    figures. ``skipped`` says why nothing was run.
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)
    summary: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    skipped: str | None = None


@dataclass(frozen=True)
class Result:
    """A Finding, judged: ``passed`` is true when every expected metric meets its figure."""

    experiment: str
    seed: int
    metrics: Mapping[str, Any]
    expected: Mapping[str, str]
    passed: bool
    seconds: float
    summary: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False)
    skipped: str | None = None

    @classmethod
    def judge(cls, experiment: str, seed: int, finding: Finding, seconds: float) -> "Result":
        """Compare the finding's metrics with what was expected; what was skipped has not passed."""
        held = [
            name in finding.metrics and meets(finding.metrics[name], figure)
            for name, figure in finding.expected.items()
        ]
        passed = finding.skipped is None and all(held)
        return cls(
            experiment,
            seed,
            finding.metrics,
            finding.expected,
            passed,
            seconds,
            finding.summary,
            finding.payload,
            finding.skipped,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object that ``pellucid run --json`` prints; every value in it is plain JSON."""
        return {
            "experiment": self.experiment,
            "seed": self.seed,
            "metrics": dict(self.metrics),
            "expected": dict(self.expected),
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
        }


def meets(value: Any, expectation: str) -> bool:
    """Say whether ``value`` meets ``expectation``: ``">= 0.975"``, ``"== true"``, ``"== 0.5 to 8 decimals"``.

    A range, ``"0.12..0.15"``, includes both ends.
    A value that is not finite meets nothing. Raises InvalidArgumentError for an expectation that cannot be
    read.
    """
    if span := _RANGE.fullmatch(expectation):
        return bool(float(span["low"]) <= float(value) <= float(span["high"]))
    read = _EXPECTATION.fullmatch(expectation)
    if read is None:
        raise InvalidArgumentError(
            "an expectation reads like '>= 0.975', '== true', '== 0.5 to 8 decimals' or '0.12..0.15', "
            f"got {expectation!r}"
        )
    sign, bound, decimals = read["sign"], read["bound"], read["decimals"]
    if bound in ("true", "false"):
        return isinstance(value, bool) and value == (bound == "true")
    number = float(value)
    if not math.isfinite(number):
        return False
    if decimals is not None:
        number = round(number, int(decimals))
    return bool(_COMPARE[sign](number, float(bound)))
