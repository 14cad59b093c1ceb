"""mp4, mov, m4v, 3gp: where the index is, what it proves, and what libav is to read of it.

Strategy: walk the top-level boxes until `moov`; the walk names the exact span that is missing. libav then reads
`ftyp` and `moov` alone, spliced together: it answers from them, and cannot wander into media bytes.
Truncation is proved by offsets against the size that the source proves, without reading media.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.deliver.sparse import Hole, Span
from preflight.facts import Durations
from preflight.probes import codecs
from preflight.probes.boxes import Box, Malformed, TooComplex, children, header, unpack
from preflight.probes.codecs import Details
from preflight.probes.fragments import Extent, extents
from preflight.probes.movie import MAX_MOOV_BYTES, Movie, Track, parse_movie
from preflight.probes.structure import Structure
from preflight.probes.timeline import Timeline, apply_edits, delay, is_variable, timeline, usual_gap

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

#: Where the index must begin behind the media: everything up to the end of the file is asked for, up to this much.
MAX_TAIL_BYTES = 4 << 20
MAX_TOP_LEVEL_BOXES = 4096
_EMPTY_MDAT = b"\0\0\0\x08mdat"


class Cut(Exception):
    """The file ends before its index: nothing can be said of its duration."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The top level of the file, as far as `moov`."""

    ftyp: bytes
    moov: Box
    faststart: bool


def read_iso(data: SparseBytes) -> Structure:
    """The structure of an ISO file.

    Raises:
        Hole: bytes are needed. Cut: the index is missing because the file is cut.
        Malformed: it does not hold. TooComplex: it claims more than a real clip has.
    """
    layout = find_moov(data)
    movie = parse_movie(data.read(layout.moov.start, layout.moov.stop), data.total)
    structure = _describe(movie, layout, data.total)
    if movie.fragmented:
        return _with_fragments(structure, movie, data, layout)
    return structure


def find_moov(data: SparseBytes) -> Layout:
    """Walk the top level up to the whole `moov`."""
    ftyp, position, seen_media, boxes = b"", 0, False, 0
    while data.total is None or position < data.total:
        try:
            box = header(data, position)
        except Hole:
            raise Hole(_behind_media(data, position)) from None
        if box is None:
            break
        if box.kind == b"moov":
            return Layout(ftyp, _acceptable(box, data.total), faststart=not seen_media)
        if box.kind == b"ftyp" and not ftyp and box.stop - box.start <= 4096:
            ftyp = data.read(box.start, box.stop)
        if data.total is not None and box.stop > data.total:
            raise Cut(f"the file ends at byte {data.total}, inside its media; its index would follow at {box.stop}")
        seen_media |= box.kind in (b"mdat", b"moof")
        position, boxes = box.stop, boxes + 1
        if boxes > MAX_TOP_LEVEL_BOXES:
            raise TooComplex("thousands of boxes before the index")
    if seen_media:
        raise Cut("the media data is there, and the index (moov) that belongs behind it is not")
    raise Malformed("it has no index (moov)")


def _acceptable(moov: Box, total: int | None) -> Box:
    if moov.stop - moov.start > MAX_MOOV_BYTES:
        raise TooComplex(f"an index of {moov.stop - moov.start} bytes")
    if total is not None and moov.stop > total:
        raise Cut(f"the index claims to end at byte {moov.stop}, the file ends at {total}")
    return moov


def _behind_media(data: SparseBytes, position: int) -> Span:
    if data.total is None or data.total - position > MAX_TAIL_BYTES:
        return Span(position, position + 65536)
    return Span(position, data.total)


# ------------------------------------------------------------------------------------- what moov says


def _describe(movie: Movie, layout: Layout, total: int | None) -> Structure:
    pictures, sounds = movie.of(b"vide"), movie.of(b"soun")
    brand, brands = _brands(layout.ftyp)
    ends = [track.samples.end() for track in movie.tracks]
    truncated = None if total is None else any(end > total for end in ends)
    structure = Structure(
        format="mov",
        given=_for_libav(layout.ftyp, movie.data),
        durations=Durations(header=movie.header_duration),
        brand=brand,
        brands=brands,
        video_streams=len(pictures),
        audio_streams=len(sounds),
        fragmented=movie.fragmented,
        faststart=layout.faststart,
        truncated=truncated,
        encrypted=any(_is_encrypted(track) for track in movie.tracks),
    )
    return _with_picture(structure, movie, pictures[0], total) if pictures else structure


def _with_picture(structure: Structure, movie: Movie, track: Track, total: int | None) -> Structure:
    shown = track.samples.presentation()
    line = timeline(track, movie, shown)
    present = None
    if line is not None and total is not None:
        inside = track.samples.inside(total) if structure.truncated else len(track.samples)
        whole = timeline(track, movie, shown[:inside]) if structure.truncated else line
        present = whole.duration if whole else Fraction(0)
    return replace(
        structure,
        durations=replace(structure.durations, video=line.duration if line else None, present=present),
        start_offset=_offset(line, movie),
        video_id=track.id,
        details=details_of(track, movie.data),
        rotation=track.rotation,
        frames=len(track.samples) or None,
        variable_frame_rate=is_variable(shown),
        edit_list=line.edited if line else None,
        unknown={} if total is not None else {"truncated": "the source does not say how large the file is"},
    )


def _offset(line: Timeline | None, movie: Movie) -> Fraction | None:
    """How much later than the earliest track the picture begins."""
    if line is None:
        return None
    return line.start - min([line.start, *(delay(track, movie) for track in movie.of(b"soun"))])


