"""What is told of a run while it runs: one line that rewrites itself, a line now and then, or JSON for a machine.

Whoever runs the audit calls `update` several times a second; whether that is a moment to write is decided here.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

from preflight.findings import Verdict
from preflight.language import clauses, say
from preflight.printable import clean, encodable
from preflight.render.figures import columns, duration, in_short, share
from preflight.render.outline import verdict_word

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Mode = Literal["bar", "plain", "json", "none"]

#: Seconds between two writings.
PAUSES: dict[Mode, float] = {"bar": 0.2, "plain": 30.0, "json": 1.0}
#: The rate is that of so many last seconds.
LOOKED_BACK = 30.0
#: Between two points that the rate is reckoned from.
_SPACING = 0.5
_LONGEST_HOST = 32
_CLEAR_LINE = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment; the counts hold what an earlier process of the same run has done, too."""

    rows_done: int
    rows_total: int | None
    """None: the input is still being read."""
    verdicts: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    """Media under way."""
    parked: Sequence[tuple[str, float]] = ()
    """Hosts that are left alone for so many more seconds."""
    bytes_received: int = 0
    cache_hits: int = 0
    doing: str = ""
    """What is going on, where it is not the first pass over the rows: "retrying"."""


def mode_for(stream: TextIO | None) -> Mode:
    """The mode that suits a stream when nobody has chosen one."""
    if stream is None:
        return "none"
    return "bar" if stream.isatty() and os.environ.get("TERM") != "dumb" else "plain"


class Progress:
    """Tells a run's progress on `stream`; a context manager that leaves no half line behind.

    Args:
        mode: `bar` rewrites one line and wipes it at the end; `plain` writes a line every 30 s; `json` an object
            every second and one at the end; `none` nothing.
        stream: a text stream, standard error as a rule. That nobody reads it any more is no error.
        width: columns of the terminal; None: ask it each time.
        clock: seconds, only ever growing.
    """

    def __init__(
        self,
        mode: Mode,
        stream: TextIO | None,
        *,
        width: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mode: Mode = "none" if stream is None else mode
        self._stream = stream
        self._width = width
        self._clock = clock
        self._started = clock()
        self._written = self._started if mode == "plain" else -PAUSES["json"]
        self._points: deque[tuple[float, int]] = deque()
        self._last: Snapshot | None = None
        self._line = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, snapshot: Snapshot) -> None:
        """Take note of where the run stands, and tell it when it is time."""
        now = self._clock()
        self._last = snapshot
        if not self._points or now - self._points[-1][0] >= _SPACING:
            self._points.append((now, snapshot.rows_done))
        while len(self._points) > 1 and now - self._points[1][0] >= LOOKED_BACK:
            self._points.popleft()
        if self._mode != "none" and now - self._written >= PAUSES[self._mode]:
            self._written = now
            self._tell(snapshot, now)

    def say(self, text: str) -> None:
        """A line of its own, whatever the mode; a line that rewrites itself goes on below it."""
        if self._stream is not None:
            line, self._line = self._line, ""
            self._put((_CLEAR_LINE if line else "") + encodable(text, self._encoding) + "\n" + line)
            self._line = line

    def close(self) -> None:
        """The run has ended: wipe the line; to a machine, tell the end."""
        if self._mode == "json" and self._last is not None:
            self._put(self._json(self._last, self._clock(), is_end=True))
        elif self._line:
            self._put(_CLEAR_LINE)
        self._line = ""
        self._mode = "none"

    def rate(self, snapshot: Snapshot, now: float) -> float | None:
        """Rows a second, lately; None: nothing can be said yet."""
        since, rows = self._points[0] if self._points else (now, 0)
        return (snapshot.rows_done - rows) / (now - since) if now - since >= _SPACING else None

    # ------------------------------------------------------------------------------------------- the forms

    def _tell(self, snapshot: Snapshot, now: float) -> None:
        if self._mode == "json":
            self._put(self._json(snapshot, now, is_end=False))
            return
        rate = self.rate(snapshot, now)
        if self._mode == "plain":
            parts = [part for part in _parts(snapshot, rate).values() if part]
            self._put(encodable(f"{datetime.now(UTC):%H:%M:%S}Z  {clauses(*parts)}\n", self._encoding))
            return
        width = self._width or _columns(self._stream)
        self._line = encodable(one_line(snapshot, rate, width - 1, self._separator()), self._encoding)
        self._put(_CLEAR_LINE + self._line)

    def _json(self, snapshot: Snapshot, now: float, *, is_end: bool) -> str:
        rate = self.rate(snapshot, now)
        told: dict[str, Any] = {
            "event": "end" if is_end else "progress",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "elapsed_seconds": round(now - self._started, 3),
            "doing": snapshot.doing,
            "rows_done": snapshot.rows_done,
            "rows_total": snapshot.rows_total,
            "rows_per_second": None if rate is None else round(rate, 1),
            "seconds_left": _seconds_left(snapshot, rate),
            "verdicts": {verdict.value: snapshot.verdicts.get(verdict, 0) for verdict in Verdict},
            "in_flight": snapshot.in_flight,
            "parked": [{"host": clean(host), "seconds": round(left, 1)} for host, left in snapshot.parked],
            "bytes_received": snapshot.bytes_received,
            "cache_hits": snapshot.cache_hits,
        }
        return json.dumps(told) + "\n"

    def _separator(self) -> str:
        return " │ " if encodable("│", self._encoding) == "│" else " | "

    @property
    def _encoding(self) -> str:
        assert self._stream is not None
        return self._stream.encoding

    def _put(self, text: str) -> None:
        assert self._stream is not None
        with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed: the run goes on
            self._stream.write(text)
            self._stream.flush()


