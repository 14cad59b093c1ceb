"""The result of a check: one object, and its versioned form on the wire.

These classes *are* the wire form (`preflight.report/1`): what `report.video.width` is in Python is `.video.width` in
JSON. Within `/1` fields are only added. Sizes are bytes, sides pixels, durations seconds rounded to microseconds,
money decimal strings, and null means *not established*, never zero. Every string that somebody else chose is
cleaned of control characters and every URL has its secrets redacted before it gets in here, so whatever is made of a
report may be printed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from preflight.errors import PreflightFailed
from preflight.facts import Cause, Refusal
from preflight.findings import ExitCode, Severity, Subject, Verdict

Money = Annotated[Decimal, PlainSerializer(lambda amount: f"{amount:f}", return_type=str)]
Scalar = str | int | float | bool | None


class _Wire(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        serialize_by_alias=True,
        validate_by_name=True,
        json_schema_serialization_defaults_required=True,
        defer_build=True,  # at the first report, as one schema: a command that makes none does not pay for it
    )


# ---------------------------------------------------------------------------------- how a medium came


class Hop(_Wire):
    """One redirect on the way to the bytes."""

    url: str = Field(description="The URL asked, redacted.")
    status: int = Field(description="The HTTP status it answered with.")


class Transfer(_Wire):
    """What fetching cost; differs from run to run."""

    requests: int
    connections: int
    bytes_received: int = Field(description="On the sockets, response headers included.")
    round_trips: int = Field(description="Trips that had to wait for each other.")
    seconds: float


class Failure(_Wire):
    """Why the bytes could not be had."""

    cause: Cause
    detail: str
    passing: bool = Field(description="It may pass, or be ours alone: it proves nothing about the provider.")
    status: int | None = Field(description="The HTTP status, where there was an answer.")
    retry_after: float | None = Field(description="Seconds, as the server asked.")


class NotAMedium(_Wire):
    """Why the bytes, though fetched, are nothing that can be judged."""

    refusal: Refusal
    detail: str


class Unknown(_Wire):
    """A fact that could not be established."""

    fact: str = Field(description="Its dotted name in this object: durations.container.")
    reason: str


class _Arrived(_Wire):
    url: str = Field(description="As the request gives it, redacted; or a local path.")
    local: bool = Field(description="Read from disk: nothing about its delivery is known.")
    final_url: str | None = Field(description="After redirects, redacted.")
    hops: tuple[Hop, ...] = Field(description="Redirects in order; empty when the first answer was the medium.")
    status: int | None = Field(description="HTTP status of the last answer.")
    media_type_declared: str | None = Field(description="The Content-Type header.")
    media_type_sniffed: str | None = Field(description="What the bytes prove.")
    size_bytes: int | None = Field(description="Size of the whole file, in bytes.")
    size_proof: Literal["content-range", "content-length", "read", "file"] | None = Field(
        description="What the size rests on."
    )
    ranges: bool | None = Field(description="Did the server honour Range requests?")
    etag: str | None
    failure: Failure | None
    not_media: NotAMedium | None


class Delivery(_Arrived):
    """A medium that could not be read: how far it got."""

    transfer: Transfer


# --------------------------------------------------------------------------------------------- facts


class Image(_Arrived):
    """The reference image. `width` and `height` are as displayed, in pixels."""

    format: str | None = Field(description="jpeg, png, webp, gif, bmp, tiff, avif or heic.")
    width: int | None = Field(description="Pixels, after orientation.")
    height: int | None = Field(description="Pixels, after orientation.")
    coded_width: int | None = Field(description="Pixels, as stored.")
    coded_height: int | None = Field(description="Pixels, as stored.")
    orientation: int | None = Field(description="EXIF orientation, 1-8; 1 is upright.")
    color_mode: str | None = Field(description="As Pillow names it: RGB, L, CMYK, RGBA, P, I;16, …")
    bit_depth: int | None = Field(description="Bits of one channel.")
    alpha: bool | None
    animated: bool | None
    frames: int | None
    truncated: bool | None = Field(description="Is the end of the file missing?")
    unknown: tuple[Unknown, ...] = Field(description="Why facts above are null.")
    transfer: Transfer


class Durations(_Wire):
    """The honest durations of one file, in seconds, rounded to microseconds."""

    container: float | None = Field(description="libav's format duration: the likely server reading.")
    video: float | None = Field(description="The presented video, edit list applied.")
    audio: float | None = Field(description="The presented audio.")
    header: float | None = Field(description="What the file's header claims.")
    present: float | None = Field(description="How much of the video is physically in the file.")
    decoded: float | None = Field(description="Last decoded frame's end; a deep check only.")


class Window(_Wire):
    """The durations that the profile accepts for the request's character_orientation, both ends included."""

    minimum: float | None = Field(description="Seconds.")
    maximum: float | None = Field(description="Seconds; null while the orientation leaves it open.")


