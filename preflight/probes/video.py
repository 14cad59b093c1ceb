"""Facts of a video: the container's own structure and libav's reading of it, made one.

The walk comes first. It asks for bytes, proves truncation and refuses what claims too much before libav sees any of
it; then libav reads the spliced headers, and each fact has one owner.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from preflight.facts import AudioFacts, Durations, NotMedia, Refusal, Unknown, VideoFacts
from preflight.probes import codecs, libav
from preflight.probes.boxes import Malformed, TooComplex
from preflight.probes.isobmff import Cut, read_iso
from preflight.probes.matroska import read_matroska
from preflight.probes.mpegts import read_mpegts
from preflight.probes.riff import read_avi

if TYPE_CHECKING:
    from collections.abc import Callable

    from preflight.deliver.sparse import SparseBytes
    from preflight.probes.sniff import Sniffed
    from preflight.probes.structure import Structure

_WALKS: dict[str, Callable[[SparseBytes], Structure]] = {
    "iso": read_iso,
    "ebml": read_matroska,
    "mpegts": read_mpegts,
    "avi": read_avi,
}


def probe_video(data: SparseBytes, sniffed: Sniffed) -> VideoFacts | NotMedia:
    """The facts of a container that the sniff has named.

    Raises:
        Hole: bytes are needed.
    """
    try:
        structure = _WALKS[sniffed.family](data)
        reading = libav.read(structure.given, structure.format, structure.size)
    except Cut as cut:
        return NotMedia(Refusal.TRUNCATED, str(cut), sniffed.media_type)
    except TooComplex as claim:
        return NotMedia(Refusal.TOO_COMPLEX, f"the file claims {claim}", sniffed.media_type)
    except Malformed as fault:
        return NotMedia(Refusal.CORRUPT, str(fault), sniffed.media_type)
    except libav.Unreadable:
        return NotMedia(Refusal.CORRUPT, "libav cannot open it", sniffed.media_type)
    return _merge(structure, reading, sniffed)


def _merge(structure: Structure, reading: libav.Reading, sniffed: Sniffed) -> VideoFacts:
    picture, sound = reading.first("video", structure.video_id), reading.first("audio")
    facts = VideoFacts(
        container=sniffed.format or "",
        media_type=sniffed.media_type or "",
        libavformat=libav.version(),
        brand=structure.brand,
        brands=structure.brands,
        durations=_durations(structure, reading, picture, sound),
        start_offset=structure.start_offset if structure.start_offset is not None else _offset(reading, picture),
        video_streams=_count(structure.video_streams, reading, "video"),
        audio_streams=_count(structure.audio_streams, reading, "audio"),
        fragmented=structure.fragmented,
        faststart=structure.faststart,
        edit_list=structure.edit_list,
        truncated=structure.truncated,
        encrypted=structure.encrypted,
        audio=AudioFacts(sound.codec, sound.channels, sound.sample_rate) if sound is not None else None,
        **(_picture(structure, picture) if picture is not None else {}),
    )
    return replace(facts, unknown=_unknown(facts, structure, has_picture=picture is not None))


def _durations(
    structure: Structure, reading: libav.Reading, picture: libav.Stream | None, sound: libav.Stream | None
) -> Durations:
    """The walk's durations; libav's where the walk is silent and does not say why."""
    walked, container = structure.durations, structure.durations.container
    if container is None and "durations.container" not in structure.unknown:
        container = reading.duration
    audio = walked.audio
    if audio is None and sound is not None and "durations.audio" not in structure.unknown:
        audio = sound.duration
    video = walked.video
    if video is None and picture is not None and "durations.video" not in structure.unknown:
        video = picture.duration
    present = walked.present
    if present is None and structure.truncated is False:
        present = video
    return replace(walked, container=container, video=video, audio=audio, present=present)


def _offset(reading: libav.Reading, picture: libav.Stream | None) -> Fraction | None:
    if picture is None or picture.start is None or reading.start is None:
        return None
    return max(picture.start - reading.start, Fraction(0))


def _count(walked: int | None, reading: libav.Reading, kind: str) -> int:
    return sum(s.kind == kind and not s.attached_picture for s in reading.streams) if walked is None else walked


def _picture(structure: Structure, picture: libav.Stream) -> dict[str, Any]:
    """The facts of the pictures, by name."""
    details = structure.details
    width, height = details.width or picture.width, details.height or picture.height
    turned = structure.rotation in (90, 270)
    return dict(  # noqa: C408  (they are the names of fields)
        codec=picture.codec,
        codec_tag=picture.codec_tag,
        codec_profile=details.profile or picture.profile,
        codec_level=details.level or _level(picture),
        pixel_format=details.pixel_format or picture.pixel_format,
        bit_depth=details.bit_depth or _depth(picture.pixel_format),
        color_primaries=details.color_primaries or codecs.PRIMARIES.get(picture.color_primaries or 0),
        color_transfer=details.color_transfer or codecs.TRANSFERS.get(picture.color_transfer or 0),
        interlaced=details.interlaced,
        width=height if turned else width,
        height=width if turned else height,
        coded_width=width,
        coded_height=height,
        rotation=structure.rotation,
        sample_aspect_ratio=details.sample_aspect_ratio or picture.sample_aspect_ratio or Fraction(1),
        frame_rate=structure.frame_rate or picture.frame_rate,
        variable_frame_rate=structure.variable_frame_rate,
        frames=structure.frames or (None if "frames" in structure.unknown else picture.frames),
    )


def _level(picture: libav.Stream) -> str | None:
    if picture.codec != "h264" or not picture.level:
        return None
    return f"{picture.level // 10}.{picture.level % 10}"


def _depth(pixel_format: str | None) -> int | None:
    """Bits of a sample by libav's name of a format: a number before the byte order, else 8."""
    if pixel_format is None:
        return None
    digits = pixel_format.removesuffix("le").removesuffix("be").rpartition("p")[2]
    return int(digits) if digits.isdigit() and pixel_format.endswith(("le", "be")) else 8


_EXPECTED = (
    "durations.container", "durations.video", "durations.present", "codec", "codec_profile", "codec_level",
    "pixel_format", "bit_depth", "color_transfer", "color_primaries", "interlaced", "width", "height", "frame_rate",
    "variable_frame_rate", "frames", "truncated", "encrypted", "faststart",
)  # fmt: skip


def _unknown(facts: VideoFacts, structure: Structure, *, has_picture: bool) -> tuple[Unknown, ...]:
    """Why each open fact is open."""
    names = _EXPECTED if has_picture else ("durations.container", "truncated")
    found = []
    for name in names:
        value: object = facts
        for part in name.split("."):
            value = getattr(value, part)
        if value is None:
            found.append(Unknown(name, structure.unknown.get(name, f"the {facts.container} header does not say")))
    return tuple(found)
