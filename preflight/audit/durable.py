"""Files that survive: whole or not at all, on the disk and not only on their way there, and told when that fails."""

from __future__ import annotations

import json
import math
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from preflight.errors import PreflightError
from preflight.language import about, say, told
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

#: What is left free on the disk: room to finish the open shards, and for whoever else writes there.
RESERVE_BYTES = 64 * 1024 * 1024


class RunStopped(PreflightError):
    """The machine takes no more (the disk is full, it fails, it is read-only): the run stops here, and can resume."""


@contextmanager
def telling(kind: type[PreflightError], failed: str) -> Iterator[None]:
    """What the system refuses is an error of this kind, in one line: what has failed, and why."""
    try:
        yield
    except OSError as error:
        raise kind(about(failed, reason(error))) from error


def stopping(path: Path) -> AbstractContextManager[None]:
    """What the system refuses about `path` stops the run."""
    return telling(RunStopped, _unwritable(path))


def ensure_space(folder: Path, reserve: int) -> None:
    """Make sure that the disk below `folder` keeps its reserve.

    Raises:
        RunStopped: it does not.
    """
    with stopping(folder):
        free = shutil.disk_usage(folder).free
    if free < reserve:
        mib = 1024 * 1024
        room = {"free": free // mib, "needed": reserve // mib}
        why = say("{free} MiB are free on the disk, and {needed} MiB are needed", **room)
        raise RunStopped(about(_unwritable(folder), why))


def _unwritable(path: Path) -> str:
    return say("cannot write {path}", path=shown(path))


@contextmanager
def new_file(path: Path, temporary: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well, and never was when it does not.

    It is whole and on the disk before it gets its name. `temporary` stands in the same folder.
    """
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with open(descriptor, "wb") as file:  # noqa: PTH123  (a descriptor, no path)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Names that were made or changed in `folder` outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """`os.write` until everything is written: it may take less than it was given."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def to_line(value: object) -> bytes:
    """`value` as one line of JSON. What JSON has no word for: a number that is none is null, anything else its text."""
    try:
        text = json.dumps(value, allow_nan=False, default=_text)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False, default=_text)
    return text.encode() + b"\n"


def _text(value: object) -> str:
    form = getattr(value, "isoformat", None)
    return str(form() if form else value)


def _finite(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {name: _finite(inside) for name, inside in value.items()}
        case list() | tuple():
            return [_finite(inside) for inside in value]
    return value


def shown(path: Path) -> str:
    """A path in a message."""
    return clean(str(path))


def reason(error: OSError) -> str:
    """What the system says, without the path that it repeats."""
    return told(error.strerror or type(error).__name__)
