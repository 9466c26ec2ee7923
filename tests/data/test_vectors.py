"""Word vectors: the last d fields are the numbers, whatever the word is; the cache is whole or made anew."""

import gzip
import os
import re
import threading

import numpy as np
import pytest

from pellucid.data import cached_vectors, read_vectors
from pellucid.data import vectors as module
from pellucid.errors import FileFormatError, InvalidArgumentError, PellucidWarning


def written(tmp_path, text, name="glove.txt"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_last_fields_are_the_numbers_whatever_the_word_holds(tmp_path):
    words = [",", ". . .", "8\u00a01/2", "a\u0085b", "at 3 4", "\u2028"]
    path = written(tmp_path, "".join(f"{word} {i} -.5 1e-1\n" for i, word in enumerate(words)))
    found = read_vectors(path)
    assert found.words == tuple(words)
    np.testing.assert_array_equal(found.matrix, np.float32([[i, -0.5, 0.1] for i in range(6)]))
    assert found.matrix.dtype == np.float32
    assert (found.duplicates, found.garbled) == (0, 0)


def test_word2vecs_first_line_crlf_trailing_spaces_and_gzip_are_passed_over(tmp_path):
    plain = "a 1 2\nb 3 4\n"
    odd = "\ufeff2 2\r\na 1 2 \r\nb 3 4\r\n"
    for content in (plain.encode(), odd.encode(), gzip.compress(odd.encode())):
        found = read_vectors(written(tmp_path, content))
        assert (found.words, found.matrix.tolist()) == (("a", "b"), [[1, 2], [3, 4]])


def test_in_small_letters_the_first_of_several_is_kept(tmp_path):
    path = written(tmp_path, "The 1 2\nthe 3 4\ncat 5 6\nTHE 7 8\n")
    found, expected = read_vectors(path).in_small_letters(), read_vectors(path, lowercase=True)
    assert (found.words, found.lowercase, found.duplicates) == (("the", "cat"), True, 2)
    assert (found.words, found.duplicates) == (expected.words, expected.duplicates)
    np.testing.assert_array_equal(found.matrix, expected.matrix)
    assert found.in_small_letters() is found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
@pytest.mark.parametrize("count", [3, 1000])
def test_a_pipe_is_read_like_a_file(tmp_path, count):
    pipe, text = tmp_path / "pipe", "".join(f"w{i} {i} 1\n" for i in range(count))
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(text), daemon=True)
    writer.start()
    found = read_vectors(pipe)
    writer.join(10)
    assert found.words == tuple(f"w{i}" for i in range(count))
    assert found.matrix.shape == (count, 2)


def test_vectors_of_one_number_can_be_asked_for(tmp_path):
    assert read_vectors(written(tmp_path, "1 2\n3 4\n"), dimension=1).words == ("1", "3")


def test_a_word_that_stands_twice_keeps_its_first_vector_and_is_counted(tmp_path):
    path = written(tmp_path, b"a 1 2\nb 3 4\na 5 6\n\xff\xfe 1 1\n\xff\xfd 2 2\nA 9 9\n")
    found = read_vectors(path)
    assert found.words == ("a", "b", "\ufffd\ufffd", "A")
    assert found.matrix[[0, 2]].tolist() == [[1, 2], [1, 1]]
    assert (found.duplicates, found.garbled) == (2, 2)
    small = read_vectors(path, lowercase=True)
    assert (small.words, small.duplicates) == (("a", "b", "\ufffd\ufffd"), 3)


