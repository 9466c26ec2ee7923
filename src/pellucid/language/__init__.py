"""The language in which Pellucid speaks: English, or Simplified Chinese under ``PELLUCID_LANG=zh``.

``say("{n} epochs", n=3)`` is the text in the language of the moment. The English text is its own key, so the
code reads as what it says; ``zh.json`` beside this file holds the Chinese. A text without an entry is said in
English. A ``phrase`` is the English text, which knows its key: what an error says can be said again in Chinese.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Phrase", "language", "phrase", "say", "speaking"]

_SPOKEN: ContextVar[str | None] = ContextVar("spoken", default=None)


def language() -> str:
    """Return ``"zh"`` where PELLUCID_LANG asks for Chinese (zh, zh_CN, zh_CN.UTF-8), else ``"en"``."""
    asked = _SPOKEN.get() or os.environ.get("PELLUCID_LANG", "")
    return "zh" if asked.strip().lower().replace("-", "_").partition(".")[0].split("_")[0] == "zh" else "en"


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak ``code`` within the block, whatever PELLUCID_LANG says (figures without a Chinese font do)."""
    token = _SPOKEN.set(code)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def say(english: str, **values: Any) -> str:
    """Return ``english`` in the language of the moment, its ``{placeholders}`` filled from ``values``.

    The first argument is always a literal, braces meant as such doubled: a test collects them all and asks
    for the Chinese of each. The environment is read at each call, so that a notebook can change its mind.
    """
    text = _catalogue("zh").get(english, english) if language() == "zh" else english
    return text.format(**values)


class Phrase(str):
    """An English text made from ``key``, an entry of the catalogue, and ``values`` (texts, numbers, other phrases)."""

    key: str
    values: dict[str, Any]

    def plain(self) -> dict[str, Any]:
        """Return ``key`` and ``values`` as JSON holds them, for a page to say them in its own language."""
        values = {name: value.plain() if isinstance(value, Phrase) else value for name, value in self.values.items()}
        return {"key": self.key, "values": values}


def phrase(english: str, **values: Any) -> Phrase:
    """Return ``english`` with its ``{placeholders}`` filled, in English whatever the language of the moment.

    Placeholders are bare names: a value that needs a format is given as text. The first argument is always a literal.
    """
    made = Phrase(english.format(**values))
    made.key, made.values = english, values
    return made


@cache
def _catalogue(code: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads(Path(__file__).with_name(f"{code}.json").read_text(encoding="utf-8"))
    return texts
