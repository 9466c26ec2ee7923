"""What the documents show works as shown, and both languages show the same."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from readme import blocks, commands, run_python  # noqa: E402 - a script's neighbour, not a package's module

DOCUMENTS = [
    "README.md",
    "README.zh-CN.md",
    "docs/neuron.md",
    "docs/mlp.md",
    "docs/model-files.md",
    "docs/scaling.md",
    "docs/watching.md",
    "docs/studio.md",
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_python_block_runs_and_prints_what_it_promises(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = [(text, line) for kind, text, line in blocks(ROOT / document) if kind == "python"]
    names = {"__name__": "__main__"}
    for text, line in found:
        run_python(text, names, f"{document}:{line}")
    assert found


def test_a_broken_promise_is_noticed():
    with pytest.raises(AssertionError, match=r"promises \['3'\], prints \['2'\]"):
        run_python("print(1 + 1)  # 3\n", {})


def test_both_languages_show_the_same_code_and_commands():
    english, chinese = (
        [(kind, strip_comments(text)) for kind, text, _ in blocks(ROOT / name)] for name in DOCUMENTS[:2]
    )
    assert english == chinese


def test_every_command_of_the_documents_is_understood():
    shown = [
        arguments
        for document in [*DOCUMENTS, "docs/command-line.md"]
        for kind, text, _ in blocks(ROOT / document)
        if kind == "console"
        for arguments in commands(text)
    ]
    assert len(shown) > 10
    known = subprocess.run([sys.executable, "-m", "pellucid", "--help"], capture_output=True, text=True, check=True)
    for arguments in shown:
        assert f"  {arguments[0]} " in known.stdout, arguments


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))),
    ],
)
def test_every_link_to_a_file_leads_somewhere(document):
    import re

    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text) for t in t if t]
    missing = [t for t in targets if t and "://" not in t and not ((ROOT / document).parent / t).exists()]
    assert not missing


def strip_comments(text):
    return "\n".join(line.partition("  # ")[0].rstrip() for line in text.splitlines() if not line.startswith("#"))
