"""The local engine's processes: told to stop, left alone, or failing, with real servers and real processes."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from preflight.audit import engine
from preflight.audit.durable import RunStopped
from preflight.audit.engine import run_shards
from preflight.audit.folder import Run
from preflight.audit.manifest import Manifest
from preflight.audit.model import Job, Shard
from tests.auditing import clip, means
from tests.servers import Ask, MediaServer, Ranges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from preflight.audit.progress import Snapshot


@dataclass(frozen=True, slots=True)
class Late:
    """A good server that thinks for a while."""

    seconds: float

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.pause(self.seconds)
        Ranges().respond(ask)


@pytest.fixture(name="world")
def _world() -> Iterator[MediaServer]:
    with MediaServer() as server:
        yield server


def shards_of(video: str, count: int, rows: int) -> Iterator[Shard]:
    """So many shards of a video, each row with a URL of its own."""
    for index in range(count):
        numbers = range(index * rows, index * rows + rows)
        jobs = (Job(row + 1, None, {"video_url": f"{video}?{row}"}, {}, "video") for row in numbers)
        yield Shard(index, tuple(jobs))


def begun(folder: Path, rows: int) -> Path:
    """A run folder that waits for its shards."""
    Run.create(folder, Manifest.of(input={}, options={}, shard_rows=rows)).close()
    return folder


def late(world: MediaServer) -> str:
    """A good video that takes its time."""
    return world.serve("late.mp4", clip(8), behaviour=Late(0.3))


def once_under_way(act: Callable[[], None]) -> Callable[[Snapshot], None]:
    """Something to be told snapshots, which acts when the first rows are done."""
    acted = threading.Event()

    def tell(snapshot: Snapshot) -> None:
        if snapshot.rows_done >= 2 and not acted.is_set():
            acted.set()
            act()

    return tell


def test_processes_with_no_room_hear_that_they_are_to_stop(world: MediaServer, tmp_path: Path) -> None:
    """Each has all the shards that it may open, none of which is soon done, and more are to come."""
    folder, stop, since = begun(tmp_path / "run", 300), threading.Event(), [0.0]

    def end() -> None:
        stop.set()
        since[0] = time.monotonic()

    tell = once_under_way(end)
    assert not run_shards(shards_of(late(world), 20, 300), means(folder), processes=2, stop=stop, tell=tell)
    assert 0 < time.monotonic() - since[0] < 6
    assert len(Run.attach(folder).begun()) == 16


def test_processes_that_do_not_end_are_ended(
    world: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever holds them up: here they were halted."""
    monkeypatch.setattr(engine, "DRAIN_SECONDS", 0.3)
    monkeypatch.setattr(engine, "_GRACE_SECONDS", 0.3)
    folder, stop = begun(tmp_path / "run", 20), threading.Event()

    def halt() -> None:
        for child in multiprocessing.active_children():
            assert child.pid
            os.kill(child.pid, signal.SIGSTOP)
        stop.set()

    since = time.monotonic()
    assert not run_shards(
        shards_of(late(world), 2, 20), means(folder), processes=2, stop=stop, tell=once_under_way(halt)
    )
    assert time.monotonic() - since < 10
    assert multiprocessing.active_children() == []


SCRIPT = """
import sys
from pathlib import Path
from preflight.audit.engine import run_shards
from tests.auditing import means
from tests.test_audit_engine import shards_of
if __name__ == "__main__":
    tell = lambda now: print(now.rows_done, flush=True)
    run_shards(shards_of(sys.argv[1], 20, 300), means(Path(sys.argv[2])), processes=2, tell=tell)
"""


def test_processes_end_with_their_parent(world: MediaServer, tmp_path: Path) -> None:
    """They ask for nothing more, and let go of their shards, so that another process can go on."""
    folder = begun(tmp_path / "run", 300)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, "utf-8")
    with subprocess.Popen(
        [sys.executable, script, late(world), folder],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as parent:
        assert parent.stdout
        for line in parent.stdout:
            if int(line) >= 2:
                break
        parent.kill()
    assert world.wait_closed(5)
    asked = len(world.log)
    for index in Run.attach(folder).begun():
        with Run.attach(folder).journal(index):
            pass
    assert 2 <= asked == len(world.log)


def test_a_process_that_has_to_stop_says_why(tmp_path: Path) -> None:
    """At once, though it waits for more shards, and none will come as long as another has one."""
    folder = begun(tmp_path / "run", 1)
    with (folder / "shards" / "00000.jsonl.part").open("wb") as part:
        fcntl.flock(part, fcntl.LOCK_EX)
        since = time.monotonic()
        with pytest.raises(RunStopped, match=r"00000\.jsonl\.part is still being written"):
            run_shards(shards_of("http://127.0.0.1:1/v.mp4", 2, 1), means(folder), processes=2)
    assert time.monotonic() - since < 10