def _columns(stream: TextIO | None) -> int:
    """Of the terminal that the line is written to, which need not be that of standard output."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream else 0
    except (OSError, ValueError):  # no terminal
        return shutil.get_terminal_size().columns


# ---------------------------------------------------------------------------------------------- the words


def one_line(snapshot: Snapshot, rate: float | None, width: int, separator: str = " │ ") -> str:
    """The run in at most `width` columns: what matters most first, and whatever still finds room."""
    whole = _parts(snapshot, rate)
    bad = " ".join(f"{verdict_word(one)} {part}" for one, part in _shares(snapshot) if one in ("fail", "unknown"))
    wanted = (
        ("done", _percent(snapshot)),
        ("verdicts", bad),
        ("left", whole["left"]),
        ("done", whole["done"]),
        ("doing", whole["doing"]),
        ("parked", say("{count:,} parked", count=len(snapshot.parked)) if snapshot.parked else ""),
        ("rate", whole["rate"]),
        ("verdicts", whole["verdicts"]),
        ("parked", whole["parked"]),
        ("flight", whole["flight"]),
        ("bytes", whole["bytes"]),
        ("cache", whole["cache"]),
    )
    parts, line = dict.fromkeys(whole, ""), ""
    for name, text in wanted:
        longer = parts | {name: text}
        tried = separator.join(filter(None, longer.values()))
        if columns(tried) <= width:
            parts, line = longer, tried
    return line


def _parts(snapshot: Snapshot, rate: float | None) -> dict[str, str]:
    done = f"{snapshot.rows_done:,}"
    left = _seconds_left(snapshot, rate)
    return {
        "doing": say(snapshot.doing),
        "done": done
        if snapshot.rows_total is None
        else f"{done}/{snapshot.rows_total:,} {_percent(snapshot)}".rstrip(),
        "rate": "" if rate is None else say("{rate}/s", rate=f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"),
        "verdicts": " ".join(f"{verdict_word(one)} {part}" for one, part in _shares(snapshot)),
        "left": "" if left is None else say("{time} left", time=duration(left)),
        "parked": _parked(snapshot.parked),
        "flight": say("{count:,} in flight", count=snapshot.in_flight) if snapshot.in_flight else "",
        "bytes": in_short(snapshot.bytes_received) if snapshot.bytes_received else "",
        "cache": say("{count:,} from the cache", count=snapshot.cache_hits) if snapshot.cache_hits else "",
    }


def _percent(snapshot: Snapshot) -> str:
    """Never 100 % before the end."""
    return f"{floor(100 * snapshot.rows_done / snapshot.rows_total)} %" if snapshot.rows_total else ""


def _shares(snapshot: Snapshot) -> list[tuple[Verdict, str]]:
    judged = sum(snapshot.verdicts.values())
    counts = [(verdict, snapshot.verdicts.get(verdict, 0)) for verdict in Verdict]
    return [(verdict, share(number, judged)) for verdict, number in counts if number]


def _seconds_left(snapshot: Snapshot, rate: float | None) -> float | None:
    if snapshot.rows_total is None or not rate:
        return None
    return round(max(snapshot.rows_total - snapshot.rows_done, 0) / rate, 1)


def _parked(hosts: Sequence[tuple[str, float]]) -> str:
    if not hosts:
        return ""
    name, left = max(hosts, key=lambda host: host[1])
    words = {"host": clean(name, _LONGEST_HOST), "time": duration(left)}
    if len(hosts) == 1:
        return say("parked {host} {time}", **words)
    return say("parked {host} {time} and {count:,} more", **words, count=len(hosts) - 1)
