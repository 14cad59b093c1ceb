"""A report as a page: one file that needs nothing else, says everything without a script, and loads nothing.

What strangers wrote is text: every value is escaped, no style or script of theirs could run under the page's own
policy, and a link is only made of an address that passed the URL rule. The pictures on it are small JPEGs that the
sealed process made; they stand in the page itself.
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
from preflight.language import later, say, tag, told
from preflight.render import phrases
from preflight.render.drawing import draw
from preflight.report.wire import Video

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Template

    from preflight.inspection import Preview, Previews
    from preflight.report import Report
    from preflight.report.wire import Delivery, Finding, Image, Tool

_SYMBOLS = {Verdict.PASS: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}
_SEVERITIES = (
    (Severity.ERROR, "✗", later("Errors")),
    (Severity.WARNING, "!", later("Warnings")),
    (Severity.NOTE, "i", later("Notes")),
)
_QUOTED = re.compile(r"`([^`]+)`")


class _Story(NamedTuple):
    """Findings of one rule that share one reason and one cure."""

    rule: str
    said: list[tuple[str, str]]
    why: str
    fix: str
    source: str


class _Picture(NamedTuple):
    """A medium as it will be seen. `source`: a data URI; "" where `missing` says why there is none."""

    title: str
    shape: str
    source: str
    alt: str
    missing: str


def render_html(report: Report, *, strict: bool, previews: Previews | None = None) -> str:
    """See `preflight.render.render`. `previews`: small pictures of the media, to stand on the page."""
    template, style = page()
    gaps = phrases.gaps(report.not_evaluated)
    pictures = list(_pictures(report, previews)) if previews else []
    has_command = any(kind == "command" for item in report.findings for kind, _ in phrases.advice(item.fix))
    script = _script() if has_command else ""
    return template.render(
        report=report,
        language=tag(),
        verdict=say(phrases.VERDICTS[report.verdict]),
        symbol=_SYMBOLS[report.verdict],
        summary=phrases.summary(report, strict=strict) + phrases.ignored(report.ignored),
        style=style,
        script=script,
        policy=_policy(style, script, has_pictures=any(picture.source for picture in pictures)),
        pictures=pictures,
        severities=[
            (severity, symbol, say(title), stories)
            for severity, symbol, title in _SEVERITIES
            if (stories := _stories(item for item in report.findings if item.severity is severity))
        ],
        waiting=[gap for gap in gaps if gap.decisive],
        skipped=[gap for gap in gaps if not gap.decisive],
        media=[
            (title, medium) for title, medium in ((say("Image"), report.image), (say("Video"), report.video)) if medium
        ],
        drawing=draw(report.video) if report.video else None,
        tools=_tools(report.tool),
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
        gap_told=phrases.gap_told,
        say=say,
        transfer=phrases.transfer,
        asked=_asked,
        link=_link,
        quoted=_QUOTED.split,
    )
    return environment.get_template("report.html"), loader.get_source(environment, "report.css")[0]


@cache
def _script() -> str:
    """What copies commands."""
    environment = page()[0].environment
    assert environment.loader is not None
    return environment.loader.get_source(environment, "report.js")[0]


def _policy(style: str, script: str, *, has_pictures: bool) -> str:
    """Nothing may be loaded or sent; of styles and scripts only ours, known by their hashes, apply."""
    scripts = f"script-src {_digest(script)}; " if script else ""
    pictures = "img-src data:; " if has_pictures else ""
    return f"default-src 'none'; style-src {_digest(style)}; {scripts}{pictures}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _pictures(report: Report, previews: Previews) -> Iterator[_Picture]:
    if report.image and previews.image:
        shape = _shape(report.image)
        alt = say("The reference image as it will be seen: {shape}", shape=shape)
        yield _Picture(say("Image"), shape, _source(previews.image), alt, told(previews.image.missing))
    if report.video and previews.video:
        shape = _shape(report.video)
        alt = say("The first frame of the reference video as it will be seen: {shape}", shape=shape)
        yield _Picture(say("Video"), shape, _source(previews.video), alt, told(previews.video.missing))


def _source(preview: Preview) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(preview.jpeg).decode()}" if preview.jpeg else ""


def _shape(medium: Image | Video) -> str:
    """What is known of how it looks: sides, and what was done to show it upright and unsqueezed."""
    ratio = medium.sample_aspect_ratio if isinstance(medium, Video) else None
    squeezed = "" if ratio in (None, "1:1") else say("pixels of {ratio}", ratio=ratio)
    return say(", ").join(filter(None, (phrases.sides(medium.width, medium.height), phrases.turn(medium), squeezed)))


def _tools(tool: Tool) -> str:
    """What measured."""
    libraries = (tool.ffmpeg and f"libavformat {tool.ffmpeg}", tool.pillow and f"Pillow {tool.pillow}")
    return say(", ").join(filter(None, (f"preflight {tool.version}", *libraries)))


def _stories(findings: Iterable[Finding]) -> list[_Story]:
    """Width and height may break one limit: one story for both."""
    stories: dict[tuple[str, str, str], _Story] = {}
    for item in findings:
        empty = _Story(item.rule, [], item.why, item.fix, item.source)
        stories.setdefault((item.rule, item.why, item.fix), empty).said.append((item.pointer, item.message))
    return list(stories.values())


def _asked(report: Report) -> list[phrases.Row]:
    """The request as it was understood, and whose limits it was held against."""
    request = report.request
    rows = [
        (say("model"), request.model),
        (say("mode"), request.mode),
        (say("orientation"), request.character_orientation),
        (say("prompt"), request.prompt),
        (say("sound"), request.keep_original_sound),
        (say("watermark"), phrases.yes(request.watermark_info.enabled)),
        (say("profile"), f"{report.profile.name} {report.profile.revision}"),
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
