"""CSV as people and spreadsheets write it (RFC 4180 and its relatives), to arrays, one column each.

The file is gone through row by row: once for the numbers, and once more for the columns that turned out to
hold text. Python's ``float`` reads ``nan``, ``infinity``, ``1_0`` and the digits of every script; a data
file that holds these in a column of numbers holds a mistake, so they are refused with their line.
"""

import csv
import io
import re
from array import array
from collections.abc import Collection, Iterator
from itertools import islice

import numpy as np

from pellucid.data.text_lines import BOM, decoded
from pellucid.errors import FileFormatError, InvalidArgumentError
from pellucid.language import Phrase, phrase

__all__ = ["DECIMAL_COMMA", "NUMBER", "parse_csv"]

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
# Of these characters alone, float() reads nothing that NUMBER would not.
_PLAIN = re.compile(r"[0-9eE+\-. ,]*")
DELIMITERS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "vertical bar"}
LOOKED_AT = 100  # rows, to find the delimiter
SPACE = " \t"

Row = tuple[int, list[str]]  # the line on which it begins, its fields


def parse_csv(
    content: bytes, source: str, delimiter: str | None, header: bool | None, text_columns: Collection[str]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the columns by name, and the line (N,) on which each row begins; see ``read_table``."""
    if delimiter is not None and delimiter not in DELIMITERS:
        raise InvalidArgumentError(f"delimiter must be {' or '.join(DELIMITERS.values())}, got {delimiter!r}")
    delimiter = delimiter or _find_delimiter(content, source)
    first = next(_even_rows(content, source, delimiter), None)
    if first is None:
        raise FileFormatError(phrase("{source}: is empty; it must hold rows of fields, one row a line", source=source))
    has_names = header if header is not None else not any(map(_seems_a_number, first[1]))
    names = _names(first, source) if has_names else [f"column_{j + 1}" for j in range(len(first[1]))]

    def body() -> Iterator[Row]:
        return islice(_even_rows(content, source, delimiter), int(has_names), None)

    forced = {j for j, name in enumerate(names) if name in text_columns}
    matrix, lines, worded = _numbers(body(), names, forced, source)
    if not len(lines):
        raise FileFormatError(
            phrase(
                "{source}, line {line}: names the columns, and no row follows; "
                "add rows, or say that there is no header",
                source=source,
                line=first[0],
            )
        )
    columns = {name: matrix[:, j] for j, name in enumerate(names)}
    for j, cells in _texts(body(), worded).items():
        columns[names[j]] = cells
    return columns, lines


def _lines(content: bytes, source: str) -> Iterator[str]:
    for number, line in enumerate(io.BytesIO(content), 1):  # bytes end a line at \n only, whatever Unicode says
        where = phrase("{source}, line {line}", source=source, line=number)
        yield decoded(line.removeprefix(BOM) if number == 1 else line, where)


def _rows(content: bytes, source: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(_lines(content, source), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            said = {"source": source, "line": begins, "reason": _reason(str(error))}
            raise FileFormatError(phrase("{source}, line {line}: {reason}", **said)) from None
        if fields:  # none: a blank line
            yield begins, fields


def _reason(error: str) -> Phrase:
    if "new-line" in error:
        return phrase("a carriage return stands inside the line; lines must end in LF or CRLF")
    if "limit" in error:
        return phrase("a field is longer than {n} characters; is a quote left open?", n=csv.field_size_limit())
    if "unexpected end" in error:
        return phrase("a quote is opened here and never closed")
    return phrase('a quoted field goes on after its closing quote; write a quote inside a field as ""')


def _find_delimiter(content: bytes, source: str) -> str:
    """Return the delimiter under which the first rows agree; a comma comes last: it may be a decimal one."""
    first_widths = {}
    for delimiter in ("\t", ";", ","):
        widths: list[int] = []
        try:
            widths.extend(len(fields) for _, fields in islice(_rows(content, source, delimiter), LOOKED_AT))
        except FileFormatError:
            widths.append(0)  # not this one; if it is none of them, the reading itself will say why
        if widths and widths[0] > 1 and len(set(widths)) == 1:
            return delimiter
        first_widths[delimiter] = widths[0] if widths else 0
    return max(reversed(first_widths), key=lambda delimiter: first_widths[delimiter], default=",")


def _names(first: Row, source: str) -> list[str]:
    line, fields = first
    names = [field.strip(SPACE) or f"column_{j + 1}" for j, field in enumerate(fields)]
    for j, name in enumerate(names):
        if name in names[:j]:
            raise FileFormatError(
                phrase(
                    "{source}, line {line}: the column name {name} stands twice; give each column its own, "
                    "or say that there is no header",
                    source=source,
                    line=line,
                    name=repr(name),
                )
            )
    return names


def _even_rows(content: bytes, source: str, delimiter: str) -> Iterator[Row]:
    width = begins = 0
    for line, fields in _rows(content, source, delimiter):
        if len(fields) != width or not width:
            if not any(field.strip(SPACE) for field in fields):
                continue  # a line of spaces is a blank line; spreadsheets also begin with rows of blanks
            if width:
                raise FileFormatError(
                    phrase(
                        "{source}, line {line}: has {fields} where line {begins} has {width} "
                        "(cut at each {delimiter}); quote a field that holds one",
                        source=source,
                        line=line,
                        fields=_count(fields),
                        begins=begins,
                        width=width,
                        delimiter=_delimiter(delimiter),
                    )
                )
            width, begins = len(fields), line
        yield line, fields


def _numbers(
    rows: Iterator[Row], names: list[str], forced: set[int], source: str
) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Return every cell as a number (NaN: none), the line of each row, and the columns that hold text."""
    cells, lines = array("d"), array("q")
    worded, odd = set(forced), dict[int, tuple[int, str]]()
    for line, fields in rows:
        lines.append(line)
        if _PLAIN.fullmatch(",".join(fields)):
            try:
                cells.extend(list(map(float, fields)))
                continue
            except ValueError:  # a blank among them, most often
                pass
        for j, field in enumerate(fields):
            cell = field.strip(SPACE)
            is_number = NUMBER.fullmatch(cell)
            cells.append(float(cell) if is_number else np.nan)
            if cell and not is_number and j not in worded:
                if _is_read_by_float(cell):
                    odd.setdefault(j, (line, cell))
                else:
                    worded.add(j)
    for j in sorted(odd.keys() - worded):
        line, cell = odd[j]
        raise FileFormatError(
            phrase(
                "{source}, line {line}, column {name}: {cell} is not a number in plain digits; "
                "write one, or leave the cell empty",
                source=source,
                line=line,
                name=repr(names[j]),
                cell=repr(cell),
            )
        )
    matrix = np.frombuffer(cells) if lines else np.empty(0)  # without a copy; an empty buffer is refused
    matrix = matrix.reshape(-1, len(names))  # (N, D)
    for row, j in np.argwhere(np.isinf(matrix)):
        if j not in worded:
            raise FileFormatError(
                phrase(
                    "{source}, line {line}, column {name}: the number is beyond float64 (1.8e308)",
                    source=source,
                    line=lines[row],
                    name=repr(names[j]),
                )
            )
    return matrix, np.array(lines, np.int64), worded


def _texts(rows: Iterator[Row], worded: Collection[int]) -> dict[int, np.ndarray]:
    if not worded:
        return {}
    cells: dict[int, list[str]] = {j: [] for j in worded}
    for _, fields in rows:
        for j, column in cells.items():
            column.append(fields[j].strip(SPACE))
    return {j: np.array(column, dtype=object) for j, column in cells.items()}


def _count(fields: list[str]) -> Phrase:
    return phrase("1 field") if len(fields) == 1 else phrase("{n} fields", n=len(fields))


def _delimiter(delimiter: str) -> Phrase:
    names = {"\t": phrase("tab"), ";": phrase("semicolon"), ",": phrase("comma"), "|": phrase("vertical bar")}
    return names[delimiter]


def _seems_a_number(cell: str) -> bool:
    return _is_read_by_float(cell) or DECIMAL_COMMA.fullmatch(cell.strip(SPACE)) is not None


def _is_read_by_float(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
