"""What is known of a medium, and how it travelled. Frozen values; None means *not established*, never zero.

Durations are exact `Fraction` seconds, sizes are bytes, sides are pixels, `width` and `height` are as displayed
(rotation and EXIF orientation applied); coded sizes have their own names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fractions import Fraction

    from preflight.deliver.sparse import Span

Kind = Literal["image", "video"]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be established: its dotted name (`durations.container`) and why."""

    fact: str
    reason: str


# ---------------------------------------------------------------------------------------------- video


@dataclass(frozen=True, slots=True)
class Durations:
    """The honest durations of one file, in seconds. `docs/durations.md` tells why there are six."""

    container: Fraction | None = None
    """What libav calls the format's duration (latest stream end - earliest start): the likely server reading."""
    video: Fraction | None = None
    """The presented video: edit list applied, display order, last frame's own duration included."""
    audio: Fraction | None = None
    """The same for the audio stream."""
    header: Fraction | None = None
    """What the file's header claims (mvhd, Segment Info, avih); evidence of disagreement, nothing else."""
    present: Fraction | None = None
    """How much of the video is physically in the file; below `video` when the file is cut."""
    decoded: Fraction | None = None
    """Last decoded frame's end minus first start; only a deep check fills it."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """The first audio stream; `sample_rate` in Hz."""

    codec: str | None
    channels: int | None
    sample_rate: int | None


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """A container with streams. Codec words are libav's (`h264`, `yuv420p10le`, `smpte2084`)."""

    container: str
    """One of mp4, mov, m4v, 3gp, webm, matroska, mpegts, avi."""
    media_type: str
    """The media type that the bytes prove, `video/mp4` say."""
    libavformat: str | None = None
    """The version of the library that read it."""
    brand: str | None = None
    brands: tuple[str, ...] = ()
    durations: Durations = Durations()
    start_offset: Fraction | None = None
    """Seconds from the container's start to the first video frame shown; positive: the video starts late."""
    video_streams: int | None = None
    """Moving pictures only: an attached cover is not one."""
    audio_streams: int | None = None
    codec: str | None = None
    codec_tag: str | None = None
    codec_profile: str | None = None
    codec_level: str | None = None
    pixel_format: str | None = None
    bit_depth: int | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    interlaced: bool | None = None
    width: int | None = None
    height: int | None = None
    coded_width: int | None = None
    coded_height: int | None = None
    rotation: int | None = None
    """Clockwise degrees by which a player turns the coded picture: 0, 90, 180 or 270."""
    sample_aspect_ratio: Fraction | None = None
    frame_rate: Fraction | None = None
    """Average frames per second."""
    variable_frame_rate: bool | None = None
    frames: int | None = None
    """Samples of the video in the index, those that an edit list hides included."""
    audio: AudioFacts | None = None
    """None with `audio_streams == 0`: there is no sound; None otherwise: not established."""
    fragmented: bool | None = None
    faststart: bool | None = None
    edit_list: bool | None = None
    """Does an edit list cut or delay the video (more than the usual B-frame shift)?"""
    truncated: bool | None = None
    encrypted: bool | None = None
    unknown: tuple[Unknown, ...] = ()


