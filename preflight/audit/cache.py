"""What earlier runs learned about media that have not changed since: facts between runs, in one SQLite file.

Only facts are kept, never a verdict: another profile judges them anew. What is kept is never trusted by itself: each
time, the server is asked for one byte, and only where it still promises the same bytes (the same strong entity tag
and size, of the same object) the old facts hold. So a link that has expired fails here as it would anywhere. The
promise is the server's: one that keeps an entity tag while it changes the file deceives every HTTP cache.

The file can be deleted at any time. It names no URL, host, entity tag or secret: keys and promises are digests.
Whatever is wrong with it costs the cache and never the run: it goes quiet, and `trouble` says why.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from preflight import __version__
from preflight.audit.codec import VERSION, decode, encode
from preflight.audit.durable import RESERVE_BYTES, RunStopped, ensure_space, shown
from preflight.audit.identity import identity
from preflight.deliver.headers import strong_etag
from preflight.deliver.source import Bounds, Undelivered
from preflight.deliver.sparse import Span
from preflight.deliver.url import host_of
from preflight.facts import Cause, Delivery, Failure, Medium, NotMedia, Refusal
from preflight.log import LOGGER

if TYPE_CHECKING:
    from preflight.deliver.client import Client
    from preflight.deliver.source import Source, Turn
    from preflight.facts import Kind, Outcome

#: Facts are written in groups: a killed process loses at most one.
GROUP_ROWS = 200
#: While another process writes, so many wait; where it never ends, the cache is given up.
_WAITING_ROWS = 20 * GROUP_ROWS
#: Seconds that are waited for another process: at the start, and while rows are audited.
_PATIENCE_AT_START = 5.0
_PATIENCE = 0.2

#: "pfl1" marks our files; the number is raised when the table changes.
_APPLICATION, _LAYOUT = 0x70666C31, 1
_TABLE = "CREATE TABLE facts (key BLOB NOT NULL UNIQUE, promise BLOB NOT NULL, record BLOB NOT NULL, checked_at REAL)"
_INDEX = "CREATE INDEX facts_by_age ON facts (checked_at)"
_FIND = "SELECT promise, record, checked_at FROM facts WHERE key = ?"
_KEEP = "INSERT OR REPLACE INTO facts (key, promise, record, checked_at) VALUES (?, ?, ?, ?)"

#: What is no fault of the file: the disk is full or fails, another process writes, the folder is read-only.
_OF_THE_MACHINE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
#: What SQLite's module raises about a file; of damaged ones it cannot even read its own message.
_SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
_DIGEST_BYTES = 16

_Row = tuple[bytes, bytes, bytes, float]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an object, and of which bytes it is true."""

    outcome: Outcome
    promise: bytes
    """A digest of what the server said: which object, its strong entity tag, its size."""
    checked_at: datetime


class _Foreign(Exception):
    """The file is a database, and not one of ours."""


