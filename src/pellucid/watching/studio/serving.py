"""Starting the studio: a free port on this machine, the address on stdout, and the page in the browser."""

import socket
import threading
import webbrowser
from importlib import import_module
from typing import Any

from pellucid.errors import InvalidArgumentError, MissingExtraError
from pellucid.language import say
from pellucid.watching.studio.guard import LOOPBACK, check_address, new_token

__all__ = ["listen", "serve", "server_of"]

FIRST_PORT = 8765
MOST_TRIES = 20


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
    names = {f"[{name}]" if ":" in name else name for name in ((*LOOPBACK, host) if remote else LOOPBACK)}
    app = application(token, [f"{name}:{at}" for name in names])
    address = f"http://{f'[{host}]' if ':' in host else host}:{at}/{token}/"
    print(say("The studio is open at {address} (Ctrl-C closes it)", address=address), flush=True)
    threading.Thread(target=_warm_up, daemon=True).start()
    if browser:
        threading.Timer(0.1, webbrowser.open, [address]).start()
    server_of(app).run(sockets=[listening])


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


def _warm_up() -> None:
    """Import what the rooms need while the page is still being drawn."""
    for room in ("playground", "neuron", "digits"):  # the one that opens first
        import_module(f"pellucid.watching.studio.rooms.{room}")
