"""`pellucid lesson`: lists, opens a copy with marimo, and says what is missing."""

import os
import signal
import socket
import time
import urllib.request

import pytest
from endings import one_line

from pellucid.lessons import path_of, titles


def test_without_a_name_it_lists_them(call):
    done = call("lesson")
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("│ ") and line[2] != " "] == [
        *titles()
    ]


def test_a_misspelt_lesson_is_answered_with_the_near_one(call):
    message = one_line(call("lesson", "convolutoin"), 2)
    assert "there is no lesson 'convolutoin'; did you mean convolution? (there are: neuron, mlp," in message


def test_an_unknown_lesson_names_those_there_are(call):
    assert "there is no lesson 'zzz'; there are: neuron, mlp," in one_line(call("lesson", "zzz"), 2)


@pytest.mark.parametrize(
    ("absent", "name", "message"),
    [
        (["marimo"], "neuron", "lessons need marimo; install it: pip install 'pellucid[notebook]'"),
        (["marimo", "anywidget"], "neuron", "lessons need marimo and anywidget; install it"),
        (["torch"], "spinn", "the lesson spinn needs PyTorch; install it: pip install 'pellucid[torch]'"),
    ],
)
def test_what_is_not_installed_is_one_line_that_names_the_extra(call, monkeypatch, absent, name, message):
    monkeypatch.setattr("pellucid.cli.lessons.find_spec", lambda module: None if module in absent else "there")
    assert message in one_line(call("lesson", name), 1)


def test_a_copy_that_is_there_is_gone_on_with(tmp_path):
    from pellucid.cli.lessons import _copied

    path = _copied("neuron", tmp_path / "new")
    assert path.read_bytes() == path_of("neuron").read_bytes()
    assert "auto_instantiate = true" in (tmp_path / "new" / "pyproject.toml").read_text()
    path.write_text("mine")
    assert _copied("neuron", tmp_path / "new").read_text() == "mine"


def wait_for(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_it_opens_a_copy_and_takes_marimo_with_it(start, tmp_path):
    pytest.importorskip("marimo")
    pytest.importorskip("anywidget")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pyproject.toml").write_text("# mine\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start("lesson", "neuron", "--no-browser", "--port", port, "--out", "mine")
    wait_for(lambda: listens(port) or process.poll() is not None, "marimo does not listen")
    with pytest.raises(urllib.error.HTTPError, match="401"):  # nobody gets in without marimo's token
        urllib.request.urlopen(f"http://127.0.0.1:{port}/api/status", timeout=30)
    copy = tmp_path / "mine" / "neuron.py"
    assert copy.read_bytes() == path_of("neuron").read_bytes()
    assert (tmp_path / "mine" / "pyproject.toml").read_text() == "# mine\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 143
    wait_for(lambda: not listens(port), "marimo is still there")
