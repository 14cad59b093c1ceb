"""What becomes of a run of the real command when it is killed, stopped, misdirected, or has no disk left."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from preflight.audit.folder import Run
from tests.audit_kills import kill_at_random
from tests.benchmarks.audit_figure import Figure, faults
from tests.benchmarks.audit_ground import IMAGES, Command, audit_words, fresh, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.benchmarks.audit_ground import Done, Ground

ROWS = 5000
_SHARDS = ROWS // 500
_FULL_MB = 66
"""A disk with 2 MB beside the reserve: full after some hundred rows."""


def kills(ground: Ground, size: float) -> Iterator[Figure]:
    """Of the run folder alone, and of the whole command."""
    score = kill_at_random(int(200 * size))
    yield Figure(score.figure, score.measured, score.bar, score.met, "; ".join(score.misses[:3]))
    count, runs, wrong = _kill_the_command(ground, int(200 * size))
    what = f"kill -9 of `preflight audit` at {count} random moments of {runs} runs of {ROWS:,} rows, resumed by itself"
    yield faults(what, wrong, "0 lost, 0 double, 0 torn")


def _kill_the_command(ground: Ground, wanted: int) -> tuple[int, int, list[str]]:
    moments, count, runs, wrong = random.Random(1), 0, 0, list[str]()  # noqa: S311  (reproducible, no secret)
    while count < wanted:
        runs += 1
        table, before = _table(ground, "kills"), dict[int, str]()
        while True:
            with Command(_words(table), ground) as command:
                if count < wanted:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        # A child that is waited for so is reaped: whatever came of it, its code tells.
                        command.process.wait(moments.uniform(0.2, 3.0))
                    if command.process.returncode is None:
                        os.kill(command.process.pid, signal.SIGKILL)
                        command.process.wait()
                        count += 1
                    code = command.process.returncode
                else:
                    code = command.wait().code
            now = _held(table.with_suffix(".run"), wrong)
            wrong += [f"row {row} was lost by kill {count}" for row in before.keys() - now.keys()]
            wrong += [f"row {row} was done twice" for row in before.keys() & now.keys() if before[row] != now[row]]
            before = now
            if code != -signal.SIGKILL:
                break
        wrong += [f"run {runs} ended with {code}"] if code != 1 else []
        wrong += _amiss_in(table.with_suffix(".jsonl"))
    return count, runs, wrong


def _held(folder: Path, wrong: list[str]) -> dict[int, str]:
    """Each row on the disk with a digest of its line."""
    found: dict[int, str] = {}
    if not (folder / "manifest.json").exists():
        return found
    attached = Run.attach(folder)
    for index in range(_SHARDS):
        for line in attached.lines(index):
            if line["row"] in found:
                wrong.append(f"row {line['row']} is there twice")
            found[line["row"]] = hashlib.sha256(json.dumps(line).encode()).hexdigest()
    return found


def _amiss_in(results: Path) -> list[str]:
    """What is wrong with the results of a whole run."""
    try:
        lines = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    except (OSError, ValueError) as error:
        return [f"results: {error}"]
    if [(line["row"], line["id"]) for line in lines] != [(row, f"job{row - 1}") for row in range(1, ROWS + 1)]:
        return [f"{len(lines)} results, or in another order"]
    return [f"row {line['row']} is {line['verdict']}" for line in lines if line["verdict"] == "unknown"]


def stops(ground: Ground, size: float) -> Iterator[Figure]:
    """Each told in one line, and the same command goes on to a whole result."""
    bar = "told in one line, resumable, nothing lost"
    yield _full_disk(ground)
    for number, often in enumerate(("once", "twice"), start=1):
        wrong, told = _interrupted(ground, number)
        yield faults(f"Ctrl-C {often}", wrong, bar, told)
    table = _table(ground, "changed")
    _stopped(table, ground, (3.0,))
    text, times = table.read_bytes(), table.stat()
    table.write_bytes(text + b"late,,\n")
    done = run(_words(table), ground)
    wrong = _not_told(done, 2, "changed")
    table.write_bytes(text)
    os.utime(table, ns=(times.st_atime_ns, times.st_mtime_ns))
    yield faults("the input changed under a run", wrong + _gone_on(table, ground), bar, _last_line(done))
    table = _table(ground, "nowhere")
    done = run([*audit_words(table, "-o", "/proc/nowhere/results.jsonl")], ground)
    wrong = _not_told(done, 2, "")
    wrong += ["rows were fetched all the same"] if list(table.with_suffix(".run").glob("shards/*")) else []
    yield faults("an output that cannot be written", wrong, bar, _last_line(done))


def _interrupted(ground: Ground, times: int) -> tuple[list[str], str]:
    """What was wrong, and how it ended."""
    table = _table(ground, f"ctrl-c-{times}")
    done, seconds = _stopped(table, ground, (3.0, 0.2)[:times])
    wrong = _not_told(done, 130, "go on" if times == 1 else "goes on", lines=2)
    wrong += [f"it took {seconds:.1f} s to end"] if seconds > (11 if times == 1 else 1) else []
    return wrong + _gone_on(table, ground), f"ended after {seconds:.2f} s: {_last_line(done)}"


def _full_disk(ground: Ground) -> Figure:
    what, bar = "disk full in the middle", "told in one line, resumable, nothing lost"
    table = _table(ground, "full")
    disk = ground.folder / "full.run"
    disk.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return Figure(what, "not run: mounting a small disk needs root", bar, None)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_FULL_MB}m", "none", str(disk)], check=True)
    try:
        words = [*_words(table)[:-4], "--run", str(disk / "run"), "-o", str(table.with_suffix(".jsonl"))]
        done = run(words, ground)
        wrong = _not_told(done, 3, "go on")
        before = _held(disk / "run", wrong)
        subprocess.run(["mount", "-o", "remount,size=400m", str(disk)], check=True)
        again = run(words, ground)
        now = _held(disk / "run", wrong)
        wrong += [f"row {row} was lost or done twice" for row in before if before[row] != now.get(row)]
        wrong += [f"resumed, it ended with {again.code}"] if again.code != 1 else []
        wrong += _amiss_in(table.with_suffix(".jsonl"))
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    return faults(what, wrong, bar, f"at {len(before):,} rows: {_last_line(done)}")


def _table(ground: Ground, name: str) -> Path:
    """Jobs of an own video and one of some images each."""
    pictures = ground.urls(len(IMAGES) * 16, IMAGES, ground.http)
    videos = ground.urls(ROWS, ("fast8.mp4",), ground.http)
    jobs = [(pictures[number % len(pictures)], video) for number, video in enumerate(videos)]
    table = fresh(ground, name, jobs)
    table.with_suffix(".jsonl").unlink(missing_ok=True)
    return table


def _words(table: Path) -> list[str]:
    words = audit_words(table, "--progress", "none")
    at = words.index("--run")
    return [*words[:at], *words[at + 2 :], *words[at : at + 2], "-o", str(table.with_suffix(".jsonl"))]


def _stopped(table: Path, ground: Ground, pauses: tuple[float, ...]) -> tuple[Done, float]:
    """An audit that hears Ctrl-C after each of the pauses; and how long it goes on after the last."""
    with Command(_words(table), ground) as command:
        for pause in pauses:
            time.sleep(pause)
            os.killpg(command.process.pid, signal.SIGINT)
        since = time.monotonic()
        return command.wait(60), time.monotonic() - since


def _gone_on(table: Path, ground: Ground) -> list[str]:
    """The same command again, to its end: what is wrong then, and which of the finished rows it did not keep."""
    wrong: list[str] = []
    before = _held(table.with_suffix(".run"), wrong)
    wrong += [] if before else ["nothing was kept"]
    code = run(_words(table), ground).code
    now = _held(table.with_suffix(".run"), wrong)
    wrong += [f"row {row} was lost or done twice" for row in before if before[row] != now.get(row)]
    return wrong + ([f"resumed, it ended with {code}"] if code != 1 else []) + _amiss_in(table.with_suffix(".jsonl"))


def _not_told(done: Done, code: int, word: str, lines: int = 1) -> list[str]:
    """What is wrong with the way in which it ended."""
    told = [line for line in done.err.splitlines() if line.strip()]
    wrong = [f"it ended with {done.code}, not {code}"] if done.code != code else []
    wrong += [f"{len(told)} lines instead of {lines}: {done.err[-300:]}"] if len(told) != lines else []
    return wrong + ([f"the last line does not say {word!r}"] if word not in _last_line(done) else [])


def _last_line(done: Done) -> str:
    return (done.err.strip().splitlines() or [""])[-1]
