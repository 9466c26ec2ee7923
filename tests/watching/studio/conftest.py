"""A studio of one's own: the real server on a free port, in a thread."""

import sys
import threading
import time
from pathlib import Path

import pytest

import pellucid

sys.path.insert(0, str(Path(__file__).parent))
from studio_page import TOKEN, Studio


@pytest.fixture(scope="session", autouse=True)
def kept(tmp_path_factory):
    """Keep a small model for the room of sentences, trained when a test first opens it; the user's own is let be."""
    from pellucid.experiments import inference

    path = tmp_path_factory.mktemp("kept") / "inference.pellucid"

    def small():
        if not path.exists():
            model = inference.network(0).set_params(
                hidden=16, embedding=12, tracker=8, mlp=16, batch_size=32, max_iter=4
            )
            sizes = {"train": 1200, "validation": 60, "test": 60}
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(inference, "SIZES", sizes)
                for _ in inference.training(model, inference.pairs(0)):
                    pass
            pellucid.save(model, path)
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inference, "model_file", small)
        yield path


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
