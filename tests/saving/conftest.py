import pytest

from pellucid import saving


@pytest.fixture(autouse=True)
def line_may_be_loaded(monkeypatch):
    monkeypatch.setitem(saving.MODELS, "Line", "line")
