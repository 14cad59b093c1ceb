"""Resource bombs, set off in the real worker and behind a real server, and measured.

A bomb is contained when the probe ends in a typed answer within its time, the child's memory stays below its limit,
the child lives, this process is hardly larger for it, and the next medium is served.
"""

from __future__ import annotations

import asyncio
import gzip
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from preflight import AsyncPreflight
from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.facts import ImageFacts, NeedSpans, NotMedia, VideoFacts
from preflight.worker import MEMORY_BYTES, Worker
from tests.hostile import Score
from tests.hostile.claims import BOMBS, CLIP, OF_A_LIED_SIZE
from tests.media import build
from tests.pictures import encode
from tests.servers import MediaServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.facts import Outcome
    from tests.servers import Ask, Behaviour

SECONDS = 10.0
#: More trips than delivery would make for one medium.
MOST_TRIPS = 64
#: What a server says who wants a small claim to look like a part of something large.
LIED_SIZE = 10**11
#: What a bomb may leave in the process that asked, in bytes: the budget of one medium, held a few times over.
GROWTH = 64 << 20


@dataclass(frozen=True)
class Contained:
    """What a bomb came to."""

    answer: str
    seconds: float
    peak: int
    """Bytes of memory that the process in question really held at most."""


def _measure_anew(process: int | str) -> None:
    """Forget the most memory that a process held so far."""
    Path(f"/proc/{process}/clear_refs").write_text("5", "utf-8")


