"""What a report says in words, whatever shows it: the line beside the verdict, facts, the bill, what fetching cost.

A renderer decides where these stand and how they look; that two of them tell one report alike is decided here.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Literal, NamedTuple

from preflight.findings import Severity, Verdict
from preflight.report.wire import Image, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from preflight.report import Report
    from preflight.report.wire import Cost, Delivery, Estimate, Finding, Ignored, NotEvaluated

#: A label and what it is. No label: it goes on with the fact above. No value: there is nothing to show.
Row = tuple[str, str]

#: Decimals of money at least; a finer price shows all of its own.
_CENTS = 2
#: `ffmpeg -i …` or `https://…` before a full stop, a comma, a semicolon or the end.
_COMMAND = re.compile(r"\s*`([a-z][\w.-]* [^`]+|[a-z]+://[^`\s]+)`(?:[.;,]\s*|\s*$)")


# ------------------------------------------------------------------------------------------- judgement


def summary(report: Report, *, strict: bool) -> str:
    """What stands beside the verdict: how much was found and what it means, or why the verdict is open."""
    counted = _counted(report.findings)
    match report.verdict:
        case Verdict.PASS:
            return "ready to submit" + (f" ({counted})" if counted else "")
        case Verdict.WARN if strict:
            return f"{counted}, which --strict does not accept"
        case Verdict.WARN:
            return f"{counted}: probably accepted, but result, cost or certainty suffers"
        case Verdict.FAIL:
            return f"{counted}: refused, or the job fails"
        case Verdict.UNKNOWN:
            return _root_causes(report) + (f" ({counted})" if counted else "")


def ignored(items: Sequence[Ignored]) -> str:
    """What --ignore hid, to follow a summary; "" if nothing."""
    rules = ", ".join(dict.fromkeys(item.rule for item in items))
    return f" ({_counted(items)} ignored: {rules})" if items else ""


def _counted(items: Iterable[Finding | Ignored]) -> str:
    counts = Counter(item.severity for item in items)
    return ", ".join(count(counts[severity], severity) for severity in Severity if counts[severity])


def _root_causes(report: Report) -> str:
    """Why the verdict is open: what kept a medium from being looked at, else what the rules themselves miss."""
    media = (("image", report.image), ("video", report.video))
    causes = [
        f"the {kind} could not be fetched: {medium.failure.cause.replace('-', ' ')} ({medium.failure.detail})"
        for kind, medium in media
        if medium and medium.failure and medium.failure.passing
    ]
    silent = {kind for kind, medium in media if medium and not medium.failure}
    reasons = [
        item.reason if item.subject in item.reason else f"{item.subject}: {item.reason}"
        for item in report.not_evaluated
        if item.decisive and (item.subject in silent or not causes)
    ]
    return "; ".join([*causes, *dict.fromkeys(reasons)])


class Gap(NamedTuple):
    """Rules that could not be evaluated for one reason. `decisive`: the verdict waits for one of them."""

    reason: str
    subjects: str
    rules: tuple[str, ...]
    decisive: bool


def gaps(items: Sequence[NotEvaluated]) -> list[Gap]:
    """What could not be evaluated, by reason; what the verdict waits for comes first."""
    groups: dict[str, list[NotEvaluated]] = defaultdict(list)
    for item in items:
        groups[item.reason].append(item)
    found = [
        Gap(
            reason,
            " and the ".join(dict.fromkeys(item.subject for item in members)),
            tuple(dict.fromkeys(item.rule for item in members)),
            any(item.decisive for item in members),
        )
        for reason, members in groups.items()
    ]
    return sorted(found, key=lambda gap: not gap.decisive)


def advice(text: str) -> Iterator[tuple[Literal["prose", "command"], str]]:
    """Prose that quotes commands in backticks, cut up: a command that ends a clause stands on its own."""
    for number, part in enumerate(_COMMAND.split(text)):
        if part:
            yield ("command" if number % 2 else "prose"), part


# ----------------------------------------------------------------------------------------------- facts


def facts(medium: Image | Video | Delivery) -> list[Row]:
    """What a medium is, but for a video's durations: those are aligned or drawn, and belong below its container."""
    rows: list[Row] = [("not read", unread(medium))]
    if isinstance(medium, Image) and medium.format:
        rows = [*rows, *_image(medium)]
    elif isinstance(medium, Video) and medium.container:
        rows = [*rows, *_video(medium)]
    elif medium.media_type_sniffed and not medium.not_media:
        rows.append(("is", medium.media_type_sniffed))
    if medium.size_bytes is not None:
        rows.append(("size", size(medium.size_bytes)))
    return [row for row in rows if row[1]]


def arrival(medium: Image | Video | Delivery) -> list[Row]:
    """How it came, and which facts could not be established."""
    told = (
        ("status", medium.status),
        ("declared", medium.media_type_declared),
        ("sniffed", medium.media_type_sniffed),
        ("size from", medium.size_proof),
        ("ranges", _yes(medium.ranges)),
        ("etag", medium.etag),
    )
    missing = medium.unknown if isinstance(medium, Image | Video) else ()
    return [
        *((label, str(value)) for label, value in told if value is not None),
        *(("unknown", f"{item.fact}: {item.reason}") for item in missing),
    ]


