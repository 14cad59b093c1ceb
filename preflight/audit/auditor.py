"""The rows of shards through the pipeline, many at a time, on one event loop.

This is the one thing that every engine runs: `Auditor.shard` takes a shard and its journal, and answers a receipt.
A URL that stands in several rows is fetched once; hosts get their turns (`hosts.py`); what was learned about unchanged
media by an earlier run is looked up (`cache.py`). Whatever is wrong with a row, its media or their servers is its line.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from preflight.audit.codec import encode
from preflight.audit.hosts import Closing
from preflight.audit.model import BadRow, Job, Receipt
from preflight.audit.probers import Probers
from preflight.audit.summary import Tally
from preflight.deliver.client import Client
from preflight.deliver.failure import RETRIED
from preflight.deliver.source import Undelivered
from preflight.deliver.url import host_of, is_url
from preflight.facts import Cause, Delivery, Failure, Medium, Transfer
from preflight.inspection import Inspector
from preflight.language import speaking
from preflight.log import log
from preflight.pipeline import conclude
from preflight.redaction import redact_urls
from preflight.request import ReadRequest, read_request

if TYPE_CHECKING:
    from preflight.audit.cache import FactsCache
    from preflight.audit.folder import Run
    from preflight.audit.hosts import Hosts, Ticket
    from preflight.audit.journal import Journal
    from preflight.audit.model import Shard
    from preflight.deliver.source import Bounds
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Kind, NeedSpans, Outcome
    from preflight.findings import Subject
    from preflight.settings import Settings

#: How often one medium is asked for, where the failure may pass.
ATTEMPTS = 3
#: Media whose answer is kept for rows that name the same URL.
REMEMBERED = 8192
#: The journal is put on the disk this often, in seconds, while little comes.
_FLUSH_SECONDS = 1.0
#: A probe that fails by itself leaves one medium without facts; so many in a row, and there is no use in going on.
FAULTS_IN_A_ROW = 200
#: The end of its traceback that a log holds, in characters.
_TOLD = 900
_UNPROBED = Failure(Cause.MACHINE, "the probe failed by itself; a log (--log) tells more")
_FREE = Transfer()


@dataclass(slots=True)
class Count:
    """What an auditor has done so far; only ever grows."""

    rows: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0
    cache_hits: int = 0


class Auditor:
    """Audits shards on one event loop; an asynchronous context manager.

    Args:
        settings: how rows are judged.
        bounds: how far delivery goes for one medium. Retries are the auditor's: it can let other hosts work meanwhile.
        hosts: whose turn it is.
        probers: processes that probe; 0: a thread of this one does.
        proxy: see `deliver.client.Client`.
        cache: facts of earlier runs; None: every medium is looked at.
    """

    def __init__(
        self,
        settings: Settings,
        bounds: Bounds,
        hosts: Hosts,
        *,
        probers: int = 1,
        proxy: str | None = None,
        cache: FactsCache | None = None,
    ) -> None:
        self.count = Count()
        self.hosts = hosts
        self._settings = settings
        self._cache = cache
        self._client = Client(replace(bounds, attempts=1), proxy=proxy)
        self._timeout = bounds.timeout
        self._probers = Probers(probers)
        self._faults = 0
        self._inspector = Inspector(self._client, self._probe, bounds.timeout)
        self._media: OrderedDict[str, asyncio.Task[Medium]] = OrderedDict()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._media.values():
            task.cancel()
        await asyncio.gather(*self._media.values(), return_exceptions=True)
        await self._client.__aexit__()
        await self._probers.aclose()

    async def shard(self, shard: Shard, run: Run) -> Receipt | None:
        """Audit the rows of a shard that are not done yet, and finish it; None: `hosts` closed before its end.

        Raises:
            RunStopped: the journal cannot be written.
        """
        with run.journal(shard.index) as journal:
            stats = await self._rows(shard, run, journal)
            if stats is None:
                return None
            journal.finish(stats, {job.row for job in shard.jobs})
        return Receipt(shard.index, len(shard.jobs), stats)

    async def _rows(self, shard: Shard, run: Run, journal: Journal) -> dict[str, Any] | None:
        """The rows that are left; the statistics of all of them, or None where some had no turn any more."""
        tally = Tally()
        todo = [job for job in shard.jobs if job.row not in journal.done]
        async with asyncio.TaskGroup() as group:
            flushing = group.create_task(_flush_now_and_then(journal))
            rows = [group.create_task(self._row(job, journal, tally)) for job in todo]
            complete = all([await row for row in rows])
            flushing.cancel()
        if not complete:
            return None
        if len(todo) < len(shard.jobs):  # what an earlier process did is counted, too
            journal.flush()
            tally = Tally()
            for result in run.results(shard.index):
                tally.add(result)
        return tally.to_json()

    async def _row(self, job: Job | BadRow, journal: Journal, tally: Tally) -> bool:
        """One row to its line; False: the run ends before it was its turn."""
        try:
            line = await self._line(job, journal.attempt(job.row))
        except Closing:
            return False
        journal.add(line)
        result = line["result"]
        tally.add(result)
        self.count.rows += 1
        self.count.verdicts[result["verdict"]] += 1
        return True

    async def _line(self, job: Job | BadRow, attempt: int) -> dict[str, Any]:
        started, request = time.monotonic(), request_of(job, self._settings)
        begun = self._begin("image", request.image_url), self._begin("video", request.video_url)
        image, video = await self._medium("image", *begun[0]), await self._medium("video", *begun[1])
        return line_of(job, attempt, request, image, video, self._settings, started=started)

    def _begin(self, kind: Kind, reference: str | None) -> tuple[asyncio.Task[Medium] | None, bool]:
        """Who looks at a medium of a row, and whether that is for this row; what another has named is under way."""
        if reference is None:
            return None, False
        task = self._media.get(reference)
        is_first = task is None
        if task is None:
            task = self._media[reference] = asyncio.create_task(self._inspect(kind, reference))
            self._forget()
        self._media.move_to_end(reference)
        return task, is_first

    async def _medium(self, kind: Kind, task: asyncio.Task[Medium] | None, is_first: bool) -> Medium | None:
        """One medium of a row; it costs the row that was first to name it."""
        if task is None:
            return None
        medium = await asyncio.shield(task)
        if is_first:
            self.count.bytes_received += medium.delivery.transfer.bytes_received
            return medium
        return replace(medium, kind=kind, delivery=replace(medium.delivery, transfer=_FREE))

    def _forget(self) -> None:
        while len(self._media) > REMEMBERED:
            oldest = next((name for name, task in self._media.items() if task.done()), None)
            if oldest is None:
                return
            del self._media[oldest]

    async def _inspect(self, kind: Kind, reference: str) -> Medium:
        host = host_of(reference) if is_url(reference) else None
        if host is None:  # a file, or a URL that nobody can be asked about
            return await self._inspector.inspect(kind, reference)
        medium, heard = await self._in_turn(kind, reference, host)
        spent = medium.delivery.transfer
        for _ in range(ATTEMPTS - 1):
            failure = medium.delivery.failure
            if failure is None or failure.cause not in RETRIED:
                break
            if heard is None or self.hosts.is_down(heard) or self.hosts.is_down(host):
                break
            again, heard = await self._in_turn(kind, reference, host)
            if again.delivery.transfer.requests or again.delivery.failure is None:  # else its host has given up
                medium, spent = again, spent + again.delivery.transfer
        return replace(medium, delivery=replace(medium.delivery, transfer=spent))

    async def _in_turn(self, kind: Kind, reference: str, host: str) -> tuple[Medium, str | None]:
        """A medium, and the host whose answer that is; None: it, or the target of a redirect, was not asked."""
        ticket = self.hosts.ticket()
        try:
            await ticket.move(host)
        except Undelivered as stop:
            detail = f"{stop.failure.detail} (many times in a row, after which this URL was not asked for)"
            return Medium(kind, Delivery(reference, failure=Failure(stop.failure.cause, detail)), None), None
        try:
            medium = await self._known(kind, reference, ticket)
            if medium is None:
                medium = await self._inspector.inspect(kind, reference, ticket)
                if self._cache is not None:
                    self._cache.remember(reference, medium)
            if ticket.host is not None:
                self.hosts.hear(ticket.host, medium.delivery.failure)
            return medium, ticket.host
        finally:
            ticket.release()

    async def _probe(self, data: SparseBytes) -> Outcome | NeedSpans:
        """What the bytes say. A fault that comes with one medium must not end the audit of all others.

        Raises:
            Undelivered: no answer could be had for these bytes.
            OSError, RuntimeError: nor for any others.
        """
        try:
            answer = await self._probers.probe(data)
        except (OSError, RuntimeError) as fault:
            self._faults += 1
            if self._faults >= FAULTS_IN_A_ROW:
                raise
            log("failure", cause="probe", detail=str(fault)[-_TOLD:], error=type(fault).__name__)
            raise Undelivered(_UNPROBED) from fault
        self._faults = 0
        return answer

    async def _known(self, kind: Kind, reference: str, ticket: Ticket) -> Medium | None:
        """What an earlier run found out, if the file has not changed since."""
        if self._cache is None or (entry := self._cache.lookup(reference)) is None:
            return None
        medium = await self._cache.revalidated(entry, self._client, reference, ticket, kind=kind, timeout=self._timeout)
        self.count.cache_hits += medium is not None and medium.delivery.failure is None
        return medium


def request_of(job: Job | BadRow, settings: Settings) -> ReadRequest:
    """The request of a row, or none; that of one medium alone names no other."""
    with speaking(settings.lang):
        return read_request(job.request) if isinstance(job, Job) else ReadRequest({}, (), no_row=job.told)


def line_of(
    job: Job | BadRow,
    attempt: int,
    request: ReadRequest,
    image: Medium | None,
    video: Medium | None,
    settings: Settings,
    *,
    started: float,
) -> dict[str, Any]:
    """A row's line of the journal: its result, the facts behind it, and whether another attempt may change it."""
    name = job.id if isinstance(job, Job) else None
    only: Subject | None = job.medium if isinstance(job, Job) else "request"
    with speaking(settings.lang):  # whatever the process speaks that judges it
        report = conclude(request, image, video, settings, started=started, only=only).model_dump(mode="json")
    result = report | {"row": job.row, "id": name and redact_urls(name), "input": _shown(job.carried)}
    may_pass = any(
        medium and medium.delivery.failure and medium.delivery.failure.cause.passing for medium in (image, video)
    )
    media = {"image": encode(image) if image else None, "video": encode(video) if video else None}
    kind = "transient" if may_pass and report["verdict"] == "unknown" else "final"
    return {"row": job.row, "attempt": attempt, "class": kind, "media": media, "result": result}


def _shown(value: Any) -> Any:
    """A carried value without the secrets of a URL in it: the columns of a table of presigned URLs hold them twice."""
    match value:
        case str():
            return redact_urls(value) if ":" in value else value
        case dict():
            return {name: _shown(inside) for name, inside in value.items()}
        case list():
            return [_shown(inside) for inside in value]
    return value


async def _flush_now_and_then(journal: Journal) -> None:
    while True:
        await asyncio.sleep(_FLUSH_SECONDS)
        journal.flush()
