"""Learning rates against their formulas, written out, and against torch's schedulers."""

import warnings

import numpy as np
import pytest
import torch

from pellucid.errors import InvalidArgumentError
from pellucid.parts.schedule import Schedule

PER_EPOCH, N = 4, 30


def rates(schedule, count=40, first=0):
    return schedule.rates(first, count, PER_EPOCH, N)


def of_torch(make, epochs=10):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    scheduler, found = make(optimizer), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(epochs):
            found.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return found


def test_constant_is_constant():
    assert (rates(Schedule(rate=0.3)) == 0.3).all()
    assert (rates(Schedule("adaptive", 0.3)) == 0.3).all()  # the loop lowers it


def test_steps_are_torchs():
    mine = rates(Schedule("step", 0.3, factor=0.5, period=3))[::PER_EPOCH]
    np.testing.assert_allclose(mine, of_torch(lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)))


def test_cosine_is_torchs_batch_by_batch_and_stays_at_zero():
    mine = rates(Schedule("cosine", 0.3, max_epochs=10))
    theirs = of_torch(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 40), 40)
    np.testing.assert_allclose(mine, theirs, atol=1e-15)
    assert (rates(Schedule("cosine", 0.3, max_epochs=10), first=40) == 0).all()


def test_inverse_scaling_counts_samples_as_scikit_learn_does():
    mine = rates(Schedule("invscaling", 0.3, power_t=0.7))
    np.testing.assert_allclose(mine, [0.3 / (1 + N * (batch // PER_EPOCH)) ** 0.7 for batch in range(40)])


def test_a_warm_up_rises_in_a_line_to_the_full_rate():
    mine = rates(Schedule(rate=0.3, warmup_epochs=2.5))
    np.testing.assert_allclose(mine[:10], 0.3 * np.arange(1, 11) / 10)
    assert (mine[10:] == 0.3).all()


@pytest.mark.parametrize("name", ["constant", "step", "invscaling", "cosine"])
def test_rates_do_not_depend_on_where_a_call_begins(name):
    schedule = Schedule(name, 0.3, period=2, warmup_epochs=1.5, max_epochs=9)
    whole = rates(schedule)
    parts = [rates(schedule, 7, first) for first in range(0, 35, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[:35])


def test_an_unknown_schedule_is_answered_with_those_there_are():
    with pytest.raises(InvalidArgumentError, match=r"learning_rate must be one of constant, .*; got 'warm'"):
        Schedule("warm")
