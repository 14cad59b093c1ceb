"""mkv and webm: the Info and Tracks elements at the head, and the last cluster where no duration is stated.

Strategy: walk EBML (RFC 8794) from the head to the first cluster. With Info.Duration that is all; libav reads the
same bytes. A live recording states none: then the tail is searched for the last clusters, whose blocks give each
track's end. Section numbers are of RFC 9559 (Matroska).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Hole, Span
from preflight.facts import Durations
from preflight.probes import codecs
from preflight.probes.boxes import Malformed, TooComplex
from preflight.probes.clusters import CLUSTER, Beat, cluster_blocks, first_times, last_ends
from preflight.probes.codecs import Details
from preflight.probes.ebml import Element, element, elements, fields_of, uint
from preflight.probes.structure import Structure

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

EBML, SEGMENT, INFO, TRACKS, TAGS = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1254C367
MAX_ELEMENT_BYTES = 1 << 20
#: The same for all of them together, and for the tracks that they describe.
MAX_HEADER_BYTES = 1 << 20
MAX_TRACKS = 64
#: Ten years. A float of eight bytes can state 10^308 seconds, which no report can tell.
LONGEST_SECONDS = 10 * 365 * 86_400
MAX_SAMPLE_RATE = 10_000_000
#: A cluster at time zero without blocks: libav takes a header for complete when media follow it.
_EMPTY_CLUSTER = b"\x1f\x43\xb6\x75\x83\xe7\x81\x00"


@dataclass(frozen=True, slots=True)
class MatroskaTrack:
    """One TrackEntry; `frame` is the stated seconds of a frame (DefaultDuration), `rate` the samples per second."""

    number: int
    uid: int
    kind: int
    codec: str
    private: bytes
    frame: Fraction | None
    rate: Fraction | None
    encrypted: bool
    details: Details
    rotation: int


@dataclass(slots=True)
class _Head:
    """What stands before the first cluster."""

    segment: Element
    scale: int = 1_000_000
    duration: Fraction | None = None
    tracks: tuple[MatroskaTrack, ...] = ()
    ends: dict[int, Fraction] | None = None
    """Track uid -> seconds, from the DURATION tags that muxers write."""
    cluster: Element | None = None
    taken: int = 0
    """Bytes of header elements that were read."""


def read_matroska(data: SparseBytes) -> Structure:
    """The structure of a Matroska file.

    Raises:
        Hole: bytes are needed. Malformed: it does not hold.
    """
    head = _head(data)
    pictures = [track for track in head.tracks if track.kind == 1]
    sounds = [track for track in head.tracks if track.kind == 2]
    stop = head.cluster.start if head.cluster else head.segment.body
    video, audio = next(iter(pictures), None), next(iter(sounds), None)
    structure = Structure(
        format="matroska",
        given=data.read(0, stop) + _EMPTY_CLUSTER,
        durations=Durations(header=head.duration),
        video_streams=len(pictures),
        audio_streams=len(sounds),
        rotation=video.rotation if video else 0,
        encrypted=any(track.encrypted for track in head.tracks),
        fragmented=False,
        edit_list=False,
        truncated=_truncated(head, data.total),
        details=_details(video, head, data) if video else Details(),
        unknown={} if data.total is not None else {"truncated": "the source does not say how large the file is"},
    )
    if head.duration is not None and head.duration > 0:
        return _stated(structure, head, video, audio)
    return _scanned(structure, head, video, audio, data)


def _truncated(head: _Head, total: int | None) -> bool | None:
    if total is None or head.segment.stop is None:
        return None
    return head.segment.stop > total


def _stated(structure: Structure, head: _Head, video: MatroskaTrack | None, audio: MatroskaTrack | None) -> Structure:
    ends = head.ends or {}
    reason = "the file states only one duration for all its streams"
    durations = replace(
        structure.durations,
        container=head.duration,
        video=ends.get(video.uid) if video else None,
        audio=ends.get(audio.uid) if audio else None,
    )
    if structure.truncated is False:
        durations = replace(durations, present=durations.video)
    unknown = structure.unknown | {
        f"durations.{name}": reason
        for name, track, value in (("video", video, durations.video), ("audio", audio, durations.audio))
        if track is not None and value is None
    }
    return replace(structure, durations=durations, unknown=unknown)


# --------------------------------------------------------------------------------------------- the head


def _head(data: SparseBytes) -> _Head:
    first = _element_at(data, 0)
    if first is None or first.id != EBML or first.stop is None:
        raise Malformed("it has no EBML header")
    segment = _element_at(data, first.stop)
    if segment is None or segment.id != SEGMENT:
        raise Malformed("it has no Segment")
    head = _Head(segment)
    position, count = segment.body, 0
    while (found := _element_at(data, position)) is not None and found.id != CLUSTER:
        count += 1
        if found.stop is None or count > 1000:
            raise Malformed("an element of unknown size stands before the first cluster")
        if found.id in (INFO, TRACKS, TAGS):
            head.taken += found.stop - found.body
            if head.taken > MAX_HEADER_BYTES:
                raise TooComplex("header elements of many megabytes")
            _take(head, found, _body(data, found))
        position = found.stop
        if data.total is not None and position >= data.total:
            found = None
            break
    head.cluster = found
    if not head.tracks:
        raise Malformed("it describes no track before its media")
    return head


def _element_at(data: SparseBytes, position: int) -> Element | None:
    raw = data.read(position, position + 12)
    return element(raw, 0, position)


def _body(data: SparseBytes, found: Element) -> bytes:
    assert found.stop is not None
    if found.stop - found.body > MAX_ELEMENT_BYTES:
        raise Malformed("an oversized header element")
    raw = data.read(found.body, found.stop)
    if len(raw) < found.stop - found.body:
        raise Malformed("the file is cut inside its header")
    return raw


def _take(head: _Head, found: Element, raw: bytes) -> None:
    if found.id == INFO:
        values = fields_of(raw)
        head.scale = uint(values.get(0x2AD7B1)) or 1_000_000
        stated = _float(values.get(0x4489))
        head.duration = _believable(stated * head.scale / 1_000_000_000) if stated else None
    elif found.id == TRACKS:
        entries = [raw[entry.body : entry.stop] for entry in elements(raw) if entry.id == 0xAE]
        if len(entries) > MAX_TRACKS:
            raise TooComplex(f"{len(entries)} tracks")
        head.tracks = tuple(map(_track, entries))
    elif found.id == TAGS:
        head.ends = (head.ends or {}) | _duration_tags(raw)


def _float(raw: bytes | None) -> Fraction | None:
    if raw is None or len(raw) not in (4, 8):
        return None
    (value,) = struct.unpack(">f" if len(raw) == 4 else ">d", raw)
    return Fraction(value) if 0 < value < 1e15 else None


def _track(raw: bytes) -> MatroskaTrack:
    values = fields_of(raw)
    frame = uint(values.get(0x23E383))
    codec = values.get(0x86, b"").rstrip(b"\0").decode("latin-1")
    private = values.get(0x63A2, b"")
    encodings = elements(values.get(0x6D80, b""))
    return MatroskaTrack(
        number=uint(values.get(0xD7)),
        uid=uint(values.get(0x73C5)),
        kind=uint(values.get(0x83)),
        codec=codec,
        private=private,
        frame=Fraction(frame, 1_000_000_000) if frame else None,
        rate=_rate(_float(fields_of(values.get(0xE1, b"")).get(0xB5))),
        encrypted=any(b"\x50\x35" in values[0x6D80][item.body : item.stop] for item in encodings),
        details=_picture(values.get(0xE0, b""), codec, private),
        rotation=_rotation(values.get(0xE0, b"")),
    )


def _rate(stated: Fraction | None) -> Fraction | None:
    """Samples per second; one that no sound has would make its frames last for ever."""
    return stated if stated is not None and 1 <= stated <= MAX_SAMPLE_RATE else None


def _picture(raw: bytes, codec: str, private: bytes) -> Details:
    parse = {"V_MPEG4/ISO/AVC": codecs.avcc, "V_MPEGH/ISO/HEVC": codecs.hvcc, "V_AV1": codecs.av1c}.get(codec)
    details = parse(private) if parse else codecs.PLAIN if codec in ("V_VP8", "V_MPEG4/ISO/ASP") else Details()
    if codec == "V_VP8":
        details = replace(details, interlaced=False)
    values = fields_of(raw)
    colour = fields_of(values.get(0x55B0, b""))
    width, height = uint(values.get(0xB0)), uint(values.get(0xBA))
    fields = uint(values.get(0x9A))
    return replace(
        details,
        width=details.width or width or None,
        height=details.height or height or None,
        sample_aspect_ratio=_shape(values, width, height) or details.sample_aspect_ratio,
        interlaced={1: True, 2: False}.get(fields, details.interlaced),
        color_primaries=codecs.PRIMARIES.get(uint(colour.get(0x55BB))) or details.color_primaries,
        color_transfer=codecs.TRANSFERS.get(uint(colour.get(0x55BA))) or details.color_transfer,
    )


def _shape(values: dict[int, bytes], width: int, height: int) -> Fraction | None:
    """Pixel shape from the display size (section 5.1.4.1.28.12); units other than pixels keep the ratio."""
    across, down, unit = uint(values.get(0x54B0)), uint(values.get(0x54BA)), uint(values.get(0x54B2))
    if not (across and down and width and height) or unit > 3:
        return None
    return Fraction(across * height, down * width)


def _rotation(raw: bytes) -> int:
    """Clockwise quarter turns; PoseRoll counts against the clock (section 5.1.4.1.28.46)."""
    roll = fields_of(fields_of(raw).get(0x7670, b"")).get(0x7675)
    if roll is None or len(roll) not in (4, 8):
        return 0
    (degrees,) = struct.unpack(">f" if len(roll) == 4 else ">d", roll)
    return round(-degrees / 90) % 4 * 90 if abs(degrees) <= 360 else 0


_CLOCK = re.compile(rb"(\d{1,3}):(\d\d):(\d\d(?:\.\d{1,9})?)")


def _believable(seconds: Fraction) -> Fraction | None:
    """A duration that a file can have; what a header states beyond that is as good as nothing."""
    return seconds if abs(seconds) < LONGEST_SECONDS else None


def _duration_tags(raw: bytes) -> dict[int, Fraction]:
    found: dict[int, Fraction] = {}
    for tag in (raw[item.body : item.stop] for item in elements(raw) if item.id == 0x7373):
        uid, text = 0, None
        for item in elements(tag):
            values = fields_of(tag[item.body : item.stop])
            if item.id == 0x63C0:
                uid = uint(values.get(0x63C5))
            elif item.id == 0x67C8 and values.get(0x45A3) == b"DURATION":
                text = _CLOCK.match(values.get(0x4487, b""))
        if uid and text:
            hours, minutes, seconds = text.groups()
            length = int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds.decode())
            if length > 0:
                found[uid] = length
    return found


# ------------------------------------------------------------------------------------ what the blocks say


def _details(video: MatroskaTrack, head: _Head, data: SparseBytes) -> Details:
    """VP9 brings no codec record: its first frame tells."""
    if video.codec != "V_VP9" or head.cluster is None:
        return video.details
    raw = data.available(head.cluster.start, max(head.cluster.start, FLIGHT_BYTES))  # as clusters.first_times
    frame = next((block.payload for block in cluster_blocks(raw) if block.track == video.number), b"")
    seen, stated = codecs.vp9_frame(frame), video.details
    return replace(stated, profile=seen.profile, pixel_format=seen.pixel_format, bit_depth=seen.bit_depth,
                   interlaced=False)  # fmt: skip


def _scanned(
    structure: Structure, head: _Head, video: MatroskaTrack | None, audio: MatroskaTrack | None, data: SparseBytes
) -> Structure:
    """No duration is stated: the first and the last blocks of each track tell it."""
    if head.cluster is None:
        raise Malformed("it has no media")
    if data.total is None:
        raise Hole(Span(head.cluster.start, None))
    tracks = [Beat(track.number, track.codec, track.frame, track.rate, head.scale) for track in (video, audio) if track]
    starts = first_times(data, head.cluster.start, tracks)
    ends = last_ends(data, head.cluster.start, tracks)
    if not ends:
        reason = "the header states no duration, and the last frames cannot be found"
        names = ("durations.container", "durations.video", "durations.audio", "durations.present")
        return replace(structure, unknown=structure.unknown | dict.fromkeys(names, reason))
    start = min(starts.values(), default=Fraction(0))

    def length(track: MatroskaTrack | None) -> Fraction | None:
        return ends[track.number] - starts.get(track.number, start) if track and track.number in ends else None

    shown = length(video)
    unknown = {} if audio is None or audio.number in ends else {"durations.audio": "its last frames lie too far back"}
    return replace(
        structure,
        durations=Durations(container=max(ends.values()) - start, video=shown, audio=length(audio), present=shown),
        start_offset=starts[video.number] - start if video and video.number in starts else None,
        truncated=False if structure.truncated is None else structure.truncated,
        unknown=structure.unknown | unknown,
    )
