"""One line to deliver something in a test: `data, delivery = deliver(url, [(0, 100)], [(5000, 6000)])`."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from preflight.deliver.client import Bounds, Client, Undelivered
from preflight.deliver.sparse import Span, SparseBytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from preflight.facts import Cause, Delivery, Failure

    Spans = Sequence[tuple[int, int | None]]

#: 100,000 bytes, no two stretches alike.
CLIP = random.Random(7).randbytes(100_000)  # noqa: S311  (repeatable on purpose)
LOOPBACK = Bounds(allow_private=True)


def failed(delivery: Delivery) -> Failure:
    """The failure of a delivery that must have failed."""
    assert delivery.failure is not None
    return delivery.failure


def cause_of(delivery: Delivery) -> Cause | None:
    """The failure's cause, or None for a delivery that went well."""
    return None if delivery.failure is None else delivery.failure.cause


def deliver(
    reference: str, *fetches: Spans, bounds: Bounds = LOOPBACK, authorities: Path | None = None
) -> tuple[SparseBytes, Delivery]:
    """Fetch each list of spans in turn (the first 1000 bytes when none is given); a failure ends it and is told."""

    async def run() -> tuple[SparseBytes, Delivery]:
        async with Client(bounds, authorities=authorities) as client, client.source(reference) as source:
            try:
                for spans in fetches or ([(0, 1000)],):
                    await source.fetch(tuple(Span(start, stop) for start, stop in spans))
            except Undelivered as stop:
                return source.data, source.delivery(stop.failure)
            return source.data, source.delivery()

    return asyncio.run(run())
