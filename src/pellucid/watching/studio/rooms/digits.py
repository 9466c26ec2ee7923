"""The room of the digits: draw one, and see three networks look at it while they learn.

A multilayer network, a convolutional one, and a restricted Boltzmann machine whose hidden units a logistic regression
reads: all learn from the same three quarters of scikit-learn's digits, an epoch a step. (The regression goes on for 25
iterations from where it was, over the machine's hidden units as they are then.)
"""

from collections.abc import Callable
from functools import lru_cache
from textwrap import fill
from typing import Any

import numpy as np

from pellucid import BernoulliRBM, CNNClassifier, MLPClassifier
from pellucid.data.handwriting import block_counts, normalized_bitmap
from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.experiments.digits import Parts, parts
from pellucid.learning.step import Step
from pellucid.learning.trace import Trace
from pellucid.parts.conv import Conv2d, MaxPool2d
from pellucid.parts.dense import Dense
from pellucid.watching.studio.messages import Reader
from pellucid.watching.studio.rooms import Answer, sources_of

__all__ = ["DigitsRoom", "open_room"]

EPOCHS = 30
PAD = 1000  # the pad's side, in the whole numbers that a point is made of
MOST_STROKES, MOST_POINTS = 60, 600
PIXELS, INK = 64, 16
HELD_OUT = 450  # of the 1,797 images
THREE = [[[290, 250], [360, 160], [480, 120], [600, 140], [670, 220], [660, 330], [580, 410], [460, 450], [600, 480],
          [700, 560], [720, 680], [660, 800], [540, 870], [400, 870], [290, 800]]]  # fmt: skip

# The reference engine: the source that is shown is what ran.
ENDLESS: dict[str, Any] = {"max_iter": EPOCHS, "n_iter_no_change": EPOCHS, "tol": 0, "engine": "reference"}
MLP: dict[str, Any] = {
    "hidden_layer_sizes": (100,), "dropout": 0.3, "batch_size": 32, "learning_rate": "cosine",
    "learning_rate_init": 0.005, **ENDLESS,
}  # fmt: skip
CNN: dict[str, Any] = {
    "conv_layers": ((8, 3), (16, 3)), "hidden_layer_sizes": (64,), "shift": 0.8, "rotation": 10.0, "batch_size": 32,
    "learning_rate": "cosine", "learning_rate_init": 0.004, **ENDLESS,
}  # fmt: skip
RBM: dict[str, Any] = {"n_components": 100, "learning_rate": 0.06}
READER: dict[str, Any] = {
    "hidden_layer_sizes": (), "solver": "lbfgs", "warm_start": True, "max_iter": 25, "n_iter_no_change": 25, "tol": 0,
    "engine": "reference",
}  # fmt: skip


def open_room(settings: Any) -> "DigitsRoom":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    strokes = _strokes(reader, THREE)
    image = reader.integer("image", -1, HELD_OUT - 1, -1)
    seed = reader.integer("seed", 0, 2**32 - 1, 0)
    reader.done()
    return DigitsRoom(strokes, image, seed)


def _strokes(reader: Reader, default: list[Any]) -> list[list[list[int]]]:
    """Return what was drawn: at most MOST_STROKES lists of points [x, y], MOST_POINTS in all."""
    strokes = reader.values.pop("strokes", default)
    if type(strokes) is not list or len(strokes) > MOST_STROKES or any(type(stroke) is not list for stroke in strokes):
        raise InvalidArgumentError(f"strokes must be a list of at most {MOST_STROKES} lists of points")
    if sum(map(len, strokes)) > MOST_POINTS:
        raise InvalidArgumentError(
            f"strokes must hold at most {MOST_POINTS} points in all, got {sum(map(len, strokes))}"
        )
    for point in (point for stroke in strokes for point in stroke):
        if type(point) is not list or len(point) != 2 or any(type(v) is not int or not 0 <= v <= PAD for v in point):
            raise InvalidArgumentError(f"strokes must hold points [x, y], whole numbers from 0 to {PAD}")
    return [stroke for stroke in strokes if stroke]


@lru_cache(maxsize=4)
def _parts(seed: int) -> Parts:
    """Return the digits of ``parts``, read once: a room that begins anew need not wait for its file."""
    found = parts(seed)
    for array in found:
        array.flags.writeable = False
    return found


