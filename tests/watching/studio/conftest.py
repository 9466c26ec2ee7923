"""A studio of one's own: the real server on a free port, in a thread."""

import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from studio_page import TOKEN, Studio


@pytest.fixture(scope="session")
def studio():
    from pellucid.watching.studio.app import application
    from pellucid.watching.studio.serving import listen, server_of

    listening = listen("127.0.0.1", 0)
    port = listening.getsockname()[1]
    server = server_of(application(TOKEN, [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Studio(port)
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()
