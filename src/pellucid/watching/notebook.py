"""Networks in a notebook: the studio's own views, in JupyterLab and marimo, live while a network trains.

anywidget wants one ES module as text. The views are several, so each ``import ... from "./name.js"`` is replaced by
that file itself, as a data URL: what runs in the notebook is, to the letter, what runs in the studio.
"""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

import pellucid.language
from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.language import language, say
from pellucid.learning.step import Step
from pellucid.learning.trace import Trace
from pellucid.trees import Tree
from pellucid.watching import machines
from pellucid.watching.graph import Graph
from pellucid.watching.values import reading_values

__all__ = ["bundled", "widget"]

VIEWS = Path(__file__).parent / "views"
GRID = 40
MOST_UNITS = 16  # of a layer that is drawn unit by unit
MOST_JUDGED = 1000  # images whose answers are counted, at every step that is shown
MOST_NUMBERS = 64  # of a value in a graph; of a larger one its shape is shown


@cache
def bundled(name: str) -> str:
    """Return the view module ``name`` with everything that it imports inside it."""

    def inside(found: re.Match[str]) -> str:
        text = base64.b64encode(bundled(found[1]).encode()).decode()
        return f'from "data:text/javascript;base64,{text}"'

    return re.sub(r'from "\./(\w+\.js)"', inside, (VIEWS / name).read_text(encoding="utf-8"))


def widget(model: Any, X: Any = None, y: Any = None) -> Any:
    """Return a notebook widget that shows ``model``; ``watch`` keeps it up to date while the network runs.

    A multilayer network is drawn with its weights and its loss, over the plane too where X (N, 2) and y are given; a
    convolutional one with its feature maps of the first image of X, and with y what it takes for what (of at most 1,000
    images, evenly taken); a neuron with
    its first example of X; a Hopfield network with its state; a Bernoulli machine over square pictures with its
    weights, both phases of the step, and the first picture of X as it sees it; SPINN with how it reads the sentence X
    (a text or a ``Tree``), step by step, and so is what its ``trace`` gave; a Graph as it was built. In a notebook::

        shown = pellucid.watching.widget(model, X, y)
        shown                                             # the last line of a cell
        for step in shown.watch(model.steps(X, y)): ...   # it moves

    Raises MissingExtraError without the extra ``notebook``; InvalidArgumentError for what is none of these.
    """
    kind = next((name for name in _SHOWN for base in type(model).__mro__ if base.__name__ == name), None)
    if kind is None or type(model).__name__ == "GaussianRBM":  # whose visible units are no pictures
        raise InvalidArgumentError(
            f"widget shows {', '.join(_SHOWN)}, got {type(model).__name__}; plot draws the other networks"
        )
    shown = _shown_type()(model, X, y, _SHOWN[kind])
    shown.refresh()
    return shown


@cache
def _shown_type() -> Any:
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise MissingExtraError(
            say("the widget needs {name}; install it: pip install 'pellucid[notebook]'", name=error.name)
        ) from error

    class Shown(anywidget.AnyWidget):
        """A network in a notebook."""

        _esm = bundled("widget.js")
        _css = (VIEWS / "views.css").read_text(encoding="utf-8")
        views = traitlets.List(traitlets.Unicode()).tag(sync=True)
        texts = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
        sizes = traitlets.List().tag(sync=True)
        weights, answer, units = (traitlets.Bytes().tag(sync=True) for _ in range(3))
        columns = traitlets.Int(GRID).tag(sync=True)
        side = traitlets.Float(1.5).tag(sync=True)
        points = traitlets.List().tag(sync=True)
        tool = traitlets.Unicode("").tag(sync=True)
        curve = traitlets.List().tag(sync=True)
        curve_label = traitlets.Unicode("").tag(sync=True)
        record = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
        state = traitlets.List().tag(sync=True)
        pad_side = traitlets.Int(10).tag(sync=True)
        maps, chosen, confusion, classes = (traitlets.List().tag(sync=True) for _ in range(4))
        filters, positive, negative, change, v_data, v_model = (traitlets.Bytes().tag(sync=True) for _ in range(6))
        hidden, reconstruction = (traitlets.Bytes().tag(sync=True) for _ in range(2))
        tile = traitlets.Int(8).tag(sync=True)
        hidden_unit = traitlets.Int(0).tag(sync=True)
        on_share, picture = (traitlets.List().tag(sync=True) for _ in range(2))
        rate, changed = (traitlets.Float(0.0).tag(sync=True) for _ in range(2))
        unit = traitlets.Int(allow_none=True, default_value=None).tag(sync=True)
        graph = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
        reading = traitlets.Dict().tag(sync=True)
        moment = traitlets.Int(-1).tag(sync=True)

        def __init__(self, network: Any, X: Any, y: Any, values: Any) -> None:
            catalogue = Path(pellucid.language.__file__).with_name("zh.json")
            texts = json.loads(catalogue.read_text(encoding="utf-8")) if language() == "zh" else None
            super().__init__(texts=texts)
            self._network, self._values = network, values
            is_numbers = X is not None and not isinstance(X, str | Tree)
            self._data = np.asarray(X, np.float64) if is_numbers else X, None if y is None else np.asarray(y)

        def watch(self, steps: Iterable[Step], every: int = 1) -> Iterator[Step]:
            """Yield each step as it comes, and show every ``every``-th and the last."""
            step = None
            for number, step in enumerate(steps, 1):
                if number % every == 0:
                    self.refresh(step)
                yield step
            self.refresh(step)

        def refresh(self, step: Step | None = None) -> None:
            """Show the network as it is now."""
            with self.hold_sync():
                for name, value in self._values(self._network, *self._data, step).items():
                    setattr(self, name, value)

    return Shown


