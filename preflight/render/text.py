"""A report for people: the verdict, what is wrong and how to mend it, then the facts, the bill and what it cost.

Signs whose width depends on the terminal's language (…, –, ×, ·) are kept out of aligned columns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from rich.text import Text

from preflight.findings import Severity, Verdict
from preflight.render.page import Page
from preflight.report import MediaReport, Report
from preflight.report.wire import Delivery, Image, Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preflight.report.wire import Cost, Estimate, Finding, Ignored, NotEvaluated

_LOOK = {
    Verdict.PASS: ("✓", "bold green"),
    Verdict.WARN: ("!", "bold yellow"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.UNKNOWN: ("?", "bold magenta"),
}
_SEVERITIES = {
    Severity.ERROR: ("✗", "bold red", "Errors"),
    Severity.WARNING: ("!", "bold yellow", "Warnings"),
    Severity.NOTE: ("i", "bold cyan", "Notes"),
}
_NAMES_SHOWN = 3
#: Lines of a terminal; above it the verdict has scrolled away when the report ends.
_SCREENFUL = 24
#: Decimals of money at least; a finer price shows all of its own.
_CENTS = 2


def render_text(report: Report | MediaReport, *, width: int, color: bool, verbosity: int, strict: bool) -> str:
    """See `preflight.render.render`."""
    page = Page(width, color=color)
    if isinstance(report, MediaReport):
        _medium_alone(page, report, verbosity)
    elif verbosity < 0:
        _in_one_line(page, report)
    else:
        _headline(page, report, _summary(report, strict=strict))
        _body(page, report, verbose=verbosity > 0)
        if page.text().count("\n") > _SCREENFUL:
            page.blank()
            _in_one_line(page, report)
    return page.text()


# ------------------------------------------------------------------------------------------- sections


def _headline(page: Page, report: Report, summary: str, *, whole: bool = False) -> None:
    symbol, style = _LOOK[report.verdict]
    line = Text.assemble((f"{symbol} {report.verdict.upper()}", style), "  ", summary + _ignored(report.ignored))
    if whole:
        page.verbatim(line, 0)
    else:
        page.line(line)


def _in_one_line(page: Page, report: Report) -> None:
    """The verdict with what decided it, as a script or a scrolled terminal needs it."""
    decided = {Verdict.FAIL: Severity.ERROR, Verdict.WARN: Severity.WARNING}.get(report.verdict)
    places = (f"{item.rule} {item.pointer}".rstrip() for item in report.findings if item.severity is decided)
    said = "; ".join(dict.fromkeys(places)) or _summary(report, strict=False)
    _headline(page, report, said, whole=True)


def _summary(report: Report, *, strict: bool) -> str:
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


def _counted(items: Iterable[Finding | Ignored]) -> str:
    counts = Counter(item.severity for item in items)
    return ", ".join(_count(counts[severity], severity) for severity in Severity if counts[severity])


def _ignored(items: Sequence[Ignored]) -> str:
    rules = ", ".join(dict.fromkeys(item.rule for item in items))
    return f" ({_counted(items)} ignored: {rules})" if items else ""


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


def _body(page: Page, report: Report, *, verbose: bool) -> None:
    given = (report.request.model, report.request.mode, report.request.character_orientation)
    asked = "  ".join([*filter(None, given), f"profile {report.profile.name} {report.profile.revision}"])
    page.line(Text(asked, "dim"), 2)
    for severity, (symbol, style, title) in _SEVERITIES.items():
        found = [finding for finding in report.findings if finding.severity is severity]
        if found:
            page.section(title, style)
        told: set[tuple[str, str]] = set()
        for finding in found:
            _finding(page, finding, Text(f"{symbol} {finding.rule}", style))
            # Width and height may break one limit: one story for both.
            if (finding.why, finding.fix) not in told and (verbose or severity is not Severity.NOTE):
                _story(page, finding, verbose=verbose)
            told.add((finding.why, finding.fix))
    _not_evaluated(page, report.not_evaluated, verbose=verbose)
    for title, medium in (("Image", report.image), ("Video", report.video)):
        if medium:
            page.section(title)
            _facts(page, medium, verbose=verbose)
    _estimate(page, report.estimate)
    _transfers(page, report)


def _finding(page: Page, finding: Finding, name: Text) -> None:
    page.line(Text.assemble(name, "  ", (finding.pointer or "the request", "dim")), 2)
    page.line(finding.message, 4)


def _story(page: Page, finding: Finding, *, verbose: bool) -> None:
    page.row("why", finding.why, 4, 5)
    page.advice(finding.fix, 4, "fix")
    if verbose:
        page.row("from", finding.source, 4, 5)


def _not_evaluated(page: Page, items: Sequence[NotEvaluated], *, verbose: bool) -> None:
    if not items:
        return
    page.section("Not evaluated")
    groups: dict[str, list[NotEvaluated]] = defaultdict(list)
    for item in items:
        groups[item.reason].append(item)
    # What the verdict waits for comes first.
    for reason, members in sorted(groups.items(), key=lambda group: not any(item.decisive for item in group[1])):
        decisive = any(item.decisive for item in members)
        rules = list(dict.fromkeys(item.rule for item in members))
        subjects = " and the ".join(dict.fromkeys(item.subject for item in members))
        bullet = Text("? ", _LOOK[Verdict.UNKNOWN][1]) if decisive else Text("  ")
        told = Text(f"{_count(len(rules), 'rule')} on the {subjects}: {reason}", "" if decisive else "dim")
        page.line(told, 2, bullet)
        if not (decisive or verbose) and all(rule.startswith("url-") for rule in rules):
            continue  # local files have no URL yet: nothing to learn from the names
        shown = rules if verbose or len(rules) <= _NAMES_SHOWN + 1 else rules[:_NAMES_SHOWN]
        more = f", and {len(rules) - len(shown)} more (-v lists them)" if len(shown) < len(rules) else ""
        page.line(Text(", ".join(shown) + more, "dim"), 4)


def _facts(page: Page, medium: Image | Video | Delivery, *, verbose: bool) -> None:
    page.verbatim(medium.url, 2)
    if medium.final_url and medium.final_url != medium.url:
        page.verbatim(f"-> {medium.final_url}", 2)
    for hop in medium.hops if verbose else ():
        page.row(f"hop {hop.status}", hop.url)
    page.row("not read", _unread(medium))
    if isinstance(medium, Image) and medium.format:
        _image_facts(page, medium)
    elif isinstance(medium, Video) and medium.container:
        _video_facts(page, medium)
    elif medium.media_type_sniffed and not medium.not_media:
        page.row("is", medium.media_type_sniffed)
    if medium.size_bytes is not None:
        page.row("size", _size(medium.size_bytes))
    if verbose:
        _delivery_facts(page, medium)


def _delivery_facts(page: Page, medium: Image | Video | Delivery) -> None:
    facts = (
        ("status", medium.status),
        ("declared", medium.media_type_declared),
        ("sniffed", medium.media_type_sniffed),
        ("size from", medium.size_proof),
        ("ranges", _yes(medium.ranges)),
        ("etag", medium.etag),
    )
    for label, value in facts:
        if value is not None:
            page.row(label, str(value))
    for item in () if isinstance(medium, Delivery) else medium.unknown:
        page.row("unknown", f"{item.fact}: {item.reason}")


def _image_facts(page: Page, image: Image) -> None:
    page.row("format", _listed(image.format, _bits(image.bit_depth), image.color_mode, image.alpha and "alpha"))
    turned = image.orientation not in (None, 1) and f"EXIF orientation {image.orientation}"
    page.row("picture", _listed(_sides(image.width, image.height), turned))
    page.row("", _listed(image.animated and _frames(image.frames), image.truncated and "truncated"))


def _video_facts(page: Page, video: Video) -> None:
    index = {True: "index before the media", False: "index after the media", None: None}[video.faststart]
    shape = (video.fragmented and "fragmented", video.edit_list and "edit list", video.encrypted and "encrypted")
    page.row("container", _listed(_named(video.container, video.brand), index, *shape, video.truncated and "truncated"))
    _durations(page, video)
    page.row("picture", _listed(_sides(video.width, video.height), video.rotation and f"turned by {video.rotation}°"))
    page.row("codec", _listed(_named(video.codec, video.codec_profile), video.pixel_format, _bits(video.bit_depth)))
    page.row("", _listed(video.color_transfer, video.interlaced and "interlaced"))
    rate = None if video.frame_rate is None else f"{video.frame_rate:.6g} per second"
    page.row(
        "frames", _listed(rate, video.variable_frame_rate and "variable", video.frames and f"{video.frames} in all")
    )
    page.row("sound", _sound(video))


def _durations(page: Page, video: Video) -> None:
    ends = (video.window.minimum, video.window.maximum) if video.window else ()
    measures = [(name, value) for name, value in video.durations if value is not None]
    figures = [_seconds(value, ends) for _, value in measures]
    room = max(map(len, figures), default=0)
    for number, ((name, _), figure) in enumerate(zip(measures, figures, strict=True)):
        mark = ("  <- judged", "bold") if video.window and name == video.judged else ""
        page.row("" if number else "duration", Text.assemble(f"{figure:>{room}} s  {name}", mark))
    if not measures:
        page.row("duration", "not established")
    if video.window and video.window.minimum is not None and video.window.maximum is not None:
        page.row("accepted", f"{video.window.minimum:g} to {video.window.maximum:g} s")
    if video.start_offset:
        page.row("starts at", f"{_seconds(video.start_offset)} s")


def _estimate(page: Page, estimate: Estimate) -> None:
    page.section("Bill")
    if estimate.billed_seconds is None:
        page.row("billed", "not established: the duration is unknown")
    spread = estimate.at_least != estimate.at_most
    for label, value, shown in (
        ("billed", estimate.billed_seconds, True),
        ("at least", estimate.at_least, spread),
        ("at most", estimate.at_most, spread),
    ):
        if value is not None and shown:
            page.row(label, f"{_seconds(value)} s")
    # A clip beyond the window is refused: then nobody reserves the window's end for it.
    hold, billed = estimate.hold_seconds, estimate.billed_seconds
    if hold is not None and billed is not None and billed <= hold:
        page.row("reserved", f"{_seconds(hold)} s first, by some resellers")
    if estimate.cost:
        page.row("cost", _cost(estimate.cost))
    for assumption in estimate.assumptions:
        page.line(Text(assumption, "dim"), 2, Text("- ", "dim"))


def _transfers(page: Page, report: Report) -> None:
    page.section("Transfer")
    for label, medium in (("image", report.image), ("video", report.video)):
        if medium:
            page.row(label, _transfer(medium))
    page.row("in all", f"{report.timing.seconds:.2f} s")


def _medium_alone(page: Page, report: MediaReport, verbosity: int) -> None:
    medium = report.medium
    if verbosity < 0:
        page.verbatim(f"{medium.url}  {_in_short(medium)}", 0)
        return
    _facts(page, medium, verbose=verbosity > 0)
    page.row("transfer", _transfer(medium))


# --------------------------------------------------------------------------------------------- phrases


def _in_short(medium: Image | Video | Delivery) -> str:
    if isinstance(medium, Image):
        return _listed(medium.format, _sides(medium.width, medium.height), medium.truncated and "truncated")
    if isinstance(medium, Video):
        length = medium.durations.container
        seconds = "duration not established" if length is None else f"{_seconds(length)} s"
        shape = (_sides(medium.width, medium.height), medium.codec, medium.truncated and "truncated")
        return _listed(medium.container, seconds, *shape)
    return f"not read: {_unread(medium)}"


def _unread(medium: Image | Video | Delivery) -> str:
    if medium.failure:
        return f"{medium.failure.cause}: {medium.failure.detail}"
    return f"{medium.not_media.refusal}: {medium.not_media.detail}" if medium.not_media else ""


def _transfer(medium: Image | Video | Delivery) -> str:
    cost = medium.transfer
    if medium.local:
        return "read from disk"
    trips = _count(cost.round_trips, "round trip")
    return _listed(
        _count(cost.requests, "request"), f"{_size(cost.bytes_received)} received", trips, f"{cost.seconds:.2f} s"
    )


def _sound(video: Video) -> str:
    if video.audio:
        rate = video.audio.sample_rate and f"{video.audio.sample_rate} Hz"
        channels = video.audio.channels and _count(video.audio.channels, "channel")
        return _listed(video.audio.codec or "codec not established", channels, rate)
    return "none" if video.audio_streams == 0 else "not established"


def _cost(cost: Cost) -> str:
    unit = f" {cost.currency}" if cost.currency else ""
    places = max(_CENTS, -int(cost.per_second.as_tuple().exponent))

    def money(amount: Decimal) -> str:
        return f"{amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"

    if cost.expected is None or cost.at_least is None or cost.at_most is None:
        return f"not established, at {money(cost.per_second)}{unit} per second"
    span = "" if cost.at_least == cost.at_most else f", {money(cost.at_least)} to {money(cost.at_most)}"
    return f"{money(cost.expected)}{unit}{span}, at {money(cost.per_second)}{unit} per second"


def _seconds(value: float, beside: Iterable[float | None] = ()) -> str:
    """Milliseconds; microseconds where milliseconds would make it look equal to a number it is not equal to."""
    shown = round(value, 3)
    return f"{value:.6f}" if shown != value and shown in beside else f"{value:.3f}"


def _size(count: int) -> str:
    exact = f"{count:,} bytes"
    for unit, name in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name} ({exact})"
    return exact


def _sides(width: int | None, height: int | None) -> str:
    return "sides not established" if width is None or height is None else f"{width} x {height} px"


def _bits(depth: int | None) -> str | None:
    return None if depth is None else f"{depth} bit"


def _frames(count: int | None) -> str:
    return "animated" if count is None else f"animated, {_count(count, 'frame')}"


def _named(word: str | None, addition: str | None) -> str | None:
    return f"{word} ({addition.strip()})" if word and addition and addition.strip() != word else word


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)
