"""The room of SPINN: two sentences, read by shift and reduce, and what the one says of the other.

The model is the one that ``pellucid run inference`` keeps. Where none is kept, the room trains it, an epoch an
advance, and keeps it; afterwards an advance is a transition of the machine.
"""

from collections.abc import Iterator
from importlib.util import find_spec
from time import monotonic
from typing import Any

import numpy as np

from pellucid.data.english import english_label, read_english
from pellucid.data.tokenizing import tokenize
from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError, PellucidError
from pellucid.experiments import inference
from pellucid.language import phrase
from pellucid.learning.step import Step, source_of
from pellucid.trees import Tree
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer
from pellucid.watching.values import reading_values

__all__ = ["SentencesRoom", "open_room"]

SIDES = ("premise", "hypothesis")
MOST_CHARACTERS, MOST_WORDS = 1000, 40
SEED = inference.DEFAULT_SEED


def open_room(settings: Any) -> "SentencesRoom | WithoutTorch":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    asked = _asked(settings)
    return SentencesRoom(asked) if find_spec("torch") else WithoutTorch()


def _asked(settings: Any, before: dict[str, str] | None = None) -> dict[str, str]:
    """Return what is to be read, and how; what is not said stays as ``before``."""
    reader, usual = Reader(settings), before or dict(zip(SIDES, inference.EXAMPLE, strict=True))
    asked = {side: reader.text(side, MOST_CHARACTERS, usual[side]) for side in SIDES}
    asked["shown"] = reader.choice("shown", SIDES, usual.get("shown", SIDES[0]))
    asked["parses"] = reader.choice("parses", ("predicted", "given"), usual.get("parses", "predicted"))
    reader.done()
    return asked


class WithoutTorch:
    """What the room is where PyTorch is not installed: a sentence that says so."""

    def advance(self) -> bool:
        """Do nothing."""
        return False

    def frame(self) -> Answer:
        """Return what is missing."""
        return {"missing": "torch"}, {}

    def about(self) -> dict[str, Any]:
        """Return no formulas and no sources."""
        return {"formulas": {}, "sources": {}}

    def ask(self, what: str, about: Any) -> Answer:
        """Refuse."""
        raise InvalidArgumentError("this room needs PyTorch: pip install 'pellucid[torch]'")


