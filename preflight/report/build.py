"""From what the pipeline found to what may leave the process: rounded, cleaned, and without a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight import __version__
from preflight.deliver.url import redact
from preflight.facts import ImageFacts, NotMedia, VideoFacts
from preflight.findings import verdict_of
from preflight.printable import clean, clean_lines
from preflight.probes.pillow import version as pillow_version
from preflight.redaction import hide, redact_trace, redact_urls
from preflight.report.wire import (
    Audio,
    Cost,
    Delivery,
    Durations,
    Estimate,
    Failure,
    Finding,
    Hop,
    Ignored,
    Image,
    MediaReport,
    NotAMedium,
    NotEvaluated,
    ProfileId,
    Report,
    Request,
    Scalar,
    Timing,
    Tool,
    Transfer,
    Unknown,
    Video,
    WatermarkInfo,
    Window,
)
from preflight.rules.limits import numbers

if TYPE_CHECKING:
    from fractions import Fraction

    from preflight import estimate as estimates
    from preflight import facts, findings
    from preflight.rules import Judgement
    from preflight.rules.model import Case

_LONGEST_URL = 2048


def build_report(case: Case, judgement: Judgement, estimate: estimates.Estimate, *, seconds: float) -> Report:
    """Everything the pipeline found, in the form that may leave the process."""
    safe = _Redactor(case)
    return Report(
        verdict=verdict_of(judgement.findings, judgement.not_evaluated),
        profile=ProfileId(name=clean(case.profile.name), revision=clean(case.profile.revision)),
        request=_request(case, safe),
        image=_image(case.image) if case.image else None,
        video=_video(case.video, _window(case)) if case.video else None,
        findings=tuple(_finding(finding, safe) for finding in judgement.findings),
        not_evaluated=tuple(
            NotEvaluated(rule=item.rule, subject=item.subject, reason=safe.text(item.reason), decisive=item.decisive)
            for item in judgement.not_evaluated
        ),
        ignored=tuple(
            Ignored(rule=item.rule, severity=item.severity, subject=item.subject) for item in judgement.ignored
        ),
        estimate=_estimate(estimate),
        tool=_tool(case.video),
        timing=Timing(seconds=round(seconds, 6)),
    )


def media_report(medium: facts.Medium) -> MediaReport:
    """One medium's facts, for `probe`; what it is, its bytes tell."""
    return MediaReport(
        image=_image(medium) if isinstance(medium.outcome, ImageFacts) else None,
        video=_video(medium, None) if isinstance(medium.outcome, VideoFacts) else None,
        unread=None if isinstance(medium.outcome, ImageFacts | VideoFacts) else Delivery(**_arrived(medium)),
        tool=_tool(medium),
    )


class _Redactor:
    """Strips from our own sentences what may have slipped into them: the request's URLs, and any other."""

    def __init__(self, case: Case) -> None:
        given = {str(case.request.payload.get(name) or "") for name in ("image_url", "video_url")}
        for medium in filter(None, (case.image, case.video)):
            given |= {medium.delivery.reference, medium.delivery.final_url or ""}
            given |= {hop.url for hop in medium.delivery.hops}
        # Longest first: one may begin with another.
        harmless = {url: _url(url) for url in sorted(given - {""}, key=lambda url: (-len(url), url))}
        self._known = {url: shown for url, shown in harmless.items() if url != shown}

    def known(self, text: str) -> str:
        """Replace the references of this case, wherever they stand; other URLs (documentation) stay."""
        for url, harmless in self._known.items():
            text = text.replace(url, harmless)
        return clean_lines(text)

    def text(self, text: str) -> str:
        """Redact every URL in a sentence that quotes what somebody else sent."""
        return redact_urls(self.known(text))

    def scalar(self, value: findings.Scalar) -> Scalar:
        """The same for an observed value or a limit."""
        return clean(self.text(value)) if isinstance(value, str) else value


def _finding(finding: findings.Finding, safe: _Redactor) -> Finding:
    return Finding(
        rule=finding.rule,
        severity=finding.severity,
        subject=finding.subject,
        pointer=clean(redact_trace(safe.known(finding.pointer))),
        message=safe.text(finding.message),
        observed=safe.scalar(finding.observed),
        limit=safe.scalar(finding.limit),
        why=safe.known(finding.why),
        fix=safe.known(finding.fix),
        source=safe.known(finding.source),
    )


def _request(case: Case, safe: _Redactor) -> Request:
    read = case.request
    return Request(
        model=_text(read.model),
        prompt=clean(safe.text(read.prompt), None) if read.prompt is not None else None,
        image_url=_url(read.image_url) if read.image_url is not None else None,
        video_url=_url(read.video_url) if read.video_url is not None else None,
        keep_original_sound=_text(read.keep_original_sound),
        character_orientation=_text(read.character_orientation),
        mode=_text(read.mode),
        watermark_info=WatermarkInfo(enabled=read.watermark_enabled),
    )


