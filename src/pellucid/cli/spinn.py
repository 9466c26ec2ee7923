"""``spinn train``, ``evaluate``, ``predict``, ``parse``: files of sentences to a model, and back to lines."""

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from pellucid.cli import display
from pellucid.cli.train import ctrl_c_heard, destination, report_epoch
from pellucid.data.sentences import NO_GOLD_LABEL, Example, Sentences, read_sentences
from pellucid.data.text_lines import stream_lines, text_lines
from pellucid.data.vectors import Vectors, cached_vectors
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError, ModelFileError
from pellucid.language import say
from pellucid.saving import load, read_header, save
from pellucid.scaling.processes import launched
from pellucid.trees import REDUCE, Tree

__all__ = ["Order", "bracket_f1", "evaluate", "parse", "predict", "train"]

NEUTRAL = 2  # SST's middle label
LIKE_A_TREE = re.compile(r"\( |\([0-9]+ .*\)$", re.DOTALL)


@dataclass(frozen=True)
class Order:
    """What `spinn train` was asked for, beside the settings of the estimator."""

    format: str
    train: Path
    dev: Path | None
    out: Path
    encoder: str | None
    tracker: int | None
    mirror: str | None
    binary: bool
    patience: int | None
    vectors: Path | None
    checkpoint: Path | None
    checkpoint_every: float


def train(order: Order, settings: Mapping[str, Any], *, json: bool) -> None:
    """Read, train, save, report; Ctrl-C while it trains saves what there is."""
    begin = perf_counter()
    destination(order.out)
    settings = dict(settings) | _encoder(order, str(settings["parses"]))
    if order.patience is not None:
        if order.dev is None:
            raise InvalidArgumentError(say("--patience needs --dev, whose score it waits for"))
        settings |= {"early_stopping": True, "n_iter_no_change": order.patience}
    _check_binary(order.binary, order.format)
    learned = _read(order.train, order.format, order.binary)
    judged = None if order.dev is None else _read(order.dev, order.format, order.binary)
    settings["mirror"] = _mirror(order.mirror, learned.classes)
    _check_labels(order, learned, judged, settings["mirror"])
    covered = None
    if order.vectors is not None:
        settings["vectors"], covered = _vectors(order, learned, judged, lowercase=bool(settings["lowercase"]))

    from pellucid.networks.spinn import SPINNClassifier  # takes long: a bad file is refused before

    model = SPINNClassifier(**settings)
    if not _learn(model, learned, judged, order):
        raise KeyboardInterrupt(_save_interrupted(model, order.out))
    if launched().rank > 0:
        return
    save(model, order.out)
    facts = _facts(model, order, learned, judged, perf_counter() - begin) | {"vectors": covered}
    if json:
        display.print_json(facts)
        return
    display.show(
        say(
            "{encoder}, {weights} weights, {n} epochs, loss {loss:.4f}.",
            encoder=model.encoder,
            weights=facts["weights"],
            n=model.n_iter_,
            loss=model.loss_curve_[-1],
        )
    )
    display.show(say("In batches of like length {share:.1%} would be padding.", share=facts["padding_share"]))
    if facts["dev_accuracy"] is not None:
        display.show(say("Accuracy on {path}: {share:.4f}.", path=order.dev, share=facts["dev_accuracy"]))
    display.show(say("Saved in {path}; judge it with `pellucid spinn evaluate {path} FILE`.", path=order.out))


def _save_interrupted(model: Any, out: Path) -> str:
    if not getattr(model, "n_iter_", 0):
        return say("interrupted in the first epoch: nothing is saved")
    if launched().rank == 0:
        save(model, out)
    if model.early_stopping:
        return say(
            "interrupted after epoch {n}; the best epoch up to there is saved in {path}", n=model.n_iter_, path=out
        )
    return say("interrupted after epoch {n}; the network up to there is saved in {path}", n=model.n_iter_, path=out)


def _encoder(order: Order, parses: str) -> dict[str, Any]:
    """Return encoder and tracker of the settings: a tracker of 0 makes spinn a treelstm."""
    encoder = order.encoder or ("spinn" if order.tracker or parses == "predicted" else "treelstm")
    if order.tracker and encoder != "spinn":
        raise InvalidArgumentError(say("--tracker is for --encoder spinn, got {encoder}", encoder=encoder))
    if encoder == "spinn" and order.tracker == 0:
        encoder = "treelstm"
    return {"encoder": encoder, "tracker": order.tracker or 16}


