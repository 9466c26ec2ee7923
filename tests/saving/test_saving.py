import json
import os
import pickle
import re
import stat
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from line import BIAS, DATA, ENTRIES, WEIGHTS, Line, Other, forge, seal

from pellucid import __version__, saving
from pellucid.errors import InvalidArgumentError, ModelFileError
from pellucid.saving import load, read_header, save
from pellucid.saving.file import DIGEST, DTYPES, MAX_HEADER, read_file, write_file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "line.pellucid"


def test_a_model_comes_back_as_it_was(path):
    model = Line(shape=(4, 3), sizes=(7,), labels=np.array(["a", "bc"], dtype=object), tol=float("inf"))
    save(model, path)
    back = load(str(path))
    assert type(back) is Line
    assert back.parameters["sizes"] == (7,)
    assert back.parameters["tol"] == float("inf")
    assert back.parameters["labels"].tolist() == ["a", "bc"]
    np.testing.assert_array_equal(back.weights, model.weights)
    np.testing.assert_array_equal(back.bias, model.bias)


def test_saving_twice_gives_the_same_bytes_and_nothing_beside_them(path):
    save(Line(), path)
    first = path.read_bytes()
    save(load(path), path)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_header_says_class_format_version_parameters_and_arrays(path):
    save(Line(alpha=0.5), path)
    assert read_header(path) == {
        "class": "Line",
        "format": 1,
        "pellucid": __version__,
        "parameters": {"shape": (3, 2), "alpha": 0.5},
        "arrays": {"bias": ("float64", (2,)), "weights": ("float32", (3, 2))},
    }


def sample_arrays():
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 2, (3, 5)).astype(dtype) for name, dtype in DTYPES.items()}
    arrays |= {"empty": np.empty((0, 4)), "number": np.array(2.5), "big_endian": np.arange(6.0).astype(">f8")}
    return arrays | {"fortran": np.asfortranarray(rng.normal(size=(4, 3))), "strided": np.arange(20.0)[::3]}


def test_plain_safetensors_reads_the_same_arrays(path):
    arrays = sample_arrays()
    write_file(path, {}, arrays)
    theirs, (_, ours) = safetensors.numpy.load_file(path), read_file(path)
    assert set(theirs) == set(ours) == set(arrays)
    for name, array in arrays.items():
        assert theirs[name].dtype == ours[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(ours[name], array)


def test_each_array_lies_at_a_multiple_of_its_own_width_for_readers_that_map_the_file(path):
    write_file(path, {}, sample_arrays())
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    del table["__metadata__"]
    for place in table.values():
        assert (8 + length + place["data_offsets"][0]) % DTYPES[place["dtype"]].itemsize == 0


def test_loaded_arrays_are_writeable_aligned_native_and_their_own(path):
    write_file(path, {}, sample_arrays())
    for array in read_file(path)[1].values():
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.flags.owndata
        assert array.flags.c_contiguous
        assert array.dtype.isnative


# Who may be saved, and where.


def test_a_class_that_is_not_listed_is_not_saved(path):
    with pytest.raises(InvalidArgumentError, match=r"model must be .*Neuron or .*of Pellucid itself, got line\.Other"):
        save(Other(), path)
    impostor = type("Neuron", (Line,), {})()
    with pytest.raises(InvalidArgumentError, match=r"got test_saving\.Neuron"):
        save(impostor, path)
    assert not path.exists()


def test_a_random_state_among_the_parameters_is_refused_before_anything_is_written(path):
    save(Line(), path)
    before = path.read_bytes()
    with pytest.raises(InvalidArgumentError, match=r"parameters.random_state is a RandomState"):
        save(Line(random_state=np.random.RandomState(0)), path)
    assert path.read_bytes() == before


def test_a_class_may_not_take_the_files_own_entries(path):
    model = Line()
    model.to_file = lambda: ({"format": 7}, {})
    with pytest.raises(InvalidArgumentError, match="Line gave an entry 'format'"):
        save(model, path)


@pytest.mark.parametrize("array", [np.array([1j]), np.array(["a"]), np.array([object()]), np.zeros(1, np.longdouble)])
def test_arrays_that_safetensors_does_not_know_are_refused(path, array):
    with pytest.raises(ModelFileError, match=r"not saved: the array 'weights' is of type .*at most 64 bit"):
        save(Line(fill=array), path)


def test_a_header_beyond_the_limit_is_refused_at_saving(path):
    with pytest.raises(ModelFileError, match=r"not saved: the model has 2 arrays .* shorten its names"):
        save(Line(note="x" * MAX_HEADER), path)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.array([[1, 2], [3, np.nan]]), "'weights' holds nan at row 1, column 1 .counted from 0."),
        (np.array([[1, -np.inf], [np.nan, 2]], dtype=np.float32), "'weights' holds -inf at row 0, column 1 "),
        (np.array([0.0, np.inf]), "'weights' holds inf at row 1 "),
        (np.full((1, 1, 1), np.nan), "'weights' holds nan at axis 0: 0, axis 1: 0, axis 2: 0 "),
        (np.array(np.nan), "'weights' holds nan at its only place"),
    ],
)
def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(path, weights, words):
    with pytest.raises(ModelFileError, match=words):
        save(Line(fill=weights), path)
    assert not path.exists()
    header = {"class": "Line", "format": 1, "pellucid": __version__, "parameters": {}}
    write_file(path, header, {"weights": weights})
    with pytest.raises(ModelFileError, match=f"{path.name}: array {words}"):
        load(path)