class Audio(_Wire):
    """The first audio stream."""

    codec: str | None
    channels: int | None
    sample_rate: int | None = Field(description="Hz.")


class Video(_Arrived):
    """The reference video. `width` and `height` are as displayed, in pixels; codec words are libav's."""

    container: str | None = Field(description="mp4, mov, m4v, 3gp, webm, matroska, mpegts or avi.")
    brand: str | None = Field(description="Major brand of an ISO file.")
    brands: tuple[str, ...] = Field(description="Compatible brands.")
    durations: Durations
    judged: Literal["container"] | None = Field(
        description="Which duration is held against the window; null when none is established."
    )
    window: Window | None = Field(description="null where nothing was judged (a probe).")
    start_offset: float | None = Field(description="Seconds from the container's start to the first video frame.")
    video_streams: int | None = Field(description="Moving pictures only; an attached cover is not one.")
    audio_streams: int | None
    codec: str | None
    codec_tag: str | None
    codec_profile: str | None
    codec_level: str | None
    pixel_format: str | None
    bit_depth: int | None = Field(description="Bits of one channel.")
    color_primaries: str | None
    color_transfer: str | None
    interlaced: bool | None
    width: int | None = Field(description="Pixels, after rotation.")
    height: int | None = Field(description="Pixels, after rotation.")
    coded_width: int | None = Field(description="Pixels, in the bitstream.")
    coded_height: int | None = Field(description="Pixels, in the bitstream.")
    rotation: int | None = Field(description="Clockwise degrees that a player turns the picture: 0, 90, 180 or 270.")
    sample_aspect_ratio: str | None = Field(description="Width to height of one sample, as ffprobe writes it: 1:1.")
    frame_rate: float | None = Field(description="Average frames per second, six decimals.")
    variable_frame_rate: bool | None
    frames: int | None
    audio: Audio | None = Field(description="null with audio_streams 0: no sound; null otherwise: not established.")
    fragmented: bool | None
    faststart: bool | None = Field(description="Does the index stand before the media?")
    edit_list: bool | None = Field(description="Does an edit list cut or delay the video?")
    truncated: bool | None = Field(description="Is the end of the file missing?")
    encrypted: bool | None
    unknown: tuple[Unknown, ...] = Field(description="Why facts above are null.")
    transfer: Transfer


# ------------------------------------------------------------------------------------------ judgement


class WatermarkInfo(_Wire):
    """The request's watermark object."""

    enabled: bool | None


class Request(_Wire):
    """The request as understood: defaults applied, null where a value is missing or invalid, URLs redacted."""

    model: str | None
    prompt: str | None
    image_url: str | None
    video_url: str | None
    keep_original_sound: str | None
    character_orientation: str | None
    mode: str | None
    watermark_info: WatermarkInfo


class ProfileId(_Wire):
    """Whose limits were applied, and which edition of them."""

    name: str
    revision: str


