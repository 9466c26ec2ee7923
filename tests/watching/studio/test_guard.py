"""Nobody gets into the studio but a page that it served itself."""

import asyncio
import logging
import socket
from itertools import product

import pytest
from studio_page import TOKEN

from pellucid.errors import InvalidArgumentError
from pellucid.watching.studio.guard import Guard, check_address, new_token

HOSTS = [
    "127.0.0.1:{port}",
    "localhost:{port}",
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "",
    None,
]
ORIGINS = [
    "http://127.0.0.1:{port}", "http://localhost:{port}", "http://evil.example", "null", "",
    "http://127.0.0.1:{port}.evil.example", "http://127.0.0.1", "https://127.0.0.1:{port}", None,
]  # fmt: skip
TOKENS = [TOKEN, TOKEN[:-1], TOKEN + "x", "", "wrong"]
PATHS = ["ws", "ws/", "", "../ws", "other"]


def status_of(studio, method, path, host, origin, *, upgrade, extra=()):
    """Send a request by hand, so that no client mends it; return the status of the answer."""
    lines = [f"{method} {path} HTTP/1.1", "Connection: Upgrade" if upgrade else "Connection: close"]
    lines += [] if host is None else [f"Host: {host.format(port=studio.port)}"]
    lines += [] if origin is None else [f"Origin: {origin.format(port=studio.port)}"]
    if upgrade:
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    lines += [line.format(port=studio.port) for line in extra]
    with socket.create_connection(("127.0.0.1", studio.port), timeout=5) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return int(connection.recv(4096).split(b" ", 2)[1])


def test_of_all_handshakes_only_those_of_our_own_page_are_accepted(studio):
    accepted, tried = [], 0
    for host, origin, token, path in product(HOSTS, ORIGINS, TOKENS, PATHS):
        status = status_of(studio, "GET", f"/{token}/{path}", host, origin, upgrade=True)
        right_host = host in HOSTS[:2] and origin == f"http://{host}"
        if (status == 101) != (right_host and token == TOKEN and path == "ws"):
            accepted.append((host, origin, token, path, status))
        if not right_host or token != TOKEN:
            assert status in {400, 403}  # 400: no Host at all is no HTTP
        tried += 1
    assert tried >= 40
    assert accepted == []


@pytest.mark.parametrize("host", HOSTS[2:])
def test_a_page_is_served_to_no_other_host(studio, host):
    assert status_of(studio, "GET", f"/{TOKEN}/", HOSTS[0], None, upgrade=False) == 200
    assert status_of(studio, "GET", f"/{TOKEN}/", host, None, upgrade=False) in {400, 403}


@pytest.mark.parametrize("token", TOKENS[1:])
def test_a_page_is_served_to_no_other_token(studio, token):
    assert status_of(studio, "GET", f"/{token}/", HOSTS[0], None, upgrade=False) == 403
    assert status_of(studio, "GET", f"/{token}", HOSTS[0], None, upgrade=False) == 403


@pytest.mark.parametrize("origin", ORIGINS[1:])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_requests_must_come_from_our_own_page(studio, method, origin):
    assert status_of(studio, method, f"/{TOKEN}/", HOSTS[0], origin, upgrade=False) == 403
    assert status_of(studio, method, f"/{TOKEN}/", HOSTS[0], ORIGINS[0], upgrade=False) == 405


def test_two_hosts_or_two_origins_are_none(studio):
    for extra in (["Host: 127.0.0.1:{port}"], ["Origin: http://evil.example"]):
        status = status_of(studio, "GET", f"/{TOKEN}/ws", HOSTS[0], ORIGINS[0], upgrade=True, extra=extra)
        assert status in {400, 403}


@pytest.mark.parametrize("twice", [b"host", b"origin"])
def test_the_guard_itself_counts_hosts_and_origins(twice):
    """Servers before it may count too; it does not rely on them."""
    headers = [(b"host", b"127.0.0.1:1"), (b"origin", b"http://127.0.0.1:1")]
    passed, said = [], []

    async def app(scope, receive, send):
        passed.append(scope["path"])

    async def send(message):
        said.append(message["type"])

    async def receive():
        return {"type": "websocket.connect"}

    for given in (headers, headers + [header for header in headers if header[0] == twice]):
        scope = {"type": "websocket", "path": f"/{TOKEN}/ws", "headers": given}
        asyncio.run(Guard(app, token=TOKEN, hosts=["127.0.0.1:1"])(scope, receive, send))
    assert passed == ["/ws"]
    assert said == ["websocket.close"]


def passed(host, origin=None, **options):
    """Ask a guard that lets other machines in, and return whether the request came through."""
    through = []

    async def app(scope, receive, send):
        through.append(scope["path"])

    async def send(message):
        pass

    async def receive():
        return {"type": "websocket.connect"}

    headers = [(b"host", host.encode())] + ([] if origin is None else [(b"origin", origin.encode())])
    scope = {"type": "websocket" if origin else "http", "method": "GET", "path": f"/{TOKEN}/ws", "headers": headers}
    asyncio.run(Guard(app, token=TOKEN, hosts=["localhost:80", "box.local:80"], **options)(scope, receive, send))
    return through == ["/ws"]


@pytest.mark.parametrize("host", ["192.168.0.7:80", "[fe80::1]:80", "[::]:80", "10.0.0.1:80"])
def test_where_other_machines_are_let_in_every_address_of_numbers_is_a_host(host):
    assert passed(host, any_address_at=80)
    assert passed(host, f"http://{host}", any_address_at=80)
    assert not passed(host, "http://evil.example", any_address_at=80)
    assert not passed(host, any_address_at=81)
    assert not passed(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:80", "192.168.0.7", "192.168.0.7.evil.example:80", "[fe80::1%x; script-src *]:80", "[1.2.3.4]:80",
        "fe80::1:80", "0x7f.1:80", "2130706433:80", "192.168.0.7:080", "[::1]x:80", ":80", "",
    ],
)  # fmt: skip
def test_where_other_machines_are_let_in_a_foreign_name_is_none(host):
    assert not passed(host, any_address_at=80)
    assert passed("box.local:80", any_address_at=80)


@pytest.mark.parametrize(
    "name",
    [
        "../app.py",
        "%2e%2e/app.py",
        "..%2fapp.py",
        "/etc/passwd",
        "views/../../studio/app.py",
        "index.html\0",
        "<script>",
    ],
)
def test_files_are_looked_up_by_name_and_never_made_into_paths(studio, name):
    assert status_of(studio, "GET", f"/{TOKEN}/{name}", HOSTS[0], None, upgrade=False) in {400, 404}


def test_every_answer_has_the_policy(studio):
    import urllib.request

    with urllib.request.urlopen(studio.address) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    assert "require-trusted-types-for 'script'" in policy


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org"])
def test_other_addresses_need_a_flag_and_a_token(host):
    token = new_token()
    for given, remote in ((None, False), (token, False), (None, True)):
        with pytest.raises(InvalidArgumentError, match=r"host must be one of .*--allow-remote and a --token"):
            check_address(host, given, remote=remote)
    check_address(host, token, remote=True)


@pytest.mark.parametrize("token", ["", "short", "x" * 15, "with a space in it", "slash/slash/slash/slash", "ü" * 20])
def test_a_token_of_ones_own_is_no_short_word(token):
    with pytest.raises(InvalidArgumentError, match="token must be 16 to 200 letters"):
        check_address("127.0.0.1", token, remote=False)


def test_tokens_differ():
    assert len({new_token() for _ in range(100)}) == 100
    logging.getLogger("uvicorn")
