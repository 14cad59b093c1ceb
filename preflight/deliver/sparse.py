"""Some spans of a file, and its size: what delivery fills and what a probe reads.

Spans are half-open everywhere; HTTP's inclusive end exists only where a header is written or parsed.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Bytes `[start, stop)` of a file; `stop=None` means through the end of a file of unknown size."""

    start: int
    stop: int | None

    def __post_init__(self) -> None:
        if self.start < 0 or (self.stop is not None and self.stop < self.start):
            raise ValueError(f"not a span: {self.start}-{self.stop}")


class Hole(Exception):
    """A read met bytes that are not here yet; `span` is the whole range that the reader wanted."""

    def __init__(self, span: Span) -> None:
        self.span = span
        super().__init__(f"bytes {span.start}-{span.stop} are not here")


class Holes(Exception):
    """Several ranges are wanted at once."""

    def __init__(self, spans: tuple[Span, ...]) -> None:
        self.spans = spans
        super().__init__(f"{len(spans)} spans are not here")


class SparseBytes:
    """A growing set of spans of one file. The only mutable value of a check; one inspection owns it.

    `total` is the size of the file in bytes as far as the source proves it, or None while it does not.
    """

    __slots__ = ("_chunks", "_starts", "total")

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self._starts: list[int] = []
        self._chunks: list[bytearray] = []

    @classmethod
    def whole(cls, data: bytes) -> SparseBytes:
        """The bytes of a complete file."""
        sparse = cls(len(data))
        sparse.add(0, data)
        return sparse

    def add(self, start: int, data: bytes | bytearray | memoryview) -> None:
        """Put `data` at `start`; what was held there before stays, so that one file is never two."""
        for hole in self.missing(Span(start, start + len(data))):
            self._insert(hole.start, bytes(data[hole.start - start : (hole.stop or 0) - start]))

    def _insert(self, start: int, data: bytes) -> None:
        at = bisect_right(self._starts, start)
        if at and self._starts[at - 1] + len(self._chunks[at - 1]) == start:
            at -= 1
            self._chunks[at] += data
        else:
            self._starts.insert(at, start)
            self._chunks.insert(at, bytearray(data))
        if at + 1 < len(self._starts) and self._starts[at] + len(self._chunks[at]) == self._starts[at + 1]:
            self._chunks[at] += self._chunks.pop(at + 1)
            del self._starts[at + 1]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes `[start, stop)`, clipped to the size of the file.

        Raises:
            Hole: some of them are not held.
        """
        if self.total is not None:
            stop = min(stop, self.total)
        if stop <= start:
            return b""
        at = bisect_right(self._starts, start) - 1
        if at >= 0:
            offset = start - self._starts[at]
            if offset + (stop - start) <= len(self._chunks[at]):
                return bytes(self._chunks[at][offset : offset + stop - start])
        raise Hole(Span(start, stop))

    def available(self, start: int, stop: int) -> bytes:
        """The held bytes from `start` up to `stop` or to the first hole; empty when `start` is in a hole."""
        at = bisect_right(self._starts, start) - 1
        return bytes(self._chunks[at][start - self._starts[at] : stop - self._starts[at]]) if at >= 0 else b""

    def missing(self, span: Span) -> tuple[Span, ...]:
        """The parts of `span` that are not held; beyond the end of the file nothing is missing."""
        stop = span.stop
        if self.total is not None:
            stop = self.total if stop is None else min(self.total, stop)
        holes, position = [], span.start
        for start, chunk in zip(self._starts, self._chunks, strict=True):
            if stop is not None and start >= stop:
                break
            if start > position:
                holes.append(Span(position, start))
            position = max(position, start + len(chunk))
        if stop is None or position < stop:
            holes.append(Span(position, stop))
        return tuple(holes)

    @property
    def held(self) -> tuple[Span, ...]:
        """The spans that are here, in order, none touching another."""
        return tuple(Span(s, s + len(c)) for s, c in zip(self._starts, self._chunks, strict=True))

    def chunks(self) -> list[tuple[int, bytes]]:
        """What is held, as (start, bytes) in order."""
        return [(start, bytes(chunk)) for start, chunk in zip(self._starts, self._chunks, strict=True)]

    @property
    def complete(self) -> bool:
        """Is every byte of the file here?"""
        return self.total is not None and not self.missing(Span(0, self.total))

    def __len__(self) -> int:
        """How many bytes are held."""
        return sum(map(len, self._chunks))
