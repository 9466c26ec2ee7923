"""Propositional logic: how two formulas stand to each other, learned on short ones, tested on long ones.

The protocol is the published one (Bowman, Potts, Manning 2015): training pairs have up to 4 operators in the
longer formula, test pairs up to 12; the pairs are Pellucid's own (``data/logic.py``), and no two are the same.
A TreeLSTM whose Reduce sees h_left · h_right reads both.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.experiments.result import Finding, Progress
from pellucid.language import say

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
EXPECTED = {"accuracy_bins_0_4": ">= 0.995", "accuracy_all": ">= 0.95", "accuracy_bin_12": ">= 0.77"}
PAIRS, TEST_PAIRS, EPOCHS = 40_000, 500, 30  # pairs of each bin


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on bins 0 to 4 and score bins 0 to 12."""
    from pellucid.data.logic import bin_of, generate_logic
    from pellucid.data.sentences import Pair
    from pellucid.networks.spinn import SPINNClassifier

    if quick:
        return Finding(skipped=say("training takes minutes; see it by: pellucid run logic"))
    splits = generate_logic({"train": PAIRS, "test": TEST_PAIRS}, random_state=seed)
    train, test = splits["train"], splits["test"]
    model = SPINNClassifier(
        hidden=40,
        embedding=25,
        mlp=75,
        features="plain",
        learning_rate_init=0.004,
        weight_decay=0.2,
        batch_size=128,
        max_iter=EPOCHS,
        random_state=seed,
    )
    for step in model.steps(train, train.y):
        progress(step.number / EPOCHS, say("epoch {n}, loss {loss:.4f}", n=step.number, loss=step.loss))
    is_right = model.predict(test) == test.y  # (N,)
    bins = np.array([bin_of(pair) for pair in test if isinstance(pair, Pair)])  # (N,)
    by_bin = {str(k): float(is_right[bins == k].mean()) for k in np.unique(bins).tolist()}
    metrics = {
        "accuracy_bins_0_4": float(is_right[bins <= 4].mean()),
        "accuracy_all": float(is_right.mean()),
        "accuracy_bin_12": by_bin["12"],
        "accuracy_by_bin": by_bin,
        "train_pairs": len(train),
        "test_pairs": len(test),
        "epochs": EPOCHS,
    }
    summary = say(
        "{short:.1%} of the pairs as long as those learned are right, {long:.1%} of those with 12 operators.",
        short=metrics["accuracy_bins_0_4"],
        long=metrics["accuracy_bin_12"],
    )
    return Finding(metrics, EXPECTED, (summary,), {"model": model, "accuracy_by_bin": by_bin})
