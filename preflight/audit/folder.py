"""The folder of a run: what it was started with, who works in it, and its shards.

    run/manifest.json            input, options, versions: a run that differs in one of them is another run
    run/lock                     who works in it now
    run/complete                 there when every row has its result; since when
    run/command                  what the user typed last, where it holds no secret (the command line's own)
    run/shards/00012.jsonl.part  an open shard (`journal.py`)
    run/shards/00012.jsonl.gz    a finished one: a line for each row, in order
    run/shards/00012.stats.json  what was counted in it

All state is in these files and each of them is whole at any moment, so a run that was killed goes on from what is
there. A shard is finished when its `.jsonl.gz` exists; a `.part` beside that is a left-over. Only the owner may read.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from preflight.audit.durable import RESERVE_BYTES, ensure_space, new_file, shown, stopping, telling
from preflight.audit.journal import AGAIN, MOST_CARRIED, Journal, Kept, kind_of, read_finished, read_lines, reopen
from preflight.audit.lock import Lock
from preflight.audit.manifest import MANIFEST, Manifest, read_manifest, write_manifest
from preflight.audit.model import Receipt
from preflight.errors import UsageError
from preflight.language import about, later, say
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

_FINISHED = ".jsonl.gz"
_PART = ".jsonl.part"
_COMPLETE = "complete"
#: What may be in a folder before its run has begun.
_LEFT = frozenset(("lock", "shards", f"{MANIFEST}.tmp", "input", "input.tmp", "outbox"))


class Run:
    """A run folder; a context manager.

    `create` and `open` lock it for the process that leads the run; `attach` does not: it is for that process's
    workers, each with shards of its own, and for whoever only reads.
    """

    def __init__(self, path: Path, manifest: Manifest, lock: Lock | None, reserve: int) -> None:
        self.path = path
        self.manifest = manifest
        self._shards = path / "shards"
        self._lock = lock
        self._reserve = reserve

    @classmethod
    def create(cls, path: str | Path, manifest: Manifest, *, reserve: int = RESERVE_BYTES) -> Self:
        """Begin a run in a folder that is new or empty.

        Raises:
            UsageError: it cannot be made, or holds something.
            RunStopped: the disk is too full to begin.
        """
        path = Path(path)
        with _told(path):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            ensure_empty(path)
            run = cls(path, manifest, Lock(path), reserve)
            with run._or_close():
                ensure_empty(path)  # until now another process could begin here
                ensure_space(path, reserve)
                (path / "shards").mkdir(mode=0o700, exist_ok=True)
                write_manifest(path, manifest)
        return run

    @classmethod
    def open(cls, path: str | Path, *, reserve: int = RESERVE_BYTES) -> Self:
        """Go on with a run.

        Raises:
            UsageError: it is none, or another process works on it.
            RunStopped: the disk is too full to go on.
        """
        path = Path(path)
        manifest = read_manifest(path)
        with _told(path):
            run = cls(path, manifest, Lock(path), reserve)
            with run._or_close():
                ensure_space(path, reserve)
                for index in run.finished():
                    run._file(index, _PART).unlink(missing_ok=True)
        return run

    @classmethod
    def attach(cls, path: str | Path, *, reserve: int = RESERVE_BYTES) -> Self:
        """The same folder without its lock.

        Raises:
            UsageError: it is no run.
        """
        return cls(Path(path), read_manifest(Path(path)), None, reserve)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            self._lock.give_back()
            self._lock = None

    @property
    def took_over(self) -> str | None:
        """A sentence about the process that worked here before and did not come to its end; None: there is none."""
        return self._lock.took_over if self._lock else None

    def refuse_if_different(self, manifest: Manifest) -> None:
        """Make sure that this run was started with the same.

        Raises:
            UsageError: it was not, and the message names what has changed.
        """
        if not (changes := self.manifest.changes(manifest)):
            return
        advice = say("Name another folder with --run")
        if self.manifest.is_judged_otherwise(manifest):
            words = later(
                "To judge anew what it found, which fetches nothing, add --rejudge {folder} (and another --run, if you "
                "give one); to fetch anew, name another folder with --run"
            )
            if not self.is_complete:
                words = later(
                    "To judge anew what it found, which fetches nothing, finish it as it was started, then add "
                    "--rejudge {folder} (and another --run, if you give one); to fetch anew, name another folder with "
                    "--run"
                )
            advice = say(words, folder=clean(shlex.quote(str(self.path))))
        problem = say("{folder} was started otherwise", folder=shown(self.path))
        raise UsageError(about(problem, say("; ").join(changes)) + say(". ") + advice)

    @property
    def is_complete(self) -> bool:
        """Has every row of the input its result?"""
        return (self.path / _COMPLETE).exists()

    def complete(self) -> None:
        """There is nothing left to do. A shard that is opened again undoes this."""
        with stopping(self.path), new_file(self.path / _COMPLETE, self.path / f"{_COMPLETE}.tmp") as file:
            file.write(datetime.now(UTC).isoformat().encode() + b"\n")

    @property
    def ended(self) -> str | None:
        """When it was complete, as ISO 8601; None: it is not."""
        try:
            return (self.path / _COMPLETE).read_text("ascii").strip()
        except FileNotFoundError:
            return None

    @property
    def digest(self) -> str:
        """What tells these results from those of another run, or of this one before rows were checked again."""
        told = hashlib.sha256()
        with telling(UsageError, say("cannot read {path}", path=shown(self.path))):
            for index in self.finished():
                with self._file(index, _FINISHED).open("rb") as file:
                    file.seek(-8, os.SEEK_END)  # gzip ends with the checksum and the length of what is packed
                    told.update(file.read())
        return told.hexdigest()[:12]

    def finished(self) -> list[int]:
        """The numbers of the finished shards, in order."""
        return self._numbers(_FINISHED)

    def begun(self) -> list[int]:
        """The same with the open ones."""
        return sorted({*self._numbers(_PART), *self._numbers(_FINISHED)})

    def _numbers(self, suffix: str) -> list[int]:
        return sorted(int(path.name.removesuffix(suffix)) for path in self._shards.glob(f"*[0-9]{suffix}"))

    def is_finished(self, index: int) -> bool:
        """Is there nothing left to do in this shard?"""
        return self._file(index, _FINISHED).exists()

    def journal(self, index: int) -> Journal:
        """The open shard, with what an earlier process wrote there.

        Raises:
            UsageError: another process writes it.
            RunStopped: the disk refuses.
        """
        if self.is_finished(index):
            raise RuntimeError(f"shard {index} is finished")
        finished, stats = self._file(index, _FINISHED), self._file(index, ".stats.json")
        return Journal(self._file(index, _PART), finished, stats, reserve=self._reserve)

    def reopen(self, index: int, rows: Collection[int]) -> None:
        """Have these rows of a finished shard checked again; see `journal.reopen`.

        Raises:
            RunStopped: the disk refuses.
        """
        with stopping(self.path):
            (self.path / _COMPLETE).unlink(missing_ok=True)
        reopen(self._file(index, _PART), self._file(index, _FINISHED), self._stats(index)["rows"], rows)

    def lines(self, index: int) -> Iterator[dict[str, Any]]:
        """The journal lines of a shard; of an open one those that are on the disk, in the order of their writing.

        Raises:
            UsageError: a finished shard is damaged.
        """
        if self.is_finished(index):
            yield from map(json.loads, self._finished_lines(index))
        elif self._file(index, _PART).exists():
            yield from (line for line, _ in read_lines(self._file(index, _PART)) if "row" in line)

    def results(self, index: int) -> Iterator[dict[str, Any]]:
        """The results of a shard in order; of an open one those on the disk whose rows wait for no other attempt.

        Raises:
            UsageError: a finished shard is damaged.
        """
        return (kept.result for kept in self.kept(index))

    def kept(self, index: int) -> Iterator[Kept]:
        """The same, each as its text; raises as `results` does."""
        if not self.is_finished(index):
            with suppress(FileNotFoundError):  # finished in this moment, or not begun
                done = _done(self._file(index, _PART))
                return (Kept.of(done[row]) for row in sorted(done))
        if self.is_finished(index):
            return map(Kept.of, self._finished_lines(index))
        return iter(())

    def _finished_lines(self, index: int) -> Iterator[bytes]:
        return read_finished(self._file(index, _FINISHED), self._stats(index)["rows"])

    def receipt(self, index: int) -> Receipt:
        """What was counted in a finished shard."""
        told = self._stats(index)
        return Receipt(index, told["rows"], told["stats"])

    def columns(self) -> dict[str, set[str]]:
        """The carried columns of all results in the order in which they came, and of what kinds they are.

        Kinds are null, bool, int, float, str and other. Above `MOST_CARRIED` columns some are missing.
        """
        found: dict[str, set[str]] = {}
        for index in self.begun():
            for name, kinds in self._columns(index).items():
                found.setdefault(name, set()).update(kinds)
            if len(found) > MOST_CARRIED:
                break
        return found

    def _columns(self, index: int) -> dict[str, set[str]]:
        if self.is_finished(index):
            return {name: set(kinds) for name, kinds in self._stats(index)["columns"].items()}
        found: dict[str, set[str]] = {}
        for result in self.results(index):
            for name, value in (result["input"] or {}).items():
                found.setdefault(name, set()).add(kind_of(value))
        return found

    def _stats(self, index: int) -> dict[str, Any]:
        path = self._file(index, ".stats.json")
        try:
            told: dict[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            also = f"{index:05}{_FINISHED}"
            raise UsageError(
                say("{path} is damaged; delete it and {also} and resume the run", path=shown(path), also=also)
            ) from error
        return told

    def _file(self, index: int, suffix: str) -> Path:
        return self._shards / f"{index:05}{suffix}"

    @contextmanager
    def _or_close(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.close()
            raise


def ensure_empty(path: Path) -> None:
    """Make sure that a folder holds nothing but what a run that did not begin may have left there.

    Raises:
        UsageError: it does.
    """
    held = {child.name for child in path.iterdir()}
    if MANIFEST in held:
        raise UsageError(say("{path} holds a run already: resume it, or name another folder", path=shown(path)))
    if held - _LEFT:
        raise UsageError(say("{path} is not empty and no run: name another folder", path=shown(path)))


def _done(part: Path) -> dict[int, bytes]:
    """The lines of an open shard by row: the last of each, without those that are to be had again."""
    done: dict[int, bytes] = {}
    for line, data in read_lines(part):
        if AGAIN in line:
            for row in line[AGAIN]:
                done.pop(row, None)
        else:
            done[line["row"]] = data
    return done


def _told(path: Path) -> AbstractContextManager[None]:
    """Before a run has begun, a folder that cannot be used is wrong usage."""
    return telling(UsageError, say("cannot use {path} as the folder of a run", path=shown(path)))
