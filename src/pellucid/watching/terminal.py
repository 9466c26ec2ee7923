"""``watch``: a room in the terminal, one step at a time, key by key.

Where there is no keyboard (stdin is a pipe, stdout a file) the scenes are printed one after another instead.
"""

import os
import sys
from collections.abc import Iterator

from rich.console import Console, Group
from rich.layout import Layout
from rich.live import Live
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from pellucid.errors import InvalidArgumentError
from pellucid.language import say
from pellucid.watching.keys import Keys
from pellucid.watching.scenes import ROOMS, Scene

__all__ = ["ROOMS", "watch"]


def watch(room: str, *, seed: int | None = None, delay: float = 0.8, console: Console | None = None) -> None:
    """Show the room ``room`` (neuron, two-layer, xor, digits) one step at a time.

    Any key goes on, ``b`` back, ``p`` plays (a step every ``delay`` seconds) and pauses, ``q`` quits.
    Ctrl-C raises KeyboardInterrupt, as anywhere; the terminal is as it was by then. A reader that closes
    the pipe ends it quietly.

    Raises InvalidArgumentError for an unknown room.
    """
    if room not in ROOMS:
        raise InvalidArgumentError(f"room must be one of {', '.join(ROOMS)}, got {room!r}")
    console = console or _QuietConsole()
    scenes = ROOMS[room](seed)
    if console.is_terminal and not console.is_dumb_terminal and sys.stdin is not None and sys.stdin.isatty():
        _step_through(scenes, console, delay)
    else:
        _print_all(scenes, console)


class _ClosedPipeError(Exception):
    """Nobody reads any more."""


class _QuietConsole(Console):
    """A console that reports a closed pipe to ``watch``, where rich would end the program with status 1."""

    def on_broken_pipe(self) -> None:
        raise _ClosedPipeError


def _print_all(scenes: Iterator[Scene], console: Console) -> None:
    try:
        for scene in scenes:
            console.print(_page(scene))
    except (_ClosedPipeError, BrokenPipeError):
        # What is still buffered must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _step_through(scenes: Iterator[Scene], console: Console, delay: float) -> None:
    player = _Player(scenes)
    live = Live(_screen(player), console=console, screen=True, refresh_per_second=8)
    with Keys() as keys:
        try:  # not `with live`: a Ctrl-C while it starts would leave the other screen on
            live.start(refresh=True)
            while True:
                wish = keys.read(delay if player.playing and not player.at_end else None)
                if wish == "quit" or (wish == "next" and player.at_end):
                    break
                player.obey(wish)
                live.update(_screen(player), refresh=True)
        finally:
            live.stop()
    console.print(_page(player.scene))


class _Player:
    """The scenes seen so far and the place among them; new ones are made only when they are asked for."""

    def __init__(self, scenes: Iterator[Scene]) -> None:
        self.scenes = scenes
        self.seen = [next(scenes)]
        self.place = 0
        self.playing = False
        self.at_end = False

    @property
    def scene(self) -> Scene:
        return self.seen[self.place]

    def obey(self, wish: str | None) -> None:
        if wish == "play":
            self.playing = not self.playing
        elif wish == "back":
            self.playing, self.at_end, self.place = False, False, max(0, self.place - 1)
        else:
            self._forward()

    def _forward(self) -> None:
        if self.place == len(self.seen) - 1:
            scene = next(self.scenes, None)
            if scene is None:
                self.at_end, self.playing = True, False
                return
            self.seen.append(scene)
        self.place += 1


def _screen(player: _Player) -> Layout:
    layout = Layout()
    layout.split_column(
        Layout(_heading(player.scene), size=2),
        Layout(Padding(player.scene.body, (0, 2))),
        Layout(_footer(player), size=1),
    )
    return layout


def _heading(scene: Scene) -> Rule:
    return Rule(Text(scene.title, style="bold"), style="bright_black")


def _footer(player: _Player) -> Text:
    if player.at_end:
        text = say("This is the end: b back, any other key closes")
    elif player.playing:
        text = say("playing: p pauses, b back, q quits")
    else:
        text = say("any key: next step   b: back   p: play   q: quit")
    return Text(f"  {text}", style="bright_black")


def _page(scene: Scene) -> Group:
    return Group(_heading(scene), "", Padding(scene.body, (0, 2)), "")
