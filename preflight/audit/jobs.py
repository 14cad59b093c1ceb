"""A table of jobs, whatever its format, as a stream of jobs: one value for each row, in order, in flat memory.

rows.py     the file  ->  records and faults      what the format allows
columns.py  a record  ->  a job or a bad row      what the columns mean
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, get_args

from preflight.audit.columns import Columns, Record, Style
from preflight.audit.encoding import UTF8, encoding_of, marked, read_encoding
from preflight.audit.model import BadRow, Job
from preflight.audit.rows import Lines, csv_records, json_records, parquet_records, text_records
from preflight.deliver.url import is_url, redact
from preflight.errors import RequestUnreadable, UsageError
from preflight.language import about, later, say, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from preflight.audit.columns import Fault
    from preflight.facts import Kind

Format = Literal["csv", "jsonl", "txt", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)

_SUFFIXES: dict[str, Format] = {
    **dict.fromkeys((".csv", ".tsv", ".tab"), "csv"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".txt", ".list", ".urls"), "txt"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
_STYLES: dict[Format, Style] = {"csv": "text", "jsonl": "json", "txt": "text", "parquet": "table"}
#: Who reads the lines of a format, and what ends a line there besides what always does; "": anything that may.
_READERS: dict[Format, tuple[Callable[[Lines, Columns], Iterator[Record | Fault]], str]] = {
    "csv": (csv_records, ""),
    "jsonl": (json_records, "\n"),
    "txt": (text_records, ""),
}
#: What begins like this is no text, and what to do about it.
_OTHER_FILES = {
    b"PAR1": later("a Parquet file: --input-format parquet"),
    b"\x1f\x8b": later("compressed with gzip; unpack it first"),
    b"\x28\xb5\x2f\xfd": later("compressed with zstd; unpack it first"),
    b"PK\x03\x04": later("a zip archive or an Excel workbook; save the sheet as CSV"),
    b"\xd0\xcf\x11\xe0": later("an old Excel workbook; save the sheet as CSV"),
    b"SQLite format 3": later("a SQLite database; export the table as CSV"),
    b"ARROW1\0\0": later("an Arrow file; write it as Parquet"),
    b"Obj\x01": later("an Avro file; write it as Parquet or JSON lines"),
}
_HEAD = 1 << 16
_MIB = 1 << 20
#: A file up to this size is read whole to tell whether it is the same.
_READ_WHOLE = 64 * _MIB


def read_jobs(
    path: str | Path,
    *,
    format: str | None = None,  # noqa: A002  (the option's name)
    as_medium: Kind | None = None,
    mapping: Mapping[str, str] | None = None,
    defaults: Mapping[str, object] | None = None,
    id_column: str | None = None,
    implied: Mapping[str, object] | None = None,
    encoding: str | None = None,
) -> Iterator[Job | BadRow]:
    """Read the rows of a file in order; the first `next` opens it, and tells what is wrong with the file as a whole.

    Args:
        path: The file; `-` is standard input, which is copied to a temporary file first.
        format: One of `FORMATS`; None: by the suffix, else by the first line.
        as_medium: Every row is one medium of this kind rather than a request.
        mapping: Field of the request -> column, where the column's name does not tell.
        defaults: Fields of the request for rows that do not say.
        implied: Fields that a table means where it has no column for them. An object speaks for itself.
        id_column: The column that names a row; None: `id`, `job_id` or `uuid`, if there is one.
        encoding: How text is encoded, by any name that Python has for it; None: UTF-8, or as the file's mark says.

    Raises:
        RequestUnreadable: the file cannot be read, or is of another format or encoding.
        UsageError: the columns do not fit, or are ambiguous; there is no such encoding.
    """
    columns = Columns(as_medium, mapping, defaults, id_column, implied)
    known = None if encoding is None else read_encoding(encoding)
    origin = say("standard input") if str(path) == "-" else redact(str(path))
    try:
        with _opened(path) as file:
            chosen = _format(str(path), file, format, as_medium, known)
            for row, read in enumerate(_records(chosen, file, columns, known), 1):
                yield (
                    columns.read(row, read, _STYLES[chosen])
                    if isinstance(read, Record)
                    else BadRow(row, read.line, read.reason, {})
                )
    except UsageError as error:
        raise type(error)(about(origin, told(str(error)))) from None
    except (OSError, EOFError) as error:
        why = told(getattr(error, "strerror", None) or later("cannot be read"))
        raise RequestUnreadable(about(origin, why)) from None
    except UnicodeError:  # of an encoding that is for names of hosts, say
        raise RequestUnreadable(about(origin, say("cannot be read as {name}", name=columns.encoding))) from None


def _records(format_: Format, file: BinaryIO, columns: Columns, encoding: str | None) -> Iterator[Record | Fault]:
    if format_ == "parquet":
        if encoding is not None:
            raise UsageError(say("Parquet knows the encoding of its text; leave --encoding out"))
        yield from parquet_records(file, columns)
        return
    reader, newline = _READERS[format_]
    columns.encoding = encoding_of(file, encoding)
    with Lines(file, columns.encoding, newline) as lines:
        yield from reader(lines, columns)


@contextmanager
def _opened(path: str | Path) -> Iterator[BinaryIO]:
    """The file, where one can go back to its start; what comes through a pipe is copied first."""
    if str(path) != "-" and is_url(str(path)):
        raise UsageError(say("a URL, not a file; download it first"))
    if str(path) == "-":
        if sys.stdin is None:
            raise RequestUnreadable(say("closed"))
        with _copied(sys.stdin.buffer) as copy:
            yield copy
        return
    if "\0" in str(path):
        raise RequestUnreadable(say("not a file name"))
    with Path(path).open("rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield file
        else:
            with _copied(file) as copy:
                yield copy


@contextmanager
def _copied(source: BinaryIO) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy, _MIB)
        copy.seek(0)
        yield copy


def _format(path: str, file: BinaryIO, told: str | None, as_medium: Kind | None, encoding: str | None) -> Format:
    """The format that was told, or that the suffix or the first line tells; a file of another kind is refused."""
    head = file.read(_HEAD)
    file.seek(0)
    chosen = next((name for name in FORMATS if name == told), None)
    if told is not None and chosen is None:
        raise UsageError(say("no such format; the formats are {names}", names=", ".join(FORMATS)))
    chosen = chosen or format_named(path)
    if chosen is None and head.startswith(b"PAR1"):
        return "parquet"
    for magic, advice in _OTHER_FILES.items():
        if chosen != "parquet" and head.startswith(magic):
            raise RequestUnreadable(say(advice))
    return chosen or _sniffed(head.decode(marked(head) or encoding or UTF8, "replace"), as_medium)


def format_named(name: str) -> Format | None:
    """The format that a file's name tells."""
    return _SUFFIXES.get(Path(name).suffix.lower())


def _sniffed(head: str, as_medium: Kind | None) -> Format:
    """The format that the first line tells."""
    lines = (line.strip("\ufeff \t\r\n") for line in head.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    if first.startswith(("{", "[")):
        return "jsonl"
    return "txt" if as_medium and is_url(first) else "csv"


def fingerprint(path: str | Path) -> dict[str, object]:
    """What tells that an input is the one of another day: path as given, size, and what stands in it.

    Of a large file only the first and the last MiB are read; there its time tells what they cannot.

    Raises:
        RequestUnreadable: the file cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            found = Path(path).stat()
            is_small = found.st_size <= _READ_WHOLE
            digest = hashlib.sha256(file.read(_READ_WHOLE if is_small else _MIB))
            if not is_small:
                file.seek(max(0, found.st_size - _MIB))
                digest.update(file.read(_MIB))
    except (OSError, ValueError) as error:
        reason = told(getattr(error, "strerror", None) or later("not a file name"))
        raise RequestUnreadable(about(redact(str(path)), reason)) from None
    time = {} if is_small else {"mtime_ns": found.st_mtime_ns}
    return {"path": str(path), "size": found.st_size, **time, "sha256": digest.hexdigest()}
