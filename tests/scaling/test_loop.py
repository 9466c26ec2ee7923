"""The loop beside AdamW by hand: the update's equations in NumPy, for one weight and the slope of a square."""

from itertools import pairwise

import numpy as np
import pytest

from pellucid.scaling.loop import Run, cosine, train

torch = pytest.importorskip("torch")


def adamw_by_hand(w, targets, rates, decay, clip):
    m = v = 0.0
    losses, t = [], 0
    for rate in rates:
        seen = []
        for target in targets:
            seen.append((w - target) ** 2)
            g = 2 * (w - target)
            g *= min(1.0, clip / (abs(g) + 1e-6))
            t += 1
            w *= 1 - rate * decay
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            w -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        losses.append(np.mean(seen))
    return w, losses


def test_it_is_adamw_with_clipped_gradients_and_a_rate_for_each_epoch():
    module = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.constant_(module.weight, 1.5)
    targets = [3.0, -2.0, 0.5]
    rate = cosine(0.1, 5)
    found = list(
        train(
            Run(module, torch.optim.AdamW(module.parameters(), weight_decay=0.2)),
            lambda first: targets[first:],
            lambda target: ((module.weight - target).square().sum(), 1),
            epochs=5,
            rate=rate,
            clip=2.0,
        )
    )
    w, losses = adamw_by_hand(1.5, targets, [rate(k) for k in range(5)], 0.2, 2.0)
    assert module.weight.item() == pytest.approx(w, rel=1e-9)
    assert [loss for loss, _ in found] == pytest.approx(losses, rel=1e-9)
    assert found[0][1] > 2.0  # the norm before it was clipped


def test_the_cosine_falls_from_the_rate_and_stays_above_nothing():
    rates = [cosine(0.5, 10)(k) for k in range(10)]
    assert rates[0] == 0.5
    assert all(a > b > 0 for a, b in pairwise(rates))
