"""A report as somebody wants to read it. A renderer is a pure function from a report to a string."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from preflight.report import MediaReport, Report

Format = Literal["text", "json"]


def render(
    report: Report | MediaReport,
    format: Format,  # noqa: A002  (the word of the command line)
    *,
    width: int = 100,
    color: bool = False,
    verbosity: int = 0,
    strict: bool = False,
) -> str:
    """The report in one of the formats, ending with a line break.

    `width` in columns, `color` (ANSI), `verbosity` (-1 one line, 0, 1 everything) and `strict` (a warning is told as
    the failure that it then is) concern people: text only.
    """
    if format == "json":
        return report.to_json() + "\n"
    from preflight.render.text import render_text  # noqa: PLC0415  (rich is loaded for people only)

    return render_text(report, width=width, color=color, verbosity=verbosity, strict=strict)
