"""Tables from CSV and NPZ: what people's files hold, and what is refused with file and line."""

import gzip
import io
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.data import Table, read_table
from pellucid.errors import FileFormatError, InvalidArgumentError, InvalidDataError, PellucidError

fuzz = settings(
    deadline=None,
    derandomize=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(tmp_path, content, **kwargs):
    path = tmp_path / "data.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_table(path, **kwargs)


def as_lists(table):
    return {
        column.name: [None if blank else value for value, blank in zip(column.values, column.blank, strict=True)]
        for column in table.columns
    }


def test_numbers_text_and_blanks_are_told_apart(tmp_path):
    table = read(tmp_path, "size,colour,price\n1,red,-2.5\n ,,+1e3\n.5,blue,4.\n")
    assert as_lists(table) == {
        "size": [1, None, 0.5],
        "colour": ["red", None, "blue"],
        "price": [-2.5, 1000, 4],
    }
    assert [column.is_text for column in table.columns] == [False, True, False]
    assert table["size"].values.dtype == np.float64
    assert table.n_rows == 3


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_line_ends_and_byte_order_marks_make_no_difference(tmp_path, delimiter, bom, end):
    rows = [["a", "b"], ["1", "x"], ["2", "y"]]
    table = read(tmp_path, bom + end.join(delimiter.join(row) for row in rows))
    assert as_lists(table) == {"a": [1, 2], "b": ["x", "y"]}


def test_semicolons_cut_where_commas_are_decimal(tmp_path):
    assert as_lists(read(tmp_path, "1,5;2,5\n3,5;4,5\n")) == {
        "column_1": ["1,5", "3,5"],
        "column_2": ["2,5", "4,5"],
    }


def test_a_delimiter_can_be_given(tmp_path):
    assert read(tmp_path, "a|b\n1|2\n", delimiter="|").names == ("a", "b")
    assert read(tmp_path, "a;b,c\n1;2,3\n", delimiter=",").names == ("a;b", "c")
    with pytest.raises(InvalidArgumentError, match="delimiter must be tab or semicolon or comma or vertical bar"):
        read(tmp_path, "a b\n1 2\n", delimiter=" ")


def test_quoted_fields_hold_delimiters_quotes_and_line_ends(tmp_path):
    table = read(tmp_path, 'name, said\n"Doe, J","""yes"" he\nsaid"\nRoe,no\n')
    assert as_lists(table) == {"name": ["Doe, J", "Roe"], "said": ['"yes" he\nsaid', "no"]}
    assert table.where(1).endswith("data.csv, line 4")


def test_spaces_around_fields_do_not_count(tmp_path):
    table = read(tmp_path, 'a , b\n 1 , "x, y" \n2\t,z\n'.replace('" ', '"'))
    assert as_lists(table) == {"a": [1, 2], "b": ["x, y", "z"]}


def test_lines_end_at_line_feeds_only(tmp_path):
    table = read(tmp_path, "a,b\none\u2028two,1\nthree\u0085four\x0cfive\x1csix,2\n")
    assert as_lists(table) == {"a": ["one\u2028two", "three\u0085four\x0cfive\x1csix"], "b": [1, 2]}


def test_a_first_row_without_numbers_names_the_columns(tmp_path):
    assert read(tmp_path, "a,b\n1,2\n").names == ("a", "b")
    assert read(tmp_path, "1,b\n1,2\n").names == ("column_1", "column_2")
    assert read(tmp_path, "a,b\nc,d\n", header=False).n_rows == 2
    assert read(tmp_path, "2010,2011\n1,2\n", header=True).names == ("2010", "2011")
    assert read(tmp_path, ",a\n0,1\n").names == ("column_1", "a")


def test_blank_lines_are_passed_over_and_lines_are_counted_with_them(tmp_path):
    table = read(tmp_path, "\n,,\na,b,c\n\n1,2,3\n   \n4,5,6\n")
    assert as_lists(table) == {"a": [1, 4], "b": [2, 5], "c": [3, 6]}
    assert list(table.lines) == [5, 7]


def test_columns_can_be_kept_as_text(tmp_path):
    table = read(tmp_path, "zip,n\n01234,1\n99999,2\n", text_columns=["zip"])
    assert as_lists(table) == {"zip": ["01234", "99999"], "n": [1, 2]}


def test_a_gzipped_file_is_read_and_a_bomb_refused(tmp_path):
    assert as_lists(read(tmp_path, gzip.compress(b"a\n1\n"))) == {"a": [1]}
    with pytest.raises(FileFormatError, match="holds more than 1000 bytes, the ceiling"):
        read(tmp_path, gzip.compress(b"1\n" * 10_000_000), max_bytes=1000)


def test_text_that_turns_up_late_keeps_every_cell_as_it_was_written(tmp_path):
    table = read(tmp_path, "id,n\n" + "".join(f"{n:03d},1\n" for n in range(500)) + "x,1\n")
    assert list(table["id"].values[:2]) == ["000", "001"]
    assert table["id"].values[-1] == "x"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"data\.csv: is empty"),
        ("\n \n", r"data\.csv: is empty"),
        ("a,b\n", r"line 1: names the columns, and no row follows"),
        ("a,b\n1,2\n3\n", r"line 3: has 1 field where line 1 has 2 \(cut at each comma\)"),
        ("\na;b\n1;2\n\n3;4;5\n", r"line 5: has 3 fields where line 2 has 2 \(cut at each semicolon\)"),
        (b"a,b\n1,\xff\n", r"line 2: byte 3 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), r"line 1: byte 1 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), r"line 1: holds a zero byte; save the file as UTF-8"),
        (b"\x80\x04K\x01.", r"line 1: byte 1 is not UTF-8"),
        ("a,b,a\n1,2,3\n", r"line 1: the column name 'a' stands twice"),
        ('a,b\n1,"2\n3,4\n', r"line 2: a quote is opened here and never closed"),
        ('a,b\n1,"2"3\n', r"line 2: a quoted field goes on after its closing quote"),
        ("a,b\n1,2\r3,4\n", r"line 2: a carriage return stands inside the line"),
        ("a\n" + "x" * 200_000 + "\n", r"line 2: a field is longer than 131072 characters"),
        (
            "a,b\n1,2\n3,nan\n",
            r"line 3, column 'b': 'nan' is not a number in plain digits; .* leave the cell empty",
        ),
        ("a,b\n1,2\n-inf,4\n", r"line 3, column 'a': '-inf' is not a number in plain digits"),
        ("a,b\n1,2\n1_0,4\n", r"line 3, column 'a': '1_0' is not a number in plain digits"),
        ("a,b\n1,2\n٣,4\n", r"line 3, column 'a': '٣' is not a number in plain digits"),
        ("a,b\n1,2\n\u00a03,4\n", r"line 3, column 'a': .* is not a number in plain digits"),
        ("a,b\n1,2\n3,-1e999\n", r"line 3, column 'b': the number is beyond float64"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(FileFormatError, match=message):
        read(tmp_path, content)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(FileFormatError, match=r"absent\.csv: cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "absent.csv")
    with pytest.raises(FileFormatError, match="cannot be read"):
        read_table(tmp_path)


def test_nan_in_a_column_of_words_is_a_word(tmp_path):
    assert as_lists(read(tmp_path, "name,n\nnan,1\nbob,2\n")) == {"name": ["nan", "bob"], "n": [1, 2]}


@fuzz
@given(
    rows=st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r \t")),
        ),
        min_size=1,
    )
)
def test_what_a_csv_writer_writes_is_read_back(tmp_path, rows):
    quoted = ['"' + text.replace('"', '""') + '"' for _, text in rows]
    lines = ["n,t", *(f"{'' if n is None else repr(n)},{q}" for (n, _), q in zip(rows, quoted, strict=True))]
    table = read(tmp_path, "\n".join(lines), text_columns=["t"], delimiter=",")
    assert as_lists(table) == {"n": [n for n, _ in rows], "t": [text or None for _, text in rows]}


