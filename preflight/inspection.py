"""One medium, from its reference to its facts: deliver and probe in turn, until there is an answer.

Light on purpose: it runs while everything behind it is still being imported.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from preflight.deliver.source import FLIGHT_BYTES, Undelivered
from preflight.deliver.sparse import Span
from preflight.facts import Cause, Failure, Medium, NeedSpans, NotMedia
from preflight.log import log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from preflight.deliver.client import Client
    from preflight.deliver.source import Source, Turn
    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import Kind, Outcome

    #: Bytes in, facts (or a request for more bytes) out. The seam at which a worker process sits.
    Prober = Callable[[SparseBytes], Awaitable[Outcome | NeedSpans]]


class Inspector:
    """Inspects media of one session.

    Args:
        client: where bytes come from.
        prober: where bytes become facts.
        timeout: seconds for each medium, everything included.
        tail: bytes of a video's end to ask for beside its beginning: a trip less where the index is there; 0: none.
    """

    def __init__(self, client: Client, prober: Prober, timeout: float, tail: int = 0) -> None:
        self._client = client
        self._prober = prober
        self._timeout = timeout
        self._tail = tail
        self._begun: dict[tuple[Kind, str], asyncio.Task[Medium]] = {}
        self._since: float | None = None

    def begin(self, kind: Kind, reference: str) -> None:
        """Start an inspection that a later `inspect` will ask for."""
        self._since = self._since or time.monotonic()
        self._begun[kind, reference] = asyncio.create_task(self._inspect(kind, reference))

    def started(self) -> float:
        """When the work for the next check started: now, or when the first of its media was begun."""
        since, self._since = self._since, None
        return since or time.monotonic()

    async def inspect(self, kind: Kind, reference: str, turn: Turn | None = None) -> Medium:
        """One medium: fetched as the probe asks, until it answers, the deadline passes or the bytes cannot be had.

        `turn`: where many media share hosts, this one's turn at the host of its URL.
        """
        begun = self._begun.pop((kind, reference), None)
        return await (begun or self._inspect(kind, reference, turn))

    async def _inspect(self, kind: Kind, reference: str, turn: Turn | None = None) -> Medium:
        async with self._client.source(reference, turn) as source:
            try:
                async with asyncio.timeout(self._timeout) as deadline:
                    if turn is not None:
                        turn.deadline = deadline
                    if self._tail and kind == "video":
                        source.bet_on_tail(self._tail)
                    outcome = await self._probe_as_needed(source)
            except Undelivered as stop:
                return Medium(kind, source.delivery(stop.failure), None)
            except TimeoutError:
                failure = Failure(Cause.TIMEOUT, f"no complete answer within {self._timeout:g} s")
                return Medium(kind, source.delivery(failure), None)
            return Medium(kind, source.delivery(), outcome)

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


def _told(answer: Outcome | NeedSpans) -> str:
    if isinstance(answer, NotMedia):
        return f"not media: {answer.refusal.value}"
    return "needs more bytes" if isinstance(answer, NeedSpans) else "facts"
