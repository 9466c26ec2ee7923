"""How one sentence is read, step by step: buffer, stack, tracker, the transition and its probability, the tree."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pellucid.language import say
from pellucid.learning.html import framed, sources_html, values_html
from pellucid.learning.step import Step, view
from pellucid.learning.trace import Record, Trace
from pellucid.networks.spinn.machine import Cell, State, possible, reduce, track, track_lstm, tree_lstm
from pellucid.networks.spinn.model import Side, TreeClassifier, pair_features
from pellucid.scaling.loop import learn
from pellucid.trees import SHIFT, Nested, Tree

__all__ = ["FORMULAS", "Reading", "epoch_formulas", "epoch_functions", "probabilities", "reading", "reduced"]

SHOWN_WORDS = 6  # of the buffer, in one line
NAMES = ("SHIFT", "REDUCE")
AXES = {"e": "T", "m": "T", "p": "2", "h": "H", "c": "H"}
FORMULAS = MappingProxyType(
    {
        "m": "m = tanh(g) σ(i) + m σ(f),  [g; i; f; o] = [h_buffer; h_top; h_second; e] V + d",
        "e": "e = σ(o) tanh(m)",
        "p": "p = softmax(e U + u) of SHIFT and of REDUCE, 0 of what is impossible",
    }
)
SHIFTED = MappingProxyType(dict.fromkeys(("c", "h"), "[h; c] = E[word] P + p, of the first word of the buffer"))
EPOCH_FORMULAS = MappingProxyType(
    {
        "loss": "C = -mean log p(label)",
        "gradient_norm": "the largest ‖∂C/∂θ‖ of the epoch",
        "validation_loss": "-mean log p(label), of what is held out",
        "validation_score": "share of right labels, of what is held out",
    }
)


def probabilities(cell: Cell, e: Tensor, buffer: Sequence[Any], stack: Sequence[Any]) -> np.ndarray:
    """Return p (2,) of SHIFT and of REDUCE, float64, from what the tracker knows, e (T,)."""
    logits = (e @ cell.U + cell.u).double()  # (2,)
    impossible = torch.tensor([not can for can in possible(buffer, stack)], device=logits.device)
    return logits.masked_fill(impossible, -torch.inf).softmax(0).cpu().numpy()


class Reading(Trace):
    """A Trace of one sentence: ``moments``, a Step for each transition, and the ``tree`` that they make.

    A moment's values are what stood before it, ``buffer`` (words) and ``stack`` (trees); what the tracker made of
    them, ``e`` and ``m`` (T,), where there is one, and ``p`` (2,), the probabilities of SHIFT and REDUCE, where they
    are predicted; what was done, ``transition`` and its ``name``; and what stands after it: ``trees``, the stack, and
    ``h`` and ``c`` (H,), its top. ``trace["p3"]`` and the like are the records' values; printed, it is a line a step
    and the tree.
    """

    def __init__(self, title: str, moments: Sequence[Step]) -> None:
        super().__init__(title, [record for moment in moments for record in _records(moment)])
        self.moments = tuple(moments)
        self.tree: Tree = moments[-1].trees[0]

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return the number, stack, buffer, transition and probability of each step as text, below their names."""
        names = (say("step"), say("stack"), say("buffer"), say("transition"), "p")
        return [names, *map(_row, self.moments)]

    def __str__(self) -> str:
        rows = self.rows()
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self.title, *lines, "", self.tree.draw()])

    def __rich__(self) -> Any:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        names, *rows = self.rows()
        table = Table(title=Text(self.title))
        for column, heading in enumerate(names):
            table.add_column(heading, justify="right" if column in (0, 4) else "left")
        for row in rows:
            table.add_row(*map(Text, row))
        return Group(table, Text(self.tree.draw()))

    def _repr_html_(self) -> str:
        names, *rows = self.rows()
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        folds = "".join(
            f"<details><summary>{escape(f'{names[0]} {moment.number}: {moment.name}')}</summary>"
            f"{values_html(moment)}</details>"
            for moment in self.moments
        )
        functions = dict.fromkeys(function for moment in self.moments for function in moment.functions)
        return framed(
            self.title,
            f'<table class="left"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            f"<pre>{escape(self.tree.draw())}</pre>{folds}<div class='value'>{sources_html(functions)}</div>",
        )


