"""Makes the sample media and their manifest: `python sample_media/make.py` (PyAV and Pillow alone, about 20 s).

A figure dances before an evening sky to a soft arpeggio. Every picture is a function of the time in seconds, every
encoder runs on one thread with bit-exact flags, and no clock is read: the same PyAV and Pillow on the same kind of
processor make the same bytes. `manifest.toml` says for each file how it was made and what a check of it must yield;
the tests hold both against a full decode.
"""

from __future__ import annotations

import hashlib
import math
import sys
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
PORTRAIT = (360, 640)
FRAME_RATE = 25
SAMPLE_RATE = 48_000


# ------------------------------------------------------------------------------------------- the picture

_SKY_TOP, _SKY_LOW, _FLOOR = (38, 30, 84), (244, 150, 122), (58, 44, 92)
_BODY, _SUN = (252, 244, 232), (255, 210, 130)


def scene(t: float, size: tuple[int, int]) -> Image.Image:
    """Draw the dancer at `t` seconds: twice as large, then scaled down, which smooths the edges."""
    width, height = size[0] * 2, size[1] * 2
    sky = Image.new("RGB", (1, height))
    for y in range(height):
        share = y / height
        sky.putpixel((0, y), tuple(round(a + (b - a) * share) for a, b in zip(_SKY_TOP, _SKY_LOW, strict=True)))
    picture = sky.resize((width, height))
    draw = ImageDraw.Draw(picture)
    unit = min(width, height) / 10
    sun = (width * 0.72, height * 0.3 + unit * 0.2 * math.sin(t))
    draw.circle(sun, unit * 1.3, fill=_SUN)
    draw.rectangle((0, height * 0.82, width, height), fill=_FLOOR)
    _dancer(draw, t, (width / 2, height * 0.82), unit)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _dancer(draw: ImageDraw.ImageDraw, t: float, ground: tuple[float, float], unit: float) -> None:
    beat = math.pi * t
    sway, bounce = math.sin(beat), abs(math.sin(beat))
    hip = (ground[0] + sway * unit * 0.6, ground[1] - unit * (3.4 + 0.25 * bounce))
    neck = (hip[0] + sway * unit * 0.35, hip[1] - unit * 2.8)
    limbs = [(hip, neck)]
    for side in (-1, 1):
        foot = (ground[0] + side * unit * 1.2, ground[1] - unit * 0.6 * max(0.0, side * sway))
        knee = ((hip[0] + foot[0]) / 2 + side * unit * (0.3 + 0.3 * bounce), (hip[1] + foot[1]) / 2)
        swing = 0.5 * math.pi * math.sin(beat + side * 0.6)
        elbow = (neck[0] + side * unit * 1.1, neck[1] + unit * (0.7 - 0.5 * math.sin(swing)))
        hand = (elbow[0] + side * unit * 0.6 * math.cos(swing), elbow[1] - unit * 1.3 * math.sin(swing))
        limbs += [(hip, knee), (knee, foot), (neck, elbow), (elbow, hand)]
    for start, end in limbs:
        draw.line((*start, *end), fill=_BODY, width=round(unit * 0.36))
        draw.circle(end, unit * 0.18, fill=_BODY)
    draw.circle((neck[0] + sway * unit * 0.15, neck[1] - unit * 0.75), unit * 0.7, fill=_BODY)


def tone(first: int, count: int) -> array[float]:
    """Play `count` samples of the arpeggio from sample number `first` on."""
    notes = (261.63, 329.63, 392.0, 523.25)
    samples = array("f")
    for n in range(first, first + count):
        t = n / SAMPLE_RATE
        since = t % 0.5
        pitch = notes[int(t * 2) % len(notes)]
        samples.append(0.2 * math.exp(-4 * since) * min(1.0, since * 100) * math.sin(2 * math.pi * pitch * t))
    return samples


# ------------------------------------------------------------------------------------------- the clips


