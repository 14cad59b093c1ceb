"""Who works in a folder: one process, and another only when that has come to its end, in whatever way."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from preflight.audit.durable import shown, write_all
from preflight.errors import UsageError
from preflight.language import say
from preflight.printable import clean

if TYPE_CHECKING:
    from pathlib import Path


class Lock:
    """The lock of a folder, held from the beginning.

    The system's lock ends with its process, whatever ends that. What is written in the file is for the message, and
    for file systems that have no such locks or do not share them between machines.

    Raises:
        UsageError: another process has it.
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        self.took_over: str | None = None
        """A sentence about a dead process that held it; None: it was free."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            self._take(path)
        except BaseException:
            os.close(self._file)
            raise

    def give_back(self) -> None:
        """Another process may have it."""
        with suppress(OSError):  # what is still written in it then looks like a dead process: it soon is one
            os.ftruncate(self._file, 0)
        os.close(self._file)

    def _take(self, path: Path) -> None:
        free = _is_free(self._file)
        holder = _holder(os.pread(self._file, 4096, 0))
        here = socket.gethostname()
        if free is False or (holder and (holder["host"] != here or (free is None and _lives(holder["pid"])))):
            advice = "" if free is False else say("; if that process is gone, delete {path}", path=shown(path))
            raise UsageError(_in_use(path.parent, holder) + advice)
        if holder:
            words = {"pid": holder["pid"], "since": holder["since"]}
            self.took_over = say("process {pid}, at work since {since}, did not come to its end", **words)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(self._file, 0)
        write_all(self._file, json.dumps({"pid": os.getpid(), "host": here, "since": since}).encode())


def _in_use(folder: Path, holder: dict[str, Any] | None) -> str:
    if not holder:
        return say("{folder} is in use", folder=shown(folder))
    words = {"pid": holder["pid"], "host": clean(holder["host"]), "since": holder["since"]}
    return say("{folder} is in use by process {pid} on {host} since {since}", folder=shown(folder), **words)


def _is_free(descriptor: int) -> bool | None:
    """Did we get the system's lock? None: this file system has none."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _holder(data: bytes) -> dict[str, Any] | None:
    try:
        told = json.loads(data)
        return {"pid": int(told["pid"]), "host": str(told["host"]), "since": clean(str(told["since"]))}
    except (ValueError, KeyError, TypeError):
        return None  # given back, or its writer was killed while it wrote


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True
