"""The studio's server: the page's files by their names in a list, and one WebSocket a page."""

import asyncio
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import pellucid.language
from pellucid.errors import InvalidArgumentError
from pellucid.language import language
from pellucid.watching.studio.guard import Guard
from pellucid.watching.studio.job import IN_FLIGHT, Job
from pellucid.watching.studio.messages import Reader, number, parse, refusal

__all__ = ["MOST_PAGES", "application"]

MOST_PAGES = 16  # at a time: each has a thread, and is counted until that has ended
ROOMS = (
    "neuron",
    "playground",
    "digits",
    "hopfield",
    "rbm",
    "sentences",
)
QUESTIONS = ("export", "trace", "corrupt", "look", "table", "sample", "read", "go")
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def application(token: str, hosts: Iterable[str], any_address_at: int | None = None) -> Guard:
    """Return the ASGI application, guarded: see ``Guard``."""
    studio = Starlette(routes=[Route("/{name:path}", _file), WebSocketRoute("/ws", _Pages().talk)])
    return Guard(studio, token=token, hosts=hosts, any_address_at=any_address_at)


# -- files -----------------------------------------------------------------------------------------------------


@cache
def _files() -> dict[str, Path]:
    """Return every file that is served by the name it is asked for: names are looked up, never made into paths."""
    page, views = Path(__file__).parent / "page", Path(__file__).parent.parent / "views"
    found = {path.relative_to(page).as_posix(): path for path in page.rglob("*") if path.suffix in TYPES}
    found |= {f"views/{path.name}": path for path in views.glob("*.*") if path.suffix in TYPES}
    return found | {"": page / "index.html", "zh.json": Path(pellucid.language.__file__).with_name("zh.json")}


async def _file(request: Request) -> Response:
    path = _files().get(request.path_params["name"])
    if path is None:
        return Response("not found\n", 404, media_type="text/plain")
    content = path.read_bytes()
    if path.name == "index.html" and os.environ.get("PELLUCID_LANG"):  # it decides until the reader does
        content = content.replace(b"<html ", f'<html data-language="{language()}" '.encode())
    return Response(content, media_type=TYPES[path.suffix])


# -- talking ---------------------------------------------------------------------------------------------------


class _Pages:
    """The pages that are connected."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def talk(self, socket: WebSocket) -> None:
        """Speak with one page until it leaves; then its job ends, wherever it is."""
        await socket.accept()
        self.jobs = [job for job in self.jobs if job.is_alive()]
        if len(self.jobs) >= MOST_PAGES:
            busy = f"at most {MOST_PAGES} pages can be open at a time"
            await socket.send_text(json.dumps({"busy": busy, "pages": MOST_PAGES}))
            await socket.close(1013)
            return
        # What waits are the frames in flight, and that the job has ended.
        loop, outbox = asyncio.get_running_loop(), asyncio.Queue[bytes | None](IN_FLIGHT + 2)

        def send(data: bytes | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and the thread with it in a moment
                loop.call_soon_threadsafe(outbox.put_nowait, data)

        job = Job(send)
        job.start()
        self.jobs.append(job)
        writing = asyncio.create_task(_write(socket, outbox, job))
        try:
            await _listen(socket, job)
        except (WebSocketDisconnect, RuntimeError, OSError):
            pass  # the page has gone: that is how every conversation ends
        finally:
            job.cancel()
            writing.cancel()


async def _write(socket: WebSocket, outbox: "asyncio.Queue[bytes | None]", job: Job) -> None:
    with suppress(WebSocketDisconnect, RuntimeError, OSError):
        while (data := await outbox.get()) is not None:
            job.written()  # before: the page may answer before this comes back
            await socket.send_bytes(data)  # waits while the page does not read
        await socket.close(1008)


async def _listen(socket: WebSocket, job: Job) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            said = understood(parse(message.get("text")))
        except InvalidArgumentError as error:
            await socket.send_text(json.dumps(refusal(error)))
            continue
        if said["do"] == "ack":
            job.acknowledge()
        elif said["do"] == "ping":
            await socket.send_text(json.dumps({"pong": said["id"]}))
        elif not job.wish(said):
            busy = {"busy": "too much is waiting already; try again in a moment", "of": said["do"]}
            await socket.send_text(json.dumps(busy | ({"run": said["run"]} if "run" in said else {})))


def understood(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with exactly the fields that its kind has, each within its bounds."""
    reader = Reader(message, "a message")
    said: dict[str, Any] = {
        "do": reader.choice("do", ("ack", "ping", "open", "play", "pause", "step", "speed", "ask"), "")
    }
    if said["do"] == "ping":
        said["id"] = reader.integer("id", 0, 2**53, 0)
    elif said["do"] == "open":
        said["room"] = reader.choice("room", ROOMS, "")
        said["play"] = reader.boolean("play", default=False)
        said["run"] = reader.integer("run", 0, 2**53, 0)
        said["settings"] = reader.values.pop("settings", {})
    elif said["do"] == "speed":
        speed = reader.values.pop("speed", None)
        said["speed"] = None if speed is None else number("speed", speed, 0.1, 100_000)
        said["frames"] = reader.integer("frames", 1, 60, 30)
    elif said["do"] == "ask":
        said["what"] = reader.choice("what", QUESTIONS, "")
        said["about"] = reader.values.pop("about", {})
    reader.done()
    return said