def _check_binary(binary: bool, format: str) -> None:
    if binary and format != "sst":
        raise InvalidArgumentError(say("--binary is for --format sst, got {format}", format=format))


def _mirror(text: str | None, known: Sequence[str]) -> dict[str, str] | None:
    """Return ``a,b=c`` as {"a": "a", "b": "c"}; a label may itself be the equals sign: ``#,=,^``."""
    if text is None:
        return None
    found: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",")):
        rest, sign, other = part[1:].partition("=")
        label = part[:1] + rest
        for name in (label, other) if sign else (label,):
            if name not in known:
                raise InvalidArgumentError(
                    say("--mirror must be of labels among {known}, got {label!r}", known=", ".join(known), label=name)
                )
        if label in found:
            raise InvalidArgumentError(say("--mirror names {label!r} twice", label=label))
        found[label] = other if sign else label
    return found


def _read(path: Path, format: str, binary: bool) -> Sentences:
    """Return what the file holds, and say what was left out."""
    found = read_sentences(path, format)
    for why, n in found.dropped.items():
        display.note(say("{path}: {n} rows left out ({why})", path=path, n=n, why=_reason(why)))
    if not binary:
        return found
    kept = [_negative_or_positive(one) for one in found if isinstance(one, Example) and one.label != str(NEUTRAL)]
    if not kept:
        raise FileFormatError(say("{path}: holds no example that is negative or positive", path=path))
    if left := len(found) - len(kept):
        display.note(say("{path}: {n} rows left out ({why})", path=path, n=left, why=say("neutral")))
    return Sentences(found.source, kept, ("0", "1"))


def _reason(why: str) -> str:
    """Return what a reader says that it dropped, in the language of the moment."""
    return say("no gold label") if why == NO_GOLD_LABEL else why


def _negative_or_positive(example: Example) -> Example:
    """Return the example with labels 0 (negative) and 1 (positive); neutral nodes have none."""
    labels = np.asarray(example.tree.labels)
    tree = example.tree.with_labels(np.where(labels == NEUTRAL, -1, labels > NEUTRAL).astype(np.int64))
    return Example(str(tree.label), tree)


def _vectors(
    order: Order, learned: Sentences, judged: Sentences | None, *, lowercase: bool
) -> tuple[Vectors, dict[str, int]]:
    """Return the vectors of the words that there are, and how many of those to learn have one; say so."""
    words, more = (
        {word for tree in part.trees for word in tree.words} if part else set() for part in (learned, judged)
    )
    if lowercase:
        words = {word.lower() for word in words}
    vectors = cached_vectors(Path(str(order.vectors)), words | more, lowercase=lowercase)
    known = int(vectors.rows(words)[1].sum())
    if not known:
        raise InvalidDataError(
            say(
                "{path} has a vector for none of the {n} words in {train}",
                path=order.vectors,
                n=len(words),
                train=order.train,
            )
        )
    display.note(
        say(
            "{path}: vectors for {known} of {n} words; {twice} lines repeat a word, {garbled} are not UTF-8",
            path=order.vectors,
            known=known,
            n=len(words),
            twice=vectors.duplicates,
            garbled=vectors.garbled,
        )
    )
    return vectors, {
        "words": len(words), "known": known, "duplicates": vectors.duplicates, "garbled": vectors.garbled,
    }  # fmt: skip


def _labels(found: Sentences) -> np.ndarray:
    return np.array([example.label for example in found])


def _check_labels(order: Order, learned: Sentences, judged: Sentences | None, mirror: Mapping[str, str] | None) -> None:
    """Refuse what --dev is labelled with and the model will never have met."""
    known = {*_labels(learned).tolist()} | {*(mirror or {}).values()}
    if judged is not None and (strange := sorted({*_labels(judged).tolist()} - known)):
        raise InvalidDataError(
            say(
                "{path} holds the label {label!r}, which {train} does not have; it has {known}",
                path=order.dev,
                label=strange[0],
                train=order.train,
                known=", ".join(sorted(known)),
            )
        )


