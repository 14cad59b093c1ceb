"""Fragmented ISO files: exact durations from the first and the last fragment, or from a global index.

Strategy: `moov` of such a file lists few samples or none. Where a global `sidx` stands before the first fragment,
its sum is the answer. Else the first `moof` gives each track's start, and the last `moof` of each track its end:
`mfra` at the end of the file points there, and without it the tail is searched for a chain of boxes that ends where
the file ends. A prefix of fragments alone proves no duration.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from preflight.deliver.sparse import Hole, Holes, Span
from preflight.probes.boxes import Box, Malformed, child, children, header, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.deliver.sparse import SparseBytes
    from preflight.probes.movie import Movie

#: A first look at the end: enough for `mfra` of a long clip, one TCP flight.
TAIL_BYTES = 11264
MAX_TAIL_BYTES = 8 << 20
#: What a fragment's header usually fits in.
FRAGMENT_BYTES = 4096
#: A guess reaches this part of a usual fragment beyond where the last one should begin.
GUESS_SLACK = 32
#: With fewer fragments than this a guess would be most of a fragment wide.
FEW = 4
#: Fragments that a guess may be followed by.
MAX_HOPS = 3
MAX_MOOF_BYTES = 4 << 20
#: Samples of a run that states nothing per sample.
MAX_RUN = 100_000
#: Samples of one fragment, and of all the last ones together.
MAX_SAMPLES = 300_000
#: Boxes between the index and the first fragment.
MAX_BOXES = 4096
#: Places in a guess's window that look like a fragment.
MAX_GUESSES = 64
#: The last fragments that are looked at for the last one of each track.
MAX_LAST = 64


@dataclass(frozen=True, slots=True)
class Run:
    """The samples of one track in one fragment: when each is shown, in ticks, and the byte of the file it ends at."""

    track: int
    spans: tuple[tuple[int, int], ...]
    ends: tuple[int, ...]

    def shown_until(self, total: int) -> int:
        """When the last sample ends whose bytes lie inside the first `total`; the fragment's start if none does."""
        inside = [stop for (_, stop), end in zip(self.spans, self.ends, strict=True) if end <= total]
        return max(inside, default=min(start for start, _ in self.spans))


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where a track goes, in ticks."""

    start: int
    stop: int
    present: int
    """Where the samples end whose bytes are in the file: below `stop` when it is cut."""
    first: Run | None = None
    """Its samples in the first fragment."""


def extents(data: SparseBytes, movie: Movie, after_moov: int) -> dict[int, Extent] | None:
    """Each track's extent in the fragments of a file, or None where there is no fragment at all.

    Raises:
        Hole: bytes are needed; Malformed: the fragments do not hold or their end cannot be found.
    """
    indexed, position = _segment_index(data, after_moov)
    first = _first_moof(data, position)
    if first is None:
        return None
    runs = {run.track: run for run in read_moof(data, first, movie)}
    if indexed:
        return {number: replace(extent, first=runs.get(number)) for number, extent in indexed.items()}
    starts = {number: min(start for start, _ in run.spans) for number, run in runs.items() if run.spans}
    last = _last_runs(data, movie, first, set(starts))
    assert data.total is not None
    found: dict[int, Extent] = {}
    for number, start in starts.items():
        stop = max(stop for _, stop in last[number].spans)
        found[number] = Extent(start, stop, last[number].shown_until(data.total), runs[number])
    return found


def _first_moof(data: SparseBytes, position: int) -> Box | None:
    for _ in range(MAX_BOXES):
        box = header(data, position) if data.total is None or position < data.total else None
        if box is None or box.kind == b"moof":
            return box
        position = box.stop
    raise Malformed("thousands of boxes stand before its first fragment")


def _segment_index(data: SparseBytes, position: int) -> tuple[dict[int, Extent], int]:
    """The global `sidx` boxes that follow `moov` (section 8.16.3), if they reach the end of the media."""
    found: dict[int, Extent] = {}
    for _ in range(MAX_BOXES):
        box = header(data, position)
        if box is None or box.kind not in (b"sidx", b"free", b"skip", b"styp", b"emsg"):
            break
        position = box.stop
        if box.kind != b"sidx":
            continue
        if box.stop - box.start > MAX_MOOF_BYTES:
            raise Malformed("an oversized segment index")
        number, extent, reach = _sidx(data.read(box.start, box.stop), box, data.total)
        # A `sidx` for one segment of many reaches only that far: no global index.
        if data.total is not None and reach >= data.total - _index_tail(data):
            found[number] = extent
    return found, position


def _index_tail(data: SparseBytes) -> int:
    """Bytes behind the last segment that are no media: an `mfra` at most; what is not here is taken as 64 KiB."""
    return 65536 if data.total is not None and data.total > 4 * 65536 else (data.total or 0) // 4


def _sidx(raw: bytes, place: Box, total: int | None) -> tuple[int, Extent, int]:
    """The track, its extent, and the offset in the file that the last segment reaches."""
    box = Box(b"sidx", 0, place.body - place.start, len(raw))
    (version,) = unpack(">B", raw, box)
    number, _ = unpack(">II", raw, box, 4)
    clock, offset = unpack(">QQ" if version else ">II", raw, box, 12)
    at = 28 if version else 20
    (count,) = unpack(">2xH", raw, box, at)
    start, reach, present = clock, place.stop + offset, clock
    for entry in range(count):
        size, duration = unpack(">II", raw, box, at + 4 + 12 * entry)
        clock, reach = clock + duration, reach + (size & 0x7FFFFFFF)
        if total is None or reach <= total:
            present = clock
    return number, Extent(start, clock, present), reach


def read_moof(data: SparseBytes, box: Box, movie: Movie) -> tuple[Run, ...]:
    """The runs of one fragment (sections 8.8.7, 8.8.8, 8.8.12)."""
    if box.stop - box.start > MAX_MOOF_BYTES:
        raise Malformed("an oversized fragment header")
    raw = data.read(box.start, box.stop)
    moof = Box(b"moof", 0, box.body - box.start, len(raw))
    defaults = _track_defaults(movie)
    runs, position, left = [], box.stop, MAX_SAMPLES
    for traf in (part for part in children(raw, moof.body, moof.stop) if part.kind == b"traf"):
        run, position = _traf(raw, traf, box.start, position, defaults, left)
        left -= len(run.spans)
        runs.append(run)
    return tuple(runs)


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a sample of a fragment lasts (ticks) and weighs (bytes) where its own entry is silent."""

    duration: int
    size: int


