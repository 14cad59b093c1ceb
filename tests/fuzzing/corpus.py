"""What is mutated: small files of every kind that preflight reads, and some that it refuses by name."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from functools import cache
from pathlib import Path

from tests.hard_media import ROWS
from tests.media import Clip, build
from tests.pictures import heic
from tests.test_image import WRITTEN

TINY = Clip(width=32, height=32, fps=Fraction(5), video=Fraction(3), audio=Fraction(3), gop=4)
CLIPS = {
    "mp4": TINY,
    "b-frames": dataclasses.replace(TINY, b_frames=2),
    "faststart": dataclasses.replace(TINY, muxer=(("movflags", "faststart"),), by_name=True),
    "fragments": dataclasses.replace(TINY, muxer=(("movflags", "frag_keyframe+empty_moov"),)),
    "no-mfra": dataclasses.replace(TINY, muxer=(("movflags", "frag_keyframe+empty_moov+skip_trailer"),)),
    "sidx": dataclasses.replace(
        TINY, muxer=(("movflags", "frag_keyframe+empty_moov+default_base_moof+global_sidx"),), by_name=True
    ),
    "mov": dataclasses.replace(TINY, format="mov"),
    "mkv": dataclasses.replace(TINY, format="matroska"),
    "webm-live": dataclasses.replace(
        TINY, format="webm", codec="libvpx", audio_codec="libopus", to_pipe=True, muxer=(("live", "1"),)
    ),
    "ts": dataclasses.replace(TINY, format="mpegts"),
    "avi": dataclasses.replace(TINY, format="avi", codec="mpeg4", audio_codec="libmp3lame"),
}
#: Of the hard media those whose structure differs from the tiny clips'; each takes a fraction of a second to make.
HARD = frozenset({
    "vfr-b-frames", "edit-6-to-4", "mvhd-unknown", "frag-hybrid", "frag-dash", "frag-cut", "starts-at-2", "webm-vp9",
    "mkv-piped", "ts-at-10", "avi-cut", "mov", "3gp", "no-ftyp", "rotated-90", "anamorphic", "hevc-10-bit", "hdr",
    "av1", "prores", "mpeg4", "two-videos", "mkv-no-track-durations",
})  # fmt: skip
TEXTS = {
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "concat": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "html": b"<!doctype html><html><head><title>Sign in</title></head><body></body></html>",
    "error": b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
    "json": b'{"error": {"code": 403}}',
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
}
_SAMPLES = Path(__file__).parent.parent.parent / "sample_media"


@cache
def corpus() -> dict[str, bytes]:
    """Name to bytes; the same in every run on the same libraries."""
    files = {f"clip {name}": build(clip) for name, clip in CLIPS.items()}
    files |= {f"hard {row.name}": row.make() for row in ROWS if row.name in HARD}
    files |= {f"picture {name}": data for name, data in WRITTEN.items() if len(data) < 65536}
    files |= {"picture heic": heic(turns=1, alpha=True), "picture heics": heic(sequence=9, brand=b"hevc")}
    files |= {
        f"sample {path.name}": path.read_bytes()
        for path in sorted(_SAMPLES.iterdir())
        if path.suffix not in {".py", ".toml", ".json"}
    }
    return files | {f"text {name}": data for name, data in TEXTS.items()}
