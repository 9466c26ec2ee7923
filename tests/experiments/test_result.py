"""One rule says whether an experiment has passed."""

import json

import pytest

from pellucid.errors import InvalidArgumentError
from pellucid.experiments.result import Finding, Result, meets


@pytest.mark.parametrize(
    ("value", "expectation", "met"),
    [
        (0.975, ">= 0.975", True),
        (0.9749, ">= 0.975", False),
        (0.05, "<= 0.05", True),
        (0.051, "<= 0.05", False),
        (97, ">= 97", True),
        (1500, "== 1500", True),
        (1499, "== 1500", False),
        (True, "== true", True),
        (False, "== true", False),
        (1, "== true", False),
        (0.999937041, "== 0.99993704 to 8 decimals", True),
        (0.99993706, "== 0.99993704 to 8 decimals", False),
        (0.12, "0.12..0.15", True),
        (0.15, "0.12..0.15", True),
        (0.1501, "0.12..0.15", False),
        (0.1199, "0.12..0.15", False),
        (-1.5, "-2..-1e-3", True),
    ],
)
def test_an_expectation_is_met_or_not(value, expectation, met):
    assert meets(value, expectation) is met


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("expectation", [">= 0.5", "<= 0.5", "== 0.5 to 2 decimals", "0.1..0.5"])
def test_what_is_not_finite_meets_nothing(value, expectation):
    assert not meets(value, expectation)


@pytest.mark.parametrize("expectation", ["about 3", ">= ", "..2", "1..", "0.5", "> 0.5", ">=0.5", "== 0.5 to decimals"])
def test_an_unreadable_expectation_is_an_error(expectation):
    with pytest.raises(InvalidArgumentError, match=r"an expectation reads like '>= 0\.975'"):
        meets(1.0, expectation)


def test_a_result_passes_only_if_every_metric_does():
    expected = {"accuracy": ">= 0.9", "loss": "<= 0.1"}
    assert Result.judge("xor", 0, Finding({"accuracy": 1.0, "loss": 0.1}, expected), 1.0).passed
    assert not Result.judge("xor", 0, Finding({"accuracy": 1.0, "loss": 0.2}, expected), 1.0).passed


def test_a_missing_metric_does_not_pass():
    assert not Result.judge("xor", 0, Finding({}, {"accuracy": ">= 0.0"}), 1.0).passed


def test_what_was_skipped_has_not_passed():
    assert not Result.judge("mnist", 0, Finding(skipped="no data"), 0.0).passed


def test_json_holds_the_contracts_six_entries_and_nothing_else():
    finding = Finding({"accuracy": 1.0}, {"accuracy": ">= 0.9"}, ("a line",), {"model": object()})
    printed = json.loads(json.dumps(Result.judge("xor", 3, finding, 1.23456).to_json()))
    assert printed == {
        "experiment": "xor",
        "seed": 3,
        "metrics": {"accuracy": 1.0},
        "expected": {"accuracy": ">= 0.9"},
        "passed": True,
        "seconds": 1.235,
    }
