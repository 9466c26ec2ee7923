"""Steps, traces and recordings as HTML for notebooks: self-contained, readable on light and on dark paper.

Text takes the notebook's own colour; cells are tinted with see-through orange (positive) and blue (negative), as
strong as the value is large, so that one style serves both.
"""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.language import say
from pellucid.learning.step import source_of

if TYPE_CHECKING:
    from pellucid.learning.recording import Recording
    from pellucid.learning.step import Step
    from pellucid.learning.trace import Record, Trace

__all__ = ["framed", "recording_html", "sources_html", "step_html", "trace_html", "values_html"]

STYLE = """<style>
.pellucid-trace { font: 13px/1.5 system-ui, sans-serif; color: inherit; max-width: 64rem; }
.pellucid-trace h3 { font-size: 1.1em; margin: .2em 0 .6em; }
.pellucid-trace h4 { font-size: .85em; margin: 1em 0 .3em; opacity: .75;
  text-transform: uppercase; letter-spacing: .06em; }
.pellucid-trace .value { display: flex; flex-wrap: wrap; gap: .3em 1.2em; padding: .45em 0;
  border-top: 1px solid rgba(128, 128, 128, .28); }
.pellucid-trace .formula { flex: 1 1 22em; } .pellucid-trace code { font-size: 1.02em; }
.pellucid-trace .shape { opacity: .75; font-size: .88em; margin-left: .6em; }
.pellucid-trace .numbers { overflow-x: auto; max-width: 100%; }
.pellucid-trace table { color: inherit; font: inherit;
  border-collapse: collapse; border: 0; margin: 0; font-variant-numeric: tabular-nums; }
.pellucid-trace tr { background: none; }
.pellucid-trace .left td { text-align: left; font-variant-numeric: normal; }
.pellucid-trace th { color: inherit; text-align: left; padding: .1em .5em; font-weight: 600; border: 0; }
.pellucid-trace td { color: inherit; text-align: right; padding: .1em .5em; border: 0; }
.pellucid-trace details { flex-basis: 100%; font-size: .92em; }
.pellucid-trace summary { cursor: pointer; opacity: .75; }
.pellucid-trace pre { margin: .3em 0; padding: .6em .8em; overflow-x: auto; background: rgba(128, 128, 128, .12); }
.pellucid-trace svg { display: block; width: 100%; max-width: 32rem; height: 5em; }
</style>"""
# Rows and columns of a matrix that are written out; the rest is an ellipsis.
MOST = 8
ORANGE, BLUE = "213, 94, 0", "0, 114, 178"


def framed(title: str, body: str) -> str:
    """Return HTML under a title, with the style that all of it shares."""
    return f'{STYLE}<div class="pellucid-trace"><h3>{escape(title)}</h3>{body}</div>'


def step_html(step: "Step") -> str:
    """Return a Step as HTML: each value with its formula and shape, and the source of what made them."""
    title = f"{step.kind} {step.number}"
    return framed(title, f'{values_html(step)}<div class="value">{sources_html(step.functions)}</div>')


def values_html(step: "Step") -> str:
    """Return a Step's values, each with its formula and shape."""
    return "".join(
        f'<div class="value"><div class="formula">{_label(name, step.formulas.get(name, ""))}'
        f'<span class="shape">{escape(_shape(shape))}</span></div>{_value(step[name])}</div>'
        for name, shape in step.shapes.items()
    )


def _label(name: str, formula: str) -> str:
    """Return a name and its formula; the name once, where the formula begins with it."""
    return f"{'' if formula.startswith(f'{name} =') else escape(name)} <code>{escape(formula)}</code>"


def sources_html(functions: Iterable[Callable[..., Any]]) -> str:
    """Return the sources of functions, each under a fold."""
    return "".join(_source(function) for function in functions)


def _shape(shape: Any) -> str:
    if isinstance(shape, list):
        return ", ".join(map(_shape, shape))
    return "x".join(map(str, shape))


