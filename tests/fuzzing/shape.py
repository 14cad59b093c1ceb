"""Where the parts of a medium are: boxes, elements, chunks and segments, with the field that states their size."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Coding = Literal["big", "little", "vint"]
_CONTAINERS = frozenset(
    b"moov trak mdia minf stbl edts dinf udta mvex moof traf mfra iprp ipco meta tref sinf schi".split()
)
_MASTERS = frozenset({
    0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0xE1, 0x55B0, 0x1254C367, 0x7373, 0x63C0, 0x67C8, 0x1F43B675, 0xA0,
    0x114D9B74, 0x4DBB, 0x1C53BB6B, 0xBB, 0xB7, 0x1A45DFA3,
})  # fmt: skip
_MOST_PARTS = 3000


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its bytes, where its body begins, its type field and its size field."""

    start: int
    body: int
    stop: int
    name_at: int
    name_bytes: int
    size_at: int
    size_bytes: int
    coding: Coding
    parents: tuple[Part, ...] = ()


def parts(data: bytes) -> tuple[Part, ...]:
    """The parts of a medium by its first bytes; empty for what has none."""
    if data[4:8] in {b"ftyp", b"free", b"moov", b"mdat"}:
        found = _boxes(data, 0, len(data), ())
    elif data.startswith(b"\x1a\x45\xdf\xa3"):
        found = _elements(data, 0, len(data), ())
    elif data.startswith(b"RIFF"):
        found = _chunks(data, 0, len(data), ())
    elif data.startswith(b"\x89PNG"):
        found = _png(data)
    elif data.startswith(b"\xff\xd8"):
        found = _segments(data)
    elif data.startswith(b"\x47") and data[188:189] == b"\x47":
        found = (Part(at, at + 4, at + 188, at + 1, 2, at + 3, 1, "big") for at in range(0, len(data) - 187, 188))
    else:
        return ()
    return tuple(part for part, _ in zip(found, range(_MOST_PARTS), strict=False))


def _boxes(data: bytes, at: int, stop: int, parents: tuple[Part, ...]) -> Iterator[Part]:
    while at + 8 <= stop:
        size, name = struct.unpack_from(">I4s", data, at)
        size = size if 8 <= size <= stop - at else stop - at
        part = Part(at, at + 8, at + size, at + 4, 4, at, 4, "big", parents)
        yield part
        if name in _CONTAINERS:
            yield from _boxes(data, at + 8 + 4 * (name == b"meta"), at + size, (*parents, part))
        at += size


def _elements(data: bytes, at: int, stop: int, parents: tuple[Part, ...]) -> Iterator[Part]:
    while at < stop - 1 and data[at]:
        id_bytes = 9 - data[at].bit_length()
        size_at = at + id_bytes
        if size_at >= stop or not data[size_at]:
            return
        size_bytes = 9 - data[size_at].bit_length()
        body = size_at + size_bytes
        size = int.from_bytes(data[size_at:body], "big") & ((1 << 7 * size_bytes) - 1)
        end = min(body + size, stop)
        part = Part(at, body, end, at, id_bytes, size_at, size_bytes, "vint", parents)
        yield part
        if int.from_bytes(data[at:size_at], "big") in _MASTERS:
            yield from _elements(data, body, end, (*parents, part))
        at = end


def _chunks(data: bytes, at: int, stop: int, parents: tuple[Part, ...]) -> Iterator[Part]:
    while at + 8 <= stop:
        name, size = struct.unpack_from("<4sI", data, at)
        end = min(at + 8 + size + size % 2, stop)
        part = Part(at, at + 8, end, at, 4, at + 4, 4, "little", parents)
        yield part
        if name in {b"RIFF", b"LIST"}:
            yield from _chunks(data, at + 12, end, (*parents, part))
        at = end


def _png(data: bytes) -> Iterator[Part]:
    at = 8
    while at + 12 <= len(data):
        stop = min(at + 12 + int.from_bytes(data[at : at + 4], "big"), len(data))
        yield Part(at, at + 8, stop, at + 4, 4, at, 4, "big")
        at = stop


def _segments(data: bytes) -> Iterator[Part]:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        stop = min(at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"), len(data))
        yield Part(at, at + 4, stop, at + 1, 1, at + 2, 2, "big")
        if data[at + 1] == 0xDA:
            return
        at = max(stop, at + 4)
