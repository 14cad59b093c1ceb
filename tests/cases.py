"""Plain values for judging: a request, a clip and a picture that pass, each changed by the one thing under test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from preflight.facts import AudioFacts, Delivery, Durations, Failure, ImageFacts, Kind, Medium, Outcome, VideoFacts
from preflight.profiles import Profile, load_profile
from preflight.request import read_request
from preflight.rules import judge
from preflight.rules.model import Case

if TYPE_CHECKING:
    from preflight.findings import Finding

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
XCOMPUTE = load_profile("xcompute")
OFFICIAL = load_profile("kling-official")
SIZE = 4_000_000
URLS: dict[Kind, str] = {"image": "https://media.example.com/ref.png", "video": "https://media.example.com/ref.mp4"}


def exactly(number: str | int | Fraction) -> Fraction:
    """Exact seconds from a literal."""
    return Fraction(Decimal(number)) if isinstance(number, str) else Fraction(number)


def lasting(container: str | int | Fraction, **others: str | int | Fraction) -> Durations:
    """Durations whose measures all agree with the container but for those named."""
    names = ("video", "audio", "header", "present")
    known = {name: exactly(others.get(name, container)) for name in names}
    return Durations(container=exactly(container), **known)


def clip(seconds: str | int | Fraction = 8, **facts: Any) -> VideoFacts:
    """An ordinary clip of 720 x 1280 px."""
    ordinary = VideoFacts(
        container="mp4",
        media_type="video/mp4",
        brand="isom",
        durations=lasting(seconds),
        start_offset=Fraction(0),
        video_streams=1,
        audio_streams=1,
        codec="h264",
        pixel_format="yuv420p",
        bit_depth=8,
        color_transfer="bt709",
        interlaced=False,
        width=720,
        height=1280,
        rotation=0,
        sample_aspect_ratio=Fraction(1),
        frame_rate=Fraction(30),
        variable_frame_rate=False,
        audio=AudioFacts("aac", 2, 48000),
        fragmented=False,
        faststart=True,
        edit_list=False,
        truncated=False,
        encrypted=False,
    )
    return replace(ordinary, **facts)


def picture(**facts: Any) -> ImageFacts:
    """An ordinary PNG of 768 x 1344 px."""
    ordinary = ImageFacts(
        format="png",
        media_type="image/png",
        width=768,
        height=1344,
        orientation=1,
        color_mode="RGB",
        bit_depth=8,
        alpha=False,
        animated=False,
        frames=1,
        truncated=False,
    )
    return replace(ordinary, **facts)


def medium(
    kind: Kind,
    outcome: Outcome | None,
    *,
    reference: str | None = None,
    size_bytes: int | None = SIZE,
    local: bool = False,
    failure: Failure | None = None,
    **delivery: Any,
) -> Medium:
    """One medium as a good server gives it."""
    proof: Literal["file", "content-range"] = "file" if local else "content-range"
    given = reference or (f"/media/ref.{'png' if kind == 'image' else 'mp4'}" if local else URLS[kind])
    known: dict[str, Any] = {
        "final_url": None if local else given,
        "status": None if local else 206,
        "media_type_declared": None if local else getattr(outcome, "media_type", None),
        "size_proof": None if size_bytes is None else proof,
        "ranges": None if local else True,
    }
    travelled = Delivery(given, local=local, size_bytes=size_bytes, failure=failure, **{**known, **delivery})
    return Medium(kind, travelled, outcome)


def case(
    video: Outcome | Medium | None = None,
    image: Outcome | Medium | None = None,
    *,
    orientation: str | None = "video",
    profile: Profile = XCOMPUTE,
    **fields: Any,
) -> Case:
    """A request with these two media; what is not given is ordinary, an orientation of None is missing."""
    payload = {
        "model": "kling-v2-6-motion-control",
        "prompt": "The person turns and waves, one steady shot.",
        "image_url": URLS["image"],
        "video_url": URLS["video"],
        "character_orientation": orientation,
        "mode": "std",
        **fields,
    }
    return Case(
        request=read_request({name: value for name, value in payload.items() if value is not None}),
        image=_medium("image", image if image is not None else picture()),
        video=_medium("video", video if video is not None else clip()),
        profile=profile,
        now=NOW,
    )


def _medium(kind: Kind, given: Outcome | Medium) -> Medium:
    return given if isinstance(given, Medium) else medium(kind, given)


def found(given: Case, *, ignore: frozenset[str] = frozenset()) -> dict[str, Finding]:
    """The findings by rule id (the first of each rule)."""
    findings: dict[str, Finding] = {}
    for finding in judge(given, ignore).findings:
        findings.setdefault(finding.rule, finding)
    return findings
