"""Standard input as a file of the run folder, so that a run of it can go on like any other."""

from __future__ import annotations

import filecmp
import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from preflight.audit.durable import new_file, shown, stopping
from preflight.audit.folder import ensure_empty
from preflight.audit.lock import Lock
from preflight.audit.manifest import is_begun
from preflight.errors import UsageError
from preflight.language import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def spooled(folder: Path) -> Path:
    """Where in the folder it is, to its end. A run that goes on is given the same again, or none at all.

    Raises:
        UsageError: it is given another one, or the folder cannot be a run's, or another process works there.
        RunStopped: it cannot be written.
    """
    target, again = folder / "input", folder / "again"
    with claimed(folder), stopping(folder):
        if not is_begun(folder):
            with new_file(target, folder / "input.tmp") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            return target
        try:
            with os.fdopen(os.open(again, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file)
            is_none = not again.stat().st_size
            if target.exists() and (is_none or filecmp.cmp(again, target, shallow=False)):
                return target
        finally:
            again.unlink(missing_ok=True)
    raise UsageError(other_input(folder))


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Alone in a folder that holds a run, or can come to hold one.

    Raises:
        UsageError: it holds something else, or another process works there.
        RunStopped: it cannot be made.
    """
    with stopping(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not is_begun(folder):
            ensure_empty(folder)
        lock = Lock(folder)
    try:
        yield
    finally:
        lock.give_back()


def other_input(folder: Path) -> str:
    """A sentence about a folder whose run has another input."""
    problem = say("{folder} is a run of another input", folder=shown(folder))
    return f"{problem}{say('. ')}{say('Name another folder with --run')}"
