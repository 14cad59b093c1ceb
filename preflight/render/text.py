"""A report for people: the verdict, what is wrong and how to mend it, then the facts, the bill and what it cost.

Signs whose width depends on the terminal's language (…, –, ×, ·) are kept out of aligned columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.text import Text

from preflight.findings import Severity, Verdict
from preflight.language import later, say
from preflight.render.page import Page
from preflight.render.phrases import (
    VERDICTS,
    arrival,
    bill,
    facts,
    gap_told,
    gaps,
    ignored,
    in_short,
    lasts,
    seconds,
    summary,
    transfer,
)
from preflight.report import MediaReport, Report
from preflight.report.wire import Video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.report.wire import Delivery, Estimate, Finding, Image, NotEvaluated

_LOOK = {
    Verdict.PASS: ("✓", "bold green"),
    Verdict.WARN: ("!", "bold yellow"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.UNKNOWN: ("?", "bold magenta"),
}
_SEVERITIES = {
    Severity.ERROR: ("✗", "bold red", later("Errors")),
    Severity.WARNING: ("!", "bold yellow", later("Warnings")),
    Severity.NOTE: ("i", "bold cyan", later("Notes")),
}
_NAMES_SHOWN = 3
#: Lines of a terminal; above it the verdict has scrolled away when the report ends.
_SCREENFUL = 24


def render_text(report: Report | MediaReport, *, width: int, color: bool, verbosity: int, strict: bool) -> str:
    """See `preflight.render.render`."""
    page = Page(width, color=color)
    if isinstance(report, MediaReport):
        _medium_alone(page, report, verbosity)
    elif verbosity < 0:
        _in_one_line(page, report)
    else:
        _headline(page, report, summary(report, strict=strict))
        _body(page, report, verbose=verbosity > 0)
        if page.text().count("\n") > _SCREENFUL:
            page.blank()
            _in_one_line(page, report)
    return page.text()


# ------------------------------------------------------------------------------------------- sections


def _headline(page: Page, report: Report, summary: str, *, whole: bool = False) -> None:
    symbol, style = _LOOK[report.verdict]
    line = Text.assemble((f"{symbol} {say(VERDICTS[report.verdict])}", style), "  ", summary + ignored(report.ignored))
    if whole:
        page.verbatim(line, 0)
    else:
        page.line(line)


def _in_one_line(page: Page, report: Report) -> None:
    """The verdict with what decided it, as a script or a scrolled terminal needs it."""
    decided = {Verdict.FAIL: Severity.ERROR, Verdict.WARN: Severity.WARNING}.get(report.verdict)
    places = (f"{item.rule} {item.pointer}".rstrip() for item in report.findings if item.severity is decided)
    said = say("; ").join(dict.fromkeys(places)) or summary(report, strict=False)
    _headline(page, report, said, whole=True)


def _body(page: Page, report: Report, *, verbose: bool) -> None:
    given = (report.request.model, report.request.mode, report.request.character_orientation)
    profile = say("profile {name} {revision}", name=report.profile.name, revision=report.profile.revision)
    asked = "  ".join([*filter(None, given), profile])
    page.line(Text(asked, "dim"), 2)
    for severity, (symbol, style, title) in _SEVERITIES.items():
        found = [finding for finding in report.findings if finding.severity is severity]
        if found:
            page.section(say(title), style)
        told: set[tuple[str, str]] = set()
        for finding in found:
            _finding(page, finding, Text(f"{symbol} {finding.rule}", style))
            # Width and height may break one limit: one story for both.
            if (finding.why, finding.fix) not in told and (verbose or severity is not Severity.NOTE):
                _story(page, finding, verbose=verbose)
            told.add((finding.why, finding.fix))
    _not_evaluated(page, report.not_evaluated, verbose=verbose)
    for title, medium in ((say("Image"), report.image), (say("Video"), report.video)):
        if medium:
            page.section(title)
            _facts(page, medium, verbose=verbose)
    _estimate(page, report.estimate)
    _transfers(page, report)


def _finding(page: Page, finding: Finding, name: Text) -> None:
    page.line(Text.assemble(name, "  ", (finding.pointer or say("the request"), "dim")), 2)
    page.line(finding.message, 4)


def _story(page: Page, finding: Finding, *, verbose: bool) -> None:
    columns = cell_len(say("fix")) + 2
    page.row(say("why"), finding.why, 4, columns)
    page.advice(finding.fix, 4, say("fix"))
    if verbose:
        page.row(say("from"), finding.source, 4, columns)


def _not_evaluated(page: Page, items: Sequence[NotEvaluated], *, verbose: bool) -> None:
    if not items:
        return
    page.section(say("Not evaluated"))
    for gap in gaps(items):
        bullet = Text("? ", _LOOK[Verdict.UNKNOWN][1]) if gap.decisive else Text("  ")
        page.line(Text(gap_told(gap), "" if gap.decisive else "dim"), 2, bullet)
        if not (gap.decisive or verbose) and all(rule.startswith("url-") for rule in gap.rules):
            continue  # local files have no URL yet: nothing to learn from the names
        shown = gap.rules if verbose or len(gap.rules) <= _NAMES_SHOWN + 1 else gap.rules[:_NAMES_SHOWN]
        hidden = len(gap.rules) - len(shown)
        more = say(", and {count} more (-v lists them)", count=hidden) if hidden else ""
        page.line(Text(say(", ").join(shown) + more, "dim"), 4)


def _facts(page: Page, medium: Image | Video | Delivery, *, verbose: bool) -> None:
    page.verbatim(medium.url, 2)
    if medium.final_url and medium.final_url != medium.url:
        page.verbatim(f"-> {medium.final_url}", 2)
    for hop in medium.hops if verbose else ():
        page.row(say("hop {status}", status=hop.status), hop.url)
    for label, value in facts(medium):
        page.row(label, value)
        if label == say("container") and isinstance(medium, Video):
            _durations(page, medium)
    for label, value in arrival(medium) if verbose else ():
        page.row(label, value)


def _durations(page: Page, video: Video) -> None:
    window = (video.window.minimum, video.window.maximum) if video.window else ()
    measures = [(name, value) for name, value in video.durations if value is not None]
    figures = [seconds(value, window) for _, value in measures]
    room = max(map(len, figures), default=0)
    for number, ((name, _), figure) in enumerate(zip(measures, figures, strict=True)):
        mark = (say("  <- judged"), "bold") if video.window and name == video.judged else ""
        length = f"{lasts(f'{figure:>{room}}')}  {name}"
        page.row("" if number else say("duration"), Text.assemble(length, mark))
    if not measures:
        page.row(say("duration"), say("not established"))
    if video.window and video.window.minimum is not None and video.window.maximum is not None:
        ends = {"low": video.window.minimum, "high": video.window.maximum}
        page.row(say("accepted"), say("{low:g} to {high:g} s", **ends))
    if video.start_offset:
        page.row(say("starts at"), lasts(seconds(video.start_offset)))


def _estimate(page: Page, estimate: Estimate) -> None:
    page.section(say("Bill"))
    for label, value in bill(estimate):
        page.row(label, value)
    for assumption in estimate.assumptions:
        page.line(Text(assumption, "dim"), 2, Text("- ", "dim"))


def _transfers(page: Page, report: Report) -> None:
    page.section(say("Transfer"))
    for label, medium in ((say("image"), report.image), (say("video"), report.video)):
        if medium:
            page.row(label, transfer(medium))
    page.row(say("in all"), lasts(f"{report.timing.seconds:.2f}"))


def _medium_alone(page: Page, report: MediaReport, verbosity: int) -> None:
    medium = report.medium
    if verbosity < 0:
        page.verbatim(f"{medium.url}  {in_short(medium)}", 0)
        return
    _facts(page, medium, verbose=verbosity > 0)
    page.row(say("transfer"), transfer(medium))
