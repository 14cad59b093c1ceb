"""Reports for the tests of what is made from them: built by `build_report`, from facts written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.estimate import estimate
from preflight.facts import AudioFacts, Delivery, Durations, ImageFacts, Medium, Outcome, Transfer, VideoFacts
from preflight.findings import Finding, NotEvaluated, Severity
from preflight.profiles import load_profile
from preflight.report import Report, build_report
from preflight.request import read_request
from preflight.rules import Judgement
from preflight.rules.model import Case

if TYPE_CHECKING:
    from decimal import Decimal

SECRET = "5ecr3tSignatur3"  # noqa: S105  (a canary, no password)
VIDEO_URL = f"https://bucket.s3.amazonaws.com/clip.mp4?X-Amz-Expires=3600&X-Amz-Signature={SECRET}"
IMAGE_URL = "https://cdn.example.com/portrait.png"

CLIP = VideoFacts(
    container="mp4",
    media_type="video/mp4",
    brand="isom",
    brands=("isom", "mp42"),
    durations=Durations(
        container=Fraction(1204, 100), video=Fraction(12), audio=Fraction(1204, 100), header=Fraction(1204, 100)
    ),
    start_offset=Fraction(0),
    video_streams=1,
    audio_streams=1,
    codec="h264",
    codec_profile="High",
    pixel_format="yuv420p",
    bit_depth=8,
    width=720,
    height=1280,
    coded_width=1280,
    coded_height=720,
    rotation=90,
    sample_aspect_ratio=Fraction(4, 3),
    frame_rate=Fraction(30000, 1001),
    variable_frame_rate=False,
    frames=360,
    audio=AudioFacts("aac", 2, 48000),
    fragmented=False,
    faststart=True,
    truncated=False,
)
PICTURE = ImageFacts(
    format="png", media_type="image/png", width=768, height=1024, orientation=1, color_mode="RGB", bit_depth=8
)
DELIVERY = Delivery(
    reference=VIDEO_URL,
    status=206,
    media_type_declared="video/mp4",
    size_bytes=1_234_567,
    size_proof="content-range",
    ranges=True,
    etag='"abc"',
    transfer=Transfer(requests=1, connections=1, bytes_received=11_604, round_trips=2, seconds=0.125),
)
TOO_LONG = Finding(
    rule="video-too-long",
    severity=Severity.ERROR,
    subject="video",
    pointer="/video_url",
    message="The video is 12.04 s long; orientation image takes 3 to 10 s.",
    why="The provider measures the clip itself.",
    fix="Cut it: `ffmpeg -i in.mp4 -t 9.8 -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart out.mp4`.",
    source="the provider's page",
    observed=12.04,
    limit=10,
)
ROTATED = replace(
    TOO_LONG,
    rule="video-rotated",
    severity=Severity.WARNING,
    message="A player turns the video by 90°.",
    fix="Turn it.",
)
NOTED = replace(TOO_LONG, rule="video-not-faststart", severity=Severity.NOTE, message="The index stands last.")
WAITING = NotEvaluated("video-too-short", "video", "no complete answer within 20 s", decisive=True)


def a_case(image: Outcome | None = PICTURE, video: Outcome | None = CLIP, delivery: Delivery = DELIVERY) -> Case:
    """A case whose video came by `delivery`."""
    payload = {
        "model": "kling-v2-6-motion-control",
        "prompt": "保持人物面部特征一致",
        "image_url": IMAGE_URL,
        "video_url": delivery.reference,
        "character_orientation": "image",
        "mode": "std",
    }
    return Case(
        request=read_request(payload),
        image=Medium("image", replace(DELIVERY, reference=IMAGE_URL, media_type_declared="image/png"), image),
        video=Medium("video", delivery, video),
        profile=load_profile(),
        now=datetime(2026, 11, 22, tzinfo=UTC),
    )


def a_report(
    *said: Finding | NotEvaluated,
    case: Case | None = None,
    price: Decimal | None = None,
    seconds: float = 0.35,
    ignored: tuple[Finding, ...] = (),
) -> Report:
    """The report of a case in which the rules said this."""
    case = case or a_case()
    judgement = Judgement(
        tuple(item for item in said if isinstance(item, Finding)),
        tuple(item for item in said if isinstance(item, NotEvaluated)),
        ignored,
    )
    return build_report(case, judgement, estimate(case, price), seconds=seconds)
