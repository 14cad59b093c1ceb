"""One process's part of an audit: several shards at once on its event loop, until there are none or it is to stop.

This is what every engine runs, here or elsewhere: shards come in, receipts go out, and being told to stop closes the
intake; what is under way is finished.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from preflight.audit.auditor import Auditor
from preflight.audit.cache import FactsCache
from preflight.audit.folder import Run
from preflight.audit.hosts import AT_ONCE, PER_HOST, Hosts
from preflight.audit.progress import Snapshot
from preflight.errors import PreflightError

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from preflight.audit.model import Receipt, Shard
    from preflight.deliver.source import Bounds
    from preflight.settings import Settings

#: Shards that are open at once in one process: while the last rows of one wait for a slow host, others go on.
OPEN_SHARDS = 8
#: How long what is under way may take once the run is to stop, in seconds.
DRAIN_SECONDS = 10.0
#: How often a process looks whether it is to stop, and tells how far it is, in seconds.
BEAT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Means:
    """With what shards are audited; everything here can be sent to another process."""

    run: Path
    settings: Settings
    bounds: Bounds
    at_once: int = AT_ONCE
    per_host: int = PER_HOST
    probers: int = 1
    """Processes that probe, for each process that fetches; 0: it probes in a thread of its own."""
    proxy: str | None = None
    cache: Path | None = None

    def divided(self, parts: int) -> Means:
        """The same for one of several processes: a host must not notice how many there are."""
        same = {item.name: getattr(self, item.name) for item in fields(self)}
        return Means(**same | {name: max(1, same[name] // parts) for name in ("at_once", "per_host")})


async def work(
    shards: AsyncIterator[Shard],
    means: Means,
    stop: threading.Event,
    tell: Callable[[Snapshot], None],
    finished: Callable[[Receipt], None],
) -> bool:
    """One process's part: several shards at once on this event loop. See `run_shards`."""
    async with AsyncExitStack() as stack:
        cache = stack.enter_context(FactsCache(means.cache)) if means.cache else None
        hosts = Hosts(means.at_once, means.per_host)
        auditor = await stack.enter_async_context(
            Auditor(means.settings, means.bounds, hosts, probers=means.probers, proxy=means.proxy, cache=cache)
        )
        run = stack.enter_context(Run.attach(means.run))
        room = asyncio.Semaphore(OPEN_SHARDS)
        complete = True

        async def one(shard: Shard) -> None:
            nonlocal complete
            try:
                receipt = await auditor.shard(shard, run)
            finally:
                room.release()
            if receipt is None:
                complete = False
            else:
                finished(receipt)

        async def all_of_them() -> None:
            async with asyncio.TaskGroup() as group:
                while not stop.is_set():
                    await room.acquire()
                    shard = await anext(shards, None)
                    if shard is None or stop.is_set():
                        return
                    group.create_task(one(shard))

        beat = asyncio.create_task(_beat(auditor, stop, tell))
        try:
            await _until_drained(asyncio.create_task(all_of_them()), stop)
        except* PreflightError as stopped:
            raise _first(stopped) from None
        finally:
            beat.cancel()
            tell(_snapshot(auditor))
        return complete and not stop.is_set()


async def _until_drained(running: asyncio.Task[None], stop: threading.Event) -> None:
    """Wait for the work; once it is to stop, for so long and no longer."""
    loop = asyncio.get_running_loop()
    end: float | None = None
    while not running.done():
        if stop.is_set() and end is None:
            end = loop.time() + DRAIN_SECONDS
        if end is not None and loop.time() > end:
            running.cancel()
        await asyncio.wait((running,), timeout=BEAT_SECONDS)
    with suppress(asyncio.CancelledError):
        await running


async def _beat(auditor: Auditor, stop: threading.Event, tell: Callable[[Snapshot], None]) -> None:
    while True:
        if stop.is_set():
            auditor.hosts.close()
        tell(_snapshot(auditor))
        await asyncio.sleep(BEAT_SECONDS)


def _snapshot(auditor: Auditor) -> Snapshot:
    count, hosts = auditor.count, auditor.hosts
    return Snapshot(
        rows_done=count.rows,
        rows_total=None,
        verdicts=dict(count.verdicts),
        in_flight=hosts.active,
        parked=hosts.parked(),
        bytes_received=count.bytes_received,
        cache_hits=count.cache_hits,
    )


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