def test_only_the_words_asked_for_are_kept_and_unknown_ones_are_zeros(tmp_path):
    path = written(tmp_path, "the 1 2\nThe 3 4\ncat 5 6\n")
    found = read_vectors(path, ["The", "zebra"])
    assert found.words == ("The",)
    rows, known = found.rows(["zebra", "The", "the"])
    assert rows.tolist() == [[0, 0], [3, 4], [0, 0]]
    assert known.tolist() == [False, True, False]
    rows, known = read_vectors(path, ["THE"], lowercase=True).rows(["tHe"])
    assert (rows.tolist(), known.tolist()) == ([[1, 2]], [True])
    rows, known = read_vectors(path, ["zebra"]).rows(["zebra"])
    assert (rows.tolist(), known.tolist()) == ([[0, 0]], [False])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb nan 4\n", "line 2: 'nan' is not a number in plain digits"),
        ("a 1 2\nb 1_0 4\n", "line 2: '1_0' is not a number in plain digits"),
        ("a 1 2\nb 3 \u0664\n", "line 2: must end with numbers, ends with '\u0664'"),
        ("a 1 2\nb inf 4\n", "line 2: 'inf' is not a number in plain digits"),
        ("a 1 2\nb 1  2 \n", "line 2"),
        ("a 1 2\nb 1-2 3\n", "line 2: '1-2' is not a number in plain digits"),
        ("a 1 2\nb 1e39 3\n", "line 2: holds a number beyond float32 (3.4e38)"),
        ("a 1 2\nb 1e999 3\n", "line 2: holds a number beyond float32 (3.4e38)"),
        ("a 1 2\n3 4\n", "line 2"),
        ("a 1 2\n\nb 1 2\n", "line 2"),
        ("", "holds no vector"),
    ],
)
def test_garbled_numbers_are_refused_by_line(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(FileFormatError) as refused:
        read_vectors(path, dimension=None if "must end" in message or "no vector" in message else 2)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_what_is_kept_is_bounded(tmp_path):
    path = written(tmp_path, "".join(f"w{i} 1 2\n" for i in range(100)))
    with pytest.raises(FileFormatError, match="line 7: the vectors up to here take more than 1000 bytes; name"):
        read_vectors(path, max_bytes=1000)
    assert len(read_vectors(path, ["w1", "w99"], max_bytes=1000)) == 2


def test_a_gzip_bomb_stops_at_the_longest_line(tmp_path):
    path = written(tmp_path, gzip.compress(b"1" * (6 << 20)))
    with pytest.raises(FileFormatError, match="line 1: is longer than 4194304 bytes"):
        read_vectors(path)


@pytest.mark.parametrize("dimension", [0, True, 2.0])
def test_a_dimension_that_is_no_number_is_refused(tmp_path, dimension):
    with pytest.raises(InvalidArgumentError, match="dimension must be a whole number of 1 or more, got"):
        read_vectors(written(tmp_path, "a 1\n"), dimension=dimension)


def counted(monkeypatch):
    calls = []
    plain = module.read_vectors
    monkeypatch.setattr(module, "read_vectors", lambda *a, **k: calls.append(1) or plain(*a, **k))
    return calls


def test_the_cache_answers_in_place_of_the_file(tmp_path, monkeypatch):
    calls = counted(monkeypatch)
    path, cache = written(tmp_path, b"a 1 2\n. . 3 4\na 5 6\n\xff 7 8\n"), tmp_path / "kept.safetensors"
    first = cached_vectors(path, ["a", ". .", "x"], cache, dimension=2)
    again = cached_vectors(path, {"x", "a", ". ."}, cache, dimension=2)
    assert len(calls) == 1
    assert again.words == first.words == ("a", ". .")
    np.testing.assert_array_equal(again.matrix, first.matrix)
    assert (again.duplicates, again.garbled, again.lowercase) == (1, 1, False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["glove.txt", "kept.safetensors"]


def test_the_cache_is_made_anew_where_file_words_or_arguments_differ(tmp_path, monkeypatch):
    calls = counted(monkeypatch)
    path, cache = written(tmp_path, "a 1 2\nb 3 4\n"), tmp_path / "kept"
    cached_vectors(path, ["a"], cache)
    assert cached_vectors(path, ["a", "b"], cache).words == ("a", "b")
    assert cached_vectors(path, ["A"], cache, lowercase=True).words == ("a",)
    written(tmp_path, "a 7 8 9\n")
    assert cached_vectors(path, ["A"], cache, lowercase=True).matrix.tolist() == [[7, 8, 9]]
    assert len(calls) == 4


def test_a_damaged_cache_is_never_believed(tmp_path, monkeypatch):
    path, cache = written(tmp_path, "a 1 2\nb 3 4\n"), tmp_path / "kept"
    cached_vectors(path, ["a", "b"], cache)
    whole = cache.read_bytes()
    for damaged in [
        b"",
        whole[:-1],
        b"junk",
        *(whole[:i] + bytes([whole[i] ^ 4]) + whole[i + 1 :] for i in range(len(whole))),
    ]:
        cache.write_bytes(damaged)
        found = cached_vectors(path, ["a", "b"], cache)
        assert (found.words, found.matrix.tolist()) == (("a", "b"), [[1, 2], [3, 4]])


def test_an_old_cache_stays_where_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    path, cache = written(tmp_path, "a 1 2\nb 3 4\n"), tmp_path / "kept"
    cached_vectors(path, ["a"], cache)
    before = cache.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.warns(PellucidWarning, match=re.escape(f"{cache}: vectors cannot be kept for the next time (No space")):
        assert cached_vectors(path, ["b"], cache).words == ("b",)
    assert cache.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


def test_without_a_name_each_file_and_each_set_of_words_has_its_own_cache(tmp_path, monkeypatch):
    calls, folder = counted(monkeypatch), tmp_path / "cache" / "vectors"
    monkeypatch.setattr(module, "cache_folder", lambda: folder)
    path = written(tmp_path, "a 1 2\nb 3 4\n")
    for _ in range(2):
        assert cached_vectors(path, ["a"]).words == ("a",)
        assert cached_vectors(path, ["a", "b"]).words == ("a", "b")
    assert len(calls) == len(list(folder.iterdir())) == 2
    written(tmp_path, "a 7 8 9\n")
    assert cached_vectors(path, ["a"]).matrix.tolist() == [[7, 8, 9]]
    assert len(calls) == 3
    assert len(list(folder.iterdir())) == 2


def test_where_there_is_no_folder_for_a_cache_the_file_is_read(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("", encoding="utf-8")
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "taken" / "vectors")
    with pytest.warns(PellucidWarning, match="vectors cannot be kept"):
        assert cached_vectors(written(tmp_path, "a 1 2\n"), ["a"]).words == ("a",)

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(module, "cache_folder", homeless)
    assert cached_vectors(tmp_path / "glove.txt", ["a"]).words == ("a",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX pipes")
def test_a_pipe_is_not_cached(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_text("a 1 2\nb 3 4\n"), daemon=True)
    writer.start()
    assert cached_vectors(tmp_path / "pipe", ["b"]).words == ("b",)
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_absent_is_named_even_where_its_cache_stands(tmp_path):
    path, cache = written(tmp_path, "a 1 2\n"), tmp_path / "kept"
    cached_vectors(path, ["a"], cache)
    path.unlink()
    with pytest.raises(FileFormatError, match="cannot be read"):
        cached_vectors(path, ["a"], cache)
