"""A small picture of a medium, as it will be seen: the image itself, or a video's first frame. Decoration, no fact.

Pure and restartable as the probe is, and behind it: what the probe refuses has no picture.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.deliver.sparse import Hole, Span
from preflight.facts import ImageFacts, NeedSpans, VideoFacts
from preflight.probes import libav, pillow, probe

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes

#: What it is at most: pixels of its longer side, and bytes.
SIDE, BYTES = 480, 40_000
#: An image of more than this is not decoded: that would take gigabytes.
_MOST_PIXELS = 50_000_000
_FORMATS: dict[str, libav.Format] = {"webm": "matroska", "matroska": "matroska", "mpegts": "mpegts", "avi": "avi"}


def preview(data: SparseBytes) -> bytes | NeedSpans:
    """A JPEG of at most `BYTES`, or the spans that are missing; empty: no picture can be made of these bytes."""
    facts = probe(data)
    try:
        match facts:
            case NeedSpans():
                return facts
            case ImageFacts():
                return _of_image(data, facts)
            case VideoFacts() if not facts.encrypted:
                return _of_video(data, facts)
    except Hole as hole:
        return NeedSpans((hole.span,))
    return b""


def _of_image(data: SparseBytes, facts: ImageFacts) -> bytes:
    if data.total is None:
        raise Hole(Span(0, None))
    if (facts.coded_width or 0) * (facts.coded_height or 0) > _MOST_PIXELS:
        return b""
    return pillow.thumbnail(data.read(0, data.total), facts.format, facts.orientation or 1, SIDE, BYTES)


def _of_video(data: SparseBytes, facts: VideoFacts) -> bytes:
    shape = facts.sample_aspect_ratio or Fraction(1)
    frame = libav.first_frame(data, _FORMATS.get(facts.container, "mov"), shape, SIDE)
    if frame is None:
        return b""
    return pillow.poster(frame.pixels, (frame.width, frame.height), frame.stride, facts.rotation or 0, BYTES)
