"""Watching: pictures, the terminal and the report, all of which only read Steps, Traces and Results."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.watching.graph import Graph
    from pellucid.watching.notebook import widget
    from pellucid.watching.plots import figures, plot
    from pellucid.watching.report import write_report
    from pellucid.watching.style import chinese_font
    from pellucid.watching.terminal import watch

_WHERE = {
    "Graph": "graph",
    "chinese_font": "style",
    "figures": "plots",
    "plot": "plots",
    "watch": "terminal",
    "widget": "notebook",
    "write_report": "report",
}

__all__ = ["Graph", "chinese_font", "figures", "plot", "watch", "widget", "write_report"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
