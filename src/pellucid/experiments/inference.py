"""Inference in a fragment of English: what a sentence says of another, learned from pairs with their parses.

"every big dog runs" entails "some dog moves", and contradicts "no dog runs"; the pairs and their labels are Pellucid's
own (``data/english.py``), and no pair of the test stands in training. The settings were chosen on pairs of another
seed.
"""

import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pellucid.errors import ModelFileError, PellucidWarning
from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_sentences
from pellucid.language import say

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
SIZES = {"train": 20_000, "validation": 1_000, "test": 3_000}
EPOCHS = 15
EXAMPLE = ("( ( every ( big dog ) ) runs )", "( ( some animal ) ( does ( not sleep ) ) )")
TRUTH = "entailment"  # who runs does not sleep, and there are big dogs


def network(seed: int) -> Any:
    """Return the network, untrained: a TreeLSTM of 50 units over both sentences."""
    from pellucid.networks.spinn import SPINNClassifier

    return SPINNClassifier(
        hidden=50,
        features="plain",
        learning_rate_init=0.004,
        weight_decay=0.1,
        batch_size=128,
        max_iter=EPOCHS,
        random_state=seed,
    )


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on pairs, score pairs that it has not seen, and keep the model."""
    from pellucid.data.english import generate_english
    from pellucid.trees import Tree

    if quick and find_spec("torch") is None:
        return Finding(skipped=say("it needs PyTorch: pip install 'pellucid[torch]'"))
    splits = generate_english(SIZES, random_state=seed)
    train, validation, test = (splits[name] for name in SIZES)
    model = network(seed)
    labels, held_out = ([pair.label for pair in split] for split in (train, validation))
    for step in model.steps(train, labels, X_val=validation, y_val=held_out):
        progress(step.epoch / EPOCHS, say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss))
    metrics, payload = score_sentences(model, test)
    file = None if quick else _kept(model)
    metrics |= {"train_pairs": len(train), "epochs": EPOCHS, "model_file": file and str(file)}
    example = tuple(map(Tree.parse, EXAMPLE))
    payload |= {"example": example, "truth": TRUTH, "probabilities": model.predict_proba([example])[0]}
    summary = [
        say("{share:.2%} of {n} unseen pairs are judged rightly.", share=metrics["test_accuracy"], n=len(test)),
        say(
            "It reads {premise!r} and says of {hypothesis!r}: {label}.",
            premise=" ".join(example[0].words),
            hypothesis=" ".join(example[1].words),
            label=model.predict([example])[0],
        ),
    ]
    if file:
        summary.append(say("The model is kept in {path}.", path=file))
    return Finding(metrics, {"test_accuracy": ">= 0.98"}, tuple(summary), payload)


def model_file() -> Path:
    """Return where the model is kept: in this user's data folder for Pellucid."""
    from platformdirs import user_data_path

    return user_data_path("pellucid", appauthor=False) / "inference.pellucid"


def _kept(model: Any) -> Path | None:
    """Save the model for whoever wants to ask it; None, with a warning, where that cannot be done."""
    from pellucid.saving import save

    path = model_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save(model, path)
    except (OSError, ModelFileError) as error:
        warnings.warn(say("the model could not be kept: {reason}", reason=error), PellucidWarning, stacklevel=2)
        return None
    return path
