"""What becomes of a run that has ended: files, a page, a summary, an exit code. Shared by `audit` and `report`."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
import re
import shlex
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.findings import ExitCode
from preflight.language import about, clauses, later, say, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preflight.audit.folder import Run
    from preflight.audit.results import Target
    from preflight.audit.storage import Outbox, Stored
    from preflight.audit.summary import Tally

_SHARE = re.compile(r"(\d+(?:\.\d+)?)(%?)")
#: Where the run folder keeps what goes on with it.
_COMMAND = "command"


class _Share(click.ParamType[Decimal]):
    """A share: `0.5%`, or `0.005`. Nobody knows what a bare 1 means, so it takes the sign."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        match = _SHARE.fullmatch(str(value))
        if not match or Decimal(match[1]) > 100:
            self.fail(say("{value!r} is not a share, such as 0.5% or 0.005", value=value), param, ctx)
        number = Decimal(match[1])
        if match[2]:
            return number / 100
        if number == 1:
            self.fail(say("{value!r} may mean one in a hundred or all: write 1% or 100%", value=value), param, ctx)
        if number > 1:
            self.fail(say("{value!r} is more than all; if that is per cent, write {value}%", value=value), param, ctx)
        return number


result_options = options.together(
    click.option("-o", "--output", "outputs", multiple=True, metavar="FILE|URL|-",
                 help="Results in input order: .jsonl, .csv, .parquet, or - (JSON lines); repeatable."),
    click.option("--report", metavar="FILE.html", help="A page about the whole run."),
    click.option("--max-fail-rate", type=_Share(), default=Decimal(0), metavar="SHARE",
                 help="Up to this share of failed rows the command does not fail: 0.5% or 0.005, both 5 of 1,000."),
    click.option("--strict", is_flag=True, help="A warning fails, too."),
    options.summary_format_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress, and no summary."),
    options.color_option,
)  # fmt: skip


def command_line(jobs: str) -> str | None:
    """This command as it can be pasted to go on with its run; None: it would tell a secret, or be another one."""
    from preflight.printable import clean
    from preflight.redaction import redact_quoted

    words = ["preflight", *sys.argv[1:]]
    line = shlex.join(words)
    if clean(redact_quoted(line, words), None) != line:
        return None
    return f"{line} < /dev/null" if jobs == "-" else line  # what came through the pipe is in the run folder


def keep_command(run: Run, command: str | None) -> None:
    """Note what goes on with a run, and from which folder, for whoever comes back to it."""
    from preflight.audit.durable import new_file, stopping

    path = run.path / _COMMAND
    with stopping(path):
        if command is None:
            path.unlink(missing_ok=True)
            return
        with new_file(path, path.with_name(f"{_COMMAND}.tmp")) as file:
            file.write(json.dumps({"folder": str(Path.cwd()), "command": command}).encode() + b"\n")


