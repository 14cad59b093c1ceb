"""How long the clips of a run are, against the window that they were held against, as figures a template can draw."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

from preflight.language import say
from preflight.render import outline
from preflight.render.phrases import lasts

if TYPE_CHECKING:
    from preflight.audit.counts import Lengths

#: Heights in pixels: of the drawing, and of the smallest bar that can be seen.
_HEIGHT = 120
_LOWEST = 1.5
#: A few clips that are ever so long do not shrink the window to nothing: beyond so many windows nothing is drawn.
_WIDEST = 2.0
_TICKS = 8


class Bar(NamedTuple):
    """The clips of one step."""

    start: str
    top: str
    height: str
    look: Literal["inside", "outside"]


class Histogram(NamedTuple):
    """The drawing, and what it shows in words."""

    accepted: str
    told: str
    label: str
    window_start: str
    window_length: str
    step: str
    bars: list[Bar]
    ticks: list[tuple[str, str]]
    beyond: str


def histogram(lengths: Lengths) -> Histogram:
    """The drawing of the clips of one window."""
    step = lengths.STEP
    low, high = lengths.window
    last = max(lengths.steps, default=1)
    if high is not None:
        last = max(ceil(high / step), min(last, ceil(high * _WIDEST / step)))
    end = last + 1
    shown = {number: count for number, count in lengths.steps.items() if number <= last}
    most = max(shown.values(), default=1)
    bars = [_bar(number, shown[number], most, end, _look(number * step, low, high, step)) for number in sorted(shown)]
    floor, ceiling = (low or 0.0) / step, end if high is None else high / step
    is_open = low is None and high is None
    left = lengths.steps.total() - sum(shown.values())
    told = outline.against_window(lengths)
    return Histogram(
        accepted=outline.accepted(lengths),
        told=told,
        label=say("Clips by length: {counts}. The highest bar is {most:,} clips.", counts=told, most=most),
        window_start=percent(floor, end),
        window_length=percent(0 if is_open else ceiling - floor, end),
        step=percent(0.86, end),
        bars=bars,
        ticks=_ticks(end, step),
        beyond=_beyond(left, last, lengths),
    )


def _bar(number: int, count: int, most: int, end: int, look: Literal["inside", "outside"]) -> Bar:
    height = max(_HEIGHT * count / most, _LOWEST)
    # Step n holds what is at most n steps long, so it is drawn to the left of that length.
    return Bar(percent(max(number - 1, 0) + 0.07, end), f"{_HEIGHT - height:.1f}", f"{height:.1f}", look)


def _look(length: float, low: float | None, high: float | None, step: float) -> Literal["inside", "outside"]:
    """Whether the step that ends at this length lies in the window, all of it or most of it."""
    middle = length - step / 2
    return "inside" if (low is None or middle >= low) and (high is None or middle <= high) else "outside"


def _beyond(left: int, last: int, lengths: Lengths) -> str:
    if left:
        longest = lasts(f"{last * lengths.STEP:g}")
        return say("{count:,} clips longer than {longest} are not drawn.", count=left, longest=longest)
    return say("The last bar holds the longer clips, too.") if last == lengths.LAST else ""


def _ticks(end: int, step: float) -> list[tuple[str, str]]:
    seconds = end * step
    between = next((each for each in (1, 2, 5, 10) if seconds / each <= _TICKS), 20)
    return [(percent(at / step, end), lasts(str(at)) if at else "0") for at in range(0, int(seconds) + 1, between)]


def percent(part: float, whole: float) -> str:
    """A share as SVG takes it."""
    return f"{min(max(part / whole, 0.0), 1.0):.3%}" if whole else "0%"
