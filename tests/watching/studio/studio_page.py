"""What a page does, without a browser."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from json import dumps, loads

import numpy as np
import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
websockets = pytest.importorskip("websockets.sync.client")


__all__ = ["TOKEN", "Frame", "Page", "Studio"]

TOKEN = "a-token-for-tests-only"


@dataclass
class Frame:
    """A binary message: its header and its arrays."""

    header: dict
    arrays: dict = field(default_factory=dict)

    @staticmethod
    def read(data):
        length = int.from_bytes(data[:4], "little")
        header = loads(data[4 : 4 + length])
        body = data[4 + length :]
        arrays = {}
        for name, place in header.pop("arrays").items():
            dtype, count = np.dtype(place["dtype"]), int(np.prod(place["shape"]))
            arrays[name] = np.frombuffer(body, dtype, count, place["at"]).reshape(place["shape"])
        return Frame(header, arrays)


class Page:
    """What a page does, without a browser."""

    def __init__(self, socket):
        self.socket = socket

    def say(self, **message):
        self.socket.send(dumps(message))

    def hear(self, timeout=60, acknowledge=True):
        data = self.socket.recv(timeout=timeout)
        if isinstance(data, str):
            return loads(data)
        if acknowledge:
            self.say(do="ack")
        return Frame.read(data)

    def open(self, room, settings=None, play=False):
        self.say(do="open", room=room, settings=settings or {}, play=play)
        return self.hear()

    def ask(self, what, **about):
        self.say(do="ask", what=what, about=about)
        answer = self.hear()
        while isinstance(answer, Frame) and answer.header.get("frame"):
            answer = self.hear()
        return answer


@dataclass
class Studio:
    port: int

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/{TOKEN}/"

    @contextmanager
    def page(self):
        with websockets.connect(
            f"ws://127.0.0.1:{self.port}/{TOKEN}/ws", origin=f"http://127.0.0.1:{self.port}",
            compression=None, max_size=None, close_timeout=2,
        ) as socket:  # fmt: skip
            yield Page(socket)
