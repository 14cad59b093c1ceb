"""`preflight audit`: many requests or media, in a run that survives whatever stops it."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from preflight.cli import finish, options, output
from preflight.findings import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from preflight.audit.conduct import Engine, Order
    from preflight.audit.engine import Means
    from preflight.audit.folder import Run
    from preflight.audit.progress import Mode, Snapshot
    from preflight.audit.results import Streamer
    from preflight.settings import Options


def _mapping(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if wrong := [name for name, equals, column in pairs if not (name and equals and column)]:
        raise click.BadParameter(f"{wrong[0]!r} is not FIELD=COLUMN, such as video_url=clip")
    return {name: column for name, _, column in pairs}


_jobs = options.together(
    click.option("--as", "as_medium", type=click.Choice(["video", "image"]),
                 help="Each row is one medium, not a request; a text file of URLs needs this."),
    click.option("--input-format", type=click.Choice(["csv", "jsonl", "txt", "parquet"]), help="Default: by the name."),
    click.option("--map", "mapping", multiple=True, metavar="FIELD=COLUMN", callback=_mapping,
                 help="Which column holds a field of the request, where its name does not tell; repeatable."),
    click.option("--id", "id_column", metavar="COLUMN", help="Which column names a row; default: id, job_id or uuid."),
    click.option("--orientation", "character_orientation", metavar="image|video", help="For rows that do not say."),
    click.option("--mode", metavar="std|pro", help="For rows that do not say (std)."),
    click.option("--model", metavar="NAME", help="For rows that do not say (kling-v2-6-motion-control)."),
    click.option("--prompt", metavar="TEXT", help="For rows that do not say."),
    click.option("--sample", metavar="SHARE|ROWS", help="Audit a random sample only, such as 2% or 500."),
    click.option("--seed", type=int, default=0, help="Which sample; the same seed draws the same rows."),
    click.option("--limit", type=click.IntRange(1), metavar="ROWS", help="Audit the first rows only."),
)  # fmt: skip
_run = options.together(
    click.option("--run", "folder", metavar="FOLDER", help="Where the run is kept; default: JOBS.audit."),
    click.option("--dry-run", is_flag=True, help="Tell rows, hosts, duplicates and dying URLs; fetch nothing."),
    click.option("--retry-failed", is_flag=False, flag_value="all", type=click.Choice(["all", "transient"]),
                 help="Check again what failed in a finished run, or only what may have passed since."),
    click.option("--rejudge", "old", metavar="RUN",
                 help="Fetch nothing: judge the facts of a finished run anew, say under another --profile."),
    click.option("--concurrency", type=click.IntRange(1, 1024), default=64, show_default=True,
                 help="Media under way at once."),
    click.option("--per-host", type=click.IntRange(1, 256), default=8, show_default=True,
                 help="Media under way at once, of one host."),
    click.option("--processes", type=click.IntRange(1, 64), metavar="N",
                 help="Each fetches and judges on a core of its own, with a share of every host's turns. Default: 1; "
                 "with --engine ray: one for each core of the cluster."),
    click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
                 help="Where shards are audited."),
    click.option("--ray-address", metavar="ADDRESS", help="With --engine ray: the cluster; default: this machine."),
    click.option("--cache", type=click.Choice(["on", "off"]), default="on", show_default=True,
                 help="Remember, between runs, the facts of media that have not changed."),
    click.option("--progress", type=click.Choice(["auto", "bar", "plain", "json", "none"]), default="auto",
                 show_default=True, help="On standard error: one line that changes, a line every 30 s, or JSON."),
)  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  preflight audit jobs.csv -o results.jsonl --report report.html
  preflight audit urls.txt --as video --orientation video -o results.csv
  preflight audit jobs.parquet --dry-run
  preflight audit jobs.jsonl --sample 2%                    (what share would be refused?)
  preflight audit jobs.csv -o results.jsonl --retry-failed=transient
  cat jobs.jsonl | preflight audit - --input-format jsonl --run night -o - | jq .verdict

\b
A run that was stopped (Ctrl-C, a crash, a full disk) goes on with the same command.

\b
Exit codes: 0 pass or warn, 1 at least one fail (see --max-fail-rate), 2 wrong usage or input, 3 incomplete or unknown,
130 interrupted, and resumable.
"""
)
@click.argument("jobs", metavar="JOBS.{csv,jsonl,parquet,txt} | -")
@_jobs
@finish.result_options
@_run
@click.option("--profile", metavar="NAME|FILE", help="Whose limits apply; see: preflight profiles.")
@click.option("--price", type=options.PRICE, metavar="AMOUNT", help="Money per billed second, such as 0.07.")
@click.option("--ignore", multiple=True, metavar="RULE[,RULE…]", help="Leave a rule out; repeatable.")
@options.network_options
def audit(**given: Any) -> int:
    """Check many requests, or many media.

    One row of the input is one job; every row has one result, whatever is wrong with it. The summary goes to standard
    output, or to standard error when the results go there.
    """
    order, folder = _order(given["jobs"], given)
    if given["dry_run"]:
        return _dry_run(order, given)
    return _audit(order, folder, given)


