import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pellucid.bench import spinn  # noqa: E402
from pellucid.bench.list_stacks import Spinn, padded  # noqa: E402
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
