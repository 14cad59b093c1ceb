"""What a few spans tell is what the whole file tells: over the corpus, no fact is missing or different."""

from __future__ import annotations

import io
import itertools
from fractions import Fraction
from statistics import median

import av
import pytest

from preflight.deliver.sparse import SparseBytes
from preflight.facts import VideoFacts
from preflight.probes import codecs, probe
from tests.feeding import feed
from tests.hard_media import ROWS, Row

#: Rows with a medium to open; the exact trips and bytes of each are in test_thrift.py.
OPEN = [row for row in ROWS if row.name != "cut-moov-at-end"]


def full_read(data: bytes) -> dict[str, object]:
    """The facts that libav gives with its defaults, free to read the whole file."""
    with av.open(io.BytesIO(data), mode="r") as container:
        video, sound = container.streams.video[0], next(iter(container.streams.audio), None)
        picture = video.codec_context
        tag = picture.codec_tag
        return {
            "codec": picture.codec.canonical_name,
            "codec_tag": tag if tag.isprintable() and tag.strip() else None,
            "codec_profile": picture.profile,
            "pixel_format": picture.pix_fmt,
            "size": (picture.width, picture.height),
            "frame_rate": video.average_rate,
            "sample_aspect_ratio": video.sample_aspect_ratio or Fraction(1),
            "color_transfer": codecs.TRANSFERS.get(picture.color_trc),
            "color_primaries": codecs.PRIMARIES.get(picture.color_primaries),
            "video_streams": len(container.streams.video),
            "audio_streams": len(container.streams.audio),
            "audio": sound and (sound.codec_context.codec.canonical_name, sound.channels, sound.sample_rate),
        }


def ours(data: bytes) -> VideoFacts:
    outcome = feed(data).outcome
    assert isinstance(outcome, VideoFacts)
    return outcome


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.name)
def test_no_fact_is_lost(row: Row) -> None:
    """Codec, profile, pixel format, sides, shape, colours, rate and sound equal libav's unlimited reading."""
    data = row.make()
    facts, full = ours(data), full_read(data)
    found = {
        "codec": facts.codec,
        "codec_tag": facts.codec_tag,
        "codec_profile": facts.codec_profile,
        "pixel_format": facts.pixel_format,
        "size": (facts.coded_width, facts.coded_height),
        "frame_rate": facts.frame_rate,
        "sample_aspect_ratio": facts.sample_aspect_ratio,
        "color_transfer": facts.color_transfer,
        "color_primaries": facts.color_primaries,
        "video_streams": facts.video_streams,
        "audio_streams": facts.audio_streams,
        "audio": facts.audio and (facts.audio.codec, facts.audio.channels, facts.audio.sample_rate),
    }
    if facts.fragmented:
        # libav divides all frames by all seconds, one odd gap included; ours is the beat, which the decoder confirms.
        full["frame_rate"] = beat(data)
    assert found == full


def beat(data: bytes) -> Fraction:
    """Frames per second by the usual distance of decoded frames."""
    with av.open(io.BytesIO(data), mode="r") as container:
        frames = []
        try:
            for frame in container.decode(video=0):
                assert frame.pts is not None
                assert frame.time_base is not None
                frames.append(frame.pts * frame.time_base)
        except av.error.InvalidDataError:
            pass  # the cut frame of a truncated file
    return 1 / median(later - earlier for earlier, later in itertools.pairwise(frames))


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row.name)
def test_more_bytes_tell_no_more(row: Row) -> None:
    """The same probe over every byte of the file gives the same facts as over the spans that it asked for."""
    data = row.make()
    assert ours(data) == probe(SparseBytes.whole(data))
