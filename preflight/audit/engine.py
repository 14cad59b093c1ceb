"""The local engine: shards in order through this process, or through several of them.

A shard is written by one process, its receipt comes back, and the run folder holds everything else: a process that dies
costs its open shards another start from their journals. Being told to stop closes the intake; what is under way is
finished. A process whose parent is gone ends at once: whoever goes on with the run needs its shards.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING

from preflight.audit.durable import RunStopped
from preflight.audit.folder import Run
from preflight.audit.progress import Snapshot
from preflight.audit.work import BEAT_SECONDS, DRAIN_SECONDS, OPEN_SHARDS, work
from preflight.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from preflight.audit.model import Receipt, Shard
    from preflight.audit.work import Means

#: How long a process may take beyond `DRAIN_SECONDS` to put everything away, in seconds; then it is killed.
_GRACE_SECONDS = 5.0
_INTERRUPTS = frozenset({signal.SIGINT})
#: How often a shard may end a process that holds nothing else: a row that does so must not do it for ever.
_DEATHS = 2


def run_shards(
    shards: Iterator[Shard],
    means: Means,
    *,
    processes: int = 1,
    stop: threading.Event | None = None,
    tell: Callable[[Snapshot], None] = lambda _: None,
    finished: Callable[[Receipt], None] = lambda _: None,
) -> bool:
    """Audit shards, taken from `shards` as there is room for them; False: stopped before the last was finished.

    Args:
        shards: read lazily, a few ahead of the work.
        means: with what.
        processes: each has an event loop and probers of its own, and a share of every host's turns: so no more of
            them than turns.
        stop: once set, no further row is begun, and what is under way has `DRAIN_SECONDS`.
        tell: called a few times a second.
        finished: called for every finished shard, in the order of finishing.

    Raises:
        RunStopped: the run folder cannot be written; or a shard kills every process that begins it, which is told
            when all others are finished.
    """
    stop = stop or threading.Event()
    processes = min(processes, means.per_host, means.at_once)
    if processes > 1:
        return _Processes(means.divided(processes), processes, stop, tell, finished).run(shards)

    async def source() -> AsyncIterator[Shard]:
        for shard in shards:
            yield shard

    return asyncio.run(work(source(), means, stop, tell, finished))


# ----------------------------------------------------------------------------------------- several processes


def _serve(connection: Connection, means: Means) -> None:
    """A child: audits the shards that come through the pipe until None comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who tells us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
    asyncio.run(_audit(connection, means))


async def _audit(connection: Connection, means: Means) -> None:
    stop = threading.Event()
    intake: asyncio.Queue[Shard | None] = asyncio.Queue()
    ears = (connection, stop, intake, asyncio.get_running_loop())
    threading.Thread(target=_listen, args=ears, daemon=True).start()

    def send(kind: str, value: object) -> None:
        with suppress(OSError):  # the parent is gone, which `_listen` learns, too
            connection.send((kind, value))

    async def arriving() -> AsyncIterator[Shard]:
        while (shard := await intake.get()) is not None:
            yield shard

    try:
        complete = await work(arriving(), means, stop, partial(send, "snapshot"), partial(send, "receipt"))
        send("end", complete)
    except PreflightError as stopped:
        send("stopped", str(stopped))


