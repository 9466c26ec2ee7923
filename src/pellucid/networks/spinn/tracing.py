"""How one sentence is read, step by step: buffer, stack, tracker, the transition and its probability, the tree."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import torch

from pellucid.learning.trace import Record, Trace
from pellucid.networks.spinn.machine import REDUCE, SHIFT, Cell, State, reduce, track
from pellucid.networks.spinn.model import Side, TreeClassifier
from pellucid.trees import Nested, Tree

__all__ = ["Moment", "Reading", "reading"]

SHOWN_WORDS = 6  # of the buffer, in one line


class Moment:
    """One step: what stood before it (``buffer``, ``stack``), what was done (``transition``), what stands after it.

    ``e`` and ``m`` (T,) are the tracker's state, None without one; ``p`` (2,) the probabilities of SHIFT and REDUCE,
    None where none are predicted; ``trees`` is the stack after the step, as trees; ``h`` and ``c`` (H,) its top.
    """

    def __init__(
        self, number: int, buffer: Sequence[str], stack: Sequence[Nested], transition: int, after: Sequence[Nested],
        tracked: tuple[Any, Any] | None, p: np.ndarray | None, top: State,
    ) -> None:  # fmt: skip
        self.number, self.buffer, self.transition = number, tuple(buffer), transition
        self.stack = tuple(Tree.from_nested(tree) for tree in stack)
        self.trees = tuple(Tree.from_nested(tree) for tree in after)
        self.e: np.ndarray | None = None if tracked is None else tracked[0].cpu().numpy()
        self.m: np.ndarray | None = None if tracked is None else tracked[1].cpu().numpy()
        self.p = p
        self.h, self.c = (value.cpu().numpy() for value in top)

    @property
    def name(self) -> str:
        """SHIFT or REDUCE."""
        return "REDUCE" if self.transition == REDUCE else "SHIFT"

    def records(self) -> list[Record]:
        """Return its values as records, their names ending in the number of the step."""
        t = self.number
        made = [
            Record(f"buffer{t}", f"buffer before step {t}", np.array(self.buffer, str), "words"),
            Record(f"stack{t}", f"stack before step {t}", np.array([*map(Tree.to_brackets, self.stack)], str), "trees"),
        ]
        if self.e is not None and self.m is not None:
            made += [
                Record(f"e{t}", f"e{t} = σ(o) tanh(m{t})", self.e, "T"),
                Record(f"m{t}", f"m{t} = tanh(g) σ(i) + m{t - 1} σ(f)", self.m, "T"),
            ]
        if self.p is not None:
            made.append(Record(f"p{t}", f"p{t} = softmax(e{t} U + u), of SHIFT and REDUCE", self.p, "2"))
        return [
            *made,
            Record(f"transition{t}", f"transition {t}: {self.name}", float(self.transition)),
            Record(f"h{t}", f"h{t}, the new top of the stack", self.h, "H"),
            Record(f"c{t}", f"c{t}, its memory", self.c, "H"),
        ]

    def row(self) -> tuple[str, str, str, str, str]:
        """Return number, stack, buffer, transition and probability as text."""
        stack = "  ".join(tree.to_brackets() for tree in self.stack)
        buffer = " ".join(self.buffer[:SHOWN_WORDS]) + (" …" if len(self.buffer) > SHOWN_WORDS else "")
        p = "" if self.p is None else f"{self.p[self.transition]:.3f}"
        return str(self.number), stack, buffer, self.name, p


class Reading(Trace):
    """A Trace of one sentence: ``moments``, one a step, and the ``tree`` that they make.

    ``trace["p3"]`` and the like are the records' values; printed, it is a line a step and the tree.
    """

    def __init__(self, title: str, moments: Sequence[Moment]) -> None:
        super().__init__(title, [record for moment in moments for record in moment.records()])
        self.moments = tuple(moments)
        self.tree = moments[-1].trees[0]

    def __str__(self) -> str:
        rows = [("step", "stack", "buffer", "transition", "p"), *(moment.row() for moment in self.moments)]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self.title, *lines, "", self.tree.draw()])

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(self.title))
        for heading in ("step", "stack", "buffer", "transition", "p"):
            table.add_column(heading, justify="right" if heading in ("step", "p") else "left")
        for moment in self.moments:
            table.add_row(*map(Text, moment.row()))
        return Group(table, Text(self.tree.draw()))

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in moment.row()) + "</tr>" for moment in self.moments
        )
        return (
            f"<table><caption>{escape(self.title)}</caption><thead><tr><th>step</th><th>stack</th><th>buffer</th>"
            f"<th>transition</th><th>p</th></tr></thead><tbody>{rows}</tbody></table>"
            f"<pre>{escape(self.tree.draw())}</pre>"
        )


@torch.no_grad()
def reading(
    model: TreeClassifier, cell: Cell, words: Sequence[str], tokens: np.ndarray, transitions: np.ndarray
) -> Reading:
    """Return how ``words`` are read by these transitions: the steps of ``machine.read``, each one kept."""
    batch = model.prepare([Side([tokens], [transitions])])
    rows = model.leaves(batch)[torch.from_numpy(batch.tokens[0])]
    buffer: list[State] = [(row[: cell.hidden], row[cell.hidden :]) for row in rows]
    names, stack, trees = list(words), list[State](), list[Nested]()
    e = m = cell.d.new_zeros(cell.tracker)
    moments = []
    for number, transition in enumerate(transitions.tolist(), 1):
        before, left_over, p = list(trees), list(names), None
        if cell.tracker:
            e, m = track(cell, buffer, stack, (e, m))
        if cell.predict:
            logits = (e @ cell.U + cell.u).double()
            impossible = [not buffer, len(stack) < 2]
            p = logits.masked_fill(torch.tensor(impossible, device=logits.device), -torch.inf).softmax(0).cpu().numpy()
        if transition == SHIFT:
            stack.append(buffer.pop(0))
            trees.append(names.pop(0))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(reduce(cell, left, right, e if cell.tracker else None))
            trees[-2:] = [(trees[-2], trees[-1])]
        tracked = (e, m) if cell.tracker else None
        moments.append(Moment(number, left_over, before, transition, trees, tracked, p, stack[-1]))
    return Reading(" ".join(words), moments)
