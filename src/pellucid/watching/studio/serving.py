"""Starting the studio: a free port on this machine, the address on stdout, and the page in the browser."""

import ctypes
import os
import platform
import socket
import sys
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.language import say
from pellucid.watching.studio.guard import LOOPBACK, check_address, new_token

__all__ = ["listen", "serve", "server_of", "token_of"]

FIRST_PORT = 8765
MOST_TRIES = 20
SWITCH_EVERY = 0.0005  # seconds: a page waits for its turn behind all jobs, each of which would have Python's 5 ms
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as in glibc's malloc.h
ANY = ("", "0.0.0.0", "::")  # noqa: S104 - compared with; to listen there takes a flag and a token
TOKEN_VARIABLE = "PELLUCID_STUDIO_TOKEN"  # noqa: S105 - a name
REDIRECT = """<!doctype html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={address}">
<title>Pellucid</title>
<p><a href="{address}">{words}</a></p>
"""


def serve(
    port: int | None = None, *, host: str = "127.0.0.1", token: str | None = None, remote: bool = False,
    browser: bool = True,
) -> None:  # fmt: skip
    """Serve the studio until interrupted.

    ``port`` None is the first free one from 8765 on, 0 any. The address, which holds the token, is printed on
    stdout. Raises InvalidArgumentError for a host that is not this machine, unless ``remote`` is set and a token
    given, and for a port that is taken; MissingExtraError without the extra ``studio``.
    """
    check_address(host, token, remote=remote)
    try:
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401 - uvicorn speaks WebSocket through it

        from pellucid.watching.studio.app import application
    except ImportError as error:
        raise MissingExtraError(
            say("the studio needs {name}; install it: pip install 'pellucid[studio]'", name=error.name)
        ) from error
    listening = listen(host, port)
    at = listening.getsockname()[1]
    token = token or new_token()
    own = (host, socket.gethostname().lower(), f"{socket.gethostname().lower()}.local") if remote else ()
    names = {_in_address(name) for name in (*LOOPBACK, *own)}
    app = application(token, [f"{name}:{at}" for name in names], at if remote else None)
    address = f"http://{_in_address(_own_address(host) if host in ANY else host)}:{at}/{token}/"
    print(say("The studio is open at {address} (Ctrl-C closes it)", address=address), flush=True)
    _keep_no_more_than_is_used()
    threading.Thread(target=_warm_up, daemon=True).start()
    sys.setswitchinterval(SWITCH_EVERY)
    with warnings.catch_warnings(), _shown(address if browser else None):
        warnings.simplefilter("ignore")  # what matters of them, a room says in its frame
        server_of(app).run(sockets=[listening])


def token_of(file: Path | None) -> str | None:
    """Return the token that a file holds, without one that of the environment; None where there is neither.

    Raises InvalidArgumentError for a file that cannot be read.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidArgumentError(f"token-file must be a text, and {str(file)!r} cannot be read: {reason}") from None


def _in_address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _own_address(host: str) -> str:
    """Return the address by which other machines reach this one; its name where it is on no network."""
    family, far = (socket.AF_INET6, "2001:db8::1") if host == "::" else (socket.AF_INET, "192.0.2.1")
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((far, 9))  # sends nothing: it is asked which way a datagram would go
        return str(asking.getsockname()[0])
    return socket.gethostname() if host != "::" else _own_address("0.0.0.0")  # noqa: S104


@contextmanager
def _shown(address: str | None) -> Iterator[None]:
    """Open the page by way of a file that nobody else may read: what a process is started with, every user can see."""
    if address is None:
        yield
        return
    handle, name = tempfile.mkstemp(prefix="pellucid-", suffix=".html")  # of mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(REDIRECT.format(address=escape(address), words=escape(say("Open the studio"))))
        opening = threading.Timer(0.1, webbrowser.open, [Path(name).as_uri()])
        opening.daemon = True
        opening.start()
        yield
    finally:
        Path(name).unlink(missing_ok=True)


def server_of(app: Any) -> Any:
    """Return the uvicorn server, with bounds on what it reads ahead."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, ws="websockets-sansio", ws_max_size=1 << 20, ws_max_queue=16,
        ws_ping_interval=20, ws_ping_timeout=20, ws_per_message_deflate=False, lifespan="off", server_header=False,
        timeout_graceful_shutdown=1, timeout_keep_alive=30, h11_max_incomplete_event_size=16 << 10,
    )  # fmt: skip
    return uvicorn.Server(config)


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket bound to ``port`` of ``host``, or to the first that is free."""
    tries = range(FIRST_PORT, FIRST_PORT + MOST_TRIES) if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in tries:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, number))
            found.listen(128)  # from now on a browser that is early waits, and is not refused
        except OSError as error:
            found.close()
            reason = error.strerror or str(error)
        else:
            return found
    raise InvalidArgumentError(f"port {tries[-1]} on {host} cannot be had ({reason}); give another with --port")


def _keep_no_more_than_is_used() -> None:
    """Let glibc give memory back when a page goes: it would keep for each thread what that ever had, 200 MB in all."""
    if platform.libc_ver()[0] == "glibc":
        glibc = ctypes.CDLL(None)
        for option, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, 1 << 20), (M_TRIM_THRESHOLD, 1 << 20)):
            glibc.mallopt(option, value)


def _warm_up() -> None:
    """Import what the rooms need while the page is still being drawn."""
    for room in ("playground", "neuron", "digits"):  # the one that opens first
        import_module(f"pellucid.watching.studio.rooms.{room}")
