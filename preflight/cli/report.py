"""`preflight report`: the results, the page and the summary of a run, at any time after it."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from preflight.cli import finish, output
from preflight.findings import ExitCode
from preflight.language import say, told


@click.command(
    epilog="""\b
Examples:
  preflight report jobs.csv.audit
  preflight report jobs.csv.audit --report report.html -o results.csv
  preflight report jobs.csv.audit --format json | jq .verdicts

\b
Exit codes: those of the run: 0 pass or warn, 1 at least one fail, 2 wrong usage, 3 incomplete or unknown.
"""
)
@click.argument("run", metavar="RUN")
@finish.result_options
def report(run: str, **given: Any) -> int:
    """Tell again what a run of `preflight audit` has found; nothing is fetched.

    RUN is the folder that the audit kept its run in (its input's name + .audit, if none was named). Of a run that is
    not finished, the rows that are done are told, and how to go on with it; the exit code is then 3.
    """
    from preflight.audit.durable import RunStopped
    from preflight.audit.folder import Run
    from preflight.audit.results import write_lines

    outputs = finish.outputs_of(given, Path(run))
    with Run.attach(run) as found:
        if "-" in given["outputs"]:
            write_lines(found, output.write_utf8)
        try:
            return finish.finish(found, given, outputs)
        except RunStopped as stopped:
            output.say(
                say("preflight report: stopped: {reason}; the same command tries again", reason=told(str(stopped)))
            )
            return ExitCode.UNKNOWN
