"""The client's host: runs what it is told, one job at a time, and says how long it took.

    python -m tests.benchmarks.client        one job per line on standard input, one answer per line, both JSON

It lives as long as the benchmark, so a library call here is a call in a warm process: everything is imported, the
event loop runs. Connections are not warm: each call has a client of its own, made and closed outside the clock.
Every answer also says how many bytes came in over the line until then, TCP/IP headers included.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from preflight.api import AsyncPreflight
from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.errors import UsageError
from preflight.facts import NeedSpans
from preflight.probes import probe
from preflight.worker import hire
from tests.benchmarks.link import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from preflight.facts import Outcome
    from preflight.report import MediaReport

Job = dict[str, Any]
_FROM_MEMORY = 200
_QUIET_SECONDS = 0.04


def _preflight(job: Job) -> AsyncPreflight:
    options: dict[str, Any] = {"speculate": True} if job.get("speculate") else {}
    return AsyncPreflight(allow_private=True, **options)


async def probe_url(job: Job) -> Job:
    """One `AsyncPreflight.probe` over a fresh connection."""
    async with _preflight(job) as preflight:
        started = time.perf_counter()
        report = await preflight.probe(job["url"])
        return {"seconds": time.perf_counter() - started, "duration": _duration(report)}


async def check_pair(job: Job) -> Job:
    """One `AsyncPreflight.check` of an image and a video, over fresh connections."""
    async with _preflight(job) as preflight:
        started = time.perf_counter()
        report = await preflight.check(job["request"])
        return {
            "seconds": time.perf_counter() - started,
            "duration": report.video and report.video.durations.container,
            "width": report.image and report.image.width,
        }


async def open_url(job: Job) -> Job:
    """`av.open(URL)`, nothing told; it may well refuse the file."""
    started = time.perf_counter()
    with contextlib.suppress(av.FFmpegError), av.open(job["url"]):
        pass
    return {"seconds": time.perf_counter() - started}


async def run(job: Job) -> Job:
    """A whole process, from its start to its end."""
    started = time.perf_counter()
    done = subprocess.run(job["argv"], capture_output=True, text=True, check=False, env=job["environment"])
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "code": done.returncode, "output": done.stdout, "errors": done.stderr}


async def from_memory(job: Job) -> Job:
    """Processor seconds of one probe, all its rounds, of a file that is in memory; median."""
    content = Path(job["path"]).read_bytes()
    return {"seconds": _median(time.process_time, lambda: _sparse_facts(content))}


async def by_worker(job: Job) -> Job:
    """Seconds of the same through the process that probes, both hand-overs included; median."""
    content, worker = Path(job["path"]).read_bytes(), hire()
    try:
        _sparse_facts(content, worker.probe)  # its start
        return {"seconds": _median(time.perf_counter, lambda: _sparse_facts(content, worker.probe))}
    finally:
        worker.stop()


async def compare(job: Job) -> Job:
    """Are the facts from the few bytes that a probe asks for those of the whole file?"""
    content = Path(job["path"]).read_bytes()
    return {"equal": _sparse_facts(content) == probe(SparseBytes.whole(content))}


async def features(_: Job) -> Job:
    """What the library under test can do."""
    try:
        _preflight({"speculate": True})
    except (TypeError, UsageError):
        return {"speculate": False}
    return {"speculate": True}


def _sparse_facts(content: bytes, ask: Callable[[SparseBytes], Outcome | NeedSpans] = probe) -> Outcome:
    data = SparseBytes(len(content))
    wanted: Iterable[Span] = (Span(0, FLIGHT_BYTES),)
    while True:
        for span in wanted:
            data.add(span.start, content[span.start : span.stop])
        answer = ask(data)
        if not isinstance(answer, NeedSpans):
            return answer
        wanted = answer.spans


def _median(clock: Callable[[], float], work: Callable[[], object]) -> float:
    times = []
    for _ in range(_FROM_MEMORY):
        started = clock()
        work()
        times.append(clock() - started)
    return statistics.median(times)


def _received() -> int:
    """Bytes that came in over the line so far."""
    interfaces = Path("/proc/self/net/dev").read_text("ascii")
    return next(int(line.split()[1]) for line in interfaces.splitlines() if line.split()[0] == f"{DEVICE}:")


def _quiet() -> int:
    """Wait until nothing of an abandoned download is on the line any more; returns the bytes received so far."""
    before = -1
    while before != (before := _received()):
        time.sleep(_QUIET_SECONDS)
    return before


def _duration(report: MediaReport) -> float | None:
    return report.video.durations.container if report.video else None


_JOBS = {job.__name__: job for job in (probe_url, check_pair, open_url, run, from_memory, by_worker, compare, features)}


def main() -> None:
    """Answer jobs until standard input ends."""
    with asyncio.Runner() as runner:
        for line in sys.stdin:
            job, before = json.loads(line), _quiet()
            answer = runner.run(_JOBS[job["job"]](job))
            print(json.dumps(answer | {"received": _received() - before}), flush=True)


if __name__ == "__main__":
    main()
