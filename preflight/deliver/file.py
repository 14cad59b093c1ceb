"""A local file, read by the same spans as a remote one."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import time
from typing import TYPE_CHECKING

from preflight.deliver.source import Bounds, Source, Undelivered, coalesce
from preflight.facts import Cause, Delivery, Failure, Transfer

if TYPE_CHECKING:
    import io

    from preflight.deliver.sparse import Span

_REASONS = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "there is no such file",
    errno.EACCES: "the file may not be read",
    errno.EPERM: "the file may not be read",
    errno.ELOOP: "its symbolic links go in a circle",
    errno.ENAMETOOLONG: "the name is too long for a file",
}
#: What says nothing about the file.
_OF_THIS_MACHINE = {
    errno.EMFILE: "too many files and connections are open to make another one",
    errno.ENFILE: "too many files and connections are open to make another one",
    errno.ENOMEM: "there is no memory left to read it",
    errno.EIO: "its disk cannot read it now",
}


class FileSource(Source):
    """A path on this machine. Only a regular file is opened: a pipe or a device may block, or never end."""

    def __init__(self, path: str, bounds: Bounds) -> None:
        super().__init__()
        self._path = path
        self._bounds = bounds
        self._identity: tuple[int, int] | None = None
        self._seconds = 0.0

    async def fetch(self, spans: tuple[Span, ...]) -> None:
        """Read the spans, off the event loop: a file may live on a slow disk."""
        started = time.monotonic()
        try:
            for start, data in await asyncio.to_thread(self._read, spans):
                self.data.add(start, data)
        finally:
            self._seconds += time.monotonic() - started

    def _read(self, spans: tuple[Span, ...]) -> list[tuple[int, bytes]]:
        try:
            _refuse_special(os.stat(self._path).st_mode)  # noqa: PTH116  (an empty path must stay "no such file")
            # O_NONBLOCK: if the path became a pipe since then, opening it must not wait for a writer.
            handle = os.open(self._path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            with os.fdopen(handle, "rb", buffering=0) as file:
                self._establish(os.fstat(handle))
                return [(span.start, _read_span(file, span.start, span.stop or 0)) for span in self._affordable(spans)]
        except ValueError as error:
            raise _not_a_file("a file name cannot hold a NUL character") from error
        except OSError as error:
            if error.errno in _OF_THIS_MACHINE:
                raise Undelivered(Failure(Cause.MACHINE, _OF_THIS_MACHINE[error.errno])) from error
            reason = _REASONS.get(error.errno or 0, "the file cannot be read")
            if error.errno == errno.ENOENT and self._path.startswith("~"):
                reason = "~ was not expanded to a home directory, and there is no directory of that name here"
            raise _not_a_file(reason) from error

    def _establish(self, status: os.stat_result) -> None:
        _refuse_special(status.st_mode)
        identity = (status.st_size, status.st_mtime_ns)
        if self._identity not in (None, identity):
            raise Undelivered(Failure(Cause.INCONSISTENT, "the file changed while it was being read"))
        self._identity = identity
        self.data.total = status.st_size

    def _affordable(self, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        wanted = coalesce(hole for span in spans for hole in self.data.missing(span))
        size = len(self.data) + sum((span.stop or 0) - span.start for span in wanted)
        if size > self._bounds.max_bytes:
            raise Undelivered(
                Failure(Cause.BUDGET, f"{size} bytes of the file are needed; the budget is {self._bounds.max_bytes}")
            )
        return wanted

    def delivery(self, failure: Failure | None = None) -> Delivery:
        """A local delivery: no hops, no headers, nothing received from a network."""
        return Delivery(
            reference=self._path,
            local=True,
            size_bytes=self.data.total,
            size_proof=None if self.data.total is None else "file",
            failure=failure,
            transfer=Transfer(seconds=self._seconds),
        )


def _refuse_special(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise _not_a_file("it is a directory")
    if not stat.S_ISREG(mode):
        raise _not_a_file("it is not a regular file (a pipe, a socket or a device)")


def _not_a_file(detail: str) -> Undelivered:
    return Undelivered(Failure(Cause.NOT_A_FILE, detail))


def _read_span(file: io.FileIO, start: int, stop: int) -> bytes:
    file.seek(start)
    data = bytearray()
    while len(data) < stop - start and (piece := file.read(stop - start - len(data))):
        data += piece
    return bytes(data)
