"""A job: one page's network, running in a thread of its own that can be played, paused, stepped and slowed.

The page's wishes come through a queue of at most ``MOST_WAITING``; beyond that it is told that the job is busy. Each
frame is acknowledged by the page, and at most ``IN_FLIGHT`` are on their way, so a slow reader slows its own job and
nobody's memory grows: a frame counts as acknowledged only when it was written to the page. A page that acknowledges
nothing for ``PATIENCE`` seconds loses its job.

Each opening of a room has a number, which the page gives, and which stands in all that is said of it: what is still
on its way from the room before is known by it.
"""

import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from time import monotonic
from typing import Any

from pellucid.errors import PellucidError
from pellucid.watching.studio.messages import frame, refusal
from pellucid.watching.studio.rooms import Room, open_room

__all__ = ["IN_FLIGHT", "MOST_WAITING", "Job"]

IN_FLIGHT = 3
MOST_WAITING = 8
PATIENCE = 30.0  # seconds
FRAMES = 30  # a second, unless the page asks for up to 60


class Job(threading.Thread):
    """``send(bytes)`` is called from this thread with each frame, and with None when the job has ended itself."""

    def __init__(self, send: Callable[[bytes | None], None]) -> None:
        super().__init__(daemon=True, name="pellucid-job")
        self.send = send
        self.room: Room | None = None
        self.playing = False
        self.speed: float | None = 30.0  # steps a second; None: as fast as it goes
        self.frames = FRAMES
        self.number = 0
        self.opening = 0  # the page's number of what is open
        self._wishes: Queue[dict[str, Any]] = Queue(MOST_WAITING)
        self._free = threading.Semaphore(IN_FLIGHT)
        self._written, self._lock = 0, threading.Lock()  # frames that the page has or will have, and may acknowledge
        self._cancelled = threading.Event()
        self._owed = 0.0  # the part of a step that is due

    # -- called by the server --------------------------------------------------------------------------------

    def wish(self, message: dict[str, Any]) -> bool:
        """Hand a message in; return whether there was room for it."""
        try:
            self._wishes.put_nowait(message)
        except Full:
            return False
        return True

    def written(self) -> None:
        """Take note that a frame is being written to the page."""
        with self._lock:
            self._written += 1

    def acknowledge(self) -> None:
        """Take note that the page has a frame; more acknowledgements than frames written count for nothing."""
        with self._lock:
            if self._written:
                self._written -= 1
                self._free.release()

    def cancel(self) -> None:
        """End at the next step."""
        self._cancelled.set()

    # -- the thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until cancelled. What goes wrong in a room is told to the page; the server goes on."""
        due = monotonic()
        while not self._cancelled.is_set():
            wait = max(0.0, due - monotonic()) if self.playing else 0.25
            try:
                wish = self._wishes.get(timeout=wait) if wait else self._wishes.get_nowait()
            except Empty:
                wish = None
            if wish is not None:
                self._try(self._obey, wish)
            elif self.playing and monotonic() >= due:
                due = max(due + self._interval, monotonic() - 2 * self._interval)  # what is late is caught up, a little
                self._try(self._advance, None)
        self.room = None  # its memory is not the server's to keep until the next page comes

    @property
    def _interval(self) -> float:
        return 1 / min(self.frames, self.speed or self.frames)

    def _try(self, act: Callable[[Any], None], argument: Any) -> None:
        try:
            act(argument)
        except PellucidError as error:
            self.playing = False
            self._tell(refusal(error))
        except Exception as error:
            self.playing, self.room = False, None
            self._tell({"failed": type(error).__name__})

    def _tell(self, said: dict[str, Any]) -> None:
        """Say something that is no picture, and how things stand."""
        self._emit(said | {"playing": self.playing, "open": self.room is not None}, {})

    def _obey(self, wish: dict[str, Any]) -> None:
        do = wish["do"]
        if do == "open":
            self._open(wish)
        elif do == "speed":
            self.speed, self.frames = wish["speed"], wish["frames"]
        elif self.room is None:
            self._tell({"refused": "no room is open; open one", "unopened": True})
        elif do == "pause":
            self.playing = False
            self._show()
        elif do == "play":
            self.playing = True
        elif do == "step":
            self.playing = False
            self.room.advance()
            self._show()
        elif do == "ask":
            header, arrays = self.room.ask(wish["what"], wish["about"])
            if header or arrays:
                self._emit(header | {"reply": wish["what"]}, arrays)
            else:
                self._show()  # what was asked for is to be seen

    def _open(self, wish: dict[str, Any]) -> None:
        """Open a room and show it at once; then take its first step, if it has yet to begin."""
        self.playing, self.room, self.opening = False, None, wish["run"]
        self.room = room = open_room(wish["room"], wish["settings"], lambda: not self._cancelled.is_set())
        self.playing = wish["play"]
        if self._show(first=True).get("begins") and not self._cancelled.is_set():
            room.advance()
            self._show(first=True)

    def _advance(self, _: None) -> None:
        """Run the steps that are due, for at most the time of one frame, and show where they led."""
        room = self.room
        if room is None:
            self.playing = False
            return
        self._owed += self._interval * self.speed if self.speed else 1e9
        latest = monotonic() + 0.7 * self._interval  # the rest is for the picture
        while self._owed > 1 - 1e-9 and not self._cancelled.is_set():
            self._owed -= 1
            if not room.advance():
                self.playing = False
                break
            if monotonic() > latest:
                break
        self._owed = min(self._owed, 1.0)  # what there was no time for is let go
        self._show()

    def _show(self, *, first: bool = False) -> dict[str, Any]:
        """Send what is to be seen now, and return its header."""
        if self.room is None:
            return {}
        header, arrays = self.room.frame()
        if first:
            header = header | self.room.about()
        self._emit(header | {"frame": True, "playing": self.playing}, arrays)
        return header

    def _emit(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        waited = monotonic()
        while not self._free.acquire(timeout=0.25):
            if self._cancelled.is_set():
                return
            if monotonic() - waited > PATIENCE:
                self.cancel()
                self.send(None)
                return
        self.number += 1
        self.send(frame(header | {"number": self.number, "run": self.opening}, arrays))
