"""A job: one page's network, running in a thread of its own that can be played, paused, stepped and slowed.

The page's wishes come through a queue of at most ``MOST_WAITING``; beyond that it is told that the job is busy. Each
frame is acknowledged by the page, and at most ``IN_FLIGHT`` are on their way, so a slow reader slows its own job and
nobody's memory grows. A page that acknowledges nothing for ``PATIENCE`` seconds loses its job.
"""

import threading
import warnings
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
        super().__init__(daemon=True, name="studio job")
        self.send = send
        self.room: Room | None = None
        self.playing = False
        self.speed: float | None = 30.0  # steps a second; None: as fast as it goes
        self.frames = FRAMES
        self.number = 0
        self._wishes: Queue[dict[str, Any]] = Queue(MOST_WAITING)
        self._free = threading.Semaphore(IN_FLIGHT)
        self._flying, self._lock = 0, threading.Lock()
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

    def acknowledge(self) -> None:
        """Take note that the page has a frame; more acknowledgements than frames count for nothing."""
        with self._lock:
            if self._flying:
                self._flying -= 1
                self._free.release()

    def cancel(self) -> None:
        """End at the next step."""
        self._cancelled.set()

    # -- the thread ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until cancelled. What goes wrong in a room is told to the page; the server goes on."""
        due = monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters of them, a room says in its frame
            while not self._cancelled.is_set():
                wait = max(0.0, due - monotonic()) if self.playing else 0.25
                try:
                    wish = self._wishes.get(timeout=wait) if wait else self._wishes.get_nowait()
                except Empty:
                    wish = None
                if wish is not None:
                    self._try(self._obey, wish)
                elif self.playing and monotonic() >= due:
                    due = max(
                        due + self._interval, monotonic() - 2 * self._interval
                    )  # what is late is caught up, a little
                    self._try(self._advance, None)

    @property
    def _interval(self) -> float:
        return 1 / min(self.frames, self.speed or self.frames)

    def _try(self, act: Callable[[Any], None], argument: Any) -> None:
        try:
            act(argument)
        except PellucidError as error:
            self.playing = False
            self._emit(refusal(error), {})
        except Exception as error:
            self.playing, self.room = False, None
            self._emit({"failed": type(error).__name__}, {})

    def _obey(self, wish: dict[str, Any]) -> None:
        do = wish["do"]
        if do == "open":
            self.playing, self.room = False, None
            self.room = open_room(wish["room"], wish["settings"])
            self.playing = wish["play"]
            self._show(first=True)
        elif do == "speed":
            self.speed, self.frames = wish["speed"], wish["frames"]
        elif do == "pause":
            self.playing = False
            self._show()
        elif self.room is not None and do == "play":
            self.playing = True
        elif self.room is not None and do == "step":
            self.playing = False
            self.room.advance()
            self._show()
        elif self.room is not None and do == "ask":
            header, arrays = self.room.ask(wish["what"], wish["about"])
            if header or arrays:
                self._emit(header | {"reply": wish["what"]}, arrays)
            else:
                self._show()  # what was asked for is to be seen

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

    def _show(self, *, first: bool = False) -> None:
        if self.room is not None:
            header, arrays = self.room.frame()
            if first:
                header = header | self.room.about()
            self._emit(header | {"frame": True, "playing": self.playing}, arrays)

    def _emit(self, header: dict[str, Any], arrays: dict[str, Any]) -> None:
        waited = monotonic()
        while not self._free.acquire(timeout=0.25):
            if self._cancelled.is_set():
                return
            if monotonic() - waited > PATIENCE:
                self.cancel()
                self.send(None)
                return
        with self._lock:
            self._flying += 1
        self.number += 1
        self.send(frame(header | {"number": self.number}, arrays))
