"""The only importer of `av`: libav's reading of bytes that the structure walk has chosen.

libav gets a finite run of bytes, a forced format and no name, and two lists forbid it every other format and every
protocol: it can open nothing else and read nothing more.
The limits below make it answer from headers; what they cost (pixel format, profile) the walk recovers.
PyAV 18.1 (libavformat 62): `read` must return `bytes`, never raise, never return more than asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import av
import av.logging
import av.subtitles.stream  # else loaded with the first file, when nothing may be opened any more

Format = Literal["mov", "matroska", "mpegts", "avi"]

#: Header answers only. `fflags=+ignidx` keeps libav from hunting for an index that it was not given.
_OPTIONS = {
    "probesize": "32",
    "analyzeduration": "1",
    "fpsprobesize": "0",
    "fflags": "+ignidx",
    "protocol_whitelist": "none",
    "format_whitelist": "mov,matroska,webm,mpegts,avi",
}
#: A transport stream has no header: its parameters and its times are in its packets.
_PACKET_OPTIONS = {name: _OPTIONS[name] for name in ("protocol_whitelist", "format_whitelist")}

#: A packet of a transport stream's service names (PID 17), between its neighbours or at an end of the bytes.
_SERVICE_NAMES = re.compile(
    rb"\x47[\x00\x20\x40\x60\x80\xa0\xc0\xe0]\x11(?:%s)"
    % b"|".join(
        rb"(?:(?<=\x47.{%d})|(?<!.{%d}))(?=.{%d}\x47|.{,%d}\Z)" % (n + 2, n + 3, n - 3, n - 3) for n in (188, 192, 204)
    ),
    re.DOTALL,
)

#: As a number: the flags of an enumeration are slow to combine.
_ATTACHED_PICTURE = int(av.stream.Disposition.attached_pic)

av.logging.set_level(None)


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream as libav reads it; seconds are exact."""

    id: int
    kind: str
    codec: str | None
    codec_tag: str | None
    profile: str | None
    level: int | None
    duration: Fraction | None
    start: Fraction | None
    frames: int | None
    attached_picture: bool = False
    pixel_format: str | None = None
    width: int | None = None
    height: int | None = None
    sample_aspect_ratio: Fraction | None = None
    frame_rate: Fraction | None = None
    channels: int | None = None
    sample_rate: int | None = None
    color_primaries: int | None = None
    """H.273 number."""
    color_transfer: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A container as libav reads it."""

    duration: Fraction | None
    start: Fraction | None
    streams: tuple[Stream, ...]

    def first(self, kind: str, stream_id: int | None = None) -> Stream | None:
        """The stream of that id, or the first of its kind that is not an attached picture."""
        own = [stream for stream in self.streams if stream.kind == kind and not stream.attached_picture]
        return next((stream for stream in own if stream.id == stream_id), own[0] if own else None)


class Unreadable(Exception):
    """libav refuses the bytes."""


class _Bytes:
    """What libav reads from: bytes, and the size that the file is said to have. No name, no mode, no exceptions."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._position = data, size, 0

    def read(self, count: int) -> bytes:
        """At most `count` bytes; empty behind the last that is here."""
        chunk = self._data[self._position : self._position + count]
        self._position += len(chunk)
        return chunk

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move, as files do."""
        self._position = max(0, (0, self._position, self._size)[whence] + offset)
        return self._position

    def tell(self) -> int:
        """Where we are."""
        return self._position


@cache
def prove_refusals() -> None:
    """Prove that libav heeds both lists, for an option whose name it does not know it ignores without a word.

    A format that is not on the list must be refused, and so must a file that a list of files names, were lists of
    files allowed. Should either be opened all the same, it would be these few bytes and nothing of this machine.

    Raises:
        RuntimeError: it opens one of them.
    """
    lists = {"format_whitelist": "concat,ffmetadata", "safe": "0"}
    trials: tuple[tuple[str, bytes, dict[str, str]], ...] = (
        ("ffmetadata", b";FFMETADATA1\n", {}),
        ("concat", b"ffconcat version 1.0\nfile 'data:,;FFMETADATA1'\n", lists),
    )
    for name, content, widened in trials:
        try:
            av.open(_Bytes(content, len(content)), format=name, options=_PACKET_OPTIONS | widened).close()
        except av.error.ArgumentError:
            continue
        raise RuntimeError(f"libav {version()} ignores what it is forbidden: it opened {name}")


def read(data: bytes, format: Format, size: int | None = None) -> Reading:  # noqa: A002  (libav's own word)
    """What libav says of these bytes, the head of a file of `size` bytes (default: all of it).

    Raises:
        Unreadable: it says nothing.
        RuntimeError: it does not heed its limits.
    """
    prove_refusals()
    if format == "mpegts":
        # Nobody needs them, and for each of their many character sets libc would load a table from a file.
        data = _SERVICE_NAMES.sub(b"\x47\x1f\xff", data)
    options = _PACKET_OPTIONS if format == "mpegts" else _OPTIONS
    try:
        with av.open(
            _Bytes(data, max(size or 0, len(data))),
            mode="r",
            format=format,
            options=options,
            buffer_size=4096,
            metadata_errors="replace",
        ) as container:
            return Reading(
                duration=Fraction(container.duration, av.time_base) if container.duration else None,
                start=Fraction(container.start_time, av.time_base) if container.start_time is not None else None,
                streams=tuple(_stream(stream) for stream in container.streams),
            )
    except Exception as error:
        # libav raises errors of many families on hostile bytes (InvalidData, Argument, Index, Memory, …): they all
        # mean one thing here. Its text is dropped, for it is not ours.
        raise Unreadable(type(error).__name__) from error


def _stream(stream: av.stream.Stream) -> Stream:
    base = stream.time_base
    # PyAV has no codec context for a codec that its libav cannot decode.
    context: Any = stream.codec_context
    video = context if stream.type == "video" else None
    audio = context if stream.type == "audio" else None
    return Stream(
        id=stream.id,
        kind=stream.type,
        codec=context.codec.canonical_name if context else None,
        codec_tag=_printable(context.codec_tag) if context else None,
        profile=context.profile if context else None,
        level=context.level if video and context.level >= 0 else None,
        duration=_seconds(stream.duration, base),
        start=_seconds(stream.start_time, base),
        frames=stream.frames or None,
        attached_picture=bool(int(stream.disposition) & _ATTACHED_PICTURE),
        pixel_format=video.pix_fmt if video else None,
        width=video.width or None if video else None,
        height=video.height or None if video else None,
        sample_aspect_ratio=stream.sample_aspect_ratio or None if isinstance(stream, av.VideoStream) else None,
        frame_rate=stream.average_rate or None if isinstance(stream, av.VideoStream) else None,
        color_primaries=video.color_primaries if video else None,
        color_transfer=video.color_trc if video else None,
        channels=audio.channels or None if audio else None,
        sample_rate=audio.sample_rate or None if audio else None,
    )


def _seconds(ticks: int | None, base: Fraction | None) -> Fraction | None:
    return None if ticks is None or base is None else ticks * base


def _printable(tag: str) -> str | None:
    return tag if tag.isascii() and tag.isprintable() and tag.strip() else None


def version() -> str:
    """The version of libavformat that reads."""
    return ".".join(map(str, av.library_versions["libavformat"]))
