"""The rows of a file, one after the other, whatever is wrong with it: every row comes out, as a record or as a fault.

A reader holds one row at a time, and no row is longer than `LONGEST`. Where a row of CSV opens a quotation mark that it
does not close, the parser swallows what follows; that row alone is a fault then, and reading resumes on the next line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from preflight.audit.columns import Columns, Fault, Record, holds_request, named
from preflight.audit.encoding import ESCAPED
from preflight.deliver.url import is_url
from preflight.errors import RequestUnreadable, UsageError
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The most characters of one row. A request takes hundreds; above this it is the medium itself.
LONGEST = 1 << 20
_TOO_LONG = f"is longer than {LONGEST >> 20} MiB; a row names its media, it does not hold them"
#: Stands for a line above `LONGEST`, itself: nothing that is read is this object.
_LONG_LINE = "a line that is too long"
_BATCH = 1024


class _TooLong(Exception):
    """A line, or a row of several, above `LONGEST`."""


class Lines:
    """The lines of a text file with their ends, counted, `_LONG_LINE` for one that is too long, and with a way back."""

    def __init__(self, file: BinaryIO, encoding: str, newline: str) -> None:
        self._file = io.TextIOWrapper(file, encoding, ESCAPED, newline)
        self._back: deque[str] = deque()
        self.number = 0
        """Of the line that came last, from 1."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        self.number += 1
        if self._back:
            return self._back.popleft()
        line = self._file.readline(LONGEST)
        if not line:
            self.number -= 1
            raise StopIteration
        if len(line) == LONGEST and not line.endswith(("\n", "\r")):
            while (more := self._file.readline(LONGEST)) and not more.endswith(("\n", "\r")):
                pass
            return _LONG_LINE
        return line.removeprefix("\ufeff") if self.number == 1 else line

    def back(self, lines: list[str]) -> None:
        """Take back the lines that came last; they come again."""
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)

    def peek(self, count: int) -> list[str]:
        """The next lines, which are still to come; fewer at the end."""
        lines = list(islice(self, count))
        self.back(lines)
        return lines


# ------------------------------------------------------------------------------------------------------ CSV


class _Taken:
    """Lines on their way to the parser: those of the row that it is reading are kept."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.lines: list[str] = []
        self._held = 0

    def __iter__(self) -> _Taken:
        return self

    def __next__(self) -> str:
        if self._held > LONGEST:
            raise _TooLong
        line = next(self._lines)
        self.lines.append(line)
        if line is _LONG_LINE:
            raise _TooLong
        self._held += len(line)
        return line

    def clear(self) -> None:
        """A new row begins."""
        self.lines.clear()
        self._held = 0


def _csv_rows(lines: Lines, delimiter: str, width: int | None, *, loose: bool) -> Iterator[tuple[int, list[str] | str]]:
    """The line where each row begins, and its cells or what is wrong with it. Blank lines are no rows."""
    taken = _Taken(lines)

    def parser() -> Iterator[list[str]]:
        return csv.reader(taken, delimiter=delimiter, skipinitialspace=loose, strict=True)

    rows = parser()
    while True:
        taken.clear()
        line = lines.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            fault = _csv_fault(error, delimiter, len(taken.lines))
        else:
            if width is not None and len(cells) > width and not any(cells[width:]):
                del cells[width:]
            if not cells or width is None or len(cells) == width:
                if cells:
                    yield line, cells
                continue
            fault = _width_fault(len(cells), width, delimiter)
        yield line, fault
        # What was taken beyond the first line may be rows of its own, swallowed by a quotation mark.
        lines.back(taken.lines[1:])
        rows = parser()


def _width_fault(cells: int, width: int, delimiter: str) -> str:
    if cells == 1:
        return f"has 1 cell under {width} columns"
    fault = f"has {cells} cells under {width} columns"
    if cells > width:
        fault = f"{fault}; a cell with {_DELIMITERS[delimiter]} in it needs quotation marks around it"
    return fault


def _csv_fault(error: Exception, delimiter: str, lines: int) -> str:
    text = str(error)
    if isinstance(error, _TooLong) and lines <= 1:
        return _TOO_LONG
    if "field larger" in text:
        return f"has a cell of more than {csv.field_size_limit()} characters"
    if isinstance(error, _TooLong) or "unexpected end" in text:
        return "opens a quotation mark that is never closed"
    if lines > 1:
        return "opens a quotation mark and does not close it as it should"
    if "expected after" in text:
        where = f"; after the mark that closes, {_DELIMITERS[delimiter]} or the end of the row is due"
        return f"has a quotation mark too many or too few{where}"
    return "cannot be read as CSV"


_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a vertical bar"}
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?\s*')


def csv_records(lines: Lines, columns: Columns) -> Iterator[Record | Fault]:
    """The rows of comma-, semicolon-, tab- or bar-separated text under a header line."""
    while (first := lines.peek(1)) and not first[0].strip():
        next(lines)
    delimiter = None
    if first and (told := _SEPARATOR_LINE.fullmatch(first[0])):  # Excel's own
        delimiter = told[1]
        next(lines)
    delimiter, loose = _delimiter(lines, columns, delimiter)
    header = next(_csv_rows(lines, delimiter, None, loose=loose), None)
    if header is None:
        raise RequestUnreadable("empty; a header line and rows are needed")
    if isinstance(header[1], str):
        raise RequestUnreadable(f"the header line {header[1]}")
    names = tuple(name.strip() for name in header[1])
    if any(is_url(name) for name in names):
        raise UsageError(
            "the first line holds a URL, so the header is missing; add a line with the names of the columns"
        )
    columns.require(names)
    for line, read in _csv_rows(lines, delimiter, len(names), loose=loose):
        yield Fault(line, read) if isinstance(read, str) else Record(line, names, read)


def _delimiter(lines: Lines, columns: Columns, told: str | None) -> tuple[str, bool]:
    """The delimiter under which the header has the most known columns, then the most at all; are there spaces after?"""
    sample = lines.peek(20)

    def header(delimiter: str) -> list[str]:
        try:
            return next(csv.reader(iter(sample), delimiter=delimiter, strict=True), [])
        except csv.Error:
            return []

    def worth(delimiter: str) -> tuple[int, int]:
        names = header(delimiter)
        try:
            return len(columns.layout(tuple(name.strip() for name in names)).fields), len(names)
        except UsageError:  # ambiguous: they are known all the same
            return 2, len(names)

    chosen = told or max(_DELIMITERS, key=worth)
    after = header(chosen)[1:]
    return chosen, bool(after) and all(name.startswith(" ") for name in after)


# --------------------------------------------------------------------------------------- JSON lines and text


def json_records(lines: Lines, columns: Columns) -> Iterator[Record | Fault]:
    """The objects of a file with one JSON object a line."""
    decoder = json.JSONDecoder(object_pairs_hook=_object)
    for number, line in _numbered(lines):
        if isinstance(line, Fault):
            yield line
            continue
        text = line.strip("\ufeff \t\r\n")
        if not text:
            continue
        if text in ("{", "[") or (text[0] == "[" and number == 1):
            raise RequestUnreadable(
                "a JSON document of several lines or an array; one object a line is needed: jq -c '.[]? // .' FILE"
            )
        yield _json_record(number, text, decoder, columns)


class _Twice(ValueError):
    """A name that stands twice in one object."""


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(f"names {named([next(name for name in read if names.count(name) > 1)])} twice")
    return read


def _json_record(number: int, text: str, decoder: json.JSONDecoder, columns: Columns) -> Record | Fault:
    if misread := columns.misread(text):
        return Fault(number, misread)
    try:
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        return Fault(number, f"is not JSON (column {error.colno}: {error.msg[0].lower()}{error.msg[1:]})")
    except _Twice as error:
        return Fault(number, str(error))
    except RecursionError:
        return Fault(number, "is nested too deeply")
    except ValueError:  # the only other one: more digits than Python converts
        return Fault(number, "has a number of thousands of digits")
    if isinstance(value, str) and columns.as_medium:
        value = {f"{columns.as_medium}_url": value}
    if not isinstance(value, dict):
        return Fault(number, "is no JSON object")
    return Record(number, tuple(value), tuple(value.values()))


def text_records(lines: Lines, columns: Columns) -> Iterator[Record | Fault]:
    """The URLs of a list, one a line; blank lines and lines that begin with # are none."""
    if columns.as_medium is None:
        raise UsageError("a list of URLs needs --as video or --as image; for a table: --input-format csv")
    names = (f"{columns.as_medium}_url",)
    columns.require(names)
    for number, line in _numbered(lines):
        if isinstance(line, Fault):
            yield line
        elif (text := line.strip()) and not text.startswith("#"):
            misread = columns.misread(text)
            yield Fault(number, misread) if misread else Record(number, names, (text,))


