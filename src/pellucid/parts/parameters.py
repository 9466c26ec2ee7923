"""All parameters of a network in one flat vector θ, all slopes in another; layers hold named views of both.

An optimizer then updates one vector, and saving, clipping, best weights and finite differences are a line each.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["Parameters"]


class Parameters:
    """Named arrays that share one ``vector`` (n,) and one ``gradient`` (n,).

    The attributes are frozen, because assigning to one would sever the views; write *into* the vector instead.
    Copies and unpickled ones have their own memory and views of it.
    """

    __slots__ = ("gradient", "shapes", "slopes", "vector", "views")

    vector: np.ndarray
    gradient: np.ndarray
    shapes: dict[str, tuple[int, ...]]
    views: dict[str, np.ndarray]
    slopes: dict[str, np.ndarray]

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], dtype: Any = np.float32) -> None:
        size = sum(int(np.prod(shape)) for shape in shapes.values())
        self._bind(dict(shapes), np.zeros(size, dtype), np.zeros(size, dtype))

    def _bind(self, shapes: dict[str, tuple[int, ...]], vector: np.ndarray, gradient: np.ndarray) -> None:
        views, slopes, start = {}, {}, 0
        for name, shape in shapes.items():
            stop = start + int(np.prod(shape))
            views[name] = vector[start:stop].reshape(shape)
            slopes[name] = gradient[start:stop].reshape(shape)
            start = stop
        everything = {
            "shapes": shapes,
            "vector": vector,
            "gradient": gradient,
            "views": views,
            "slopes": slopes,
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
        return {"shapes": self.shapes, "vector": self.vector, "gradient": self.gradient}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._bind(dict(state["shapes"]), state["vector"].copy(), state["gradient"].copy())