def _order(jobs: str, given: dict[str, Any]) -> tuple[Order, Path]:
    from preflight.audit.conduct import Order, spooled

    folder = Path(given["folder"] or (f"{Path(jobs).name}{_suffix(given)}" if jobs != "-" else ""))
    if jobs == "-" and not given["folder"]:
        if not given["dry_run"]:
            raise click.UsageError("standard input has no name: say where the run is to be kept with --run FOLDER")
        source = Path("-")
    else:
        source = spooled(jobs, folder) if not given["dry_run"] else Path(jobs)
    defaults = {
        name: given[name] for name in ("character_orientation", "mode", "model", "prompt") if given[name] is not None
    }
    order = Order(
        input=source,
        format=given["input_format"],
        as_medium=given["as_medium"],
        mapping=given["mapping"],
        defaults=defaults,
        id_column=given["id_column"],
        sample=given["sample"],
        seed=given["seed"],
        limit=given["limit"],
    )
    return order, folder


def _suffix(given: dict[str, Any]) -> str:
    """What tells the folder of a rehearsal, or of other verdicts, from that of the run itself."""
    told = {
        "rejudged": Path(given["profile"] or "xcompute").stem if given["old"] else None,
        "sample": f"{given['sample']}-{given['seed']}" if given["sample"] else None,
        "first": given["limit"],
    }
    return "".join(f".{name}-{value}" for name, value in told.items() if value is not None) + ".audit"


def _dry_run(order: Order, given: dict[str, Any]) -> int:
    from datetime import UTC, datetime

    from preflight.audit.plan import plan

    found = plan(order.rows(), datetime.now(UTC))
    if given["format_"] == "json":
        output.write_utf8(json.dumps(found.json(), ensure_ascii=False) + "\n")
    else:
        output.write(found.text() + "\n")
    return ExitCode.PASS


def _audit(order: Order, folder: Path, given: dict[str, Any]) -> int:
    from preflight.audit.durable import RunStopped

    again = f"preflight audit {finish.words(given['jobs'])} …   (the same command)"
    try:
        code = _run_to_its_end(order, folder, given)
    except RunStopped as stopped:
        output.say(f"preflight audit: stopped: {stopped}; what is done is kept, go on with: {again}")
        return ExitCode.UNKNOWN
    if code == ExitCode.INTERRUPTED:
        output.say(f"preflight audit: interrupted; what is done is kept, go on with: {again}")
    return code


