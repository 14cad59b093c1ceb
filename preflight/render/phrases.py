"""What a report says in words, whatever shows it: the line beside the verdict, facts, the bill, what fetching cost.

A renderer decides where these stand and how they look; that two of them tell one report alike is decided here, and so
is what is translated: sentences and labels are, words of the wire, of formats and of codecs are not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Literal, NamedTuple

from preflight.findings import Severity, Verdict
from preflight.language import later, say, told
from preflight.report.wire import Image, Video
from preflight.rules.model import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from preflight.facts import Kind
    from preflight.report import Report
    from preflight.report.wire import Cost, Delivery, Estimate, Finding, Ignored, NotEvaluated

#: A label and what it is. No label: it goes on with the fact above. No value: there is nothing to show.
Row = tuple[str, str]

#: Decimals of money at least; a finer price shows all of its own.
_CENTS = 2
#: `ffmpeg -i …` or `https://…` before a full stop, a comma, a semicolon or the end.
_COMMAND = re.compile(r"\s*`([a-z][\w.-]* [^`]+|[a-z]+://[^`\s]+)`(?:[.;,。；，]\s*|\s*$)")

VERDICTS = {
    Verdict.PASS: later("PASS"),
    Verdict.WARN: later("WARN"),
    Verdict.FAIL: later("FAIL"),
    Verdict.UNKNOWN: later("UNKNOWN"),
}
#: What is counted, as one and as many.
_COUNTED = {
    "error": (later("{count} error"), later("{count} errors")),
    "warning": (later("{count} warning"), later("{count} warnings")),
    "note": (later("{count} note"), later("{count} notes")),
    "rule": (later("{count} rule"), later("{count} rules")),
    "channel": (later("{count} channel"), later("{count} channels")),
    "frame": (later("{count} frame"), later("{count} frames")),
    "request": (later("{count} request"), later("{count} requests")),
    "round trip": (later("{count} round trip"), later("{count} round trips")),
}


# ------------------------------------------------------------------------------------------- judgement


def summary(report: Report, *, strict: bool) -> str:
    """What stands beside the verdict: how much was found and what it means, or why the verdict is open."""
    counted = _counted(report.findings)
    aside = say(" ({remark})", remark=counted) if counted else ""
    match report.verdict:
        case Verdict.PASS:
            return say("ready to submit") + aside
        case Verdict.WARN if strict:
            return say("{counted}, which --strict does not accept", counted=counted)
        case Verdict.WARN:
            return say("{counted}: probably accepted, but result, cost or certainty suffers", counted=counted)
        case Verdict.FAIL:
            return say("{counted}: refused, or the job fails", counted=counted)
        case Verdict.UNKNOWN:
            return _root_causes(report) + aside


def ignored(items: Sequence[Ignored]) -> str:
    """What --ignore hid, to follow a summary; "" if nothing."""
    rules = _listed(*dict.fromkeys(item.rule for item in items))
    return say(" ({counted} ignored: {rules})", counted=_counted(items), rules=rules) if items else ""


def _counted(items: Iterable[Finding | Ignored]) -> str:
    counts = Counter(item.severity for item in items)
    return _listed(*(count(counts[severity], severity) for severity in Severity if counts[severity]))


def _root_causes(report: Report) -> str:
    """Why the verdict is open: what kept a medium from being looked at, else what the rules themselves miss."""
    media: tuple[tuple[Kind, Image | Video | None], ...] = (("image", report.image), ("video", report.video))
    causes = [
        say(
            "the {kind} could not be fetched: {cause} ({detail})",
            kind=say(SUBJECTS[kind]),
            cause=medium.failure.cause.replace("-", " "),
            detail=told(medium.failure.detail),
        )
        for kind, medium in media
        if medium and medium.failure and medium.failure.passing
    ]
    silent = {kind for kind, medium in media if medium and not medium.failure}
    reasons = [
        _about(say(SUBJECTS[item.subject]), item.reason)
        for item in report.not_evaluated
        if item.decisive and (item.subject in silent or not causes)
    ]
    return say("; ").join([*causes, *dict.fromkeys(reasons)])


def _about(subject: str, reason: str) -> str:
    return reason if subject in reason else say("{subject}: {reason}", subject=subject, reason=reason)


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
            say(" and the ").join(dict.fromkeys(say(SUBJECTS[item.subject]) for item in members)),
            tuple(dict.fromkeys(item.rule for item in members)),
            any(item.decisive for item in members),
        )
        for reason, members in groups.items()
    ]
    return sorted(found, key=lambda gap: not gap.decisive)


def gap_told(gap: Gap) -> str:
    """How many rules wait, on what, and why."""
    rules = count(len(gap.rules), "rule")
    return say("{rules} on the {subjects}: {reason}", rules=rules, subjects=gap.subjects, reason=gap.reason)


def advice(text: str) -> Iterator[tuple[Literal["prose", "command"], str]]:
    """Prose that quotes commands in backticks, cut up: a command that ends a clause stands on its own."""
    for number, part in enumerate(_COMMAND.split(text)):
        if part:
            yield ("command" if number % 2 else "prose"), part


# ----------------------------------------------------------------------------------------------- facts


def facts(medium: Image | Video | Delivery) -> list[Row]:
    """What a medium is, but for a video's durations: those are aligned or drawn, and belong below its container."""
    rows: list[Row] = [(say("not read"), unread(medium))]
    if isinstance(medium, Image) and medium.format:
        rows = [*rows, *_image(medium)]
    elif isinstance(medium, Video) and medium.container:
        rows = [*rows, *_video(medium)]
    elif medium.media_type_sniffed and not medium.not_media:
        rows.append((say("is"), medium.media_type_sniffed))
    if medium.size_bytes is not None:
        rows.append((say("size"), size(medium.size_bytes)))
    return [row for row in rows if row[1]]


