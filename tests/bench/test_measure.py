import os
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from pellucid.bench import measure


class Clock:
    """A clock that only moves when work says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now)

    def work(self, seconds, calls):
        def call(seed):
            calls.append(seed)
            self.now += seconds
            return seed

        return call


def test_a_duel_takes_turns_with_the_same_seed_for_both(monkeypatch):
    clock, order = Clock(monkeypatch), []

    def named(name, seconds):
        def call(seed):
            order.append((name, seed))
            clock.now += seconds

        return call

    measure.duel(named("ours", 1.0), named("theirs", 2.0), 3, str, str)
    assert order[2:] == [(name, seed) for seed in range(3) for name in ("ours", "theirs")]


def test_the_ratio_is_that_of_the_medians():
    found = measure.Duel(ours=[1.0, 2.0, 30.0], theirs=[8.0, 9.0, 10.0])
    assert found.ratio == 9.0 / 2.0


def test_calls_quicker_than_the_clock_are_timed_many_at_a_time(monkeypatch):
    clock, ours, theirs = Clock(monkeypatch), [], []
    found = measure.duel(clock.work(0.001, ours), clock.work(5.0, theirs), 2, str, str)
    assert len(ours) == 1 + 2 * (1 + 20)
    assert len(theirs) == 1 + 2
    assert found.ours == pytest.approx([0.001] * 2)


def test_a_quick_call_is_made_once_before_the_clock_starts(monkeypatch):
    clock, calls = Clock(monkeypatch), []

    def colder_first(seed):
        calls.append(seed)
        clock.now += 0.09 if len(calls) % 2 == 0 else 0.03

    found = measure.duel(colder_first, clock.work(0.1, []), 2, str, str)
    assert calls == [0, 0, 0, 1, 1]
    assert found.ours == pytest.approx([0.03] * 2)


def test_grading_is_not_timed(monkeypatch):
    clock = Clock(monkeypatch)

    def grade(result):
        clock.now += 1000.0
        return result + 0.5

    found = measure.duel(clock.work(1.0, []), clock.work(2.0, []), 2, grade, grade)
    assert (found.ours, found.theirs) == ([1.0, 1.0], [2.0, 2.0])
    assert found.our_results == found.their_results == [0.5, 1.5]


def test_the_collector_rests_while_the_clock_runs_and_then_goes_on():
    import gc

    _, enabled_inside = measure.timed(lambda seed: gc.isenabled(), 0)
    assert not enabled_inside
    assert gc.isenabled()


def test_the_spread_is_the_interquartile_share_of_the_ratios():
    assert measure.interquartile_share([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert measure.interquartile_share([7.0]) == 0.0
    ratios_all_four = measure.Duel(ours=[1.0, 2.0, 3.0], theirs=[4.0, 8.0, 12.0])
    assert ratios_all_four.spread == 0.0


def test_every_pool_of_threads_is_held_and_let_go():
    torch = pytest.importorskip("torch")
    numba = pytest.importorskip("numba")
    before = numba.get_num_threads(), torch.get_num_threads(), threadpool_info()
    with measure.fixed_threads(1):
        assert {pool["num_threads"] for pool in threadpool_info()} == {1}
        assert (numba.get_num_threads(), torch.get_num_threads()) == (1, 1)
    now = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    assert (numba.get_num_threads(), torch.get_num_threads()) == before[:2]
    assert all(now[pool["filepath"]] == pool["num_threads"] for pool in before[2])


def test_memory_taken_and_given_back_during_the_work_counts():
    def work():
        return np.ones(48 * measure.MEBIBYTE // 8).sum()

    work()
    growth = measure.peak_growth(work)
    if sys.platform == "linux":
        assert 47 < growth < 60
    else:
        assert growth is None or growth < 60


def test_memory_of_the_past_does_not_count():
    np.ones(64 * measure.MEBIBYTE // 8).sum()
    growth = measure.peak_growth(lambda: None)
    assert growth is None or growth < 8


def test_where_the_system_keeps_no_peak_a_thread_samples_it(monkeypatch):
    pytest.importorskip("psutil")
    monkeypatch.setattr(measure, "_reset_peak", lambda: False)
    kept = []
    growth = measure.peak_growth(lambda: kept.append(np.ones(48 * measure.MEBIBYTE // 8)))
    assert 40 < growth < 60


def test_without_a_way_to_see_memory_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(measure, "_reset_peak", lambda: False)
    monkeypatch.setattr(measure, "find_spec", lambda name: None)
    assert measure.peak_growth(lambda: None) is None


def test_the_limit_does_each_product_as_often_as_told(monkeypatch):
    done = []
    monkeypatch.setattr(measure.np, "dot", lambda a, b, out: done.append((a.shape, b.shape, out.shape, a.dtype)))
    measure.products_alone(((2, 3, 4, 2), (5, 6, 7, 1)))(0)
    f32 = np.dtype(np.float32)
    assert done == [((2, 3), (3, 4), (2, 4), f32)] * 2 + [((5, 6), (6, 7), (5, 7), f32)]


def test_the_machine_is_described_well_enough_to_place_a_figure():
    here = measure.machine()
    assert here["cpu"]
    assert here["cores"] == os.cpu_count()
    assert here["versions"]["numpy"] == np.__version__
    assert all(set(pool) == {"name", "version", "architecture"} for pool in here["blas"])
