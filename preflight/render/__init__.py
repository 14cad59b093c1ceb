"""A report as somebody wants to read it. A renderer is a pure function from a report to a string."""

# ruff: noqa: PLC0415  (each format brings its own library: only the one that is asked for is loaded)

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from preflight.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.inspection import Previews
    from preflight.render.checked import Checked
    from preflight.report import MediaReport, Report

Machine = Literal["junit", "github", "sarif"]
Format = Literal["text", "json", "html", "csv", Machine]
#: What CI servers and editors read, and what of that is one document for all that was checked.
MACHINES: Final = get_args(Machine)
DOCUMENTS: Final = ("junit", "sarif")


def render(
    report: Report | MediaReport,
    format: Format,  # noqa: A002  (the word of the command line)
    *,
    width: int = 100,
    color: bool = False,
    verbosity: int = 0,
    strict: bool = False,
    header: bool = True,
    previews: Previews | None = None,
) -> str:
    """The report in one of the formats, ending with a line break.

    `width` in columns, `color` (ANSI) and `verbosity` (-1 one line, 0, 1 everything) concern text only. `strict` (a
    warning is told as the failure that it then is) concerns what people read, text and html. `header`: csv begins with
    the names of its columns. `previews`: small pictures of the media, for html.

    Raises:
        UsageError: of a probe something was asked that is made of a check: a page (html), or a form for machines.
    """
    match format:
        case "json":
            return report.to_json() + "\n"
        case "csv":
            from preflight.render.table import render_csv

            return render_csv(report, header=header)
        case "html":
            from preflight.render.html import render_html
            from preflight.report import Report

            if not isinstance(report, Report):
                raise UsageError("html is the page of a check; a probe is shown as text, json or csv")
            return render_html(report, strict=strict, previews=previews)
        case "junit" | "github" | "sarif":
            from preflight.render.checked import Checked
            from preflight.report import Report
            from preflight.request.locate import Source

            if not isinstance(report, Report):
                raise UsageError(f"{format} tells a check; a probe is shown as text, json or csv")
            return render_checks([Checked(Source("request"), report)], format, strict=strict)
        case "text":
            from preflight.render.text import render_text

            return render_text(report, width=width, color=color, verbosity=verbosity, strict=strict)


def render_checks(checks: Sequence[Checked], format: Machine, *, strict: bool = False) -> str:  # noqa: A002
    """Any number of checks in one of the forms for machines, each remark with its place in the request's file.

    `strict`: a warning is the error that it then counts as.
    """
    match format:
        case "junit":
            from preflight.render.junit import render_junit

            return render_junit(checks, strict=strict)
        case "github":
            from preflight.render.github import render_github

            return render_github(checks, strict=strict)
        case "sarif":
            from preflight.render.sarif import render_sarif

            return render_sarif(checks, strict=strict)
