"""ISO base media boxes: a size, a type, a body (ISO/IEC 14496-12 section 4.2). Bounds and progress, nothing else."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.deliver.sparse import SparseBytes


class Malformed(Exception):
    """A structure that does not hold; the message says which part, in our own words."""


class TooComplex(Malformed):
    """A structure that claims more than a real clip can hold."""


class Box(NamedTuple):
    """A box: its type, where it starts, where its body starts and where it stops."""

    kind: bytes
    start: int
    body: int
    stop: int


def header(data: SparseBytes, start: int) -> Box | None:
    """The box that starts at `start` of a file, or None at its end. A box of size 0 runs to the end of the file.

    Raises:
        Hole: its header is not here.
        Malformed: no box starts there.
    """
    raw = data.read(start, start + 16) if data.total is None or start + 8 <= data.total else b""
    if len(raw) < 8:
        return None
    size, kind = struct.unpack_from(">I4s", raw)
    body = start + 8
    if size == 1:
        if len(raw) < 16:
            raise Malformed(f"the box at byte {start} is cut inside its size")
        (size,) = struct.unpack_from(">Q", raw, 8)
        body = start + 16
    elif size == 0:
        if data.total is None:
            raise Malformed("a box without a size, in a file without one")
        size = data.total - start
    if start + size < body:
        raise Malformed(f"the box at byte {start} claims {size} bytes, less than its own header")
    return Box(kind, start, body, start + size)


def children(data: bytes, start: int, stop: int) -> Iterator[Box]:
    """The boxes between two offsets of bytes in memory; like libav, a child that overruns its parent is clipped."""
    while start + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= stop:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            body = start + 16
        elif size == 0:  # to the end of the parent; QuickTime also ends `udta` with four zero bytes
            size = stop - start
        if start + size < body:
            raise Malformed(f"a box inside {kind.decode('latin-1')!r} claims {size} bytes")
        yield Box(kind, start, body, min(start + size, stop))
        start += size


def parts(data: bytes, parent: Box | None) -> dict[bytes, Box]:
    """The first box of each type inside `parent`, in one pass; empty where there is no parent."""
    found: dict[bytes, Box] = {}
    if parent is not None:
        for box in children(data, parent.body, parent.stop):
            found.setdefault(box.kind, box)
    return found


def child(data: bytes, parent: Box, *path: bytes) -> Box | None:
    """The first box at a path of types below `parent`."""
    for kind in path:
        found = next((box for box in children(data, parent.body, parent.stop) if box.kind == kind), None)
        if found is None:
            return None
        parent = found
    return parent


def unpack(fmt: str, data: bytes, box: Box, offset: int = 0) -> tuple[int, ...]:
    """Numbers at an offset of a box's body.

    Raises:
        Malformed: the body ends before them.
    """
    start = box.body + offset
    if start + struct.calcsize(fmt) > box.stop:
        raise Malformed(f"the {box.kind.decode('latin-1')!r} box is cut short")
    return struct.unpack_from(fmt, data, start)
