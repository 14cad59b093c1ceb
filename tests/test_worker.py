"""The probe's own process: what kills it is an answer about the medium, and never the end of ours."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import preflight
from preflight import UsageError, worker
from preflight.deliver.sparse import SparseBytes
from preflight.facts import NotMedia, Refusal, VideoFacts
from preflight.probes import probe
from preflight.worker import Worker
from tests.media import Clip, build
from tests.test_image import WRITTEN
from tests.test_probe_properties import SEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIP = Clip(width=352, height=352, fps=Fraction(10), video=Fraction(4), audio=Fraction(4))


@pytest.fixture(name="child")
def _child() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.stop()


def process_of(child: Worker) -> int:
    assert child._child is not None
    return child._child.pid


@pytest.mark.parametrize("name", SEEDS)
def test_the_child_says_what_the_probe_says(name: str, child: Worker) -> None:
    """Every container: the same facts on either side of the process boundary."""
    data = SparseBytes.whole(build(SEEDS[name]))
    assert child.probe(data) == probe(data)


def test_pictures_refusals_and_needs_come_through_as_well(child: Worker) -> None:
    """Every kind of answer survives the pipe."""
    for blob in [*WRITTEN.values(), b"", b"<!doctype html><p>", b"\0" * 64]:
        data = SparseBytes.whole(blob)
        assert child.probe(data) == probe(data)
    assert child.probe(SparseBytes(100_000)) == probe(SparseBytes(100_000))


def test_a_death_is_an_answer_and_the_next_medium_is_served(child: Worker) -> None:
    """A child killed under a probe gives `crashes`; the next probe meets a fresh one."""
    data = SparseBytes.whole(build(CLIP))
    assert isinstance(child.probe(data), VideoFacts)
    first = process_of(child)
    os.kill(first, signal.SIGSTOP)  # as a decoder that never ends
    killer = threading.Timer(0.3, child.interrupt)
    killer.start()
    answer = child.probe(data)
    killer.join()
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES
    assert isinstance(child.probe(data), VideoFacts)
    assert process_of(child) != first


def test_a_probe_that_never_ends_is_stopped(child: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped decoder costs its time limit and no more."""
    data = SparseBytes.whole(build(CLIP))
    child.probe(data)
    monkeypatch.setattr(worker, "PROBE_SECONDS", 0.5)
    os.kill(process_of(child), signal.SIGSTOP)
    started = time.monotonic()
    answer = child.probe(data)
    assert isinstance(answer, NotMedia)
    assert answer.refusal is Refusal.CRASHES
    assert time.monotonic() - started < 2


def test_a_child_that_died_idle_is_replaced(child: Worker) -> None:
    """The death of an idle child is not the next medium's fault."""
    data = SparseBytes.whole(build(CLIP))
    child.probe(data)
    os.kill(process_of(child), signal.SIGKILL)
    assert child._child is not None
    child._child.wait()
    assert isinstance(child.probe(data), VideoFacts)


def test_memory_is_limited(child: Worker) -> None:
    """The child may hold one gigabyte and leaves no core file."""
    child.probe(SparseBytes.whole(b"x"))
    with open(f"/proc/{process_of(child)}/limits", encoding="utf-8") as file:  # noqa: PTH123  (a kernel's file)
        limits = file.read()
    space = next(line for line in limits.splitlines() if line.startswith("Max address space"))
    core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert space.split()[3] == str(1 << 30)
    assert core.split()[4] == "0"


def test_only_facts_are_unpickled() -> None:
    """An answer that names anything but facts is refused before anything is called."""
    hostile = pickle.dumps(print)
    with pytest.raises(pickle.UnpicklingError, match="none"):
        worker._Facts(__import__("io").BytesIO(hostile)).load()


def test_an_answer_cut_short_is_none() -> None:
    """A frame without its end is no answer, whatever it claims to hold."""
    read, write = os.pipe()
    os.write(write, struct.pack(">Q", 1 << 60) + b"abc")
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert worker._read_framed(pipe) is None


def test_a_warm_child_serves_the_next_session(tmp_path: Path) -> None:
    """A session leaves its child to the next one, in either colour, and two at the most are kept."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    worker._dismiss_all()
    with preflight.Preflight() as session:
        session.probe(path)
        first = process_of(session._session._worker)  # type: ignore[arg-type]

    async def in_async() -> int:
        async with preflight.AsyncPreflight() as inner:
            await inner.probe(path)
            return process_of(inner._session._worker)  # type: ignore[arg-type]

    assert asyncio.run(in_async()) == first
    sessions = [preflight.Preflight() for _ in range(4)]
    for session in sessions:
        session.__enter__().probe(path)
    for session in sessions:
        session.__exit__()
    assert len(worker._IDLE) == 2
    worker._dismiss_all()
    assert not lives(first)


def lives(pid: int) -> bool:
    """Is the process there, and more than an entry that nobody has collected yet?"""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_no_child_outlives_its_parent(tmp_path: Path) -> None:
    """A process that ends, in order or by kill -9, leaves no child behind."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    script = (
        "import os, sys, preflight\n"
        "with preflight.Preflight() as session:\n"
        f"    session.probe({str(path)!r})\n"
        "    print(session._session._worker._child.pid, flush=True)\n"
        "    if sys.argv[1] == 'kill': os.kill(os.getpid(), 9)\n"
    )
    for how in ("end", "kill"):
        done = subprocess.run([sys.executable, "-c", script, how], capture_output=True, text=True, check=False)
        child = int(done.stdout)
        for _ in range(500):
            if not lives(child):
                break
            time.sleep(0.02)
        else:
            raise AssertionError(f"a child outlived its parent ({how})")


def test_isolation_is_a_choice(tmp_path: Path) -> None:
    """`isolation="none"` gives the same facts without a child; any other word is refused."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(build(CLIP))
    apart, here = preflight.probe(path), preflight.probe(path, isolation="none")
    assert apart.video == here.video.model_copy(update={"transfer": apart.video.transfer})  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="isolation"):
        preflight.probe(path, isolation="maybe")  # type: ignore[arg-type]
