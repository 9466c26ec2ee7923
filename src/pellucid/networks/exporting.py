"""A trained network for where Pellucid is not: as an ONNX file, or as a Python script over NumPy alone.

Both hold what ``predict`` and ``predict_proba`` compute. The script of a network that ``pellucid train`` made reads
tables as that command does; the ONNX file takes the numbers that the columns become, and names them in its metadata.
"""

import json
import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from pellucid import __version__
from pellucid.data import Preprocessor
from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.networks.base import StackEstimator
from pellucid.parts.conv import BatchNorm2d, Conv2d
from pellucid.scaling import import_torch
from pellucid.scaling.modules import activation_function

__all__ = ["write_onnx", "write_python"]


def write_onnx(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a trained network as an ONNX file: input ``X`` (N, D); ``probabilities`` and ``logits``, or ``prediction``.

    All are float32, also where the network is float64: onnxruntime has no float64 convolutions, for one.
    Raises InvalidArgumentError for a model without layers, and MissingExtraError without PyTorch and onnx.
    """
    _check(model)
    torch = import_torch()
    try:
        import onnx
        import onnxscript  # noqa: F401  # what torch exports with
    except ImportError as error:
        raise MissingExtraError(
            "this needs onnx and onnxscript, which are not installed: python -m pip install 'pellucid[torch,onnx]'"
        ) from error
    example = torch.zeros(2, model.n_features_in_)
    names = ["probabilities", "logits"] if hasattr(model, "classes_") else ["prediction"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's exporter warns about itself
        program = torch.onnx.export(
            _answering(torch, model).float().eval(), (example,), input_names=["X"], output_names=names,
            dynamic_shapes=({0: torch.export.Dim("N")},), dynamo=True, verbose=False,
        )  # fmt: skip
    proto = program.model_proto
    for key, value in _about(model).items():
        proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
    onnx.checker.check_model(proto)
    _put(Path(path), proto.SerializeToString())


def _check(model: Any) -> None:
    if not isinstance(model, StackEstimator):
        raise InvalidArgumentError(
            f"only networks of layers can be exported, such as MLPClassifier, got a {type(model).__name__}"
        )
    check_is_fitted(model)


def _about(model: Any) -> dict[str, Any]:
    """Return what a file should say of itself."""
    about: dict[str, Any] = {"pellucid": __version__, "class": type(model).__name__, "dtype": "float32"}
    if hasattr(model, "classes_"):
        about["classes"] = model.classes_.tolist()
    if names := _columns(model):
        about["columns"] = names
    return about


def _columns(model: Any) -> list[str]:
    """Return the names of X's columns, where they are known."""
    known = getattr(model, "preprocessing_", None)
    names = Preprocessor.from_json(known["columns"]).feature_names if known else getattr(model, "feature_names_in_", ())
    return [str(name) for name in names]


def _answering(torch: Any, model: Any) -> Any:
    """Return the torch module from X to what the model answers."""
    link, several = model._make_loss().link, getattr(model, "_multilabel", False)
    center, spread = _unit(model)

    class Answer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = model.to_torch()

        def forward(self, x: Any) -> Any:
            z = self.network(x)
            if not hasattr(model, "classes_"):
                return activation_function(link)(z) * spread + center
            if several:
                return torch.sigmoid(z), z
            if z.shape[1] == 1:
                p = torch.sigmoid(z)
                return torch.cat([1 - p, p], 1), z
            # one output a class through the logistic: share the outputs out
            odds = z if link == "softmax" else torch.nn.functional.logsigmoid(z)
            return torch.softmax(odds, 1), z

    return Answer()


def _unit(model: Any) -> tuple[float, float]:
    """Return what brings a predicted number into the table's unit: its centre and spread."""
    known = getattr(model, "preprocessing_", None) or {"center": 0.0, "spread": 1.0}
    return float(known["center"]), float(known["spread"])


def _put(path: Path, content: bytes) -> None:
    """Give the file its name only when it is whole."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


# -- a script ------------------------------------------------------------------------------------------------

HEAD = '''"""{title}, as plain NumPy. Pellucid {version} has written it.

python {name} TABLE.csv    prints the prediction for each row of a table
The weights are in {weights}, beside this file. In Python: import it, and call predict(X){proba}.
"""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np

W = np.load(Path(__file__).with_suffix(".npz"))

'''

FUNCTIONS = {
    "logistic": "def logistic(z):\n    e = np.exp(-np.abs(z))\n    return np.where(z >= 0, 1, e) / (1 + e)\n",
    "tanh": "tanh = np.tanh\n",
    "relu": "def relu(z):\n    return np.maximum(z, 0)\n",
    "leaky_relu": "def leaky_relu(z):\n    return np.where(z > 0, z, 0.01 * z)\n",
    "elu": "def elu(z):\n    return np.where(z > 0, z, np.expm1(np.minimum(z, 0)))\n",
    "softplus": "def softplus(z):\n    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))\n",
    "gelu": "erf = np.vectorize(math.erf, otypes=[float])\n\n\n"
    "def gelu(z):\n    return (0.5 * z * (1 + erf(z / math.sqrt(2)))).astype(z.dtype)\n",
    "silu": "def silu(z):\n    return z / (1 + np.exp(-z))\n",
    "exp": "exp = np.exp\n",
    "softmax": "def softmax(z):\n    e = np.exp(z - z.max(axis=1, keepdims=True))\n"
    "    return e / e.sum(axis=1, keepdims=True)\n",
    "windows": '''def windows(x, size, stride, padding, fill=0):
    """Every window of the images x (N, C, H, W): (N, C, H', W', height, width)."""
    (top, left), (down, right) = padding, stride
    x = np.pad(x, ((0, 0), (0, 0), (top, top), (left, left)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))[:, :, ::down, ::right]
''',
    "convolution": '''def convolution(x, weight, stride, padding, groups):
    """The convolution of images x (N, C, H, W) with kernels (O, C / groups, k, k): (N, O, H', W')."""
    seen = windows(x, weight.shape[2:], stride, padding)
    parts = zip(np.split(seen, groups, axis=1), np.split(weight, groups))
    return np.concatenate([np.einsum("nchwij,ocij->nohw", s, w, optimize=True) for s, w in parts], axis=1)
''',
}

READING = '''def numbers(rows):
    """X (N, D) of a table's rows, as the network was trained on them."""
    X = []
    for row in rows:
        x = []
        for column in COLUMNS:
            cell = row[column["name"]].strip()
            if column["kind"] == "number":
                value = float(cell) if cell else column["median"]
                x.append((value - column["mean"]) / column["scale"] if column["scale"] else 0.0)
                x += [float(not cell)] if column["blanks"] else []
            else:
                x += [float(cell == level) for level in column["levels"]]
                x += [float(not cell)] if column["blanks"] else []
        X.append(x)
    return np.array(X)


'''
PLAIN = '''def numbers(rows):
    """X (N, D) of a table's rows."""
    return np.array([[float(row[name]) for name in COLUMNS or row] for row in rows])


'''
MAIN = """if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: python {sys.argv[0]} TABLE.csv")
    with open(sys.argv[1], newline="", encoding="utf-8-sig") as table:
        print("\\n".join(map(str, predict(numbers(csv.DictReader(table))).tolist())))
"""


def write_python(model: Any, path: str | os.PathLike[str]) -> None:
    """Write a trained network as a script that needs NumPy alone, and its weights beside it, ending in ``.npz``.

    Raises InvalidArgumentError for a model without layers.
    """
    _check(model)
    path = Path(path)
    forward, used = _forward(model)
    answer, more = _answer(model)
    functions = [FUNCTIONS[name] for name in FUNCTIONS if name in used | more]
    weights = path.with_suffix(".npz")
    title = f"{type(model).__name__} {model.stack_.architecture}"
    proba = " or predict_proba(X)" if hasattr(model, "classes_") else ""
    head = HEAD.format(title=title, version=__version__, name=path.name, weights=weights.name, proba=proba)
    text = head + "".join(_constants(model)) + "\n\n" + "".join(f"{each}\n\n" for each in functions)
    text += f"{forward}\n\n{answer}\n\n{READING if getattr(model, 'preprocessing_', None) else PLAIN}{MAIN}"
    stream = BytesIO()
    np.savez(stream, **model.stack_.parameters.views, **model.stack_.parameters.running)
    _put(weights, stream.getvalue())
    _put(path, text.encode())


def _constants(model: Any) -> Iterator[str]:
    known = getattr(model, "preprocessing_", None)
    columns: Any = [str(name) for name in getattr(model, "feature_names_in_", ())]
    if known:
        columns = [column for column in known["columns"]["columns"] if column["kind"] != "dropped"]
    yield f"COLUMNS = json.loads({json.dumps(json.dumps(columns))})\n"
    if hasattr(model, "classes_"):
        yield f"CLASSES = np.array(json.loads({json.dumps(json.dumps(model.classes_.tolist()))}))\n"


def _forward(model: Any) -> tuple[str, set[str]]:
    """Return the forward pass as code, a line a layer, and the functions that it uses."""
    lines, used = ["def logits(X):", f'    a = np.asarray(X, "{model.stack_.dtype.name}")'], set()
    number = 0
    for layer in model.stack_.layers:
        kind = type(layer).__name__
        code = ""
        if kind == "Dense":
            number += 1
            code = f'a @ W["weight{number}"]' + (f' + W["bias{number}"]' if layer.bias is not None else "")
        elif isinstance(layer, Conv2d):
            number += 1
            code = f'convolution(a, W["weight{number}"], {layer.stride}, {layer.padding}, {layer.groups})'
            code += f' + W["bias{number}"][:, None, None]' if layer.bias is not None else ""
            used |= {"convolution", "windows"}
        elif isinstance(layer, BatchNorm2d):
            mean, variance, gamma, beta = (
                f'W["{name}{number}"][:, None, None]' for name in ("mean", "variance", "gamma", "beta")
            )
            code = f"(a - {mean}) / np.sqrt({variance} + {layer.epsilon}) * {gamma} + {beta}"
        elif kind in {"MaxPool2d", "AveragePool2d"}:
            way, fill = ("max", ", fill=-np.inf") if kind == "MaxPool2d" else ("mean", "")
            code = f"windows(a, {layer.size}, {layer.stride}, {layer.padding}{fill}).{way}(axis=(4, 5))"
            used.add("windows")
        elif kind in {"Flatten", "Unflatten"}:
            code = "a.reshape(len(a), -1)" if kind == "Flatten" else f"a.reshape(-1, *{layer.shape})"
        name = getattr(getattr(layer, "activation", None), "name", "identity")
        if name != "identity":
            used.add(name)
            code = f"{name}({code})"
        if code:
            lines.append(f"    a = {code}")
    return "\n".join([*lines, "    return a\n"]), used


def _answer(model: Any) -> tuple[str, set[str]]:
    """Return ``predict`` and ``predict_proba`` as code, and the functions that they use."""
    link = model._make_loss().link
    if not hasattr(model, "classes_"):
        center, spread = _unit(model)
        p = "logits(X)" if link == "identity" else f"{link}(logits(X))"
        p += f" * {spread!r} + {center!r}" if (center, spread) != (0.0, 1.0) else ""
        flat = "[:, 0]" if model._flat else ""
        return f"def predict(X):\n    return ({p}){flat}\n", {link}
    label = "CLASSES[predict_proba(X).argmax(axis=1)]"
    if model._multilabel:
        p, used, label = "logistic(logits(X))", {"logistic"}, "(logits(X) > 0).astype(int)"
    elif model.stack_.sizes[-1] == 1:
        p, used = "np.hstack([1 - (p := logistic(logits(X))), p])", {"logistic"}
    elif link == "softmax":
        p, used = "softmax(logits(X))", {"softmax"}
    else:
        p, used = "(p := logistic(logits(X))) / p.sum(axis=1, keepdims=True)", {"logistic"}
    return f"def predict_proba(X):\n    return {p}\n\n\ndef predict(X):\n    return {label}\n", used
