"""An open shard: a file that only grows, from which a killed run goes on, and which becomes a finished shard.

Lines are written in groups, each with one write and one fsync. Whatever the moment of a kill, the file is whole lines
and at most one torn tail; replaying drops the tail and knows every row before it. A row may stand there several
times (it was checked again): its last line counts. Finishing sorts the lines by row into a compressed file, and the
renaming of that file is the moment in which the shard is finished.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from preflight.audit.durable import (
    RunStopped,
    ensure_space,
    new_file,
    reason,
    shown,
    stopping,
    sync_folder,
    to_line,
    write_all,
)
from preflight.errors import UsageError
from preflight.language import later, say, told

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path
    from types import TracebackType

GROUP_ROWS = 200
GROUP_SECONDS = 1.0
#: More carried columns than this are not told apart: rows of JSON lines may each bring names of their own.
MOST_CARRIED = 1000
#: A line of the journal that is no row: these rows are to be checked again.
AGAIN = "again"
#: The result is the last thing of a line, behind the facts: most readers want no more of it than its text.
_FACTS, _RESULT = b', "media": ', b', "result": '


@dataclass(frozen=True)
class Kept:
    """A row's result as a line holds it: a JSON text, parsed where somebody looks into it."""

    row: int
    text: str

    @classmethod
    def of(cls, data: bytes) -> Self:
        """That of a line, as it stands in the file.

        Raises:
            ValueError: it is none.
        """
        head, _, rest = data.partition(_RESULT)
        if _FACTS in head and data.startswith(b'{"row": '):
            return cls(int(head[8 : head.index(b",")]), rest[:-2].decode())
        line = json.loads(data)  # its keys stand in another order
        return cls(line["row"], json.dumps(line["result"]))

    @cached_property
    def result(self) -> dict[str, Any]:
        """The result itself."""
        found: dict[str, Any] = json.loads(self.text)
        return found


class Journal:
    """The lines of one open shard; a context manager that leaves nothing unwritten when it ends, or is interrupted.

    One thread uses it. A line is `{"row", "attempt", "class", "media", "result"}`.
    """

    def __init__(self, part: Path, finished: Path, stats: Path, *, reserve: int) -> None:
        self.done: set[int] = set()
        """Rows that have a line and need no other."""
        self._part, self._finished, self._stats, self._reserve = part, finished, stats, reserve
        self._lines: dict[int, tuple[int, int]] = {}  # row -> where its last line stands, and how long it is
        self._attempts: dict[int, int] = {}
        self._columns: dict[str, set[str]] = {}
        self._group: list[bytes] = []
        self._group_began = 0.0
        self._written = 0  # bytes that are whole lines on the disk
        self._end = 0  # the same with the group that waits
        with stopping(part):
            self._file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
            try:
                self._claim()
                self._replay()
            except BaseException:
                os.close(self._file)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(value, RunStopped):  # then the disk has already refused the group
                self.flush()
        finally:
            os.close(self._file)

    def attempt(self, row: int) -> int:
        """The number of the next attempt at `row`, from 1."""
        return self._attempts.get(row, 0) + 1

    def add(self, line: dict[str, Any]) -> None:
        """Keep a line; it is on the disk when its group is full, or after the next `flush`.

        Raises:
            RunStopped: the disk takes no more.
        """
        data = to_line(line)
        if not self._group:
            self._group_began = time.monotonic()
        self._group.append(data)
        self._note(line, data)
        if len(self._group) >= GROUP_ROWS or time.monotonic() - self._group_began >= GROUP_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Put every line that waits on the disk. To be called about once a second while nothing is added.

        Raises:
            RunStopped: the disk takes no more.
        """
        if not self._group:
            return
        ensure_space(self._part.parent, self._reserve)
        with stopping(self._part):
            try:
                write_all(self._file, b"".join(self._group))
                os.fsync(self._file)
            except OSError:
                with suppress(OSError):  # a torn tail that stays is dropped by the next replay
                    os.ftruncate(self._file, self._written)
                raise
        self._written, self._group = self._end, []

    def finish(self, stats: dict[str, Any], rows: Collection[int] | None = None) -> None:
        """Turn the journal into a finished shard. `rows`: those that must be there, all of them and no other.

        Raises:
            RunStopped: the disk takes no more; the journal is as it was.
            RuntimeError: a row is missing, or one too many.
        """
        if rows is not None and self.done != set(rows):
            raise RuntimeError(f"{self._part.name}: {len(self.done)} rows are done of {len(set(rows))}, or other ones")
        self.flush()
        ensure_space(self._part.parent, self._reserve)
        columns = {name: sorted(kinds) for name, kinds in self._columns.items()}
        with stopping(self._finished):
            with new_file(self._stats, _temporary(self._stats)) as file:
                file.write(to_line({"rows": len(self.done), "columns": columns, "stats": stats}))
            # The fastest level; this text shrinks all the same. Without a time in it: same rows, same file.
            with (
                new_file(self._finished, _temporary(self._finished)) as file,
                gzip.GzipFile("", "wb", 1, file, mtime=0) as packed,
            ):
                for row in sorted(self.done):
                    start, length = self._lines[row]
                    packed.write(os.pread(self._file, length, start))
            self._part.unlink(missing_ok=True)

    def _claim(self) -> None:
        """One writer for one shard: a worker that outlived its killed parent may still write."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.fstat(self._file).st_nlink > 0  # else it was finished between our opening and our lock
        except BlockingIOError:
            is_ours = False
        except OSError:  # a file system without locks; the run's own lock has to do
            is_ours = True
        if not is_ours:
            raise UsageError(
                say("{path} is still being written by a process of this run; wait for its end", path=shown(self._part))
            )

    def _replay(self) -> None:
        for line, data in read_lines(self._part):
            self._note(line, data)
        self._written = self._end
        if os.fstat(self._file).st_size > self._end:
            os.ftruncate(self._file, self._end)
        os.fsync(self._file)

    def _note(self, line: dict[str, Any], data: bytes) -> None:
        start, self._end = self._end, self._end + len(data)
        if AGAIN in line:
            self.done.difference_update(line[AGAIN])
            return
        row = line["row"]
        self.done.add(row)
        self._lines[row] = (start, len(data))
        self._attempts[row] = line.get("attempt", 1)
        for name, value in (line["result"].get("input") or {}).items():
            if name in self._columns or len(self._columns) <= MOST_CARRIED:
                self._columns.setdefault(name, set()).add(kind_of(value))


