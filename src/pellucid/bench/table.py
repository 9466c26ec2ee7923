"""``table``: a benchmark's result for the eye, each figure beside its goal."""

from collections.abc import Iterator
from typing import Any

from pellucid.bench import goals
from pellucid.language import say

__all__ = ["table"]


def table(result: dict[str, Any]) -> Any:
    """Return what rich prints of a result of ``run``: one line a row, then limits, memory and the machine."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=say("Pellucid and its peers, on this machine"), caption=say(
        "Times faster: time of the peer / time of Pellucid, medians of interleaved runs. "
        "First call: in a new process, with nothing compiled yet."
    ))  # fmt: skip
    for heading in (say("task"), say("peer")):
        shown.add_column(heading, no_wrap=True)
    for heading in (
        say("times faster"), say("goal"), say("spread"), "Pellucid", say("its peer"), say("first call"),
        say("quality"), say("peer's quality"),
    ):  # fmt: skip
        shown.add_column(heading, justify="right")
    previous = None
    for row in result["rows"]:
        if previous not in (None, row["task"]):
            shown.add_section()
        shown.add_row("" if row["task"] == previous else row["task"], *_cells(row))
        previous = row["task"]
    return Group(shown, *(Text(line) for line in _lines(result)))


def _cells(row: dict[str, Any]) -> list[str]:
    goal, met = goals.RATIO.get((row["task"], row["peer"])), goals.met(row)
    colour = {True: "green", False: "red", None: "default"}[met]
    ratio = "-" if row["ratio"] is None else f"[{colour}]{_figure(row['ratio'])}[/]"
    return [
        row["peer"] or "-",
        ratio,
        "" if goal is None else f"{goal:g} {_mark(met)}",
        "-" if row["spread"] is None else f"{100 * row['spread']:.0f} %",
        _duration(row["pellucid_s"]),
        _duration(row["peer_s"]),
        _duration(row["first_call_s"]),
        _quality(row["quality"]),
        _quality(row["peer_quality"]),
    ]


def _lines(result: dict[str, Any]) -> Iterator[str]:
    seen = set()
    for row in result["rows"]:
        if row["task"] not in seen:
            seen.add(row["task"])
            yield f"{row['task']}: {row['per']}"
            if row["limit_share"] is not None:
                yield "  " + say("share of the limit ({limit}): {share}", limit=row["limit"], share=_share(row))
        if row["peak_mb"] is not None and row["peer_peak_mb"] is not None and row["peer"] != "torch-best":
            yield "  " + say(
                "growth of the peak of memory: {ours}, {peer} {theirs:.0f} MB",
                ours=_memory(row), peer=row["peer"], theirs=row["peer_peak_mb"],
            )  # fmt: skip
    machine = result["machine"]
    threads = max((row["threads"] for row in result["rows"]), default=1)
    yield say(
        "{cpu}, {cores} cores, {threads} threads used; load {before} before, {after} after.",
        cpu=machine["cpu"], cores=machine["cores"], threads=threads,
        before=machine.get("load"), after=machine.get("load_after"),
    )  # fmt: skip
    if machine.get("device", "cpu") != "cpu":
        yield say("Both computed on {device}.", device=machine["device"])
    yield ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    if any("stand-in" in row["per"] for row in result["rows"]):
        yield say("MNIST was not found, so enlarged digits stood in: name its folder with --data.")


def _share(row: dict[str, Any]) -> str:
    goal = goals.LIMIT_SHARE.get(row["task"])
    share = f"{100 * row['limit_share']:.0f} %"
    return share if goal is None else f"{share} (>= {100 * goal:.0f} % {_mark(row['limit_share'] >= goal)})"


def _memory(row: dict[str, Any]) -> str:
    goal = goals.PEAK_MB.get(row["task"])
    peak = f"Pellucid {row['peak_mb']:.0f} MB"
    return peak if goal is None else f"{peak} (<= {goal:g} MB {_mark(row['peak_mb'] <= goal)})"


def _mark(met: bool | None) -> str:
    return {True: "✓", False: "✗", None: ""}[met]


def _figure(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _quality(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
