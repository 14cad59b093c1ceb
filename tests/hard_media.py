"""The hard media: each one a file that readers disagree about, or one that stands exactly at a limit.

Every row says what the provider's window must make of it under both orientations. What its facts are is not written
here: the truth is read off a full decode of the same bytes (`truth`).
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, partial
from typing import TYPE_CHECKING

import av

from tests.media import Clip, boxes, build, find_box, patch

if TYPE_CHECKING:
    from collections.abc import Callable

F = Fraction
#: Sides that every profile accepts, and few frames: quick to make.
GOOD = Clip(width=352, height=352, fps=F(10), gop=10)
FASTSTART = {"muxer": (("movflags", "faststart"),), "by_name": True}


@dataclass(frozen=True)
class Row:
    """A medium and the verdicts that it must get: `image` orientation (3-10 s), `video` orientation (3-30 s)."""

    name: str
    make: Callable[[], bytes]
    image: str
    video: str
    rules: frozenset[str] = frozenset()
    """Rules that must speak under orientation `image`."""
    declared: bool = True
    """Does the header state a duration for libav to read? Where it does not, ours comes from the blocks."""
    whole: bool | None = True
    """Is every frame in the file? False: `present` must say how much is; None: damage that no header can measure."""


@dataclass(frozen=True)
class Truth:
    """What libav says of the whole file, and what a decoder really shows."""

    container: Fraction | None
    video: Fraction
    frames: int
    width: int
    height: int
    pixel_format: str | None
    rotation: int
    audio: bool


def truth(data: bytes) -> Truth:
    """Decode every frame."""
    with av.open(io.BytesIO(data), mode="r") as container:
        seconds = Fraction(container.duration, av.time_base) if container.duration else None
        stream = container.streams.video[0]
        starts: list[Fraction] = []
        stops: list[Fraction] = []
        rotation, size = 0, (0, 0)
        try:
            for frame in container.decode(stream):
                assert frame.pts is not None
                assert frame.time_base is not None
                starts.append(frame.pts * frame.time_base)
                stops.append((frame.pts + (frame.duration or 0)) * frame.time_base)
                rotation, size = -frame.rotation % 360, (frame.width, frame.height)
        except av.error.InvalidDataError:
            pass  # the cut frame of a truncated file: what came before is what is there
        return Truth(
            container=seconds,
            video=max(stops) - min(starts),
            frames=len(starts),
            width=size[rotation in (90, 270)],
            height=size[rotation not in (90, 270)],
            pixel_format=stream.codec_context.pix_fmt,
            rotation=rotation,
            audio=bool(container.streams.audio),
        )


# ------------------------------------------------------------------------------------------------ makers


def mp4(**changes: object) -> Callable[[], bytes]:
    """A clip that differs from the good one in these fields."""
    return partial(build, replace(GOOD, **changes))  # type: ignore[arg-type]


def changed(make: Callable[[], bytes], change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """A file operated upon after it was made."""
    return cache(lambda: change(make()))


def _header_lies(duration_factor: int, *, tracks: bool) -> Callable[[bytes], bytes]:
    def lie(data: bytes) -> bytes:
        places = [(find_box(data, b"moov", b"mvhd")[0] + 24)]
        if tracks:
            places += [
                find_box(data, b"moov", b"trak", b"tkhd")[0] + 28,
                find_box(data, b"moov", b"trak", b"mdia", b"mdhd")[0] + 24,
            ]
        for place in places:
            (value,) = struct.unpack_from(">I", data, place)
            data = patch(data, place, struct.pack(">I", value * duration_factor // 3))
        return data

    return lie


def _unknown_header(data: bytes) -> bytes:
    return patch(data, find_box(data, b"moov", b"mvhd")[0] + 24, b"\xff\xff\xff\xff")


def _trimmed_by_edit(data: bytes) -> bytes:
    start, _ = find_box(data, b"moov", b"trak", b"edts", b"elst")
    timescale = struct.unpack_from(">I", data, find_box(data, b"moov", b"mvhd")[0] + 20)[0]
    return patch(data, start + 16, struct.pack(">I", 4 * timescale))


def _cut(share: Fraction) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def _cut_media(data: bytes) -> bytes:
    """A faststart file that ends in the middle of its media."""
    start, stop = next((s, e) for kind, s, e in boxes(data) if kind == b"mdat")
    return data[: start + (stop - start) // 2]


def _zeroed_middle(data: bytes) -> bytes:
    start, stop = next((s, e) for kind, s, e in boxes(data) if kind == b"mdat")
    first, last = start + (stop - start) // 2, start + (stop - start) * 3 // 4
    return data[:first] + bytes(last - first) + data[last:]


def _with_tail(size: int) -> Callable[[bytes], bytes]:
    return lambda data: data + b"\xa5" * size


def _without_first_packets(data: bytes) -> bytes:
    return data[:376] + data[376 + 188 * 40 :]


def _no_major_brand(data: bytes) -> bytes:
    start, stop = find_box(data, b"ftyp")
    return data[:start] + struct.pack(">I4s", stop - start, b"free") + data[start + 8 :]


def _brand(name: bytes) -> Callable[[bytes], bytes]:
    return lambda data: patch(data, find_box(data, b"ftyp")[0] + 8, name)


def _without_tags(data: bytes) -> bytes:
    return data.replace(b"DURATION", b"DURATIOX")


def fragmented(flags: str, **changes: object) -> Callable[[], bytes]:
    """A fragmented clip by ffmpeg's movflags."""
    return mp4(muxer=(("movflags", flags),), **changes)