@dataclass(frozen=True)
class Clip:
    """A clip to encode. `seconds` of video, `audio_seconds` of sound (None: as long as the video)."""

    name: str
    how: str
    seconds: Fraction
    audio_seconds: Fraction | None = None
    movflags: str = "faststart"
    lying: bool = False
    """Code the picture lying on its side, and let the display matrix put it upright, as a phone does."""
    expected: dict[str, object] = field(default_factory=dict)

    @property
    def is_webm(self) -> bool:
        """Decides the codecs: a WebM holds VP8 and Opus."""
        return self.name.endswith(".webm")


def encode(clip: Clip, path: Path) -> None:
    """Write one clip, sound and picture interleaved by time."""
    # Bit-exact: no encoder version, no random identifiers. Chosen by file name, so that .mov gets its own brand.
    options = {"fflags": "+bitexact"} | ({"movflags": clip.movflags} if clip.movflags else {})
    with av.open(str(path), "w", options=options) as output:
        video = output.add_stream("libvpx" if clip.is_webm else "libx264", rate=FRAME_RATE)
        video.width, video.height = reversed(PORTRAIT) if clip.lying else PORTRAIT
        video.pix_fmt = "yuv420p"
        video.gop_size = FRAME_RATE * 2
        video.thread_count = 1
        video.codec_context.flags |= av.codec.context.Flags.bitexact
        if clip.is_webm:
            video.bit_rate = 150_000
            video.options = {"deadline": "good", "cpu-used": "2"}
        else:
            video.options = {"crf": "27", "preset": "slow", "x264-params": "threads=1"}
        if clip.lying:
            video.set_display_rotation(-90)
        audio = output.add_stream("libopus" if clip.is_webm else "aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = 32_000
        audio.codec_context.flags |= av.codec.context.Flags.bitexact
        sound = _sound(clip.audio_seconds or clip.seconds, 960 if clip.is_webm else 1024)
        heard = Fraction(0)
        for number in range(int(clip.seconds * FRAME_RATE)):
            output.mux(video.encode(_picture(clip, number)))
            while heard * FRAME_RATE <= number and (frame := next(sound, None)):
                output.mux(audio.encode(frame))
                heard += Fraction(frame.samples, SAMPLE_RATE)
        for frame in sound:
            output.mux(audio.encode(frame))
        output.mux(video.encode(None))
        output.mux(audio.encode(None))


def _picture(clip: Clip, number: int) -> av.VideoFrame:
    picture = scene(number / FRAME_RATE, PORTRAIT)
    if clip.lying:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    frame: av.VideoFrame = av.VideoFrame.from_image(picture)  # type: ignore[no-untyped-call]
    frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
    return frame


def _sound(seconds: Fraction, frame_size: int) -> Iterator[av.AudioFrame]:
    total = int(seconds * SAMPLE_RATE)
    for first in range(0, total, frame_size):
        samples = tone(first, min(frame_size, total - first))
        frame = av.AudioFrame(format="fltp", layout="mono", samples=len(samples))
        frame.planes[0].update(samples.tobytes().ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
        yield frame


_MP4 = {
    "format": "mp4", "codec": "h264", "audio_codec": "aac", "width": 360, "height": 640, "rotation": 0,
    "frame_rate": "25", "faststart": True, "fragmented": False,
}  # fmt: skip


def _expect(
    container: str, video: str, audio: str | None, image_verdict: str, video_verdict: str, **facts: object
) -> dict[str, object]:
    durations = {"container": container, "video": video, "audio": audio}
    return _MP4 | facts | {
        "durations": {name: value for name, value in durations.items() if value is not None},
        "verdict": {"image": image_verdict, "video": video_verdict},
    }  # fmt: skip


CLIPS = (
    Clip("dance-8s.mp4", "H.264 and AAC, index first; 8 s of each", Fraction(8),
         expected=_expect("8", "8", "8", "pass", "pass")),
    Clip("dance-8s-tail.mp4", "the same with the index at the end, as an encoder writes it without a second pass",
         Fraction(8), movflags="", expected=_expect("8", "8", "8", "pass", "pass", faststart=False)),
    Clip("tail-10.02s.mp4", "10 s of video, and sound that ends 20 ms later", Fraction(10), Fraction(1002, 100),
         expected=_expect("501/50", "10", "501/50", "warn", "pass")),
    Clip("long-11s.mp4", "11 s: too long where the image leads, fine where the video leads", Fraction(11),
         expected=_expect("11", "11", "11", "fail", "pass")),
    Clip("short-2s.mp4", "2 s: too short everywhere", Fraction(2),
         expected=_expect("2", "2", "2", "fail", "fail")),
    Clip("phone-4s.mov", "coded lying, put upright by the display matrix, as a phone records", Fraction(4), lying=True,
         expected=_expect("4", "4", "4", "warn", "warn", format="mov", rotation=90)),
    Clip("fragmented-4s.mp4", "fragments of two seconds behind an empty index, as a live recorder writes", Fraction(4),
         movflags="frag_keyframe+empty_moov+default_base_moof",
         # Without an index to say so, the 80 ms by which B-frames delay the picture count into the container.
         expected=_expect("102/25", "4", "102/25", "pass", "pass", fragmented=True)),
    Clip("browser-4s.webm", "VP8 and Opus, as a browser records", Fraction(4), movflags="",
         # The container's 8 ms are Opus's lead-in.
         expected=_expect("501/125", "4", None, "warn", "warn", format="webm", codec="vp8", audio_codec="opus",
                          faststart=None, fragmented=None)),
)  # fmt: skip


# ------------------------------------------------------------------------------------------- the pictures


@dataclass(frozen=True)
class Still:
    """A still picture to save; sides in pixels as stored."""

    name: str
    how: str
    size: tuple[int, int]
    orientation: int
    expected: dict[str, object]


STILLS = (
    Still("portrait.jpg", "the dancer at rest, upright", (720, 1280), 1,
          {"format": "jpeg", "width": 720, "height": 1280, "orientation": 1,
           "verdict": {"image": "pass", "video": "pass"}}),
    Still("portrait-rotated.jpg", "stored lying, EXIF orientation 6 puts it upright", (720, 1280), 6,
          {"format": "jpeg", "width": 720, "height": 1280, "orientation": 6,
           "verdict": {"image": "warn", "video": "warn"}}),
    Still("tiny.png", "a thumbnail: both sides below 300 px", (160, 284), 1,
          {"format": "png", "width": 160, "height": 284, "orientation": 1,
           "verdict": {"image": "fail", "video": "fail"}}),
)  # fmt: skip


def save(still: Still, path: Path) -> None:
    """Write one picture; a turned one is stored lying on its side."""
    picture = scene(0.5, still.size)
    if path.suffix == ".png":
        picture.save(path, optimize=True)
        return
    if still.orientation == 6:
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    if still.orientation != 1:
        exif[0x0112] = still.orientation
    picture.save(path, quality=85, exif=exif)


# ------------------------------------------------------------------------------------------- the manifest

_HEAD = """\
# Written by make.py. What each file is, and what a check of it must yield.
#
# Durations are exact seconds as fractions. `verdict` is that of a request under the default profile, from disk, by
# its `character_orientation`: a clip beside portrait.jpg, a picture beside dance-8s.mp4.
"""


def manifest(folder: Path) -> str:
    """Describe the files that stand in `folder`."""
    parts = [_HEAD]
    items: tuple[Still | Clip, ...] = (*STILLS, *CLIPS)
    for item in items:
        data = (folder / item.name).read_bytes()
        entries: dict[str, object] = {
            "kind": "image" if isinstance(item, Still) else "video",
            "how": item.how,
            "size_bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        entries |= {key: value for key, value in item.expected.items() if value is not None}
        parts.append(f'["{item.name}"]\n' + "".join(f"{key} = {_toml(value)}\n" for key, value in entries.items()))
    return "\n".join(parts)


def _toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
        case str():
            return f'"{value}"'
    return str(value)


def make(folder: Path) -> None:
    """Write every file and the manifest into `folder`."""
    for still in STILLS:
        save(still, folder / still.name)
    for clip in CLIPS:
        encode(clip, folder / clip.name)
    (folder / "manifest.toml").write_text(manifest(folder), "utf-8")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