class Finding(_Wire):
    """One thing that a rule found."""

    rule: str = Field(description="`preflight explain RULE` tells the whole story.")
    severity: Severity
    subject: Subject
    pointer: str = Field(description='JSON Pointer into the request; "" is the whole request.')
    message: str = Field(description="One sentence with the observed and the allowed value.")
    observed: Scalar
    limit: Scalar
    why: str = Field(description="Why it matters.")
    fix: str = Field(description="How to fix it; commands stand in backticks.")
    source: str = Field(description="Where the limit or the knowledge comes from.")


class Ignored(_Wire):
    """Something that would have been found, had its rule not been ignored."""

    rule: str
    severity: Severity
    subject: Subject


class NotEvaluated(_Wire):
    """A rule that could not be evaluated."""

    rule: str
    subject: Subject
    reason: str
    decisive: bool = Field(description="It could have said error, so without errors the verdict is unknown.")


class Cost(_Wire):
    """Money, as decimal strings."""

    currency: str | None = Field(description="ISO 4217; null for a bare price.")
    per_second: Money
    expected: Money | None
    at_least: Money | None
    at_most: Money | None


class Estimate(_Wire):
    """What will be billed, as an interval. Seconds; null when no duration is established."""

    billed_seconds: float | None = Field(description="The likely reading, under the profile's rounding.")
    at_least: float | None
    at_most: float | None
    rounding: str = Field(description="none, nearest, ceil or floor.")
    hold_seconds: float | None = Field(description="The window's upper end, which some resellers reserve.")
    cost: Cost | None = Field(description="null without a price.")
    assumptions: tuple[str, ...]


class Tool(_Wire):
    """What measured. Libraries are named where they are part of an answer."""

    version: str
    ffmpeg: str | None = Field(description="libavformat inside PyAV; null when no video was measured.")
    pillow: str | None


class Timing(_Wire):
    """How long the whole check took."""

    seconds: float


class Report(_Wire):
    """All that one check found. `report.verdict` is the answer, everything else is why."""

    schema_: Literal["preflight.report/1"] = Field(default="preflight.report/1", alias="schema")
    verdict: Verdict = Field(description="fail: an error; unknown: an error could not be ruled out; warn; pass.")
    profile: ProfileId
    request: Request
    image: Image | None = Field(description="null: the request names no image.")
    video: Video | None = Field(description="null: the request names no video.")
    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    ignored: tuple[Ignored, ...] = Field(
        default=(), description="What ignored rules would have found; the verdict is without it."
    )
    estimate: Estimate
    tool: Tool
    timing: Timing

    def exit_code(self, *, strict: bool = False) -> ExitCode:
        """The process exit code of the verdict; `strict` turns a warning into a failure."""
        return ExitCode.of(self.verdict, strict=strict)

    def raise_for_verdict(self, *, strict: bool = False) -> None:
        """Return quietly when the request may be submitted.

        Raises:
            PreflightFailed: the verdict is fail or unknown, or warn with `strict`.
        """
        if self.exit_code(strict=strict) is not ExitCode.PASS:
            raise PreflightFailed(self)

    def to_json(self) -> str:
        """The wire form on one line, as `--format json` prints it."""
        return self.model_dump_json(by_alias=True)


class MediaReport(_Wire):
    """The facts of one medium, unjudged. Exactly one of `image`, `video` and `unread` is set."""

    schema_: Literal["preflight.media/1"] = Field(default="preflight.media/1", alias="schema")
    image: Image | None
    video: Video | None
    unread: Delivery | None = Field(description="No medium, or its bytes could not be had.")
    tool: Tool

    @property
    def medium(self) -> Image | Video | Delivery:
        """Whichever it is."""
        medium = self.image or self.video or self.unread
        assert medium is not None
        return medium

    def to_json(self) -> str:
        """The wire form on one line."""
        return self.model_dump_json(by_alias=True)


def report_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a report."""
    return _schema(Report)


def media_schema() -> dict[str, object]:
    """The JSON Schema (draft 2020-12) of a probe's answer."""
    return _schema(MediaReport)


def _schema(model: type[BaseModel]) -> dict[str, object]:
    schema = model.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
