"""Standard input as a file of the run folder, so that a run of it can go on like any other."""

from __future__ import annotations

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

_PIECE = 1 << 20


def spooled(folder: Path) -> Path:
    """Where in the folder it is, to its end. A run that goes on is given the same again, or none at all.

    Raises:
        UsageError: it is given another one, or the folder cannot be a run's, or another process works there.
        RunStopped: it cannot be written.
    """
    target = folder / "input"
    if not is_begun(folder):
        with claimed(folder), stopping(folder), new_file(target, folder / "input.tmp") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
    elif not target.exists() or not _comes_again(target):
        raise UsageError(other_input(folder))
    return target


def _comes_again(kept: Path) -> bool:
    """Is what comes now the same to its last byte, or nothing at all?"""
    piece = sys.stdin.buffer.read(_PIECE)
    if not piece:
        return True
    with kept.open("rb") as file:
        while piece and file.read(len(piece)) == piece:
            piece = sys.stdin.buffer.read(_PIECE)
        return not piece and not file.read(1)


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
