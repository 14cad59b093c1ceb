"""The clips of the benchmark, made with PyAV alone and kept in a cache folder.

Real bit rates decide how far a range reaches and what a probe must skip, so the encoders are held to constant ones.
Three encodes; everything else is those, remuxed by stream copy.
"""

from __future__ import annotations

import io
import random
from array import array
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from av.container import OutputContainer

_RATE = 48000
#: `x264` fills up to the rate, as hardware encoders do, and leaves the choice of B-frames to us.
_H264 = {"preset": "ultrafast", "bf": "2", "x264-params": "nal-hrd=cbr:force-cfr=1:scenecut=0:b-adapt=1"}
_GOP = 60
_ONE_PER_KEYFRAME = "frag_keyframe+empty_moov+default_base_moof"

#: Clip -> the file's extension, which is also its media type.
CLIPS = {
    "fast8": "mp4",
    "tail8": "mp4",
    "fast30": "mp4",
    "tail30": "mp4",
    "fast90": "mp4",
    "tail90": "mp4",
    "hevc10": "mp4",
    "frag-sidx": "mp4",
    "frag-mfra": "mp4",
    "frag-none": "mp4",
    "norm": "mkv",
    "nodur": "mkv",
    "vp9": "webm",
    "live": "webm",
    "ts": "ts",
    "avi": "avi",
    "trunc-fast8": "mp4",
    "trunc-tail8": "mp4",
    "image": "jpg",
}