def _arrived(medium: facts.Medium) -> dict[str, Any]:
    delivery, outcome, failure = medium.delivery, medium.outcome, medium.delivery.failure
    return {
        "url": _url(delivery.reference),
        "local": delivery.local,
        "final_url": _url(delivery.final_url) if delivery.final_url else None,
        "hops": tuple(Hop(url=_url(hop.url), status=hop.status) for hop in delivery.hops),
        "status": delivery.status,
        "media_type_declared": _text(delivery.media_type_declared),
        "media_type_sniffed": _text(outcome.media_type) if outcome else None,
        "size_bytes": delivery.size_bytes,
        "size_proof": delivery.size_proof,
        "ranges": delivery.ranges,
        "etag": _text(delivery.etag and hide(delivery.etag, delivery.urls)),
        "failure": Failure(
            cause=failure.cause,
            detail=clean(failure.detail),
            passing=failure.cause.passing,
            status=failure.status,
            retry_after=failure.retry_after,
        )
        if failure
        else None,
        "not_media": NotAMedium(refusal=outcome.refusal, detail=clean(outcome.detail))
        if isinstance(outcome, NotMedia)
        else None,
        "transfer": Transfer(
            requests=delivery.transfer.requests,
            connections=delivery.transfer.connections,
            bytes_received=delivery.transfer.bytes_received,
            round_trips=delivery.transfer.round_trips,
            seconds=round(delivery.transfer.seconds, 6),
        ),
    }


#: The facts that the wire takes as they are, cleaned; the others have a conversion of their own below.
_IMAGE_FACTS = (
    *("format", "width", "height", "coded_width", "coded_height", "orientation", "color_mode"),
    *("bit_depth", "alpha", "animated", "frames", "truncated"),
)
_VIDEO_FACTS = (
    *("container", "brand", "video_streams", "audio_streams", "codec", "codec_tag", "codec_profile", "codec_level"),
    *("pixel_format", "bit_depth", "color_primaries", "color_transfer", "interlaced", "width", "height"),
    *("coded_width", "coded_height", "rotation", "variable_frame_rate", "frames"),
    *("fragmented", "faststart", "edit_list", "truncated", "encrypted"),
)


def _image(medium: facts.Medium) -> Image:
    picture = medium.outcome if isinstance(medium.outcome, ImageFacts) else None
    return Image(**_arrived(medium), **_plain(picture, _IMAGE_FACTS), unknown=_unknown(picture))


def _video(medium: facts.Medium, window: Window | None) -> Video:
    clip = medium.outcome if isinstance(medium.outcome, VideoFacts) else None
    lengths = {name: _number(getattr(clip.durations, name) if clip else None) for name in Durations.model_fields}
    sound = clip.audio if clip else None
    ratio = clip.sample_aspect_ratio if clip else None
    return Video(
        **_arrived(medium),
        **_plain(clip, _VIDEO_FACTS),
        brands=tuple(map(clean, clip.brands)) if clip else (),
        durations=Durations(**lengths),
        judged=None if lengths["container"] is None else "container",
        window=window,
        start_offset=_number(clip.start_offset if clip else None),
        sample_aspect_ratio=f"{ratio.numerator}:{ratio.denominator}" if ratio is not None else None,
        frame_rate=_number(clip.frame_rate if clip else None),
        audio=Audio(codec=_text(sound.codec), channels=sound.channels, sample_rate=sound.sample_rate)
        if sound
        else None,
        unknown=_unknown(clip),
    )


def _plain(found: ImageFacts | VideoFacts | None, names: tuple[str, ...]) -> dict[str, Any]:
    values = {name: getattr(found, name, None) for name in names}
    return {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}


def _unknown(found: ImageFacts | VideoFacts | None) -> tuple[Unknown, ...]:
    return tuple(Unknown(fact=item.fact, reason=clean(item.reason)) for item in found.unknown) if found else ()


def _window(case: Case) -> Window:
    def end(name: str) -> float | None:
        limit = case.limit(name)
        candidates = set(numbers(case, limit)) if limit else set()
        return _number(candidates.pop()) if len(candidates) == 1 else None

    return Window(minimum=end("video_duration_min"), maximum=end("video_duration_max"))


def _estimate(found: estimates.Estimate) -> Estimate:
    cost = found.cost
    return Estimate(
        billed_seconds=_number(found.billed_seconds),
        at_least=_number(found.at_least),
        at_most=_number(found.at_most),
        rounding=found.rounding,
        hold_seconds=_number(found.hold_seconds),
        cost=Cost(
            currency=cost.currency,
            per_second=cost.per_second,
            expected=cost.expected,
            at_least=cost.at_least,
            at_most=cost.at_most,
        )
        if cost
        else None,
        assumptions=tuple(map(clean_lines, found.assumptions)),
    )


def _tool(medium: facts.Medium | None) -> Tool:
    video = medium.outcome if medium and isinstance(medium.outcome, VideoFacts) else None
    return Tool(
        version=__version__,
        ffmpeg=video.libavformat if video else None,
        pillow=pillow_version(),
    )


def _url(reference: str) -> str:
    return clean(redact(reference), _LONGEST_URL)


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value)


def _number(value: Fraction | None) -> float | None:
    """Rounded to a millionth, half to even: as `round` does it, which takes ten times as long."""
    if value is None:
        return None
    whole, rest = divmod(value.numerator * 1_000_000, value.denominator)
    twice = 2 * rest
    up = twice > value.denominator or (twice == value.denominator and whole % 2 == 1)
    return (whole + up) / 1_000_000