# ---------------------------------------------------------------------------------------------- image


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A picture, measured by its header; `decodable` tells whether Pillow could read it where it was tried."""

    format: str
    """One of jpeg, png, webp, gif, bmp, tiff, avif, heic."""
    media_type: str
    width: int | None = None
    height: int | None = None
    coded_width: int | None = None
    coded_height: int | None = None
    orientation: int | None = None
    """EXIF orientation 1-8; for avif and heic the same number for `irot`/`imir`."""
    color_mode: str | None = None
    """As Pillow names it: RGB, L, CMYK, RGBA, P, I;16, …"""
    bit_depth: int | None = None
    """Bits of one channel."""
    alpha: bool | None = None
    animated: bool | None = None
    frames: int | None = None
    truncated: bool | None = None
    unknown: tuple[Unknown, ...] = ()


# ----------------------------------------------------------------------------- what a probe answers


class Refusal(StrEnum):
    """Why bytes are not a medium that can be judged."""

    EMPTY = "empty"
    HTML = "html"
    JSON = "json"
    XML = "xml"
    PLAYLIST = "playlist"
    LFS_POINTER = "lfs-pointer"
    TEXT = "text"
    AUDIO = "audio"
    ARCHIVE = "archive"
    PDF = "pdf"
    UNSUPPORTED = "unsupported"
    """A medium by its first bytes (flv, ogg, psd, …), of a kind that preflight does not open."""
    TRUNCATED = "truncated"
    """A medium whose index lies in the part that is cut off: no duration, no size can be read."""
    CORRUPT = "corrupt"
    """It begins like a medium, and its structure does not hold."""
    CRASHES = "crashes"
    """It ended the decoder that tried it, or kept it busy beyond any reason."""
    TOO_COMPLEX = "too-complex"
    """Its structure claims more than a real clip can hold: refused before a decoder sees it."""
    GARBAGE = "garbage"
    """Nothing that is known."""


@dataclass(frozen=True, slots=True)
class NotMedia:
    """The bytes were read and are no medium that can be judged; `detail` is one plain sentence part."""

    refusal: Refusal
    detail: str
    media_type: str | None = None
    """What the bytes are as far as they tell: `text/html`, `video/x-flv`, …"""


@dataclass(frozen=True, slots=True)
class NeedSpans:
    """The probe cannot go on without these bytes."""

    spans: tuple[Span, ...]


Outcome = VideoFacts | ImageFacts | NotMedia


# -------------------------------------------------------------------------------------------- delivery


class Cause(StrEnum):
    """Why a medium's bytes could not be had. The value names the cause; a rule tells the story."""

    # The provider meets the same: an error.
    INVALID_URL = "invalid-url"
    NOT_PUBLIC = "not-public"
    NO_SUCH_HOST = "no-such-host"
    REFUSED = "refused"
    TLS_EXPIRED = "tls-expired"
    TLS_WRONG_HOST = "tls-wrong-host"
    TLS_SELF_SIGNED = "tls-self-signed"
    TLS_UNTRUSTED = "tls-untrusted"
    TLS_INCOMPLETE = "tls-incomplete"
    TLS_FAILED = "tls-failed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    GONE = "gone"
    STATUS = "status"
    """Any other final answer that is not a success."""
    TOO_MANY_REDIRECTS = "too-many-redirects"
    BAD_REDIRECT = "bad-redirect"
    NOT_A_FILE = "not-a-file"
    """A local path that is a directory, or cannot be read."""
    # Ours alone, or it may pass: the verdict stays unknown.
    DNS_FAILED = "dns-failed"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CONNECTION_LOST = "connection-lost"
    BAD_HTTP = "bad-http"
    RATE_LIMITED = "rate-limited"
    SERVER_ERROR = "server-error"
    INCONSISTENT = "inconsistent"
    """Two answers describe two different files (size or ETag changed between ranges)."""
    BUDGET = "budget"
    """The byte budget ended before the facts were complete."""
    MACHINE = "machine"
    """This machine could not ask, or could not look at what came."""

    @property
    def passing(self) -> bool:
        """May it pass, or be ours alone? Then it proves nothing about the provider."""
        return self in _PASSING


_PASSING = frozenset(
    {
        Cause.DNS_FAILED,
        Cause.UNREACHABLE,
        Cause.TIMEOUT,
        Cause.CONNECTION_LOST,
        Cause.BAD_HTTP,
        Cause.RATE_LIMITED,
        Cause.SERVER_ERROR,
        Cause.INCONSISTENT,
        Cause.BUDGET,
        Cause.MACHINE,
    }
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why delivery ended early. `detail` is our own words (never a library's text, which may hold a secret)."""

    cause: Cause
    detail: str
    status: int | None = None
    retry_after: float | None = None
    """Seconds, as the server asked."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One answer on the way: the URL asked (unredacted; redaction happens where text leaves) and its status."""

    url: str
    status: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """What it cost. Bytes are those received on the sockets (headers included, TLS framing not)."""

    requests: int = 0
    connections: int = 0
    bytes_received: int = 0
    round_trips: int = 0
    """Trips in sequence: connections and requests that had to wait for each other."""
    seconds: float = 0.0

    def __add__(self, other: Transfer) -> Transfer:
        """What both took, one after the other."""
        return Transfer(
            requests=self.requests + other.requests,
            connections=self.connections + other.connections,
            bytes_received=self.bytes_received + other.bytes_received,
            round_trips=self.round_trips + other.round_trips,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one medium came: from where, over which hops, with which headers, at what cost."""

    reference: str
    """As given: a URL or a local path. Unredacted."""
    local: bool = False
    final_url: str | None = None
    hops: tuple[Hop, ...] = ()
    """Redirects only, in order; empty when the first answer was the medium."""
    status: int | None = None
    media_type_declared: str | None = None
    size_bytes: int | None = None
    size_proof: Literal["content-range", "content-length", "read", "file"] | None = None
    ranges: bool | None = None
    """Did the server honour `Range`? None before an answer, and for local files."""
    private: bool = False
    """Was a non-public address met on the way, and allowed for development? The provider cannot reach it."""
    etag: str | None = None
    failure: Failure | None = None
    transfer: Transfer = field(default=Transfer())

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL that was asked on the way: what a server says may quote their secrets."""
        return (self.reference, *(hop.url for hop in self.hops), *filter(None, [self.final_url]))


@dataclass(frozen=True, slots=True)
class Medium:
    """One reference of the request after its inspection; `outcome` is None when its bytes could not be had."""

    kind: Kind
    delivery: Delivery
    outcome: Outcome | None

    @property
    def pointer(self) -> str:
        """Where the request names it."""
        return f"/{self.kind}_url"
