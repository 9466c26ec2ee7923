"""One key at a time, on POSIX systems and on Windows; the terminal is given back as it was."""

import sys
from collections import deque
from types import TracebackType
from typing import Literal, Self

__all__ = ["Keys", "Wish"]

Wish = Literal["next", "back", "play", "quit"]

# What a key asks for; any other means "next". Arrow keys arrive as escape sequences, on Windows as two codes.
_WISHES: dict[str, Wish] = {
    **dict.fromkeys(("b", "B", "\x7f", "\x08"), "back"),
    **dict.fromkeys(("\x1b[D", "\x1b[A", "\x1bOD", "\x1bOA", "\xe0K", "\xe0H", "\x00K", "\x00H"), "back"),
    **dict.fromkeys(("p", "P"), "play"),
    **dict.fromkeys(("q", "Q", "\x1b", "\x04", "\x1a"), "quit"),
}


class Keys:
    """Reads keys within a ``with`` block: ``keys.read(0.5)`` waits half a second at most (None: for ever)."""

    def __enter__(self) -> Self:
        self._waiting: deque[str] = deque()
        if sys.platform != "win32":
            import termios
            import tty

            self._fd = sys.stdin.fileno()
            self._saved = termios.tcgetattr(self._fd)
            tty.setcbreak(self._fd)  # keys come at once and unechoed, while Ctrl-C stays Ctrl-C
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if sys.platform != "win32":
            import termios

            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._saved)

    def read(self, timeout: float | None = None) -> Wish | None:
        """Return what the next key asks for; None if no key came within ``timeout`` seconds."""
        if not self._waiting:
            self._waiting.extend(self._arrived(timeout))
        return _WISHES.get(self._waiting.popleft(), "next") if self._waiting else None

    if sys.platform == "win32":

        def _arrived(self, timeout: float | None) -> list[str]:
            import msvcrt
            from time import monotonic, sleep

            end = None if timeout is None else monotonic() + timeout
            while not msvcrt.kbhit():
                if end is not None and monotonic() >= end:
                    return []
                sleep(0.02)
            key = msvcrt.getwch()
            if key == "\x03":
                raise KeyboardInterrupt
            return [key + msvcrt.getwch() if key in "\x00\xe0" else key]

    else:

        def _arrived(self, timeout: float | None) -> list[str]:
            import os
            import select

            if not select.select([self._fd], [], [], timeout)[0]:
                return []
            text = os.read(self._fd, 64).decode("utf-8", "replace")
            if not text:  # the terminal has gone
                return ["q"]
            return [text] if text.startswith("\x1b") else list(text)
