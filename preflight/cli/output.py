"""Where words go: standard output for the answer, standard error for everything else."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from preflight.printable import encodable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.inspection import Previews
    from preflight.render import Format
    from preflight.report import MediaReport, Report

_WIDEST, _NARROWEST, _UNKNOWN_WIDTH = 120, 20, 100
_PATIENCE_SECONDS = 1.0
_CLEAR_LINE = "\r\x1b[K"


class OutputLost(Exception):
    """Standard output takes no more, for a reason other than a reader who has gone."""


def write(text: str) -> None:
    """Print for people, in what the output can encode. A reader who has left (`| head`) is not an error."""
    _write(sys.stdout, encodable(text, sys.stdout.encoding).encode(sys.stdout.encoding, "backslashreplace"))


def write_utf8(text: str) -> None:
    """Print for machines and files: UTF-8, whatever the locale says."""
    _write(sys.stdout, text.encode())


def _write(stream: TextIO, data: bytes) -> None:
    try:
        stream.flush()
        stream.buffer.write(data)
        stream.buffer.flush()
    except BrokenPipeError:
        drop_output()  # nobody reads any more
    except OSError as error:
        drop_output()
        raise OutputLost(error.strerror or type(error).__name__) from None


def drop_output() -> None:
    """Let what is buffered, and the flush at exit, fall into the void."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def prepare(format_: str) -> None:
    """Load what writing needs, while the media are still on their way."""
    if format_ == "text":
        import preflight.render.text  # noqa: F401
    elif format_ == "html":
        from preflight.render.html import page

        page()


def write_report(
    report: Report | MediaReport,
    format_: Format,
    verbosity: int,
    *,
    no_color: bool,
    strict: bool = False,
    header: bool = True,
    previews: Previews | None = None,
) -> None:
    """Print a report as the options ask. `header`: a table begins with the names of its columns."""
    from preflight.render import render

    if format_ == "text":
        color = use_color(no_color)
        write(render(report, "text", width=width(), color=color, verbosity=verbosity, strict=strict))
    else:
        write_utf8(render(report, format_, strict=strict, header=header, previews=previews))


def say(text: str) -> None:
    """One line (or a whole text) on standard error; if that is closed too, nobody is there to be told."""
    if sys.stderr is not None:
        with suppress(OSError):
            print(encodable(text, sys.stderr.encoding), file=sys.stderr, flush=True)


def use_color(no_color: bool) -> bool:
    """Colours only on a terminal that knows them, and never against NO_COLOR (https://no-color.org)."""
    wanted = not no_color and not os.environ.get("NO_COLOR")
    return wanted and _is_terminal(sys.stdout)


def width() -> int:
    """Columns to wrap at: COLUMNS, else the terminal's, else a readable line."""
    columns = shutil.get_terminal_size((_UNKNOWN_WIDTH, 0)).columns
    return max(_NARROWEST, min(columns, _WIDEST))


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def status(doing: str, *, shown: bool = True) -> Iterator[None]:
    """On a terminal, say on standard error what takes so long, once it takes long; then wipe the line."""
    if not shown or not _is_terminal(sys.stderr):
        yield
        return
    done = threading.Event()
    ticker = threading.Thread(target=_tick, args=(doing, done), daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()


def _tick(doing: str, done: threading.Event) -> None:
    started = time.monotonic()
    if done.wait(_PATIENCE_SECONDS):
        return
    while True:
        sys.stderr.write(f"{_CLEAR_LINE}{doing} {time.monotonic() - started:.0f} s")
        sys.stderr.flush()
        if done.wait(1.0):
            break
    sys.stderr.write(_CLEAR_LINE)
    sys.stderr.flush()
