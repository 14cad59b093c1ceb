"""The line that tells how a run is getting on: what it says, when it is written, and that it leaves nothing behind."""

from __future__ import annotations

import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.audit.progress import Mode, Progress, Snapshot, mode_for, one_line
from preflight.render.figures import duration, in_short, share

VERDICTS = {"pass": 400_333, "warn": 7_800, "fail": 4_123}
RUNNING = Snapshot(412_300, 1_000_000, VERDICTS, 64, [("cdn.x", 38.0), ("b.x", 2.0)], 1_200_000_000, 12)


class Time:
    """A clock that goes on when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def _terminal(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding, newline="")


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(stream.encoding)


def test_all_of_it_on_a_wide_line() -> None:
    """As the design has it."""
    assert one_line(RUNNING, 812.4, 200) == (
        "412,300/1,000,000 41 % │ 812/s │ pass 97.1 % warn 1.9 % fail 1.0 % │ 12 min left "
        "│ parked cdn.x 38 s and 1 more │ 64 in flight │ 1.2 GB │ 12 from the cache"
    )


@pytest.mark.parametrize(
    ("width", "told"),
    [
        (79, "412,300/1,000,000 41 % │ 812/s │ fail 1.0 % │ 12 min left │ 2 parked │ 1.2 GB"),
        (39, "41 % │ 812/s │ fail 1.0 % │ 12 min left"),
        (5, "41 %"),
        (0, ""),
    ],
)
def test_what_matters_stays_on_a_narrow_line(width: int, told: str) -> None:
    """First how far, how bad and how long."""
    assert one_line(RUNNING, 812.4, width) == told


@given(st.builds(Snapshot, st.integers(0, 10**9), st.none() | st.integers(0, 10**9), st.just(VERDICTS),
                 st.integers(0, 9999), st.just([("x" * 300, 9.0)]), st.integers(0, 10**15)),
       st.none() | st.floats(0, 1e6), st.integers(0, 200))  # fmt: skip
def test_the_line_fits(snapshot: Snapshot, rate: float | None, width: int) -> None:
    """Whatever the figures."""
    assert len(one_line(snapshot, rate, width)) <= width


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """A run that has been fast and is now slow says so."""
    clock, stream = Time(), _terminal()
    progress = Progress("json", stream, clock=clock)
    rows = 0
    for second in range(100):
        rows += 1000 if second < 50 else 10
        clock.now += 1
        progress.update(Snapshot(rows, 100_000))
    told = json.loads(_written(stream).splitlines()[-1])
    assert told["rows_per_second"] == 10
    assert told["seconds_left"] == round((100_000 - rows) / 10, 1)


def test_one_line_is_rewritten_and_wiped() -> None:
    """Five times a second at most; what is said meanwhile stands above it; at the end the line is gone."""
    clock, stream = Time(), _terminal()
    with Progress("bar", stream, width=60, clock=clock) as progress:
        for rows in range(100):
            clock.now += 0.05
            progress.update(Snapshot(rows, 100))
        progress.say("cdn.x is not asked any more")
    lines = _written(stream).split("\r\x1b[K")
    assert 20 <= len(lines) <= 28
    assert lines[1] == "0/100 0 %"
    assert lines[-2].startswith("cdn.x is not asked any more\n9")
    assert lines[-1] == ""


def test_a_plain_line_every_half_minute() -> None:
    """A log gets lines, the first after 30 seconds; a short run none."""
    clock, stream = Time(), _terminal()
    with Progress("plain", stream, clock=clock) as progress:
        for _ in range(95):
            clock.now += 1
            progress.update(RUNNING)
    lines = _written(stream).splitlines()
    assert len(lines) == 3
    assert "412,300/1,000,000 41 %, 0.0/s, pass 97.1 %" in lines[0]
    assert "\x1b" not in lines[0]


def test_json_for_machines() -> None:
    """An object a second, and one at the end; every verdict has its number."""
    clock, stream = Time(), _terminal()
    with Progress("json", stream, clock=clock) as progress:
        for _ in range(10):
            clock.now += 0.5
            progress.update(RUNNING)
    told = [json.loads(text) for text in _written(stream).splitlines()]
    assert [item["event"] for item in told] == [*["progress"] * 5, "end"]
    assert told[-1]["verdicts"] == VERDICTS | {"unknown": 0}
    assert told[-1]["parked"] == [{"host": "cdn.x", "seconds": 38.0}, {"host": "b.x", "seconds": 2.0}]


def test_nothing_on_nothing() -> None:
    """No progress was asked for, or there is nowhere to tell it."""
    stream = _terminal()
    for progress in (Progress("none", stream), Progress("bar", None)):
        progress.update(RUNNING)
        progress.close()
    assert _written(stream) == ""
    assert mode_for(None) == "none"
    assert mode_for(stream) == "plain"


@pytest.mark.parametrize("mode", ["bar", "plain", "json"])
def test_a_reader_who_has_left_is_no_error(mode: Mode) -> None:
    """The run goes on without being told."""
    reader, writer = os.pipe()
    os.close(reader)
    clock = Time()
    stream = os.fdopen(writer, "w", encoding="utf-8")
    with Progress(mode, stream, clock=clock) as progress:
        clock.now += 60
        progress.update(RUNNING)
        progress.say("x")
    with pytest.raises(BrokenPipeError):
        stream.close()


def test_a_terminal_that_knows_little() -> None:
    """An encoding without box characters gets others."""
    clock, stream = Time(), _terminal("ascii")
    with Progress("bar", stream, width=80, clock=clock) as progress:
        progress.update(RUNNING)
    assert "412,300/1,000,000 41 % | pass 97.1 %" in _written(stream)


def test_figures_never_lie() -> None:
    """What is not nothing does not look like nothing, and what is not all does not look like all."""
    assert [share(part, 10_000) for part in (0, 1, 10, 9_990, 9_999, 10_000)] == [
        "0.0 %", "<0.1 %", "0.1 %", "99.9 %", ">99.9 %", "100.0 %",
    ]  # fmt: skip
    assert share(0, 0) == "0 %"
    assert [duration(seconds) for seconds in (3.2, 89, 90, 3600, 5400, 200_000)] == [
        "3 s", "89 s", "2 min", "60 min", "1 h 30 min", "2 days",
    ]  # fmt: skip
    assert [in_short(number) for number in (0, 999, 1000, 1_250_000, 3 * 10**12)] == [
        "0 B", "999 B", "1.0 kB", "1.2 MB", "3.0 TB",
    ]  # fmt: skip
    assert one_line(Snapshot(99_999, 100_000), None, 80) == "99,999/100,000 99 %"
