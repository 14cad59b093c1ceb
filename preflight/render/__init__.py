"""A report as somebody wants to read it. A renderer is a pure function from a report to a string."""

# ruff: noqa: PLC0415  (each format brings its own library: only the one that is asked for is loaded)

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from preflight.errors import UsageError

if TYPE_CHECKING:
    from preflight.report import MediaReport, Report

Format = Literal["text", "json", "html", "csv"]


def render(
    report: Report | MediaReport,
    format: Format,  # noqa: A002  (the word of the command line)
    *,
    width: int = 100,
    color: bool = False,
    verbosity: int = 0,
    strict: bool = False,
    header: bool = True,
) -> str:
    """The report in one of the formats, ending with a line break.

    `width` in columns, `color` (ANSI) and `verbosity` (-1 one line, 0, 1 everything) concern text only. `strict` (a
    warning is told as the failure that it then is) concerns what people read, text and html. `header`: csv begins with
    the names of its columns.

    Raises:
        UsageError: a page (html) was asked of a probe; it is made of a check.
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
            return render_html(report, strict=strict)
        case "text":
            from preflight.render.text import render_text

            return render_text(report, width=width, color=color, verbosity=verbosity, strict=strict)
