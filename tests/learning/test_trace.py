"""A Trace is a sequence of records that renders itself."""

import io
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from pellucid.learning.trace import Record, Trace

RECORDS = [
    Record("z1", "z1 = a0 W1", np.array([[1.0, -2.0]]), "N H", layer=1),
    Record("loss", "C = <mean> of log_loss", 0.25, "", "loss"),
]


@pytest.fixture
def trace():
    return Trace("A & B", RECORDS)


def test_it_is_a_sequence_and_answers_to_names(trace):
    assert len(trace) == 2
    assert list(trace) == list(trace[:]) == RECORDS
    assert trace["loss"] == 0.25
    assert trace[0].shape == (1, 2)
    with pytest.raises(KeyError, match="'z9' is not in this trace; it has z1, loss"):
        trace["z9"]


def test_it_prints_formula_shape_and_value(trace):
    text = str(trace)
    assert "z1 = a0 W1   (N H) = 1x2" in text
    assert "[[ 1. -2.]]" in text


def test_rich_prints_a_table(trace):
    console = Console(file=io.StringIO(), width=100)
    console.print(trace)
    assert "z1 = a0 W1" in console.file.getvalue()


def test_its_html_is_balanced_and_escaped(trace):
    html = trace._repr_html_()
    assert "A &amp; B" in html
    assert "&lt;mean&gt;" in html
    assert "<mean>" not in html
    open_tags = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag, attrs):
            open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Balance().feed(html)
    assert open_tags == []


def test_large_values_are_cut_to_what_can_be_read():
    assert len(Record("W", "W", np.zeros((500, 500))).text()) < 1000


def test_its_html_shows_the_source_of_what_made_a_value():
    from pellucid import Neuron

    neuron = Neuron(max_iter=5, random_state=1).fit([[0, 0, 1], [1, 1, 1]], [0, 1])
    html = neuron.trace([1, 0, 0], 1)._repr_html_()
    assert "delta = error * out * (1 - out)" in html
    assert "rgba(213, 94, 0" in html  # positive: orange
    assert "rgba(0, 114, 178" in html  # negative: blue


def test_its_html_takes_the_colours_of_the_page_so_that_it_reads_on_light_and_dark(trace):
    html = trace._repr_html_()
    assert "color: inherit" in html
    assert "#" not in html.partition("</style>")[0]
    assert "http" not in html
    assert "<script" not in html


def test_its_html_shows_the_corner_of_a_large_matrix():
    html = Trace("big", [Record("W", "W", np.zeros((500, 500)))])._repr_html_()
    assert "⋮" in html
    assert html.count("<td") < 100
