"""A clip's durations against the window of the request, as figures that a template can draw: plain shares of a width.

Twenty milliseconds decide what a clip of ten seconds costs, and nobody sees them on a line of ten seconds. So a measure
that stands that close to a limit gets a second line, a close-up of that limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from preflight.language import later, say
from preflight.render.phrases import lasts, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.report.wire import Video

#: Room beyond the last mark, as a share of the line.
_MARGIN = 0.08
#: A clip that is ever so long does not shrink its window to nothing: beyond so many windows its bar is cut.
_WIDEST = 2.5
#: What cannot be told apart on the line, as a share of it.
_BLUR = 0.02
#: Half of a close-up at least (seconds).
_NARROWEST = 0.05
#: What each measure is, as the schema of the report has it.
ABOUT = {
    "container": later("libav's format duration: the likely server reading."),
    "video": later("The presented video, edit list applied."),
    "audio": later("The presented audio."),
    "header": later("What the file's header claims."),
    "present": later("How much of the video is physically in the file."),
    "decoded": later("Last decoded frame's end; a deep check only."),
}


class Bar(NamedTuple):
    """One measure. `length` is a share of the line; `beyond`: it goes on past the line's end."""

    length: str
    beyond: bool
    inside: bool


class Line(NamedTuple):
    """A stretch of time with the window in it, and one bar for each measure; shares as SVG takes them (`12.5%`)."""

    window_start: str
    window_length: str
    ticks: tuple[tuple[str, str], ...]
    bars: tuple[Bar, ...]


class Measure(NamedTuple):
    """One duration as it is told. `place`: where it stands to the window, None where there is nothing to say."""

    name: str
    about: str
    value: str
    judged: bool
    place: Literal["inside", "outside"] | None
    told: str


class Drawing(NamedTuple):
    """All that is known about a clip's length."""

    accepted: str
    measures: tuple[Measure, ...]
    line: Line
    close_up: Line | None


def draw(video: Video) -> Drawing | None:
    """The drawing for a video; None where no duration is established."""
    known = [(name, value) for name, value in video.durations if value is not None]
    if not known:
        return None
    low = video.window.minimum if video.window else None
    high = video.window.maximum if video.window else None
    values = [value for _, value in known]
    end = max(values + [limit for limit in (low, high) if limit is not None])
    if high:
        end = min(end, high * _WIDEST)
    end = end / (1 - _MARGIN) or 1.0  # a clip of no length at all still gets a line
    return Drawing(
        accepted=_accepted(low, high),
        measures=tuple(_measure(video, name, value, low, high) for name, value in known),
        line=_line(0.0, end, values, low, high),
        close_up=_close_up(end, values, low, high),
    )


def _accepted(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        if low is not None:
            return say("{limit:g} s or more", limit=low)
        return "" if high is None else say("{limit:g} s or less", limit=high)
    return say("{low:g} to {high:g} s", low=low, high=high)


def _measure(video: Video, name: str, value: float, low: float | None, high: float | None) -> Measure:
    judged = name == video.judged and video.window is not None
    place: Literal["inside", "outside"] | None = None if low is None and high is None else "inside"
    where = say("inside") if place else ""
    if low is not None and value < low:
        place, where = "outside", say("{seconds} s under", seconds=seconds(low - value, (0,)))
    elif high is not None and value > high:
        place, where = "outside", say("{seconds} s over", seconds=seconds(value - high, (0,)))
    return Measure(name, say(ABOUT[name]), lasts(seconds(value, (low, high))), judged, place, where)


def _line(start: float, end: float, values: Iterable[float], low: float | None, high: float | None) -> Line:
    def share(value: float) -> float:
        return min(max((value - start) / (end - start), 0.0), 1.0)

    floor, ceiling = share(0.0 if low is None else low), 1.0 if high is None else share(high)
    if low is None and high is None:
        floor = ceiling = 0.0
    limits = [(limit, lasts(f"{limit:g}")) for limit in (low, high) if limit is not None and start <= limit <= end]
    first = [] if start else [(start, "0")]
    return Line(
        _percent(floor),
        _percent(ceiling - floor),
        tuple((_percent(share(value)), text) for value, text in [*first, *limits] if share(value) < 1),
        tuple(
            Bar(
                _percent(share(value)),
                value > end,
                (low is None or value >= low) and (high is None or value <= high),
            )
            for value in values
        ),
    )


def _close_up(end: float, values: list[float], low: float | None, high: float | None) -> Line | None:
    near = [
        (abs(value - limit), limit)
        for limit in (low, high)
        if limit is not None
        for value in values
        if 0 < abs(value - limit) < end * _BLUR
    ]
    if not near:
        return None
    limit = min(near)[1]
    half = max(_NARROWEST, *(2 * distance for distance, beside in near if beside == limit))
    return _line(limit - half, limit + half, values, low, high)


def _percent(share: float) -> str:
    return f"{share:.2%}"
