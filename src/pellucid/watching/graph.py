"""The computation graph of PyTorch code, built as the code runs (define by run).

Within ``with Graph(x=x, w=w) as graph:`` every operation on tensors becomes a Node at the moment in which it runs, with
its inputs (earlier nodes), its value, and the source line that ran::

    node 0   x                       given
    node 1   w                       given
    node 2   w · x                   inputs 1, 0
    node 3   tanh                    input 2

A ``for`` that goes round three times makes its nodes three times; a branch that is not taken makes none. After
``backward()`` each node has its ``slope`` too: how fast the final value would rise with it. Nothing of the computation
is changed: tensors, gradients and random numbers are what they are without a Graph.

Source of the idea: define-by-run automatic differentiation (Tokui et al. 2015, Chainer; Paszke et al. 2017, PyTorch).
"""

import linecache
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np

from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.language import say

__all__ = ["Graph", "Node"]

# How operations are written in formulas; any other by its own name.
SIGNS = {
    "add": "+", "sub": "−", "mul": "·", "div": "/", "truediv": "/", "matmul": "@", "mm": "@", "mv": "@", "pow": "^",
    "neg": "−", "sigmoid": "σ", "cat": "[;]", "getitem": "[ ]", "chunk": "part", "split": "part", "unbind": "part",
}  # fmt: skip
TWO_SIDED = ("add", "sub", "mul", "div", "truediv", "pow")
MOST_NODES = 200


@dataclass(frozen=True, eq=False)
class Node:
    """One value: its ``number``, the ``name`` of what was given ("" for what was computed), the ``operation``.

    ``inputs`` are the numbers of the nodes that it was computed from; ``value`` a copy of what it was when it was made;
    ``line`` the source line that ran, ``place`` its file and number. ``slope`` is None before ``backward()``, and where
    the ``tensor`` was changed in place since (it is None then).
    """

    number: int
    name: str
    operation: str
    inputs: tuple[int, ...]
    value: np.ndarray
    line: str
    place: tuple[str, int]
    tensor: Any

    @property
    def slope(self) -> np.ndarray | None:
        """How fast the final value rises with this one, of the value's shape; None where nobody asked."""
        slope = self.tensor.grad if self.tensor is not None and self.tensor.requires_grad else None
        return None if slope is None else slope.detach().cpu().numpy()

    def __str__(self) -> str:
        made = self.name or f"{self.operation}({', '.join(map(str, self.inputs))})"
        value = np.array2string(self.value, precision=4, suppress_small=True, threshold=6, edgeitems=2)
        return f"{self.number:>4}  {made} = {' '.join(value.split())}"


