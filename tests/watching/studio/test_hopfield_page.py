"""The Hopfield network's page: its landscape, its valleys, and what it calls at rest."""

import numpy as np
from studio_browser import IN_A_BROWSER, script, slide, until

from pellucid import HopfieldNetwork
from pellucid.data.letters import letters

pytestmark = IN_A_BROWSER


def label(page, place):
    return page.get_attribute(place, "aria-label")


def opened_anew(chromium, page):
    """Open the page's link in another page."""
    other = chromium.new_page()
    other.goto(page.url)
    other.wait_for_selector("#room[data-ready]", timeout=20_000)
    return other


def test_a_link_restores_what_the_hopfield_network_holds_its_temperature_and_its_valleys(visit, chromium):
    page = visit("hopfield")
    page.click("[aria-label='draw the letter Q']")
    page.click("#store")
    page.select_option(".grid.hopfield select >> nth=0", "pseudo_inverse")
    page.select_option(".grid.hopfield select >> nth=1", "stochastic")
    slide(page, "#temperature input", 0.7)
    page.click("#find")
    until(page, "document.querySelectorAll('.valleys li').length > 8")
    other = opened_anew(chromium, page)
    until(other, "document.querySelectorAll('.valleys li').length > 8")
    for place in (".patterns:not(.valleys) li", ".valleys li"):
        assert other.locator(place).count() == page.locator(place).count()
    assert other.inner_text("#found") == page.inner_text("#found")
    assert other.inner_text("#temperature") == page.inner_text("#temperature") == "Temperature 0.70"
    assert label(other, ".pellucid-pad") == label(page, ".pellucid-pad")
    other.click("#export")
    assert "rule='pseudo_inverse', update='stochastic', temperature=0.7" in other.inner_text("#script")
    other.close()


def test_valleys_are_found_and_one_that_nobody_stored_is_at_rest(visit):
    page = visit("hopfield")
    assert not page.is_visible("#temperature")
    page.click("#find")
    until(page, "document.querySelectorAll('.valleys [data-kind=mixture]').length > 3")
    found = page.inner_text("#found")
    assert found.startswith("1,000 random states came to rest in 14 valleys.")
    page.locator(".valleys [data-kind=mixture] button").first.click()
    slide(page, "input[type=range]", "max")
    page.click("#play")
    told = "At rest in a mixture of stored patterns: a memory that nobody stored."
    until(page, f"document.querySelector('#outcome').textContent === {told!r}")
    assert page.inner_text("#found") == found
    lines = script(page).splitlines()
    assert lines[11] == "14 valleys"
    page.click("#language")
    until(page, "document.documentElement.lang === 'zh-Hans'")
    assert page.locator(".valleys li").count() == 14


def test_the_lead_and_the_outcome_say_what_each_kind_of_update_does(visit):
    network = HopfieldNetwork(update="synchronous", random_state=0).fit(letters()[[0, 2, 23]])
    page = visit("hopfield")
    assert "Each flip lowers the energy" in page.inner_text("#lead")
    slide(page, "input[type=range]", "max")
    page.select_option(".grid.hopfield select >> nth=1", "synchronous")
    assert "two states may take turns" in page.inner_text("#lead")
    generator = np.random.default_rng(0)
    starts = (generator.choice([-1, 1], 100) for _ in range(1000))
    start = next(start.tolist() for start in starts if list(network.steps(start))[-1].cycle)
    page.evaluate(
        "start => { location.hash = '#hopfield/' + btoa(JSON.stringify({ update: 'synchronous', start: [start] })); }",
        start,
    )
    until(page, "document.querySelector('#energy') !== null && document.querySelector('#count').textContent === '0'")
    page.click("#play")
    until(
        page,
        "document.querySelector('#outcome').textContent === 'Two states take turns for ever, and neither is at rest.'",
    )
    page.select_option(".grid.hopfield select >> nth=1", "stochastic")
    assert "The energy may rise" in page.inner_text("#lead")
    slide(page, "input[type=range]", "max")
    page.click("#play")
    until(
        page, "document.querySelector('#outcome').textContent.includes('At a temperature it never rests')", timeout=60
    )