def _row(moment: Step) -> tuple[str, str, str, str, str]:
    stack = "  ".join(tree.to_brackets() for tree in moment.stack)
    buffer = " ".join(moment.buffer[:SHOWN_WORDS]) + (" …" if len(moment.buffer) > SHOWN_WORDS else "")
    p = f"{moment.p[moment.transition]:.3f}" if "p" in moment.values else ""
    return str(moment.number), stack, buffer, moment.name, p


def _records(moment: Step) -> list[Record]:
    """Return a step's values as records, their names ending in its number."""
    t = moment.number
    made = [
        Record(f"buffer{t}", f"buffer before step {t}", np.array(moment.buffer, str), "words"),
        Record(f"stack{t}", f"stack before step {t}", np.array([*map(Tree.to_brackets, moment.stack)], str), "trees"),
    ]
    top = TreeClassifier.leaves if moment.transition == SHIFT else reduce
    for name, function in (("m", track), ("e", track), ("p", probabilities), ("c", top), ("h", top)):
        if name == "c":
            made.append(Record(f"transition{t}", f"transition {t}: {moment.name}", float(moment.transition)))
        if name in moment.values:
            formula = f"{name}{t}: {moment.formulas[name]}"
            made.append(Record(f"{name}{t}", formula, moment[name], AXES[name], function=function))
    return made


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
        values: dict[str, Any] = {"buffer": tuple(names), "stack": tuple(map(Tree.from_nested, trees))}
        if cell.tracker:
            e, m = track(cell, buffer, stack, (e, m))
            values |= {"m": _kept(m), "e": _kept(e)}
        if cell.predict:
            values["p"] = view(probabilities(cell, e, buffer, stack))
        if transition == SHIFT:
            stack.append(buffer.pop(0))
            trees.append(names.pop(0))
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(reduce(cell, left, right, e if cell.tracker else None))
            trees[-2:] = [(trees[-2], trees[-1])]
        h, c = map(_kept, stack[-1])
        values |= {"transition": transition, "name": NAMES[transition], "c": c, "h": h}
        values["trees"] = tuple(map(Tree.from_nested, trees))
        formulas = {name: formula for name, formula in FORMULAS.items() if name in values}
        formulas |= SHIFTED if transition == SHIFT else reduced(multiply=cell.multiply, tracked=cell.tracker > 0)
        functions = moment_functions(cell, transition)
        moments.append(Step("transition", number, MappingProxyType(values), MappingProxyType(formulas), functions))
    return Reading(" ".join(words), moments)


def _kept(tensor: Tensor) -> np.ndarray:
    return view(tensor.cpu().numpy())


def reduced(*, multiply: bool, tracked: bool) -> dict[str, str]:
    """Return the equations of the state that REDUCE puts on the stack."""
    seen = ["h_left", "h_right", *(["h_left · h_right"] if multiply else []), *(["e"] if tracked else [])]
    gates = f"[a; i; f_left; f_right; o] = [{'; '.join(seen)}] W + b"
    return {
        "c": f"c = tanh(a) σ(i) + c_left σ(f_left) + c_right σ(f_right),  {gates}",
        "h": "h = σ(o) tanh(c)",
    }


def moment_functions(cell: Cell, transition: int) -> tuple[Callable[..., Any], ...]:
    """Return the functions that a transition goes through, in their order."""
    made: tuple[Callable[..., Any], ...] = (track, track_lstm) if cell.tracker else ()
    if cell.predict:
        made += (probabilities,)
    return (*made, TreeClassifier.leaves) if transition == SHIFT else (*made, reduce, tree_lstm)


def epoch_formulas(values: Iterable[str], *, predict: bool) -> Mapping[str, str]:
    """Return the equations behind the values of an epoch's Step."""
    formulas = {name: EPOCH_FORMULAS[name] for name in values if name in EPOCH_FORMULAS}
    if predict:
        formulas["loss"] += " - α mean log p(transition)"
    return MappingProxyType(formulas)


def epoch_functions(model: TreeClassifier) -> tuple[Callable[..., Any], ...]:
    """Return the readable functions that an epoch of training runs; the compiled ones are held equal to them."""
    made: tuple[Callable[..., Any], ...] = (TreeClassifier.leaves,)
    if model.cell is not None:
        made += (track, track_lstm) if model.cell.tracker else ()
        made += (reduce, tree_lstm)
    if model.sides == 2:
        made += (pair_features,)
    return (*made, TreeClassifier.forward, learn)
