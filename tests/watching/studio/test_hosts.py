"""The same view module in the studio, in JupyterLab and in marimo: the same drawing, and a screenshot of each."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec

import numpy as np
import pytest

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
    pytest.mark.xdist_group("browser"),
]
PATIENCE = 120_000  # milliseconds: a notebook server starts, then a kernel, which imports the library
WIDTH, HEIGHT = 620, 272
STYLE = (
    f"position: fixed; left: 0; top: 0; z-index: 99999; width: {WIDTH}px; height: {HEIGHT}px; min-width: 0; "
    "background: white; font-family: sans-serif"
)
CELL = """\
from pellucid import Neuron
from pellucid.data import NEURON_TABLE
from pellucid.watching import widget
X, y = NEURON_TABLE
widget(Neuron(1, random_state=1, engine="reference").fit(X, y), X, y)
"""


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(chromium, url):
    """A page that has nothing to complain of and asks nothing of anybody else."""
    page = chromium.new_page(viewport={"width": 1300, "height": 900}, color_scheme="light", locale="en-US")
    page.set_default_timeout(PATIENCE)
    wrong, foreign, origin = [], [], url.partition("://")[2].partition("/")[0]
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: foreign.append(request.url) if is_foreign(request.url, origin) else None)
    page.goto(url, timeout=PATIENCE)
    yield page
    page.close()
    assert wrong == []
    assert foreign == []


def is_foreign(url, origin):
    return not url.startswith(("data:", "blob:", f"http://{origin}/", f"ws://{origin}/"))


def drawing(page):
    """Return the neuron's view as markup, and its picture, (H, W, 3), on white paper and in one size."""
    view = page.locator("svg.pellucid-neuron")
    view.locator("circle").first.wait_for()
    view.evaluate("(view, style) => { view.style.cssText = style; }", STYLE)
    from PIL import Image

    corner = view.bounding_box()  # JupyterLab's panels keep to themselves what is fixed in them
    shot = page.screenshot(clip={"x": corner["x"], "y": corner["y"], "width": WIDTH, "height": HEIGHT})
    return view.evaluate("view => view.innerHTML"), np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


@pytest.fixture(scope="module")
def in_studio(chromium, studio):
    with opened(chromium, f"{studio.address}#neuron") as page:
        page.wait_for_selector("#room[data-ready]")
        return drawing(page)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(command, folder, port):
    """A server of its own, with its own home, that is gone afterwards."""
    home = {name: str(folder / name) for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    cache = os.environ.get("NUMBA_CACHE_DIR", str(folder / "numba"))
    environment = os.environ | home | {"NUMBA_CACHE_DIR": cache, "PELLUCID_LANG": "en"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        end = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(30)


def test_the_studio_draws_it(in_studio):
    markup, picture = in_studio
    assert_it_is_the_neuron(markup, picture)


@contextmanager
def in_jupyterlab(chromium, folder, *sources):
    """A notebook of these cells, its first cell chosen."""
    for needed in ("jupyterlab", "ipykernel", "anywidget"):
        pytest.importorskip(needed)
    cells = [
        {"cell_type": "code", "execution_count": None, "id": f"c{n}", "metadata": {}, "outputs": [], "source": source}
        for n, source in enumerate(sources)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "shown.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    port = free_port()
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    with serving(command, folder, port), opened(chromium, f"http://127.0.0.1:{port}/lab/tree/shown.ipynb") as page:
        page.get_by_text("| Idle").wait_for()  # what is run before the kernel is there is lost
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        yield page


def test_jupyterlab_draws_the_same(chromium, in_studio, tmp_path):
    with in_jupyterlab(chromium, tmp_path, CELL) as page:
        page.keyboard.press("Shift+Enter")
        assert_they_are_alike(drawing(page), in_studio)


def test_in_jupyterlab_a_network_is_seen_to_learn_from_before_its_first_step(chromium, tmp_path):
    shows = """\
from sklearn.datasets import load_digits
from pellucid import CNNClassifier
from pellucid.watching import widget
X, y = load_digits().images[:200] / 16, load_digits().target[:200]
network = CNNClassifier(((4, 3),), (8,), max_iter=3, n_iter_no_change=3, tol=0, random_state=0, engine="reference")
shown = widget(network, X, y)
shown
"""
    learns = "for step in shown.watch(network.steps(X, y)):\n    pass\nprint('learnt', network.n_iter_)"
    with in_jupyterlab(chromium, tmp_path, shows, learns) as page:
        page.keyboard.press("Shift+Enter")
        page.get_by_text("There is nothing to see yet").wait_for()
        page.keyboard.press("Shift+Enter")
        page.get_by_text("learnt 3", exact=True).wait_for()
        page.locator(".pellucid-widget-maps canvas").first.wait_for()
        places = page.locator(".pellucid-widget > div")
        names = [place.get_attribute("class") for place in places.all()]
        assert names == [f"pellucid-widget-{name}" for name in ("maps", "confusion", "curve")]
        taken = page.locator(".pellucid-confusion tbody td").all_inner_texts()
        assert sum(int(number.replace("·", "0")) for number in taken) == 200


def test_marimo_draws_the_same(chromium, in_studio, tmp_path):
    for needed in ("marimo", "anywidget"):
        if find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed here")
    source = "".join(f"    {line}\n" for line in CELL.splitlines())
    (tmp_path / "neuron.py").write_text(
        f"import marimo\n\napp = marimo.App()\n\n\n@app.cell\ndef _():\n{source}    return\n", encoding="utf-8"
    )
    port = free_port()
    command = [
        sys.executable, "-m", "marimo", "--yes", "run", "neuron.py", "--headless", "--no-token", f"--port={port}",
        "--no-sandbox",
    ]  # fmt: skip
    with serving(command, tmp_path, port), opened(chromium, f"http://127.0.0.1:{port}/") as page:
        assert_they_are_alike(drawing(page), in_studio)


def assert_it_is_the_neuron(markup, picture):
    assert markup.count("<circle") == 5  # three inputs, the sum, the point on the curve
    near = np.abs(picture[:, :, None].astype(int) - [[213, 94, 0], [0, 114, 178]]).max(axis=-1) < 40  # orange, blue
    assert (near.sum(axis=(0, 1)) > [40, 300]).all()  # the dot; the thick line
    assert 0.5 < (picture.min(axis=-1) > 250).mean() < 0.97


def assert_they_are_alike(one, other):
    assert one[0] == other[0]
    assert_it_is_the_neuron(*one)
    assert one[1].shape == other[1].shape
    apart = np.abs(one[1].astype(int) - other[1].astype(int)).max(axis=-1)
    assert (apart > 60).mean() < 0.002, f"{(apart > 60).mean():.4f} of the pixels differ"
