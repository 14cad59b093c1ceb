"""What happens while it happens: events on the standard logger `preflight`, off until somebody listens.

Every value is made safe here, before a record exists: URLs are redacted, control characters become visible, and of an
exception only its kind is kept. So a record may go to any handler; the application's own gets `event {"name": value}`
as its message. `log_to` writes one JSON object per line: `time` (UTC), `level`, `event`, and the event's fields.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import traceback
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from preflight.deliver.url import is_url, redact
from preflight.errors import UsageError
from preflight.language import later, say, told
from preflight.printable import clean
from preflight.redaction import redact_trace

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = Literal[
    "lookup",
    "denied",
    "connection",
    "request",
    "answer",
    "redirect",
    "failure",
    "retry",
    "probe",
    "worker-killed",
    "host-parked",
    "host-down",
    "verdict",
]
Json = str | int | float | bool | list["Json"] | None

_LEVELS: dict[Event, int] = {
    "lookup": logging.DEBUG,
    "denied": logging.WARNING,
    "connection": logging.DEBUG,
    "request": logging.DEBUG,
    "answer": logging.DEBUG,
    "redirect": logging.INFO,
    "failure": logging.INFO,
    "retry": logging.INFO,
    "probe": logging.DEBUG,
    "worker-killed": logging.WARNING,
    "host-parked": logging.INFO,
    "host-down": logging.WARNING,
    "verdict": logging.INFO,
}
#: Longest value, in characters; a redacted URL may be long.
_LONGEST = 1000
_FRAMES = 20

LOGGER = logging.getLogger("preflight")
LOGGER.addHandler(logging.NullHandler())  # else Python prints warnings of whoever has configured nothing


def log(event: Event, /, **fields: object) -> None:
    """Tell an event, if anybody listens at its level.

    A field is text, a number, a flag, None, or a list of these; of anything else only the kind is told. Text may hold
    URLs and whatever strangers wrote.
    """
    level = _LEVELS[event]
    if LOGGER.isEnabledFor(level):
        shown = {name: _shown(value) for name, value in fields.items()}
        message = f"{event} {json.dumps(shown)}"
        LOGGER.log(level, "%s", message, extra={"preflight_event": event, "preflight_fields": shown}, stacklevel=2)


@contextmanager
def log_to(target: str | Path | TextIO) -> Iterator[None]:
    """Write every event as a JSON line to a file (appended to, for its owner's eyes), an open stream, or `-`: stderr.

    Raises:
        UsageError: the file cannot be opened.
    """
    own = None if not isinstance(target, str | Path) or str(target) == "-" else _opened(target)
    handler = _Lines(own or (sys.stderr if isinstance(target, str | Path) else target))
    handler.setFormatter(JsonLines())
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        LOGGER.setLevel(level)
        LOGGER.removeHandler(handler)
        if own is not None:
            with suppress(OSError):  # what could not be written was told
                own.close()


def _opened(path: str | Path) -> TextIO:
    try:
        return open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8")  # noqa: PTH123
    except (OSError, ValueError) as error:
        reason = told(getattr(error, "strerror", None) or later("not a file name"))
        raise UsageError(
            say("cannot write the log to {path}: {reason}", path=_safe(str(path)), reason=reason)
        ) from None


class JsonLines(logging.Formatter):
    """One JSON object per record, ASCII only. Also safe for records that are not ours: redacted, and never a local."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        event, fields = getattr(record, "preflight_event", None), getattr(record, "preflight_fields", None)
        known: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "event": event or "message",
        }
        told = {"logger": record.name, "message": _message(record)} if fields is None else fields
        line = known | {name: value for name, value in told.items() if name not in known}
        if record.exc_info and (error := record.exc_info[1]) is not None:
            line["exception"] = {"type": type(error).__name__, "frames": _frames(error)}
        return json.dumps(line)


class _Lines(logging.StreamHandler[TextIO]):
    """Writes lines; a log that cannot be written is told once and never stops the work."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  (Python's name)
        """In place of Python's own answer, which prints the record's arguments and the caller's source."""
        error = sys.exc_info()[1]
        if not self._told and sys.stderr is not None:
            self._told = True
            with suppress(OSError):  # the log was standard error, and nobody reads it any more
                reason = getattr(error, "strerror", None) or type(error).__name__
                print(f"preflight: cannot write the log: {reason}", file=sys.stderr, flush=True)


def _shown(value: object) -> Json:
    match value:
        case None | bool() | int():
            return value
        case float():
            return round(value, 6) if math.isfinite(value) else str(value)
        case str():
            return _safe(value)
        case list() | tuple():
            return [_shown(item) for item in value]
    return type(value).__name__


def _safe(text: str) -> str:
    shown = redact(text)
    return clean(shown if is_url(text) else redact_trace(shown), _LONGEST)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001  (whatever the arguments of others raise when they are put into words)
        text = str(record.msg)
    return _safe(text)


def _frames(error: BaseException) -> list[str]:
    """Where it was raised, innermost last: no source, no locals, no message."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    return [_safe(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}") for frame in frames]
