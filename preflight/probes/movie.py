"""The index of an ISO file (`moov`): its tracks, their samples, and the seconds that are really shown.

Strategy: one pass per track over the sample tables that stand in memory. Counts are checked against the box that
holds them before anything is expanded, because 575 bytes can claim 60 million samples (libav would take 2 GB).
Offsets in bytes, times in ticks of the track's timescale until they leave as exact seconds.
Sections are of ISO/IEC 14496-12.
"""

from __future__ import annotations

import math
import struct
import sys
from array import array
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, chain, pairwise, repeat
from operator import add
from typing import TYPE_CHECKING

from preflight.probes.boxes import Box, Malformed, TooComplex, child, children, parts, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MOOV_BYTES = 16 << 20
MAX_SAMPLES = 4_000_000
#: In all tracks together. Plain PCM has a sample for every 1/48000 s, and an editor's clip has eight such tracks.
MAX_ALL_SAMPLES = 16_000_000
MAX_TRACKS = 64


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list: how long (movie ticks, 0 = to the end), from where (media ticks, -1 = nothing)."""

    duration: int
    media_time: int


@dataclass(frozen=True, slots=True)
class SampleTable:
    """The samples of a track that `moov` itself lists, in decoding order."""

    times: tuple[tuple[int, int], ...]
    """stts: (count, delta) runs."""
    offsets: tuple[tuple[int, int], ...]
    """ctts: (count, display - decode) runs; empty when both are one."""
    sizes: Sequence[int]
    chunk_offsets: Sequence[int]
    chunk_runs: tuple[tuple[int, int], ...]
    """stsc: (first chunk counted from 1, samples in each chunk) runs."""

    def __len__(self) -> int:
        return len(self.sizes)

    def deltas(self) -> list[int]:
        """How long each sample lasts, in ticks."""
        return _expand(self.times, len(self))

    def presentation(self) -> list[int]:
        """When each sample is shown, in ticks, before any edit."""
        decode = list(accumulate(self.deltas()[:-1], initial=0)) if len(self) else []
        return list(map(add, decode, _expand(self.offsets, len(self)))) if self.offsets else decode

    def end(self) -> int:
        """Where the last byte of a sample lies; 0 without samples."""
        return max(map(sum, zip(*self._located(), strict=True)), default=0) if self._scattered else self._last_end()

    def inside(self, total: int) -> int:
        """How many samples, counted from the first, lie wholly inside the first `total` bytes."""
        for number, (position, size) in enumerate(zip(*self._located(), strict=True)):
            if position + size > total:
                return number
        return len(self)

    @property
    def _scattered(self) -> bool:
        return bool(self.chunk_offsets) and self.chunk_offsets[-1] != max(self.chunk_offsets)

    def _last_end(self) -> int:
        if not self.chunk_offsets or not self.chunk_runs:
            return 0
        in_last = min(self.chunk_runs[-1][1], len(self))
        return self.chunk_offsets[-1] + sum(self.sizes[len(self) - in_last :])

    def _located(self) -> tuple[list[int], Sequence[int]]:
        positions: list[int] = []
        runs = [*self.chunk_runs, (len(self.chunk_offsets) + 1, 0)]
        reached = 0  # runs that go back would walk the same chunks again, thousands of times
        for (first, count), (following, _) in pairwise(runs):
            for offset in self.chunk_offsets[max(first - 1, reached) : max(following - 1, 0)]:
                sizes = self.sizes[len(positions) : len(positions) + count]
                positions.extend(accumulate(sizes[:-1], initial=offset) if sizes else ())
            reached = max(reached, following - 1)
        return positions, self.sizes[: len(positions)]


@dataclass(frozen=True, slots=True)
class Track:
    """One track. `entry` is its sample entry (codec box); `original` the codec under an encryption, if any."""

    id: int
    handler: bytes
    timescale: int
    rotation: int
    edits: tuple[Edit, ...]
    entry: Box | None
    samples: SampleTable
    references: tuple[int, ...] = ()
    """Tracks that this one uses as chapters."""


@dataclass(frozen=True, slots=True)
class Movie:
    """A parsed `moov`; `data` is the box itself, and boxes inside have offsets into it."""

    data: bytes
    timescale: int
    header_duration: Fraction | None
    tracks: tuple[Track, ...]
    fragmented: bool

    def of(self, handler: bytes) -> tuple[Track, ...]:
        """The tracks of a handler; pictures that are only another track's chapters are left out."""
        chapters = {number for track in self.tracks for number in track.references}
        return tuple(track for track in self.tracks if track.handler == handler and track.id not in chapters)


