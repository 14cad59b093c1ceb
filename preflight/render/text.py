"""A report for people: the verdict, what is wrong and how to mend it, then the facts, the bill and what it cost.

Signs whose width depends on the terminal's language (…, –, ×, ·) are kept out of aligned columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from preflight.findings import Severity, Verdict
from preflight.render.page import Page
from preflight.render.phrases import arrival, bill, count, facts, gaps, ignored, in_short, seconds, summary, transfer
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
    Severity.ERROR: ("✗", "bold red", "Errors"),
    Severity.WARNING: ("!", "bold yellow", "Warnings"),
    Severity.NOTE: ("i", "bold cyan", "Notes"),
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
    line = Text.assemble((f"{symbol} {report.verdict.upper()}", style), "  ", summary + ignored(report.ignored))
    if whole:
        page.verbatim(line, 0)
    else:
        page.line(line)


def _in_one_line(page: Page, report: Report) -> None:
    """The verdict with what decided it, as a script or a scrolled terminal needs it."""
    decided = {Verdict.FAIL: Severity.ERROR, Verdict.WARN: Severity.WARNING}.get(report.verdict)
    places = (f"{item.rule} {item.pointer}".rstrip() for item in report.findings if item.severity is decided)
    said = "; ".join(dict.fromkeys(places)) or summary(report, strict=False)
    _headline(page, report, said, whole=True)


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
    for gap in gaps(items):
        bullet = Text("? ", _LOOK[Verdict.UNKNOWN][1]) if gap.decisive else Text("  ")
        told = f"{count(len(gap.rules), 'rule')} on the {gap.subjects}: {gap.reason}"
        page.line(Text(told, "" if gap.decisive else "dim"), 2, bullet)
        if not (gap.decisive or verbose) and all(rule.startswith("url-") for rule in gap.rules):
            continue  # local files have no URL yet: nothing to learn from the names
        shown = gap.rules if verbose or len(gap.rules) <= _NAMES_SHOWN + 1 else gap.rules[:_NAMES_SHOWN]
        more = f", and {len(gap.rules) - len(shown)} more (-v lists them)" if len(shown) < len(gap.rules) else ""
        page.line(Text(", ".join(shown) + more, "dim"), 4)


def _facts(page: Page, medium: Image | Video | Delivery, *, verbose: bool) -> None:
    page.verbatim(medium.url, 2)
    if medium.final_url and medium.final_url != medium.url:
        page.verbatim(f"-> {medium.final_url}", 2)
    for hop in medium.hops if verbose else ():
        page.row(f"hop {hop.status}", hop.url)
    for label, value in facts(medium):
        page.row(label, value)
        if label == "container" and isinstance(medium, Video):
            _durations(page, medium)
    for label, value in arrival(medium) if verbose else ():
        page.row(label, value)


def _durations(page: Page, video: Video) -> None:
    ends = (video.window.minimum, video.window.maximum) if video.window else ()
    measures = [(name, value) for name, value in video.durations if value is not None]
    figures = [seconds(value, ends) for _, value in measures]
    room = max(map(len, figures), default=0)
    for number, ((name, _), figure) in enumerate(zip(measures, figures, strict=True)):
        mark = ("  <- judged", "bold") if video.window and name == video.judged else ""
        page.row("" if number else "duration", Text.assemble(f"{figure:>{room}} s  {name}", mark))
    if not measures:
        page.row("duration", "not established")
    if video.window and video.window.minimum is not None and video.window.maximum is not None:
        page.row("accepted", f"{video.window.minimum:g} to {video.window.maximum:g} s")
    if video.start_offset:
        page.row("starts at", f"{seconds(video.start_offset)} s")


def _estimate(page: Page, estimate: Estimate) -> None:
    page.section("Bill")
    for label, value in bill(estimate):
        page.row(label, value)
    for assumption in estimate.assumptions:
        page.line(Text(assumption, "dim"), 2, Text("- ", "dim"))


def _transfers(page: Page, report: Report) -> None:
    page.section("Transfer")
    for label, medium in (("image", report.image), ("video", report.video)):
        if medium:
            page.row(label, transfer(medium))
    page.row("in all", f"{report.timing.seconds:.2f} s")


def _medium_alone(page: Page, report: MediaReport, verbosity: int) -> None:
    medium = report.medium
    if verbosity < 0:
        page.verbatim(f"{medium.url}  {in_short(medium)}", 0)
        return
    _facts(page, medium, verbose=verbosity > 0)
    page.row("transfer", transfer(medium))