class DigitsRoom:
    """The three networks, and the image that they look at: what was drawn, or one of the test part's."""

    def __init__(self, strokes: list[list[list[int]]], image: int, seed: int) -> None:
        self.seed, self.epoch = seed, 0
        self.X, self.X_test, self.y, self.y_test = _parts(seed)
        self.mlp = MLPClassifier(**MLP, random_state=seed)
        self.cnn = CNNClassifier(**CNN, random_state=seed)
        self.machine = BernoulliRBM(**RBM, random_state=seed)
        self.reader = MLPClassifier(**READER, random_state=seed)
        self.runs = [network.steps(self.X, self.y, "batch") for network in (self.mlp, self.cnn)]
        self.steps: list[Step] = []  # the last of each run
        self.going: Callable[[], bool]
        self.guesses: dict[str, np.ndarray] = {}
        self.accuracies: dict[str, list[float]] = {"mlp": [], "cnn": [], "rbm": []}
        self.show(strokes, image)

    def show(self, strokes: list[list[list[int]]], image: int) -> None:
        """Put before the networks the test part's image ``image`` or, where that is -1, what was drawn."""
        self.strokes, self.image = strokes, image
        self.bitmap = normalized_bitmap(strokes)
        self.counts = block_counts(self.bitmap) if image < 0 else np.rint(self.X_test[image] * INK).reshape(8, 8)
        self.x = (self.counts.reshape(1, PIXELS) / INK).astype(np.float32)

    def advance(self) -> bool:
        """Train each network for one epoch, and let it read the test part."""
        if self.epoch == EPOCHS:
            return False
        self.steps = []
        for run in self.runs:
            step = next(run)
            while step.batch and self.going():  # 0: the epoch is whole
                step = next(run)
            self.steps.append(step)
        if not self.going():
            return False
        self.machine.partial_fit(self.X)
        self.reader.fit(self.machine.transform(self.X), self.y)
        self.epoch += 1
        hidden = self.machine.transform(self.X_test)
        self.guesses = {
            "mlp": self.mlp.predict(self.X_test), "cnn": self.cnn.predict(self.X_test),
            "rbm": self.reader.predict(hidden),
        }  # fmt: skip
        for name, guess in self.guesses.items():
            self.accuracies[name].append(float((guess == self.y_test).mean()))
        return self.epoch < EPOCHS

    def frame(self) -> Answer:
        """Return how the networks do on the test part, and what they make of the image."""
        header, arrays = self._seen()
        header |= {"epoch": self.epoch, "of": EPOCHS, "tested": HELD_OUT, "accuracies": self.accuracies}
        header |= {} if self.epoch else {"begins": True}
        for name, guess in self.guesses.items():
            pairs = np.bincount(10 * self.y_test + guess, minlength=100)
            arrays[f"confusion_{name}"] = pairs.astype(np.uint8)  # a digit is tested some 45 times
        return header, arrays

    def _traces(self) -> tuple[Trace, Trace, np.ndarray, Trace]:
        hidden = self.machine.transform(self.x)
        return self.mlp.trace(self.x), self.cnn.trace(self.x), hidden, self.reader.trace(hidden)

    def _seen(self) -> Answer:
        """Return the image and, once they have learnt, what each network makes of it, from the values of its trace."""
        header: dict[str, Any] = {
            "probabilities": None, "image": self.image, "blank": not self.counts.any(),
            "digit": int(self.y_test[self.image]) if self.image >= 0 else None,
        }  # fmt: skip
        arrays = {
            "bitmap": (self.bitmap & (self.image < 0)).astype(np.uint8), "counts": self.counts.astype(np.uint8),
        }  # fmt: skip
        if not self.epoch:
            return header, arrays
        mlp, cnn, hidden, reader = self._traces()
        header["probabilities"] = {
            name: np.asarray(trace["p"])[0] for name, trace in (("mlp", mlp), ("cnn", cnn), ("rbm", reader))
        }
        arrays |= {
            "mlp_units": _float32(mlp["a1"]), "rbm_units": _float32(hidden),
            "rbm_image": _float32(self.machine.reconstruct(self.x)), "kernels": _float32(self.cnn.coefs_[0]),
        }  # fmt: skip
        for stage in (1, 2):
            arrays |= {f"{name}{stage}": _float32(cnn[f"{name}{stage}"]) for name in ("a", "m")}
            arrays[f"source{stage}"] = np.asarray(cnn[f"source{stage}"]).astype(np.uint8)
        return header, arrays

    def about(self) -> dict[str, Any]:
        """Return what is drawn, and once the networks have learnt their formulas and the sources of what ran."""
        about: dict[str, Any] = {
            "formulas": {}, "sources": sources_of(normalized_bitmap, block_counts), "strokes": self.strokes,
            "tests": HELD_OUT,
        }  # fmt: skip
        if not self.epoch:
            return about
        from pellucid.parts.compiled.boltzmann import contrast  # by now it has been compiled

        mlp, cnn, _, reader = self._traces()
        about["formulas"] = {f"MLP {record.name}": f"MLP   {record.formula}" for record in mlp}
        about["formulas"] |= {f"CNN {record.name}": f"CNN   {record.formula}" for record in cnn}
        about["formulas"]["RBM h"] = "RBM   P(h = 1 | v) = σ(c + W v)"
        about["formulas"] |= {f"RBM {record.name}": f"RBM   {record.formula}" for record in reader if record.layer}
        functions = dict.fromkeys(function for step in self.steps for function in step.functions)
        there_and_back = (way for layer in (Dense, Conv2d, MaxPool2d) for way in (layer.forward, layer.backward))
        machine = (BernoulliRBM.partial_fit, BernoulliRBM._advance, contrast, BernoulliRBM.transform)
        about["sources"] |= sources_of(*functions, *there_and_back, *machine)
        return about

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``, and ``look``: what the networks make of another drawing or image.

        With ``mistaken``, the image is the first from there on that one of them misreads.
        """
        reader = Reader(about, "about")
        if what == "export":
            reader.done()
            if not self.epoch:
                raise PellucidError("there is nothing to export yet: let the networks learn an epoch first")
            return {"script": self.script()}, {}
        if what != "look":
            raise InvalidArgumentError(f"this room answers export and look, got {what!r}")
        strokes = _strokes(reader, self.strokes)
        image = reader.integer("image", -1, HELD_OUT - 1, -1)
        mistaken = reader.boolean("mistaken", default=False)
        reader.done()
        if mistaken and self.epoch:
            wrong = np.flatnonzero(np.any([guess != self.y_test for guess in self.guesses.values()], axis=0))
            later = wrong[wrong >= image]
            image = int(later[0] if len(later) else wrong[0]) if len(wrong) else image
        self.show(strokes, image)
        return self._seen()

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        if self.image < 0:
            imports = "from pellucid.data import drawn_digit\n"
            image = f"drawn_digit(\n    {self.strokes!r}\n)  # points from 0 to {PAD}"
        else:
            imports, image = "", f"X_test[{self.image}]"
        return f'''"""Three networks read a digit, as in Pellucid's studio."""