def parse_movie(data: bytes, total: int | None) -> Movie:
    """Read a whole `moov` box.

    Raises:
        Malformed: it does not hold; TooComplex: it claims more than a real clip has.
    """
    moov = Box(b"moov", 0, 8 if data[:4] != b"\0\0\0\1" else 16, len(data))
    timescale, header_duration = _movie_header(data, moov)
    traks = [box for box in children(data, moov.body, moov.stop) if box.kind == b"trak"]
    if len(traks) > MAX_TRACKS:
        raise TooComplex(f"{len(traks)} tracks")
    tracks, samples = [], 0
    for trak in traks:
        tracks.append(_track(data, trak, total))
        samples += len(tracks[-1].samples)
        if samples > MAX_ALL_SAMPLES:
            raise TooComplex(f"an index of more than {MAX_ALL_SAMPLES} samples")
    return Movie(data, timescale, header_duration, tuple(tracks), child(data, moov, b"mvex") is not None)


def _movie_header(data: bytes, moov: Box) -> tuple[int, Fraction | None]:
    mvhd = child(data, moov, b"mvhd")
    if mvhd is None:
        raise Malformed("the index has no movie header")
    timescale, duration = _scale_and_duration(data, mvhd)
    return timescale, Fraction(duration, timescale) if duration and timescale else None


def _scale_and_duration(data: bytes, box: Box) -> tuple[int, int]:
    """The timescale and duration of mvhd or mdhd; all ones means "unknown" (section 8.2.2), given as 0."""
    (version,) = unpack(">B", data, box)
    timescale, duration = unpack(">IQ" if version == 1 else ">II", data, box, 20 if version == 1 else 12)
    return timescale, 0 if duration in (0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF) else duration


def _track(data: bytes, trak: Box, total: int | None) -> Track:
    inside = parts(data, trak)
    media = parts(data, inside.get(b"mdia"))
    tkhd, mdhd, hdlr = inside.get(b"tkhd"), media.get(b"mdhd"), media.get(b"hdlr")
    stbl = parts(data, media.get(b"minf")).get(b"stbl")
    timescale = _scale_and_duration(data, mdhd)[0] if mdhd else 0
    if tkhd is None or hdlr is None or stbl is None or not timescale:
        raise Malformed("a track without header, handler, timescale or sample table")
    (version,) = unpack(">B", data, tkhd)
    wide = 12 if version == 1 else 0
    (number,) = unpack(">I", data, tkhd, 20 if version == 1 else 12)
    tables = parts(data, stbl)
    return Track(
        id=number,
        handler=data[hdlr.body + 8 : hdlr.body + 12],
        timescale=timescale,
        rotation=_rotation(*unpack(">ii4xii", data, tkhd, 40 + wide)),
        edits=_edits(data, parts(data, inside.get(b"edts")).get(b"elst")),
        entry=_sample_entry(data, tables.get(b"stsd")),
        samples=_sample_table(data, tables, total),
        references=_chapters(data, parts(data, inside.get(b"tref")).get(b"chap")),
    )


def _rotation(a: int, b: int, c: int, d: int) -> int:
    """Clockwise degrees of a display matrix, to the next quarter turn; a mirrored picture counts by its x axis."""
    if a * d - b * c == 0:
        return 0
    return round(math.degrees(math.atan2(b, a)) / 90) % 4 * 90


