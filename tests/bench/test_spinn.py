import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.bench import goals, running, spinn  # noqa: E402
from pellucid.bench.comparison import OURS, Setting  # noqa: E402
from pellucid.bench.list_stacks import Spinn, padded  # noqa: E402
from pellucid.errors import InvalidArgumentError  # noqa: E402
from pellucid.networks.spinn.batched import plan  # noqa: E402
from pellucid.networks.spinn.machine import Cell, machine  # noqa: E402


@pytest.mark.parametrize("tracker", [0, 3])
def test_the_articles_code_computes_what_the_machine_does(tracker):
    torch.manual_seed(0)
    cell = Cell(4, tracker).double()
    tokens, transitions = spinn.random_sentences(1, 5)
    leaves = torch.randn(sum(map(len, tokens)), 8, dtype=torch.float64)
    peer = Spinn(cell).double()(*padded(leaves, tokens, transitions))
    torch.testing.assert_close(peer, machine(cell, leaves, tokens, transitions).h, rtol=0, atol=1e-6)


def test_random_transitions_are_trees_of_that_many_words():
    rng = np.random.default_rng(0)
    for n in range(1, 30):
        steps = spinn.random_transitions(rng, n)
        depth = np.cumsum(1 - 2 * steps.astype(int))
        assert len(steps) == 2 * n - 1
        assert depth.min() >= 1
        assert depth[-1] == 1


def results(task):
    """Return what each contender of a task returns, and its quality."""
    made = {name: make() for name, make in task(Setting()).contenders.items()}
    found = {name: contender.work(0) for name, contender in made.items()}
    return found, {name: made[name].quality(found[name]) for name in made}


def test_own_parses_are_the_loops_to_the_last_transition():
    found, quality = results(spinn.own_parses(50, 20, 64))
    assert set(found) == {OURS, "python-loop"}
    for own, loop in zip(found[OURS].transitions, found["python-loop"].transitions, strict=True):
        np.testing.assert_array_equal(own, loop)
    assert quality == {OURS: 1.0, "python-loop": 1.0}
    reduces_early = [steps[: len(steps) // 2].any() for steps in found[OURS].transitions]
    assert np.mean(reduces_early) > 0.2  # not all words first, which the mask alone would parse


def test_quality_of_own_parses_is_the_share_of_equal_transitions():
    comparison = spinn.own_parses(4, 3, 5)(Setting())
    made = comparison.contenders[OURS]()
    found = made.work(0)
    steps = np.concatenate(found.transitions)
    found.transitions[0][:2] = 1 - found.transitions[0][:2]
    assert made.quality(found) == pytest.approx(1 - 2 / len(steps))


def test_identical_subtrees_give_the_states_that_each_on_its_own_gives():
    found, quality = results(spinn.identical_subtrees(6, 40))
    assert set(found) == {OURS, "unshared"}
    torch.testing.assert_close(found[OURS], found["unshared"], rtol=0, atol=1e-5)
    assert quality[OURS] == pytest.approx(quality["unshared"], abs=1e-6)


def test_the_article_does_the_same_update_in_the_memory_task():
    comparison = spinn.memory(6, 4, 5)(Setting())
    _, quality = results(lambda setting: comparison)
    assert comparison.memory
    assert set(quality) == {OURS, "article"}
    assert quality[OURS] == pytest.approx(quality["article"], abs=1e-6)


def test_the_bound_of_memory_counts_reduces_tracker_steps_words_and_weights():
    tokens, transitions = [np.arange(3)], [np.array([0, 0, 1, 0, 1], np.uint8)]
    made = plan(tokens, transitions, 3, tracker=True)
    states = 2 * 7 * 10 + 5 * (6 * 4 + 3 * 10)
    assert spinn.memory_bound(made, 10, 4, 1000) == 1.5 * 4 * (states + 3 * (spinn.EMBEDDING + 20) + 3 * 1000)


def test_the_goal_of_memory_is_the_bound_of_its_task():
    comparison = spinn.TASKS["memory"](Setting())
    assert f"bound {goals.PEAK_MB['memory']:.1f} MB" in comparison.per


def test_a_row_of_pairs_is_an_update_that_learns():
    comparison = spinn.updates_by_pairs(6, 4, 20)(Setting())
    made = comparison.contenders[OURS]()
    losses = [made.quality(made.work(0)) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert comparison.per.endswith("SNLI's 550152 pairs take 27508 times as long")


@pytest.mark.parametrize(
    ("device", "message"),
    [("moon", "device must be one of auto, cpu, cuda, mps; got 'moon'"), ("cuda", "cannot be used")],
)
def test_a_device_that_is_not_there_is_refused(device, message, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidArgumentError, match=message):
        running.run("spinn", device=device)


def test_elsewhere_the_tasks_that_can_run_there_are_measured_for_both(monkeypatch):
    seen = []
    monkeypatch.setattr(running, "_device", lambda room, device: "mps")
    monkeypatch.setattr(running, "_rows", lambda where, name, task, setting, **more: seen.append((name, setting)) or [])
    monkeypatch.setattr(spinn, "TASKS", dict.fromkeys(spinn.TASKS, lambda setting: None))
    assert running.run("spinn", device="mps")["machine"]["device"] == "mps"
    assert [name for name, _ in seen] == list(spinn.ELSEWHERE)
    assert {setting.device for _, setting in seen} == {"mps"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ["spinn-50", "treelstm-50"])
def test_on_an_accelerator_both_compute_the_same_there(name):
    comparison = spinn.TASKS[name](Setting(device="cuda"))
    found = {who: make().work(0) for who, make in comparison.contenders.items()}
    assert {h.device.type for h in found.values()} == {"cuda"}
    for h in found.values():
        torch.testing.assert_close(h, found[OURS], rtol=0, atol=1e-4)
