"""The studio in a real browser: what a person sees there. Skipped where there is no Chromium."""

import io
import shutil
import time
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from pellucid.watching.studio.app import ROOMS

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
    pytest.mark.xdist_group("browser"),
]
AXE = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, studio):
    """Open a room and return the page; at the end nothing may have been complained of or asked for elsewhere."""
    contexts, complaints, requests = [], [], []

    def open_page(room, language="en-US", theme="light", **options):
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
        page.goto(f"{studio.address}#{room}")
        page.wait_for_selector("#room[data-ready]", timeout=20_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((studio.address, "data:"))] == []


def until(page, expression, timeout=10.0):
    """Wait until a JavaScript expression holds. (Playwright's own way makes code of text, which the page forbids.)"""
    end = time.monotonic() + timeout
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


def count(page):
    return int(page.inner_text("#count").replace(",", ""))


def script(page):
    """Export the program that is offered, and return what it prints."""
    page.click("#export")
    text = page.inner_text("#script")
    page.keyboard.press("Escape")
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(text, "script.py", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


@contextmanager
def transferred(page):
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    yield sizes


@pytest.mark.parametrize("room", ROOMS)
def test_a_first_load_is_small_and_stays_on_this_machine(chromium, studio, room):
    page = chromium.new_page()
    with transferred(page) as sizes:
        page.goto(f"{studio.address}#{room}")
        page.wait_for_selector("#room[data-ready]", timeout=20_000)
    page.close()
    assert 5 <= len(sizes) <= 30
    assert sum(sizes) <= 300_000


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("room", ROOMS)
def test_axe_finds_no_violation(visit, room, language, theme):
    if not AXE.exists():
        pytest.skip("axe-core is not installed here: npm install --no-save axe-core")
    page = visit(room, language, theme, bypass_csp=True)
    page.click("#step")
    page.click("summary")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_speaks_both_languages_and_is_light_and_dark(visit, room):
    page = visit(room)
    english = page.inner_text("h1")
    page.click("#step")
    page.click("#language")
    until(page, "document.documentElement.lang === 'zh-Hans'")
    chinese = page.inner_text("main")
    assert english not in chinese
    assert any("\u4e00" <= character <= "\u9fff" for character in page.inner_text("h1"))
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.select_option("header select", "dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper
    page.reload()
    page.wait_for_selector("#room[data-ready]")
    assert page.evaluate("document.documentElement.lang") == "zh-Hans"  # it is remembered


def test_the_neuron_learns_and_the_script_says_what_the_screen_says(visit):
    page = visit("neuron")
    for _ in range(5):
        page.click("#step")
    until(page, "document.querySelector('#count').textContent === '6'")
    lines = script(page).splitlines()
    assert lines[0] == "iteration 6"
    assert lines[2].startswith(page.inner_text("#answer"))
    page.click("[aria-label='example 1, target: 0']")
    page.wait_for_selector("[aria-label='example 1, target: 1']")
    until(page, "document.querySelector('#count').textContent === '1'")


def test_the_playground_learns_and_the_script_says_what_the_screen_says(visit):
    page = visit("playground")
    page.click("#play")
    until(page, "Number(document.querySelector('#count').textContent) > 20")
    page.click("#play")
    time.sleep(0.3)
    epoch, loss = count(page), page.inner_text("#loss")
    words = script(page).replace(",", "").split()
    assert words[1] == f"{epoch}:"
    assert float(words[3]) == pytest.approx(float(loss.replace("−", "-")), rel=0.06, abs=0.0006)


def test_painted_points_show_at_once_and_are_what_it_learns(visit):
    page = visit("playground")
    page.select_option(".card select", "own")
    for tool, x in (("1", 0.25), ("0", 0.75)):
        page.click(f"[data-tool='{tool}']")
        box = page.locator(".pellucid-plane").bounding_box()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.3 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + x * box["width"], box["y"] + 0.7 * box["height"], steps=12)
        page.mouse.up()
    label = page.get_attribute(".pellucid-plane", "aria-label")
    points = int(label.split("with ")[1].split()[0])
    assert 200 < points < 240  # those that were there, and two strokes
    page.click("#export")
    assert page.inner_text("#script").count("X = [[") == 1


def test_one_step_is_gone_through_forwards_and_backwards(visit):
    page = visit("playground")
    page.click("#begin")
    page.wait_for_selector("#next")
    phases, formulas = [], []
    while True:
        phases.append(page.inner_text("#phase").split("· ")[1])
        formulas.append(page.inner_text("#detail .formula"))
        if page.locator("#next").is_disabled():
            break
        page.click("#next")
    assert list(dict.fromkeys(phases)) == ["forward", "loss", "backward", "update"]
    assert formulas[1] == "z1 = a0 W1 + b1"
    assert "dW1 = a0ᵀ δ1" in formulas
    assert "def update(" in page.inner_text("#detail pre")


def test_a_letter_is_painted_over_stored_corrupted_and_recalled(visit):
    page = visit("hopfield")

    box = page.locator(".pellucid-pad").bounding_box()
    before = page.get_attribute(".pellucid-pad", "aria-label")
    page.click("#clear")
    until(page, "document.querySelector('.pellucid-pad').getAttribute('aria-label').includes(' 0 of them')")
    page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + 0.05 * box["height"])
    page.mouse.down()
    for row in (0.05, 0.15, 0.25, 0.35, 0.45):
        page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + row * box["height"], steps=20)
        page.mouse.move(box["x"] + 0.05 * box["width"], box["y"] + row * box["height"], steps=20)
    page.mouse.up()
    painted = page.get_attribute(".pellucid-pad", "aria-label")
    assert painted != before
    page.click("#store")
    until(page, "document.querySelectorAll('.patterns li').length === 4")
    page.click("#corrupt")
    until(page, f"document.querySelector('.pellucid-pad').getAttribute('aria-label') !== {painted!r}")
    page.locator("input[type=range]").first.evaluate(
        "e => { e.value = e.max; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
    )
    page.click("#play")
    until(page, "document.querySelector('#outcome').textContent === 'At rest: a stored pattern.'")
    assert page.get_attribute(".pellucid-pad", "aria-label") == painted
    energy = float(page.inner_text("#energy").replace("−", "-"))
    assert float(script(page).split("energy ")[1].split()[0]) == pytest.approx(energy, abs=0.006)


