"""Names that people type: an unknown one is answered with those that are like it."""

from collections.abc import Collection
from difflib import get_close_matches

from pellucid.errors import InvalidArgumentError
from pellucid.language import say

__all__ = ["check_name"]


def check_name(name: str, names: Collection[str], refusal: str) -> None:
    """Raise InvalidArgumentError, ``refusal`` and what was perhaps meant, where ``name`` is not among ``names``."""
    if name in names:
        return
    there_are = say("there are: {names}", names=", ".join(names))
    if near := get_close_matches(name, names):
        raise InvalidArgumentError(f"{refusal}{say('did you mean {names}?', names=', '.join(near))} ({there_are})")
    raise InvalidArgumentError(refusal + there_are)
