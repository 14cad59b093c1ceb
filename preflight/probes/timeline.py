"""From samples to seconds that are shown: display order, edit list, the last frame's own duration."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.probes.movie import Edit, Movie, Track


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


def timeline(track: Track, movie: Movie, samples: int | None = None) -> Timeline | None:
    """What the samples listed in `moov` show, or only the first `samples` of them; None without any."""
    table = track.samples
    shown = table.presentation()[:samples]
    if not shown:
        return None
    spans = list(zip(shown, (time + delta for time, delta in zip(shown, table.deltas(), strict=False)), strict=True))
    return apply_edits(spans, track.edits, track.timescale, movie.timescale)


def apply_edits(
    spans: Sequence[tuple[int, int]], edits: tuple[Edit, ...], timescale: int, movie_timescale: int
) -> Timeline | None:
    """The samples' (start, stop) ticks through an edit list (section 8.6.6); None when it shows nothing.

    A frame that begins inside an edit is shown whole, and one that begins before it not at all, as libav does.
    """
    first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
    clock, parts, edited = Fraction(0), [], False
    for edit in edits:
        length = Fraction(edit.duration, movie_timescale or timescale)
        if edit.media_time < 0:
            edited |= length > 0
            clock += length
            continue
        # The muxer rounds the length to a movie tick: an edit that ends within one tick of the media ends with it.
        stop = edit.media_time + length * timescale if edit.duration else Fraction(last)
        slack = Fraction(timescale, movie_timescale or timescale)
        if stop >= last - slack:
            stop = Fraction(last)
        kept = [span for span in spans if edit.media_time <= span[0] < stop] or [
            span for span in spans if span[0] <= edit.media_time < span[1]
        ]
        if not kept:
            continue
        begin, end = min(start for start, _ in kept), max(stop for _, stop in kept)
        edited |= len(kept) < len(spans)
        offset = Fraction(begin - edit.media_time, timescale)
        parts.append((clock + offset, clock + offset + Fraction(end - begin, timescale)))
        clock += length if edit.duration else Fraction(end - begin, timescale)
    if not edits:
        parts = [(Fraction(first, timescale), Fraction(last, timescale))]
    if not parts:
        return None
    return Timeline(min(start for start, _ in parts), max(stop for _, stop in parts), edited)


def is_variable(times: Sequence[int]) -> bool | None:
    """Do the frames keep an uneven beat? None with fewer than three.

    Rounding to a tick is not unevenness, nor is a single odd gap: muxers leave one where a fragment begins.
    """
    usual, gaps = usual_gap(times), _gaps(times)
    if len(gaps) < 2:
        return None
    odd = sum(abs(gap - usual) > max(1, usual // 50) for gap in gaps)
    return odd > max(1, len(gaps) // 100)


def usual_gap(times: Sequence[int]) -> int:
    """The median distance of neighbouring frames; 0 with fewer than two."""
    gaps = sorted(_gaps(times))
    return gaps[len(gaps) // 2] if gaps else 0


def _gaps(times: Sequence[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(sorted(times))]
