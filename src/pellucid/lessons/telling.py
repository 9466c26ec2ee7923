"""What the lessons share: the choice of language, and texts in both."""

from typing import Any

import marimo as mo

from pellucid.language import language

__all__ = ["Teller", "switch"]

Both = tuple[str, str]  # English, Chinese


def switch() -> Any:
    """Return the buttons that choose the language; it begins with that of PELLUCID_LANG."""
    names = {"English": "en", "简体中文": "zh"}
    begin = next(name for name, code in names.items() if code == language())
    return mo.ui.radio(names, value=begin, inline=True)


class Teller:
    """Tells texts in one language: ``tell(english, chinese)`` is Markdown for a notebook."""

    def __init__(self, code: str) -> None:
        self.code = code

    def text(self, english: str, chinese: str) -> str:
        """Return the one of the two that is wanted."""
        return chinese if self.code == "zh" else english

    def __call__(self, english: str, chinese: str) -> Any:
        return mo.md(self.text(english, chinese))

    def fold(self, heading: Both, body: Both) -> Any:
        """Return a derivation that only those unfold who want it."""
        return mo.accordion({self.text(*heading): self(*body)})

    def note(self, english: str, chinese: str) -> Any:
        """Return a remark in a frame."""
        return mo.callout(self(english, chinese), kind="info")