class FactsCache:
    """The facts of earlier runs; a context manager. One thread uses it; several processes may share the file.

    Args:
        path: the file; None: `preflight/facts.sqlite` in the user's cache folder.
        version: who probes; facts of another version are never seen. None: this preflight with these libraries.
    """

    def __init__(self, path: Path | None = None, *, version: str | None = None) -> None:
        self.trouble: str | None = None
        """Why it is not used; None: it is."""
        self._version = _probe_version() if version is None else version
        self._waiting: dict[bytes, _Row] = {}
        self._due = GROUP_ROWS
        self._database: sqlite3.Connection | None = None
        try:
            self._path = (path or default_path()).absolute()
            self._open()
        except (OSError, RuntimeError, RunStopped, *_SQLITE_ERRORS) as error:  # RuntimeError: there is no home folder
            self._give_up(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits and let go of the file."""
        self._write(patience=_PATIENCE_AT_START)
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
        self._database = None

    def lookup(self, url: str) -> Entry | None:
        """What is known of the object that `url` names; worth nothing until it is `revalidated`."""
        if self._database is None or (key := self._key(url)) is None:
            return None
        row = self._waiting.get(key)
        try:
            found = row[1:] if row else self._database.execute(_FIND, (key,)).fetchone()
        except _SQLITE_ERRORS as error:
            self._give_up(error)
            return None
        return None if found is None else _entry(key, *found)

    def remember(self, url: str, medium: Medium, now: datetime | None = None) -> None:
        """Keep what an inspection has found, if the server promised something that can be checked later.

        Failures are never kept. Neither is that a file crashed the decoder: it may have been our machine.
        """
        outcome, promise = medium.outcome, self._promise(medium.delivery)
        crashed = isinstance(outcome, NotMedia) and outcome.refusal is Refusal.CRASHES
        if self._database is None or outcome is None or crashed or promise is None or (key := self._key(url)) is None:
            return
        # How it came belongs to its own time and place, and names hosts.
        text = json.dumps(encode(Medium(medium.kind, Delivery(""), outcome)), separators=(",", ":"))
        record = zlib.compress(text.encode(), 1)  # half the size, for the price of its digest
        checked_at = (now or datetime.now(UTC)).timestamp()
        self._waiting[key] = key, promise, _seal(key, promise, record) + record, checked_at
        if len(self._waiting) >= self._due:
            self._write()

    async def revalidated(
        self,
        entry: Entry,
        client: Client,
        url: str,
        turn: Turn | None = None,
        *,
        kind: Kind,
        timeout: float = Bounds.timeout,
    ) -> Medium | None:
        """Ask the server for one byte: the medium with its known facts, or None where they may no longer hold.

        Where nothing can be had, the medium says why, as an inspection would: it is not asked for a second time.
        """
        async with client.source(url, turn) as source:
            try:
                async with asyncio.timeout(timeout) as deadline:
                    if turn is not None:
                        turn.deadline = deadline
                    await source.fetch((Span(0, 1),))
                    if self._promise(source.delivery()) == entry.promise:
                        return Medium(kind, source.delivery(), entry.outcome)
                    await _return(turn, source, url)
            except Undelivered as stop:
                return Medium(kind, source.delivery(stop.failure), None)
            except TimeoutError:
                failure = Failure(Cause.TIMEOUT, f"no complete answer within {timeout:g} s")
                return Medium(kind, source.delivery(failure), None)
        return None

    def prune(self, max_age_days: float = 30, max_rows: int = 1_000_000, now: datetime | None = None) -> int:
        """Forget what was found long ago, and the oldest of too much; returns how much that is."""
        self._write()
        if self._database is None:
            return 0
        oldest = (now or datetime.now(UTC)) - timedelta(days=max_age_days)
        try:
            aged = self._database.execute("DELETE FROM facts WHERE checked_at < ?", (oldest.timestamp(),)).rowcount
            (rows,) = self._database.execute("SELECT count(*) FROM facts").fetchone()
            surplus = self._database.execute(
                "DELETE FROM facts WHERE rowid IN (SELECT rowid FROM facts ORDER BY checked_at LIMIT ?)",
                (max(0, rows - max_rows),),
            ).rowcount
        except _SQLITE_ERRORS as error:
            if not _is_busy(error):  # else the next run will do it
                self._give_up(error)
            return 0
        return aged + surplus

    # ------------------------------------------------------------------------------------------------ digests

    def _key(self, url: str) -> bytes | None:
        named = identity(url)
        return None if named is None else _digest(self._version, *named)

    @staticmethod
    def _promise(delivery: Delivery) -> bytes | None:
        """What the server has promised about the bytes; None: nothing that another answer could confirm."""
        etag = strong_etag(delivery.etag)
        named = identity(delivery.final_url or "")
        if delivery.failure or named is None or etag in (None, '""') or delivery.size_proof != "content-range":
            return None
        return _digest(etag, delivery.size_bytes, *named)

    # ------------------------------------------------------------------------------------------------ the file

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A full disk is met here and not inside SQLite, whose shared memory would end the process there (SIGBUS).
        ensure_space(self._path.parent, RESERVE_BYTES)
        try:
            self._database = self._connected()
        except (_Foreign, *_SQLITE_ERRORS) as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
            self._database = self._connected()
        self._database.execute(f"PRAGMA busy_timeout = {round(_PATIENCE * 1000)}")

    def _connected(self) -> sqlite3.Connection:
        """Open the file, or make it.

        Raises:
            _Foreign: somebody else's database.
            OSError, sqlite3.Error: it cannot be used.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(f"{shown(self._path)} is not a file")
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
        database = sqlite3.connect(self._path, _PATIENCE_AT_START, isolation_level=None, check_same_thread=False)
        try:
            _prepare(database)
        except BaseException:
            database.close()
            raise
        return database

    def _set_aside(self, why: Exception) -> None:
        """Move a file that is not ours or not whole out of the way, with what belongs to it; nothing is deleted."""
        free = (f"{self._path}.aside-{number}" for number in count(1))
        aside = next(name for name in free if not Path(name).exists())
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                Path(f"{self._path}{suffix}").rename(f"{aside}{suffix}")
        LOGGER.warning("the facts cache %s; it is now %s", _in_words(why), shown(Path(aside)))

    def _write(self, patience: float = _PATIENCE) -> None:
        """Put what waits into the file, all of it or nothing."""
        if self._database is None or not self._waiting:
            return
        try:
            ensure_space(self._path.parent, RESERVE_BYTES)
            self._database.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(_KEEP, self._waiting.values())
            self._database.execute("COMMIT")
        except (RunStopped, *_SQLITE_ERRORS) as error:
            if not _is_busy(error) or len(self._waiting) >= _WAITING_ROWS:
                self._give_up(error)
            elif self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._due = len(self._waiting) + GROUP_ROWS
            return
        self._waiting.clear()
        self._due = GROUP_ROWS

    def _give_up(self, error: Exception) -> None:
        """Go on without: from here on nothing is known, and nothing is kept."""
        database, self._database = self._database, None
        self._waiting.clear()
        self.trouble = _in_words(error)
        LOGGER.warning("facts are not cached any more: %s", self.trouble)
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()
        if _is_damage(error):
            with suppress(OSError):
                self._set_aside(error)


def default_path() -> Path:
    """Where the XDG base directory specification puts it; a relative path in its variable does not count.

    Raises:
        RuntimeError: there is no home folder.
    """
    folder = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (folder if folder.is_absolute() else Path.home() / ".cache") / "preflight" / "facts.sqlite"


def _prepare(database: sqlite3.Connection) -> None:
    """Make sure that the file is one of ours, before anything of it is changed."""
    database.execute("BEGIN IMMEDIATE")
    marks = tuple(database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if marks != (_APPLICATION, _LAYOUT):
        if any(marks) or database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise _Foreign("is a database of something else, or of another version")
        database.execute(_TABLE)
        database.execute(_INDEX)
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {_LAYOUT}")
    database.execute("COMMIT")
    with suppress(sqlite3.OperationalError):  # another process has it open: then that one has done it, or will
        database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")


def _entry(key: bytes, promise: bytes, sealed: bytes, checked_at: float) -> Entry | None:
    """A row as what it means; None where it is damaged, or of another version."""
    try:
        seal, record = sealed[:_DIGEST_BYTES], sealed[_DIGEST_BYTES:]
        outcome = _facts(record) if seal == _seal(key, promise, record) else None
        when = datetime.fromtimestamp(checked_at, UTC)
    except (TypeError, ValueError, OverflowError, OSError):  # a column of another type, a time that is none
        return None
    return None if outcome is None else Entry(outcome, promise, when)


@lru_cache(1024)  # the clips of one maker, or the pictures of one size, have the same
def _facts(record: bytes) -> Outcome | None:
    medium = decode(json.loads(zlib.decompress(record)))
    return None if medium is None else medium.outcome


def _seal(key: bytes, promise: bytes, record: bytes) -> bytes:
    """Ties a record to its object and to the bytes of which it is true: SQLite does not notice a flipped bit."""
    return blake2b(key + promise + record, digest_size=_DIGEST_BYTES).digest()


async def _return(turn: Turn | None, source: Source, url: str) -> None:
    """A redirect has moved the turn; whoever asks next begins at the beginning."""
    if turn is not None and source.delivery().hops:
        await turn.move(host_of(url) or "")


def _code(error: Exception) -> int:
    """SQLite's primary result code; 0: it told none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _is_busy(error: Exception) -> bool:
    """Is it only that another process writes?"""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_damage(error: Exception) -> bool:
    """Is it the file's own fault?"""
    return isinstance(error, (_Foreign, *_SQLITE_ERRORS)) and _code(error) not in _OF_THE_MACHINE


def _in_words(error: Exception) -> str:
    """One line about an error; of a damaged file SQLite quotes what stands there."""
    if _is_damage(error) and not isinstance(error, _Foreign):
        return "is damaged, or no cache of ours"
    return str(error) or type(error).__name__


@cache
def _probe_version() -> str:
    """Who makes the facts: our probes, libav (inside PyAV) and Pillow; nothing is imported for it."""
    return " ".join((__version__, str(VERSION), *(metadata.version(name) for name in ("av", "pillow"))))


def _digest(*values: object) -> bytes:
    return blake2b(json.dumps(values).encode(), digest_size=_DIGEST_BYTES).digest()