def in_short(medium: Image | Video | Delivery) -> str:
    """A medium in half a line."""
    if isinstance(medium, Image):
        return _listed(medium.format, _sides(medium.width, medium.height), medium.truncated and "truncated")
    if isinstance(medium, Video):
        length = medium.durations.container
        lasting = "duration not established" if length is None else f"{seconds(length)} s"
        shape = (_sides(medium.width, medium.height), medium.codec, medium.truncated and "truncated")
        return _listed(medium.container, lasting, *shape)
    return f"not read: {unread(medium)}"


def unread(medium: Image | Video | Delivery) -> str:
    """Why a medium could not be read; "" if it was."""
    if medium.failure:
        return f"{medium.failure.cause}: {medium.failure.detail}"
    return f"{medium.not_media.refusal}: {medium.not_media.detail}" if medium.not_media else ""


def transfer(medium: Image | Video | Delivery) -> str:
    """What fetching it cost."""
    cost = medium.transfer
    if medium.local:
        return "read from disk"
    trips = count(cost.round_trips, "round trip")
    return _listed(
        count(cost.requests, "request"), f"{size(cost.bytes_received)} received", trips, f"{cost.seconds:.2f} s"
    )


def _image(image: Image) -> tuple[Row, ...]:
    turned = image.orientation not in (None, 1) and f"EXIF orientation {image.orientation}"
    return (
        ("format", _listed(image.format, _bits(image.bit_depth), image.color_mode, image.alpha and "alpha")),
        ("picture", _listed(_sides(image.width, image.height), turned)),
        ("", _listed(image.animated and _frames(image.frames), image.truncated and "truncated")),
    )


def _video(video: Video) -> tuple[Row, ...]:
    index = {True: "index before the media", False: "index after the media", None: None}[video.faststart]
    shape = (video.fragmented and "fragmented", video.edit_list and "edit list", video.encrypted and "encrypted")
    rate = None if video.frame_rate is None else f"{video.frame_rate:.6g} per second"
    frames = (rate, video.variable_frame_rate and "variable", video.frames and f"{video.frames} in all")
    return (
        (
            "container",
            _listed(_named(video.container, video.brand), index, *shape, video.truncated and "truncated"),
        ),
        ("picture", _listed(_sides(video.width, video.height), video.rotation and f"turned by {video.rotation}°")),
        ("codec", _listed(_named(video.codec, video.codec_profile), video.pixel_format, _bits(video.bit_depth))),
        ("", _listed(video.color_transfer, video.interlaced and "interlaced")),
        ("frames", _listed(*frames)),
        ("sound", _sound(video)),
    )


def _sound(video: Video) -> str:
    if video.audio:
        rate = video.audio.sample_rate and f"{video.audio.sample_rate} Hz"
        channels = video.audio.channels and count(video.audio.channels, "channel")
        return _listed(video.audio.codec or "codec not established", channels, rate)
    return "none" if video.audio_streams == 0 else "not established"


# ------------------------------------------------------------------------------------------------ bill


def bill(estimate: Estimate) -> list[Row]:
    """The billed seconds, their interval, and the money."""
    if estimate.billed_seconds is None:
        rows: list[Row] = [("billed", "not established: the duration is unknown")]
    else:
        rows = [("billed", f"{seconds(estimate.billed_seconds)} s")]
    if estimate.at_least != estimate.at_most:
        ends = (("at least", estimate.at_least), ("at most", estimate.at_most))
        rows += [(label, f"{seconds(value)} s") for label, value in ends if value is not None]
    # A clip beyond the window is refused: then nobody reserves the window's end for it.
    hold, billed = estimate.hold_seconds, estimate.billed_seconds
    if hold is not None and billed is not None and billed <= hold:
        rows.append(("reserved", f"{seconds(hold)} s first, by some resellers"))
    if estimate.cost:
        rows.append(("cost", _cost(estimate.cost)))
    return rows


def _cost(cost: Cost) -> str:
    unit = f" {cost.currency}" if cost.currency else ""
    places = max(_CENTS, -int(cost.per_second.as_tuple().exponent))

    def money(amount: Decimal) -> str:
        with localcontext(rounding=ROUND_HALF_UP):  # `quantize` would refuse an amount of more than 28 digits
            return f"{amount:.{places}f}"

    if cost.expected is None or cost.at_least is None or cost.at_most is None:
        return f"not established, at {money(cost.per_second)}{unit} per second"
    span = "" if cost.at_least == cost.at_most else f", {money(cost.at_least)} to {money(cost.at_most)}"
    return f"{money(cost.expected)}{unit}{span}, at {money(cost.per_second)}{unit} per second"


# --------------------------------------------------------------------------------------------- figures


def seconds(value: float, beside: Iterable[float | None] = ()) -> str:
    """Milliseconds; microseconds where milliseconds would make it look equal to a number it is not equal to."""
    shown = round(value, 3)
    return f"{value:.6f}" if shown != value and shown in beside else f"{value:.3f}"


def size(number: int) -> str:
    """Bytes, and above a thousand also in the unit that people read."""
    exact = f"{number:,} bytes"
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if number >= unit:
            return f"{number / unit:.1f} {name} ({exact})"
    return exact


def count(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sides(width: int | None, height: int | None) -> str:
    return "sides not established" if width is None or height is None else f"{width} x {height} px"


def _bits(depth: int | None) -> str | None:
    return None if depth is None else f"{depth} bit"


def _frames(number: int | None) -> str:
    return "animated" if number is None else f"animated, {count(number, 'frame')}"


def _named(word: str | None, addition: str | None) -> str | None:
    return f"{word} ({addition.strip()})" if word and addition and addition.strip() != word else word


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _listed(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
