"""What a page may say is held to budgets before anything is made of it; a bad message costs a sentence, no more."""

import json
import random
import string
import time
import tracemalloc

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from pellucid.errors import InvalidArgumentError, PellucidError
from pellucid.watching.studio.app import QUESTIONS, ROOMS, understood
from pellucid.watching.studio.messages import MOST_BYTES, frame, parse
from pellucid.watching.studio.rooms import open_room

BAD = {
    "bytes": (b"{}", "must be JSON text"),
    "nothing": ("", "this is not"),
    "a list": ("[]", "must be a JSON object, got a list"),
    "a number": ("3", "got a int"),
    "cut": ('{"do": "pl', "this is not"),
    "nan": ('{"do": NaN}', "this is not"),
    "deep": ("[" * 100_000, "nest at most 12"),
    "deep but balanced": ("[" * 5000 + "]" * 5000, "nest at most 12"),
    "long": ('{"do": "' + "x" * MOST_BYTES + '"}', "at most 1048576 characters"),
    "digits": ('{"do": ' + "9" * 10_000 + "}", "this is not"),
}


@pytest.mark.parametrize(("text", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_is_no_message_is_refused_in_a_sentence(text, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence) as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({}, "do must be one of"),
        ({"do": "exec"}, "do must be one of ack, ping"),
        ({"do": ["play"]}, "got a list"),
        ({"do": "play", "code": "import os"}, "must not hold 'code'"),
        ({"do": "open", "room": "../neuron"}, f"room must be one of {', '.join(ROOMS)}"),
        ({"do": "speed", "speed": 1e9}, "speed must be a number from 0.1 to 100000"),
        ({"do": "speed", "frames": 1000}, "frames must be a whole number from 1 to 60"),
        ({"do": "ask", "what": "eval"}, "what must be one of export"),
        ({"do": "ping", "id": 2**5000}, "many digits"),
    ],
)
def test_what_is_no_wish_is_refused(message, sentence):
    with pytest.raises(InvalidArgumentError, match=sentence):
        understood(message)


OVER = {
    "a layer of a million units": ("playground", {"hidden": [1_000_000]}, "hidden must hold whole numbers from 1 to 8"),
    "a thousand layers": ("playground", {"hidden": [4] * 1000}, "hidden must be a list of 1 to 4, got 1000"),
    "a billion points": ("playground", {"n": 10**9}, "n must be a whole number from 8 to 500"),
    "epochs": ("playground", {"epochs": 10**9}, "settings must not hold 'epochs'"),
    "a NaN in disguise": ("playground", {"noise": "nan"}, "noise must be a number"),
    "true for one": ("playground", {"n": True}, "n must be a whole number"),
    "one class": ("playground", {"shape": "own", "points": [[0, 0, 1]]}, "some of class 0 and some of class 1"),
    "points far away": ("playground", {"points": [[1e308, 0, 1]]}, "points must be a number from -1.5 to 1.5"),
    "settings that are a list": ("playground", [], "settings must be an object"),
    "ragged rows": ("neuron", {"X": [[1, 2], [1]]}, "all as long as the first"),
    "another case": ("neuron", {"case": [[1]]}, "case must have 3 inputs"),
    "one class for a neuron": ("neuron", {"y": [1, 1, 1, 1]}, "y must hold two classes"),
    "a stroke that is none": ("digits", {"strokes": [[[1, 2, 3]]]}, "points .x, y., whole numbers from 0 to 1000"),
    "a pen off the pad": ("digits", {"strokes": [[[1, -2]]]}, "points .x, y., whole numbers from 0 to 1000"),
    "much ink": ("digits", {"strokes": [[[1, 2]] * 601]}, "strokes must hold at most 600 points in all, got 601"),
    "many strokes": ("digits", {"strokes": [[]] * 61}, "strokes must be a list of at most 60 lists of points"),
    "an image that is not there": ("digits", {"image": 2000}, "image must be a whole number from -1 to"),
    "halves": ("hopfield", {"start": [[0.5] * 100]}, "start must hold -1 and 1 only"),
    "a sentence of a million words": ("sentences", {"premise": "a " * 10**6}, "premise must be a text of at most 1000"),
    "a sentence that is none": ("sentences", {"hypothesis": 3}, "hypothesis must be a text of at most 1000 characters"),
    "a million hidden units": ("rbm", {"n_components": 10**6}, "n_components must be a whole number from 1 to 100"),
    "a billion epochs": ("rbm", {"n_iter": 10**9}, "n_iter must be a whole number from 1 to 100"),
    "a picture too large": ("rbm", {"v": [0] * 10_000}, "v must be a list of 64 to 64, got 10000"),
    "many patterns": ("hopfield", {"patterns": [[1] * 100] * 15}, "patterns must be a list of 1 to 14"),
}


