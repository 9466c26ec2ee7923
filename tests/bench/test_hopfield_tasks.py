"""The Hopfield tasks in small: whoever takes part ends in the same states, and is graded by the patterns."""

import numpy as np
import pytest

from pellucid.bench import hopfield
from pellucid.bench.comparison import OURS, Setting


def contenders(n_units=120, n_patterns=6, n_probes=4, order="random"):
    comparison = hopfield.recall(n_units, n_patterns, n_probes, order)(Setting())
    return {name: make() for name, make in comparison.contenders.items()}


def test_each_probe_is_its_pattern_with_one_unit_in_ten_turned_over():
    patterns, probes = hopfield.problem(120, 6, 4)
    assert (patterns.shape, probes.shape, patterns.dtype, probes.dtype) == ((6, 120), (4, 120), np.int8, np.int8)
    assert set(np.unique(patterns)) == {-1, 1}
    assert ((patterns[:4] != probes).sum(axis=1) == 12).all()


@pytest.mark.filterwarnings("ignore::pellucid.errors.PellucidWarning")
@pytest.mark.parametrize("order", ["random", "cyclic"])
def test_the_textbooks_loop_ends_in_the_very_same_states(order):
    # So many patterns that most runs end elsewhere: states agree because each visit does.
    sizes = 60, 12, 12
    made = contenders(*sizes, order)
    ours, textbook = (made[name].work(0) for name in (OURS, "textbook-numpy"))
    np.testing.assert_array_equal(ours, textbook)
    assert (ours != hopfield.problem(*sizes)[0]).any()


def test_everybody_recalls_what_is_easily_recalled():
    for name, contender in contenders().items():
        assert contender.quality(contender.work(0)) == 1.0, name


def test_the_package_takes_part_where_it_is_installed_and_the_matrix_is_small():
    pytest.importorskip("hopfieldnetwork")
    assert set(contenders()) == {OURS, "textbook-numpy", "hopfieldnetwork"}
    large = hopfield.recall(10_000, 2, 1, "random")(Setting())
    assert set(large.contenders) == {OURS, "textbook-numpy"}


def test_quality_is_the_share_of_probes_with_every_unit_right():
    quality = contenders()[OURS].quality
    states = hopfield.problem(120, 6, 4)[0][:4].copy()
    states[1, 7] *= -1
    assert quality(states) == 0.75


def test_a_million_units_stand_beside_one_pass_over_the_patterns():
    comparison = hopfield.recall(1_000_000, 2, 1, "cyclic")(Setting())
    assert (set(comparison.contenders), comparison.memory, comparison.limit) == ({OURS}, True, "memory bandwidth")
    contender = comparison.contenders[OURS]()
    assert contender.quality(contender.work(0)) == 1.0
    comparison.alone()(0)
    hopfield.problem.cache_clear()


def test_the_tasks_are_those_of_the_design():
    assert list(hopfield.TASKS) == ["hopfield-784", "hopfield-10000", "hopfield-1e6-100", "hopfield-1e6-1000"]
    assert hopfield.TASKS["hopfield-784"](Setting()).per == (
        "recall of 100 probes, N = 784, P = 100, 10% noise, random order"
    )
