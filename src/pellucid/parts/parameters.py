"""All parameters of a network in one flat vector θ, all slopes in another; layers hold named views of both.

An optimizer then updates one vector, and saving, clipping, best weights and finite differences are a line each.
What a network remembers without a slope (running means) is its ``state``; it lies behind θ in the same memory, so
that one copy of ``whole`` keeps everything.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Parameters"]


class Parameters:
    """Named arrays that share one ``vector`` (n,) and one ``gradient`` (n,), and others that share ``state`` (s,).

    The attributes are frozen, because assigning to one would sever the views; write *into* the vector instead.
    Copies and unpickled ones have their own memory and views of it.
    """

    __slots__ = ("gradient", "running", "shapes", "slopes", "state", "state_shapes", "vector", "views", "whole")

    whole: np.ndarray
    vector: np.ndarray
    state: np.ndarray
    gradient: np.ndarray
    shapes: dict[str, tuple[int, ...]]
    state_shapes: dict[str, tuple[int, ...]]
    views: dict[str, np.ndarray]
    running: dict[str, np.ndarray]
    slopes: dict[str, np.ndarray]

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, ...]],
        dtype: Any = np.float32,
        state_shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> None:
        state_shapes = dict(state_shapes or {})
        size, kept = (sum(int(np.prod(shape)) for shape in some.values()) for some in (shapes, state_shapes))
        self._bind(dict(shapes), state_shapes, np.zeros(size + kept, dtype), np.zeros(size, dtype))

    def _bind(
        self,
        shapes: dict[str, tuple[int, ...]],
        state_shapes: dict[str, tuple[int, ...]],
        whole: np.ndarray,
        gradient: np.ndarray,
    ) -> None:
        vector, state = whole[: gradient.size], whole[gradient.size :]
        everything = {
            "shapes": shapes,
            "state_shapes": state_shapes,
            "whole": whole,
            "vector": vector,
            "state": state,
            "gradient": gradient,
            "views": _named(shapes, vector),
            "slopes": _named(shapes, gradient),
            "running": _named(state_shapes, state),
        }
        for name, value in everything.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} is a view that layers share; write into it: parameters.{name}[:] = ...")

    def offset(self, name: str) -> int:
        """Return where the named array starts in the vector."""
        start = 0
        for other, shape in self.shapes.items():
            if other == name:
                return start
            start += int(np.prod(shape))
        raise KeyError(name)

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("shapes", "state_shapes", "whole", "gradient")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._bind(dict(state["shapes"]), dict(state["state_shapes"]), state["whole"].copy(), state["gradient"].copy())


def _named(shapes: dict[str, tuple[int, ...]], memory: np.ndarray) -> dict[str, np.ndarray]:
    """Return views of the memory by their names, one behind the other."""
    views, start = {}, 0
    for name, shape in shapes.items():
        stop = start + int(np.prod(shape))
        views[name] = memory[start:stop].reshape(shape)
        start = stop
    return views
