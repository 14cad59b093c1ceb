"""Input and outputs that are in storage (S3, Google Cloud Storage, Azure, …): a run itself only sees local files.

What comes in is copied to the run folder once; what goes out is written there first and sent when all of it is there.
Which package speaks to which store, and where that finds its keys, is fsspec's business. `file://` is another
spelling of a path.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote

from preflight.audit.durable import RunStopped, new_file, shown, stopping
from preflight.audit.manifest import is_begun, read_manifest
from preflight.audit.spool import claimed, other_input
from preflight.deliver.url import cut, is_url, redact
from preflight.errors import RequestUnreadable, UsageError
from preflight.language import about, say, told
from preflight.printable import clean
from preflight.redaction import hide, redact_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Stores whose objects appear whole or not at all, however they are written.
_APPEAR_WHOLE = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"))
#: Others get a file under another name, and then its own.
_ARE_MOVED = frozenset(("oss", "oci", "tos", "sftp", "ssh", "memory"))
#: What tells that an object has changed, the surest first; each store has words of its own.
_MARKS = ("generation", "ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "modified", "created")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Stored:
    """An object of a store, which need not be there; made by `locate`."""

    url: str
    files: Any
    """fsspec's file system."""
    path: str

    @property
    def shown(self) -> str:
        """Its URL in a message."""
        return clean(redact(self.url))

    @property
    def name(self) -> str:
        """Its last name."""
        return _name(self.url)

    def is_same(self, other: Stored) -> bool:
        """Do both name one object?"""
        return type(self.files) is type(other.files) and self.path == other.path


def is_stored(name: str) -> bool:
    """Does it name something in storage, rather than a file?"""
    return is_url(name) and cut(name).scheme != "file"


def path_of(name: str) -> str:
    """The path that `file://` spells; any other name as it is.

    Raises:
        UsageError: it is on another machine, or is no path.
    """
    parts = cut(name)
    if not is_url(name) or parts.scheme != "file":
        return name
    if parts.authority not in {"", "localhost"} or not parts.path.startswith("/"):
        raise UsageError(say("a file URL has three slashes and a path: {example}", example="file:///data/jobs.parquet"))
    return unquote(parts.path)


def locate(url: str) -> Stored:
    """What a URL names; nothing is asked of its store.

    Raises:
        UsageError: it names nothing in storage, holds a password, or a package is missing.
    """
    parts = cut(url)
    name = clean(redact(url))
    if _has_password(url):
        why = say(
            "a URL with a password in it is not taken, others can read a command line; store the keys where the "
            "package for this storage looks for them, such as its environment variables"
        )
        raise UsageError(about(f"{parts.scheme[:12]}://…", why))
    if parts.scheme in {"http", "https"}:
        why = say("a web server is no storage, and only media are fetched from there; download it first")
        raise UsageError(about(name, why))
    if parts.scheme not in _APPEAR_WHOLE | _ARE_MOVED or "::" in url:
        known = ", ".join(sorted(_APPEAR_WHOLE | _ARE_MOVED))
        raise UsageError(about(name, say("no storage that is known here (a path, or a URL of {known})", known=known)))
    if not _name(url):
        raise UsageError(about(name, say("names no file")))
    try:
        import fsspec.core  # type: ignore[import-untyped]  # noqa: PLC0415  (an extra)
    except ImportError as error:
        why = say("storage needs fsspec: {command}", command="pip install 'preflight[storage]'")
        raise UsageError(about(name, why)) from error
    try:
        files, path = fsspec.core.url_to_fs(url)
    except Exception as error:  # each package raises its own; of a missing one fsspec says what to install
        raise UsageError(about(name, _said(error, url))) from error
    return Stored(url, files, path)


def _has_password(url: str) -> bool:
    """Also one with a slash in it, which ends the authority before its `@`."""
    authority = cut(url).authority or ""
    user, at, _ = authority.rpartition("@")
    return ":" in user or (not at and ":" in authority and "@" in url)


def _name(url: str) -> str:
    path = cut(url).path
    return "" if path.endswith("/") else PurePosixPath(path).name


def _said(error: Exception, url: str) -> str:
    """What a store or its package says, on one line, without what it may quote."""
    if isinstance(error, FileNotFoundError):
        return say("no such file or bucket")
    lines = (getattr(error, "strerror", None) or str(error)).strip().splitlines()
    return told(clean(redact_trace(hide(lines[0], [url])))) if lines else type(error).__name__


