"""A job is played, paused, stepped and slowed; it ends with its page, and its page's slowness is its own."""

import socket
import threading
import time

import pytest
from studio_page import Frame

from pellucid.watching.studio import app, job


def jobs():
    return [thread for thread in threading.enumerate() if thread.name == "studio job"]


def wait_until(true, seconds=5):
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    assert true()


def test_a_room_opens_paused_and_takes_one_step_at_a_time(studio):
    with studio.page() as page:
        assert page.open("playground").header["epoch"] == 1
        for epoch in (2, 3):
            page.say(do="step")
            frame = page.hear()
            assert (frame.header["epoch"], frame.header["playing"]) == (epoch, False)


def test_playing_goes_on_until_paused_and_never_runs_more_than_three_frames_ahead(studio):
    with studio.page() as page:
        page.open("playground")
        page.say(do="speed", speed=None, frames=60)
        page.say(do="play")
        time.sleep(0.7)
        numbers = [page.hear(acknowledge=False).header["number"] for _ in range(3)]
        with pytest.raises(TimeoutError):
            page.hear(timeout=0.5, acknowledge=False)
        for _ in numbers:
            page.say(do="ack")
        assert isinstance(page.hear(), Frame)
        page.say(do="pause")
        frame = page.hear()
        while frame.header["playing"]:
            frame = page.hear()
        with pytest.raises(TimeoutError):
            page.hear(timeout=0.4)


def test_slow_is_slow_and_fast_is_fast(studio):
    epochs = {}
    for speed in (5.0, 200.0):
        with studio.page() as page:
            page.open("playground", {"n": 40})
            page.say(do="speed", speed=speed, frames=30)
            page.say(do="play")
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                last = page.hear()
            epochs[speed] = last.header["epoch"]
    assert 4 <= epochs[5.0] <= 12
    assert epochs[200.0] > 5 * epochs[5.0]


def test_the_same_seed_gives_the_same_run_however_fast(studio):
    losses = []
    for speed in (30.0, None):
        with studio.page() as page:
            page.open("playground", {"seed": 3, "n": 20})
            page.say(do="speed", speed=speed, frames=60)
            page.say(do="play")
            curve = []
            while len(curve) < 30:
                frame = page.hear()
                curve = frame.header["curve"][1]
            losses.append(curve[:30])
    assert losses[0] == losses[1]


def test_a_page_that_leaves_in_the_middle_takes_its_job_with_it(studio):
    wait_until(lambda: not jobs())
    with studio.page() as page:
        page.open("playground", play=True)
        page.hear()
        assert len(jobs()) == 1
        page.socket.socket.shutdown(socket.SHUT_RDWR)  # as a tab that crashes
    wait_until(lambda: not jobs())


def test_a_page_that_never_acknowledges_loses_its_job(studio, monkeypatch):
    monkeypatch.setattr(job, "PATIENCE", 0.5)
    wait_until(lambda: not jobs())
    with studio.page() as page:
        page.say(do="open", room="playground", settings={}, play=True)
        wait_until(lambda: not jobs())


def test_fifty_starts_at_once_are_bounded_and_the_rest_is_told_busy(studio):
    with studio.page() as page:
        for _ in range(50):
            page.say(do="open", room="playground", settings={}, play=False)
        page.say(do="ping", id=1)
        answers = []
        while (answer := page.hear()) != {"pong": 1}:
            answers.append(answer)
        busy = [answer for answer in answers if isinstance(answer, dict) and "busy" in answer]
        assert busy
        assert len(busy) <= 50


def test_more_pages_than_there_is_room_for_are_told_so(studio, monkeypatch):
    monkeypatch.setattr(app, "MOST_PAGES", 0)
    with studio.page() as page:
        assert "at most 0 pages" in page.hear()["busy"]


def test_a_room_that_crashes_is_told_and_the_server_goes_on(studio, monkeypatch):
    from pellucid.watching.studio.rooms.playground import Playground

    def crash(self):
        raise ZeroDivisionError("a secret")

    with studio.page() as page:
        page.open("playground")
        with monkeypatch.context() as patch:
            patch.setattr(Playground, "advance", crash)
            page.say(do="step")
            assert page.hear().header["failed"] == "ZeroDivisionError"
        assert page.open("playground").header["epoch"] == 1