def test_a_machine_learns_digits_makes_something_of_a_picture_and_dreams(visit):
    page = visit("rbm")
    page.locator("input[type=range]").first.evaluate(
        "e => { e.value = e.max; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }"
    )
    first = float(page.inner_text("#score").replace("−", "-"))
    page.click("#play")
    until(page, "Number(document.querySelector('#count').textContent.replace(',', '')) > 300", timeout=30)
    page.click("#play")
    time.sleep(0.3)
    batch, score = count(page), float(page.inner_text("#score").replace("−", "-"))
    assert score > first + 5
    label = "document.querySelector('.pellucid-paint').getAttribute('aria-label')"
    before, energy = page.evaluate(label), page.inner_text("#energy")
    box = page.locator(".pellucid-paint").bounding_box()
    page.mouse.move(box["x"] + 0.06 * box["width"], box["y"] + 0.06 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.06 * box["width"], box["y"] + 0.9 * box["height"], steps=20)
    page.mouse.up()
    assert page.evaluate(label) != before
    until(page, f"document.querySelector('#energy').textContent !== {energy!r}")
    assert count(page) == batch  # what is painted does not begin the learning anew
    page.click("#round")
    until(page, "document.querySelector('#told').textContent.startsWith('Round 1,')")
    page.click("#rounds")
    until(page, "document.querySelector('#told').textContent.startsWith('Round 101,')")
    page.click("#run")
    until(page, "document.querySelector('#told').textContent.startsWith('Round 104,')")
    page.click("#run")
    page.click("#dream")
    page.wait_for_selector("canvas[aria-label='20 pictures that the machine dreamt']")
    time.sleep(0.5)
    told = page.inner_text("#told")
    lines = script(page).splitlines()
    assert lines[0].startswith(f"batch {batch}: ")
    assert float(lines[0].split()[-1]) == pytest.approx(score, abs=0.0006)
    assert lines[2].startswith(f"round {told.split()[1].rstrip(',')}: free energy")
    assert float(lines[2].split()[-1]) == pytest.approx(float(told.split()[-1].rstrip(".").replace("−", "-")), abs=0.06)
    page.click("#language")
    until(page, "document.documentElement.lang === 'zh-Hans'")
    assert page.inner_text("#told").startswith("第 ")  # the chain is still there


