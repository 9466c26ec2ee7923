"""Pads, planes and pictures in a real browser: by pointer and by keyboard, and what a screen reader hears of them."""

import re

import pytest
from studio_browser import IN_A_BROWSER, slide, until

from pellucid.watching.notebook import bundled
from pellucid.watching.studio.rooms import open_room

pytestmark = IN_A_BROWSER


def label(page, place):
    return page.get_attribute(place, "aria-label")


def points(page):
    return int(re.search(r"with (\d+) points", label(page, ".pellucid-plane"))[1])


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def opened_anew(chromium, page):
    """Open the page's link in another page."""
    other = chromium.new_page()
    other.goto(page.url)
    other.wait_for_selector("#room[data-ready]", timeout=20_000)
    return other


def test_the_hopfield_pad_says_where_its_cursor_is_and_keeps_to_its_rows(visit):
    page = visit("hopfield")
    page.focus(".pellucid-pad")
    assert label(page, ".pellucid-pad").endswith("The cursor is at row 1, column 1, which is off.")
    press(page, "ArrowLeft", "ArrowUp", "ArrowDown", "ArrowRight", "ArrowRight")
    assert label(page, ".pellucid-pad").endswith("The cursor is at row 2, column 3, which is off.")
    press(page, "Enter")
    assert label(page, ".pellucid-pad").endswith("The cursor is at row 2, column 3, which is on.")
    press(page, *["ArrowRight"] * 12)
    assert "row 2, column 10" in label(page, ".pellucid-pad")


def test_a_row_of_the_hopfield_pad_is_as_long_as_the_pad_is_wide(chromium):
    page = chromium.new_page()
    page.set_content("<div id='cell'></div>")
    page.evaluate(
        """async (text) => {
          const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
          const all = { state: Array(25).fill(-1), pad_side: 5 };
          const model = { get: (name) => all[name], set() {}, on() {}, off() {}, save_changes() {}, send() {} };
          module.default.render({ model, el: document.getElementById("cell") });
        }""",
        bundled("hopfield.js"),
    )
    page.focus(".pellucid-pad")
    press(page, "ArrowDown", "ArrowDown", "ArrowRight")
    assert "row 3, column 2" in label(page, ".pellucid-pad")
    page.close()


def test_a_picture_for_the_machine_is_painted_by_keys_and_says_where_the_cursor_is(visit):
    page = visit("rbm")
    page.click("#clear")
    page.focus(".pellucid-paint")
    press(page, "ArrowDown", "ArrowRight", "ArrowRight", "Enter")
    told = label(page, ".pellucid-paint")
    assert "64 pixels, 1 of them with ink" in told
    assert told.endswith("The cursor is at row 2, column 3, which is on.")


def test_points_are_painted_by_keys_and_the_plane_says_where_the_cursor_is(visit):
    page = visit("playground")
    before = points(page)
    page.focus("[data-tool='1']")
    press(page, "Enter")
    page.focus(".pellucid-plane")
    press(page, "ArrowRight", "ArrowRight", "ArrowUp")
    told = re.search(
        r"The cursor is at (.+), (.+); there the network says orange with (.+)\.$", label(page, ".pellucid-plane")
    )
    assert told.groups()[:2] == ("0.20", "0.10")
    room = open_room("playground", {})
    _, arrays = room.frame()
    column, row = int((0.2 / 1.5 + 1) / 2 * 40), int((1 - 0.1 / 1.5) / 2 * 40)
    assert float(told[3]) == pytest.approx(arrays["answer"][row, column] / 255, abs=0.006)
    press(page, "Enter")
    until(page, f"document.querySelector('.pellucid-plane').ariaLabel.includes('with {before + 1} points')")
    page.click("#export")
    assert "[0.2, 0.1]" in page.inner_text("#script")


def test_the_neuron_s_examples_are_changed_by_keys(visit):
    page = visit("neuron")
    page.focus("[aria-label='example 1, input 1: 0']")
    press(page, "Enter")
    page.wait_for_selector("[aria-label='example 1, input 1: 1']")
    page.focus("[aria-label='show example 3']")
    press(page, " ")
    assert page.get_attribute("[aria-label='show example 3']", "aria-pressed") == "true"
    page.focus("#step")
    press(page, "Enter")
    until(page, "document.querySelector('#count').textContent === '2'")
    assert "X = [[1" in (page.click("#export") or page.inner_text("#script"))


@pytest.mark.parametrize(("room", "pad"), [("hopfield", ".pellucid-pad"), ("playground", ".pellucid-plane")])
def test_a_stroke_that_the_system_takes_away_is_over(visit, room, pad):
    page = visit(room)
    if room == "playground":
        page.click("[data-tool='1']")
    box = page.locator(pad).bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    shown = lambda: label(page, pad).split(". ")[0]  # noqa: E731
    painted = shown()
    page.evaluate(f"document.querySelector({pad!r}).dispatchEvent(new PointerEvent('pointercancel'))")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=10)
    page.mouse.up()
    assert shown() == painted
    until(page, "location.hash.length > 60")  # what was painted until then was saved


def test_what_is_being_painted_stays_while_the_network_moves(visit):
    page = visit("hopfield")
    page.select_option(".grid.hopfield select >> nth=1", "stochastic")
    slide(page, "#temperature input", 2)
    page.click("#play")
    until(page, "Number(document.querySelector('#count').textContent) > 3")
    box = page.locator(".pellucid-pad").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    seen = {page.evaluate("document.querySelector('.pellucid-pad').toDataURL()")}
    visits = int(page.inner_text("#count"))
    until(page, f"Number(document.querySelector('#count').textContent) > {visits + 20}")
    seen.add(page.evaluate("document.querySelector('.pellucid-pad').toDataURL()"))
    drawn = page.evaluate("document.querySelector('.pellucid-pad').ariaLabel")
    page.mouse.up()
    assert len(seen) == 1
    until(page, "document.querySelector('#count').textContent === '0'")
    assert label(page, ".pellucid-pad") == drawn


def test_the_last_point_of_a_colour_stays_so_that_what_is_shown_is_what_is_learnt(visit, studio):
    page = visit("playground")
    page.click("[data-tool='erase']")
    box = page.locator(".pellucid-plane").bounding_box()
    for y in range(2, 100, 5):  # all of the inner circle, and all of the outer
        page.mouse.move(box["x"] + 2, box["y"] + y / 100 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + y / 100 * box["height"], steps=24)
        page.mouse.up()
    until(page, "document.querySelector('#live').textContent.includes('the last one stays')")
    assert points(page) == 2
    page.click("#step")
    until(page, "document.querySelector('#count').textContent === '2'")
    page.click("#export")
    learnt = re.search(r"y = (\[.*\])", page.inner_text("#script"))[1]
    assert sorted(learnt) == sorted("[0, 1]")


def test_a_link_restores_the_neuron_s_table(visit, chromium):
    page = visit("neuron")
    page.click("[aria-label='example 2, target: 1']")
    page.click("[aria-label='new case, input 2: 0']")
    page.click("#step")
    until(page, "document.querySelector('#count').textContent === '2'")
    other = opened_anew(chromium, page)
    assert other.locator("[aria-label='example 2, target: 0']").count() == 1
    assert other.locator("[aria-label='new case, input 2: 1']").count() == 1
    other.click("#step")
    until(other, "document.querySelector('#count').textContent === '2'")
    assert other.inner_text("#answer") == page.inner_text("#answer")
    other.close()