def _traf(
    raw: bytes, traf: Box, moof_start: int, position: int, defaults: dict[int, _Usual], most: int
) -> tuple[Run, int]:
    """One track's run of at most so many samples, and the byte of the file behind its last one."""
    tfhd, tfdt = child(raw, traf, b"tfhd"), child(raw, traf, b"tfdt")
    if tfhd is None or tfdt is None:
        raise Malformed("a fragment without its track or its time")
    number, base, usual = _track_header(raw, tfhd, moof_start, defaults)
    (version,) = unpack(">B", raw, tfdt)
    (clock,) = unpack(">Q" if version else ">I", raw, tfdt, 4)
    spans: list[tuple[int, int]] = []
    ends: list[int] = []
    for trun in (part for part in children(raw, traf.body, traf.stop) if part.kind == b"trun"):
        flags, count = unpack(">II", raw, trun)
        if len(spans) + count > most:
            raise Malformed("a fragment that claims more samples than a clip has")
        if flags & 1:
            position = base + unpack(">i", raw, trun, 8)[0]
        for shown, lasts, weighs in _trun(raw, trun, usual):
            spans.append((clock + shown, clock + shown + lasts))
            position += weighs
            ends.append(position)
            clock += lasts
    return Run(number, tuple(spans), tuple(ends)), position