def _edits(data: bytes, elst: Box | None) -> tuple[Edit, ...]:
    if elst is None:
        return ()
    version, count = unpack(">B3xI", data, elst)
    entry = ">Qq4x" if version == 1 else ">Ii4x"
    size = 20 if version == 1 else 12
    count = min(count, (elst.stop - elst.body - 8) // size, 10_000)
    return tuple(Edit(*unpack(entry, data, elst, 8 + number * size)) for number in range(count))


def _chapters(data: bytes, chap: Box | None) -> tuple[int, ...]:
    return tuple(_numbers(data, chap.body, (chap.stop - chap.body) // 4)) if chap else ()


def _sample_entry(data: bytes, stsd: Box | None) -> Box | None:
    return next(children(data, stsd.body + 8, stsd.stop), None) if stsd else None


def _sample_table(data: bytes, tables: dict[bytes, Box], total: int | None) -> SampleTable:
    sizes = _sizes(data, tables, total)
    chunks = tables.get(b"stco") or tables.get(b"co64")
    width = 8 if chunks and chunks.kind == b"co64" else 4
    return SampleTable(
        times=_runs(data, tables.get(b"stts"), ">II", len(sizes)),
        offsets=_runs(data, tables.get(b"ctts"), ">Ii", len(sizes)),
        sizes=sizes,
        chunk_offsets=_table(data, chunks, width),
        chunk_runs=_chunk_runs(data, tables.get(b"stsc")),
    )


def _sizes(data: bytes, tables: dict[bytes, Box], total: int | None) -> Sequence[int]:
    stsz = tables.get(b"stsz")
    if stsz is None:
        stz2 = tables.get(b"stz2")
        return _small_sizes(data, stz2) if stz2 else ()
    uniform, count = unpack(">4xII", data, stsz)
    if count > MAX_SAMPLES:
        raise TooComplex(f"an index of {count} samples")
    if uniform:
        if total is not None and uniform * count > 2 * total + (1 << 20):
            raise TooComplex(f"{count} samples of {uniform} bytes in a file of {total}")
        return array("I", [uniform]) * count
    if count * 4 > stsz.stop - stsz.body - 12:
        raise TooComplex(f"an index of {count} samples in a box of {stsz.stop - stsz.start} bytes")
    return _numbers(data, stsz.body + 12, count)


def _small_sizes(data: bytes, stz2: Box) -> Sequence[int]:
    """stz2 (section 8.7.3.3): sizes of 4, 8 or 16 bits."""
    bits, count = unpack(">7xBI", data, stz2)
    if bits not in (4, 8, 16) or count * bits > 8 * (stz2.stop - stz2.body - 12) or count > MAX_SAMPLES:
        raise TooComplex(f"an index of {count} samples in a box of {stz2.stop - stz2.start} bytes")
    raw = data[stz2.body + 12 : stz2.body + 12 + (count * bits + 7) // 8]
    if bits == 16:
        return [high << 8 | low for high, low in zip(raw[::2], raw[1::2], strict=True)]
    return list(raw) if bits == 8 else list(chain.from_iterable((byte >> 4, byte & 15) for byte in raw))[:count]


def _runs(data: bytes, box: Box | None, entry: str, samples: int) -> tuple[tuple[int, int], ...]:
    if box is None:
        return ()
    (count,) = unpack(">4xI", data, box)
    if count > (box.stop - box.body - 8) // 8:
        raise Malformed(f"the {box.kind.decode()} table is cut short")
    runs, covered = [], 0
    for run, value in struct.iter_unpack(entry, data[box.body + 8 : box.body + 8 + count * 8]):
        runs.append((min(run, samples - covered), value))
        covered += run
        if covered >= samples:
            break
    return tuple(runs)


def _chunk_runs(data: bytes, stsc: Box | None) -> tuple[tuple[int, int], ...]:
    if stsc is None:
        return ()
    (count,) = unpack(">4xI", data, stsc)
    if count > (stsc.stop - stsc.body - 8) // 12:
        raise Malformed("the stsc table is cut short")
    return tuple(struct.iter_unpack(">II4x", data[stsc.body + 8 : stsc.body + 8 + count * 12]))


def _table(data: bytes, box: Box | None, width: int) -> Sequence[int]:
    if box is None:
        return ()
    (count,) = unpack(">4xI", data, box)
    if count > (box.stop - box.body - 8) // width:
        raise TooComplex(f"{count} chunks in a box of {box.stop - box.start} bytes")
    return _numbers(data, box.body + 8, count, width)


def _numbers(data: bytes, start: int, count: int, width: int = 4) -> Sequence[int]:
    numbers = array("I" if width == 4 else "Q", data[start : start + count * width])
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


def _expand(runs: tuple[tuple[int, int], ...], samples: int) -> list[int]:
    """One value per sample; the last one goes on where a table ends early, as libav has it."""
    if len(runs) == 1:  # the usual table of a steady beat
        return [runs[0][1]] * samples
    values = list(chain.from_iterable(repeat(value, count) for count, value in runs))
    return (values + [runs[-1][1] if runs else 0] * (samples - len(values)))[:samples]
