"""`preflight probe`: the facts of media, unjudged."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.findings import ExitCode
from preflight.language import say

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from preflight.render import Format
    from preflight.report import MediaReport

#: References that are fetched in the same time.
_AT_ONCE = 8


@click.command(
    epilog="""\b
Examples:
  preflight probe https://example.com/dance.mp4
  preflight probe clips/*.mp4 -q                                    (one line each)
  preflight probe dance.mp4 --format json | jq .video.durations
  preflight probe clips/*.mp4 --format csv > clips.csv

\b
Exit codes: 0 all are media, 1 one is not or cannot be had, 2 wrong usage, 3 one could not be fetched now.
"""
)
@click.argument("references", metavar="URL|FILE…", nargs=-1, required=True)
@options.network_options
@options.speculate_option
@options.probe_format_option
@options.talk_options
def probe(
    references: tuple[str, ...],
    network: dict[str, Any],
    format_: Format,
    quiet: bool,
    verbose: int,
    no_color: bool,
) -> int:
    """Show the facts of media: container, durations, sides, codecs.

    Each URL costs a few kilobytes, not a download. With --format json, one object on a line for each;
    with --format csv, one row.
    """
    level = options.verbosity(quiet, verbose)
    from preflight.api import Preflight

    with Preflight(expect={"video_url": references[0]}, **network) as preflight:
        output.prepare(format_)
        codes = set()
        for number, report in enumerate(_each(preflight.probe, references, quiet=quiet)):
            if number and format_ == "text" and not quiet:
                output.write("\n")
            output.write_report(report, format_, level, no_color=no_color, header=not number)
            codes.add(_exit_code(report))
    return next(code for code in (ExitCode.FAIL, ExitCode.UNKNOWN, ExitCode.PASS) if code in codes)


def _each(
    look: Callable[[str], MediaReport], references: Sequence[str], *, quiet: bool
) -> Generator[MediaReport, None, None]:
    """The answers in the order of the references; a few are looked at in the same time."""
    from concurrent.futures import ThreadPoolExecutor

    threads = ThreadPoolExecutor(_AT_ONCE, "probe")
    try:
        for coming in [threads.submit(look, reference) for reference in references]:
            with output.status(say("fetching …"), shown=not quiet):
                report = coming.result()
            yield report
    finally:  # also after Ctrl-C: what has not begun is dropped, what has begun ends with the `with` block around
        threads.shutdown(wait=False, cancel_futures=True)


def _exit_code(report: MediaReport) -> ExitCode:
    if report.unread is None:
        return ExitCode.PASS
    failure = report.unread.failure
    return ExitCode.UNKNOWN if failure and failure.passing else ExitCode.FAIL
