"""Who may talk with the studio: only pages that it served itself, to one who knows its token.

Any page of the world may try to reach a server on this machine, through the reader's own browser. So each request
must name this machine as its Host (a foreign name that points here does not; where other machines are let in, an
address of numbers does, since nobody can make that point elsewhere), and carry the token in its path:
``/TOKEN/...``. A WebSocket, and any request that is no GET, must come from a page of this very origin. All others
get 403 and learn nothing. What is served may load nothing from elsewhere and run no text as code.
"""

import re
import secrets
from collections.abc import Iterable, MutableMapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any

from pellucid.errors import InvalidArgumentError

__all__ = ["LOOPBACK", "Guard", "check_address", "new_token"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,200}")
MOST_HEADER_VALUES = 1  # of Host and of Origin: two are an attempt to be read differently by two readers

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def check_address(host: str, token: str | None, *, remote: bool) -> None:
    """Raise InvalidArgumentError unless ``host`` is this machine, or everybody was allowed on purpose."""
    if token is not None and not TOKEN.fullmatch(token):
        raise InvalidArgumentError(f"token must be 16 to 200 letters, digits, - or _, got {len(token)} characters")
    if host not in LOOPBACK and not (remote and token):
        raise InvalidArgumentError(
            f"host must be one of {', '.join(LOOPBACK)}, got {host!r}; to let other machines in, "
            "give --allow-remote and a --token of your own"
        )


class Guard:
    """ASGI middleware: passes on what may come in, with the token taken off its path, and adds the page's policy.

    ``hosts`` are the names with ports by which this machine may be called; ``any_address_at`` is a port at which
    every IP address may, too.
    """

    def __init__(self, app: Any, *, token: str, hosts: Iterable[str], any_address_at: int | None = None) -> None:
        self.app, self.port = app, any_address_at
        self.token = token.encode()
        self.hosts = frozenset(host.encode() for host in hosts)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer 403, or let the request through."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        first, slash, rest = scope["path"].removeprefix("/").partition("/")
        host = self._one(scope, b"host")
        known = bool(slash) and secrets.compare_digest(first.encode("utf-8", "replace"), self.token)
        if not known or not self._here(host) or not self._own(scope, host):
            await _refuse(scope, receive, send)
            return
        inner = dict(scope) | {"path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}
        await self.app(inner, receive, _with_policy(send, host.decode()))

    def _here(self, host: bytes) -> bool:
        """Whether this machine is meant."""
        return host in self.hosts or (self.port is not None and _is_address(host, self.port))

    def _own(self, scope: MutableMapping[str, Any], host: bytes) -> bool:
        """Whether a request that could change something comes from a page of this origin."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            return True
        return self._one(scope, b"origin") == b"http://" + host

    @staticmethod
    def _one(scope: MutableMapping[str, Any], name: bytes) -> bytes:
        values = [value for key, value in scope["headers"] if key == name]
        return values[0] if len(values) == MOST_HEADER_VALUES else b""


def _is_address(host: bytes, port: int) -> bool:
    """Whether ``host`` is an IP address with this port: 192.168.0.7:8765 or [fe80::1]:8765."""
    name, _, at = host.decode("latin-1").rpartition(":")
    try:
        if name.startswith("[") and name.endswith("]"):
            return at == str(port) and IPv6Address(name[1:-1]).scope_id is None
        return at == str(port) and bool(IPv4Address(name))
    except AddressValueError:
        return False


async def _refuse(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()  # the handshake; closing before accepting answers it with 403
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"10")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b"forbidden\n"})


def _with_policy(send: Any, host: str) -> Any:
    added = [
        (b"content-security-policy", POLICY.format(socket=f"ws://{host}").encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),  # the path holds the token
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cache-control", b"no-cache"),
    ]

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = dict(message) | {"headers": [*message.get("headers", []), *added]}
        await send(message)

    return sending