def test_saving_through_a_link_keeps_the_link(path, tmp_path):
    if os.name != "posix":
        pytest.skip("links need a privilege on Windows")
    link = tmp_path / "link"
    link.symlink_to(path)
    save(Line(), link)
    assert link.is_symlink()
    assert path.is_file()


def test_a_private_file_stays_private_and_a_new_one_follows_the_umask(path):
    save(Line(), path)
    before = os.umask(0)
    os.umask(before)
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before
    path.chmod(0o600)
    mode = path.stat().st_mode
    save(Line(), path)
    assert path.stat().st_mode == mode


@pytest.mark.parametrize("action", [lambda path: save(Line(), path), load, read_header])
def test_a_folder_or_a_missing_folder_is_named(tmp_path, action):
    reason = r"\(.*(directory|denied|cannot find).*\)"  # what Linux, macOS and Windows say
    with pytest.raises(ModelFileError, match=rf"missing.line: .*{reason}"):
        action(tmp_path / "missing" / "line")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ModelFileError, match=rf"folder: .*{reason}"):
        action(folder)
    assert list(tmp_path.iterdir()) == [folder]


# What is no model file is refused (FAULTS 29-32).


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_unread(path, tmp_path, protocol):
    trap = tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(trap), protocol=protocol))
    words = "is a pickle, which could run code" if protocol >= 2 else "is not a model file of Pellucid"
    with pytest.raises(ModelFileError, match=words):
        load(path)
    assert not trap.exists()
    pickle.loads(path.read_bytes())
    assert trap.exists()  # so the trap would have sprung


def test_a_plain_safetensors_file_is_refused(path):
    safetensors.numpy.save_file({"weights": np.zeros(9)}, path, metadata={"format": "np"})
    with pytest.raises(ModelFileError, match=r"line\.pellucid: is not a model file of Pellucid"):
        load(path)


def refused(path, content):
    path.write_bytes(content)
    try:
        load(path)
    except ModelFileError as error:
        return str(error).startswith(f"{path}: ")
    return False


