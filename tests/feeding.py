"""Drive the probe as delivery does: bytes only as they are asked for, every request counted."""

from __future__ import annotations

from dataclasses import dataclass

from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Span, SparseBytes
from preflight.facts import NeedSpans, Outcome
from preflight.probes import probe

#: More trips than any file may need; a probe that wants more is in a loop.
MOST_ROUNDS = 24


@dataclass(frozen=True)
class Fed:
    """What the probe said, after how many trips and bytes."""

    outcome: Outcome
    rounds: int
    bytes_held: int


def feed(data: bytes, *, total: int | None = -1) -> Fed:
    """Feed a file sparsely. `total=None` hides its size until its last byte was asked for."""
    known = len(data) if total == -1 else total
    sparse = SparseBytes(known)
    wanted: tuple[Span, ...] = (Span(0, FLIGHT_BYTES),)
    for rounds in range(1, MOST_ROUNDS):
        for span in wanted:
            stop = len(data) if span.stop is None else min(span.stop, len(data))
            for hole in sparse.missing(Span(min(span.start, stop), stop)):
                assert hole.stop is not None
                sparse.add(hole.start, data[hole.start : hole.stop])
            if sparse.total is None and (span.stop is None or span.stop > len(data)):
                sparse.total = len(data)
        answer = probe(sparse)
        if not isinstance(answer, NeedSpans):
            return Fed(answer, rounds, len(sparse))
        assert any(sparse.missing(span) for span in answer.spans), f"asked for what is there: {answer.spans}"
        wanted = answer.spans
    raise AssertionError("the probe never has enough")