def _track_header(raw: bytes, tfhd: Box, moof_start: int, defaults: dict[int, _Usual]) -> tuple[int, int, _Usual]:
    """The track, the byte that data offsets count from, and what is usual in this fragment."""
    flags, number = unpack(">II", raw, tfhd)
    at, base = 8, moof_start
    if flags & 1:
        (base,) = unpack(">Q", raw, tfhd, at)
    at += 8 * bool(flags & 1) + 4 * bool(flags & 2)
    usual = defaults.get(number, _Usual(0, 0))
    duration = unpack(">I", raw, tfhd, at)[0] if flags & 8 else usual.duration
    size = unpack(">I", raw, tfhd, at + 4 * bool(flags & 8))[0] if flags & 0x10 else usual.size
    return number, base, _Usual(duration, size)


def _track_defaults(movie: Movie) -> dict[int, _Usual]:
    mvex = child(movie.data, Box(b"moov", 0, 8, len(movie.data)), b"mvex")
    boxes = children(movie.data, mvex.body, mvex.stop) if mvex else ()
    trexes = (unpack(">4xI4xII", movie.data, box) for box in boxes if box.kind == b"trex")
    return {number: _Usual(duration, size) for number, duration, size in trexes}


def _trun(raw: bytes, trun: Box, usual: _Usual) -> Iterator[tuple[int, int, int]]:
    """Each sample's display offset and duration in ticks, and its bytes."""
    flags, count = unpack(">II", raw, trun)
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    at = trun.body + 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
    if count * len(fields) * 4 > trun.stop - at or (not fields and count > MAX_RUN):
        raise Malformed("a fragment that claims more samples than it holds")
    # Version 0 offsets are unsigned by the letter; muxers write negative ones all the same, and libav reads them so.
    row = struct.Struct(">" + "".join("i" if bit == 0x800 else "I" for bit in fields))
    for number in range(count):
        values = dict(zip(fields, row.unpack_from(raw, at + number * row.size), strict=True))
        yield values.get(0x800, 0), values.get(0x100, usual.duration), values.get(0x200, usual.size)


# ------------------------------------------------------------------------------------- the last fragment