class Graph(Sequence[Node]):
    """The nodes of a computation in the order in which they were made. Tensors given by name are its first nodes.

    At most ``most`` nodes are kept; ``missed`` counts those beyond. Raises MissingExtraError without PyTorch, and
    InvalidArgumentError for anything given that is no tensor. A Graph records once.
    """

    def __init__(self, *, most: int = MOST_NODES, **given: Any) -> None:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError(
                say("a computation graph needs PyTorch; install it: pip install 'pellucid[torch]'")
            ) from error
        self.most, self.missed = most, 0
        self._nodes: list[Node] = []
        self._number: dict[
            int, int
        ] = {}  # of the node of each tensor; the node keeps the tensor, so its id stays its own
        self._mode = _recorder(self)
        for name, tensor in given.items():
            if not isinstance(tensor, torch.Tensor):
                raise InvalidArgumentError(f"{name} must be a tensor of torch, got {type(tensor).__name__}")
            self._add(name, "", (), tensor, "", ("", 0))

    @overload
    def __getitem__(self, key: int) -> Node: ...
    @overload
    def __getitem__(self, key: slice) -> Sequence[Node]: ...
    def __getitem__(self, key: int | slice) -> Node | Sequence[Node]:
        return self._nodes[key]

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __str__(self) -> str:
        return "\n".join(map(str, self._nodes))

    def __enter__(self) -> Self:
        self._mode.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mode.__exit__(kind, error, trace)

    def _made(self, function: Any, arguments: Sequence[Any], results: Any) -> None:
        """Take in one operation that has just run: ``results`` (tensors) from ``arguments``."""
        several = isinstance(results, list | tuple)
        tensors = [result for result in (results if several else [results]) if _is_number(result)]
        if not tensors:
            return
        line, place = _running_line()
        inputs = tuple(self._known(tensor, line, place) for tensor in _tensors(arguments))
        for part, tensor in enumerate(tensors, 1):
            if several or self._number.get(id(tensor)) is None or not inputs or _writes(function):
                which = f" {part}/{len(tensors)}" if several else ""
                self._add("", _written(function, arguments) + which, inputs, tensor, line, place)

    def _known(self, tensor: Any, line: str, place: tuple[str, int]) -> int:
        """Return the number of the tensor's node; make one for a tensor that nobody has named."""
        if id(tensor) not in self._number and len(self._nodes) < self.most:
            self._add(say("given"), "", (), tensor, line, place)
        return self._number.get(id(tensor), -1)

    def _add(
        self, name: str, operation: str, inputs: tuple[int, ...], tensor: Any, line: str, place: tuple[str, int]
    ) -> None:
        if len(self._nodes) >= self.most or -1 in inputs:
            self.missed += 1
            return
        if tensor.requires_grad and not tensor.is_leaf:
            tensor.retain_grad()
        if id(tensor) in self._number:  # changed in place: its slope will be that of what it is now
            old = self._number[id(tensor)]
            self._nodes[old] = replace(self._nodes[old], tensor=None)
        value = tensor.detach().cpu().numpy().copy()
        self._number[id(tensor)] = len(self._nodes)
        self._nodes.append(Node(len(self._nodes), name, operation, inputs, value, line, place, tensor))


def _recorder(graph: Graph) -> Any:
    """Return the mode of torch in which each of its functions tells ``graph`` what it made."""
    from torch.overrides import TorchFunctionMode

    class Recorder(TorchFunctionMode):  # type: ignore[misc, unused-ignore]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            results = function(*args, **kwargs)
            graph._made(function, [*args, *kwargs.values()], results)
            return results

    return Recorder()


def _is_number(thing: Any) -> bool:
    import torch

    return isinstance(thing, torch.Tensor) and thing.is_floating_point() and thing.numel() > 0


def _tensors(arguments: Sequence[Any]) -> Iterator[Any]:
    """Yield the tensors among the arguments of a function, those in lists too."""
    for argument in arguments:
        if isinstance(argument, list | tuple):
            yield from _tensors(argument)
        elif _is_number(argument):
            yield argument


def _base_name(function: Any) -> str:
    if function.__name__ == "__get__":  # an attribute, such as .T
        return str(function.__self__.__name__)
    return str(function.__name__)


def _writes(function: Any) -> bool:
    """Whether a function changes its tensor in place: torch lets its name end in one underscore."""
    name = _base_name(function)
    return name.endswith("_") and not name.endswith("__")


def _written(function: Any, arguments: Sequence[Any]) -> str:
    """Return how the operation is written: its sign, with the plain number that took part, if there was one."""
    name = _base_name(function).strip("_")
    name = name[1:] if name[:1] in "ri" and name[1:] in SIGNS else name  # radd, iadd
    sign = SIGNS.get(name, name)
    numbers = [a for a in arguments if isinstance(a, int | float) and not isinstance(a, bool)]
    return f"{sign} {numbers[0]:g}" if len(numbers) == 1 and len(arguments) == 2 and name in TWO_SIDED else sign


def _running_line() -> tuple[str, tuple[str, int]]:
    """Return the source line that is running outside torch and this file, and its file and number."""
    import torch

    inside = (str(Path(torch.__file__).parent), __file__)
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(inside):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    return linecache.getline(file, number, frame.f_globals).strip(), (file, number)