def _learn(model: Any, learned: Sentences, judged: Sentences | None, order: Order) -> bool:
    """Train; show the epochs. False: interrupted."""
    from pellucid.scaling.checkpoint import Checkpoint

    checkpoint = None if order.checkpoint is None else Checkpoint(order.checkpoint, order.checkpoint_every)
    held_out = {} if judged is None else {"X_val": judged, "y_val": _labels(judged)}
    with warnings.catch_warnings(), ctrl_c_heard(), display.progress_bar(say("training")) as progress:
        warnings.filterwarnings("ignore", "training interrupted")
        try:
            with closing(model.steps(learned, _labels(learned), **held_out, checkpoint=checkpoint)) as steps:
                for step in steps:
                    text = say("epoch {n}, loss {loss:.4f}", n=step.epoch, loss=step.loss)
                    if judged is not None:
                        text += ", " + say("accuracy {share:.4f}", share=step.validation_score)
                    report_epoch(progress, step.epoch, model.max_iter, text)
        except KeyboardInterrupt:
            return False
    return not getattr(model, "interrupted_", False)


def _facts(model: Any, order: Order, learned: Sentences, judged: Sentences | None, seconds: float) -> dict[str, Any]:
    scores = model.validation_scores_ or []
    return {
        "model": str(order.out), "format": order.format, "encoder": model.encoder, "parses": model.parses,
        "classes": model.classes_.tolist(), "n": len(learned), "dropped": dict(learned.dropped),
        "words": len(model.vocabulary_), "weights": sum(value.numel() for value in model.model_.parameters()),
        "epochs": model.n_iter_, "loss": model.loss_curve_[-1], "padding_share": model.padding_share_,
        "dev_n": None if judged is None else len(judged),
        "dev_accuracy": (max(scores) if model.early_stopping else scores[-1]) if scores else None,
        "seconds": round(seconds, 3),
    }  # fmt: skip


# -- judging -----------------------------------------------------------------------------------------------------


def evaluate(
    model_file: Path, file: Path, format: str, *, binary: bool, beam: int | None, device: str, json: bool
) -> None:
    """Show accuracy, that of each class, and, where the model finds its own parses, how they compare."""
    model = _load(model_file, beam, device)
    _check_binary(binary, format)
    known = [str(label) for label in model.classes_.tolist()]  # one that was trained in Python may know numbers
    binary = format == "sst" and (binary or known == ["0", "1"])
    found = _read(file, format, binary)
    labels = _labels(found)
    if strange := sorted({*labels.tolist()} - {*known}):
        raise InvalidDataError(
            say(
                "{path} holds the label {label!r}, which {model} never learned; it knows {known}",
                path=file,
                label=strange[0],
                model=model_file,
                known=", ".join(known),
            )
        )
    begin = perf_counter()
    answers = _signs(model, found) if binary else np.array(known)[model.predict_proba(found).argmax(1)]
    seconds = perf_counter() - begin
    trees = list(found.trees)
    facts: dict[str, Any] = {
        "accuracy": float(np.mean(answers == labels)),
        "n": len(labels),
        "per_class": {
            label: _of_class(labels == label, answers == label) for label in (["0", "1"] if binary else known)
        },
        "transition_accuracy": None,
        "bracket_f1": None,
        "sentences_per_s": len(trees) / seconds,
    }
    if model.parses == "predicted":
        facts |= _against(trees, model.parse(trees))
        facts["baselines"] = {
            "left_branching": _against(trees, [Tree.left_branching(tree.words) for tree in trees]),
            "right_branching": _against(trees, [Tree.right_branching(tree.words) for tree in trees]),
        }
    if json:
        display.print_json(facts)
    else:
        _show(facts)


def _signs(model: Any, found: Sentences) -> np.ndarray:
    """Return 0 (negative) or 1 (positive) of each example; of five classes those to each side of neutral are summed."""
    likely, classes = model.predict_proba(found), model.classes_.astype(int)
    middle = NEUTRAL if len(classes) > 2 else 0.5
    return np.where(likely[:, classes > middle].sum(1) > likely[:, classes < middle].sum(1), "1", "0")


def _of_class(is_it: np.ndarray, said: np.ndarray) -> dict[str, Any]:
    right = int((is_it & said).sum())
    return {
        "n": int(is_it.sum()),
        "recall": right / int(is_it.sum()) if is_it.any() else None,
        "precision": right / int(said.sum()) if said.any() else None,
    }


def _against(given: Sequence[Tree], found: Sequence[Tree]) -> dict[str, float | None]:
    """Return how trees compare with those given: the share of equal transitions, and the F1 of their brackets."""
    same = sum(int((one.transitions == two.transitions).sum()) for one, two in zip(given, found, strict=True))
    return {
        "transition_accuracy": same / sum(len(tree.transitions) for tree in given),
        "bracket_f1": bracket_f1(given, found),
    }