def _last_runs(data: SparseBytes, movie: Movie, first: Box, tracks: set[int]) -> dict[int, Run]:
    """The last fragment's run of each track."""
    if data.total is None:  # a stream without length: its end is its last byte
        raise Hole(Span(first.stop, None))
    found = _by_mfra(data) or _by_tail(data) or _by_guess(data, first) or _by_scan(data, first)
    starts = sorted(found)[-MAX_LAST:]
    # A fragment's header is about as large as the first one's: all of them in one trip.
    ahead = max(FRAGMENT_BYTES, (first.stop - first.start) * 3 // 2)
    wanted = [hole for start in starts for hole in data.missing(Span(start, start + ahead))]
    if len(wanted) == len(starts):
        raise Holes(tuple(wanted))
    runs: dict[int, Run] = {}
    samples = 0
    for start in starts:
        box = header(data, start)
        if box is None or box.kind != b"moof":
            raise Malformed("the random access index points at no fragment")
        for run in read_moof(data, box, movie):
            samples += len(run.spans)
            if run.spans:
                runs[run.track] = run
        if samples > MAX_SAMPLES:
            raise Malformed("last fragments that claim more samples than a clip has")
    if missing := tracks - set(runs):
        raise Malformed(f"no last fragment of track {min(missing)} within reach")
    return runs


def _by_mfra(data: SparseBytes) -> set[int]:
    """The offsets of each track's last fragment, by `mfra` (section 8.8.9); none where the file has no such index."""
    assert data.total is not None
    tail = data.read(max(0, data.total - TAIL_BYTES), data.total)
    if tail[-12:-8] != b"mfro":
        return set()
    (size,) = struct.unpack(">I", tail[-4:])
    if not 16 < size <= min(MAX_MOOF_BYTES, data.total):
        return set()
    raw = data.read(data.total - size, data.total)
    mfra = Box(b"mfra", 0, 8, len(raw))
    if raw[4:8] != b"mfra":
        return set()
    last: dict[int, int] = {}
    for tfra in (box for box in children(raw, mfra.body, mfra.stop) if box.kind == b"tfra"):
        version, number, lengths, count = unpack(">B3xIII", raw, tfra)
        wide = version == 1
        entry = (16 if wide else 8) + 3 + sum(lengths >> shift & 3 for shift in (0, 2, 4))
        if count:
            _, offset = unpack(">QQ" if wide else ">II", raw, tfra, 16 + (count - 1) * entry)
            last[number] = offset
    # Sound is often left out of `tfra`: then the fragment of the picture, which usually holds both, must do.
    return set(last.values())


def _by_tail(data: SparseBytes) -> set[int]:
    """A last fragment so small that the tail holds all of it."""
    assert data.total is not None
    start = max(0, data.total - TAIL_BYTES)
    return _chain(data.read(start, data.total), start)


def _by_guess(data: SparseBytes, first: Box) -> set[int]:
    """The last fragments, where fragments weigh much the same: a look where the last one should begin.

    One `moof` found is enough: from there the boxes' own sizes lead to the end of the file, or prove the guess wrong.
    """
    assert data.total is not None
    media = header(data, first.stop)
    size = (media.stop if media else first.stop) - first.start
    rest = data.total - first.start
    count = rest // size
    if count < FEW:
        return set()
    # The first fragment tells roughly how many there are; so the last one weighs between these two averages.
    large, small = rest // count, rest // (count + 1)
    start, stop = data.total - large - large // GUESS_SLACK, data.total - small + small // GUESS_SLACK
    window = data.read(max(first.start, start), stop)
    at = window.find(b"mfhd")  # the first child of every `moof`, twelve bytes in
    for _ in range(MAX_GUESSES):
        if at < 12:
            break
        if window[at - 8 : at - 4] == b"moof" or window[at - 12 : at - 8] == b"moof":
            begin = max(first.start, start) + at - (12 if window[at - 8 : at - 4] == b"moof" else 16)
            if found := _walk(data, begin):
                return found
        at = window.find(b"mfhd", at + 1)
    return set()


def _walk(data: SparseBytes, position: int) -> set[int]:
    """The `moof` offsets from one of them to the end of the file; none if the boxes do not lead there."""
    assert data.total is not None
    found = set()
    for _ in range(2 * MAX_HOPS):
        box = header(data, position)
        if box is None or box.kind not in _AT_TOP_LEVEL:
            return set()
        if box.kind == b"moof":
            found.add(position)
            data.read(position, min(position + FRAGMENT_BYTES, data.total))  # with the header that follows, in one trip
        position = box.stop
        if position >= data.total:
            return found
    return set()


def _by_scan(data: SparseBytes, first: Box) -> set[int]:
    """The offsets of the last fragments, found in the tail by a chain of boxes that ends where the file ends."""
    assert data.total is not None
    following = header(data, first.stop)
    size = (following.stop if following else first.stop) - first.start
    reach = max(TAIL_BYTES, size + size // 8)
    while True:
        start = max(first.start, data.total - reach)
        if found := _chain(data.read(start, data.total), start):
            return found
        if start == first.start or reach >= MAX_TAIL_BYTES:
            raise Malformed("the last fragment cannot be found")
        reach = min(reach * 4, MAX_TAIL_BYTES)


_AT_TOP_LEVEL = (b"moof", b"mdat", b"mfra", b"free", b"skip", b"styp", b"sidx", b"emsg", b"prft", b"uuid")


def _chain(tail: bytes, start: int) -> set[int]:
    """The `moof` offsets of a chain of boxes that reaches the end of the file; its last box may be cut there."""
    at = tail.find(b"moof")
    led_nowhere: set[int] = set()  # a second chain that meets one of these boxes ends as the first did
    while at >= 4:
        position, found = at - 4, set()
        while position + 8 <= len(tail) and position not in led_nowhere:
            led_nowhere.add(position)
            size, kind = struct.unpack_from(">I4s", tail, position)
            if kind not in _AT_TOP_LEVEL or size < 8:
                break
            if kind == b"moof" and position + size <= len(tail):
                found.add(start + position)
            position += size
        if position >= len(tail) - 7 and found:
            return found
        at = tail.find(b"moof", at + 1)
    return set()
