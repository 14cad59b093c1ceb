"""The pipeline, top to bottom: request -> deliver -> probe -> judge -> estimate -> report."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from preflight.deliver.client import Client, Source, Undelivered
from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.estimate import estimate
from preflight.facts import Cause, Failure, Kind, Medium, NeedSpans, NotMedia, Outcome
from preflight.report import Report, build_report
from preflight.request import GenerationRequest, read_request
from preflight.rules import judge
from preflight.rules.model import Case

if TYPE_CHECKING:
    from preflight.request import ReadRequest
    from preflight.settings import Settings

#: Bytes in, facts (or a request for more bytes) out. The seam at which a worker process may sit.
Prober = Callable[[SparseBytes], Awaitable[Outcome | NeedSpans]]


async def run(
    payload: Mapping[str, object] | GenerationRequest, client: Client, prober: Prober, settings: Settings
) -> Report:
    """One request, end to end."""
    started = time.monotonic()
    request = read_request(payload)
    image, video = await _inspect_both(request, client, prober, settings)
    case = Case(request=request, image=image, video=video, profile=settings.profile, now=datetime.now(UTC))
    judgement = judge(case, settings.ignore)
    return build_report(case, judgement, estimate(case, settings.price), seconds=time.monotonic() - started)


async def _inspect_both(
    request: ReadRequest, client: Client, prober: Prober, settings: Settings
) -> tuple[Medium | None, Medium | None]:
    references: tuple[tuple[Kind, str | None], ...] = (("image", request.image_url), ("video", request.video_url))
    async with asyncio.TaskGroup() as group:
        image, video = (
            group.create_task(inspect(kind, reference, client, prober, settings)) if reference else None
            for kind, reference in references
        )
    return image.result() if image else None, video.result() if video else None


async def inspect(kind: Kind, reference: str, client: Client, prober: Prober, settings: Settings) -> Medium:
    """One medium: fetched as the probe asks, until it has an answer, the deadline passes or the bytes cannot be had."""
    async with client.source(reference) as source:
        try:
            async with asyncio.timeout(settings.timeout):
                if settings.tail and kind == "video":
                    source.bet_on_tail(settings.tail)
                outcome = await _probe_as_needed(source, prober)
        except Undelivered as stop:
            return Medium(kind, source.delivery(stop.failure), None)
        except TimeoutError:
            failure = Failure(Cause.TIMEOUT, f"no complete answer within {settings.timeout:g} s")
            return Medium(kind, source.delivery(failure), None)
        return Medium(kind, source.delivery(), outcome)


async def _probe_as_needed(source: Source, prober: Prober) -> Outcome:
    wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),)
    while True:
        await source.fetch(wanted)
        answer = await prober(source.data)
        if isinstance(answer, NeedSpans):
            wanted = answer.spans
        elif source.data.total is None and not isinstance(answer, NotMedia):
            return await _with_size(source, prober, answer)
        else:
            return answer


async def _with_size(source: Source, prober: Prober, facts: Outcome) -> Outcome:
    """The facts are complete but for the size, which only the end of such a stream can prove."""
    try:
        await source.fetch((Span(len(source.data), None),))
    except Undelivered:  # longer than the budget: the size stays open, and the rules about it say so
        return facts
    answer = await prober(source.data)
    return facts if isinstance(answer, NeedSpans) else answer