SIX = {"video": F(6), "audio": F(6)}
WEBM = {"format": "webm", "codec": "libvpx", "audio_codec": "libopus"}
AVI = {"format": "avi", "codec": "mpeg4", "audio_codec": "libmp3lame"}
UNEVEN = tuple(F(n, 10) + (F(n % 3, 40) if n else F(0)) for n in range(60))

ROWS: tuple[Row, ...] = (
    # exactly at the limits, and a frame beside them
    Row("3.000", mp4(video=F(3)), "warn", "warn", frozenset({"video-no-audio"})),
    Row("10.000", mp4(video=F(10), audio=F(10)), "pass", "pass"),
    Row("30.000", mp4(video=F(30)), "fail", "warn", frozenset({"video-too-long"})),
    Row("2.99", mp4(video=F(299, 100), fps=F(100)), "warn", "warn", frozenset({"video-duration-borderline"})),
    Row("2.94", mp4(video=F(294, 100), fps=F(50)), "fail", "fail", frozenset({"video-too-short"})),
    Row("10.02-video-10.00", mp4(video=F(10), audio=F(1002, 100)), "warn", "pass",
        frozenset({"video-duration-borderline"})),
    Row("10.05", mp4(video=F(1005, 100), fps=F(20)), "warn", "warn", frozenset({"video-duration-borderline"})),
    Row("10.06", mp4(video=F(1006, 100), fps=F(50)), "fail", "warn", frozenset({"video-too-long"})),
    Row("30.01", mp4(video=F(3001, 100), fps=F(100)), "fail", "warn", frozenset({"video-too-long"})),
    Row("30.06", mp4(video=F(3006, 100), fps=F(50)), "fail", "fail", frozenset({"video-too-long"})),
    # two streams of different length
    Row("audio-8-video-6", mp4(video=F(6), audio=F(8)), "warn", "warn", frozenset({"video-audio-longer"})),
    Row("audio-12-video-6", mp4(video=F(6), audio=F(12)), "fail", "warn", frozenset({"video-too-long"})),
    Row("audio-2-video-6", mp4(video=F(6), audio=F(2)), "pass", "pass"),
    Row("mkv-audio-8-video-6", mp4(format="matroska", video=F(6), audio=F(8)), "warn", "warn",
        frozenset({"video-container"})),
    Row("mkv-no-track-durations", changed(mp4(format="matroska", video=F(6), audio=F(8)), _without_tags),
        "warn", "warn", frozenset({"video-container"})),
    Row("priming-10", mp4(video=F(10), audio=F(10), **FASTSTART), "pass", "pass"),
    Row("priming-15", mp4(video=F(15), audio=F(15)), "fail", "pass"),
    # fragments
    Row("frag-b-frames", fragmented("frag_keyframe+empty_moov", **SIX, b_frames=2), "warn", "warn"),
    Row("frag-hybrid", fragmented("frag_keyframe", **SIX, b_frames=2), "warn", "warn"),
    Row("frag-default-base", fragmented("frag_keyframe+empty_moov+default_base_moof", **SIX), "pass", "pass"),
    Row("frag-no-mfra", fragmented("frag_keyframe+empty_moov+skip_trailer", **SIX), "pass", "pass"),
    Row("frag-global-sidx", fragmented("frag_keyframe+empty_moov+default_base_moof+global_sidx", **SIX, by_name=True),
        "pass", "pass"),
    Row("frag-dash", fragmented("dash+frag_keyframe", **SIX), "pass", "pass"),
    Row("frag-video-only", fragmented("frag_keyframe+empty_moov", video=F(6), b_frames=2), "warn", "warn"),
    Row("frag-cut", changed(fragmented("frag_keyframe+empty_moov+skip_trailer", **SIX), _cut(F(4, 5))), "fail", "fail",
        frozenset({"video-truncated"}), whole=False),
    # the clock of the frames
    Row("vfr", mp4(video=F(6), times=UNEVEN), "warn", "warn", frozenset({"video-variable-frame-rate"})),
    Row("vfr-b-frames", mp4(video=F(6), times=UNEVEN, b_frames=2), "warn", "warn",
        frozenset({"video-variable-frame-rate"})),
    Row("b-frames", mp4(**SIX, b_frames=2), "pass", "pass"),
    Row("starts-at-2", mp4(**(SIX | {"audio": F(8)}), start=F(2)), "warn", "warn", frozenset({"video-starts-late"})),
    Row("30000/1001", mp4(video=F(6), fps=F(30000, 1001)), "warn", "warn"),
    # what the header claims
    Row("edit-6-to-4", changed(mp4(video=F(6)), _trimmed_by_edit), "warn", "warn"),
    Row("mvhd-lies", changed(mp4(**SIX), _header_lies(1, tracks=False)), "pass", "pass"),
    Row("all-headers-lie", changed(mp4(video=F(6)), _header_lies(9, tracks=True)), "warn", "warn"),
    Row("mvhd-unknown", changed(mp4(**SIX), _unknown_header), "pass", "pass"),
    # damage
    Row("cut-faststart", changed(mp4(**SIX, **FASTSTART), _cut_media), "fail", "fail",
        frozenset({"video-truncated"}), whole=False),
    Row("cut-moov-at-end", changed(mp4(**SIX), _cut(F(1, 2))), "fail", "fail", frozenset({"video-truncated"})),
    Row("junk-behind", changed(mp4(**SIX), _with_tail(200_000)), "pass", "pass"),
    Row("zeroed-middle", changed(mp4(**SIX, **FASTSTART), _zeroed_middle), "pass", "pass", whole=None),
    # other containers
    Row("webm", mp4(**SIX, **WEBM), "warn", "warn", frozenset({"video-container"})),
    Row("webm-vp9", mp4(**SIX, **(WEBM | {"codec": "libvpx-vp9"})), "warn", "warn", frozenset({"video-container"})),
    Row("webm-live", mp4(**SIX, **WEBM, to_pipe=True, muxer=(("live", "1"),)), "warn", "warn",
        frozenset({"video-duration-undeclared"}), declared=False),
    Row("mkv-piped", mp4(**SIX, format="matroska", to_pipe=True), "warn", "warn",
        frozenset({"video-duration-undeclared"}), declared=False),
    Row("mkv", mp4(**SIX, format="matroska"), "warn", "warn"),
    Row("ts", mp4(**SIX, format="mpegts"), "warn", "warn"),
    Row("ts-at-10", mp4(**SIX, format="mpegts", muxer=(("output_ts_offset", "10"),)), "warn", "warn"),
    Row("avi", mp4(**SIX, **AVI), "warn", "warn"),
    Row("avi-cut", changed(mp4(**SIX, **AVI), _cut(F(1, 2))), "fail", "fail",
        frozenset({"video-truncated"}), whole=None),
    Row("mkv-cut", changed(mp4(**SIX, format="matroska"), _cut(F(1, 2))), "fail", "fail",
        frozenset({"video-truncated"}), whole=None),
    Row("mov", mp4(**SIX, format="mov"), "pass", "pass"),
    Row("m4v", changed(mp4(**SIX), _brand(b"M4V ")), "pass", "pass"),
    Row("3gp", changed(mp4(**SIX), _brand(b"3gp6")), "warn", "warn"),
    Row("no-ftyp", changed(mp4(**SIX), _no_major_brand), "pass", "pass"),
    # the picture
    Row("rotated-90", mp4(**SIX, width=640, height=352, clockwise=90), "warn", "warn", frozenset({"video-rotated"})),
    Row("rotated-180", mp4(**SIX, clockwise=180), "warn", "warn", frozenset({"video-rotated"})),
    Row("rotated-270", mp4(**SIX, width=640, height=352, clockwise=270, format="mov"), "warn", "warn",
        frozenset({"video-rotated"})),
    Row("side-340", mp4(**SIX, width=340, height=340), "pass", "pass"),
    Row("side-338", mp4(**SIX, width=338, height=340), "fail", "fail", frozenset({"video-side-too-small"})),
    Row("side-3850", mp4(video=F(3), fps=F(1), width=3850, height=1936), "warn", "warn"),
    Row("side-3852", mp4(video=F(3), fps=F(1), width=3852, height=1936), "fail", "fail",
        frozenset({"video-side-too-large"})),
    Row("rotated-side-338", mp4(**SIX, width=640, height=338, clockwise=90), "fail", "fail",
        frozenset({"video-side-too-small"})),
    Row("anamorphic", mp4(**SIX, attributes=(("sample_aspect_ratio", F(4, 3)),)), "warn", "warn",
        frozenset({"video-anamorphic"})),
    Row("hevc-10-bit", mp4(**SIX, codec="libx265", pixel_format="yuv420p10le"), "warn", "warn",
        frozenset({"video-high-bit-depth"})),
    Row("hdr", mp4(**SIX, codec="libx265", pixel_format="yuv420p10le",
                   attributes=(("color_trc", 16), ("color_primaries", 9), ("colorspace", 9))), "warn", "warn",
        frozenset({"video-hdr"})),
    Row("h264-422-10", mp4(**SIX, pixel_format="yuv422p10le"), "warn", "warn", frozenset({"video-high-bit-depth"})),
    Row("av1", mp4(video=F(3), codec="libsvtav1"), "warn", "warn", frozenset({"video-codec-unusual"})),
    Row("prores", mp4(video=F(3), format="mov", codec="prores_ks", pixel_format="yuv422p10le"), "warn", "warn",
        frozenset({"video-codec-unusual"})),
    Row("mpeg4", mp4(video=F(3), codec="mpeg4"), "warn", "warn", frozenset({"video-codec-unusual"})),
    Row("two-videos", mp4(**SIX, video_copies=2), "warn", "warn", frozenset({"video-several-streams"})),
)  # fmt: skip
