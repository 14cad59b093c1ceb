"""Hard media, built at run time with PyAV alone: nothing here needs an ffmpeg binary."""

from __future__ import annotations

import io
import os
import struct
import tempfile
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.video.frame import VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AAC_FRAME = 1024


@dataclass(frozen=True)
class Clip:
    """A recipe. Seconds and pixels; `video=None` or `audio=None` leaves that stream out."""

    format: str = "mp4"
    video: Fraction | None = Fraction(4)
    audio: Fraction | None = None
    fps: Fraction = Fraction(25)
    width: int = 64
    height: int = 48
    codec: str = "libx264"
    audio_codec: str = "aac"
    pixel_format: str = "yuv420p"
    b_frames: int = 0
    gop: int = 12
    times: tuple[Fraction, ...] | None = None
    """Presentation times of the frames (variable frame rate); overrides `video` and `fps`."""
    muxer: tuple[tuple[str, str], ...] = ()
    codec_options: tuple[tuple[str, str], ...] = ()
    video_copies: int = 1
    time_base: Fraction | None = None
    sample_rate: int = 48000
    to_pipe: bool = False
    """Write to something that cannot seek, as a live recorder does."""
    start: Fraction = Fraction(0)
    """When the first frame is shown."""
    clockwise: int = 0
    """Degrees that a player turns the picture."""
    by_name: bool = False
    """Write to a named file: a muxer that reads its own output again needs one."""
    attributes: tuple[tuple[str, object], ...] = field(default=())
    """Set on the video's codec context: `sample_aspect_ratio`, `color_trc`, …"""


class _Pipe(io.RawIOBase):
    """A sink that cannot seek."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, data: object) -> int:
        """Append."""
        chunk = bytes(data)  # type: ignore[call-overload]
        self.data += chunk
        return len(chunk)

    def writable(self) -> bool:
        """Yes."""
        return True


@cache
def build(clip: Clip) -> bytes:
    """The file of a recipe."""
    try:
        return _built(clip)
    finally:
        # SVT-AV1 gives whoever calls it as root the highest real-time priority. Every process that the tests start
        # would inherit that, and one that waits for something in a loop would then stop the whole machine.
        if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _built(clip: Clip) -> bytes:
    if clip.by_name:
        with tempfile.NamedTemporaryFile(suffix=f".{clip.format}") as file:
            _write(clip, file.name)
            return Path(file.name).read_bytes()
    sink: io.BytesIO | _Pipe = _Pipe() if clip.to_pipe else io.BytesIO()
    _write(clip, sink)
    return bytes(sink.data) if isinstance(sink, _Pipe) else sink.getvalue()


def _write(clip: Clip, sink: Any) -> None:
    with av.open(sink, "w", format=clip.format, options=dict(clip.muxer)) as output:
        videos = [_add_video(output, clip) for _ in range(clip.video_copies)] if clip.video is not None else []
        sound = _add_audio(output, clip) if clip.audio is not None else None
        pictures = _frames(clip) if videos else iter(())
        tones = _tones(clip) if sound else iter(())
        for frame in pictures:
            for stream in videos:
                output.mux(stream.encode(frame))
            while sound is not None and (tone := next(tones, None)) is not None:
                output.mux(sound.encode(tone))
                assert None not in (tone.pts, frame.pts, frame.time_base)
                if tone.pts / clip.sample_rate > frame.pts * frame.time_base:  # type: ignore[operator]
                    break
        for tone in tones:
            if sound is not None:
                output.mux(sound.encode(tone))
        for stream in videos:
            output.mux(stream.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))


def _add_video(output: av.container.OutputContainer, clip: Clip) -> av.VideoStream:
    stream: Any = output.add_stream(clip.codec, rate=clip.fps)
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = clip.width, clip.height, clip.pixel_format
    context.gop_size = clip.gop
    options = {"threads": "1"}
    if clip.codec == "libx264":
        options |= {"preset": "ultrafast", "x264-params": f"bframes={clip.b_frames}:scenecut=0:b-adapt=0", "qp": "40"}
    else:
        context.max_b_frames = clip.b_frames
    if clip.codec.startswith("libvpx"):
        options |= {"deadline": "realtime", "cpu-used": "8", "b": "50k"}
    if clip.codec == "libx265":
        options |= {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
    context.options = options | dict(clip.codec_options)
    if clip.clockwise:
        stream.set_display_rotation(-clip.clockwise)
    for name, value in clip.attributes:
        setattr(context, name, value)
    if clip.time_base or clip.times:
        context.time_base = clip.time_base or Fraction(1, 90000)
    return stream  # type: ignore[no-any-return]


def _add_audio(output: av.container.OutputContainer, clip: Clip) -> av.AudioStream:
    stream: Any = output.add_stream(clip.audio_codec, rate=clip.sample_rate, layout="mono")
    return stream  # type: ignore[no-any-return]


def _frames(clip: Clip) -> Iterator[VideoFrame]:
    assert clip.video is not None
    base = clip.time_base or (Fraction(1, 90000) if clip.times else 1 / clip.fps)
    times = clip.times or tuple(n / clip.fps for n in range(int(clip.video * clip.fps)))
    for number, at in enumerate(times):
        frame = VideoFrame(clip.width, clip.height, "rgb24")
        luma = (number * 7) % 256
        plane = frame.planes[0]
        row = bytes((luma, 255 - luma, (luma * 3) % 256)) * clip.width
        row += bytes(plane.line_size - len(row))
        plane.update(row * clip.height)
        frame = frame.reformat(format=clip.pixel_format)
        frame.pts, frame.time_base = int((at + clip.start) / base), base
        yield frame


def _tones(clip: Clip) -> Iterator[av.AudioFrame]:
    assert clip.audio is not None
    left, position = int(clip.audio * clip.sample_rate), 0
    while left:
        count = min(left, AAC_FRAME)
        sample_format = {"aac": "fltp", "libopus": "flt", "libmp3lame": "s16p"}.get(clip.audio_codec, "s16")
        frame = av.AudioFrame(format=sample_format, layout="mono", samples=count)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.pts, frame.sample_rate, frame.time_base = position, clip.sample_rate, Fraction(1, clip.sample_rate)
        yield frame
        position += count
        left -= count


# ------------------------------------------------------------------------------------------------ surgery


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> list[tuple[bytes, int, int]]:
    """The boxes of an ISO file between two offsets: type, start, stop."""
    found, stop = [], len(data) if stop is None else stop
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        if size == 1:
            size = struct.unpack_from(">Q", data, start + 8)[0]
        end = stop if size == 0 else start + size
        found.append((kind, start, end))
        start = end
    return found


def find_box(data: bytes, *path: bytes) -> tuple[int, int]:
    """The span of a nested box by path, `find_box(data, b"moov", b"trak", b"tkhd")`; the first of each name."""
    start, stop = 0, len(data)
    for name in path:
        start, stop = next((s, e) for kind, s, e in boxes(data, start, stop) if kind == name)
        whole, start = start, start + 8
    return whole, stop


def patch(data: bytes, offset: int, change: bytes | Callable[[bytes], bytes], size: int = 0) -> bytes:
    """`data` with the bytes at `offset` replaced."""
    new = change(data[offset : offset + size]) if callable(change) else change
    return data[:offset] + new + data[offset + len(new) :]
