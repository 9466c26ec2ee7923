"""``lesson``: the lessons, listed, or one of them opened with marimo."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from pellucid.cli.display import show, table
from pellucid.cli.naming import check_name
from pellucid.errors import MissingExtraError, PellucidError
from pellucid.language import say
from pellucid.lessons import WITH_TORCH, path_of, titles

__all__ = ["lesson"]


def lesson(name: str | None, *, out: Path | None, port: int | None, browser: bool) -> None:
    """Open a copy of the lesson ``name`` to read and to change; without a name, list them all.

    The copy lies in the folder ``out``, where one that is there already is gone on with; else it goes when marimo ends.
    """
    if name is None:
        show(table(say("The lessons"), [say("name"), say("about")], list(titles().items())))
        show(say("Open one: pellucid lesson neuron"))
        return
    check_name(name, titles(), say("there is no lesson {name!r}; ", name=name))
    _check_extras(name)
    with TemporaryDirectory(prefix="pellucid-") as folder:
        _edit(_copied(name, Path(folder) if out is None else out), port, browser)


def _copied(name: str, folder: Path) -> Path:
    """Return the copy in the folder, made where it is not there yet; marimo runs it when it opens it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, settings = folder / f"{name}.py", folder / "pyproject.toml"
    if not path.exists():
        shutil.copyfile(path_of(name), path)
    if not settings.exists():
        settings.write_text("[tool.marimo.runtime]\nauto_instantiate = true\n", encoding="utf-8")
    return path


def _check_extras(name: str) -> None:
    if missing := [needed for needed in ("marimo", "anywidget") if find_spec(needed) is None]:
        raise MissingExtraError(
            say("lessons need {name}; install it: pip install 'pellucid[notebook]'", name=" and ".join(missing))
        )
    if name in WITH_TORCH and find_spec("torch") is None:
        raise MissingExtraError(
            say("the lesson {name} needs PyTorch; install it: pip install 'pellucid[torch]'", name=name)
        )


def _edit(path: Path, port: int | None, browser: bool) -> None:
    """Let marimo show the notebook until it is closed; whatever ends this ends marimo too."""
    options: Sequence[str] = [
        *(["--port", str(port)] if port is not None else []),
        *([] if browser else ["--headless"]),
    ]
    command = [
        sys.executable,
        "-m",
        "marimo",
        "--yes",
        "edit",
        str(path),
        "--skip-update-check",
        "--no-sandbox",
        *options,
    ]
    with subprocess.Popen(command) as marimo:  # noqa: S603 - this Python, and a file that pellucid ships
        try:
            status = marimo.wait()
        except BaseException:
            marimo.terminate()
            raise
    if status:
        raise PellucidError(say("marimo ended with status {status}", status=status))