def clips(folder: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """Every clip by name; those that are not in `folder` yet are made (some 30 s on two cores, 400 MB).

    Another edition of this module or of libav makes its own: the folder inside is named after both.
    """
    edition = sha256(Path(__file__).read_bytes() + av.ffmpeg_version_info.encode()).hexdigest()[:12]
    home = folder / edition
    home.mkdir(parents=True, exist_ok=True)
    paths = {name: home / f"{name}.{extension}" for name, extension in CLIPS.items()}
    for name, path in paths.items():
        if not path.exists():
            say(f"making {path.name}")
            part = path.with_name(f"part-{path.name}")  # an interrupted run leaves no half clip under the real name
            _make(name, part, paths)
            part.rename(path)
    return paths


def _make(name: str, path: Path, have: dict[str, Path]) -> None:  # noqa: C901, PLR0912  (a table in the form of a match)
    match name:
        case "fast8":
            _encode(path, 8, {"movflags": "faststart"})
        case "fast30":
            _encode(path, 30, {"movflags": "faststart"})
        case "tail8" | "ts" | "norm":
            _remux(have["fast8"], path)
        case "tail30":
            _remux(have["fast30"], path)
        case "fast90":
            _remux(have["fast30"], path, {"movflags": "faststart"}, times=3)
        case "tail90":
            _remux(have["fast30"], path, times=3)
        case "frag-sidx":
            _remux(have["fast30"], path, {"movflags": f"{_ONE_PER_KEYFRAME}+global_sidx+skip_trailer"})
        case "frag-mfra":
            _remux(have["fast30"], path, {"movflags": _ONE_PER_KEYFRAME})
        case "frag-none":
            _remux(have["fast30"], path, {"movflags": f"{_ONE_PER_KEYFRAME}+skip_trailer"})
        case "hevc10":
            options = {"preset": "ultrafast", "x265-params": "log-level=none"}
            _encode(path, 6, {}, video="libx265", options=options, size=(1280, 720), bits=4_000_000, audio=None)
        case "vp9":
            options = {"deadline": "realtime", "cpu-used": "8", "row-mt": "1"}
            _encode(path, 8, {}, video="libvpx-vp9", options=options, size=(1280, 720), bits=3_800_000, audio="libopus")
        case "avi":
            _encode(path, 6, {}, video="mpeg4", options={}, bits=20_000_000, audio="libmp3lame")
        case "nodur":
            _to_pipe(have["fast8"], path, "matroska", {})
        case "live":
            _to_pipe(have["vp9"], path, "webm", {"live": "1"})
        case "trunc-fast8" | "trunc-tail8":
            whole = have[name.removeprefix("trunc-")].read_bytes()
            path.write_bytes(whole[: len(whole) // 2])
        case "image":
            path.write_bytes(_picture())
        case _:
            raise LookupError(name)


# ------------------------------------------------------------------------------------------------------ encoding


def _encode(
    path: Path,
    seconds: int,
    muxer: dict[str, str],
    *,
    video: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (1920, 1080),
    bits: int = 7_700_000,
    audio: str | None = "aac",
) -> None:
    """Write `seconds` of moving noise at 30 frames and `bits` each second, with hiss."""
    with av.open(str(path), "w", options=muxer) as output:
        stream = cast("av.VideoStream", output.add_stream(cast("Any", video), rate=30))
        context = stream.codec_context
        context.width, context.height = size
        context.pix_fmt = "yuv420p10le" if video == "libx265" else "yuv420p"
        context.bit_rate, context.gop_size = bits, _GOP
        rate = {"maxrate": str(bits), "bufsize": str(bits)}
        context.options = rate | (_H264 if options is None else options)
        sound = cast("av.AudioStream", output.add_stream(cast("Any", audio), rate=_RATE)) if audio else None
        hiss = _hiss(seconds) if sound is not None else iter(())
        for number, picture in enumerate(_pictures(seconds * 30, size)):
            output.mux(stream.encode(picture.reformat(format=context.pix_fmt)))
            while sound is not None and (frame := next(hiss, None)) is not None:
                output.mux(sound.encode(frame))
                if (frame.pts or 0) * 30 > number * _RATE:
                    break
        output.mux(stream.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))


def _pictures(count: int, size: tuple[int, int]) -> Iterator[VideoFrame]:
    """Faint noise that scrolls, with a band of other noise in each picture: cheap to make, never at rest."""
    width, height = size
    dice = random.Random(8)  # noqa: S311  (the same clip every time)
    faint = bytes(96 + level // 4 for level in range(256))
    noise = dice.randbytes(width * height * 2).translate(faint)
    color = dice.randbytes(width * height).translate(faint)
    for number in range(count):
        frame = VideoFrame(width, height, "yuv420p")
        for plane, source, step in zip(frame.planes, (noise, color, color), (8, 4, 4), strict=True):
            length = plane.line_size * plane.height
            start = number * step * plane.line_size % (len(source) - length)
            band = plane.line_size * 64
            other = number * 7919 * 16 % (len(source) - band)
            plane.update(source[start : start + length - band] + source[other : other + band])
        frame.pts, frame.time_base = number, Fraction(1, 30)
        # B-frames in a fifth of the time: the index has to tell their offsets. How many there are is our choice, and
        # it decides the size of the index: 72 KB for 90 s without, 83 KB like this, 94 KB with B-frames throughout.
        if number % _GOP >= 4 * _GOP // 5 and number % 3:
            frame.pict_type = PictureType.B
        yield frame


def _hiss(seconds: int) -> Iterator[AudioFrame]:
    dice = random.Random(9)  # noqa: S311
    noises = [array("f", (dice.uniform(-0.1, 0.1) for _ in range(1024))).tobytes() for _ in range(8)]
    for number in range(seconds * _RATE // 1024 + 1):
        frame = AudioFrame("fltp", "stereo", 1024)
        for channel, plane in enumerate(frame.planes):
            plane.update(noises[(number + channel) % len(noises)])
        frame.pts, frame.sample_rate, frame.time_base = number * 1024, _RATE, Fraction(1, _RATE)
        yield frame


def _picture() -> bytes:
    """Encode one JPEG of about 3 MB."""
    frame = next(_pictures(1, (3840, 2160))).reformat(format="yuvj420p")
    context = av.CodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt, context.time_base = 3840, 2160, "yuvj420p", Fraction(1, 30)
    context.options = {"qmin": "6", "qmax": "6"}
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


# ----------------------------------------------------------------------------------------------------- remuxing


class _Pipe(io.RawIOBase):
    """A sink that cannot seek, as a live recorder's."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, data: Any) -> int:
        return self._file.write(bytes(data))

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()


def _to_pipe(source: Path, path: Path, format_: str, muxer: dict[str, str]) -> None:
    with _Pipe(path) as pipe, av.open(cast("Any", pipe), "w", format=format_, options=muxer) as output:
        _copy(source, output, 1)


def _remux(source: Path, path: Path, muxer: dict[str, str] | None = None, *, times: int = 1) -> None:
    with av.open(str(path), "w", options=muxer or {}) as output:
        _copy(source, output, times)


def _copy(source: Path, output: OutputContainer, times: int) -> None:
    """Copy every packet `times` over, one showing after the other."""
    shift = Fraction(0)
    targets: dict[int, Any] = {}
    for _ in range(times):
        with av.open(str(source)) as given:
            for packet in given.demux():
                if packet.dts is None or packet.pts is None:
                    continue
                stream = packet.stream
                if stream.index not in targets:
                    for each in given.streams:
                        targets[each.index] = output.add_stream_from_template(cast("Any", each))
                packet.pts += round(shift / packet.time_base)
                packet.dts += round(shift / packet.time_base)
                packet.stream = targets[stream.index]
                output.mux(packet)
            # One sound frame more: the sound of each showing begins a frame before its picture.
            shift += Fraction(given.duration or 0, av.time_base) + Fraction(1024, _RATE)
