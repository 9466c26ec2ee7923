"""Propositional logic: how two formulas stand to each other, learned on short ones, tested on long ones.

The protocol is the published one (Bowman, Potts, Manning 2015): training pairs have up to 4 operators in the
longer formula, test pairs up to 12; the pairs are Pellucid's own (``data/logic.py``), and no two are the same.
A TreeLSTM whose Reduce sees h_left · h_right reads both. It predicts with the mean of its weights along a training at
a constant rate: where the rate falls to nothing, the last weights know the short formulas as well, and the long ones
less well. The settings were chosen on pairs of another seed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_sentences
from pellucid.language import say

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
EXPECTED = {"accuracy_bins_0_4": ">= 0.995", "accuracy_all": ">= 0.95", "accuracy_bin_12": ">= 0.77"}
PAIRS, MORE_PAIRS, TEST_PAIRS, EPOCHS = 80_000, 120_000, 500, 7  # pairs of each bin; more of the bins 3 and 4
EXAMPLE = ("( ( not a ) ( and ( not b ) ) )", "( not ( ( a ( or b ) ) ( and c ) ) )")
TRUTH = "<"  # not a and not b makes a or b false


def network(seed: int) -> Any:
    """Return the network, untrained: a TreeLSTM of 64 units over both formulas."""
    from pellucid.networks.spinn import SPINNClassifier

    return SPINNClassifier(
        hidden=64,
        embedding=25,
        mlp=256,
        features="plain",
        learning_rate="constant",
        learning_rate_init=0.004,
        weight_decay=0.2,
        averaging=0.9995,
        batch_size=256,
        max_iter=EPOCHS,
        random_state=seed,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on bins 0 to 4 and score bins 0 to 12."""
    from pellucid.data.logic import bin_of, generate_logic
    from pellucid.data.sentences import Pair
    from pellucid.trees import Tree

    if quick:
        return Finding(skipped=say("training takes minutes; see it by: pellucid run logic"))
    splits = generate_logic(
        {"train": PAIRS, "more": MORE_PAIRS, "test": TEST_PAIRS}, bins={"more": (3, 4)}, random_state=seed
    )
    train, test = [*splits["train"], *splits["more"]], splits["test"]
    model = network(seed)
    for step in model.steps(train, [pair.label for pair in train]):
        progress(step.number / EPOCHS, say("epoch {n}, loss {loss:.4f}", n=step.number, loss=step.loss))
    metrics, payload = score_sentences(model, test)
    is_right = payload["is_right"]  # (N,)
    bins = np.array([bin_of(pair) for pair in test if isinstance(pair, Pair)])  # (N,)
    by_bin = {str(k): float(is_right[bins == k].mean()) for k in np.unique(bins).tolist()}
    metrics |= {
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
    example = tuple(map(Tree.parse, EXAMPLE))
    payload |= {
        "accuracy_by_bin": by_bin,
        "example": example,
        "truth": TRUTH,
        "probabilities": model.predict_proba([example])[0],
    }
    return Finding(metrics, EXPECTED, (summary,), payload)