@pytest.mark.parametrize(("room", "settings", "sentence"), OVER.values(), ids=OVER.keys())
def test_settings_beyond_the_budget_are_refused_before_anything_is_allocated(room, settings, sentence):
    open_room(room, {}).frame()  # imports are done
    tracemalloc.start()
    try:
        with pytest.raises(PellucidError, match=sentence):
            made = open_room(room, settings)
            made.frame()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_frame_holds_its_arrays_at_multiples_of_eight_and_no_nan():
    data = frame(
        {"loss": float("nan"), "n": np.int64(3)}, {"a": np.arange(3, dtype=np.uint8), "b": np.ones(2, np.float32)}
    )
    length = int.from_bytes(data[:4], "little")
    header = json.loads(data[4 : 4 + length])
    assert (4 + length) % 8 == 0
    assert header["loss"] is None
    assert header["n"] == 3
    assert [place["at"] % 8 for place in header["arrays"].values()] == [0, 0]
    assert data[4 + length :][8:16] == np.ones(2, "<f4").tobytes()


VALUES = [None, -1, 1e308, 2**70, "x" * 1000, [], {}, [[]], True, "__import__('os')", [1] * 2000, {"a": {"b": {}}}]


def malformed(count):
    """Yield messages that are nearly right, and such as are not at all, the same ones at every run."""
    rng = random.Random(0)
    kinds = ["ack", "ping", "open", "play", "pause", "step", "speed", "ask", "run", "", None, 7, [], {}]
    rooms = [*ROOMS, "<script>alert(1)</script>", "../../etc", None, 3]
    values = VALUES
    names = [
        "X",
        "y",
        "hidden",
        "n",
        "points",
        "patterns",
        "seed",
        "noise",
        "rule",
        "case",
        "start",
        "__class__",
        "n_components",
        "v",
        "rounds",
        "activation",
        "premise",
        "shown",
        "strokes",
        "image",
    ]
    for _ in range(count):
        way = rng.randrange(5)
        if way == 0:
            yield "".join(rng.choices(string.printable, k=rng.randrange(200)))
        elif way == 1:
            yield bytes(rng.randrange(256) for _ in range(rng.randrange(100)))
        else:
            settings = {rng.choice(names): rng.choice(values) for _ in range(rng.randrange(4))}
            message = {
                "do": rng.choice(kinds),
                "room": rng.choice(rooms),
                "settings": rng.choice([settings, settings, *values]),
            }
            message |= {rng.choice(["about", "what", "speed", "frames", "id", "play", "x"]): rng.choice(values)}
            text = json.dumps(message)
            yield text if way > 2 else text[: rng.randrange(len(text))]


def test_five_thousand_malformed_messages_bring_no_traceback_and_leave_the_server_alive(studio, caplog, capfd):
    sent, told = 0, 0
    messages = iter(malformed(5000))
    with studio.page() as page:
        for message in messages:
            page.socket.send(message)
            sent += 1
            if sent % 50 == 0:
                page.say(do="ping", id=sent)
                while (answer := page.hear()) != {"pong": sent}:
                    if isinstance(answer, dict):
                        assert set(answer) - {"said"} in ({"refused"}, {"busy"})
                        told += 1
                    else:
                        assert "failed" not in answer.header, answer.header
    assert sent == 5000
    assert told > 4000
    with studio.page() as page:
        assert page.open("neuron").header["iteration"] == 1
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize("room", ROOMS)
def test_questions_that_are_none_are_refused_in_every_room_which_goes_on(studio, room):
    rng = random.Random(room)
    abouts = [
        *VALUES,
        *({name: value} for name in ("x", "v", "rounds", "pattern", "share", "code") for value in VALUES),
    ]
    with studio.page() as page:
        page.open(room)
        refused = 0
        for _ in range(100):
            page.say(do="ask", what=rng.choice(QUESTIONS), about=rng.choice(abouts))
            answer = page.hear()
            told = answer if isinstance(answer, dict) else answer.header
            assert "failed" not in told, told
            refused += "refused" in told
        assert refused > 60
        page.say(do="step")
        for _ in range(9):  # a room that learns sends a frame more when it has begun, so an answer may be on its way
            answer = page.hear()
            if not isinstance(answer, dict) and "frame" in answer.header:
                break
        else:
            pytest.fail(f"no frame, but {answer}")


def test_a_message_of_more_than_a_mebibyte_ends_the_connection_and_no_more(studio):
    with studio.page() as page:
        page.socket.send("x" * (MOST_BYTES + 1))
        with pytest.raises(ConnectionClosed):
            for _ in range(5):
                page.hear()
    with studio.page() as page:
        page.say(do="ping", id=1)
        assert page.hear() == {"pong": 1}


def test_answers_come_at_once_even_to_much_text():
    start = time.perf_counter()
    with pytest.raises(InvalidArgumentError):
        parse("[{" * (MOST_BYTES // 2))
    assert time.perf_counter() - start < 1