def _brands(ftyp: bytes) -> tuple[str | None, tuple[str, ...]]:
    if len(ftyp) < 16:
        return None, ()
    names = [ftyp[at : at + 4].decode("latin-1") for at in range(16, len(ftyp) - 3, 4)]
    return ftyp[8:12].decode("latin-1"), tuple(names)


def _for_libav(ftyp: bytes, moov: bytes) -> bytes:
    return ftyp + moov + _EMPTY_MDAT


def _is_encrypted(track: Track) -> bool:
    return track.entry is not None and track.entry.kind in (b"encv", b"enca", b"drmi", b"drms")


#: VisualSampleEntry (section 12.1.3): 78 bytes of fields before the boxes.
_VISUAL_FIELDS = 78


def details_of(track: Track, data: bytes) -> Details:
    """The picture's codec record and the colour, shape and field boxes beside it."""
    entry = track.entry
    if entry is None:
        return Details()
    parts = {box.kind: box for box in children(data, entry.body + _VISUAL_FIELDS, entry.stop)}
    width, height = unpack(">HH", data, entry, 24)
    details = _codec_details(entry, parts, data)
    aspect, primaries, transfer, interlaced = details.sample_aspect_ratio, None, None, details.interlaced
    if pasp := parts.get(b"pasp"):
        across, down = unpack(">II", data, pasp)
        aspect = Fraction(across, down) if across and down else aspect
    if (colr := parts.get(b"colr")) and data[colr.body : colr.body + 4] in (b"nclx", b"nclc"):
        first, second = unpack(">HH", data, colr, 4)
        primaries, transfer = codecs.PRIMARIES.get(first), codecs.TRANSFERS.get(second)
    if fiel := parts.get(b"fiel"):
        (fields,) = unpack(">B", data, fiel)
        interlaced = fields == 2
    return replace(
        details,
        width=details.width or width or None,
        height=details.height or height or None,
        sample_aspect_ratio=aspect,
        interlaced=interlaced,
        color_primaries=primaries or details.color_primaries,
        color_transfer=transfer or details.color_transfer,
    )


def _codec_details(entry: Box, parts: dict[bytes, Box], data: bytes) -> Details:
    for kind, parse in ((b"avcC", codecs.avcc), (b"hvcC", codecs.hvcc), (b"av1C", codecs.av1c), (b"vpcC", codecs.vpcc)):
        if box := parts.get(kind):
            return parse(data[box.body : box.stop])
    if entry.kind in codecs.PRORES_TAGS:
        return codecs.prores(entry.kind)
    return codecs.PLAIN if entry.kind == b"mp4v" else Details()


# ------------------------------------------------------------------------------------- and its fragments


def _with_fragments(structure: Structure, movie: Movie, data: SparseBytes, layout: Layout) -> Structure:
    try:
        found = extents(data, movie, layout.moov.stop)
    except Malformed as problem:
        return _open_ended(structure, f"the file is fragmented, and {problem}")
    if found is None:
        return structure
    lines = {track.id: _extent_line(track, found.get(track.id), movie) for track in movie.tracks}
    known = [line for line in lines.values() if line]
    if not known:
        return _open_ended(structure, "no fragment holds a sample")
    picture = lines.get(structure.video_id or -1)
    sounds = [lines[track.id] for track in movie.of(b"soun")]
    sound = next((line for line in sounds if line), None)
    start = min(line.start for line in known)
    beat, timescale = _first_run(movie, structure, found)
    return replace(
        structure,
        durations=Durations(
            container=max(line.stop for line in known) - start,
            video=picture.duration if picture else None,
            audio=sound.duration if sound else None,
            header=structure.durations.header,
            present=_present(structure, movie, found, picture),
        ),
        start_offset=picture.start - start if picture else None,
        truncated=any(extent.present < extent.stop for extent in found.values()),
        frames=None,
        variable_frame_rate=is_variable(beat),
        frame_rate=Fraction(timescale, usual_gap(beat)) if usual_gap(beat) else None,
        unknown={"frames": "the fragments between the first and the last were not read"},
    )


def _extent_line(track: Track, extent: Extent | None, movie: Movie) -> Timeline | None:
    own = timeline(track, movie)
    if extent is None:
        return own
    line = apply_edits([extent.start], [extent.stop], track.edits, track.timescale, movie.timescale)
    if line is None or own is None:
        return line
    # The hybrid form: `moov` lists the first samples itself.
    return Timeline(min(line.start, own.start), max(line.stop, own.stop), own.edited)


def _present(structure: Structure, movie: Movie, found: dict[int, Extent], picture: Timeline | None) -> Fraction | None:
    track = next((track for track in movie.tracks if track.id == structure.video_id), None)
    extent = found.get(track.id) if track else None
    if picture is None or track is None or extent is None:
        return None
    return picture.duration - Fraction(extent.stop - extent.present, track.timescale)


def _first_run(movie: Movie, structure: Structure, found: dict[int, Extent]) -> tuple[list[int], int]:
    """When the frames of the first fragment are shown, in ticks, and the ticks of a second."""
    track = next((track for track in movie.tracks if track.id == structure.video_id), None)
    extent = found.get(track.id) if track else None
    if track is None or extent is None or extent.first is None:
        return [], 1
    return sorted(start for start, _ in extent.first.spans), track.timescale


def _open_ended(structure: Structure, reason: str) -> Structure:
    names = ("durations.container", "durations.video", "durations.audio", "durations.present", "truncated", "frames")
    return replace(
        structure,
        durations=Durations(header=structure.durations.header),
        truncated=None,
        frames=None,
        unknown=dict.fromkeys(names, reason),
    )