def _kept_command(run: Run) -> str:
    """What goes on with a run, for a shell in the present folder."""
    try:
        told = json.loads((run.path / _COMMAND).read_bytes())
        command, folder = str(told["command"]), str(told["folder"])
    except (OSError, ValueError, KeyError, TypeError):  # it held a secret, or somebody else has been here
        return say("the command that began it")
    return command if folder == str(Path.cwd()) else f"cd {shlex.quote(folder)} && {command}"


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a command is to write."""

    targets: tuple[Target, ...]
    page: Path | None
    outbox: Outbox


def outputs_of(given: dict[str, Any], folder: Path, keep: Iterable[Path] = (), source: Stored | None = None) -> Outputs:
    """The outputs that are asked for, made sure of before hours are spent on what goes into them.

    Those that go to storage are written into the run's `folder` first. `source`: an input from there.

    Raises:
        UsageError: one cannot be written, or is among those to `keep`, or the `source`.
    """
    from preflight.audit.results import read_page_target, read_targets
    from preflight.audit.storage import Outbox

    outbox = Outbox(folder, source)
    page = read_page_target(given["report"], keep=keep, outbox=outbox) if given["report"] else None
    return Outputs(read_targets(given["outputs"], keep=keep, outbox=outbox), page, outbox)


def finish(run: Run, given: dict[str, Any], outputs: Outputs) -> int:
    """Write what was asked for; the exit code of the run, 3 where it has not come to its end."""
    from preflight.audit.conduct import tally_of
    from preflight.audit.results import write_results

    is_complete = run.is_complete  # before the rows are counted: a run may still be at work
    tally = tally_of(run)
    outputs.outbox.open()
    write_results(run, outputs.targets)
    if outputs.page:
        _write_page(run, tally, outputs.page, is_complete=is_complete)
    with output.status(say("sending the outputs …"), shown=not given["quiet"]):
        outputs.outbox.send()
    if not given["quiet"]:
        _summarize(run, tally, given, is_complete=is_complete)
    if is_complete:
        return exit_code(tally, given)
    output.say(
        say(
            "preflight report: this run is incomplete: {progress}, and nothing is told of others. Unless it is still "
            "at work, go on with: {command}",
            progress=_progress(run, tally),
            command=_kept_command(run),
        )
    )
    return ExitCode.UNKNOWN


def exit_code(tally: Tally, given: dict[str, Any]) -> int:
    """1: more rows failed than may; 3: some have no answer; else 0."""
    failed = tally.verdicts["fail"] + (tally.verdicts["warn"] if given["strict"] else 0)
    if failed > given["max_fail_rate"] * tally.rows:
        return ExitCode.FAIL
    return ExitCode.UNKNOWN if tally.verdicts["unknown"] else ExitCode.PASS


def _summarize(run: Run, tally: Tally, given: dict[str, Any], *, is_complete: bool) -> None:
    from preflight.render.summary import summary_json, summary_text

    to_stderr, total = "-" in given["outputs"], run.manifest.input.get("rows")
    if given["format_"] == "json":
        told = summary_json(tally, total=total)
        told |= {"complete": is_complete, "sample": sample_of(run, tally) if is_complete else None}
        text = json.dumps(told, ensure_ascii=False) + "\n"
        (sys.stderr.write if to_stderr else output.write_utf8)(text)
        return
    color = output.use_color(given["no_color"]) and not to_stderr
    text = summary_text(
        tally,
        width=output.width(),
        color=color,
        total=total,
        about=[*_about(run, tally), *_standing(run, tally, is_complete=is_complete)],
        advice=_advice(run, tally, given, is_complete=is_complete),
    )
    (output.say if to_stderr else output.write)(text)


def _advice(run: Run, tally: Tally, given: dict[str, Any], *, is_complete: bool) -> list[str]:
    advice = []
    if tally.transient and is_complete:
        words = later(
            "{count:,} row is undecided for a cause that may pass: the same command with "
            "`--retry-failed=transient` asks again."
        )
        if tally.transient != 1:
            words = later(
                "{count:,} rows are undecided for a cause that may pass: the same command with "
                "`--retry-failed=transient` asks again."
            )
        advice.append(say(words, count=tally.transient))
    if spoken() != "en" and "lang" not in run.manifest.options:
        words = later(
            "What is wrong with rows is told in English, as in the results. In this language, for nothing: the audit's "
            "command with `--lang {language} --rejudge {folder} --run NEW`."
        )
        advice.append(say(words, language=spoken(), folder=shlex.quote(str(run.path))))
    if not given["report"]:
        again = shlex.join(["preflight", "report", str(run.path), "--report", "report.html"])
        advice.append(say("For a page about this run: `{command}`.", command=again))
    return advice


def _progress(run: Run, tally: Tally) -> str:
    total = run.manifest.input.get("rows")
    if total is None:
        return say("{count:,} rows are done", count=tally.rows)
    return say("{count:,} of {total:,} rows are done", count=tally.rows, total=total)


def _standing(run: Run, tally: Tally, *, is_complete: bool) -> list[tuple[str, str]]:
    """How far the run is; at its end, what a sample says of all rows (those that come first say nothing of them)."""
    if not is_complete:
        progress = _progress(run, tally)
        return [(say("incomplete"), say("{progress}; this run has not come to its end", progress=progress))]
    told = sample_of(run, tally)
    if told is None:
        return []
    sampled = say(
        "{rows:,} of {population:,} rows; of all rows, with 95 % confidence:",
        rows=tally.rows,
        population=told["population"],
    )
    refused = say("{low:.1%} to {high:.1%} ({estimate:.1%} in the sample)", **told["refused"])
    billed = say(
        "{low:,.0f} to {high:,.0f} s for the ready rows ({estimate:,.0f} s expected)", **told["billed_seconds"]
    )
    return [(say("sample"), sampled), (say("refused"), refused), (say("billed"), billed)]


def sample_of(run: Run, tally: Tally) -> dict[str, Any] | None:
    """The share of refused rows and the bill of the ready ones, for all rows, with 95 % intervals; None: no sample."""
    from dataclasses import asdict

    from preflight.audit.sample import interval, mean_interval
    from preflight.findings import Verdict

    population = run.manifest.input.get("population")
    if population is None:
        return None
    refused = interval(tally.verdicts["fail"], tally.rows, population)
    ready = tally.bill(Verdict.PASS, Verdict.WARN)  # every other row counts as no second
    mean = mean_interval(tally.rows, ready.expected / 1e6, ready.squares / 1e12, population)
    if refused is None or mean is None:
        return None
    bill = asdict(mean.times(population))
    return {"population": population, "refused": asdict(refused), "billed_seconds": bill}


def _write_page(run: Run, tally: Tally, path: Path, *, is_complete: bool) -> None:
    from preflight.audit.durable import new_file, stopping
    from preflight.render.audit import render_audit

    about = [*_about(run, tally), *_standing(run, tally, is_complete=is_complete)]
    page = render_audit(tally, _worst_first(run), about)
    with stopping(path), new_file(path, path.with_name(f".{path.name}.tmp"), mode=0o644) as file:
        file.write(page.encode())


def _worst_first(run: Run) -> Iterator[dict[str, Any]]:
    """The results that somebody has to look at; shards without any are not opened."""
    for verdict in ("fail", "unknown", "warn"):
        for index in run.begun():
            if not run.is_finished(index) or run.receipt(index).stats["verdicts"].get(verdict):
                yield from (result for result in run.results(index) if result["verdict"] == verdict)


def _about(run: Run, tally: Tally) -> list[tuple[str, str]]:
    """What the run was started with, when, and how far it came."""
    manifest = run.manifest
    times = [say("begun {time}", time=_shown(manifest.begun))] if manifest.begun else []
    if ended := run.ended:
        times.append(say("ended {time}", time=_shown(ended)))
    options = (f"{name} {value}" for name, value in manifest.options.items() if name not in {"profile", "sample"})
    told = [
        (say("input"), about(_name_of_input(run), _progress(run, tally))),
        (say("run"), clauses(*times, say("with preflight {version}", version=manifest.tool))),
        (say("profile"), str(manifest.options.get("profile", ""))),
        (say("options"), ", ".join(options)),
    ]
    return [(label, value) for label, value in told if value]


def _name_of_input(run: Run) -> str:
    path = Path(str(run.manifest.input["path"]))
    is_spooled = path.name == "input" and path.parent.name == run.path.name
    return say("standard input") if is_spooled else path.name


def _shown(time: str) -> str:
    """The minute of a time in ISO 8601, UTC."""
    return f"{time[:16].replace('T', ' ')} UTC"
