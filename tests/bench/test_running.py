import json
import subprocess

import pytest

from pellucid.bench import neuron, probe, running
from pellucid.bench.comparison import OURS, Comparison, Contender
from pellucid.errors import InvalidArgumentError, PellucidWarning

KEYS = {
    "task", "peer", "ratio", "pellucid_s", "peer_s", "per", "spread", "threads", "first_call_s", "quality",
    "peer_quality", "peak_mb", "peer_peak_mb", "limit", "limit_share",
}  # fmt: skip


def adder(amount, quality):
    return lambda: Contender(lambda seed: sum(range(amount)), lambda result: quality)


def small_task(setting):
    contenders = {OURS: adder(10, 0.98), "torch": adder(20_000, 0.98), "torch-fused": adder(2_000, 0.5)}
    return Comparison("one sum", contenders, products=((2, 2, 2, 1),), memory=True)


@pytest.fixture(scope="module")
def measured():
    """One run over two small tasks: the result, what was told on the way, which processes were asked for."""
    told, asked = [], []

    def probed(room, task, contender, setting, memory):
        asked.append((room, task, contender, memory))
        return {"first_call_s": 1.5, "peak_mb": 3.0 if contender == OURS else 7.0}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neuron, "TASKS", {"small": small_task, "other": small_task})
        patch.setattr(running, "_probe", probed)
        result = running.run("neuron", repeats=2, progress=lambda share, text: told.append((share, text)))
    return result, told, asked


def rows_of(result, task="small"):
    return {row["peer"]: row for row in result["rows"] if row["task"] == task}


def test_a_result_is_the_object_of_the_contract(measured):
    result, _, _ = measured
    assert set(result) == {"room", "machine", "rows"}
    assert result["room"] == "neuron"
    assert all(set(row) == KEYS for row in result["rows"])
    assert json.loads(json.dumps(result)) == result


def test_each_peer_has_a_row_and_torchs_best_a_second_one(measured):
    rows = rows_of(measured[0])
    assert set(rows) == {"torch", "torch-fused", "torch-best"}
    assert rows["torch-best"] == rows["torch-fused"] | {"peer": "torch-best"}
    row = rows["torch"]
    assert row["ratio"] == row["peer_s"] / row["pellucid_s"]
    assert (row["first_call_s"], row["peak_mb"], row["peer_peak_mb"], row["threads"]) == (1.5, 3.0, 7.0, 1)
    assert row["limit"] == "sgemm"
    assert row["limit_share"] > 0


def test_memory_is_measured_of_each_contender_in_a_process_of_its_own(measured):
    _, _, asked = measured
    names = (OURS, "torch", "torch-fused")
    assert asked == [("neuron", task, name, True) for task in ("small", "other") for name in names]


def test_unequal_quality_is_said_in_the_row(measured):
    rows = rows_of(measured[0])
    assert rows["torch"]["per"] == "one sum"
    assert rows["torch-fused"]["per"] == "one sum (quality 0.980, the peer's 0.500: not the same result)"


def test_progress_runs_from_nought_to_one_over_the_chosen_tasks(measured):
    _, told, _ = measured
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] < 1
    assert {text.partition(":")[0] for _, text in told} == {"small", "other"}


def test_tasks_chooses_some_of_the_rooms(monkeypatch):
    monkeypatch.setattr(neuron, "TASKS", {"small": small_task, "other": small_task})
    assert list(running._chosen("neuron", ["other"])) == ["other"]
    assert list(running._chosen("neuron", None)) == ["small", "other"]
    assert {"small", "xor-10000"} < set(running._chosen(None, None))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"room": "kitchen"}, f"room must be one of {', '.join(running.ROOMS)}, or None for all, got 'kitchen'"),
        ({"room": "neuron", "tasks": ["xor-10000"]}, "tasks must be among neuron-10000, got 'xor-10000'"),
        ({"threads": 0}, "threads must be an integer >= 1, got 0"),
        ({"threads": True}, "threads must be an integer >= 1, got True"),
        ({"repeats": 2.5}, r"repeats must be an integer >= 1, got 2\.5"),
        ({"device": "cuda"}, "device must be None or 'cpu' in the rooms neuron, mlp, .*, watching, got 'cuda'"),
        ({"room": "mlp", "device": "auto"}, "device must be None or 'cpu' in the rooms .*, got 'auto'"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        running.run(**arguments)


def test_a_process_that_fails_leaves_a_gap_and_says_why(monkeypatch):
    def fails(*args, **kwargs):
        raise subprocess.CalledProcessError(1, "python", stderr="Traceback\nMemoryError: too much")

    monkeypatch.setattr(running.subprocess, "run", fails)
    with pytest.warns(PellucidWarning, match="memory of torch could not be measured: MemoryError: too much"):
        found = running._probe("neuron", "neuron-10000", "torch", running.Setting(), True)
    assert found == {"first_call_s": None, "peak_mb": None}


def test_a_probe_prints_what_it_found_and_nothing_else(monkeypatch, capsys):
    monkeypatch.setattr(neuron, "TASKS", {"small": small_task})
    asked = {"room": "neuron", "task": "small", "contender": OURS, "threads": 1, "data": None, "memory": True}
    probe.main([json.dumps(asked)])
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"first_call_s", "peak_mb"}
    assert found["first_call_s"] > 0


@pytest.mark.long
def test_the_neuron_is_measured_end_to_end_in_a_new_process_too():
    row = next(iter(running.run("neuron", repeats=1)["rows"]))
    assert round(row["quality"], 8) == round(row["peer_quality"], 8) == 0.99993704
    assert row["first_call_s"] > row["pellucid_s"]