@fuzz
@given(content=st.binary() | st.text('01e.-,;\t"\n\r aé', max_size=60).map(str.encode))
def test_any_bytes_give_a_table_or_an_error_of_ours(tmp_path, content):
    with suppress(PellucidError):
        table = read(tmp_path, content)
        assert isinstance(table, Table)
        assert len({len(column.values) for column in table.columns}) == 1


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(InvalidDataError, match=r"data\.csv has no column 'c'; it has a, b"):
        read(tmp_path, "a,b\n1,2\n")["c"]


def test_rows_can_be_taken_and_keep_their_lines(tmp_path):
    table = read(tmp_path, "a,b\n1,x\n2,y\n3,z\n").take(np.array([2, 0]))
    assert as_lists(table) == {"a": [3, 1], "b": ["z", "x"]}
    assert [table.where(row)[-6:] for row in range(2)] == ["line 4", "line 2"]


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "data.npz", **arrays)
    return tmp_path / "data.npz"


X = np.arange(6).reshape(3, 2)


def test_an_npz_gives_x_then_y(tmp_path):
    table = read_table(saved(tmp_path, X=X, y=np.array(["a", "b", "a"])))
    assert as_lists(table) == {"x1": [0, 2, 4], "x2": [1, 3, 5], "y": ["a", "b", "a"]}
    assert table.where(1).endswith("data.npz, row 1")


