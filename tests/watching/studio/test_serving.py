"""The command opens the studio, says where, and closes as every command does; pages that come and go do it no harm."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from json import dumps, loads
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import psutil
import pytest
from studio_page import Frame, websockets

from pellucid.watching.studio.app import ROOMS

BUSY = 1013
ConnectionClosed = pytest.importorskip("websockets.exceptions").ConnectionClosed
posix = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


@pytest.fixture
def command():
    started = []

    def start(*arguments, **variables):
        process = subprocess.Popen(
            [sys.executable, "-m", "pellucid", "studio", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env={**os.environ, "PELLUCID_LANG": "en", **variables},
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def address_of(process):
    return re.search(r"http://127\.0\.0\.1:(\d+)/(\S+)/", process.stdout.readline()).groups()


@posix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_says_where_it_is_and_leaves_when_asked(command, number, status):
    process = command("--port", "0", "--no-browser")
    port, token = address_of(process)
    with socket.create_connection(("127.0.0.1", int(port))) as connection:
        connection.sendall(f"GET /{token}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == status
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "host must be one of 127.0.0.1, localhost, ::1, got '0.0.0.0'"),
        (["--host", "0.0.0.0", "--allow-remote"], "give --allow-remote and a --token of your own"),
        (["--token", "short"], "token must be 16 to 200 letters"),
        (["--token-file", "no/such/file"], "'no/such/file' cannot be read: No such file or directory"),
    ],
)
def test_wrong_options_are_one_line_and_status_2(command, arguments, words):
    process = command("--no-browser", *arguments)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert output == ""
    assert words in errors
    assert errors.count("\n") == 1


def test_other_machines_reach_it_by_the_address_that_is_printed(command):
    process = command("--port", "0", "--no-browser", "--host", "0.0.0.0", "--allow-remote", "--token", "t" * 20)
    address = re.search(r"http://\S+/", process.stdout.readline())[0]
    assert "0.0.0.0" not in address
    with urlopen(address, timeout=20) as answer:
        assert b"Pellucid" in answer.read()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_secret_is_in_no_list_of_processes(command, tmp_path, number):
    browser, told, secret = (tmp_path / name for name in ("browser", "told", "secret"))
    browser.write_text(f'#!/bin/sh\necho "$@" > {told}.part && mv {told}.part {told}\n')
    browser.chmod(0o755)
    secret.write_text("from-a-file-of-ones-own\n")
    process = command("--port", "0", "--token-file", str(secret), BROWSER=str(browser), TMPDIR=str(tmp_path))
    port, token = address_of(process)
    assert token == "from-a-file-of-ones-own"
    end = time.monotonic() + 20
    while not told.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    page = Path(told.read_text().strip().removeprefix("file://"))
    for arguments in (told.read_text(), psutil.Process(process.pid).cmdline()):
        assert token not in str(arguments)
    assert page.stat().st_mode & 0o777 == 0o600
    assert f'url=http://127.0.0.1:{port}/{token}/"' in page.read_text()
    process.send_signal(number)
    process.communicate(timeout=20)
    assert not page.exists()


def test_a_token_may_come_from_the_environment(command):
    process = command("--port", "0", "--no-browser", PELLUCID_STUDIO_TOKEN="from-the-environment")
    assert address_of(process)[1] == "from-the-environment"


def test_a_port_that_is_taken_is_named(command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = command("--no-browser", "--port", str(port))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"port {port} on 127.0.0.1 cannot be had" in errors


def connect(port, token):
    return websockets.connect(
        f"ws://127.0.0.1:{port}/{token}/ws", origin=f"http://127.0.0.1:{port}", compression=None, close_timeout=1
    )


@contextmanager
def let_in(port, token):
    """Be a page, as soon as those that have left no longer count: each does until its thread has ended."""
    end = time.monotonic() + 60
    while True:
        with connect(port, token) as page:
            if is_in(page):
                yield page
                return
        assert time.monotonic() < end
        time.sleep(0.2)


def is_in(page):
    try:
        page.send('{"do":"ping","id":0}')
        return loads(page.recv(timeout=60)) == {"pong": 0}
    except ConnectionClosed:
        return False


def open_every_room(port, token, tabs=8):
    """Let the server import and compile all that it ever will, and take the memory that so many rooms need at once."""
    for room in ROOMS:
        with ExitStack() as stack:
            pages = [stack.enter_context(let_in(port, token)) for _ in range(tabs)]
            for page in pages:
                page.send(dumps({"do": "open", "room": room, "settings": {}, "play": True}))
            for page in pages:
                while not has_begun(page):
                    pass


def has_begun(page):
    """Take a frame, and return whether the room has computed what it shows."""
    data = page.recv(timeout=120)
    assert isinstance(data, bytes), data
    page.send('{"do":"ack"}')
    header = Frame.read(data).header
    learning = header.get("learning")
    return "frame" in header and not header.get("begins") and not (learning and not learning["batch"])


def come_and_go(port, token, until, seed, failures):
    """Be a tab: train for a while, leave without a word, come again."""
    rng = random.Random(seed)
    while time.monotonic() < until:
        try:
            with connect(port, token) as page:
                room = rng.choice(ROOMS)
                page.send(dumps({"do": "open", "room": room, "settings": {}, "play": True}))
                leave = min(until, time.monotonic() + rng.uniform(0.3, 3))
                while time.monotonic() < leave:
                    with suppress(TimeoutError):
                        data = page.recv(timeout=0.2)
                        if isinstance(data, bytes):
                            page.send('{"do":"ack"}')
                            if "failed" in Frame.read(data).header:
                                failures.append(Frame.read(data).header)
                page.socket.shutdown(socket.SHUT_RDWR)
        except ConnectionClosed as error:
            if time.monotonic() < until and (error.rcvd is None or error.rcvd.code != BUSY):
                failures.append(repr(error))
            time.sleep(0.5)  # those that left a moment ago still take their last step: come again later
        except Exception as error:
            if time.monotonic() < until:
                failures.append(repr(error))
            time.sleep(0.5)  # a server that has gone answers at once, and these lines would fill the memory


def eight_tabs(port, token, seconds, failures):
    until = time.monotonic() + seconds
    tabs = [threading.Thread(target=come_and_go, args=(port, token, until, n, failures)) for n in range(8)]
    for tab in tabs:
        tab.start()
    return tabs, until


@posix
def test_it_ends_as_it_was_told_while_a_network_learns(command):
    process = command("--port", "0", "--no-browser")
    with connect(*address_of(process)) as page:
        page.send(dumps({"do": "open", "room": "sentences", "settings": {"anew": True}, "play": True}))
        while not has_begun(page):
            pass
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 143


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.long)])
def test_eight_tabs_that_come_and_go_leave_it_well(command, seconds):
    process = command("--port", "0", "--no-browser")
    port, token = address_of(process)
    failures, waits = [], []
    open_every_room(port, token)
    for tab in eight_tabs(port, token, 8, failures)[0]:
        tab.join()
    with let_in(port, token) as page:
        time.sleep(2)
        before = psutil.Process(process.pid).memory_info().rss
        tabs, until = eight_tabs(port, token, seconds, failures)
        while time.monotonic() < until:
            start = time.perf_counter()
            page.send(dumps({"do": "ping", "id": len(waits)}))
            assert loads(page.recv(timeout=10)) == {"pong": len(waits)}
            waits.append(time.perf_counter() - start)
            time.sleep(0.02)
    for tab in tabs:
        tab.join()
    time.sleep(1)
    growth = psutil.Process(process.pid).memory_info().rss / before - 1
    print(f"memory {growth:+.1%}, ping p99 {1000 * np.quantile(waits, 0.99):.0f} ms of {len(waits)}")
    assert failures == []
    assert process.poll() is None
    if seconds > 60:  # the figures are those of a machine that does nothing else
        assert growth <= 0.05
        assert np.quantile(waits, 0.99) <= 0.25
