"""The report of a tour: one HTML file with every figure inside it, which needs nothing else to open."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

from pellucid import __version__
from pellucid.experiments import Result
from pellucid.language import language, say
from pellucid.watching.gallery import pictures_of
from pellucid.watching.style import Picture, drawing

__all__ = ["write_report"]


def write_report(results: Iterable[Result], folder: str | Path) -> Path:
    """Write ``report.html`` into ``folder`` (made if absent) and return its path.

    One section for each result, with its findings and its figures (embedded, with texts for those who
    cannot see them), and a closing table of all, the skipped ones included.
    """
    results = list(results)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "report.html"
    path.write_text(_page(results), encoding="utf-8", newline="\n")
    return path


def _page(results: Sequence[Result]) -> str:
    title = say("Pellucid: neural networks that you can see through")
    lead = say("What the networks learnt on this machine, just now. Every number and picture was made by this run.")
    page = (
        "<!doctype html>",
        f'<html lang="{"zh-Hans" if language() == "zh" else "en"}">',
        '<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{Path(__file__).with_name('report.css').read_text(encoding='utf-8')}</style>\n</head>",
        f'<body>\n<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p></header>\n<main>',
        *(_section(result) for result in results),
        _closing(results),
        f"</main>\n{_footer()}\n</body>\n</html>\n",
    )
    return "\n".join(page)


def _section(result: Result) -> str:
    lines = result.summary if result.skipped is None else (result.skipped,)
    paragraphs = "\n".join(f"<p>{escape(line)}</p>" for line in lines)
    return (
        f'<section id="{escape(result.experiment)}">\n<header><h2>{escape(_title(result.experiment))}</h2>'
        f'{_verdict(result)}<span class="seconds">{_seconds(result)}</span></header>\n'
        f"{paragraphs}\n{_figures(result)}</section>"
    )


def _figures(result: Result) -> str:
    parts: list[str] = []
    pictures = pictures_of(result)
    if not pictures:
        return ""
    with drawing():
        for draw in pictures.values():
            figure, buffer = draw(result), BytesIO()
            figure.savefig(buffer, format="png")
            image = base64.b64encode(buffer.getvalue()).decode("ascii")
            alternative = escape(_alternative(figure), quote=True)
            parts.append(f'<figure><img alt="{alternative}" src="data:image/png;base64,{image}"></figure>\n')
    return "".join(parts)


def _alternative(figure: Picture) -> str:
    """Return what a picture shows, for those who cannot see it: its own titles."""
    titles = [
        figure.get_suptitle(),
        *(axes.get_title(loc) for axes in figure.axes for loc in ("left", "center")),
    ]
    return "; ".join(title.replace("\n", ", ") for title in titles if title)


def _closing(results: Sequence[Result]) -> str:
    headings = (say("experiment"), say("what was measured"), say("expected"), say("seconds"), say("verdict"))
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    rows = "\n".join(_row(result) for result in results)
    return (
        f"<section>\n<header><h2>{escape(say('All at a glance'))}</h2></header>\n"
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>\n</section>"
    )


def _row(result: Result) -> str:
    measured = "<br>".join(escape(f"{name} = {_number(result.metrics.get(name))}") for name in result.expected)
    expected = "<br>".join(escape(figure) for figure in result.expected.values())
    measured = escape(result.skipped) if result.skipped is not None else measured
    cells = (escape(_title(result.experiment)), measured, expected, _seconds(result), _verdict(result))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _number(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else str(value)


def _title(name: str) -> str:
    titles = {
        "neuron": say("A single neuron"),
        "two-layer": say("Two layers"),
        "xor": say("Exclusive or"),
        "hopfield": say("The Hopfield network"),
        "digits": say("Handwritten digits"),
        "mnist": say("MNIST"),
    }
    return titles.get(name, name)


def _verdict(result: Result) -> str:
    kind = "skipped" if result.skipped is not None else "passed" if result.passed else "missed"
    words = {"skipped": say("skipped"), "passed": say("passed"), "missed": say("missed")}
    return f'<span class="verdict {kind}">{escape(words[kind])}</span>'


def _seconds(result: Result) -> str:
    return "" if result.skipped is not None else escape(say("{seconds:.1f} s", seconds=result.seconds))


def _footer() -> str:
    line = say("Made by Pellucid {version} without a network connection.", version=__version__)
    return f"<footer><p>{escape(line)}</p></footer>"
