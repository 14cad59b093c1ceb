"""`preflight audit`: many requests or media, in a run that survives whatever stops it."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from preflight.cli import finish, options, output
from preflight.cli.interrupts import on_interrupt
from preflight.cli.language import asked_for
from preflight.findings import ExitCode
from preflight.language import about, later, say, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.audit.conduct import Engine, Order
    from preflight.audit.folder import Run
    from preflight.audit.manifest import Manifest
    from preflight.audit.progress import Mode, Snapshot
    from preflight.audit.results import Streamer
    from preflight.audit.storage import Stored
    from preflight.audit.work import Means
    from preflight.profiles import Profile
    from preflight.settings import Options


#: Stands for a command that cannot be shown.
_SAME = later("the same command")


def _mapping(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if wrong := [name for name, equals, column in pairs if not (name and equals and column)]:
        raise click.BadParameter(say("{word!r} is not FIELD=COLUMN, such as video_url=clip", word=wrong[0]))
    return {name: column for name, _, column in pairs}


def _encoding(_ctx: click.Context, _param: click.Parameter, given: str | None) -> str | None:
    from preflight.audit.encoding import read_encoding

    return None if given is None else read_encoding(given)


_jobs = options.together(
    click.option("--as", "as_medium", type=click.Choice(["video", "image"]),
                 help="Each row is one medium, not a request; a text file of URLs needs this."),
    click.option("--input-format", type=click.Choice(["csv", "jsonl", "txt", "parquet"]), help="Default: by the name."),
    click.option("--encoding", metavar="NAME", callback=_encoding,
                 help="How the text is encoded, such as gb18030 or cp1252; default: UTF-8, or as its first bytes say."),
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
                 help="Check again the rows that failed or stayed undecided (all, where nothing else is said), or only "
                 "those whose cause may have passed since."),
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
  preflight audit s3://bucket/jobs.parquet -o s3://bucket/results.parquet
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
@options.judging_options
@options.network_options
def audit(**given: Any) -> int:
    """Check many requests, or many media.

    One row of the input is one job; every row has one result, whatever is wrong with it. The summary goes to standard
    output, or to standard error when the results go there.
    """
    from preflight.audit.storage import is_stored, locate, path_of

    stored = locate(given["jobs"]) if is_stored(given["jobs"]) else None
    given["jobs"] = path_of(given["jobs"])
    return _dry_run(stored, given) if given["dry_run"] else _audit(stored, given)


def _folder(stored: Stored | None, given: dict[str, Any]) -> Path:
    """Where the run is kept."""
    from preflight.audit.storage import is_stored

    if given["folder"]:
        if is_stored(given["folder"]):
            raise click.UsageError(say("the run folder has to be on a file system: --run FOLDER"))
        return Path(given["folder"])
    if given["jobs"] == "-":
        raise click.UsageError(say("standard input has no name: say where the run is to be kept with --run FOLDER"))
    return Path(f"{stored.name if stored else Path(given['jobs']).name}{_suffix(given)}")


def _order(stored: Stored | None, folder: Path, given: dict[str, Any]) -> Order:
    """What is to be audited; of an input that is no file here, a copy in this folder."""
    from preflight.audit.conduct import Order
    from preflight.audit.jobs import format_named
    from preflight.audit.spool import spooled
    from preflight.audit.storage import fetched

    with output.status(say("copying the input …"), shown=stored is not None and not given["quiet"]):
        copy = fetched(stored, folder) if stored else None
    defaults = {
        name: given[name] for name in ("character_orientation", "mode", "model", "prompt") if given[name] is not None
    }
    return Order(
        input=copy.path if copy else spooled(folder) if given["jobs"] == "-" else Path(given["jobs"]),
        format=given["input_format"] or (format_named(stored.name) if stored else None),
        as_medium=given["as_medium"],
        mapping=given["mapping"],
        defaults=defaults,
        id_column=given["id_column"],
        sample=given["sample"],
        seed=given["seed"],
        limit=given["limit"],
        encoding=given["encoding"],
        origin=copy.origin if copy else {},
    )


def _suffix(given: dict[str, Any]) -> str:
    """What tells the folder of a rehearsal, or of other verdicts, from that of the run itself."""
    told = {
        "rejudged": _label(given["profile"]) if given["old"] else None,
        "sample": f"{given['sample']}-{given['seed']}" if given["sample"] else None,
        "first": given["limit"],
    }
    return "".join(f".{name}-{value}" for name, value in told.items() if value is not None) + ".audit"


def _dry_run(stored: Stored | None, given: dict[str, Any]) -> int:
    from datetime import UTC, datetime
    from tempfile import TemporaryDirectory

    from preflight.audit.plan import Pace, plan

    pace = Pace(given["concurrency"], given["per_host"], given["processes"] or 1)
    with TemporaryDirectory(prefix="preflight-") as folder:
        found = plan(_order(stored, Path(folder), given).rows(), datetime.now(UTC), pace)
    if given["format_"] == "json":
        output.write_utf8(json.dumps(found.json(), ensure_ascii=False) + "\n")
    else:
        output.write(found.text() + "\n")
    return ExitCode.PASS


def _audit(stored: Stored | None, given: dict[str, Any]) -> int:
    from preflight.audit.durable import RunStopped

    command = finish.command_line(given["jobs"])
    again = command or say(_SAME)
    try:
        code = _run_to_its_end(stored, given, command)
    except RunStopped as stopped:
        why = told(str(stopped))  # a worker's words are in English
        output.say(
            say(
                "preflight audit: stopped: {reason}; what is done is kept, go on with: {again}", reason=why, again=again
            )
        )
        return ExitCode.UNKNOWN
    if code == ExitCode.INTERRUPTED:
        output.say(say("preflight audit: interrupted; what is done is kept, go on with: {again}", again=again))
    return code


def _run_to_its_end(stored: Stored | None, given: dict[str, Any], command: str | None) -> int:
    from preflight.audit.conduct import begin
    from preflight.audit.rejudge import rejudge
    from preflight.audit.results import Streamer

    folder = _folder(stored, given)
    outputs = finish.outputs_of(given, folder, keep=[Path(given["jobs"])], source=stored)
    order = _order(stored, folder, given)
    means, told = _means(folder, given)
    old, manifest = _manifest(order, told, given)
    with begin(folder, manifest) as run, _stoppable(command or say(_SAME)) as stop:
        finish.keep_command(run, command)
        if run.took_over:
            output.say(say("preflight audit: {what}; going on", what=run.took_over))
        if given["retry_failed"]:
            _check_again(run, given)
        elif run.is_complete and not given["quiet"]:
            words = later(
                "this run came to its end before: nothing is looked at. To check again what failed, add "
                "`--retry-failed`; to look at everything anew, name another folder with --run"
            )
            output.say(about("preflight audit", say(words)))
        streamer = Streamer(run, output.write_utf8) if "-" in given["outputs"] else None
        if old:
            is_complete = rejudge(order, old, run, means.settings, stop)
        else:
            is_complete = _complete(order, run, means, given, stop, streamer)
        if not is_complete:
            return ExitCode.INTERRUPTED
        if streamer is not None:
            streamer.advance(last=True)
        return finish.finish(run, given, outputs)


def _manifest(order: Order, told: dict[str, Any], given: dict[str, Any]) -> tuple[Run | None, Manifest]:
    """What the run is started with, and the run whose facts it is to judge, if any."""
    from preflight.audit.folder import Run
    from preflight.audit.rejudge import require_same_rows, source_of

    if not given["old"]:
        return None, order.manifest(told)
    old = Run.attach(given["old"])
    manifest = order.manifest(told | source_of(old))
    require_same_rows(old, manifest)
    return old, manifest


def _check_again(run: Run, given: dict[str, Any]) -> None:
    from preflight.audit.conduct import reopen_failed

    count = reopen_failed(run, given["retry_failed"])
    if not given["quiet"]:
        words = later("checking {count:,} row again") if count == 1 else later("checking {count:,} rows again")
        output.say(about("preflight audit", say(words, count=count)))


def _complete(
    order: Order, run: Run, means: Means, given: dict[str, Any], stop: threading.Event, streamer: Streamer | None
) -> bool:
    """Do what is left to do; False: somebody wanted it to end before."""
    from preflight.audit.conduct import conduct
    from preflight.audit.progress import Progress

    with Progress(_progress(given), sys.stderr) as progress:

        def tell(snapshot: Snapshot) -> None:
            progress.update(snapshot)
            if streamer is not None:
                streamer.advance()

        return conduct(order, run, means, processes=_processes(given), stop=stop, tell=tell, engine=_engine(given))


def _means(folder: Path, given: dict[str, Any]) -> tuple[Means, dict[str, Any]]:
    """With what the rows are audited, and what of it decides over the results."""
    from preflight.audit.cache import FactsCache, default_path
    from preflight.audit.work import Means
    from preflight.profiles import DEFAULT
    from preflight.settings import bounds_of, proxy_of, settings_of

    network = given["network"]
    ignore = sorted(given["ignore"])
    # Results are read by programs, on another day and elsewhere: no locale decides over them.
    lang = asked_for(click.get_current_context()) or "en"
    chosen = cast("Options", {**network, "ignore": ignore, "price": given["price"], "lang": lang})
    settings = settings_of(given["profile"] or DEFAULT, chosen)
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
        "profile": _name_of(settings.profile),
        "ignore": ignore or None,
        "price": str(given["price"]) if given["price"] else None,
        "allow_private": network.get("allow_private") or None,
        "max_bytes": network.get("max_bytes"),
        "timeout": network.get("timeout"),
        "lang": None if lang == "en" else lang,
    }
    return means, decisive


def _label(profile: str | Profile | None) -> str:
    """A profile's name as a part of a folder's."""
    from preflight.profiles import DEFAULT

    name = DEFAULT if profile is None else profile if isinstance(profile, str) else profile.name
    return Path(name).stem


def _name_of(profile: Profile) -> str:
    """What tells this profile from every other one, also from itself before somebody changed a limit."""
    content = hashlib.sha256(profile.model_dump_json().encode()).hexdigest()
    return f"{profile.name} {profile.revision} ({content[:8]})"


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
            raise click.UsageError(say("--ray-address goes with --engine ray"))
        return run_shards
    from preflight.audit.ray import engine_at

    engine: Engine = engine_at(given["ray_address"])
    return engine


@contextmanager
def _stoppable(again: str) -> Iterator[threading.Event]:
    """Ctrl-C once: finish what is under way; twice: stop at once. A run survives either. `again`: what goes on."""
    stop = threading.Event()
    at_once = say("preflight audit: stopped at once; what is done is kept, and this goes on: {again}", again=again)
    finishing = say("preflight audit: finishing what is under way (Ctrl-C again: stop at once)")

    def heed() -> None:
        if stop.is_set():
            os.write(2, f"\n{at_once}\n".encode())
            os._exit(ExitCode.INTERRUPTED)
        stop.set()
        os.write(2, f"\n{finishing}\n".encode())

    with on_interrupt(heed):
        yield stop
