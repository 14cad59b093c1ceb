"""What a rule says of a case that breaks it: an explanation shows that, not a template with holes.

The cases below break every rule that can be broken. The message is the rule's own, made as in a real check, so an
example cannot promise what a report does not say.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from preflight.facts import (
    AudioFacts,
    Cause,
    Delivery,
    Durations,
    Failure,
    Hop,
    ImageFacts,
    Medium,
    NotMedia,
    Refusal,
    Transfer,
    VideoFacts,
)
from preflight.language import later
from preflight.profiles import DEFAULT, load_profile
from preflight.request import ReadRequest, read_request
from preflight.rules import judge
from preflight.rules.model import Case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.facts import Kind, Outcome
    from preflight.findings import Finding
    from preflight.profiles import Profile
    from preflight.rules.model import Rule

_NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
_HOST = "https://media.example.com/"
_REQUEST = {
    "model": "kling-v2-6-motion-control",
    "prompt": "The person turns and waves, one steady shot.",
    "image_url": f"{_HOST}ref.png",
    "video_url": f"{_HOST}ref.mp4",
    "character_orientation": "image",
    "mode": "std",
}


def _lasting(seconds: str, **others: str) -> Durations:
    names = ("container", "video", "audio", "header", "present")
    return Durations(**{name: Fraction(others.get(name, seconds)) for name in names})


_CLIP = VideoFacts(
    container="mp4",
    media_type="video/mp4",
    durations=_lasting("8"),
    start_offset=Fraction(0),
    video_streams=1,
    audio_streams=1,
    codec="h264",
    bit_depth=8,
    width=720,
    height=1280,
    rotation=0,
    sample_aspect_ratio=Fraction(1),
    frame_rate=Fraction(30),
    audio=AudioFacts("aac", 2, 48000),
    faststart=True,
)
_PICTURE = ImageFacts("png", "image/png", width=768, height=1344, orientation=1, color_mode="RGB", bit_depth=8)

_CLIPS: tuple[dict[str, Any], ...] = (
    {"durations": _lasting("2")},
    {"durations": _lasting("12.04", video="12")},
    {"durations": _lasting("10.02", video="10")},
    {"durations": _lasting("9", video="8")},
    {"durations": _lasting("8", header="30")},
    {"container": "webm", "media_type": "video/webm", "codec": "vp8", "durations": Durations(Fraction(8), Fraction(8))},
    {"start_offset": Fraction(1, 2), "edit_list": True, "fragmented": True, "encrypted": True, "interlaced": True},
    {"video_streams": 0},
    {"video_streams": 2, "audio_streams": 0, "audio": None, "rotation": 90, "faststart": False},
    {"width": 240, "height": 426},
    {"width": 4320, "height": 7680},
    {"variable_frame_rate": True, "color_transfer": "arib-std-b67", "bit_depth": 10},
    {"sample_aspect_ratio": Fraction(4, 3), "width": 1280, "height": 720},
    {"truncated": True, "durations": _lasting("8", present="5")},
)
_PICTURES: tuple[dict[str, Any], ...] = (
    {"format": "webp", "media_type": "image/webp", "animated": True, "frames": 12, "alpha": True},
    {"width": 160, "height": 284},
    {"width": 70000, "height": 70000},
    {"width": 400, "height": 1344},
    {"orientation": 6, "bit_depth": 16, "color_mode": "CMYK", "truncated": True},
)
_REQUESTS: tuple[dict[str, object], ...] = (
    dict.fromkeys(_REQUEST) | {"input": _REQUEST},
    {"mode": None, "motion": "x"},
    {"mode": "1080p"},
    {"keep_original_sound": True},
    {"video_url": ""},
    {"image_url": "data:image/png;base64,AAAA"},
    {"image_url": f"{_HOST}ref.mp4"},
    {"prompt": ""},
    {"prompt": "wave " * 501},
)
_AWS = f"{_HOST}ref.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260102T1000"
_AZURE = "https://account.blob.core.windows.net/clips/ref.mp4?sv=2024-11-04&sr=b&sp=r&sig=x&"
_URLS = (
    f"{_HOST}my clip.mp4",
    "s3://bucket/ref.mp4",
    "https://me:password@media.example.com/ref.mp4",
    f"{_HOST.replace('.com', '.com:22')}ref.mp4",
    "https://abc.ngrok-free.app/ref.mp4",
    "http://93.184.215.14:8080/ref.mp4",
    "https://drive.google.com/file/d/1AbCdEfGhIjKlMnOp/view",
    "https://bit.ly/3abcdef",
    "https://api.telegram.org/file/bot123456:TOKEN/videos/file_1.mp4",
    f"{_AWS}00Z&X-Amz-Expires=3600&X-Amz-Signature=x",
    f"{_AWS}00Z&X-Amz-Expires=9000&X-Amz-Signature=x&X-Amz-Security-Token=x",
    f"{_HOST}ref.mp4?expires=1767261600&token=x",
    f"{_AZURE}st=2026-01-02T13:00:00Z&se=2026-01-03T13:00:00Z&sip=203.0.113.7",
)
_WAYS: tuple[dict[str, Any], ...] = (
    {"private": True},
    {"hops": (Hop(f"{_HOST}old.mp4", 302),), "final_url": "http://cdn.example.com/ref.mp4"},
    {"ranges": False, "size_proof": "content-length", "transfer": Transfer(requests=1, bytes_received=4_000_000)},
    {"media_type_declared": "application/octet-stream"},
    {"size_bytes": 120_000_000},
    {"size_bytes": 102_000_000},
    {"size_bytes": 10_200_000},
)
#: How a probe or a server says it; a sentence part, as in `NotMedia.detail` and `Failure.detail`.
_DETAILS: dict[Refusal | Cause, str] = {
    Refusal.JSON: later("a JSON document"),
    Refusal.XML: later("an error answer of object storage (AccessDenied)"),
    Refusal.PLAYLIST: later("an HLS playlist"),
    Refusal.TEXT: later("plain text"),
    Refusal.AUDIO: later("MP3"),
    Refusal.ARCHIVE: later("a ZIP archive"),
    Refusal.UNSUPPORTED: later("Flash video (FLV)"),
    Refusal.TRUNCATED: later("its index lies in the part that is cut off"),
    Refusal.CORRUPT: later("its structure does not hold"),
    Refusal.TOO_COMPLEX: later("more streams than any real file has"),
    Refusal.CRASHES: later("the decoder did not come to an end"),
    Refusal.GARBAGE: later("its first bytes are those of no known format"),
    Cause.INVALID_URL: later("the library cannot read it"),
    Cause.NOT_PUBLIC: later("127.0.0.1 is a loopback address"),
    Cause.NO_SUCH_HOST: later("the name system knows no such name"),
    Cause.REFUSED: later("no program listens at port 443"),
    Cause.TLS_EXPIRED: later("it ended on 2026-01-01"),
    Cause.TLS_UNTRUSTED: later("it is signed by an unknown authority"),
    Cause.TLS_FAILED: later("the server offers TLS 1.0 only"),
    Cause.STATUS: later("the server answers with status 418"),
    Cause.TOO_MANY_REDIRECTS: later("6 redirects and no end"),
    Cause.BAD_REDIRECT: later("a redirect without a target"),
    Cause.DNS_FAILED: later("the name server does not answer"),
    Cause.UNREACHABLE: later("there is no way to its network"),
    Cause.TIMEOUT: later("no complete answer within 20 s"),
    Cause.CONNECTION_LOST: later("it ended before the answer did"),
    Cause.BAD_HTTP: later("the answer has two different lengths"),
    Cause.SERVER_ERROR: later("the server answers with status 503"),
    Cause.INCONSISTENT: later("its size changed between two answers"),
    Cause.BUDGET: later("8,388,608 bytes are the most that is fetched"),
    Cause.MACHINE: later("too many files and connections are open to make another one"),
}


def example(rule: Rule, profile: Profile) -> Finding | None:
    """What the rule says of the first case that breaks it; None: it only ever says that it cannot tell."""
    stated = profile if not rule.limits or set(rule.limits) <= set(profile.limits) else load_profile(DEFAULT)
    for case in _cases(stated):
        for found in judge(case).findings:
            if found.rule == rule.id:
                return found
    return None


def examples() -> dict[str, Finding]:
    """The same for every rule at once, under the default profile."""
    found = (finding for case in _cases(load_profile(DEFAULT)) for finding in judge(case).findings)
    return {finding.rule: finding for finding in reversed(list(found))}


def _cases(profile: Profile) -> Iterator[Case]:
    def case(
        video: Medium | None = None, image: Medium | None = None, request: dict[str, object] | None = None
    ) -> Case:
        given = {name: value for name, value in (_REQUEST | (request or {})).items() if value is not None}
        return Case(
            read_request(given), image or _medium("image", _PICTURE), video or _medium("video", _CLIP), profile, _NOW
        )

    yield from (case(_medium("video", replace(_CLIP, **facts))) for facts in _CLIPS)
    yield from (case(image=_medium("image", replace(_PICTURE, **facts))) for facts in _PICTURES)
    yield from (case(request=request) for request in _REQUESTS)
    row = replace(case(), request=ReadRequest({}, (), no_row=later("has 1 cell under 4 columns")))
    yield replace(row, image=None, video=None)
    yield case(_medium("video", _PICTURE))
    yield case(image=_medium("image", _CLIP))
    for refusal in Refusal:
        nothing = NotMedia(refusal, _DETAILS.get(refusal, ""))
        yield case(_medium("video", nothing))
        yield case(image=_medium("image", nothing))
    for cause in sorted(set(Cause) - {Cause.NOT_A_FILE}):
        yield case(_medium("video", None, failure=Failure(cause, _DETAILS.get(cause, ""))))
    for path in ("example.com/ref.mp4", "nothing-here.mp4"):
        failure = Failure(Cause.NOT_A_FILE, "there is no such file")
        yield case(_medium("video", None, path, local=True, failure=failure))
    yield from (case(_medium("video", None, url)) for url in _URLS)
    for way in _WAYS:
        yield case(_medium("video", _CLIP, **way))
        yield case(image=_medium("image", _PICTURE, **way))


def _medium(kind: Kind, outcome: Outcome | None, url: str | None = None, **way: Any) -> Medium:
    given = url or _REQUEST[f"{kind}_url"]
    known: dict[str, Any] = {"size_bytes": 4_000_000, "size_proof": "content-range", "ranges": True, "final_url": given}
    declared = getattr(outcome, "media_type", None)
    return Medium(kind, Delivery(given, **(known | {"media_type_declared": declared} | way)), outcome)