def bracket_f1(given: Sequence[Tree], found: Sequence[Tree]) -> float | None:
    """Return the F1 of brackets over two words or more, the whole sentence apart; None where there are none.

    Binary trees over the same words have equally many, so that precision, recall and F1 are one number.
    """
    right = total = 0
    for one, two in zip(given, found, strict=True):
        right += len(_brackets(one) & _brackets(two))
        total += len(_brackets(one))
    return right / total if total else None


def _brackets(tree: Tree) -> set[tuple[int, int]]:
    spans = tree.spans()[:-1][tree.transitions[:-1] == REDUCE]
    return {(begin, end) for begin, end in spans.tolist()}


def _show(facts: Mapping[str, Any]) -> None:
    display.show(say("{n} examples, {share:.4f} of them right.", n=facts["n"], share=facts["accuracy"]))
    rows = [
        [label, str(of["n"]), _figure(of["recall"]), _figure(of["precision"])]
        for label, of in facts["per_class"].items()
    ]
    headings = [say("class"), say("examples"), say("recall"), say("precision")]
    display.show(display.table(say("Of each class"), headings, rows, numbers=3))
    if "baselines" in facts:
        names = {"left_branching": say("left-branching"), "right_branching": say("right-branching")}
        parts = [(say("the model"), facts), *((names[name], of) for name, of in facts["baselines"].items())]
        rows = [[name, _figure(of["transition_accuracy"]), _figure(of["bracket_f1"])] for name, of in parts]
        headings = ["", say("equal transitions"), say("bracket F1")]
        display.show(display.table(say("Its own parses beside those given"), headings, rows, numbers=2))
    display.show(say("{n:.0f} sentences a second.", n=facts["sentences_per_s"]))


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


# -- lines in, lines out -----------------------------------------------------------------------------------------


def predict(model_file: Path, file: Path | None, *, proba: bool, beam: int | None, device: str) -> None:
    """Write the label of each line."""
    model = _load(model_file, beam, device)
    given = _sentences(file, pairs=model.n_sides_ == 2)
    if not given:
        return
    with _about(file):
        likely = model.predict_proba(given)
    for row in likely:
        label = str(model.classes_[row.argmax()])
        more = [f"p({name})={p:.6f}" for name, p in zip(model.classes_.tolist(), row, strict=True)] if proba else []
        print("\t".join([label, *more]))


def parse(model_file: Path, file: Path | None, *, beam: int | None, device: str) -> None:
    """Write the tree of each line, with brackets."""
    model = _load(model_file, beam, device)
    given = _sentences(file, pairs=False)
    with _about(file):
        trees = model.parse(given)
    for tree in trees:
        print(tree.to_brackets())


def _load(model_file: Path, beam: int | None, device: str) -> Any:
    kind = read_header(model_file)["class"]
    if kind != "SPINNClassifier":
        raise ModelFileError(
            say(
                "{path} holds a {kind}; these commands need a model of `pellucid spinn train`",
                path=model_file,
                kind=kind,
            )
        )
    model = load(model_file).to(device)
    return model if beam is None else model.set_params(beam=beam)


def _sentences(file: Path | None, *, pairs: bool) -> list[Any]:
    """Return what stands in each line: a text, a tree, or a pair of them."""
    found: list[Any] = []
    for number, line in stream_lines(sys.stdin.buffer, _name(None)) if file is None else text_lines(file):
        where = f"{_name(file)}, line {number}"
        parts = line.split("\t")
        if len(parts) != (2 if pairs else 1):
            raise FileFormatError(
                say("{where}: must hold two sentences, parted by one tab", where=where)
                if pairs
                else say("{where}: must hold one sentence, without a tab", where=where)
            )
        made = [_tree_or_text(part, where) for part in parts]
        found.append(tuple(made) if pairs else made[0])
    return found


def _tree_or_text(text: str, where: str) -> Tree | str:
    """Return a tree where the text begins with a bracket and a space, or a label and ends with one, else the text."""
    text = text.strip(" ")
    if not text:
        raise FileFormatError(say("{where}: is blank; every line must hold a sentence", where=where))
    if not LIKE_A_TREE.match(text):
        return text
    try:
        return Tree.parse(text)
    except InvalidDataError as error:
        raise FileFormatError(f"{where}: {error}") from None


@contextmanager
def _about(file: Path | None) -> Iterator[None]:
    """Name the file where the model refuses what stands in it."""
    try:
        yield
    except InvalidDataError as error:
        raise InvalidDataError(f"{_name(file)}: {error}") from None


def _name(file: Path | None) -> str:
    return say("standard input") if file is None else str(file)
