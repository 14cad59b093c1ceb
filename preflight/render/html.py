"""A report as a page: one file that needs nothing else, says everything without a script, and loads nothing.

What strangers wrote is text: every value is escaped, no style or script of theirs could run under the page's own
policy, no picture is ever embedded, and a link is only made of an address that passed the URL rule.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from preflight.deliver.url import GONE, names_private_address, url_fault
from preflight.findings import Severity, Verdict
from preflight.render import phrases
from preflight.render.drawing import draw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jinja2 import Template

    from preflight.report import Report
    from preflight.report.wire import Delivery, Finding, Image, Video

_SYMBOLS = {Verdict.PASS: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}
_SEVERITIES = ((Severity.ERROR, "✗", "Errors"), (Severity.WARNING, "!", "Warnings"), (Severity.NOTE, "i", "Notes"))
_QUOTED = re.compile(r"`([^`]+)`")


class _Story(NamedTuple):
    """Findings of one rule that share one reason and one cure."""

    rule: str
    said: list[tuple[str, str]]
    why: str
    fix: str
    source: str


def render_html(report: Report, *, strict: bool) -> str:
    """See `preflight.render.render`."""
    template, style = page()
    gaps = phrases.gaps(report.not_evaluated)
    return template.render(
        report=report,
        symbol=_SYMBOLS[report.verdict],
        summary=phrases.summary(report, strict=strict) + phrases.ignored(report.ignored),
        style=style,
        policy=_policy(style),
        severities=[
            (severity, symbol, title, stories)
            for severity, symbol, title in _SEVERITIES
            if (stories := _stories(item for item in report.findings if item.severity is severity))
        ],
        waiting=[gap for gap in gaps if gap.decisive],
        skipped=[gap for gap in gaps if not gap.decisive],
        media=[(title, medium) for title, medium in (("Image", report.image), ("Video", report.video)) if medium],
        drawing=draw(report.video) if report.video else None,
    )


@cache
def page() -> tuple[Template, str]:
    """The template and its style, read once."""
    loader = PackageLoader("preflight.render")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals.update(
        advice=phrases.advice,
        arrival=phrases.arrival,
        bill=phrases.bill,
        facts=phrases.facts,
        count=phrases.count,
        transfer=phrases.transfer,
        asked=_asked,
        link=_link,
        quoted=_QUOTED.split,
    )
    return environment.get_template("report.html"), loader.get_source(environment, "report.css")[0]


def _policy(style: str) -> str:
    """Nothing may be loaded, run or sent, and of all styles only ours, known by its hash, applies."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _stories(findings: Iterable[Finding]) -> list[_Story]:
    """Width and height may break one limit: one story for both."""
    told: dict[tuple[str, str, str], _Story] = {}
    for item in findings:
        empty = _Story(item.rule, [], item.why, item.fix, item.source)
        told.setdefault((item.rule, item.why, item.fix), empty).said.append((item.pointer, item.message))
    return list(told.values())


def _asked(report: Report) -> list[phrases.Row]:
    """The request as it was understood, and whose limits it was held against."""
    request = report.request
    rows = [
        ("model", request.model),
        ("mode", request.mode),
        ("orientation", request.character_orientation),
        ("prompt", request.prompt),
        ("sound", request.keep_original_sound),
        ("watermark", {True: "yes", False: "no", None: None}[request.watermark_info.enabled]),
        ("profile", f"{report.profile.name} {report.profile.revision}"),
    ]
    return [(label, value) for label, value in rows if value]


def _link(url: str, medium: Image | Video | Delivery) -> str:
    """Where a link to a medium may lead; "" where there is to be none.

    Only to where the medium was fetched from: that passed the address guard, and a reader's own network may know the
    name of what did not. Never to a private address, and only where nothing was taken out to show it: a link to half
    an address is none.
    """
    if medium.local or medium.failure or GONE in url or url_fault(url) or names_private_address(url):
        return ""
    return url
