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


@pytest.fixture(scope="module")
def chromium():
    from playwright.sync_api import sync_playwright
    from studio_browser import CHROMIUM

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, studio):
    """Open a room and return the page; at the end nothing may have been complained of or asked for elsewhere."""
    contexts, complaints, requests = [], [], []

    def open_page(room, language="en-US", theme="light", *, prepare=None, **options):
        context = chromium.new_context(
            viewport={"width": 1400, "height": 1000}, color_scheme=theme, locale=language, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        if prepare:
            prepare(page)
        page.goto(f"{studio.address}#{room}")
        page.wait_for_selector("#room[data-ready]" if prepare else "#room[data-ready=true]", timeout=60_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((studio.address, "data:"))] == []
