"""A job is played, paused, stepped and slowed; it ends with its page, and its page's slowness is its own."""

import socket
import threading
import time
import warnings

import pytest
from studio_page import Frame

from pellucid.watching.studio import app, job


def jobs():
    return [thread for thread in threading.enumerate() if thread.name == "pellucid-job"]


def wait_until(true, seconds=20):
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


def test_a_page_that_has_gone_is_counted_until_its_thread_has_ended(studio, monkeypatch):
    """However often a page is loaded anew in the middle of a long step, no more threads run than pages may be open."""
    from pellucid.watching.studio.rooms.playground import Playground

    wait_until(lambda: not jobs())
    within, done = threading.Event(), threading.Event()

    def long(self):
        within.set()
        return done.wait(20)

    monkeypatch.setattr(app, "MOST_PAGES", 2)
    with monkeypatch.context() as patch:
        patch.setattr(Playground, "advance", long)
        for _ in range(2):
            with studio.page() as page:
                page.say(do="open", room="playground", settings={}, play=True)
                assert within.wait(5)
                within.clear()
        for _ in range(5):
            with studio.page() as page:
                assert page.hear() == {"busy": "at most 2 pages can be open at a time", "pages": 2}
        assert len(jobs()) == 2
        done.set()
    wait_until(lambda: not jobs())
    with studio.page() as page:
        assert page.open("playground").header["epoch"] == 1


def test_a_job_tells_its_room_when_nobody_looks_on_any_more():
    worker = job.Job(lambda data: None)
    worker.start()
    worker.wish({"do": "open", "room": "neuron", "settings": {}, "play": False, "run": 0})
    wait_until(lambda: worker.number)
    assert worker.room.going()
    worker.cancel()
    assert not worker.room.going()
    worker.join(5)
    assert not worker.is_alive()


@pytest.mark.parametrize("room", [None, "neuron"])
@pytest.mark.parametrize("wish", [{"do": "play"}, {"do": "step"}, {"do": "pause"}, {"do": "ask", "what": "export"}])
def test_what_is_wished_where_no_room_is_open_is_answered(studio, room, wish):
    with studio.page() as page:
        if room:
            refused = page.open(room, {"seed": -1}).header
            assert refused["refused"].startswith("seed must be")
            assert (refused["open"], refused["playing"]) == (False, False)
        page.say(**wish)
        answer = page.hear().header
        assert (answer["refused"], answer["open"]) == ("no room is open; open one", False)


def test_all_that_is_said_of_a_room_has_the_number_of_its_opening(studio):
    with studio.page() as page:
        for run, room in ((7, "playground"), (8, "neuron")):
            page.say(do="open", room=room, settings={}, play=False, run=run)
            page.say(do="ask", what="export", about={})
            page.say(do="ask", what="look", about={})
            frame, script, refused = (page.hear().header for _ in range(3))
            assert frame["frame"]
            assert script["reply"] == "export"
            assert "this room answers export" in refused["refused"]
            assert [said["run"] for said in (frame, script, refused)] == [run] * 3


def test_busy_says_of_what(studio):
    with studio.page() as page:
        for run in range(50):
            page.say(do="open", room="playground", settings={}, run=run)
        answer = page.hear()
        while not isinstance(answer, dict):
            answer = page.hear()
        assert answer["of"] == "open"
        assert 0 < answer["run"] < 50


def test_acknowledgements_of_what_was_never_read_count_for_nothing(studio, monkeypatch):
    """What waits for a client that reads nothing but says that it has stays bounded, and its job ends."""
    monkeypatch.setattr(job, "PATIENCE", 2.0)
    sent = []
    worker = job.Job(sent.append)
    worker.start()
    worker.wish({"do": "open", "room": "playground", "settings": {}, "play": True, "run": 0})
    worker.wish({"do": "speed", "speed": None, "frames": 60})
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        worker.acknowledge()
        time.sleep(0.001)
    assert len(sent) == job.IN_FLIGHT
    for _ in range(2):
        worker.written()
        worker.acknowledge()
    wait_until(lambda: len(sent) == job.IN_FLIGHT + 2)
    wait_until(lambda: not worker.is_alive())
    assert sent[-1] is None


def test_a_page_that_acknowledges_and_never_reads_stops_its_own_job(studio, monkeypatch):
    monkeypatch.setattr(job, "PATIENCE", 3.0)
    wait_until(lambda: not jobs())
    with studio.page() as page:
        page.say(do="speed", speed=None, frames=60)
        page.say(do="open", room="playground", settings={"hidden": [8, 8, 8, 8], "n": 8}, play=True)
        wait_until(jobs)
        (worker,), numbers = jobs(), [0, 1]
        while numbers[-1] > numbers[-2]:  # until all that the system keeps for a reader is full
            end = time.monotonic() + 0.7
            while time.monotonic() < end:
                page.say(do="ack")
                time.sleep(0.002)
            numbers.append(worker.number)
            assert numbers[-1] < 2000
        wait_until(lambda: not worker.is_alive())


def test_a_job_leaves_the_process_s_warnings_as_they_are(studio):
    """Filters belong to the whole process: two threads that each put them back leave those of the other behind."""
    before = list(warnings.filters)
    with studio.page() as page:
        page.open("playground", play=True)
        assert warnings.filters == before
    wait_until(lambda: not jobs())
    assert warnings.filters == before


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
