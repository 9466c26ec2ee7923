"""IDX: what is written is read back, and a file is believed only as far as its bytes go."""

import gzip
import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pellucid.data import read_idx, write_idx
from pellucid.errors import FileFormatError, InvalidArgumentError, PellucidError

DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
fuzz = settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def header(code=0x08, shape=(2, 3, 4)):
    return struct.pack(f">4B{len(shape)}I", 0, 0, code, len(shape), *shape)


def written(tmp_path, content, name="file-idx3-ubyte"):
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_written_is_read_back_with_its_type_and_shape(tmp_path, name, dtype):
    array = np.arange(-12, 12).reshape(2, 3, 4).astype(dtype)
    write_idx(tmp_path / name, array)
    found = read_idx(tmp_path / name)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, array)


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "file", np.array([1, 258], np.int32))
    assert (tmp_path / "file").read_bytes() == bytes([0, 0, 0x0C, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 1, 2])


def test_big_endian_and_strided_arrays_are_written_by_value(tmp_path):
    array = np.arange(12, dtype=">i2").reshape(3, 4).T
    write_idx(tmp_path / "file", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "file"), array)


def test_gzip_is_told_by_content_not_by_name(tmp_path):
    path = written(tmp_path, gzip.compress(header() + IMAGES.tobytes()), "no-suffix")
    np.testing.assert_array_equal(read_idx(path), IMAGES)


def test_arrays_longer_than_a_block_are_read_whole(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (1500, 1000), dtype=np.uint8)
    write_idx(tmp_path / "file.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "file.gz"), array)
    expected = array.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(read_idx(tmp_path / "file.gz", divide_by=255), expected)


def test_dividing_makes_float32_and_no_second_copy_of_the_numbers(tmp_path):
    array = np.full((8, 1 << 20), 255, np.uint8)
    write_idx(tmp_path / "file", array)
    tracemalloc.start()
    found = read_idx(tmp_path / "file", divide_by=255)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.dtype == np.float32
    assert found.min() == found.max() == 1.0
    assert peak < found.nbytes + array.nbytes / 2


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0)])
def test_an_empty_array_is_an_array(tmp_path, shape):
    write_idx(tmp_path / "file", np.empty(shape, np.uint8))
    assert read_idx(tmp_path / "file").shape == shape


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is not an IDX file: it begins with b''"),
        (b"\0\0\x08", r"is not an IDX file"),
        (b"\x89PNG1234", r"is not an IDX file: it begins with b'\\x89P'"),
        (header(code=0x0A), r"type code must be one of 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, got 0x0A"),
        (header(shape=()), r"must have 1 to 64 axes, the header names 0"),
        (header(shape=(1,) * 65), r"must have 1 to 64 axes, the header names 65"),
        (header()[:9], r"ends inside its header"),
        (
            header() + IMAGES.tobytes()[:-1],
            r"ends after 23 bytes of numbers, its header names 24",
        ),
        (
            header(shape=(200, 3, 4)) + IMAGES.tobytes(),
            r"claims 2400 bytes \(200 x 3 x 4 uint8\), more than the file",
        ),
        (
            gzip.compress(header() + bytes(23), mtime=0),
            r"ends after 23 bytes of numbers, its header names 24",
        ),
        (header() + IMAGES.tobytes() + b"!", r"goes on after the 24 bytes \(2 x 3 x 4 uint8\)"),
        (gzip.compress(header() + bytes(25), mtime=0), r"goes on after the 24 bytes"),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)])
def test_a_header_that_claims_7_9e28_bytes_is_refused_before_allocation(tmp_path, pack, shape):
    path = written(tmp_path, pack(header(shape=shape)))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=r"the header claims .* the ceiling is 1073741824"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_claim_under_the_ceiling_but_beyond_the_file_is_refused_before_allocation(tmp_path):
    path = written(tmp_path, gzip.compress(header(shape=(1000, 1000, 1000)) + bytes(100)))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="more than the file can hold"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


def test_a_gzip_bomb_stops_at_the_stated_ceiling(tmp_path):
    bomb = gzip.compress(header(shape=(1 << 24,)) + bytes(1 << 24))
    path = written(tmp_path, bomb)
    assert len(bomb) < 1 << 15
    with pytest.raises(FileFormatError, match=r"the header claims 16777216 bytes .* the ceiling is 1000000"):
        read_idx(path, max_bytes=1_000_000)


def test_a_bomb_behind_a_modest_header_is_not_unpacked(tmp_path):
    path = written(tmp_path, gzip.compress(header(shape=(4,)) + bytes(1 << 26)))
    tracemalloc.start()
    with pytest.raises(FileFormatError, match="goes on after the 4 bytes"):
        read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 23


@pytest.mark.parametrize("kept", [10, 20, -9, -1])
def test_a_gzip_stream_cut_short_is_refused(tmp_path, kept):
    whole = gzip.compress(header() + IMAGES.tobytes())
    with pytest.raises(FileFormatError, match="the gzip stream is cut short; fetch the file again"):
        read_idx(written(tmp_path, whole[:kept]))


def test_a_wrong_gzip_checksum_is_refused(tmp_path):
    content = bytearray(gzip.compress(header() + IMAGES.tobytes()))
    content[-8] ^= 1
    with pytest.raises(FileFormatError, match=r"the gzip stream is damaged .*CRC"):
        read_idx(written(tmp_path, bytes(content)))


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(FileFormatError, match=r"absent: cannot be read \(No such file or directory\)"):
        read_idx(tmp_path / "absent")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_idx(tmp_path)


def test_an_array_that_idx_cannot_hold_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InvalidArgumentError, match=r"one of IDX's dtypes \(uint8, int8, .*\), got int64"):
        write_idx(tmp_path / "file", np.zeros(3, np.int64))
    with pytest.raises(InvalidArgumentError, match="at least one axis, got a single number"):
        write_idx(tmp_path / "file", np.array(3, np.uint8))
    assert list(tmp_path.iterdir()) == []


@fuzz
@given(content=st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: b"\0\0\x08\x01" + tail))
def test_any_bytes_give_an_array_or_an_error_of_ours(tmp_path, content):
    for packed in (content, gzip.compress(content), b"\x1f\x8b" + content):
        with suppress(PellucidError):
            assert isinstance(read_idx(written(tmp_path, packed)), np.ndarray)


@fuzz
@given(at=st.integers(0, 200), value=st.integers(0, 255))
def test_any_changed_byte_of_a_gzip_file_gives_the_same_array_or_an_error_of_ours(tmp_path, at, value):
    content = bytearray(gzip.compress(header() + IMAGES.tobytes()))
    content[at % len(content)] = value
    with suppress(PellucidError):
        np.testing.assert_array_equal(read_idx(written(tmp_path, bytes(content))), IMAGES)


@fuzz
@given(array=hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(max_dims=4, min_side=0, max_side=5)))
def test_any_array_survives_the_round_trip(tmp_path, array):
    write_idx(tmp_path / "file.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "file.gz"), array)
