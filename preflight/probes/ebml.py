"""EBML elements (RFC 8794): an id, a size, a body. Bounds and progress, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class Element(NamedTuple):
    """One EBML element: id, where its body starts, and where it stops (None: unknown size, a live recording)."""

    id: int
    start: int
    body: int
    stop: int | None


def _vint(raw: bytes, at: int, *, keep_marker: bool) -> tuple[int, int] | None:
    """A variable-length number and its length, or None where the bytes end or it is invalid."""
    if at >= len(raw) or not raw[at]:
        return None
    length = 9 - raw[at].bit_length()
    if at + length > len(raw):
        return None
    value = int.from_bytes(raw[at : at + length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length


def element(raw: bytes, at: int, base: int = 0) -> Element | None:
    """The element at an offset of bytes that begin at `base` of the file; None where the bytes end first."""
    kind = _vint(raw, at, keep_marker=True)
    if kind is None or kind[1] > 4:
        return None
    size = _vint(raw, at + kind[1], keep_marker=False)
    if size is None:
        return None
    body = at + kind[1] + size[1]
    unknown = size[0] == (1 << 7 * size[1]) - 1
    return Element(kind[0], base + at, base + body, None if unknown else base + body + size[0])


def elements(raw: bytes, start: int = 0, stop: int | None = None) -> Iterator[Element]:
    """The elements of a body that is in memory; ends quietly where they stop making sense."""
    stop = len(raw) if stop is None else stop
    while start < stop and (found := element(raw, start)) is not None:
        yield Element(found.id, found.start, found.body, stop if found.stop is None else min(found.stop, stop))
        if found.stop is None:
            return
        start = found.stop


def fields_of(raw: bytes) -> dict[int, bytes]:
    """The last value of each element of a body, by id."""
    return {found.id: raw[found.body : found.stop] for found in elements(raw)}


def uint(raw: bytes | None) -> int:
    """An unsigned number of at most eight bytes; 0 where there is none."""
    return int.from_bytes(raw or b"", "big") if len(raw or b"") <= 8 else 0
