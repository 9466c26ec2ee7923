"""The Hopfield network: letters that come back from noise, energies that only fall, and how much it holds.

Recall is measured on random patterns (500 units, 25 patterns, 15 % of the units turned over, ten sets), on the letters
A to Z (the pseudo-inverse rule beside Hebb's, which fails at a load of 0.26 of patterns that are alike), and
capacity as the load at which states started at the stored patterns no longer stay near them.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.data.letters import LETTER_NAMES, letters
from pellucid.errors import PellucidWarning
from pellucid.experiments.result import Finding, Progress
from pellucid.language import say
from pellucid.networks.hopfield import HopfieldNetwork, corrupted

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
UNITS, PATTERNS, NOISE, SEEDS = 500, 25, 0.15, 10
# Mixtures are stable only at a low load.
SPURIOUS = 7
# Hardly alike: by the pseudo-inverse rule all eight mixtures of them are stable.
SPURIOUS_LETTERS = "AJX"
LETTER_NOISE, LETTER_REPEATS = 0.05, 40
LOADS = np.array([0.08, 0.1, 0.11, 0.12, 0.125, 0.13, 0.135, 0.14, 0.145, 0.15, 0.16, 0.18])
SHARES = np.arange(0, 0.51, 0.05)
# The mean overlap below which patterns count as lost.
HELD = 0.95


def random_patterns(n_patterns: int, n_units: int, seed: int) -> np.ndarray:
    """Return patterns (P, N) of ±1, each unit by the toss of a coin."""
    return 2 * np.random.default_rng(seed).integers(0, 2, (n_patterns, n_units), dtype=np.int8) - 1


def letter_network(rule: str, seed: int, X: np.ndarray | None = None) -> HopfieldNetwork:
    """Return a network that holds the letters; Hebb's rule is asked for more than it holds, which is the lesson."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)
        return HopfieldNetwork(rule, random_state=seed).fit(letters() if X is None else X)


def overlap_at(load: float, n_units: int, seed: int) -> float:
    """Return the mean overlap with the stored patterns of where runs that start at them come to rest."""
    X = random_patterns(round(load * n_units), n_units, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PellucidWarning)  # a load beyond the capacity is the point
        model = HopfieldNetwork(random_state=seed, max_iter=1000).fit(X)
    return float((model.predict(X).astype(np.int64) * X).mean())


def crossing(loads: np.ndarray, overlaps: np.ndarray) -> float:
    """Return the first load at which the overlaps fall below HELD, on the line between two measured ones."""
    below = np.flatnonzero(overlaps < HELD)
    if not below.size or not below[0]:
        return float("nan")
    k = below[0]
    return float(np.interp(HELD, overlaps[[k, k - 1]], loads[[k, k - 1]]))


def energy_curve(model: HopfieldNetwork, x: np.ndarray) -> np.ndarray:
    """Return the energy before and after each unit visited, up to the rest."""
    return np.array([model.energy(x[None])[0], *(step.energy for step in model.steps(x))])


