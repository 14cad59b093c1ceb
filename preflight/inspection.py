"""One medium, from its reference to its facts: deliver and probe in turn, until there is an answer.

Whoever shows a report may want a small picture of each medium, too. It is decoration: made when all facts are
established, from the same source, within the same deadline and byte budget, and no verdict waits for it.

Light on purpose: it runs while everything behind it is still being imported.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from preflight.deliver.source import FLIGHT_BYTES, Bounds, Undelivered
from preflight.deliver.sparse import Span
from preflight.facts import Cause, Failure, ImageFacts, Medium, NeedSpans, NotMedia
from preflight.log import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from preflight.deliver.client import Client
    from preflight.deliver.source import Source, Turn
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Kind, Outcome

    #: Bytes in, facts (or a request for more bytes) out. The seam at which a worker process sits.
    Prober = Callable[[SparseBytes], Awaitable[Outcome | NeedSpans]]
    #: The same for a picture: a JPEG; empty, if none can be made.
    Previewer = Callable[[SparseBytes], Awaitable[bytes | NeedSpans]]

#: How often a picture may ask for bytes: a key frame's size is not always known before.
_PREVIEW_ROUNDS = 8


class Preview(NamedTuple):
    """A small JPEG of a medium, or why there is none."""

    jpeg: bytes
    missing: str = ""


class Previews(NamedTuple):
    """Those of a request; None: there is no such medium, or it could not be read."""

    image: Preview | None = None
    video: Preview | None = None


class Inspected(NamedTuple):
    """A medium, and its picture if one was wanted."""

    medium: Medium
    preview: Preview | None = None


class Inspector:
    """Inspects media of one session.

    Args:
        client: where bytes come from.
        prober: where bytes become facts.
        timeout: seconds for each medium, everything included.
        tail: bytes of a video's end to ask for beside its beginning: a trip less where the index is there; 0: none.
        previewer: where bytes become pictures; None: there are none.
        max_bytes: how many bytes of a medium may be held for its picture, those of its facts included.
    """

    def __init__(
        self,
        client: Client,
        prober: Prober,
        timeout: float,
        tail: int = 0,
        *,
        previewer: Previewer | None = None,
        max_bytes: int = Bounds.max_bytes,
    ) -> None:
        self._client = client
        self._prober = prober
        self._timeout = timeout
        self._tail = tail
        self._previewer = previewer
        self._max_bytes = max_bytes
        self._begun: dict[tuple[Kind, str, bool], asyncio.Task[Inspected]] = {}
        self._since: float | None = None
        self._at_work = 0
        self._idle = asyncio.Event()

    def begin(self, kind: Kind, reference: str, *, preview: bool = False) -> None:
        """Start an inspection that a later `inspect`, or with `preview` a later `illustrate`, will ask for."""
        self._since = self._since or time.monotonic()
        task = asyncio.create_task(self._inspect(kind, reference, preview=preview))
        self._begun[kind, reference, preview] = task

    def started(self) -> float:
        """When the work for the next check started: now, or when the first of its media was begun."""
        since, self._since = self._since, None
        return since or time.monotonic()

    async def inspect(self, kind: Kind, reference: str, turn: Turn | None = None) -> Medium:
        """One medium: fetched as the probe asks, until it answers, the deadline passes or the bytes cannot be had.

        `turn`: where many media share hosts, this one's turn at the host of its URL.
        """
        begun = self._begun.pop((kind, reference, False), None)
        return (await (begun or self._inspect(kind, reference, turn))).medium

    async def illustrate(self, kind: Kind, reference: str) -> Inspected:
        """The same medium, and a picture of it."""
        begun = self._begun.pop((kind, reference, True), None)
        return await (begun or self._inspect(kind, reference, preview=True))

    async def _inspect(
        self, kind: Kind, reference: str, turn: Turn | None = None, *, preview: bool = False
    ) -> Inspected:
        async with self._client.source(reference, turn) as source:
            try:
                async with asyncio.timeout(self._timeout) as deadline:
                    if turn is not None:
                        turn.deadline = deadline
                    if self._tail and kind == "video":
                        source.bet_on_tail(self._tail)
                    with self._working():
                        outcome = await self._probe_as_needed(source)
            except Undelivered as stop:
                return Inspected(Medium(kind, source.delivery(stop.failure), None))
            except TimeoutError:
                failure = Failure(Cause.TIMEOUT, f"no complete answer within {self._timeout:g} s")
                return Inspected(Medium(kind, source.delivery(failure), None))
            medium = Medium(kind, source.delivery(), outcome)
            if not preview or isinstance(outcome, NotMedia):
                return Inspected(medium)
            picture = await self._preview(source, medium, deadline.when())
            # Of all that its bytes brought along, only their price is told: a picture changes no fact of a delivery.
            delivery = replace(medium.delivery, transfer=source.delivery().transfer)
            return Inspected(replace(medium, delivery=delivery), picture)

    async def _probe_as_needed(self, source: Source) -> Outcome:
        wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),)
        while True:
            await source.fetch(wanted)
            answer = await self._prober(source.data)
            log("probe", bytes_held=len(source.data), size_bytes=source.data.total, answer=_told(answer))
            if isinstance(answer, NeedSpans):
                wanted = answer.spans
            elif source.data.total is None and not isinstance(answer, NotMedia):
                return await self._with_size(source, answer)
            else:
                return answer

    async def _with_size(self, source: Source, facts: Outcome) -> Outcome:
        """The facts are complete but for the size, which only the end of such a stream can prove."""
        try:
            await source.fetch((Span(len(source.data), None),))
        except Undelivered:  # longer than the budget: the size stays open, and the rules about it say so
            return facts
        answer = await self._prober(source.data)
        return facts if isinstance(answer, NeedSpans) else answer

    # ------------------------------------------------------------------------------------------------ pictures

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Facts are being established: pictures wait."""
        self._at_work += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()

    async def _preview(self, source: Source, medium: Medium, until: float | None) -> Preview:
        """The picture of a medium; a failure says why there is none, and nothing else comes of it."""
        if self._previewer is None:
            return Preview(b"", "pictures are made in a process of their own only")
        try:
            async with asyncio.timeout_at(until):
                await self._idle.wait()
                return await self._preview_as_needed(self._previewer, source, medium)
        except Undelivered as stop:
            return Preview(b"", f"the picture could not be fetched: {stop.failure.detail}")
        except TimeoutError:
            return Preview(b"", "there was no time left to fetch the picture")

    async def _preview_as_needed(self, previewer: Previewer, source: Source, medium: Medium) -> Preview:
        for _ in range(_PREVIEW_ROUNDS):
            answer = await previewer(source.data)
            if isinstance(answer, bytes):
                return Preview(answer, "" if answer else "its pixels cannot be decoded here")
            missing = [hole for span in answer.spans for hole in source.data.missing(span)]
            needed = len(source.data) + sum((hole.stop or self._max_bytes) - hole.start for hole in missing)
            if needed > self._max_bytes:
                break
            await source.fetch(answer.spans)
        if isinstance(medium.outcome, ImageFacts) and source.data.total is not None:
            return Preview(b"", f"the picture was not fetched: it is {source.data.total / 1e6:.1f} MB")
        return Preview(b"", "the picture was not fetched: it takes too many bytes")


def _told(answer: Outcome | NeedSpans) -> str:
    if isinstance(answer, NotMedia):
        return f"not media: {answer.refusal.value}"
    return "needs more bytes" if isinstance(answer, NeedSpans) else "facts"
