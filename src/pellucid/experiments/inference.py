"""Inference in a fragment of English: what a sentence says of another, learned from pairs with their parses.

"every big dog runs" entails "some dog moves", and contradicts "no dog runs"; the pairs and their labels are Pellucid's
own (``data/english.py``), and no pair of the test stands in training. The network learns to parse what it reads, so
that it can then be asked about plain text. The settings were chosen on pairs of another seed.
"""

import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pellucid.data.sentences import Sentences
from pellucid.errors import ModelFileError, PellucidWarning
from pellucid.experiments.result import Finding, Progress
from pellucid.experiments.scoring import score_sentences
from pellucid.language import say
from pellucid.learning.step import Step

DEFAULT_SEED = 0
OPTIONS: Mapping[str, tuple[str, ...]] = {}
SIZES = {"train": 20_000, "validation": 1_000, "test": 3_000}
EPOCHS = 15
EXAMPLE = ("( ( every ( big dog ) ) runs )", "( ( some animal ) ( does ( not sleep ) ) )")
TRUTH = "entailment"  # who runs does not sleep, and there are big dogs


def pairs(seed: int) -> dict[str, Sentences]:
    """Return the pairs to learn from, those that are judged after each epoch, and those of the test."""
    from pellucid.data.english import generate_english

    return generate_english(SIZES, random_state=seed)


def network(seed: int) -> Any:
    """Return the network, untrained: SPINN with 50 units over both sentences, which finds its own parses."""
    from pellucid.networks.spinn import SPINNClassifier

    return SPINNClassifier(
        encoder="spinn",
        parses="predicted",
        hidden=50,
        tracker=16,
        features="plain",
        lowercase=True,
        learning_rate_init=0.004,
        weight_decay=0.1,
        batch_size=128,
        max_iter=EPOCHS,
        random_state=seed,
    )


def training(model: Any, splits: Mapping[str, Sentences], granularity: str = "epoch") -> Iterator[Step]:
    """Yield a Step after each epoch; with ``granularity="batch"`` after each batch, too."""
    train, validation = splits["train"], splits["validation"]
    labels, held_out = ([pair.label for pair in split] for split in (train, validation))
    yield from model.steps(train, labels, granularity, X_val=validation, y_val=held_out)


def experiment(seed: int, quick: bool, data: Any, options: Mapping[str, Any], progress: Progress) -> Finding:
    """Train on pairs, score pairs that it has not seen, and keep the model."""
    from pellucid.trees import Tree

    if quick and find_spec("torch") is None:
        return Finding(skipped=say("it needs PyTorch: pip install 'pellucid[torch]'"))
    splits = pairs(seed)
    test = splits["test"]
    model = network(seed)
    for step in training(model, splits):
        progress(step.epoch / EPOCHS, say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss))
    metrics, payload = score_sentences(model, test)
    file = None if quick else keep(model)
    trees = [tree for pair in test for tree in pair.trees]
    is_equal = [found == tree for found, tree in zip(model.parse(trees), trees, strict=True)]
    metrics |= {
        "parse_accuracy": sum(is_equal) / len(trees),
        "train_pairs": len(splits["train"]),
        "epochs": EPOCHS,
        "model_file": file and str(file),
    }
    example = tuple(map(Tree.parse, EXAMPLE))
    payload |= {"example": example, "truth": TRUTH, "probabilities": model.predict_proba([example])[0]}
    summary = [
        say("{share:.2%} of {n} unseen pairs are judged rightly.", share=metrics["test_accuracy"], n=len(test)),
        say("{share:.2%} of their parses are found whole.", share=metrics["parse_accuracy"]),
        say(
            "It reads {premise!r} and says of {hypothesis!r}: {label}.",
            premise=" ".join(example[0].words),
            hypothesis=" ".join(example[1].words),
            label=model.predict([example])[0],
        ),
    ]
    if file:
        summary.append(say("The model is kept in {path}.", path=file))
    return Finding(metrics, {"test_accuracy": ">= 0.98", "parse_accuracy": ">= 0.99"}, tuple(summary), payload)


def model_file() -> Path:
    """Return where the model is kept: in this user's data folder for Pellucid."""
    from platformdirs import user_data_path

    return user_data_path("pellucid", appauthor=False) / "inference.pellucid"


def kept_model() -> Any | None:
    """Return the model that was kept, None where there is none.

    Raises ModelFileError for a file that is damaged, or holds what does not find its own parses of two sentences.
    """
    from pellucid.networks.spinn import SPINNClassifier
    from pellucid.saving import load

    path = model_file()
    if not path.exists():
        return None
    model = load(path)
    if not isinstance(model, SPINNClassifier) or model.parses != "predicted" or model.n_sides_ != 2:
        raise ModelFileError(
            f"{path} holds no network that parses pairs of sentences; make one: pellucid run inference"
        )
    return model


def keep(model: Any) -> Path | None:
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