def arrival(medium: Image | Video | Delivery) -> list[Row]:
    """How it came, and which facts could not be established."""
    known = (
        (say("status"), medium.status),
        (say("declared"), medium.media_type_declared),
        (say("sniffed"), medium.media_type_sniffed),
        (say("size from"), medium.size_proof),
        (say("ranges"), yes(medium.ranges)),
        (say("etag"), medium.etag),
    )
    missing = medium.unknown if isinstance(medium, Image | Video) else ()
    return [
        *((label, str(value)) for label, value in known if value is not None),
        *((say("unknown"), say("{fact}: {reason}", fact=item.fact, reason=told(item.reason))) for item in missing),
    ]


def in_short(medium: Image | Video | Delivery) -> str:
    """A medium in half a line."""
    cut = medium.truncated and say("truncated") if isinstance(medium, Image | Video) else None
    if isinstance(medium, Image):
        return _listed(medium.format, sides(medium.width, medium.height), cut)
    if isinstance(medium, Video):
        length = medium.durations.container
        lasting = say("duration not established") if length is None else lasts(seconds(length))
        return _listed(medium.container, lasting, sides(medium.width, medium.height), medium.codec, cut)
    return say("not read: {reason}", reason=unread(medium))


def unread(medium: Image | Video | Delivery) -> str:
    """Why a medium could not be read; "" if it was."""
    if medium.failure:
        return say("{cause}: {detail}", cause=medium.failure.cause, detail=told(medium.failure.detail))
    fault = medium.not_media
    return say("{cause}: {detail}", cause=fault.refusal, detail=told(fault.detail)) if fault else ""


def transfer(medium: Image | Video | Delivery) -> str:
    """What fetching it cost."""
    cost = medium.transfer
    if medium.local:
        return say("read from disk")
    return _listed(
        count(cost.requests, "request"),
        say("{size} received", size=size(cost.bytes_received)),
        count(cost.round_trips, "round trip"),
        lasts(f"{cost.seconds:.2f}"),
    )


def turn(medium: Image | Video) -> str:
    """How a stored picture is turned before it is shown; "" if it is not."""
    if isinstance(medium, Video):
        return say("turned by {degrees}°", degrees=medium.rotation) if medium.rotation else ""
    is_upright = medium.orientation in (None, 1)
    return "" if is_upright else say("EXIF orientation {number}", number=medium.orientation)


def _image(image: Image) -> tuple[Row, ...]:
    shape = (image.format, _bits(image.bit_depth), image.color_mode, image.alpha and say("alpha"))
    moving = image.animated and _frames(image.frames)
    return (
        (say("format"), _listed(*shape)),
        (say("picture"), _listed(sides(image.width, image.height), turn(image))),
        ("", _listed(moving, image.truncated and say("truncated"))),
    )


