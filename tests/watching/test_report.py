"""The report: one file, nothing from elsewhere, readable by machines and by those who cannot see."""

import base64
import re
from html.parser import HTMLParser

import pytest

from pellucid.experiments import Result, run
from pellucid.watching import write_report


class Page(HTMLParser):
    """Checks that tags close in order and collects what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.language, self.links = [], [], None, []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.links += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag == "img":
            self.images.append(attrs)
        if tag == "html":
            self.language = attrs["lang"]
        if tag not in {"meta", "img", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    path = write_report([*results.values(), run("mnist", quick=True)], tmp_path_factory.mktemp("out") / "new")
    return path.read_text(encoding="utf-8")


def test_the_report_is_one_file_that_needs_no_other(report):
    page = Page(report)
    assert page.links
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "@import" not in report
    assert "<script" not in report


def test_every_figure_is_a_png_with_a_text_for_those_who_cannot_see_it(report):
    for image in Page(report).images:
        assert base64.b64decode(image["src"].split(",")[1]).startswith(b"\x89PNG")
        assert len(image["alt"]) > 10


def test_the_closing_table_has_a_row_for_each_and_says_what_was_skipped(report):
    table = report[report.index("<table>") :]
    assert table.count("<tr>") == 1 + 5
    assert "MNIST is 11 MB" in table
    assert "prediction = 0.99993704" in table


def test_the_report_reads_well_in_the_dark(report):
    assert "prefers-color-scheme: dark" in report


def contrast(one, other):
    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_text_stands_out_from_its_background_by_day_and_by_night(report):
    palettes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", report, re.DOTALL)
    ]
    assert len(palettes) == 2
    for palette in palettes:
        for name in ("ink", "muted", "good", "bad"):
            for background in ("paper", "card"):
                assert contrast(palette[name], palette[background]) >= 4.5


def test_what_a_text_contains_is_never_markup(tmp_path):
    nasty = Result("<b>&", 0, {}, {"x": ">= 0"}, False, 1.0, ("<script>alert(1)</script>",), {}, "<i>")
    text = write_report([nasty], tmp_path).read_text(encoding="utf-8")
    Page(text)
    assert "<script" not in text
    assert "<i>" not in text


def test_the_report_speaks_chinese(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    text = write_report([run("mnist", quick=True)], tmp_path).read_text(encoding="utf-8")
    assert Page(text).language == "zh-Hans"
    assert "已跳过" in text