@contextmanager
def _asking(stored: Stored) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RequestUnreadable(about(stored.shown, _said(error, stored.url))) from error


# -------------------------------------------------------------------------------------------------- input


@dataclass(frozen=True, slots=True)
class Copy:
    """An input that was copied from storage."""

    path: Path
    origin: dict[str, str]
    """What the manifest holds of where it came from: the URL and which state of the object."""


def fetched(stored: Stored, folder: Path) -> Copy:
    """The object as a file of a run's folder. A run that goes on keeps the copy that it has.

    Whether that is of the object as it is now tells `origin`.

    Raises:
        RequestUnreadable: it cannot be read, or changes meanwhile.
        UsageError: the folder is a run of another input, or cannot be a run's, or another process works there.
        RunStopped: the disk takes no more.
    """
    target, state = folder / "input", _state(stored)
    if is_begun(folder) and read_manifest(folder).input.get("path") != redact(stored.url):
        raise UsageError(other_input(folder))
    if not is_begun(folder) or not target.exists():
        with claimed(folder):
            _copy(stored, target)
        if _state(stored) != state:
            target.unlink()
            raise RequestUnreadable(about(stored.shown, say("changed while it was read")))
    return Copy(target, {"path": redact(stored.url), "object": state})


def _copy(stored: Stored, target: Path) -> None:
    with stopping(target), new_file(target, target.with_suffix(".tmp")) as file, ExitStack() as stack:
        with _asking(stored):
            source = stack.enter_context(stored.files.open(stored.path, "rb"))
        while piece := _read(source, stored):
            file.write(piece)


def _read(source: IO[bytes], stored: Stored) -> bytes:
    with _asking(stored):
        return source.read(_MIB)


def _state(stored: Stored) -> str:
    """What differs once the object has changed."""
    with _asking(stored):
        stored.files.invalidate_cache()
        info = stored.files.info(stored.path)
        mark = next((info[name] for name in _MARKS if info.get(name)), None) or stored.files.ukey(stored.path)
    if info["type"] != "file":
        raise RequestUnreadable(about(stored.shown, say("a folder, not a file")))
    return f"{info['size']} {mark}"


# ------------------------------------------------------------------------------------------------ outputs


class Outbox:
    """The outputs of a run that go to storage: where they wait in its folder, and where to."""

    def __init__(self, folder: Path, source: Stored | None = None) -> None:
        """`source`: what none of them may replace."""
        self._folder = folder / "outbox"
        self._source = source
        self._waiting: dict[Path, Stored] = {}

    def place(self, url: str) -> Path:
        """Where to write what is to go to `url`.

        Raises:
            UsageError: as `locate`; or it would replace the input, or another output.
        """
        stored = locate(url)
        if self._source is not None and stored.is_same(self._source):
            raise UsageError(say("the results would replace what they are made from: {name}", name=stored.shown))
        if any(stored.is_same(other) for other in self._waiting.values()):
            raise UsageError(say("{name} is named twice for the results", name=stored.shown))
        path = self._folder / f"{len(self._waiting) + 1}-{stored.name}"
        self._waiting[path] = stored
        return path

    def open(self) -> None:
        """Make the folder in which they wait.

        Raises:
            RunStopped: it cannot be made.
        """
        if self._waiting:
            with stopping(self._folder):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def send(self) -> None:
        """Send what was written, and keep nothing of it here.

        Raises:
            RunStopped: a store does not take it; it stays here.
        """
        for path, stored in self._waiting.items():
            try:
                _put(path, stored)
            except Exception as error:
                why = _said(error, stored.url)
                words = {"path": stored.shown, "reason": why, "kept": shown(path)}
                raise RunStopped(say("cannot write {path}: {reason}; it is kept as {kept}", **words)) from error
            path.unlink()
        if self._waiting:
            with suppress(OSError):  # another command writes there
                self._folder.rmdir()


def _put(path: Path, stored: Stored) -> None:
    """Write a file to its store; whoever reads there sees all of it or nothing."""
    files = stored.files
    if cut(stored.url).scheme in _APPEAR_WHOLE:
        files.put_file(str(path), stored.path)
        return
    parent, _, name = stored.path.rpartition("/")
    temporary = f"{parent}/.{name}.{secrets.token_hex(4)}.tmp"
    try:
        files.put_file(str(path), temporary)
        files.mv(temporary, stored.path)
    except BaseException:
        with suppress(Exception):  # what is told is why it was not written
            files.rm_file(temporary)
        raise
