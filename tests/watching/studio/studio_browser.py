"""What a person does in a browser, and how a test waits for what is seen there."""

import io
import shutil
import time
from contextlib import redirect_stdout

import pytest

pytest.importorskip("playwright.sync_api")

__all__ = ["CHROMIUM", "IN_A_BROWSER", "count", "drop", "script", "slide", "until"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
IN_A_BROWSER = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed here"),
    pytest.mark.xdist_group("browser"),
]


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


def drop(page, name, content):
    """Drop a file on the plane, as a person does."""
    page.evaluate(
        """([name, content]) => {
          const carried = new DataTransfer();
          carried.items.add(new File([content], name));
          const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
          document.querySelector(".pellucid-plane").dispatchEvent(drop);
        }""",
        [name, content],
    )


def slide(page, slider, value):
    """Set a slider, as a drag of its knob does; "max" is its end."""
    page.locator(slider).first.evaluate(
        """(knob, value) => {
          knob.value = value === "max" ? knob.max : value;
          for (const kind of ["input", "change"]) knob.dispatchEvent(new Event(kind));
        }""",
        value,
    )
