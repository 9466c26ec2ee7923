"""The view of a computation graph in a browser: it grows beside the line that ran, and then the slopes come back."""

import shutil

import pytest

from pellucid.watching import Graph
from pellucid.watching.notebook import VIEWS, _graph, bundled

torch = pytest.importorskip("torch")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
    pytest.mark.xdist_group("browser"),
]
SHOW = """async ({ text, values }) => {
  const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const set = (name, value) => { values[name] = value; };
  const model = { get: (name) => values[name], set, on() {}, off() {}, save_changes() {} };
  window.end = module.default.render({ model, el: document.getElementById("cell") });
  window.values = values;
}"""


@pytest.fixture
def page():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        made = browser.new_page(viewport={"width": 900, "height": 700}, color_scheme="light")
        complaints = []
        made.on("console", lambda message: complaints.append(message.text))
        made.on("pageerror", lambda error: complaints.append(str(error)))
        made.set_content("<div id='cell' style='width: 860px'></div>")
        made.add_style_tag(content=(VIEWS / "views.css").read_text(encoding="utf-8"))
        yield made
        browser.close()
    assert complaints == []


def test_it_is_gone_through_by_keys_and_shows_lines_values_and_slopes(page):
    w, x = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (0.8, 0.5))
    h = torch.zeros((), dtype=torch.float64)
    with Graph(w=w, x=x, h=h) as graph:
        for _ in range(2):
            h = torch.tanh(w * h + x)
    h.backward()
    page.evaluate(SHOW, {"text": bundled("widget.js"), "values": _graph(graph, None, None, None) | {"texts": None}})

    def boxes():
        return page.locator(".pellucid-graph g").count()

    assert boxes() == len(graph) == 9
    slider = page.locator("input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    assert boxes() == 0
    assert "Nothing has run yet" in page.inner_text(".pellucid-note")
    for made in range(1, 5):
        page.keyboard.press("ArrowRight")
        assert boxes() == made
    assert page.inner_text(".pellucid-now") == "h = torch.tanh(w * h + x)"
    assert "ran · and made 0.000" in page.inner_text(".pellucid-note")
    assert page.locator(".pellucid-graph path").count() == 2
    page.keyboard.press("End")
    assert boxes() == 9
    assert "the slope of the result by w is" in page.inner_text(".pellucid-note")
    assert f"∂ {float(w.grad):.3f}" in page.text_content(".pellucid-graph g:first-of-type")
    assert page.get_by_role("button", name="Next").is_disabled()
    page.get_by_role("button", name="Back").click()
    assert page.evaluate("values.moment") == 16  # nine values, then eight slopes: nobody asked for that of h
    lanes = page.evaluate("[...document.querySelectorAll('.pellucid-graph path')].map(path => path.getAttribute('d'))")
    assert any("H" in lane for lane in lanes)  # w is used again in the second round, by a lane of its own
    page.evaluate("end()")


def test_no_two_boxes_lie_on_each_other(page):
    torch.manual_seed(0)
    values = [torch.randn(3, requires_grad=True) for _ in range(4)]
    with Graph(a=values[0], b=values[1], c=values[2], d=values[3]) as graph:
        for _ in range(3):
            values = [values[3] * values[0], values[0] + values[2], values[1].tanh(), values[2] * values[3]]
    page.evaluate(SHOW, {"text": bundled("widget.js"), "values": _graph(graph, None, None, None) | {"texts": None}})
    places = page.evaluate(
        "[...document.querySelectorAll('.pellucid-graph g > rect:first-of-type')]"
        ".map(box => box.getBoundingClientRect()).map(box => [box.left, box.top, box.right, box.bottom])"
    )
    assert len(places) == len(graph) == 16
    for i, (left, top, right, bottom) in enumerate(places):
        for other in places[:i]:
            assert right <= other[0] or left >= other[2] or bottom <= other[1] or top >= other[3]