def _run_to_its_end(order: Order, folder: Path, given: dict[str, Any]) -> int:
    from preflight.audit.conduct import begin, reopen_failed
    from preflight.audit.results import Streamer

    targets = finish.targets_of(given, keep=[order.input])
    means, told = _means(folder, given)
    with begin(folder, order.manifest(told)) as run, _stoppable() as stop:
        if run.took_over:
            output.say(f"preflight audit: {run.took_over}; going on")
        if given["retry_failed"]:
            reopen_failed(run, given["retry_failed"])
        streamer = Streamer(run, output.write_utf8) if "-" in given["outputs"] else None
        if not _complete(order, run, means, given, stop, streamer):
            return ExitCode.INTERRUPTED
        if streamer is not None:
            streamer.advance(last=True)
        return finish.finish(run, given, targets)


def _complete(
    order: Order, run: Run, means: Means, given: dict[str, Any], stop: threading.Event, streamer: Streamer | None
) -> bool:
    """Do what is left to do; False: somebody wanted it to end before."""
    from preflight.audit.conduct import conduct
    from preflight.audit.folder import Run
    from preflight.audit.progress import Progress
    from preflight.audit.rejudge import rejudge

    if given["old"]:
        rejudge(order, Run.attach(given["old"]), run, means.settings)
        return True
    with Progress(_progress(given), sys.stderr) as progress:

        def tell(snapshot: Snapshot) -> None:
            progress.update(snapshot)
            if streamer is not None:
                streamer.advance()

        return conduct(order, run, means, processes=_processes(given), stop=stop, tell=tell, engine=_engine(given))


def _means(folder: Path, given: dict[str, Any]) -> tuple[Means, dict[str, Any]]:
    """With what the rows are audited, and what of it decides over the results."""
    from preflight.audit.cache import FactsCache, default_path
    from preflight.audit.engine import Means
    from preflight.settings import bounds_of, proxy_of, settings_of

    network = given["network"]
    ignore = sorted(name for names in given["ignore"] for name in names.replace(",", " ").split())
    chosen = cast("Options", {**network, "ignore": ignore, "price": given["price"]})
    profile = given["profile"] or "xcompute"
    settings = settings_of(profile, chosen)
    cores = os.cpu_count() or 1
    if given["cache"] == "on":
        with FactsCache() as cache:  # before others open it
            cache.prune()
    means = Means(
        run=folder,
        settings=settings,
        bounds=bounds_of(chosen),
        at_once=given["concurrency"],
        per_host=given["per_host"],
        probers=max(1, min(4, cores // (2 * (given["processes"] or 1)))),
        proxy=proxy_of(chosen),
        cache=default_path() if given["cache"] == "on" else None,
    )
    decisive = {
        "profile": f"{settings.profile.name} {settings.profile.revision}",
        "ignore": ignore or None,
        "price": str(given["price"]) if given["price"] else None,
        "allow_private": network.get("allow_private") or None,
        "max_bytes": network.get("max_bytes"),
        "timeout": network.get("timeout"),
    }
    return means, decisive


def _processes(given: dict[str, Any]) -> int:
    count: int | None = given["processes"]
    return (0 if given["engine"] == "ray" else 1) if count is None else count


def _progress(given: dict[str, Any]) -> Mode:
    from preflight.audit.progress import mode_for

    if given["quiet"]:
        return "none"
    chosen: Mode | Literal["auto"] = given["progress"]
    return mode_for(sys.stderr) if chosen == "auto" else chosen


def _engine(given: dict[str, Any]) -> Engine:
    from preflight.audit.engine import run_shards

    if given["engine"] == "local":
        if given["ray_address"]:
            raise click.UsageError("--ray-address goes with --engine ray")
        return run_shards
    from preflight.audit.ray import engine_at

    engine: Engine = engine_at(given["ray_address"])
    return engine


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Ctrl-C once: finish what is under way; twice: stop at once. A run survives either."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def heed(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os.write(2, b"\npreflight audit: stopped at once; the same command goes on\n")
            os._exit(ExitCode.INTERRUPTED)
        stop.set()
        os.write(2, b"\npreflight audit: finishing what is under way (Ctrl-C again: stop at once)\n")

    if before is not signal.SIG_IGN:  # somebody chose to ignore it (nohup)
        signal.signal(signal.SIGINT, heed)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