def energy_line(model: HopfieldNetwork, start: np.ndarray, end: np.ndarray, seed: int) -> np.ndarray:
    """Return the energies on the way from one pattern to another, the units in which they differ turned one by one."""
    places = np.random.RandomState(seed).permutation(np.flatnonzero(start != end))
    way = np.repeat(start[None], len(places) + 1, axis=0)
    for number, place in enumerate(places, 1):
        way[number:, place] = end[place]
    return model.energy(way)


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Measure recall, the letters, the energies, the spurious states, the basin and the capacity."""
    rates, unstable = [], 0
    for other in range(seed, seed + SEEDS):
        X = random_patterns(PATTERNS, UNITS, other)
        model = HopfieldNetwork(random_state=other % 2**32).fit(X)
        rates.append(model.score(corrupted(X, NOISE, other % 2**32), X))
        unstable += int((~model.is_stable(X)).sum())
    progress(0.1, say("random patterns recalled"))
    metrics, payload = _letters(seed, 10 if quick else LETTER_REPEATS)
    progress(0.3, say("letters recalled"))
    model = HopfieldNetwork(random_state=seed).fit(X := random_patterns(PATTERNS, UNITS, seed))
    starts = np.vstack([corrupted(X[:8], 0.3, seed), random_patterns(8, UNITS, seed + SEEDS)])
    curves = [energy_curve(model, x) for x in starts]
    # Energies are sums of about N² / 2 whole numbers over N: a rise is more than their rounding.
    increases = sum(int((np.diff(curve) > 1e-9 * np.abs(curve).max()).sum()) for curve in curves)
    few = HopfieldNetwork(random_state=seed).fit(X[:SPURIOUS])
    _, kinds, counts = few.fixed_points(100 if quick else 500, seed)
    found = {kind: int(counts[kinds == kind].sum()) for kind in ("stored", "inverse", "mixture", "other")}
    progress(0.4, say("energies and fixed points"))
    loads, sizes = LOADS, (500, 2000) if quick else (500, 1000, 2000)
    overlaps = {}
    for number, size in enumerate(sizes):
        overlaps[size] = np.array([overlap_at(load, size, seed) for load in loads])
        progress(0.4 + 0.6 * (number + 1) / len(sizes), say("capacity at {n} units", n=size))
    capacity = crossing(loads, overlaps[2000])
    metrics = {
        "recall_rate": float(np.mean(rates)),
        "patterns_not_stable": unstable,
        **metrics,
        "energy_increases": increases,
        "capacity": round(capacity, 4),
        "fixed_points": found,
    }
    payload |= {
        "model": model, "patterns": X, "curves": curves, "loads": loads, "overlaps": overlaps, "found": found,
        "n_spurious": SPURIOUS, "rests": _rests(seed),
        "shares": SHARES, "basin": model.basin(SHARES, 2 if quick else 8, seed),
    }  # fmt: skip
    expected = {
        # At this load one pattern in about a thousand has a unit whose field is against it: no rule of visits can
        # recall it. None of those of the seeds 0 to 9 has; other seeds are judged by what all can reach.
        "recall_rate": "== 1.0" if seed == DEFAULT_SEED else ">= 0.98",
        "letters_recalled": ">= 0.95", "energy_increases": "== 0", "capacity": "0.12..0.15",
    }  # fmt: skip
    return Finding(metrics, expected, _summary(metrics), payload)


def _rests(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all states in which random ones come to rest where three letters are stored, their kinds and counts."""
    few = letters()[[LETTER_NAMES.index(name) for name in SPURIOUS_LETTERS]]
    return letter_network("pseudo_inverse", seed, few).fixed_points(500, seed)


def _letters(seed: int, repeats: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how the letters come back by both rules, and what the pictures show of it."""
    X = letters()
    wanted = np.repeat(X, repeats, axis=0)
    noisy = corrupted(wanted, LETTER_NOISE, seed)
    good, hebb = letter_network("pseudo_inverse", seed), letter_network("hebb", seed)
    states = good.predict(noisy)
    few = 1  # with how few letters, in the order of the alphabet, Hebb's rule still recalls each
    while few < len(X):
        some = X[: few + 1]
        if letter_network("hebb", seed, some).score(some) < 1:
            break
        few += 1
    names = "AEHKRSXZ"
    shown = [LETTER_NAMES.index(name) * repeats for name in names]
    metrics = {
        "letters_recalled": float((states == wanted).all(axis=1).mean()),
        "letters_recalled_by_hebb": hebb.score(noisy, wanted),
        "letters_that_hebb_holds": few,
    }
    payload = {
        "letters": names, "letters_noisy": noisy[shown], "letters_back": states[shown],
        "letters_hebb": hebb.predict(noisy[shown]), "letter_model": good,
        "line": energy_line(good, X[0], X[25], seed), "line_hebb": energy_line(
            letter_network("hebb", seed, X[[0, 25]]), X[0], X[25], seed
        ),
    }  # fmt: skip
    return metrics, payload


def _summary(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        say(
            "{share:.1%} of {p} random patterns in {n} units come back, every unit right, from {noise:.0%} noise.",
            share=metrics["recall_rate"],
            p=PATTERNS,
            n=UNITS,
            noise=NOISE,
        ),
        say(
            "Letters from {noise:.0%} noise: {good:.1%} by the pseudo-inverse rule, {hebb:.1%} by Hebb's.",
            noise=LETTER_NOISE,
            good=metrics["letters_recalled"],
            hebb=metrics["letters_recalled_by_hebb"],
        ),
        say(
            "Letters are alike: Hebb's rule holds the first {few}, and no more.",
            few=metrics["letters_that_hebb_holds"],
        ),
        say("Memory breaks down at {load:.3f} patterns a unit (theory: 0.138).", load=metrics["capacity"]),
    )