def _numbered(lines: Lines) -> Iterator[tuple[int, str | Fault]]:
    for line in lines:
        yield lines.number, Fault(lines.number, _TOO_LONG) if line is _LONG_LINE else line


# -------------------------------------------------------------------------------------------------- Parquet


def parquet_records(file: BinaryIO, columns: Columns) -> Iterator[Record | Fault]:
    """The rows of a Parquet file, a thousand at a time."""
    try:
        import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'preflight[parquet]'") from None
    try:
        table = parquet.ParquetFile(file, pre_buffer=False)
        schema = table.schema_arrow
        names = tuple(schema.names)
        nested = any(
            pa.types.is_struct(kind) and holds_request(dict.fromkeys(field.name for field in kind))
            for kind in schema.types
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RequestUnreadable(f"no sound Parquet file: {_first_line(error)}") from None
    columns.require(names, nested=nested)
    row = 0
    batches = table.iter_batches(batch_size=_BATCH, use_threads=False)
    while True:
        try:
            batch = next(batches, None)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise RequestUnreadable(f"damaged after row {row}: {_first_line(error)}") from None
        if batch is None:
            return
        row += batch.num_rows
        for cells in zip(*(_values(column) for column in batch.columns), strict=True):
            yield Record(None, names, cells)


def _values(column: Any) -> list[object]:
    """A column of a batch as Python values; one that Python cannot hold is text."""
    try:
        return cast("list[object]", column.to_pylist())
    except (ArithmeticError, ValueError):
        return [_value(item) for item in column]


def _value(item: Any) -> object:
    """One value as Python has it; as Arrow writes it where Python has none, nanoseconds say."""
    try:
        return cast("object", item.as_py())
    except UnicodeDecodeError:
        if hasattr(item, "as_buffer"):
            return bytes(item.as_buffer()).decode("utf-8", "surrogateescape")
    except (ArithmeticError, ValueError):
        try:
            text = str(item.cast("string").as_py())
            return text.replace(" ", "T", 1) if text[:1].isdigit() else text  # moments as everywhere: ISO 8601
        except (NotImplementedError, ValueError):  # inside a list or a struct, or of a time zone that is not known
            pass
    return f"(a value of the type {item.type} that cannot be read)"


def _first_line(error: Exception) -> str:
    return clean((str(error) or type(error).__name__).splitlines()[0], 200)