class SentencesRoom:
    """``SPINNClassifier.trace`` of one of two sentences and ``predict_proba`` of both; before that, its ``steps``."""

    def __init__(self, asked: dict[str, str]) -> None:
        self.asked, self.trouble = asked, ""
        try:
            self.model = inference.kept_model()
        except ModelFileError as error:
            self.model, self.trouble = None, str(error)
        self.is_kept = self.model is not None
        self.run: Iterator[Step] | None = None if self.is_kept else self._training()
        self.step: Step | None = None
        self.seconds = 0.0  # that the last epoch took
        self.moment = 0
        self._read()

    # -- learning --------------------------------------------------------------------------------------------

    def _training(self) -> Iterator[Step]:
        """Train, and keep what was trained."""
        model = inference.network(SEED)
        for step in inference.training(model, inference.pairs(SEED)):
            self.model = model
            yield step
        self.is_kept = inference.keep(model) is not None

    def advance(self) -> bool:
        """Train for an epoch; of a trained machine, take one transition."""
        if self.run is None:
            self.moment = min(self.moment + 1, self.last)
            return self.moment < self.last
        begun = monotonic()
        self.step = next(self.run)
        self.seconds = monotonic() - begun
        if self.step.number == inference.EPOCHS:
            next(self.run, None)
            self.run = None
        self._read()
        return self.run is not None

    # -- reading ---------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Read both sentences anew, and stand before the first step."""
        self.moment, self.trees, self.problems = 0, dict[str, Tree | None](), dict[str, str]()
        self.words: dict[str, tuple[str, ...]] = {}
        for side in SIDES:
            try:
                self.words[side], self.trees[side] = understood(self.asked[side])
            except InvalidDataError as error:
                self.words[side], self.trees[side], self.problems[side] = (), None, error.args[0]
        self.reading: Any = None
        self.found: dict[str, Tree] = {}
        self.likely: np.ndarray | None = None
        if self.model is None:
            return
        given = {side: self.trees[side] or Tree.right_branching(words) for side, words in self.words.items() if words}
        self.found = dict(zip(given, self.model.parse(list(given.values())), strict=True))
        if len(given) == len(SIDES):
            self.likely = self.model.predict_proba([tuple(given.values())])[0]
        shown = self.asked["shown"]
        if shown in given:
            self.reading = self.model.trace(given[shown], parses=self._parses)

    @property
    def _parses(self) -> str:
        """Whose parse the machine follows: one that is given, if it is to be followed and there is one."""
        return "given" if self.asked["parses"] == "given" and self.trees[self.asked["shown"]] else "predicted"

    @property
    def last(self) -> int:
        """How many steps the machine takes."""
        return 0 if self.reading is None else len(self.reading.moments)

    def frame(self) -> Answer:
        """Return how far learning is, what was found in both sentences, and how one of them is read."""
        model, shown = self.model, self.asked["shown"]
        learning = None
        if self.run is not None:
            step = self.step
            learning = {
                "epoch": 0 if step is None else step.number, "of": inference.EPOCHS, "pairs": inference.SIZES["train"],
                # The first epoch makes the pairs and compiles, too, and says nothing of the others.
                "left": None if step is None or step.number == 1 else self.seconds * (inference.EPOCHS - step.number),
                "loss": step and step.loss, "score": step and step.validation_score,
            }  # fmt: skip
        header = {
            "learning": learning, "trouble": self.trouble, "kept": self.is_kept, "asked": self.asked,
            "sentences": {side: self._sentence(side) for side in SIDES}, "parses": self._parses,
            "labels": [] if model is None else model.classes_.tolist(), "likely": self.likely,
            "rules": self._rules(),
            "vocabulary": [] if model is None else sorted(model.vocabulary_.words[1:]),
            "reading": None, "moment": self.moment, "of": self.last,
        }  # fmt: skip
        if model is not None and self.reading is not None:
            own = self._parses == "predicted"
            compared = self.trees[shown] if own else self.found[shown]
            header["reading"] = reading_values(self.reading, model.vocabulary_, compared, given=own)
        return header, {}

    def _rules(self) -> str | None:
        """Return the label by natural logic, None where a sentence is not of the fragment."""
        premise, hypothesis = (read_english(self.words[side]) for side in SIDES)
        return None if premise is None or hypothesis is None else english_label(premise, hypothesis)

    def _sentence(self, side: str) -> dict[str, Any]:
        words, tree, found = self.words[side], self.trees[side], self.found.get(side)
        unknown = [] if self.model is None else [word for word in words if word not in self.model.vocabulary_]
        return {
            "words": words,
            "unknown": list(dict.fromkeys(unknown)),
            "given": None if tree is None else tree.to_brackets(),
            "found": None if found is None else str(found),
            "problem": self.problems.get(side, ""),
        }

    # -- questions -------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """Return formulas and sources."""
        from pellucid.networks.spinn import machine, model, tracing

        functions = (
            machine.read, machine.track, machine.track_lstm, machine.reduce, machine.tree_lstm, tracing.probabilities,
            model.TreeClassifier.leaves, model.pair_features,
        )  # fmt: skip
        formulas = dict(tracing.FORMULAS) | tracing.reduced(multiply=True, tracked=True)
        formulas |= {"x": "x = [a; b; a - b; a · b], of the sentences a and b", "label": "p(label) = softmax(head(x))"}
        return {
            "formulas": formulas,
            "sources": {function.__qualname__: source_of(function) for function in functions},
            "most": MOST_WORDS,
        }

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``; ``read``: other sentences, or read otherwise; ``go``: to another step."""
        if what == "export":
            Reader(about, "about").done()
            return {"script": self.script()}, {}
        if what == "read":
            self.asked = _asked(about, self.asked)
            self._read()
        elif what == "go":
            reader = Reader(about, "about")
            moment = reader.integer("moment", 0, self.last, self.moment)
            reader.done()
            self.moment = moment
        else:
            raise InvalidArgumentError(f"this room answers export, read and go, got {what!r}")
        return {}, {}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        if self.reading is None or self.likely is None:
            raise PellucidError("there is nothing to export yet: let it learn, and give it two sentences")
        imports, made = "", "model = pellucid.load(model_file())"
        if self.run is None and self.is_kept:
            imports = "import pellucid\nfrom pellucid.experiments.inference import model_file\n"
        else:
            epochs = inference.EPOCHS if self.step is None else self.step.number
            imports = "from pellucid.experiments.inference import network, pairs, training\n"
            made = f"""model = network({SEED})
for step in training(model, pairs({SEED})):
    if step.number == {epochs}:
        break"""
        sides = {
            side: _text(self.asked[side].strip()) if tree is None else f"Tree.parse({_text(str(tree))})"
            for side, tree in self.trees.items()
        }
        imports += "from pellucid.spinn import Tree\n" if any(self.trees.values()) else ""
        follow = ', parses="given"' if self._parses == "given" else ""
        return f'''"""Two sentences, read as in Pellucid's studio."""

{imports}
{made}

premise = {sides["premise"]}
hypothesis = {sides["hypothesis"]}
print(model.trace({self.asked["shown"]}{follow}))
for label, p in zip(model.classes_, model.predict_proba([(premise, hypothesis)])[0]):
    print(f"{{label}} {{p:.6f}}")
'''


def understood(text: str) -> tuple[tuple[str, ...], Tree | None]:
    """Return a sentence's words, and its parse if it came with one; raise InvalidDataError, which says why not."""
    line = text.strip()
    tree = Tree.parse(line) if "(" in line or ")" in line or line.startswith("WORDS:") else None
    words = tuple(tokenize(line)) if tree is None else tree.words
    if not words:
        raise InvalidDataError(phrase("the sentence is blank; write a word or more"))
    if len(words) > MOST_WORDS:
        said = {"n": len(words), "most": MOST_WORDS}
        raise InvalidDataError(phrase("the sentence has {n} words, and at most {most} are shown here", **said))
    return words, tree


def _text(text: str) -> str:
    """Return a text as Python writes it, in double quotes where it can be."""
    return repr(text) if '"' in text or "\\" in text or not text.isprintable() else f'"{text}"'
