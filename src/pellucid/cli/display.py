"""What the commands show: JSON or tables on stdout, a moving bar on stderr where that is a terminal."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pellucid.scaling.processes import launched

__all__ = ["note", "number", "print_json", "progress_bar", "show", "table"]


def show(*things: Any) -> None:
    """Print texts and rich renderables on stdout."""
    console = Console(file=sys.stdout, highlight=False, markup=False)
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str))


def note(text: str) -> None:
    """Print a line about the progress on stderr; of several processes only the first does."""
    if launched().rank == 0:
        print(text, file=sys.stderr, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    """Print ``value`` as one line of JSON; what is not finite becomes null, for JSON has no NaN."""
    print(json.dumps(_plain(value), ensure_ascii=False, allow_nan=False))


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0) -> Table:
    """Return a table whose last ``numbers`` columns stand flush right."""
    made = Table(title=title, title_justify="left", title_style="bold")
    for place, heading in enumerate(headings):
        right = place >= len(headings) - numbers
        made.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def number(value: Any) -> str:
    """Return a figure as people read it: eight digits of a float, all of a whole number."""
    return f"{value:.8g}" if isinstance(value, float) else str(value)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float, str], None]]:
    """Show a bar on stderr while the block runs; what it gives is called with (fraction, text)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
    )
    console = Console(file=sys.stderr)
    with Progress(
        *columns, console=console, transient=True, disable=not sys.stderr.isatty() or launched().rank > 0
    ) as progress:
        task = progress.add_task(label, total=1.0, text="")
        yield lambda fraction, text: progress.update(task, completed=fraction, text=text)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # an array, or one of NumPy's numbers
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
