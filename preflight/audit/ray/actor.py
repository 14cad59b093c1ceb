"""A worker on Ray: `work.work` on the event loop of an actor, which takes shards and answers receipts."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from preflight import __version__
from preflight.audit.progress import Snapshot
from preflight.audit.work import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from preflight.audit.model import Receipt, Shard
    from preflight.audit.work import Means

#: How often a worker tells how far it is, in seconds.
BEAT_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Home:
    """What a worker has to find where it is."""

    means: Means
    """Its share."""
    mark: str
    """A file of the run folder that was made a moment ago."""
    desk: Path
    """The folder in which the rows' relative paths begin."""
    node: str
    """The machine that leads the run: the cache of facts is on its disk."""
    version: str = __version__


class Worker:
    """An actor: `work.work` on the event loop that Ray gives it, fed by `audit`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._intake: asyncio.Queue[Shard | None] = asyncio.Queue()
        self._open: dict[int, asyncio.Future[Receipt | None]] = {}
        self._snapshot = Snapshot(0, None)
        self._work: asyncio.Task[None] | None = None

    async def hello(self) -> str | None:
        """What is wrong with this worker's place; None: it can begin."""
        import ray  # noqa: PLC0415  (only a worker has it for sure)

        home = self._home
        if home.version != __version__:
            return f"has preflight {__version__}, and this is {home.version}"
        if not (home.means.run / home.mark).exists():
            return f"does not see {home.means.run}: the run folder has to be on a file system that all workers share"
        with suppress(OSError):  # then the rows had better name no files
            os.chdir(home.desk)
        if ray.get_runtime_context().get_node_id() != home.node:
            self._home = replace(home, means=replace(home.means, cache=None))
        return None

    async def audit(self, shard: Shard) -> Receipt | None:
        """Audit one shard; None: it was told to stop before the shard's end.

        Raises:
            RunStopped: as `work.work`.
        """
        answer: asyncio.Future[Receipt | None] = asyncio.get_running_loop().create_future()
        self._open[shard.index] = answer
        self._intake.put_nowait(shard)
        if self._work is None:
            self._work = asyncio.create_task(self._run())
        return await answer

    async def snapshot(self) -> Snapshot:
        """How far it is, after a while."""
        await asyncio.sleep(BEAT_SECONDS)
        return self._snapshot

    async def stop(self) -> None:
        """Begin no further row."""
        self._stop.set()
        self._intake.put_nowait(None)

    async def close(self) -> Snapshot:
        """Put everything away; nothing is to come. How far it has come."""
        self._intake.put_nowait(None)
        if self._work is not None:
            await self._work
        return self._snapshot

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            await work(self._arriving(), self._home.means, self._stop, self._note, self._receive)
        except Exception as caught:  # noqa: BLE001  (it is the answer of every shard that is open)
            error = caught
        for answer in self._open.values():
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)

    async def _arriving(self) -> AsyncIterator[Shard]:
        while (shard := await self._intake.get()) is not None:
            yield shard

    def _note(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def _receive(self, receipt: Receipt) -> None:
        self._open.pop(receipt.index).set_result(receipt)
