"""A table of one's own becomes points of the plane, or is refused in a sentence before much is made of it."""

import base64
import time
import tracemalloc

import numpy as np
import pytest

from pellucid.errors import PellucidError
from pellucid.watching.studio.points import MOST_BYTES, content_of, points_of
from pellucid.watching.studio.rooms import open_room

TABLE = b"weight,name,size,ripe\n1,a,10,no\n3,b,30,yes\n2,c,20,yes\n"


def test_the_first_two_columns_of_numbers_are_x_and_y_and_the_last_is_the_class():
    found = points_of(TABLE, "fruit.csv", 1.5)
    assert found["points"] == [[-1.2, -1.2, 0.0], [1.2, 1.2, 1.0], [0.0, 0.0, 1.0]]
    assert found["columns"] == ["weight", "size"]
    assert found["ranges"] == [[1.0, 3.0], [10.0, 30.0]]
    assert found["classes"] == ["no", "yes"]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf1;10;0\r\n3;30;1\r\n2;20;1\r\n",
        b"1\t10\t0\n3\t30\t1\n2\t20\t1",
        b"\n1, 10 ,-1\n\n3,3e1,5\n2,+20,5\n",
    ],
    ids=["BOM, semicolons, CRLF", "tabs", "blank lines and spaces"],
)
def test_tables_as_people_write_them(content):
    assert points_of(content, "own.csv", 1.5)["points"] == [[-1.2, -1.2, 0.0], [1.2, 1.2, 1.0], [0.0, 0.0, 1.0]]


def test_the_playground_takes_the_points_as_they_come():
    room = open_room("playground", {})
    about = {"name": "fruit.csv", "content": base64.b64encode(TABLE).decode()}
    answer, _ = room.ask("table", about)
    assert answer["name"] == "fruit.csv"
    own = open_room("playground", {"shape": "own", "points": answer["points"]})
    own.frame()
    assert own.y.tolist() == [0, 1, 1]


def test_numbers_of_every_size_and_columns_that_never_change_stay_on_the_plane():
    wide = b"-1.7e308,5,0\n1.7e308,5,1\n0,5,1\n"
    found = np.array(points_of(wide, "wide.csv", 1.5)["points"])
    assert found[:, :2].tolist() == [[-1.2, 0.0], [1.2, 0.0], [0.0, 0.0]]


BAD = {
    "nothing": (b"", "t.csv: is empty"),
    "one column of numbers": (b"1,0\n2,1\n", "must have two columns of numbers before the column of the classes"),
    "three classes": (b"1,2,a\n3,4,b\n5,6,c\n", "'column_3', must hold two classes, got 3"),
    "one class": (b"1,2,a\n3,4,a\n", "holds only 'a'; a classifier needs two classes"),
    "a blank": (b"1,2,0\n,4,1\n", "t.csv, line 2, column 'column_1': is blank"),
    "nan": (b"1,2,0\nnan,4,1\n", "t.csv, line 2, column 'column_1': 'nan' is not a number"),
    "ragged": (b"1,2,0\n3,4\n", "t.csv, line 2: has 2 fields where line 1 has 3"),
    "an open quote": (b'"1,2,a\n3,4,b\n', "a quote is opened here and never closed"),
    "not UTF-8": (b"1,2,\xff\n3,4,b\n", "t.csv, line 1: byte 5 is not UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0", "t.csv, line 1: byte 1 is not UTF-8"),
    "rows": (b"1,2,0\n3,4,1\n" * 251, "t.csv: must have at most 500 rows, got 502"),
    "lines": (b"1,2,0\n" * 20_000, "t.csv: must have at most 500 rows, got 20000 lines"),
    "a long line": (b"1," * 2000, "t.csv, line 1: is longer than 2000 bytes"),
    "bytes": (b"x" * (MOST_BYTES + 1), "t.csv: must be of at most 262144 bytes"),
}


@pytest.mark.parametrize(("content", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_is_no_such_table_is_refused_in_a_sentence_at_once_and_cheaply(content, sentence):
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(PellucidError) as caught:
            points_of(content, "t.csv", 1.5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert peak < 2_000_000
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", ["a", "###", "é", "=AAA"])
def test_content_that_is_no_base64_is_refused(text):
    with pytest.raises(PellucidError, match="must be a file's bytes as base64"):
        content_of(text)


def test_names_and_contents_beyond_the_budget_are_refused():
    room = open_room("playground", {})
    for about, sentence in (
        ({"name": "x" * 201}, "name must be a text of at most 200 characters, got 201"),
        ({"content": 7}, "content must be a text of at most 524288 characters, got 7"),
        ({"path": "/etc/passwd"}, "about must not hold 'path'"),
    ):
        with pytest.raises(PellucidError) as caught:
            room.ask("table", about)
        assert sentence in str(caught.value)
