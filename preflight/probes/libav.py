"""The only importer of `av`: libav's reading of bytes that the structure walk has chosen, and a video's first frame.

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
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import av
import av.logging
import av.subtitles.stream  # else loaded with the first file, when nothing may be opened any more

from preflight.deliver.sparse import Hole, Span

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

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
        data = _without_service_names(data)
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


def _without_service_names(data: bytes) -> bytes:
    """Nobody needs them, and for each of their many character sets libc would load a table from a file."""
    return _SERVICE_NAMES.sub(b"\x47\x1f\xff", data)


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


# ------------------------------------------------------------------------------------------- the first frame

#: What clips are coded with; no other decoder is ever opened.
_DECODERS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mpeg2video", "mjpeg", "prores"})
_DECODE_OPTIONS = {"codec_whitelist": ",".join(sorted(_DECODERS))}
#: What is read of a transport stream to learn what is in it.
_PACKET_LIMITS = {"probesize": "524288", "analyzeduration": "500000"}
#: A frame of 8192 x 4320 takes some 100 MB.
_MOST_PIXELS = 8192 * 4320
#: Packets before the first one that can be decoded by itself.
_MOST_PACKETS = 200
#: What is asked for where bytes are missing, and as much again as is held before them: a large frame takes few rounds.
_STEP_BYTES = 128 << 10


class Frame(NamedTuple):
    """Pixels, 24 bits each, in rows of `stride` bytes."""

    width: int
    height: int
    stride: int
    pixels: bytes


class _SparseFile(_Bytes):
    """A file of which only some spans are here. The first read of others is noted, and they look like its end."""

    def __init__(self, data: SparseBytes, format: Format) -> None:  # noqa: A002
        super().__init__(b"", data.total or 0)
        self._chunks = [
            (start, _without_service_names(chunk) if format == "mpegts" else chunk) for start, chunk in data.chunks()
        ]
        self.hole: Span | None = None

    def read(self, count: int) -> bytes:
        """What is here, up to `count` bytes; empty in a hole, and behind the end."""
        position = self._position
        for start, chunk in self._chunks:
            if start <= position < start + len(chunk):
                piece = chunk[position - start : position - start + count]
                self._position += len(piece)
                return piece
        if self.hole is None and position < self._size:
            before = sum(len(chunk) for start, chunk in self._chunks if start + len(chunk) == position)
            self.hole = Span(position, min(position + max(_STEP_BYTES, before), self._size))
        return b""


def first_frame(data: SparseBytes, format: Format, shape: Fraction, longest: int) -> Frame | None:  # noqa: A002
    """The first picture of a video that can be decoded by itself, as it is stored: not turned.

    Args:
        data: bytes in which the structure walk has found no fault.
        format: how they are laid out.
        shape: width to height of one stored pixel; the frame's are square.
        longest: pixels of its longer side at most.

    Raises:
        Hole: bytes are needed.
    """
    prove_refusals()
    file = _SparseFile(data, format)
    limits = _PACKET_OPTIONS | _PACKET_LIMITS if format == "mpegts" else _OPTIONS
    try:
        with av.open(file, mode="r", format=format, options=limits | _DECODE_OPTIONS, buffer_size=4096) as container:
            picture = _decoded(container, data)
            frame = None if picture is None else _scaled(picture, shape, longest)
    except Hole:
        raise
    except Exception:  # noqa: BLE001  (see `read`)
        frame = None
    if frame is None and file.hole is not None:
        raise Hole(file.hole)
    return frame


def _decoded(container: av.container.InputContainer, data: SparseBytes) -> av.VideoFrame | None:
    own = [stream for stream in container.streams.video if not int(stream.disposition) & _ATTACHED_PICTURE]
    if not own or own[0].codec_context.codec.name not in _DECODERS:
        return None
    for stream in container.streams:
        if stream.index != own[0].index:
            stream.discard = av.stream.Discard.all
    indexed = next((entry for entry in own[0].index_entries if entry.is_keyframe), None)
    if indexed is not None:
        # Where an index tells, exactly these bytes are asked for. (An entry lives no longer than its container.)
        data.read(indexed.pos, indexed.pos + indexed.size)
    decoder = own[0].codec_context
    decoder.thread_count = 1
    decoder.options = {"max_pixels": str(_MOST_PIXELS)}
    packets = islice(container.demux(own[0]), _MOST_PACKETS)
    packet = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
    return None if packet is None else next(iter([*decoder.decode(packet), *decoder.decode(None)]), None)


def _scaled(picture: av.VideoFrame, shape: Fraction, longest: int) -> Frame:
    width, height = picture.width * shape, Fraction(picture.height)
    scale = min(Fraction(1), Fraction(longest) / max(width, height))
    small = picture.reformat(max(round(width * scale), 1), max(round(height * scale), 1), "rgb24")
    return Frame(small.width, small.height, small.planes[0].line_size, bytes(small.planes[0]))


def _seconds(ticks: int | None, base: Fraction | None) -> Fraction | None:
    return None if ticks is None or base is None else ticks * base


def _printable(tag: str) -> str | None:
    return tag if tag.isascii() and tag.isprintable() and tag.strip() else None


def version() -> str:
    """The version of libavformat that reads."""
    return ".".join(map(str, av.library_versions["libavformat"]))