def _value(value: Any) -> str:
    """Return numbers as tinted cells, a list of arrays one after another, all else as text."""
    if isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value):
        return "".join(map(_value, value))
    if np.asarray(value).dtype.kind in "fiub":
        return _numbers(value)
    words = value if isinstance(value, list | tuple) else [value]
    return f'<div class="numbers">{escape("   ".join(map(str, words)))}</div>'


def trace_html(trace: "Trace") -> str:
    """Return a Trace as HTML: each value with its formula, its shape and the source of what made it."""
    parts = []
    for phase, records in groupby(trace.records, key=lambda record: record.phase):
        parts.append(f"<h4>{escape(_phase(phase))}</h4>")
        parts.extend(_record(record) for record in records)
    return framed(trace.title, "".join(parts))


def _phase(phase: str) -> str:
    words = {"forward": say("forward"), "loss": say("loss"), "backward": say("backward"), "update": say("update")}
    return words.get(phase, phase)


def _record(record: "Record") -> str:
    from pellucid.learning.trace import shape_text

    shape = shape_text(record)
    return (
        f'<div class="value"><div class="formula"><code>{escape(record.formula)}</code>'
        f'<span class="shape">{escape(shape)}</span></div>{_numbers(record.value)}'
        f"{'' if record.function is None else _source(record.function)}</div>"
    )


def _source(function: Callable[..., Any]) -> str:
    summary = f"{say('source')}: {function.__qualname__}"
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(source_of(function))}</pre></details>"


def _numbers(value: "np.ndarray | float") -> str:
    """Return a number, vector or matrix as a table of tinted cells; what is beyond ``MOST`` is left out."""
    array = np.asarray(value, dtype=np.float64)
    table = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else np.atleast_2d(array)
    limit = float(np.abs(table[np.isfinite(table)]).max(initial=0)) or 1.0
    rows = [_row(row, limit) for row in table[:MOST]]
    if len(table) > MOST:
        rows.append("<tr><td>⋮</td></tr>")
    return f'<div class="numbers"><table>{"".join(rows)}</table></div>'


def _row(row: np.ndarray, limit: float) -> str:
    cells = "".join(_cell(float(value), limit) for value in row[:MOST])
    return f"<tr>{cells}{'<td>…</td>' if len(row) > MOST else ''}</tr>"


def _cell(value: float, limit: float) -> str:
    strength = min(1.0, abs(value) / limit) * 0.42 if np.isfinite(value) else 0.0
    text = f"{value:.4g}".replace("-", "\u2212")
    return f'<td style="background:rgba({ORANGE if value > 0 else BLUE},{strength:.2f})">{text}</td>'


def recording_html(recording: "Recording") -> str:
    """Return a Recording as HTML: how it was thinned, a curve for each number, the source of what ran."""
    names = [name for name in recording.names() if _is_number(recording, name)]
    curves = "".join(_curve(name, recording.formulas.get(name, ""), *recording.curve(name)) for name in names)
    functions = recording[0].functions if len(recording) else ()
    return framed(recording.title(), f'{curves}<div class="value">{sources_html(functions)}</div>')


def _is_number(recording: "Recording", name: str) -> bool:
    return all(isinstance(step.values.get(name, 0.0), float) for step in recording)


def _curve(name: str, formula: str, numbers: Sequence[int], values: Sequence[float]) -> str:
    x, y = np.asarray(numbers, dtype=np.float64), np.asarray(values, dtype=np.float64)
    across = 400 * (x - x[0]) / max(1.0, x[-1] - x[0])
    spread = float(y.max() - y.min()) or 1.0
    up = 60 - 56 * (y - y.min()) / spread
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across, up, strict=True))
    label = say("{name} from {first} to {last}", name=name, first=f"{y[0]:.5g}", last=f"{y[-1]:.5g}")
    return (
        f'<div class="value"><div class="formula">{escape(label)} '
        f'<span class="shape"><code>{escape(formula)}</code></span></div>'
        f'<svg viewBox="0 0 400 64" preserveAspectRatio="none" role="img" aria-label="{escape(label, quote=True)}">'
        f'<polyline points="{points}" fill="none" stroke="rgb({BLUE})" stroke-width="2" '
        'vector-effect="non-scaling-stroke"/></svg></div>'
    )
