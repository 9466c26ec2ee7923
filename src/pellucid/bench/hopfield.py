"""The Hopfield tasks: random patterns stored by Hebb's rule, and recalled from 10 % noise.

Quality is the share of probes that come back with all units right. The textbook's loop visits the units in the same
order and ends in the same states. With a million units nobody else can take part (the matrix alone would be 4 TB):
there the time stands beside one pass over the patterns, which no recall can do without.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from pellucid.bench.comparison import OURS, Comparison, Contender, Setting, Task
from pellucid.bench.peers import has_hopfieldnetwork, package_hopfield, textbook_hopfield

__all__ = ["TASKS", "problem"]

NOISE = 0.1


@cache
def problem(n_units: int, n_patterns: int, n_probes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return patterns (P, N) and probes (n, N), int8; probe k is pattern k with one unit in ten turned over."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2, (n_patterns, n_units), dtype=np.int8)
    patterns *= 2
    patterns -= 1
    probes = patterns[:n_probes].copy()
    for probe in probes:
        probe[rng.permutation(n_units)[: round(NOISE * n_units)]] *= -1
    return patterns, probes


def recall(n_units: int, n_patterns: int, n_probes: int, order: str) -> Callable[[Setting], Comparison]:
    """Return the task of recalling ``n_probes`` patterns."""
    sizes = n_units, n_patterns, n_probes

    def right(states: np.ndarray) -> float:
        return float((states == problem(*sizes)[0][:n_probes]).all(axis=1).mean())

    def ours() -> Contender:
        from pellucid.networks.hopfield import HopfieldNetwork

        patterns, probes = problem(*sizes)
        model = HopfieldNetwork(order=order, random_state=0).fit(patterns)
        return Contender(lambda seed: model.predict(probes), right)

    def textbook() -> Contender:
        from pellucid.networks.hopfield import HopfieldNetwork, visiting_orders

        patterns, probes = problem(*sizes)
        W = patterns.T.astype(np.float64) @ patterns.astype(np.float64)
        np.fill_diagonal(W, 0)
        chosen = HopfieldNetwork(random_state=0, form="factor").fit(patterns).seed_
        return Contender(
            lambda seed: textbook_hopfield(W, probes, lambda: visiting_orders(n_units, chosen, order)), right
        )

    def package() -> Contender:
        from hopfieldnetwork import HopfieldNetwork

        patterns, probes = problem(*sizes)
        network = HopfieldNetwork(N=n_units)
        network.train_pattern(patterns.T)
        return Contender(lambda seed: package_hopfield(network, probes), right)

    def one_pass() -> Callable[[int], Any]:
        words = problem(*sizes)[0].view(np.int64)

        def work(seed: int) -> None:
            for _ in range(n_probes):
                words.sum()

        return work

    def task(setting: Setting) -> Comparison:
        per = f"recall of {n_probes} probes, N = {n_units:,}, P = {n_patterns:,}, {NOISE:.0%} noise, {order} order"
        if n_units >= 1_000_000:
            return Comparison(
                per + "; limit: one pass over the patterns a probe", {OURS: ours}, memory=True,
                limit="memory bandwidth", alone=one_pass,
            )  # fmt: skip
        contenders = {OURS: ours, "textbook-numpy": textbook}
        if has_hopfieldnetwork() and n_units < 10_000:
            contenders["hopfieldnetwork"] = package
        return Comparison(per, contenders)

    return task


TASKS: dict[str, Task] = {
    "hopfield-784": recall(784, 100, 100, "random"),
    "hopfield-10000": recall(10_000, 500, 10, "random"),
    "hopfield-1e6-100": recall(1_000_000, 100, 5, "cyclic"),
    "hopfield-1e6-1000": recall(1_000_000, 1_000, 2, "cyclic"),
}