def test_every_flipped_bit_is_refused(path):
    save(Line(), path)
    content = path.read_bytes()
    assert len(content) * 8 >= 3000
    flipped = bytearray(content)
    passed = []
    for bit in range(len(content) * 8):
        flipped[bit // 8] ^= 1 << bit % 8
        if not refused(path, flipped):
            passed.append(bit)
        flipped[bit // 8] ^= 1 << bit % 8
    assert passed == []
    path.write_bytes(flipped)
    load(path)


def test_flipped_bits_in_the_weights_are_refused_by_the_digest(path):
    save(Line(), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 0x10
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="is damaged: its digest is not that of its content; get it again"):
        load(path)


def test_every_cut_is_refused(path):
    save(Line(), path)
    content = path.read_bytes()
    assert [n for n in range(len(content)) if not refused(path, content[:n])] == []


def test_a_forged_file_that_is_sound_is_loaded(path):
    forge(path)  # so what the next tests refuse is refused for its one fault
    np.testing.assert_array_equal(load(path).weights, np.arange(6).reshape(3, 2))


def x(dtype="F32", shape="[3,2]", offsets="[16,40]"):
    return f'{BIAS},"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}'


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (x(offsets='[8,32]'), "'x' begins at byte 8 of the data, where 16 is next"),  # overlap
        (x(offsets='[20,44]'), "'x' begins at byte 20 of the data, where 16 is next"),  # a hole
        (f"{BIAS},{BIAS.replace('bias', 'twin')},{WEIGHTS}", "'twin' begins at byte 0 of the data"),
        (BIAS, "its arrays take 16 bytes, but 40 follow the header"),
        (f"{WEIGHTS},{x(shape='[1]', offsets='[40,44]')}", "its arrays take 44 bytes, but 40 follow"),
        (x(shape='[3,3]'), r"'x' of shape \[3, 3\] needs 36 bytes, not data_offsets \[16, 40\]"),
        (x(offsets='[40,16]'), "needs 24 bytes, not data_offsets"),
        (x(shape='[4294967296,4294967296,2]'), "whose size overflows"),
        (x(shape='[4611686018427387904,8,0]', offsets='[16,16]'), "whose size overflows"),
        (x(shape='[-3,-2]'), "has shape .* as no array has"),
        (x(shape='[6.0]'), "has shape .* as no array has"),
        (x(shape='[true,6]'), "has shape .* as no array has"),
        (x(shape='6'), "has shape .* as no array has"),
        (x(shape=str([1] * 33 + [6])), "has shape .* as no array has"),
        (x(offsets='[16,40,40]'), "has shape .* as no array has"),
        (x(offsets='[1e1,40]'), "has shape .* as no array has"),
        (x(dtype='F8_E4M3'), "'x' is of type 'F8_E4M3', not of F64"),
        (f'{BIAS},"x":{{"dtype":["F32"],"shape":[6],"data_offsets":[16,40]}}', "'x' is of type .'F32'."),
        (f'{BIAS},"x":{{"dtype":"F32","shape":[6]}}', "'x' must have a dtype, a shape and"),
        (f'{BIAS},"x":3', "'x' must have a dtype, a shape and data_offsets"),
        (f"{BIAS},{WEIGHTS},{WEIGHTS}", "names 'weights' twice in its header"),
        (BIAS + "," + WEIGHTS.replace("[3,2],", '[3,2],"shape":[6],'), "names 'shape' twice in its header"),
        (BIAS + "," + WEIGHTS.replace("[3,2]", "[NaN]"), "holds NaN in its header"),
        (f"{BIAS},{WEIGHTS}}},{{", "is damaged: its header is not JSON"),
        (f"{WEIGHTS},{x(shape='[0]', offsets='[40,40]')}", "holds an array 'x', which its parameters do not"),
        (BIAS + "," + WEIGHTS.replace("weights", "weight"), "lacks the array 'weights', which its para"),
        (
            BIAS + "," + WEIGHTS.replace("[3,2]", "[2,3]"),
            r"an array 'weights' of shape \(2, 3\), but its parameters ask for \(3, 2\)",
        ),
    ],
)  # fmt: skip
def test_a_lying_table_is_refused_though_its_digest_is_right(path, arrays, words):
    forge(path, arrays)
    with pytest.raises(ModelFileError, match=f"^{re.escape(str(path))}: .*{words}"):
        load(path)


def test_a_hundred_thousand_arrays_are_refused(path):
    empty = ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(100_000))
    forge(path, empty, data=b"")
    with pytest.raises(ModelFileError, match="claims 100000 arrays, where at most 10000 are allowed"):
        load(path)


