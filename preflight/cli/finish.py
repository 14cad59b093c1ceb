"""What becomes of a run that has ended: files, a page, a summary, an exit code. Shared by `audit` and `report`."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
import re
import shlex
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.findings import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.audit.folder import Run
    from preflight.audit.results import Target
    from preflight.audit.summary import Tally

_SHARE = re.compile(r"(\d+(?:\.\d+)?)(%?)")


class _Share(click.ParamType[Decimal]):
    """A share: `0.5%`, or `0.005`."""

    name = "share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        match = _SHARE.fullmatch(str(value))
        share = Decimal(match[1]) / (100 if match[2] else 1) if match else Decimal(-1)
        if not 0 <= share <= 1:
            self.fail(f"{value!r} is not a share, such as 0.5%", param, ctx)
        return share


result_options = options.together(
    click.option("-o", "--output", "outputs", multiple=True, metavar="FILE|-",
                 help="Results in input order: .jsonl, .csv, .parquet, or - (JSON lines); repeatable."),
    click.option("--report", metavar="FILE.html", help="A page about the whole run."),
    click.option("--max-fail-rate", type=_Share(), default=Decimal(0), metavar="SHARE",
                 help="Up to this share of failed rows the command does not fail, such as 0.5%."),
    click.option("--strict", is_flag=True, help="A warning fails, too."),
    options.summary_format_option,
    click.option("-q", "--quiet", is_flag=True, help="No progress, and no summary."),
    options.color_option,
)  # fmt: skip


def words(*parts: str) -> str:
    """A command's words as a shell takes them."""
    return shlex.join(parts)


def targets_of(given: dict[str, Any], keep: Iterable[Path] = ()) -> tuple[Target, ...]:
    """The files that are asked for, made sure of before hours are spent on what goes into them.

    Raises:
        UsageError: one cannot be written, or is among those to `keep`.
    """
    from preflight.audit.results import read_page_target, read_targets

    if given["report"]:
        read_page_target(given["report"], keep=keep)
    return read_targets(given["outputs"], keep=keep)


def finish(run: Run, given: dict[str, Any], targets: Iterable[Target]) -> int:
    """Write what was asked for; the exit code of the run."""
    from preflight.audit.conduct import tally_of
    from preflight.audit.results import read_page_target, write_results

    tally = tally_of(run)
    write_results(run, targets)
    if given["report"]:
        _write_page(run, tally, read_page_target(given["report"]))
    if not given["quiet"]:
        _summarize(run, tally, given)
    return exit_code(tally, given)


def exit_code(tally: Tally, given: dict[str, Any]) -> int:
    """1: more rows failed than may; 3: some have no answer; else 0."""
    failed = tally.verdicts["fail"] + (tally.verdicts["warn"] if given["strict"] else 0)
    if failed > given["max_fail_rate"] * tally.rows:
        return ExitCode.FAIL
    return ExitCode.UNKNOWN if tally.verdicts["unknown"] else ExitCode.PASS


def _summarize(run: Run, tally: Tally, given: dict[str, Any]) -> None:
    from preflight.render.summary import summary_json, summary_text

    to_stderr, total = "-" in given["outputs"], run.manifest.input.get("rows")
    if given["format_"] == "json":
        told = summary_json(tally, total=total) | {"sample": sample_of(run, tally)}
        text = json.dumps(told, ensure_ascii=False) + "\n"
        (sys.stderr.write if to_stderr else output.write_utf8)(text)
        return
    color = output.use_color(given["no_color"]) and not to_stderr
    text = summary_text(
        tally,
        width=output.width(),
        color=color,
        total=total,
        about=_of_all_rows(run, tally),
        advice=_advice(run, tally, given),
    )
    (output.say if to_stderr else output.write)(text)


def _advice(run: Run, tally: Tally, given: dict[str, Any]) -> list[str]:
    advice = []
    if tally.transient:
        what = "row is" if tally.transient == 1 else "rows are"
        advice.append(
            f"{tally.transient:,} {what} undecided for a cause that may pass: the same command with "
            "`--retry-failed=transient` asks again."
        )
    if not given["report"]:
        advice.append(f"For a page about this run: `preflight report {words(str(run.path))} --report report.html`.")
    return advice


def _of_all_rows(run: Run, tally: Tally) -> list[tuple[str, str]]:
    """What the sample says of all rows; nothing where there is no sample."""
    told = sample_of(run, tally)
    if told is None:
        return []
    refused, bill = told["refused"], told["billed_seconds"]
    return [
        ("sample", f"{tally.rows:,} of {told['population']:,} rows; of all rows, with 95 % confidence:"),
        ("refused", f"{refused['low']:.1%} to {refused['high']:.1%} ({refused['estimate']:.1%} in the sample)"),
        (
            "billed",
            f"{bill['low']:,.0f} to {bill['high']:,.0f} s for the ready rows ({bill['estimate']:,.0f} s expected)",
        ),
    ]


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


def _write_page(run: Run, tally: Tally, path: Path) -> None:
    from preflight.audit.durable import new_file
    from preflight.render.audit import render_audit

    wanted = (
        result for index in run.finished() for result in run.results(index) if result["verdict"] in {"fail", "unknown"}
    )
    page = render_audit(tally, wanted, _about(run, tally))
    with new_file(path, path.with_name(f".{path.name}.tmp"), mode=0o644) as file:
        file.write(page.encode())


def _about(run: Run, tally: Tally) -> list[tuple[str, str]]:
    """What the run was started with."""
    manifest = run.manifest
    options = (f"{name} {value}" for name, value in manifest.options.items() if name not in {"profile", "sample"})
    told = [
        ("input", Path(str(manifest.input["path"])).name),
        ("profile", str(manifest.options.get("profile", ""))),
        ("options", ", ".join(options)),
        *_of_all_rows(run, tally),
    ]
    return [(label, value) for label, value in told if value]