import numpy as np

from pellucid import BernoulliRBM, CNNClassifier, MLPClassifier
{imports}from pellucid.experiments.digits import Parts, parts

EPOCHS = {self.epoch}  # of each network's {EPOCHS}
X_train, X_test, y_train, y_test = parts(seed={self.seed})
image = {image}

mlp = MLPClassifier(
{_arguments(MLP, self.seed)}
)
cnn = CNNClassifier(
{_arguments(CNN, self.seed)}
)
for network in (mlp, cnn):
    for step in network.steps(X_train, y_train):
        if step.epoch == EPOCHS:
            break

machine = BernoulliRBM(
{_arguments(RBM, self.seed)}
)
reader = MLPClassifier(  # without a hidden layer: logistic regression
{_arguments(READER, self.seed)}
)
for epoch in range(EPOCHS):
    machine.partial_fit(X_train)
    reader.fit(machine.transform(X_train), y_train)

print(f"epoch {{EPOCHS}}")
for name, network, see in (("mlp", mlp, np.asarray), ("cnn", cnn, np.asarray), ("rbm", reader, machine.transform)):
    p = network.predict_proba(see(image[None]))[0]
    print(f"{{name}} reads {{p.argmax()}} (p = {{p.max():.6f}}), accuracy {{network.score(see(X_test), y_test):.4f}}")
'''


def _arguments(given: dict[str, Any], seed: int) -> str:
    text = "".join(f"{name}={value!r}, " for name, value in (given | {"random_state": seed}).items())
    return fill(text, 100, initial_indent="    ", subsequent_indent="    ")


def _float32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)