def read_lines(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """The lines of a journal up to a torn or damaged one, parsed and as they stand in the file."""
    with path.open("rb") as file:
        for data in file:
            line = _parsed(data)
            if line is None:
                return
            yield line, data


def read_finished(path: Path, rows: int) -> Iterator[bytes]:
    """The lines of a finished shard of so many rows, as they stand in the file; none before its check sum is right.

    Raises:
        UsageError: something has damaged it since.
    """
    try:
        with gzip.open(path, "rb") as file:
            if sum(1 for _ in file) != rows:
                raise EOFError(later("other rows than were written"))  # noqa: TRY301  (told as every other damage)
            file.seek(0)
            yield from file
    except (OSError, EOFError, zlib.error) as error:
        why = reason(error) if isinstance(error, OSError) else told(str(error))
        raise UsageError(
            say(
                "{path} is damaged ({reason}); delete it and resume the run: its rows are checked again",
                path=shown(path),
                reason=why,
            )
        ) from error


def reopen(part: Path, finished: Path, count: int, again: Collection[int]) -> None:
    """Turn a finished shard of `count` rows back into a journal, some `again` to be checked; the others stay done.

    Until they are, their old lines stay in the journal. A kill in the middle leaves the finished shard.
    """
    with stopping(part):
        with new_file(part, _temporary(part)) as file:
            for data in read_finished(finished, count):
                file.write(data)
            file.write(to_line({AGAIN: sorted(again)}))
        finished.unlink()
        sync_folder(part.parent)


def _parsed(data: bytes) -> dict[str, Any] | None:
    if not data.endswith(b"\n"):
        return None
    try:
        line = json.loads(data)
    except ValueError:
        return None
    if not isinstance(line, dict):
        return None
    is_row = type(line.get("row")) is int and isinstance(line.get("result"), dict)
    return line if is_row or isinstance(line.get(AGAIN), list) else None


def kind_of(value: object) -> str:
    """What a carried value is, for a table's column: null, bool, int (64 bits), float, str or other."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int" if -(2**63) <= value < 2**63 else "other"
        case float():
            return "float"
        case str():
            return "str"
    return "other"


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp")