def test_trailing_bytes_are_refused(path):
    forge(path, data=DATA + b"\0")
    with pytest.raises(ModelFileError, match="its arrays take 40 bytes, but 41 follow the header"):
        load(path)


@pytest.mark.parametrize("length", [0, 90, 10**4, MAX_HEADER, 2**40, 2**64 - 1])
def test_a_header_that_claims_another_length_is_refused_before_it_is_allocated(path, length):
    forge(path)
    content = path.read_bytes()
    path.write_bytes(seal(length.to_bytes(8, "little") + content[8:]))
    with pytest.raises(ModelFileError, match=f"claims a header of {length} bytes, where {len(content) - 8} follow"):
        load(path)


def test_a_header_beyond_the_limit_is_refused_unread_however_large_the_file(path):
    forge(path)
    with path.open("r+b") as stream:
        stream.write((MAX_HEADER + 8).to_bytes(8, "little"))
        stream.truncate(2 * MAX_HEADER)
    with pytest.raises(ModelFileError, match=f"claims a header of {MAX_HEADER + 8} bytes, where .* allowed"):
        load(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"format": 2, "pellucid": "9.1.0"},
            rf"in format 2 by Pellucid 9\.1\.0, but Pellucid {__version__} reads up to format 1; upgrade",
        ),
        ({"format": True}, "names its class, format version or Pellucid's version wrongly"),
        (
            {"class": "Perceptron"},
            rf"holds a 'Perceptron', which Pellucid {__version__} does not know; it loads .*Line, MLP",
        ),
        ({"class": "os.system"}, "holds a 'os.system', which Pellucid"),
        ({"class": ["Line"]}, "names its class, format version or Pellucid's version wrongly"),
        ({"parameters": None}, "TypeError|NoneType"),
        ({"parameters": {}}, "lacks the entry 'shape'"),
        ({"parameters": {"shape": {"!tuple": 3}}}, "not iterable"),
        ({"parameters": {"shape": {"!python": 3}}}, "entry of an unknown kind, '!python'"),
    ],
)  # fmt: skip
def test_entries_that_do_not_fit_are_refused_though_the_digest_is_right(path, change, words):
    forge(path, entries=json.dumps(ENTRIES | change))
    with pytest.raises(ModelFileError, match=words):
        load(path)


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ('{"class":"Line","class":"Line"}', "names 'class' twice"),
        ('{"format":1}', "lacks the entry 'pellucid'"),
        ('{"format":Infinity}', "holds Infinity"),
        ("[]", "not a JSON object"),
        ('{"x":' + "[" * 100_000 + "]" * 100_000 + "}", "nests its entries too deeply"),
        ('{"x":' + "9" * 5000 + "}", "digits"),
    ],
    ids=lambda text: text[:12],
)
def test_malformed_entries_are_refused_though_the_digest_is_right(path, entries, words):
    forge(path, entries=entries)
    with pytest.raises(ModelFileError, match=words):
        load(path)


@pytest.mark.parametrize("metadata", [',"more":"x"', ',"pellucid":"{}"', ',"sha256":"0"'])
def test_other_metadata_is_refused(path, metadata):
    forge(path, metadata=metadata)
    with pytest.raises(ModelFileError, match=r"other metadata|names '(pellucid|sha256)' twice"):
        load(path)


def test_a_digest_in_capitals_is_refused(path):
    forge(path)
    content = path.read_bytes()
    path.write_bytes(content[: DIGEST.start] + content[DIGEST].upper() + content[DIGEST.stop :])
    with pytest.raises(ModelFileError, match="its digest is not that of its content"):
        load(path)


def test_the_listed_classes_are_those_of_the_package():
    assert {name for name in saving.MODELS if name != "Line"} == {
        "BernoulliRBM", "CNNClassifier", "DenseAssociativeMemory", "GaussianRBM", "HopfieldNetwork", "MLPClassifier",
        "MLPRegressor", "Neuron", "Recording", "SPINNClassifier",
    }  # fmt: skip