def test_a_hidden_unit_is_chosen_by_keys_and_its_phases_are_told(visit):
    page = visit("rbm")
    units = page.locator(".pellucid-filters")
    assert units.get_attribute("aria-valuetext") == "hidden unit 1 of 36"
    units.focus()
    for key in ("ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    assert units.get_attribute("aria-valuenow") == "8"
    labels = [page.locator(".pellucid-phase canvas").nth(i).get_attribute("aria-label") for i in range(3)]
    assert [label.split(":")[0] for label in labels] == [
        "Positive phase", "Negative phase", "Change of the weights",
    ]  # fmt: skip
    assert all("Unit 8 is on in" in label for label in labels[:2])
    page.keyboard.press("End")
    assert units.get_attribute("aria-valuenow") == "36"
    page.select_option(".card select", "9")
    until(page, "document.querySelector('.pellucid-filters').getAttribute('aria-valuemax') === '9'")
    assert units.get_attribute("aria-valuenow") == "1"


def test_a_link_restores_the_room(visit, chromium, studio):
    page = visit("playground")
    page.select_option(".card select", "spirals")
    until(page, "location.hash.length > 20")
    page.click("#step")
    link = page.url
    other = chromium.new_page()
    other.goto(link)
    other.wait_for_selector("#room[data-ready]")
    assert other.locator(".card select").first.input_value() == "spirals"
    other.close()
    page = visit("rbm")
    page.select_option(".card select", "16")
    page.click("[aria-label='take a 7']")
    until(page, "location.hash.length > 60")
    label = page.get_attribute(".pellucid-paint", "aria-label")
    other = chromium.new_page()
    other.goto(page.url)
    other.wait_for_selector("#room[data-ready]")
    assert other.locator(".card select").first.input_value() == "16"
    assert other.get_attribute(".pellucid-paint", "aria-label") == label
    other.close()
    damaged = chromium.new_page()
    damaged.goto(f"{studio.address}#playground/%%%")
    damaged.wait_for_selector("#room[data-ready]")
    assert "damaged" in damaged.inner_text("#live")
    damaged.close()


def test_the_keyboard_is_enough(visit):
    page = visit("hopfield")
    page.focus(".pellucid-pad")
    before = page.get_attribute(".pellucid-pad", "aria-label")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(page, f"document.querySelector('.pellucid-pad').getAttribute('aria-label') !== {before!r}")
    page.focus("#play")
    page.keyboard.press("Enter")
    until(page, "Number(document.querySelector('#count').textContent) > 5")


def test_a_name_that_is_a_tag_stays_text(visit):
    page = visit("playground")
    page.evaluate("location.hash = '#playground/' + btoa(JSON.stringify({shape: '<img src=x onerror=alert(1)>'}))")
    until(page, "document.querySelector('#live').textContent.includes('<img src=x')")
    assert page.locator("img").count() == 0


def test_the_notebook_s_module_draws_what_the_widget_gives(chromium):
    import numpy as np

    from pellucid import MLPClassifier
    from pellucid.data import circles
    from pellucid.watching.notebook import VIEWS, _network, bundled

    X, y = circles(60, random_state=0)
    model = MLPClassifier((4, 3), max_iter=30, n_iter_no_change=30, tol=0, random_state=0).fit(X, y)
    values = _network(model, X, y, None) | {"columns": 40, "tool": "", "texts": None}
    weights, answer = (list(values.pop(name)) for name in ("weights", "answer"))
    page = chromium.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_content("<div id='cell' style='width: 900px'></div>")
    page.add_style_tag(content=(VIEWS / "views.css").read_text(encoding="utf-8"))
    drawn = page.evaluate(
        """async ({ text, values, weights, answer }) => {
          const bytes = (list) => new DataView(Uint8Array.from(list).buffer);
          const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
          const all = { ...values, weights: bytes(weights), answer: bytes(answer) };
          const model = { get: (name) => all[name], set() {}, on() {}, off() {}, save_changes() {}, send() {} };
          const end = module.default.render({ model, el: document.getElementById("cell") });
          const count = document.querySelectorAll("#cell .pellucid-network path").length;
          const plane = document.querySelector(".pellucid-plane");
          const pixels = plane.getContext("2d").getImageData(0, 0, plane.width, plane.height).data;
          end();
          return { count, colours: new Set(pixels).size };
        }""",
        {"text": bundled("widget.js"), "values": values, "weights": weights, "answer": answer},
    )
    page.close()
    assert complaints == []
    assert drawn["count"] == len(np.frombuffer(bytes(weights), "<f4")) == 2 * 4 + 4 * 3 + 3
    assert drawn["colours"] > 20


@pytest.mark.long
@pytest.mark.parametrize(("target", "least"), [(4, 28), (5, 40)])
def test_the_playground_draws_as_many_frames_as_promised(visit, target, least):
    """Speed 4 asks for 30 steps and frames a second, 5 for 100 steps at 60 frames."""
    page = visit("playground")
    page.locator("input[type=range]").first.evaluate(
        f"e => {{ e.value = {target}; e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change')); }}"
    )
    page.click("#play")
    time.sleep(1)
    start, begun = time.perf_counter(), int(page.get_attribute("#room", "data-frames"))
    time.sleep(4)
    rate = (int(page.get_attribute("#room", "data-frames")) - begun) / (time.perf_counter() - start)
    assert rate >= least
