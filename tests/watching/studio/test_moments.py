"""One step of the Playground, line by line, as the page draws it."""

from studio_browser import IN_A_BROWSER, until

from pellucid.watching.studio.rooms import open_room

pytestmark = IN_A_BROWSER


def label(page, place):
    return page.get_attribute(place, "aria-label")


def brief(value):
    size = abs(value)
    digits = 1 if size >= 9.95 else 2 if size >= 0.095 or size == 0 else 3
    shown = f"{value:.0e}".replace("e-0", "e-") if size and size < 0.0005 else f"{value:.{digits}f}"
    return shown.replace("-", "−")


def products(page):
    return page.locator("path.pellucid-product title").evaluate_all("all => all.map((each) => each.textContent)")


def traced(epochs, target):
    room = open_room("playground", {})
    for _ in range(epochs):
        room.advance()
    answer, _ = room.ask("trace", {"x": [0.3, 0.3], "y": target})
    weights, biases = room.model.coefs_, room.model.intercepts_
    return {record["name"]: record["value"] for record in answer["trace"]}, weights, biases


def go_to(page, formula):
    while not page.inner_text("#detail .formula").startswith(formula):
        page.click("#next")


def test_every_line_of_the_moment_carries_its_product_forwards_and_backwards(visit):
    page = visit("playground")
    page.click("#begin")
    page.wait_for_selector("#next")
    target = int("orange" in page.locator("#detail .small").nth(1).inner_text())
    values, weights, biases = traced(1, target)

    def wanted(left, right, factors):
        return [
            f"{i + 1} → {j + 1}: {brief(factors(i, j)[0])} · {brief(factors(i, j)[1])} = "
            f"{brief(factors(i, j)[0] * factors(i, j)[1])}"
            for i in range(left) for j in range(right)
        ]  # fmt: skip

    go_to(page, "z2")
    a1, W2, delta2 = values["a1"][0], weights[1], values["delta2"][0]
    assert products(page) == wanted(4, 3, lambda i, j: (a1[i], W2[i, j]))
    shown = page.locator(".pellucid-bias").all_text_contents()
    assert shown == [f"+ b {brief(b)}" for b in biases[1]]
    go_to(page, "δ3")
    assert products(page) == []
    go_to(page, "dW2")
    assert products(page) == wanted(4, 3, lambda i, j: (a1[i], delta2[j]))
    go_to(page, "δ1")
    assert products(page) == wanted(4, 3, lambda i, j: (delta2[j], W2[i, j]))
    assert wanted(4, 3, lambda i, j: (delta2[j], W2[i, j]))[0] in label(page, ".pellucid-network > svg")
    assert "times its weight, back to its left" in page.inner_text(".pellucid-note")
    strong = """all => all.filter((each) => Number(each.getAttribute("stroke-opacity")) > 0.12).length"""
    assert page.locator("path.pellucid-product").evaluate_all(strong) == 12
    page.hover(".pellucid-unit >> nth=3")  # the second of four: its three lines stay, and their factors are told
    assert page.locator("path.pellucid-product").evaluate_all(strong) == 3
    shown = page.locator(".pellucid-edge-label").all_text_contents()
    assert [words for words in shown if " · " in words] == [f"{brief(delta2[j])} · {brief(W2[1, j])}" for j in range(3)]
    page.hover(".pellucid-unit >> nth=9")  # the output has no part in this moment
    assert page.locator("path.pellucid-product").evaluate_all(strong) == 12


def test_a_step_of_training_shows_the_same_moment_of_the_network_after_it(visit):
    page = visit("playground")
    page.click("#begin")
    page.wait_for_selector("#next")
    target = int("orange" in page.locator("#detail .small").nth(1).inner_text())
    go_to(page, "z2")
    page.click("#step")
    values, weights, _ = traced(2, target)
    product = values["a1"][0][0] * weights[1][0, 0]
    first = f"1 → 1: {brief(values['a1'][0][0])} · {brief(weights[1][0, 0])} = {brief(product)}"
    until(page, f"document.querySelector('path.pellucid-product title')?.textContent === {first!r}")
    assert page.inner_text("#detail .formula").startswith("z2")
    assert page.inner_text("#count") == "2"
    page.click("#play")
    until(page, "Number(document.querySelector('#count').textContent) > 4")
    assert page.locator("path.pellucid-product").count() == 0  # the way of a point belongs to one network
    assert page.locator("#begin").count() == 1
