"""Several processes that probe, for one event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from preflight.worker import Worker

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import NeedSpans, Outcome


class Probers:
    """`processes` children, each with a thread that talks to it; 0: one thread of this process probes."""

    def __init__(self, processes: int) -> None:
        self._threads = ThreadPoolExecutor(max(processes, 1), "probe")
        self._workers = [Worker() for _ in range(processes)]
        self._idle = list(self._workers)

    async def probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        """Facts, or a request for more bytes; see `preflight.probes.probe`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._probe, data)

    def _probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        if not self._workers:
            from preflight.probes import probe  # noqa: PLC0415  (libav, which a worker process keeps out of this one)

            return probe(data)
        worker = self._idle.pop()  # as many threads as workers: there is one
        try:
            return worker.probe(data)
        finally:
            self._idle.append(worker)

    async def aclose(self) -> None:
        """End the children, whatever they do."""
        for worker in self._workers:
            worker.interrupt()
        await asyncio.to_thread(self._threads.shutdown)
        for worker in self._workers:
            worker.stop()
