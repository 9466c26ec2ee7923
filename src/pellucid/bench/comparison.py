"""What a room says about one of its tasks: who does the work, what is compared, against which limit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["OURS", "Comparison", "Contender", "Setting", "Task"]

OURS = "pellucid"


@dataclass(frozen=True)
class Setting:
    """What the caller chose: ``threads`` for everybody, ``data`` the folder of MNIST or None, torch's ``device``."""

    threads: int = 1
    data: str | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Contender:
    """One who does the task: ``work(seed)`` is timed, ``quality`` of what it returns is not."""

    work: Callable[[int], Any]
    quality: Callable[[Any], float]


@dataclass(frozen=True)
class Comparison:
    """One task: Pellucid and its peers at equal settings.

    ``per`` says what one of the times covers. ``contenders`` makes each one by name, Pellucid as
    ``"pellucid"``, when it is needed: a process that measures one holds the data of no other. ``products``
    are the matrix products (m, k, n, how often) that nobody can avoid; where given, their time alone is the
    limit. ``limit`` names another such limit, and ``alone`` makes the work that is nothing but it. ``memory`` asks
    for the growth of the peak resident size, each contender in a new process.
    """

    per: str
    contenders: Mapping[str, Callable[[], Contender]]
    products: tuple[tuple[int, int, int, int], ...] = ()
    memory: bool = False
    limit: str = "sgemm"
    alone: Callable[[], Callable[[int], Any]] | None = None


Task = Callable[[Setting], Comparison]