# -- what is shown of which network ----------------------------------------------------------------------------


def _network(model: Any, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    plane = X is not None and X.ndim == 2 and X.shape[1] == 2 and y is not None and hasattr(model, "predict_proba")
    values: dict[str, Any] = {"views": ["network", "boundary", "curve"] if plane else ["network", "curve"]}
    if not model.__sklearn_is_fitted__():
        return values | {"views": []} if step is None and not plane else values | _points(X, y)
    stack = model.stack_
    if max(stack.sizes) > MOST_UNITS:
        values["views"] = [view for view in values["views"] if view != "network"]
    else:
        weights = np.concatenate([weight.ravel() for weight in stack.weights])
        values |= {"sizes": list(stack.sizes), "weights": weights.astype("<f4").tobytes()}
    curve = list(model.loss_curve_)
    thin = 1 + len(curve) // 300
    values |= {"curve": [[*range(1, len(curve) + 1, thin)], curve[::thin]], "curve_label": say("loss")}
    return values | (_points(X, y) | _answers(model, X) if plane and X is not None else {})


def _points(X: np.ndarray | None, y: np.ndarray | None) -> dict[str, Any]:
    if X is None or y is None or X.ndim != 2 or X.shape[1] != 2:
        return {}
    second = (y == np.unique(y)[-1]).astype(float)
    return {"points": np.column_stack([X, second])[:500].tolist(), "side": float(1.1 * np.abs(X).max()) or 1.0}


def _answers(model: Any, X: np.ndarray) -> dict[str, Any]:
    side = float(1.1 * np.abs(X).max()) or 1.0
    across = (np.arange(GRID) + 0.5) / GRID * 2 * side - side
    grid = np.stack(np.meshgrid(across, across[::-1]), axis=-1).reshape(-1, 2)  # rows from the top
    return {"answer": np.round(255 * model.predict_proba(grid)[:, -1]).astype(np.uint8).tobytes()}


def _convolutional(model: Any, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    if not model.__sklearn_is_fitted__():
        return {"views": []}
    values = _network(model, None, None, step) | {"views": ["curve"]}
    if X is not None:
        values |= {"views": ["maps", "curve"], "maps": _maps(model.trace(X[:1]))}
        if y is not None:
            sample = np.linspace(0, len(X) - 1, min(len(X), MOST_JUDGED)).astype(int)  # evenly, if they stand in order
            y, found, classes = y[sample], model.predict(X[sample]), model.classes_
            taken = [int(((y == a) & (found == b)).sum()) for a in classes for b in classes]  # row: what it is
            values |= {"views": ["maps", "confusion", "curve"], "confusion": taken, "classes": classes.tolist()}
    return values


def _maps(trace: Trace) -> list[dict[str, Any]]:
    """Return each stage's feature maps, with the places that their maxima came from."""
    shown = {record.name: np.asarray(record.value) for record in trace}
    maps: list[dict[str, Any]] = []
    for number in count(1):
        if f"a{number}" not in shown or shown[f"a{number}"].ndim != 4:
            return maps
        a = shown[f"a{number}"][0]  # (O, H, W)
        group = {
            "title": say("Feature maps of convolution {n}", n=number), "rows": a.shape[1], "columns": a.shape[2],
            "cell": max(2, 56 // a.shape[2]), "values": a.ravel().tolist(),
        }  # fmt: skip
        if (source := shown.get(f"source{number}")) is not None:
            group |= {"sources": source[0].ravel().tolist(), "windows": list(source.shape[2:])}
        maps.append(group)
    return maps


def _neuron(model: Any, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    if X is None:
        raise InvalidArgumentError("widget shows a neuron at its first example: give X, and y if it learns")
    if not model.__sklearn_is_fitted__():
        return {"views": ["neuron"]}
    target = None if y is None else y[0]
    values = {record.name: np.asarray(record.value) for record in model.trace(X[0], target)}
    record = {
        "inputs": values["X"][0].tolist(), "weights": values["w"].tolist(), "z": float(values["z"][0]),
        "output": float(values["output"][0]), "target": None if target is None else target.item(),
        "error": float(values["error"][0]) if "error" in values else None,
        "change": values["change"].tolist() if "change" in values else None,
    }  # fmt: skip
    return {"views": ["neuron"], "record": record}


def _hopfield(model: Any, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    check_is_fitted(model)
    state = step.state if step is not None else model.patterns_[0] if X is None else np.atleast_2d(X)[0]
    unit = None if step is None else step.values.get("unit")
    return {
        "views": ["hopfield"], "state": np.asarray(state).astype(int).tolist(), "unit": unit,
        "pad_side": int(np.ceil(np.sqrt(len(state)))),
    }  # fmt: skip


def _machine(model: Any, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    if not model.__sklearn_is_fitted__():
        return {"views": ["rbm"]}
    tile = math.isqrt(model.n_features_in_)
    if tile * tile != model.n_features_in_:
        raise InvalidArgumentError(
            f"widget shows a machine over square pictures, of 64 or 784 pixels for example, got {model.n_features_in_}"
        )
    values: dict[str, Any] = {"views": ["rbm"], "tile": tile}
    arrays = machines.weights(model.components_)[1]
    if step is not None:
        numbers, pictures = machines.phases(step)
        values |= {name: numbers[name] for name in ("rate", "changed", "on_share")}
        arrays |= pictures
    if X is not None:
        first = np.atleast_2d(X)[:1]
        values["picture"] = np.rint(16 * first[0]).tolist()
        arrays |= {
            "hidden": machines.share(model.transform(first)[0]),
            "reconstruction": machines.share(model.reconstruct(first)[0]),
        }
    return values | {name: array.tobytes() for name, array in arrays.items()}


def _graph(graph: Graph, X: np.ndarray | None, y: np.ndarray | None, step: Step | None) -> dict[str, Any]:
    lines = {node.place: node.line for node in graph if node.line}
    order = {place: number for number, place in enumerate(sorted(lines))}

    def plain(value: np.ndarray | None) -> Any:
        if value is None or value.size > MOST_NUMBERS:
            return None
        return value.ravel().tolist() if value.shape else value.item()

    nodes = [
        {
            "name": node.name, "operation": node.operation, "inputs": list(node.inputs), "value": plain(node.value),
            "shape": " × ".join(map(str, node.value.shape)), "slope": plain(node.slope),
            "line": order.get(node.place, -1),
        }
        for node in graph
    ]  # fmt: skip
    return {"views": ["graph"], "graph": {"nodes": nodes, "lines": [lines[p] for p in order], "missed": graph.missed}}


def _spinn(model: Any, X: Any, y: Any, step: Step | None) -> dict[str, Any]:
    if not isinstance(X, str | Tree):
        raise InvalidArgumentError(f"widget shows how SPINN reads a sentence: give X, a text or a Tree, got {X!r}")
    if not model.__sklearn_is_fitted__():
        return {"views": ["spinn"]}
    reading, given = model.trace(X), X if isinstance(X, Tree) else None
    curve = list(model.loss_curve_)
    return {
        "views": ["spinn", "curve"], "reading": reading_values(reading, model.vocabulary_, given),
        "moment": len(reading.moments), "curve": [[*range(1, len(curve) + 1)], curve], "curve_label": say("loss"),
    }  # fmt: skip


def _reading(trace: Any, X: Any, y: Any, step: Step | None) -> dict[str, Any]:
    reading = reading_values(trace, trace.tree.words)  # a trace does not say which words its model knew
    return {"views": ["spinn"], "reading": reading, "moment": len(trace.moments)}


_SHOWN = {
    "CNNClassifier": _convolutional,
    "StackEstimator": _network,
    "Neuron": _neuron,
    "HopfieldNetwork": _hopfield,
    "BernoulliRBM": _machine,
    "SPINNClassifier": _spinn,
    "Reading": _reading,
    "Graph": _graph,
}