def _peak(process: int | str) -> int:
    """The most memory that a process held since then, in bytes; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM")), 0)


@contextmanager
def _watched(process: int) -> Iterator[list[int]]:
    """The most memory that a process holds meanwhile, though it may die of it: looked at a hundred times a second."""
    _measure_anew(process)
    peaks, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.01):
            peaks.append(_peak(process))

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield peaks
    finally:
        over.set()
        watch.join()
        peaks.append(_peak(process))


def detonate(worker: Worker, name: str) -> Contained:
    """Feed a bomb as delivery does, sparsely, and watch the child."""
    data = BOMBS[name]()
    assert serves(worker)
    assert worker._child is not None
    with _watched(worker._child.pid) as peaks:
        started, sparse = time.monotonic(), SparseBytes(LIED_SIZE if name in OF_A_LIED_SIZE else len(data))
        wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),)
        answer: Outcome | NeedSpans = NeedSpans(wanted)
        for _ in range(MOST_TRIPS):
            for span in wanted:
                sparse.add(span.start, data[span.start : span.stop])
            answer = worker.probe(sparse)
            if not isinstance(answer, NeedSpans):
                break
            wanted = answer.spans
        seconds = time.monotonic() - started
    return Contained(_named(answer), seconds, max(peaks))


def _named(answer: Outcome | NeedSpans) -> str:
    if isinstance(answer, NeedSpans):
        return "no end"
    return answer.refusal.value if isinstance(answer, NotMedia) else type(answer).__name__


def problem(seen: Contained, most: int = MEMORY_BYTES) -> str | None:
    """Why a bomb is not contained; None: it is."""
    if seen.answer == "no end" or seen.seconds >= SECONDS:
        return f"{seen.answer} after {seen.seconds:.1f} s"
    return f"{seen.answer} with {seen.peak >> 20} MiB" if seen.peak >= most else None


def serves(worker: Worker) -> bool:
    """Does the next medium get its facts?"""
    answers = worker.probe(SparseBytes.whole(build(CLIP))), worker.probe(SparseBytes.whole(encode("PNG")))
    return isinstance(answers[0], VideoFacts) and isinstance(answers[1], ImageFacts)


# -------------------------------------------------------------------------------------- through delivery


@cache
def _packed() -> bytes:
    return gzip.compress(bytes(200_000_000), 9)


@dataclass(frozen=True)
class Unpacks:
    """A small body that says it is packed, once or more often, and would be 200 MB."""

    encoding: str = "gzip"
    chunked: bool = False

    def respond(self, ask: Ask) -> None:
        """Answer."""
        headers = [("Content-Type", "video/mp4"), ("Content-Encoding", self.encoding)]
        if not self.chunked:
            ask.answer(200, headers, _packed())
            return
        ask.head(200, [*headers, ("Transfer-Encoding", "chunked")])
        ask.raw(b"%x\r\n" % len(_packed()) + _packed() + b"\r\n0\r\n\r\n")


@dataclass(frozen=True)
class Floods:
    """The same bytes again and again, as long as anybody listens."""

    begin: bytes
    again: bytes
    times: int = 1 << 14

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.raw(self.begin)
        for _ in range(self.times):
            ask.raw(self.again)
        ask.hang_up()


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
SERVED: dict[str, Behaviour] = {
    "gzip-200-mb": Unpacks(),
    "gzip-chunked": Unpacks(chunked=True),
    "gzip-fifty-times": Unpacks(", ".join(["gzip"] * 50)),
    "deflate": Unpacks("deflate"),
    "zstd": Unpacks("zstd"),
    "headers-without-end": Floods(_OK, b"X-Flood: " + b"x" * 4096 + b"\r\n"),
    "header-of-64-mb": Floods(_OK + b"X-Flood: ", b"x" * 4096),
    "headers-tiny": Floods(_OK, b"a:b\r\n" * 1000),
    "status-line-without-end": Floods(b"HTTP/1.1 200 ", b"x" * 4096),
    "interim-answers": Floods(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 64),
    "trailers-without-end": Floods(_CHUNKED + b"0\r\n", b"X-Flood: " + b"x" * 4096 + b"\r\n"),
    "chunk-extension": Floods(_CHUNKED + b"5;x=", b"x" * 4096),
    "chunks-of-one-byte": Floods(_CHUNKED, b"1\r\nx\r\n" * 1000),
    "body-without-end": Floods(_OK + b"\r\n", bytes(1 << 16)),
    "length-of-2-to-the-63": Floods(_OK + b"Content-Length: 9223372036854775807\r\n\r\n", bytes(1 << 16)),
    "cookies": Floods(_OK, b"Set-Cookie: " + b"c" * 4000 + b"=1\r\n", 4000),
}


def deliver(name: str) -> Contained:
    """Probe what such a server sends, and watch this process."""
    with MediaServer() as server:
        url = server.serve("clip.mp4", b"", behaviour=SERVED[name])
        return asyncio.run(_deliver(url))


async def _deliver(url: str) -> Contained:
    async with AsyncPreflight(allow_private=True, timeout=SECONDS / 2, isolation="none") as session:
        _measure_anew("self")
        before, started = _peak("self"), time.monotonic()
        report = await session.probe(url)
        medium = report.medium
        refusal = medium.not_media.refusal if medium.not_media else "facts"
        return Contained(
            medium.failure.cause if medium.failure else refusal, time.monotonic() - started, _peak("self") - before
        )


def score() -> Score:
    """Every bomb, and the largest figures."""
    worker, misses, seen = Worker(), [], []
    try:
        for name in BOMBS:
            seen.append(detonate(worker, name))
            if reason := problem(seen[-1]):
                misses.append(f"{name}: {reason}")
        if not serves(worker):
            misses.append("the next medium was not served")
    finally:
        worker.stop()
    grown = [deliver(name) for name in SERVED]
    misses += [f"{name}: {reason}" for name, one in zip(SERVED, grown, strict=True) if (reason := problem(one, GROWTH))]
    peak, slowest = max(one.peak for one in seen) >> 20, max(one.seconds for one in (*seen, *grown))
    total, held = len(BOMBS) + len(SERVED), max(one.peak for one in grown) >> 20
    return Score(
        "resource bombs contained",
        "all; worker < 1 GiB, < 10 s, parent alive",
        f"{total - len(misses)} of {total}; worker at most {peak} MiB, parent + {held} MiB, slowest {slowest:.1f} s",
        tuple(misses),
    )
