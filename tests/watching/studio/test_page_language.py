"""What the page says in which language, errors included."""

import pytest
from studio_browser import IN_A_BROWSER, drop, until

from pellucid.experiments import inference

pytestmark = IN_A_BROWSER


def test_what_is_refused_is_said_in_the_page_s_language(visit, studio):
    page = visit("playground", "zh-CN")
    drop(page, "three.csv", "1,2,a\n3,4,b\n5,6,c\n")
    three = "three.csv：最后一列 'column_3' 必须含有两个类别，给出的是 3 个"
    until(page, f"document.querySelector('#live').textContent === {three!r}")
    drop(page, "ragged.csv", "1,2,0\n3,4\n")
    until(page, "document.querySelector('#live').textContent.startsWith('ragged.csv，第 2 行：有 2 个字段')")
    page.evaluate("location.hash = '#playground/' + btoa(JSON.stringify({ n: 7 }))")
    until(page, "document.querySelector('#live').textContent === 'n 必须是 8 到 500 的整数，给出的是 7'")
    wild = {
        "solver": "sgd",
        "loss": "sum_of_squares",
        "activation": "relu",
        "learning_rate": 10,
        "batch_size": 1,
        "n": 100,
    }
    page.evaluate("wild => { location.hash = '#playground/' + btoa(JSON.stringify(wild)); }", wild | {"alpha": 1})
    page.click("#step")
    until(page, "document.querySelector('.warn').textContent.includes('训练在第')")
    page.click("#language")
    until(page, "document.querySelector('.warn').textContent.includes('training diverged in epoch')")


def test_a_parse_that_cannot_be_read_is_refused_in_the_page_s_language(visit):
    inference.model_file()  # now, and not when the page waits for it
    page = visit("sentences", "zh-CN")
    page.fill("#premise", "( ( every dog ) runs")
    page.press("#premise", "Enter")
    until(page, "document.querySelector('main').textContent.includes('文本结束时还有 1 个括号未闭合')")


@pytest.mark.parametrize(
    ("asked", "browser", "first"), [("zh", "en-US", "zh-Hans"), ("en", "zh-CN", "en"), ("", "zh-CN", "zh-Hans")]
)
def test_pellucid_lang_decides_the_page_s_first_language(visit, monkeypatch, asked, browser, first):
    monkeypatch.setenv("PELLUCID_LANG", asked)
    page = visit("neuron", browser)
    assert page.evaluate("document.documentElement.lang") == first
    page.click("#language")
    other = "en" if first == "zh-Hans" else "zh-Hans"
    until(page, f"document.documentElement.lang === {other!r}")
    page.reload()
    page.wait_for_selector("#room[data-ready]")
    assert page.evaluate("document.documentElement.lang") == other  # the reader's own choice is remembered
