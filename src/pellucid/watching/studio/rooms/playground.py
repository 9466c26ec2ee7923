"""The playground: a small multilayer network learns to tell two colours of points on the plane apart."""

from typing import Any

import numpy as np

from pellucid import MLPClassifier
from pellucid.data import circles, clouds, moons, spirals
from pellucid.errors import DivergenceError, InvalidArgumentError
from pellucid.language import phrase
from pellucid.learning.step import Step, source_of
from pellucid.parts.activation import ACTIVATIONS
from pellucid.parts.loss import link_function
from pellucid.watching.studio.messages import Reader, number
from pellucid.watching.studio.points import MOST_BYTES, content_of, points_of
from pellucid.watching.studio.rooms import Answer, about_step, shown

__all__ = ["Playground", "open_room"]

SHAPES = {"clouds": clouds, "circles": circles, "moons": moons, "spirals": spirals}
EPOCHS = 20_000  # at most
GRID, SIDE = 40, 1.5  # the plane from -1.5 to 1.5, in so many cells each way
BOUNDED = {"logistic": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def open_room(settings: Any) -> "Playground":
    """Return the room; raise InvalidArgumentError for settings beyond their bounds."""
    reader = Reader(settings)
    shape = reader.choice("shape", (*SHAPES, "own"), "circles")
    n, noise = reader.integer("n", 8, 500, 200), reader.number("noise", 0, 0.5, 0.05)
    data_seed = reader.integer("data_seed", 0, 2**32 - 1, 0)
    batch_size = reader.integer("batch_size", 1, 500, 20)
    points = reader.table("points", (0, 500), (3, 3), -SIDE, SIDE, [])
    hidden = reader.integers("hidden", (1, 4), 1, 8, [4, 3])
    model: dict[str, Any] = {
        "activation": reader.choice("activation", [name for name in ACTIVATIONS if name != "exp"], "tanh"),
        "solver": reader.choice("solver", ("sgd", "adam", "adamw", "rmsprop"), "adam"),
        "loss": reader.choice("loss", ("log_loss", "focal", "squared_error", "sum_of_squares"), "log_loss"),
        "learning_rate_init": reader.number("learning_rate", 1e-5, 10, 0.03),
        "alpha": reader.number("alpha", 0, 1, 0.0),
        "random_state": reader.integer("seed", 0, 2**32 - 1, 0),
    }
    reader.done()
    if shape == "own":
        if {point[2] for point in points} != {0.0, 1.0}:
            raise InvalidArgumentError(
                phrase("points must hold some of class 0 and some of class 1, and no other class")
            )
        inputs, labels = [point[:2] for point in points], [int(point[2]) for point in points]
        X, y = np.array(inputs), np.array(labels)
        data, imports = f"X = {inputs}\ny = {labels}", ""
    else:
        X, y = SHAPES[shape](n, noise, data_seed)
        data = f"X, y = {shape}({n}, noise={noise!r}, random_state={data_seed})"
        imports = f"from pellucid.data import {shape}\n"
    model["batch_size"] = min(batch_size, len(y))
    return Playground(X, y, data, imports, hidden, model)


class Playground:
    """``MLPClassifier.steps`` on points of the plane, by the reference engine: the source shown is what ran."""

    def __init__(
        self, X: np.ndarray, y: np.ndarray, data: str, imports: str, hidden: list[int], model: dict[str, Any]
    ) -> None:
        self.X, self.y, self.data, self.imports, self.hidden, self.settings = X, y, data, imports, hidden, model
        self.model = MLPClassifier(tuple(hidden), **model, **_endless(EPOCHS))
        self.run = self.model.steps(X, y)
        self.step: Step | None = None
        self.diverged = ""
        self.traced: tuple[list[float], int] | None = None  # the point that was gone through since the last step
        across = (np.arange(GRID) + 0.5) / GRID * 2 * SIDE - SIDE
        self.grid = np.stack(np.meshgrid(across, across[::-1]), axis=-1).reshape(-1, 2)  # rows from the top
        self.places = np.concatenate([self.grid, X])  # one pass gives the picture and the share of right answers

    def advance(self) -> bool:
        """Train for one epoch."""
        if self.diverged:
            return False
        try:
            step = next(self.run, None)
        except DivergenceError as error:
            self.diverged = error.args[0]
            return False
        if step is None:
            return False
        self.step, self.traced = step, None
        return step.number < EPOCHS

    def frame(self) -> Answer:
        """Return the network as it is, its answer over the plane, and what each hidden unit answers there."""
        if self.step is None:
            self.advance()
        model, stack, cells = self.model, self.model.stack_, GRID * GRID
        with np.errstate(all="ignore"):  # where training diverged, the last weights may overflow out here
            logits, caches = stack.forward(self.places)
            p = np.nan_to_num(link_function(model._make_loss().link, logits[:cells])[:, 0], nan=0.5)
            weights, biases = (
                np.nan_to_num(np.concatenate([part.ravel() for part in parts]).astype(np.float32))
                for parts in (stack.weights, stack.biases)
            )
        units = [
            _tinted(cache.y[:cells], name)
            for cache, name in zip(caches[:-1], stack.activations[:-1], strict=True)
        ]  # fmt: skip
        curve = model.loss_curve_
        thin = 1 + len(curve) // 300
        header = {
            "epoch": model.n_iter_, "of": EPOCHS, "loss": model.loss_,
            "accuracy": np.nan if self.diverged else float(((logits[cells:, 0] > 0) == (self.y == 1)).mean()),
            "curve": [[*range(1, len(curve) + 1, thin)], curve[::thin]], "sizes": list(stack.sizes), "side": SIDE,
            "activations": list(stack.activations[:-1]), "diverged": self.diverged,
        }  # fmt: skip
        arrays = {
            "answer": np.round(255 * p).astype(np.uint8).reshape(GRID, GRID),
            "units": np.concatenate(units, axis=1).T.reshape(-1, GRID, GRID),
            "weights": weights, "biases": biases,
        }  # fmt: skip
        return header, arrays

    def about(self) -> dict[str, Any]:
        """Return the points, formulas and sources."""
        points = np.column_stack([self.X, self.y])
        return about_step(self.step) | {"points": points.tolist()}

    def ask(self, what: str, about: Any) -> Answer:
        """Answer ``export``, ``trace`` (one point's way, forwards and backwards), ``table`` (the points of a CSV)."""
        reader = Reader(about, "about")
        if what == "export":
            reader.done()
            return {"script": self.script()}, {}
        if what == "table":
            name, content = reader.text("name", 200, "table.csv"), reader.text("content", 2 * MOST_BYTES, "")
            reader.done()
            return points_of(content_of(content), name, SIDE) | {"name": name}, {}
        if what != "trace":
            raise InvalidArgumentError(f"this room answers export, trace and table, got {what!r}")
        place = reader.values.pop("x", None)
        if type(place) is not list or len(place) != 2:
            raise InvalidArgumentError("x must be a point, a list of two numbers")
        x = [number("x", item, -SIDE, SIDE) for item in place]
        label = reader.integer("y", 0, 1, 0)
        reader.done()
        if self.step is None:
            self.advance()
        trace, self.traced = self.model.trace(x, label), (x, label)
        functions = {record.function for record in trace if record.function is not None}
        sources = {function.__qualname__: source_of(function) for function in functions}
        return {"trace": shown(trace), "x": x, "y": label, "sources": sources}, {}

    def script(self) -> str:
        """Return a Python program that comes to what is on the screen."""
        # Training that diverged keeps the last finite weights: so does the script, by going as far.
        given = self.settings | _endless(self.model.n_iter_ + bool(self.diverged))
        arguments = "".join(f"    {name}={value!r},\n" for name, value in given.items())
        error = "from pellucid.errors import DivergenceError\n" if self.diverged else ""
        fit = "network.fit(X, y)\n" if not self.diverged else '''try:
    network.fit(X, y)
except DivergenceError as error:
    print(error)
'''  # fmt: skip
        score = "" if self.diverged else ", accuracy {network.score(X, y):.4f}"
        numpy = "" if self.traced is None else "import numpy as np\n\n"
        trace = "" if self.traced is None else f'''
for record in network.trace(*{self.traced}):
    print(record.name, "=", np.asarray(record.value).tolist())
'''  # fmt: skip
        return f'''"""A multilayer network, trained as in Pellucid's studio."""

{numpy}from pellucid import MLPClassifier
{self.imports}{error}
{self.data}
network = MLPClassifier(
    {tuple(self.hidden)!r},
{arguments})
{fit}
print(f"epoch {{network.n_iter_}}: loss {{network.loss_:.10f}}{score}")
{trace}'''


def _endless(epochs: int) -> dict[str, Any]:
    """Return what makes training go on for so many epochs, whatever the loss does."""
    return {"max_iter": epochs, "n_iter_no_change": epochs, "tol": 0, "dtype": "float64", "engine": "reference"}


def _tinted(a: np.ndarray, activation: str) -> np.ndarray:
    """Return activations (n, H) as 0 to 255, with 128 for zero (logistic: one half)."""
    if activation in BOUNDED:
        low, high = BOUNDED[activation]
        share = (a - low) / (high - low)
    else:
        a = np.nan_to_num(a, posinf=1e300, neginf=-1e300)
        share = 0.5 + 0.5 * a / np.maximum(np.abs(a).max(axis=0), 1e-9)
    return np.round(255 * np.clip(share, 0, 1)).astype(np.uint8)
