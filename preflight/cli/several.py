"""Several requests in one run: checked beside each other, told in the order in which they were given.

Nothing is lost: a file that holds no request is said on standard error, stands in the documents for machines and
decides the exit code, and the others are checked all the same.
"""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from preflight.cli import output
from preflight.cli.check import is_folder
from preflight.errors import UsageError
from preflight.findings import ExitCode, Verdict
from preflight.language import about, say, told
from preflight.printable import cell, clean
from preflight.render import DOCUMENTS, render_checks
from preflight.render.checked import Checked

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from preflight.api import Preflight
    from preflight.render import Format
    from preflight.report import Report
    from preflight.request.locate import Source

#: What is looked for in a folder.
PATTERN = "*.motion.json"
#: Requests that are checked in the same time.
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was given: what is to be checked, or why there is nothing to check."""

    source: Source
    payload: Mapping[str, object] | None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How the reports are to be told."""

    format: Format
    verbosity: int
    no_color: bool
    strict: bool


def files_of(names: Sequence[str], format_: Format) -> list[str]:
    """The names, with the request files below it instead of each folder.

    Raises:
        click.UsageError: something among the words makes no sense for several requests.
        UsageError: a folder cannot be read.
    """
    if format_ == "html":
        raise click.UsageError(
            say("html is the page of one request; for several, use an audit: preflight audit JOBS --report PAGE.html")
        )
    if names.count("-") > 1:
        raise click.UsageError(say("standard input (-) holds one request; name it once"))
    return [file for name in names for file in (_below(name) if is_folder(name) else [name])]


def _below(folder: str) -> list[str]:
    """Sorted; links to folders are not followed, and folders such as .git are left out."""
    found = []
    for path, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(path, name) for name in files if Path(name).match(PATTERN)]
    if not found:
        raise click.UsageError(
            say("{name}: Is a directory, and no {pattern} is below it", name=folder, pattern=PATTERN)
        )
    return [str(path) for path in sorted(found)]


def _unreadable(error: OSError) -> None:
    raise UsageError(about(error.filename, told(error.strerror or type(error).__name__))) from None


def check_several(preflight: Preflight, asked: Sequence[Asked], manner: Manner) -> ExitCode:
    """Check and tell them all; what came out worst is the exit code."""
    output.prepare(manner.format)
    checks: list[Checked] = []
    for checked in _each(preflight, asked, quiet=manner.verbosity < 0):
        _tell(checked, manner, first=not any(before.report for before in checks))
        checks.append(checked)
    if manner.format in DOCUMENTS:
        output.write_utf8(render_checks(checks, manner.format, strict=manner.strict))
    elif manner.format in ("text", "github") and any(checked.report for checked in checks):
        output.write(("\n" if manner.format == "text" else "") + _counted(checks))
    codes = {item.report.exit_code(strict=manner.strict) if item.report else ExitCode.USAGE for item in checks}
    return next(code for code in (ExitCode.USAGE, ExitCode.FAIL, ExitCode.UNKNOWN, ExitCode.PASS) if code in codes)


def _each(preflight: Preflight, asked: Sequence[Asked], *, quiet: bool) -> Generator[Checked, None, None]:
    """The answers in the order of the requests; a few are checked in the same time."""
    from concurrent.futures import ThreadPoolExecutor

    def check(item: Asked) -> Checked:
        return Checked(item.source, preflight.check(item.payload) if item.payload is not None else None, item.unread)

    threads = ThreadPoolExecutor(_AT_ONCE, "check")
    try:
        for number, coming in enumerate([threads.submit(check, item) for item in asked], 1):
            with output.status(say("checking {number} of {total} …", number=number, total=len(asked)), shown=not quiet):
                checked = coming.result()
            yield checked
    finally:  # after a crash: what has not begun is dropped
        threads.shutdown(wait=False, cancel_futures=True)


def _tell(checked: Checked, manner: Manner, *, first: bool) -> None:
    """What can be told of one request before the others are known."""
    name, report = clean(checked.source.name, None), checked.report
    if report is None:
        said = about("preflight check", checked.unread)
        # GitHub's runner takes `##[` for a command wherever it stands; a file may be called anything.
        output.say(said.replace("##[", "##\\[") if manner.format == "github" else said)
    if manner.format == "github":
        output.write_utf8(render_checks([checked], "github", strict=manner.strict))
    elif report and manner.format == "json":
        line = {"file": name, **report.model_dump(mode="json", by_alias=True)}
        output.write_utf8(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
    elif report and manner.format == "csv":
        output.write_utf8(_row(_beginning(name), report, header=first))
    elif report and manner.format == "text":
        name = _beginning(name)
        heading = f"{name}: " if manner.verbosity < 0 else f"{name}\n\n" if first else f"\n{name}\n\n"
        output.write(heading)
        output.write_report(report, "text", manner.verbosity, no_color=manner.no_color, strict=manner.strict)


def _beginning(name: str) -> str:
    """The name of a file as it may begin a line: GitHub's runner takes `::` there for a command."""
    return f"./{name}" if name.lstrip().startswith("::") else name


def _row(name: str, report: Report, *, header: bool) -> str:
    """A check's row, behind the name of its file."""
    from preflight.render.table import row

    values = {"file": cell(name), **row(report)}
    written = io.StringIO()
    table = csv.DictWriter(written, values)
    if header:
        table.writeheader()
    table.writerow(values)
    return written.getvalue()


def _counted(checks: Sequence[Checked]) -> str:
    """The last line: how many came out how."""
    counts = Counter(checked.report.verdict if checked.report else None for checked in checks)
    told = say(
        "requests {total}: pass {passed}, warn {warned}, fail {failed}, unknown {unknown}, not readable {unread}",
        total=len(checks),
        passed=counts[Verdict.PASS],
        warned=counts[Verdict.WARN],
        failed=counts[Verdict.FAIL],
        unknown=counts[Verdict.UNKNOWN],
        unread=counts[None],
    )
    return f"{told}\n"
