import io

import pytest
from rich.console import Console

from pellucid.bench import goals, mlp, neuron, spinn, table


def row(task, peer, ratio, **others):
    return {
        "task": task, "peer": peer, "ratio": ratio, "pellucid_s": 0.0015, "peer_s": 1.5, "per": "10 things",
        "spread": 0.034, "threads": 1, "first_call_s": None, "quality": 0.98, "peer_quality": 0.979,
        "peak_mb": None, "peer_peak_mb": None, "limit": None, "limit_share": None,
    } | others  # fmt: skip


def shown(*rows):
    machine = {"cpu": "a processor", "cores": 2, "versions": {"numpy": "2.0"}, "load": 0.1, "load_after": 1.0}
    console = Console(file=io.StringIO(), width=180)
    console.print(table({"room": "mlp", "machine": machine, "rows": list(rows)}))
    return console.file.getvalue()


def line_with(text, rendered):
    return next(line for line in rendered.splitlines() if text in line)


def test_a_goal_stands_beside_its_figure_met_or_not():
    rendered = shown(row("neuron-10000", "torch", 2990.4), row("neuron-10000", "textbook-numpy", 12.34))
    met, missed = line_with("torch", rendered), line_with("textbook-numpy", rendered)
    assert "2,990" in met
    assert "1000 ✓" in met
    assert "12.3" in missed
    assert "80 ✗" in missed


def test_a_row_without_a_goal_claims_none():
    rendered = line_with("torch-fused", shown(row("mnist-b200-adam", "torch-fused", 1.0)))
    assert "✓" not in rendered
    assert "✗" not in rendered


def test_the_limit_and_the_memory_are_judged():
    measured = {"peak_mb": 70.2, "peer_peak_mb": 400.0, "limit": "sgemm", "limit_share": 0.81}
    rendered = shown(row("mnist-b200-adam", "sklearn-f64", 4.0, **measured))
    assert "share of the limit (sgemm): 81 % (>= 75 % ✓)" in rendered
    assert "Pellucid 70 MB (<= 64 MB ✗), sklearn-f64 400 MB" in rendered


def test_a_stand_in_for_mnist_is_named():
    assert "MNIST was not found" in shown(row("predict-60000", "torch", 2.0, per="a stand-in for MNIST"))
    assert "MNIST was not found" not in shown(row("predict-60000", "torch", 2.0))


def test_a_result_without_rows_is_shown_too():
    assert "a processor" in shown()


def test_the_table_speaks_chinese(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    assert "Pellucid" in shown(row("neuron-10000", "torch", 2990.4))


@pytest.mark.parametrize("goal", [*goals.RATIO, *((task, None) for task in (*goals.LIMIT_SHARE, *goals.PEAK_MB))])
def test_every_goal_is_of_a_task_that_exists(goal):
    assert goal[0] in {**neuron.TASKS, **mlp.TASKS, **spinn.SIZES}
