"""HEIF's item tables: which item is the primary picture, what its properties say, how far the items' bytes reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.probes.still.reader import corrupt

if TYPE_CHECKING:
    from collections.abc import Iterator

Property = tuple[bytes, bytes]
"""A property box's name and payload."""


@dataclass(frozen=True, slots=True)
class Item:
    """The primary picture."""

    properties: tuple[Property, ...]
    """In the order in which they apply."""
    all_properties: tuple[Property, ...]
    """Those of every item of the file."""
    data_stop: int
    """The end of the furthest byte that any item refers to; 0 where the header itself holds all of them."""

    def value(self, name: bytes) -> bytes | None:
        """Give the payload of the first property of that name."""
        return next((payload for key, payload in self.properties if key == name), None)


def read_items(meta: bytes) -> Item:
    """Read a `meta` box's payload.

    Raises:
        Unreadable: a table is missing or does not hold.
    """
    boxes = dict(_boxes(meta, 4))
    properties = list(_boxes(boxes.get(b"iprp", b""), 0))
    shared = [box for name, payload in properties if name == b"ipco" for box in _boxes(payload, 0)]
    primary = _primary(boxes)
    numbers = [n for name, payload in properties if name == b"ipma" for n in _associated(_Fields(payload), primary)]
    if any(number > len(shared) for number in numbers):
        raise corrupt("its primary picture refers to a property that is not there")
    own = tuple(shared[number - 1] for number in numbers if number)
    return Item(own, tuple(shared), _data_stop(_Fields(boxes.get(b"iloc", b""))))


def _boxes(data: bytes, at: int) -> Iterator[Property]:
    """Split a payload into its boxes; each is at least as long as its header, so this always goes forward."""
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if size < 8 or at + size > len(data):
            raise corrupt("a box that does not fit into the one around it")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size


def _primary(boxes: dict[bytes, bytes]) -> int:
    fields = _Fields(boxes.get(b"pitm", b""))
    version = fields.number(4) >> 24
    return fields.number(4 if version else 2)


def _associated(fields: _Fields, wanted: int) -> list[int]:
    """Find the numbers, from 1, of an item's properties in an `ipma` table."""
    head = fields.number(4)
    id_size, number_size = 4 if head >> 24 else 2, 2 if head & 1 else 1
    for _ in range(fields.number(4)):
        item = fields.number(id_size)
        numbers = [fields.number(number_size) for _ in range(fields.number(1))]
        if item == wanted:
            essential = 1 << number_size * 8 - 1
            return [number & ~essential for number in numbers]
    return []


def _data_stop(fields: _Fields) -> int:
    """Find in an `iloc` table where the furthest extent ends that lies in the file itself."""
    if not fields.data:
        return 0
    version = fields.number(4) >> 24
    sizes = fields.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version in {1, 2} else 0
    stop = 0
    for _ in range(fields.number(2 if version < 2 else 4)):
        fields.number(2 if version < 2 else 4)  # the item
        in_file = fields.number(2) & 15 == 0 if version in {1, 2} else True
        fields.number(2)
        base = fields.number(base_size)
        extents = fields.number(2)
        if not offset_size + length_size + index_size:
            continue  # no field, so nothing to go forward over
        for _ in range(extents):
            fields.number(index_size)
            end = base + fields.number(offset_size) + fields.number(length_size)
            stop = max(stop, end if in_file else 0)
    return stop


class _Fields:
    """Unsigned big-endian numbers, one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, size: int) -> int:
        """Read the next `size` bytes.

        Raises:
            Unreadable: the table ends before.
        """
        self.at += size
        if self.at > len(self.data):
            raise corrupt("a table that is longer than its box")
        return int.from_bytes(self.data[self.at - size : self.at], "big")
