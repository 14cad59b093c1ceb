"""From samples to seconds that are shown: display order, edit list, the last frame's own duration."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from fractions import Fraction
from operator import add, sub
from typing import TYPE_CHECKING

from preflight.probes.boxes import TooComplex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.probes.movie import Edit, Movie, Track


#: Each edit looks at every sample: ten thousand edits over as many samples would take minutes.
MAX_EDITED = 10_000_000


@dataclass(frozen=True, slots=True)
class Timeline:
    """What a track shows: from `start` to `stop` seconds on the presentation's clock."""

    start: Fraction
    stop: Fraction
    edited: bool
    """Does an edit list hide frames or delay the first? The usual shift of B-frames does neither."""

    @property
    def duration(self) -> Fraction:
        """Seconds shown."""
        return self.stop - self.start


def timeline(track: Track, movie: Movie, shown: Sequence[int] | None = None) -> Timeline | None:
    """What the samples listed in `moov` show, or only the first ones, whose times are in `shown`; None without any."""
    starts = track.samples.presentation() if shown is None else shown
    if not starts:
        return None
    stops = list(map(add, starts, track.samples.deltas()))
    return apply_edits(starts, stops, track.edits, track.timescale, movie.timescale)


def apply_edits(
    starts: Sequence[int], stops: Sequence[int], edits: tuple[Edit, ...], timescale: int, movie_timescale: int
) -> Timeline | None:
    """The samples' ticks through an edit list (section 8.6.6); None when it shows nothing.

    A frame that begins inside an edit is shown whole, and one that begins before it not at all, as libav does.

    Raises:
        TooComplex: far more edits than an editor makes.
    """
    if len(edits) > 1 and len(edits) * len(starts) > MAX_EDITED:
        raise TooComplex(f"{len(edits)} edits of {len(starts)} samples")
    first, last = min(starts), max(stops)
    if not edits:
        return Timeline(Fraction(first, timescale), Fraction(last, timescale), edited=False)
    clock, parts, edited = Fraction(0), [], False
    for edit in edits:
        length = Fraction(edit.duration, movie_timescale or timescale)
        if edit.media_time < 0:
            edited |= length > 0
            clock += length
            continue
        begin, end, hides = _kept(starts, stops, edit.media_time, _edit_stop(edit, last, timescale, movie_timescale))
        if begin is None or end is None:
            continue
        edited |= hides
        offset = Fraction(begin - edit.media_time, timescale)
        parts.append((clock + offset, clock + offset + Fraction(end - begin, timescale)))
        clock += length if edit.duration else Fraction(end - begin, timescale)
    if not parts:
        return None
    return Timeline(min(start for start, _ in parts), max(stop for _, stop in parts), edited)


def _edit_stop(edit: Edit, last: int, timescale: int, movie_timescale: int) -> int:
    """The tick at which an edit ends. Muxers round to a movie tick: within one of the media's end is its end."""
    if not edit.duration:
        return last
    movie_tick = Fraction(timescale, movie_timescale or timescale)
    stop = math.ceil(edit.media_time + edit.duration * movie_tick)
    return last if stop >= last - movie_tick else stop


def _kept(starts: Sequence[int], stops: Sequence[int], begin: int, end: int) -> tuple[int | None, int | None, bool]:
    """First and last tick of the frames that begin inside an edit, and whether it hides any."""
    if begin <= min(starts) and max(stops) <= end:  # the usual edit: all of it
        return min(starts), max(stops), False
    kept = [number for number, start in enumerate(starts) if begin <= start < end]
    kept = kept or [number for number, start in enumerate(starts) if start <= begin < stops[number]]
    if not kept:
        return None, None, True
    return min(starts[n] for n in kept), max(stops[n] for n in kept), len(kept) < len(starts)


def delay(track: Track, movie: Movie) -> Fraction:
    """Seconds of nothing that the edit list puts before the track."""
    ticks = 0
    for edit in track.edits:
        if edit.media_time >= 0:
            break
        ticks += edit.duration
    return Fraction(ticks, movie.timescale or track.timescale)


def is_variable(times: Sequence[int]) -> bool | None:
    """Do the frames keep an uneven beat? None with fewer than three.

    Rounding to a tick is not unevenness, nor is a single odd gap: muxers leave one where a fragment begins.
    """
    gaps = _gaps(times)
    if len(gaps) < 2:
        return None
    usual = gaps[len(gaps) // 2]
    slack = max(1, usual // 50)
    even = bisect_right(gaps, usual + slack) - bisect_left(gaps, usual - slack)
    return len(gaps) - even > max(1, len(gaps) // 100)


def usual_gap(times: Sequence[int]) -> int:
    """The median distance of neighbouring frames, in ticks; 0 with fewer than two."""
    gaps = _gaps(times)
    return gaps[len(gaps) // 2] if gaps else 0


def _gaps(times: Sequence[int]) -> list[int]:
    ordered = sorted(times)
    return sorted(map(sub, ordered[1:], ordered))
