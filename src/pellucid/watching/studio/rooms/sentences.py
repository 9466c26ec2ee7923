"""The room of SPINN: two sentences, read by shift and reduce, and what the one says of the other.

The first advance opens the model, the one that ``pellucid run inference`` keeps. Where none is kept, or one of another
seed, or it is to learn anew, the room trains it, some batches an advance, and keeps it; afterwards an advance is a
transition of the machine.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import islice
from time import monotonic
from typing import Any

import numpy as np

from pellucid.data.english import english_label, read_english
from pellucid.data.tokenizing import tokenize
from pellucid.errors import InvalidArgumentError, InvalidDataError, ModelFileError, PellucidError
from pellucid.experiments import inference
from pellucid.language import phrase
from pellucid.learning.step import Step
from pellucid.trees import Tree
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, sources_of
from pellucid.watching.values import reading_values

__all__ = ["SentencesRoom", "open_room"]

SIDES = ("premise", "hypothesis")
MOST_CHARACTERS, MOST_WORDS = 1000, 40
BATCHES = 8  # an advance while it learns: some 0.1 s


def open_room(settings: Any) -> "SentencesRoom | WithoutTorch":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    seed = reader.integer("seed", 0, 2**32 - 1, inference.DEFAULT_SEED) if "seed" in reader.values else None
    anew = reader.boolean("anew", default=False)
    asked = _asked(reader, dict(zip(SIDES, inference.EXAMPLE, strict=True)))
    return SentencesRoom(asked, seed, anew=anew) if find_spec("torch") else WithoutTorch()


def _asked(reader: Reader, before: dict[str, str]) -> dict[str, str]:
    """Return what is to be read, and how; what is not said stays as ``before``."""
    asked = {side: reader.text(side, MOST_CHARACTERS, before[side]) for side in SIDES}
    asked["shown"] = reader.choice("shown", SIDES, before.get("shown", SIDES[0]))
    asked["parses"] = reader.choice("parses", ("predicted", "given"), before.get("parses", "predicted"))
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


_written: dict[tuple[int, ...], Any] = {}  # the pairs that were asked for last, by seed and sizes
_writing = threading.Lock()


def pairs(seed: int) -> Any:
    """Return the pairs of a seed, written once for all pages that learn from the same ones: a second of Python each."""
    key = (seed, *inference.SIZES.values())
    with _writing:
        if key not in _written:
            _written.clear()
            _written[key] = inference.pairs(seed)
            gc.unfreeze()
            gc.collect()
            gc.freeze()  # they stay: looking for cycles among them, and in torch, would hold all pages for 0.3 s
        return _written[key]


def learning(seed: int) -> Iterator[tuple[Any, Step]]:
    """Train the network of a seed on its pairs; yield it with each Step."""
    model = inference.network(seed)
    for step in inference.training(model, pairs(seed), "batch"):
        yield model, step


class SentencesRoom:
    """``SPINNClassifier.trace`` of one of two sentences and ``predict_proba`` of both; before that, its ``steps``."""

    def __init__(self, asked: dict[str, str], seed: int | None, *, anew: bool) -> None:
        self.asked, self.wanted, self.anew = asked, seed, anew
        self.seed = inference.DEFAULT_SEED if seed is None else seed
        self.begins = True
        self.told = False  # of what runs: as soon as there is a model
        self.model: Any = None
        self.is_kept, self.trouble = False, ""
        self.going: Callable[[], bool]
        self.run: Iterator[tuple[Any, Step]] | None = None  # knows nothing of the room: what ends with it ends at once
        self.step: Step | None = None
        self.epoch: Step | None = None  # the last that is whole
        self.batches = 0  # of an epoch
        self.spent = 0.0  # seconds, since the first advance of learning
        self.first = 0  # batches of that, which writes pairs and compiles, too, and says nothing of the others
        self.moment = 0
        self._read()

    # -- learning --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Open the model that was kept, or make ready to train one."""
        self.begins = False
        try:
            model = None if self.anew else inference.kept_model()
        except ModelFileError as error:
            model, self.trouble = None, str(error)
        if model is not None and self.wanted in (None, model.random_state):
            self.model, self.is_kept = model, True
        else:
            self.run = learning(self.seed)

    def advance(self) -> bool:
        """Open the model; train for some batches; of a trained machine, take one transition."""
        if self.begins:
            self._begin()
            self._read()
            return True
        if self.run is not None:
            self._learn(self.run)
            self._read()
            return self.run is not None  # having learned, it stands before the first step
        self.moment = min(self.moment + 1, self.last)
        return self.moment < self.last

    def _learn(self, run: Iterator[tuple[Any, Step]]) -> None:
        begun, batch = monotonic(), self.batch
        for self.model, step in islice(run, BATCHES):
            self.step, self.epoch = (self.step, step) if step.kind == "epoch" else (step, self.epoch)
            if not self.going():
                return
        self.batches = -(-inference.SIZES["train"] // self.model.batch_size)
        if self.epoch is not None and self.epoch.number == inference.EPOCHS:
            next(run, None)
            self.run, self.is_kept = None, inference.keep(self.model) is not None
        if batch:
            self.spent += monotonic() - begun
        else:
            self.first = self.batch

    @property
    def batch(self) -> int:
        """How many batches it has learned from."""
        return 0 if self.step is None else self.step.number

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
            step, epoch = self.step, self.epoch
            all_batches, timed = self.batches * inference.EPOCHS, self.batch - self.first
            learning = {
                "epoch": 0 if epoch is None else epoch.number, "pairs": inference.SIZES["train"],
                "batch": self.batch, "batches": all_batches, "loss": step and step.loss,
                "left": self.spent / timed * (all_batches - self.batch) if timed else None,
                "score": epoch and epoch.validation_score,
            }  # fmt: skip
        header = {
            "begins": self.begins, "seed": self.seed if model is None else model.random_state,
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
        if model is not None and not self.told:
            self.told, header = True, header | self.about()
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
        """Return formulas, and once there is a model the sources of what ran."""
        if self.model is None:
            return {"formulas": {}, "sources": {}, "most": MOST_WORDS}
        from pellucid.networks.spinn import machine, model, tracing

        functions = (
            machine.track, machine.track_lstm, machine.reduce, machine.tree_lstm, tracing.probabilities,
            model.TreeClassifier.leaves, model.pair_features,
        )  # fmt: skip
        formulas = dict(tracing.FORMULAS) | tracing.reduced(multiply=True, tracked=True)
        formulas |= {"x": "x = [a; b; a - b; a · b], of the sentences a and b", "label": "p(label) = softmax(head(x))"}
        return {
            "formulas": formulas,
            "sources": sources_of(*functions),
            "most": MOST_WORDS,
        }

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``; ``read``: other sentences, or read otherwise; ``go``: to another step."""
        if what == "export":
            Reader(about, "about").done()
            return {"script": self.script()}, {}
        if what == "read":
            self.asked = _asked(Reader(about, "about"), self.asked)
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
            imports = "from pellucid.experiments.inference import network, pairs, training\n"
            made = f"""model = network({self.seed})
for step in training(model, pairs({self.seed}), "batch"):
    if step.kind == "batch" and step.number == {self.batch}:
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
