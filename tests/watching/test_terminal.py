"""``watch``: key by key on a terminal, through to the end elsewhere, and never a broken terminal."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from pellucid.errors import InvalidArgumentError
from pellucid.watching.scenes import ROOMS
from pellucid.watching.terminal import _Player, watch

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


def printed(room, **options):
    out = io.StringIO()
    watch(room, console=Console(file=out, width=100, **options))
    return out.getvalue()


def test_an_unknown_room_is_refused_with_those_there_are():
    with pytest.raises(
        InvalidArgumentError, match=r"room must be one of neuron, .*, digits, hopfield, rbm, got 'kitchen'"
    ):
        watch("kitchen")


def test_the_neurons_iterations_thin_out_to_the_published_answer():
    text = printed("neuron")
    assert "Iteration 1 of 10000" in text
    assert "Iteration 10000 of 10000" in text
    assert text.count("Iteration ") < 30
    assert "0.99993704" in text


def test_the_two_layer_room_shows_every_value_forwards_then_backwards_then_the_update():
    text = printed("two-layer")
    places = [text.index(f"\n  {formula}") for formula in _formulas()]
    assert places == sorted(places)
    assert "After 1500 of 1500 iterations" in text


def _formulas():
    from pellucid.experiments import two_layer as room

    model = room.network(0)
    next(model.steps(room.X, room.Y))
    trace = model.trace(room.X, room.Y)
    phases = [record.phase for record in trace]
    assert phases == sorted(phases, key=["forward", "loss", "backward", "update"].index)
    return [record.formula for record in trace]


def test_the_xor_room_ends_with_every_output_near_its_target():
    last = printed("xor").split("Exclusive or, iteration")[-1]
    assert last.split()[0] == "500"


def test_the_digits_room_shows_a_digit_its_probabilities_and_the_loss():
    text = printed("digits")
    assert "█" in text
    assert "of all test images are read correctly" in text


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_speaks_chinese(room, monkeypatch):
    monkeypatch.setenv("PELLUCID_LANG", "zh")
    scenes = ROOMS[room](None)
    assert any("\u4e00" <= character <= "\u9fff" for character in next(scenes).title)


def test_going_back_and_forth_makes_no_scene_twice():
    made = []

    def scenes():
        for number in range(3):
            made.append(number)
            yield number

    player = _Player(scenes())
    seen = [player.scene]
    for wish in ("next", "back", "next", "next", "next"):
        player.obey(wish)
        seen.append(player.scene)
    assert seen == [0, 1, 0, 1, 2, 2]
    assert made == [0, 1, 2]
    assert player.at_end


def test_playing_can_be_paused_and_going_back_pauses():
    player = _Player(iter("abc"))
    player.obey("play")
    assert player.playing
    player.obey(None)
    assert player.scene == "b"
    player.obey("back")
    assert not player.playing


def test_a_reader_that_leaves_early_ends_it_quietly():
    code = "from pellucid.watching import watch; watch('neuron')"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0
    assert errors == b""


@pytest.fixture
def on_terminal():
    """Start ``watch(room)`` on a terminal of its own; yields (process, master, settings before)."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    before = termios.tcgetattr(slave)
    code = "from pellucid.watching import watch; watch('neuron')"
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=slave,
        stdout=slave,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    yield process, master, lambda: termios.tcgetattr(slave) == before
    process.kill()
    process.communicate()
    os.close(slave)
    os.close(master)


def until(master, text, seconds=60):
    """Read the terminal until ``text`` is on it."""
    import select

    seen, end = b"", time.monotonic() + seconds
    while text.encode() not in seen:
        left = end - time.monotonic()
        assert left > 0, f"{text!r} did not appear in {seen[-2000:]!r}"
        if select.select([master], [], [], left)[0]:
            seen += os.read(master, 65536)
    return seen


@POSIX
def test_on_a_terminal_keys_step_on_and_back_and_the_terminal_is_given_back(on_terminal):
    process, master, as_before = on_terminal
    until(master, "Iteration 1 of")
    assert not as_before()
    os.write(master, b" ")
    until(master, "Iteration 2 of")
    os.write(master, b"b")
    until(master, "Iteration 1 of")
    os.write(master, b"q")
    until(master, "\x1b[?1049l")  # the terminal's main screen again
    assert process.wait(20) == 0
    assert as_before()


@POSIX
def test_ctrl_c_gives_the_terminal_back(on_terminal):
    process, master, as_before = on_terminal
    until(master, "Iteration 1 of")
    os.killpg(process.pid, signal.SIGINT)
    until(master, "\x1b[?1049l")
    assert process.wait(20) != 0
    assert as_before()


@POSIX
def test_a_new_window_size_is_drawn_anew(on_terminal):
    import fcntl
    import struct
    import termios

    process, master, _ = on_terminal
    until(master, "Iteration 1 of")
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 50, 0, 0))
    os.killpg(process.pid, signal.SIGWINCH)
    until(master, "─" * 10 + " \x1b")  # redrawn without a key
    os.write(master, b"q")
    assert process.wait(20) == 0


def test_the_rbm_room_learns_by_both_phases_then_dreams_round_by_round():
    text = printed("rbm")
    assert "v of the data" in text
    assert text.count("The machine alone: round") == 10
    scores = [float(part.split()[0]) for part in text.split("log pseudo-likelihood of 50 images")[1:]]
    assert scores[-1] > scores[0] + 10
