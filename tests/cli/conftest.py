"""The command in a process of its own, and small tables for it."""

import os
import signal
import subprocess
import sys
import warnings
from dataclasses import dataclass

import pytest


@pytest.fixture
def pellucid(tmp_path):
    """Run the command in an empty folder; its output is text."""

    def run(*arguments, language="en", **options):
        environment = {**os.environ, "PELLUCID_LANG": language, "PYTHONWARNINGS": "default"}
        return subprocess.run(
            [sys.executable, "-m", "pellucid", *map(str, arguments)],
            cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
            encoding="utf-8", check=False, **options,
        )  # fmt: skip

    return run


@pytest.fixture
def start(tmp_path):
    """Start the command and go on; whatever is left of it at the end of the test is killed."""
    started = []

    def run(*arguments, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "pellucid", *map(str, arguments)],
            cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def flowers(tmp_path):
    """A table of 90 rows: two numbers, a text column, blanks; the species follows from the length."""
    lines = ["length,width,colour,species"]
    for k in range(90):
        species = ("short", "middle", "long")[k % 3]
        length = 1 + 2 * (k % 3) + 0.01 * k
        lines.append(f"{length:.2f},{'' if k % 10 == 7 else k % 7},{('red', 'blue')[k % 2]},{species}")
    path = tmp_path / "flowers.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run the command in this process, which has imported everything already, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PELLUCID_LANG", raising=False)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments):
        from pellucid.cli import main

        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([str(argument) for argument in arguments])
        for number, handler in handlers.items():
            signal.signal(number, handler)
        return Done(leaving.value.code, *capsys.readouterr())

    return run