def _video(video: Video) -> tuple[Row, ...]:
    index = {True: say("index before the media"), False: say("index after the media"), None: None}[video.faststart]
    shape = (
        video.fragmented and say("fragmented"),
        video.edit_list and say("edit list"),
        video.encrypted and say("encrypted"),
        video.truncated and say("truncated"),
    )
    rate = None if video.frame_rate is None else say("{rate:.6g} per second", rate=video.frame_rate)
    frames = (
        rate,
        video.variable_frame_rate and say("variable"),
        video.frames and say("{count} in all", count=video.frames),
    )
    return (
        (say("container"), _listed(_named(video.container, video.brand), index, *shape)),
        (say("picture"), _listed(sides(video.width, video.height), turn(video))),
        (say("codec"), _listed(_named(video.codec, video.codec_profile), video.pixel_format, _bits(video.bit_depth))),
        ("", _listed(video.color_transfer, video.interlaced and say("interlaced"))),
        (say("frames"), _listed(*frames)),
        (say("sound"), _sound(video)),
    )


def _sound(video: Video) -> str:
    if video.audio:
        rate = video.audio.sample_rate and f"{video.audio.sample_rate} Hz"
        channels = video.audio.channels and count(video.audio.channels, "channel")
        return _listed(video.audio.codec or say("codec not established"), channels, rate)
    return say("none") if video.audio_streams == 0 else say("not established")


# ------------------------------------------------------------------------------------------------ bill


def bill(estimate: Estimate) -> list[Row]:
    """The billed seconds, their interval, and the money."""
    if estimate.billed_seconds is None:
        rows: list[Row] = [(say("billed"), say("not established: the duration is unknown"))]
    else:
        rows = [(say("billed"), lasts(seconds(estimate.billed_seconds)))]
    if estimate.at_least != estimate.at_most:
        ends = ((say("at least"), estimate.at_least), (say("at most"), estimate.at_most))
        rows += [(label, lasts(seconds(value))) for label, value in ends if value is not None]
    # A clip beyond the window is refused: then nobody reserves the window's end for it.
    hold, billed = estimate.hold_seconds, estimate.billed_seconds
    if hold is not None and billed is not None and billed <= hold:
        rows.append((say("reserved"), say("{seconds} s first, by some resellers", seconds=seconds(hold))))
    if estimate.cost:
        rows.append((say("cost"), _cost(estimate.cost)))
    return rows


def _cost(cost: Cost) -> str:
    unit = f" {cost.currency}" if cost.currency else ""
    places = max(_CENTS, -int(cost.per_second.as_tuple().exponent))

    def money(amount: Decimal) -> str:
        with localcontext(rounding=ROUND_HALF_UP):  # `quantize` would refuse an amount of more than 28 digits
            return f"{amount:.{places}f}"

    price = money(cost.per_second) + unit
    if cost.expected is None or cost.at_least is None or cost.at_most is None:
        return say("not established, at {price} per second", price=price)
    expected = money(cost.expected) + unit
    if cost.at_least == cost.at_most:
        return say("{amount}, at {price} per second", amount=expected, price=price)
    ends = {"low": money(cost.at_least), "high": money(cost.at_most)}
    return say("{amount}, {low} to {high}, at {price} per second", amount=expected, price=price, **ends)


# --------------------------------------------------------------------------------------------- figures


def seconds(value: float, beside: Iterable[float | None] = ()) -> str:
    """Milliseconds; microseconds where milliseconds would make it look equal to a number it is not equal to."""
    shown = round(value, 3)
    return f"{value:.6f}" if shown != value and shown in beside else f"{value:.3f}"


def lasts(figure: str) -> str:
    """A number of seconds, with its unit."""
    return say("{seconds} s", seconds=figure)


def size(number: int) -> str:
    """Bytes, and above a thousand also in the unit that people read."""
    exact = say("{count:,} bytes", count=number)
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if number >= unit:
            return say("{figure} ({exact})", figure=f"{number / unit:.1f} {name}", exact=exact)
    return exact


def count(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    one, many = _COUNTED[noun]
    return say(one if number == 1 else many, count=number)


def sides(width: int | None, height: int | None) -> str:
    """How large a picture is."""
    if width is None or height is None:
        return say("sides not established")
    return say("{width} x {height} px", width=width, height=height)


def yes(value: bool | None) -> str | None:
    """A flag in a word."""
    return None if value is None else say("yes") if value else say("no")


def _bits(depth: int | None) -> str | None:
    return None if depth is None else say("{depth} bit", depth=depth)


def _frames(number: int | None) -> str:
    return say("animated") if number is None else _listed(say("animated"), count(number, "frame"))


def _named(word: str | None, addition: str | None) -> str | None:
    if not word or not addition or addition.strip() == word:
        return word
    return say("{word} ({addition})", word=word, addition=addition.strip())


def _listed(*parts: object) -> str:
    return say(", ").join(str(part) for part in parts if part)
