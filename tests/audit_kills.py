"""A run whose process is killed, resumed, killed again; and what is on the disk after each of it.

At random moments of a large run, most of which lie between two groups; and at every line of our code in a small one.
The rows are made here: no network, no probe, only the folder.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflight.audit.folder import Run
from preflight.audit.manifest import Manifest
from tests.hostile import Score

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from types import FrameType

ROWS, SHARD_ROWS = 5000, 500
_CONTEXT = multiprocessing.get_context("forkserver")
_PATIENCE_SECONDS = 60.0
#: A kill loses nothing that was written, so a disk would only make this slow; what a power cut loses is tested apart.
_HOME = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def manifest() -> Manifest:
    """What every run here is started with."""
    return Manifest.of(input={"path": "made up"}, options={}, shard_rows=SHARD_ROWS)


def text_of(row: int) -> str:
    """What stands in a row: other bytes and another length in each."""
    digest = hashlib.sha256(str(row).encode()).hexdigest()
    return digest * (1 + int(digest[:2], 16) // 4)


def _line(row: int, attempt: int, writer: int = 0) -> dict[str, Any]:
    result = {"row": row, "writer": writer, "text": text_of(row), "input": {}}
    return {"row": row, "attempt": attempt, "class": "final", "result": result}


def work(folder: str, rows: int, writer: int) -> None:
    """Begin the run or go on with it, to its end."""
    path = Path(folder)
    run = Run.open(path) if (path / "manifest.json").exists() else Run.create(path, manifest())
    with run:
        for index, first in enumerate(range(1, rows + 1, SHARD_ROWS)):
            if run.is_finished(index):
                continue
            wanted = list(range(first, min(first + SHARD_ROWS, rows + 1)))
            random.Random(index).shuffle(wanted)  # noqa: S311  (answers come in any order)
            with run.journal(index) as journal:
                for row in wanted:
                    if row not in journal.done:
                        journal.add(_line(row, journal.attempt(row), writer))
                journal.finish({"shard": index}, wanted)


def held(folder: Path) -> tuple[dict[int, int], list[str]]:
    """Each row that is on the disk with the number of its writer, and what is wrong with them."""
    if not (folder / "manifest.json").exists():
        return {}, []
    run, found, wrong = Run.attach(folder), dict[int, int](), list[str]()
    for index in range(-(-ROWS // SHARD_ROWS)):
        for result in (line["result"] for line in run.lines(index)):
            if result["row"] in found:
                wrong.append(f"row {result['row']} is there twice")
            if result["text"] != text_of(result["row"]):
                wrong.append(f"row {result['row']} is torn")
            found[result["row"]] = result["writer"]
    return found, wrong


def killed_once(
    folder: Path, writer: int, seconds: float, before: dict[int, int]
) -> tuple[dict[int, int], list[str], bool]:
    """Let a process work for some seconds and kill it: what is there now, what is wrong with that, was it killed."""
    process = _CONTEXT.Process(target=work, args=(str(folder), ROWS, writer), daemon=True)
    process.start()
    process.join(seconds)
    process.kill()
    process.join(_PATIENCE_SECONDS)
    killed = process.exitcode == -signal.SIGKILL
    if process.exitcode and not killed:
        return before, [f"process {writer} ended with {process.exitcode}"], False
    now, wrong = held(folder)
    wrong += [f"row {row} was lost by kill {writer}" for row in before if row not in now]
    wrong += [f"row {row} was done twice" for row in before if row in now and now[row] != before[row]]
    return now, wrong, killed


def kill_at_random(kills: int, seed: int = 1) -> Score:
    """Kill at that many random moments, in as many runs of 5,000 rows as it takes, each of which is then finished."""
    moments, done, runs, wrong = random.Random(seed), 0, 0, list[str]()  # noqa: S311  (reproducible, no secret)
    _CONTEXT.set_forkserver_preload(["tests.audit_kills"])
    with tempfile.TemporaryDirectory(dir=_HOME) as home:
        _seconds_of_a_run(Path(home) / "first")  # starts the server of processes, too
        span = _seconds_of_a_run(Path(home) / "second")
        while done < kills:
            runs += 1
            folder, found, writer = Path(home) / f"run{runs}", dict[int, int](), 0
            while len(found) < ROWS or Run.attach(folder).finished() != list(range(ROWS // SHARD_ROWS)):
                writer += 1
                patience = moments.uniform(0, span / 2) if done < kills else _PATIENCE_SECONDS
                found, told, killed = killed_once(folder, writer, patience, found)
                wrong += told
                done += killed
                if told:
                    break
            wrong += _at_the_end(folder)
    return Score(
        figure=f"kill -9 at {done} random moments of {runs} runs of {ROWS:,} rows, each resumed to its end",
        bar="0 lost, 0 double, 0 torn",
        measured=f"{len(wrong)} wrong",
        misses=tuple(wrong),
    )


def _seconds_of_a_run(folder: Path) -> float:
    began = time.monotonic()
    _, wrong, _ = killed_once(folder, 0, _PATIENCE_SECONDS, {})
    assert not wrong, wrong
    return time.monotonic() - began


def _at_the_end(folder: Path) -> list[str]:
    with Run.open(folder) as run:  # the last kill may have been after the last row
        pass
    rows = [result["row"] for index in run.finished() for result in run.results(index)]
    wrong = [] if rows == list(range(1, ROWS + 1)) else [f"{len(rows)} rows at the end, or in another order"]
    left = [path.name for path in (folder / "shards").iterdir() if not path.name.endswith((".jsonl.gz", ".stats.json"))]
    return wrong + [f"{name} was left behind" for name in left]


# ------------------------------------------------------------------------------------------ at every line

_OUR_FILES = ("durable.py", "folder.py", "journal.py", "lock.py")


def kill_at_every_line(step: int = 1) -> Score:
    """Kill before each `step`-th line of our code that beginning, finishing, reopening and resuming a run execute."""
    lines, wrong = 0, list[str]()
    _CONTEXT.set_forkserver_preload(["tests.audit_kills"])
    with tempfile.TemporaryDirectory(dir=_HOME) as home:
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        while True:
            lines += step
            folder = Path(home) / f"run{lines}"
            process = _CONTEXT.Process(target=_killed_at, args=(str(folder), lines, theirs), daemon=True)
            process.start()
            process.join(_PATIENCE_SECONDS)
            told = []
            while ours.poll():
                told.append(ours.recv())
            wrong += [f"line {lines}: {what}" for what in _after(folder, told)]
            if process.exitcode != -signal.SIGKILL:
                wrong += [f"line {lines}: it ended with {process.exitcode}"] if process.exitcode else []
                break
    return Score(
        figure=f"kill -9 at each of {lines} lines of a small run, then resume",
        bar="0 lost, 0 double, 0 torn",
        measured=f"{len(wrong)} wrong",
        misses=tuple(wrong),
    )


def _story(folder: Path, told: Connection | None) -> None:
    """Three rows; then the second is checked again. Each line is told when it is said to be on the disk."""
    run = Run.open(folder) if (folder / "manifest.json").exists() else Run.create(folder, manifest())
    with run:
        if run.is_finished(0) and "again" not in run.receipt(0).stats:
            run.reopen(0, [2])
        if not run.is_finished(0):
            with run.journal(0) as journal:
                for row in {1, 2, 3} - journal.done:
                    attempt = journal.attempt(row)
                    journal.add(_line(row, attempt))
                    journal.flush()
                    if told:
                        told.send((row, attempt))
                journal.finish({"again": True} if journal.attempt(2) > 2 else {}, (1, 2, 3))
            if "again" not in run.receipt(0).stats:
                run.close()
                _story(folder, told)


def _killed_at(folder: str, lines: int, told: Connection) -> None:
    left = lines

    def before_each_line(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if Path(frame.f_code.co_filename).name not in _OUR_FILES:
            return None
        if event == "line":
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return before_each_line

    sys.settrace(before_each_line)
    _story(Path(folder), told)


def _after(folder: Path, told: list[tuple[int, int]]) -> list[str]:
    """What is wrong after a kill, and after the run has been resumed to its end."""
    wrong = []
    if (folder / "manifest.json").exists():
        held = {line["row"]: line["attempt"] for line in Run.attach(folder).lines(0)}
        wrong = [f"attempt {attempt} at row {row} was lost" for row, attempt in told if held.get(row, 0) < attempt]
    _story(folder, None)
    run = Run.attach(folder)
    rows = [(line["row"], line["attempt"]) for line in run.lines(0)]
    left = {path.name for path in (folder / "shards").iterdir()} - {"00000.jsonl.gz", "00000.stats.json"}
    return [
        *wrong,
        *([] if rows == [(1, 1), (2, 2), (3, 1)] else [f"rows and attempts {rows} at the end"]),
        *(f"{name} was left behind" for name in left),
        *(f"row {result['row']} is torn" for result in run.results(0) if result["text"] != text_of(result["row"])),
    ]
