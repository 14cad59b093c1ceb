"""The results of a run as files in the order of the input: JSON lines, CSV, Parquet, or several of them at once.

They are made from the run folder alone, so they can be made again at any time, and an existing file is replaced by a
whole one or not at all. JSON lines hold everything. A table holds the columns of a single check's table, `row` and
`id` before them, and the carried columns behind them, each below `input.`.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from preflight.audit.durable import new_file, stopping, telling
from preflight.audit.journal import MOST_CARRIED
from preflight.audit.storage import is_stored, path_of
from preflight.errors import UsageError
from preflight.language import about, say
from preflight.printable import cell, clean
from preflight.render.table import CHECK_COLUMNS, CHECK_PATHS, as_cell, check_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from preflight.audit.folder import Run
    from preflight.audit.journal import Kept
    from preflight.audit.storage import Outbox

Format = Literal["jsonl", "csv", "parquet"]

_FORMATS: dict[str, Format] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}
#: Rows that are held at once.
_BATCH = 200


@dataclass(frozen=True, slots=True)
class Target:
    """Where results go; `path` None is standard output."""

    path: Path | None
    format: Format


def read_targets(
    names: Iterable[str], *, keep: Iterable[Path] = (), outbox: Outbox | None = None
) -> tuple[Target, ...]:
    """The targets that `-o` names, made sure of before anything runs.

    `keep`: files that none of them may replace. `outbox`: where to write what goes to storage.

    Raises:
        UsageError: one cannot be written, is no format of ours, or is named twice.
    """
    targets: list[Target] = []
    kept = {_real(path) for path in keep}
    for name in names:
        target = Target(None, "jsonl") if name == "-" else _file(name, outbox)
        if target.path in [known.path for known in targets]:
            called = say("standard output") if name == "-" else clean(name)
            raise UsageError(say("{name} is named twice for the results", name=called))
        if target.path in kept:
            raise UsageError(say("the results would replace what they are made from: {name}", name=clean(name)))
        targets.append(target)
    return tuple(targets)


def read_page_target(name: str, *, keep: Iterable[Path] = (), outbox: Outbox | None = None) -> Path:
    """The same for the page about a run.

    Raises:
        UsageError: it cannot be written, or does not end in .html.
    """
    if Path(name).suffix.lower() not in {".html", ".htm"}:
        raise UsageError(say("the page ends in .html, not {name}", name=clean(name)))
    path = _place(name, outbox)
    if path in {_real(path) for path in keep}:
        raise UsageError(say("the page would replace what it is made from: {name}", name=clean(name)))
    return path


def _file(name: str, outbox: Outbox | None) -> Target:
    format_ = _FORMATS.get(Path(name).suffix.lower())
    if format_ is None:
        known = ", ".join(_FORMATS)
        raise UsageError(
            say("results end in {known} or are - (standard output), not {name}", known=known, name=clean(name))
        )
    if format_ == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(say("Parquet needs pyarrow: {command}", command="pip install 'preflight[parquet]'"))
    return Target(_place(name, outbox), format_)


def _place(name: str, outbox: Outbox | None) -> Path:
    return outbox.place(name) if outbox is not None and is_stored(name) else _writable(path_of(name))


def _writable(name: str) -> Path:
    path, failed = _real(Path(name)), say("cannot write {path}", path=clean(name))
    with telling(UsageError, failed):
        if path.exists() and not path.is_file():
            raise UsageError(about(failed, say("it is there, and no file")))
        if path.exists() and not os.access(path, os.W_OK):
            raise UsageError(about(failed, say("it is there, and may not be written")))
        tempfile.TemporaryFile(dir=path.parent).close()
    return path


def _real(path: Path) -> Path:
    """The file behind links: that is what is replaced, and the links stay."""
    return Path(os.path.realpath(path))


def write_results(run: Run, targets: Iterable[Target]) -> int:
    """Write the rows that are done into the files among `targets`; answers how many there are.

    Raises:
        RunStopped: the disk takes no more; what was there before still is.
        UsageError: a shard is damaged.
    """
    shards = run.begun()
    columns = run.columns()
    rows = last = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(_writer(target, columns)) for target in targets if target.path]
        for index in shards if writers else ():
            for batch in _batches(run.kept(index)):
                for kept in batch:
                    if kept.row <= last:
                        raise RuntimeError(f"row {kept.row} comes after row {last}")
                    last = kept.row
                for writer in writers:
                    writer.write(batch)
                rows += len(batch)
    return rows


def write_lines(run: Run, write: Callable[[str], None]) -> None:
    """Write the rows that are done as JSON lines."""
    for index in run.begun():
        _write_shard(run, index, write)


def _write_shard(run: Run, index: int, write: Callable[[str], None]) -> None:
    for batch in _batches(run.kept(index)):
        write("".join(map(line_of, batch)))


class Streamer:
    """Results as JSON lines in the order of the input, while the run is at work.

    Args:
        run: its shards are counted from 0, without a gap.
        write: takes text; whole lines.
    """

    def __init__(self, run: Run, write: Callable[[str], None]) -> None:
        self._run = run
        self._write = write
        self._next = 0

    def advance(self, *, last: bool = False) -> None:
        """Write the shards that are finished and have none before them that is not. To be called after each.

        One with rows that are to be tried again is held back, and what comes after it, until this is the `last` call.
        """
        while self._run.is_finished(self._next):
            if not last and self._run.receipt(self._next).stats.get("transient"):
                return
            _write_shard(self._run, self._next, self._write)
            self._next += 1


def line_of(kept: Kept) -> str:
    """A result as one line of JSON, in which letters stand as themselves."""
    if r"\u" not in kept.text:
        return f"{kept.text}\n"
    text = json.dumps(kept.result, ensure_ascii=False)
    # A carried text may hold what moves a cursor, ends a line for some readers, or cannot be encoded.
    return f"{text if text.isprintable() else kept.text}\n"


def _batches(results: Iterator[Kept]) -> Iterator[list[Kept]]:
    while batch := list(islice(results, _BATCH)):
        yield batch


# --------------------------------------------------------------------------------------------------- rows


class Table:
    """How a result becomes a row: which columns there are, and the value of each.

    Args:
        carried: the carried columns, and of what kinds their values are; see `Run.columns`. Of too many, one is made,
            which holds JSON.
    """

    def __init__(self, carried: Mapping[str, set[str]]) -> None:
        self.paths = CHECK_PATHS
        self.carried = {f"input.{name}": name for name in carried} if len(carried) <= MOST_CARRIED else None
        self.columns = ("row", "id", *CHECK_COLUMNS, *(("input",) if self.carried is None else self.carried))

    def values(self, result: dict[str, Any]) -> dict[str, Any]:
        """The value of every column as JSON has it, None where there is none."""
        values = {"row": result["row"], "id": result["id"], **check_values(result)}
        held = result.get("input") or {}
        if self.carried is None:
            return values | {"input": json.dumps(held, ensure_ascii=False)}
        return values | {column: held.get(name) for column, name in self.carried.items()}


def flat(result: dict[str, Any], table: Table) -> dict[str, str]:
    """A result as the cells of a table for people: what a spreadsheet would compute is shown instead."""
    values = table.values(result)
    return {column: as_cell(values[column]) for column in table.columns}


# ------------------------------------------------------------------------------------------------ writers


class _Writer(Protocol):
    def write(self, results: list[Kept]) -> None: ...

    def close(self) -> None:
        """Write what is left; the file itself stays open."""


@contextmanager
def _writer(target: Target, columns: Mapping[str, set[str]]) -> Iterator[_Writer]:
    assert target.path
    path = target.path
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with stopping(path), new_file(path, temporary, 0o666) as file:
        if target.format == "jsonl":
            writer: _Writer = _Lines(file)
        elif target.format == "csv":
            writer = _Csv(file, Table(columns))
        else:
            from preflight.audit.parquet import ParquetFile  # noqa: PLC0415  (an extra)

            writer = ParquetFile(file, Table(columns), columns)
        yield writer
        writer.close()


class _Lines:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, results: list[Kept]) -> None:
        self._file.write("".join(map(line_of, results)).encode())

    def close(self) -> None:
        pass


class _Csv:
    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._text = io.TextIOWrapper(file, "utf-8", newline="")
        self._csv = csv.writer(self._text)
        self._table = table
        self._csv.writerow(map(cell, table.columns))

    def write(self, results: list[Kept]) -> None:
        self._csv.writerows(flat(kept.result, self._table).values() for kept in results)

    def close(self) -> None:
        self._text.detach()