def _listen(
    connection: Connection,
    stop: threading.Event,
    intake: asyncio.Queue[Shard | None],
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Hear the parent at once, however much is under way: in a thread of its own, which nobody waits for."""
    while True:
        try:
            what = connection.recv()
        except Exception:  # noqa: BLE001  (the parent is gone, or a shard cannot be read: nobody else would notice)
            os._exit(1)  # whoever goes on with the run needs our journals
        if what == "stop":
            stop.set()
            continue
        with suppress(RuntimeError):  # the work has ended, and its loop with it
            loop.call_soon_threadsafe(intake.put_nowait, what)


@contextmanager
def _held_back() -> Iterator[None]:
    """A Ctrl-C comes to a process that is started here when it can ignore it: not in the middle of its imports."""
    resource_tracker.ensure_running()  # it would be started beside the first child, and keep its signals blocked
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Child:
    """One process and the shards that it has."""

    def __init__(self, means: Means) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, means), daemon=False)
        with _held_back():
            self.process.start()
        theirs.close()
        self.shards: dict[int, Shard] = {}
        self.snapshot = Snapshot(0, None)
        self.is_closed = False
        self.is_tried = False
        """It has one shard alone, to see whether that ends it."""

    @property
    def has_room(self) -> bool:
        """Can it take another shard?"""
        return not self.is_closed and not (self.is_tried and self.shards) and len(self.shards) < OPEN_SHARDS

    def send(self, what: object) -> None:
        with suppress(OSError):  # it died: whoever waits for it learns that
            self.connection.send(what)

    def close(self) -> None:
        """Nothing more is to come."""
        if not self.is_closed:
            self.is_closed = True
            self.send(None)


class _Processes:
    """Feeds children, hears their receipts, and gives the shards of one that died to another."""

    def __init__(
        self,
        means: Means,
        count: int,
        stop: threading.Event,
        tell: Callable[[Snapshot], None],
        finished: Callable[[Receipt], None],
    ) -> None:
        self._means, self._stop, self._tell, self._finished = means, stop, tell, finished
        self._children = [_Child(means) for _ in range(count)]
        self._past = Snapshot(0, None)
        self._suspects: deque[Shard] = deque()
        self._deaths: Counter[int] = Counter()
        self._given_up: list[int] = []
        self._complete = True

    def run(self, shards: Iterator[Shard]) -> bool:
        """See `run_shards`."""
        end = math.inf
        try:
            while self._children and time.monotonic() < end:
                if self._stop.is_set() and end == math.inf:
                    end = time.monotonic() + DRAIN_SECONDS + _GRACE_SECONDS
                    for child in self._children:
                        child.send("stop")
                        child.close()
                self._feed(shards)
                by_pipe = {child.connection: child for child in self._children}
                for pipe in wait_for(list(by_pipe), timeout=BEAT_SECONDS):
                    self._hear(by_pipe[pipe])  # type: ignore[index]
                self._tell(sum_of([self._past, *(child.snapshot for child in self._children)]))
        finally:
            for child in self._children:
                child.process.kill()
                child.process.join()
        if self._given_up:
            raise RunStopped(f"every process that begins shard {self._given_up[0]} dies; every other shard is finished")
        return self._complete and not self._stop.is_set()

    def _feed(self, shards: Iterator[Shard]) -> None:
        """Fill the children evenly, so that few shards are for all of them."""
        while able := [child for child in self._children if child.has_room]:
            child = min(able, key=lambda one: len(one.shards))
            child.is_tried = bool(self._suspects) and not child.shards
            shard = self._suspects.popleft() if child.is_tried else next(shards, None)
            if shard is None:
                break
            child.shards[shard.index] = shard
            child.send(shard)
        if not self._suspects and not any(child.shards for child in self._children):  # nobody can die and leave some
            for child in self._children:
                child.close()

    def _hear(self, child: _Child) -> None:
        try:
            kind, value = child.connection.recv()
        except (EOFError, OSError):
            self._bury(child)
            return
        match kind:
            case "snapshot":
                child.snapshot = value
            case "receipt":
                del child.shards[value.index]
                self._finished(value)
            case "stopped":
                raise RunStopped(value)
            case "end":
                self._complete = self._complete and value
                child.shards.clear()

    def _bury(self, child: _Child) -> None:
        """A child has ended: as it should, or leaving shards to others."""
        child.process.join()
        child.connection.close()
        self._children.remove(child)
        self._past = sum_of([self._past, child.snapshot])
        run = Run.attach(self._means.run)
        for shard in child.shards.values():
            if run.is_finished(shard.index):  # it died between the last byte and its receipt
                self._finished(run.receipt(shard.index))
            else:
                self._suspect(shard, is_sure=child.is_tried)
        if child.shards and not self._stop.is_set():
            self._children.append(_Child(self._means))

    def _suspect(self, shard: Shard, *, is_sure: bool) -> None:
        """One of the shards of a dead process: each is tried alone, so that only the guilty one can be given up."""
        self._deaths[shard.index] += is_sure
        if self._deaths[shard.index] < _DEATHS:
            self._suspects.append(shard)
        else:
            self._given_up.append(shard.index)


def sum_of(snapshots: list[Snapshot]) -> Snapshot:
    """What all processes together have done; the first stands for those that have ended."""
    verdicts: Counter[str] = Counter()
    for snapshot in snapshots:
        verdicts.update(snapshot.verdicts)
    return Snapshot(
        rows_total=None,
        rows_done=sum(snapshot.rows_done for snapshot in snapshots),
        verdicts=dict(verdicts),
        in_flight=sum(snapshot.in_flight for snapshot in snapshots[1:]),
        parked=[parked for snapshot in snapshots[1:] for parked in snapshot.parked],
        bytes_received=sum(snapshot.bytes_received for snapshot in snapshots),
        cache_hits=sum(snapshot.cache_hits for snapshot in snapshots),
    )
