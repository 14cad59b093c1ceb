"""What every structure walk answers: bytes for libav, and what the structure alone tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preflight.facts import AudioFacts, Durations
from preflight.probes.codecs import Details

if TYPE_CHECKING:
    from fractions import Fraction

    from preflight.probes.libav import Format


@dataclass(frozen=True, slots=True)
class Structure:
    """A container's own testimony. Where a value is None, libav's reading stands in if it has one.

    `unknown` names facts that must stay open, and why: there libav's reading is not taken either.
    """

    format: Format
    given: bytes
    """What libav is to read: headers, spliced without holes."""
    size: int | None = None
    """The size that libav is to believe, where its reading depends on it."""
    durations: Durations = Durations()
    start_offset: Fraction | None = None
    brand: str | None = None
    brands: tuple[str, ...] = ()
    video_id: int | None = None
    """libav's id of the stream that is judged."""
    video_streams: int | None = None
    audio_streams: int | None = None
    audio: AudioFacts | None = None
    details: Details = Details()
    rotation: int = 0
    frames: int | None = None
    frame_rate: Fraction | None = None
    variable_frame_rate: bool | None = None
    fragmented: bool | None = None
    faststart: bool | None = None
    edit_list: bool | None = None
    truncated: bool | None = None
    encrypted: bool | None = None
    unknown: dict[str, str] = field(default_factory=dict)
