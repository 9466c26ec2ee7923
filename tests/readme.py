"""Runs what a document shows, in order: Python blocks, and the `pellucid` commands of console blocks.

`python tests/readme.py README.md ...` does it with the interpreter and the `pellucid` that belong to it.
`print(...)  # text` in a block promises that the line printed is `text`.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROMISE = re.compile(r"^ *print\(.*\)  # (.+)$", re.MULTILINE)


def blocks(document):
    """Return (kind, text, line number) of each Python and console block."""
    text = Path(document).read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 2) for m in BLOCK.finditer(text)]


def commands(text):
    """Return the `pellucid` commands of a console block as lists of arguments."""
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    return [line[1:] for line in lines if line[:1] == ["pellucid"]]


def run_python(text, names, where=""):
    """Run a block in ``names``, and compare what it prints with what it promises."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(text, where or "<block>", "exec"), names)
    promised = PROMISE.findall(text)
    lines = printed.getvalue().splitlines()
    if promised and lines != promised:
        raise AssertionError(f"{where}: promises {promised}, prints {lines}")


def main(documents):
    """Run the documents' blocks, each document's in one empty folder."""
    home = Path.cwd()
    for document in documents:
        names = {"__name__": "__main__"}
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for kind, text, line in blocks(home / document):
                where = f"{document}:{line}"
                if kind == "python":
                    print(where, "python", flush=True)
                    run_python(text, names, where)
                for arguments in commands(text) if kind == "console" else ():
                    print(where, "pellucid", *arguments, flush=True)
                    command = [sys.executable, "-m", "pellucid", *arguments]
                    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
            os.chdir(home)


if __name__ == "__main__":
    main(sys.argv[1:])