@pytest.mark.parametrize("dtype", ["?", "u1", ">i2", "i8", "f2", ">f4", "f8"])
def test_an_npz_may_have_any_real_dtype_and_order(tmp_path, dtype):
    array = np.asfortranarray((X % 2).astype(dtype))
    table = read_table(saved(tmp_path, X=array))
    assert as_lists(table) == {"x1": [0, 0, 0], "x2": [1, 1, 1]}
    assert table["x1"].values.dtype == np.float64


def test_an_npz_may_name_its_features_and_nan_is_a_blank(tmp_path):
    path = saved(tmp_path, X=np.array([[1, np.nan]]), y=np.array([2]), feature_names=np.array(["width", "height"]))
    assert as_lists(read_table(path)) == {"width": [1], "height": [None], "y": [2]}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": X}, r"holds no array X \(it holds y\.npy\)"),
        ({"X": X.astype(object)}, r"array X: holds Python objects, which are never read"),
        ({"X": X, "y": np.array([1, "a", None], object)}, r"array y: holds Python objects"),
        ({"X": X.astype("M8[D]")}, r"array X: must hold numbers or text, holds datetime64"),
        ({"X": X.astype(complex)}, r"array X: must hold numbers or text, holds complex128"),
        ({"X": X.ravel()}, r"X must be numbers of shape \(rows, columns\), got int64 of shape \(6,\)"),
        ({"X": X.astype(str)}, r"X must be numbers of shape"),
        ({"X": X, "y": X[:2, 0]}, r"y must have the shape \(3,\) to go with X, got \(2,\)"),
        ({"X": X, "feature_names": np.array(["a"])}, r"feature_names must be 2 different texts"),
        ({"X": X, "feature_names": np.array(["a", "a"])}, r"feature_names must be 2 different texts"),
        ({"X": X, "y": X[:, 0], "feature_names": np.array(["a", "y"])}, r"must not be called 'y'"),
        ({"X": np.array([[1.0], [np.inf]])}, r"X, column 'x1', row 1: is infinite"),
    ],
)
def test_an_npz_that_cannot_be_learnt_from_is_refused(tmp_path, arrays, message):
    with pytest.raises(FileFormatError, match=message):
        read_table(saved(tmp_path, **arrays))


def zipped(tmp_path, content):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("X.npy", content)
    return tmp_path / "data.npz"


def npy(text, body=b""):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (1, 1)})
    size = len(stream.getvalue()) - 10
    return stream.getvalue()[:10] + text.encode().ljust(size - 1) + b"\n" + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a NumPy array file"),
        (b"\x93NUMPY\x09\x00", r"is not a NumPy array file \(format version \(9, 0\)\)"),
        (
            npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967295, 2305843009213693952)}"),
            "it holds 0",
        ),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1)}", bytes(8)), "16 bytes; it holds 8"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}", bytes(9)), "8 bytes; it holds 9"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", bytes(8)), "it holds 8"),
        (npy("(" * 60), "is not a NumPy array file"),
        (
            npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1)}", b"cos\nsystem\n."),
            "Python objects",
        ),
    ],
)
def test_an_array_header_is_not_believed(tmp_path, content, message):
    path = zipped(tmp_path, content)
    tracemalloc.start()
    with pytest.raises(FileFormatError, match=message):
        read_table(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 22


def test_a_spreadsheet_is_refused_with_advice(tmp_path):
    with zipfile.ZipFile(tmp_path / "book.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(
        FileFormatError, match=r"holds no array X \(it holds xl/workbook\.xml\); .* a spreadsheet as CSV"
    ):
        read_table(tmp_path / "book.xlsx")


@fuzz
@given(at=st.integers(0, 2000), value=st.integers(0, 255))
def test_a_changed_byte_of_an_npz_gives_a_table_or_an_error_of_ours(tmp_path, at, value):
    content = bytearray(saved(tmp_path, X=X, y=X[:, 0]).read_bytes())
    content[at % len(content)] = value
    (tmp_path / "data.npz").write_bytes(bytes(content))
    with suppress(PellucidError):
        read_table(tmp_path / "data.npz")


@fuzz
@given(header=st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=50) | st.binary(max_size=60))
def test_any_array_header_gives_a_table_or_an_error_of_ours(tmp_path, header):
    content = npy(header, bytes(8)) if isinstance(header, str) else b"\x93NUMPY\x01\x00" + header
    with suppress(PellucidError):
        read_table(zipped(tmp_path, content))
