"""``run``, ``tour`` and ``bench``: the experiments, judged and shown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from pellucid.cli.display import note, number, print_json, progress_bar, show, table
from pellucid.cli.naming import check_name
from pellucid.errors import PellucidError
from pellucid.experiments import EXPERIMENTS, Result
from pellucid.experiments import run as run_experiment
from pellucid.language import say

__all__ = ["bench", "run", "tour"]


def run(
    name: str,
    *,
    json: bool,
    seed: int | None,
    figures: Path | None,
    data: Path | None,
    options: Mapping[str, Any],
) -> None:
    """Run the experiment ``name`` and show what it measured; status 1 if that is not as expected."""
    check_name(name, EXPERIMENTS, say("there is no experiment {name!r}; ", name=name))
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)  # better refused now than after the training
    with progress_bar(name) as progress:
        result = run_experiment(name, seed=seed, data=data, options=options, progress=progress)
    if json:
        print_json(result.to_json())
    else:
        _show_result(result)
    if figures is not None:
        _draw([result], figures)
    if not result.passed:
        raise typer.Exit(1)


def tour(*, quick: bool, data: Path | None, out: Path) -> None:
    """Run every experiment, draw and report; leave with status 1 if one of them has failed."""
    from pellucid.watching import write_report

    out.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    failures: dict[str, str] = {}
    for name in EXPERIMENTS:
        try:
            with progress_bar(name) as progress:
                results.append(run_experiment(name, quick=quick, data=data, progress=progress))
        except PellucidError as error:
            failures[name] = str(error)
            note(f"{name}: " + say("failed: {reason}", reason=error))
            continue
        note(f"{name}: " + _verdict(results[-1]))
    _draw(results, out)
    report = write_report(results, out)
    show(_closing_table(results, failures))
    show(say("The report with all figures: {path}", path=report))
    if failures or not all(result.passed or result.skipped for result in results):
        raise typer.Exit(1)


def bench(room: str | None, *, threads: int, device: str | None, data: Path | None, json: bool) -> None:
    """Time Pellucid beside its peers."""
    from pellucid import bench as benchmarks

    with progress_bar("bench") as progress:
        result = benchmarks.run(room=room, threads=threads, device=device, data=data, progress=progress)
    if json:
        print_json(result)
    else:
        show(benchmarks.table(result))


def _draw(results: list[Result], folder: Path) -> None:
    from pellucid.watching import figures

    count = 0
    for result in results:
        if not result.skipped:
            count += len(figures(result, folder))
    note(say("Figures in {folder}: {n}", folder=folder, n=count))


def _show_result(result: Result) -> None:
    if result.skipped:
        show(f"{result.experiment}: {_verdict(result)}")
        return
    figures = {name: value for name, value in result.metrics.items() if _is_short(value)}
    rows = [[name, number(value), result.expected.get(name, "")] for name, value in figures.items()]
    show(*result.summary, table(result.experiment, [say("figure"), say("measured"), say("expected")], rows))
    matrix = result.metrics.get("confusion_matrix")
    if matrix:
        show(say("Confusion matrix: rows are the true classes, columns the predicted ones"))
        width = max(len(str(count)) for row in matrix for count in row) + 1
        show("\n".join("".join(f"{count:>{width}}" for count in row) for row in matrix))
    show(_verdict(result))


def _is_short(value: Any) -> bool:
    return not isinstance(value, Mapping | list | tuple)


def _closing_table(results: list[Result], failures: Mapping[str, str]) -> Any:
    rows = []
    for result in results:
        rows.append([result.experiment, _verdict(result), "", ""])
        rows += [["", name, number(result.metrics.get(name)), wanted] for name, wanted in result.expected.items()]
    rows += [[name, say("failed: {reason}", reason=reason), "", ""] for name, reason in failures.items()]
    return table(say("The tour"), [say("experiment"), say("outcome"), say("measured"), say("expected")], rows)


def _verdict(result: Result) -> str:
    if result.skipped:
        return say("skipped: {reason}", reason=result.skipped)
    if result.passed:
        return say("as expected, in {seconds:.1f} s", seconds=result.seconds)
    return say("not as expected, in {seconds:.1f} s", seconds=result.seconds)
