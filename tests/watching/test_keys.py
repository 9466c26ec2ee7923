"""Keys come one at a time, and the terminal is given back as it was."""

import os
import sys

import pytest

from pellucid.watching.keys import Keys

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX")
termios = pytest.importorskip("termios", reason="terminal settings are POSIX")


@pytest.fixture
def terminal(monkeypatch):
    master, slave = pty.openpty()
    with os.fdopen(slave, "rb", buffering=0, closefd=False) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield master, slave
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    ("typed", "wish"),
    [
        (b" ", "next"), (b"\n", "next"), (b"x", "next"), (b"\x1b[C", "next"), ("，".encode(), "next"),
        (b"b", "back"), (b"B", "back"), (b"\x1b[D", "back"), (b"\x7f", "back"),
        (b"p", "play"), (b"q", "quit"), (b"Q", "quit"), (b"\x1b", "quit"), (b"\x04", "quit"),
    ],
)  # fmt: skip
def test_a_key_is_a_wish(terminal, typed, wish):
    with Keys() as keys:
        os.write(terminal[0], typed)
        assert keys.read(5) == wish


def test_keys_typed_at_once_come_one_by_one(terminal):
    with Keys() as keys:
        os.write(terminal[0], b"nbq")
        assert [keys.read(5) for _ in range(3)] == ["next", "back", "quit"]


def test_no_key_is_no_wish(terminal):
    with Keys() as keys:
        assert keys.read(0.01) is None


def test_the_terminal_is_given_back_as_it_was(terminal):
    before = termios.tcgetattr(terminal[1])
    with Keys():
        assert termios.tcgetattr(terminal[1]) != before
    assert termios.tcgetattr(terminal[1]) == before


def test_the_terminal_is_given_back_after_an_interruption(terminal):
    before = termios.tcgetattr(terminal[1])
    with pytest.raises(KeyboardInterrupt), Keys():
        raise KeyboardInterrupt
    assert termios.tcgetattr(terminal[1]) == before
