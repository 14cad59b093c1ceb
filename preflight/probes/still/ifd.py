"""TIFF's directories of tags: the whole of a TIFF's header, and the form in which every EXIF block stands.

Offsets count from `base`, where the byte order mark stands. Values are read only when asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from preflight.probes.still.reader import Unreadable, corrupt

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

ORIENTATION = 0x0112
_INTEGERS = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
"""Bytes of a value by field type: BYTE, SHORT, LONG, IFD, LONG8, IFD8."""
_MAX_TAGS = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag: its field type, how many values, and where in the file they stand."""

    kind: int
    count: int
    at: int


@dataclass(frozen=True, slots=True)
class Tiff:
    """The form of one TIFF block: byte order, and whether it is a BigTIFF with its wider fields."""

    reader: Reader
    base: int
    little: bool
    big: bool
    first: int
    """Where the first directory begins, counted from `base`."""

    @classmethod
    def open(cls, reader: Reader, base: int) -> Tiff:
        """Read the eight (BigTIFF: sixteen) bytes of the block's header.

        Raises:
            Unreadable: it is none.
        """
        mark = reader.take(base, 8)
        little, big = mark[:2] == b"II", mark[2:4].strip(b"\0") == b"+"
        if mark[:4] not in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
            raise corrupt("a TIFF header was expected")
        first = reader.number(base + 8, 8, little=little) if big else int.from_bytes(mark[4:], _order(little))
        return cls(reader, base, little, big, first)

    def directory(self, offset: int) -> tuple[dict[int, Entry], int]:
        """Read the directory at `offset`: its tags, and the offset of the next directory (0: none)."""
        count_size, entry_size, field = (8, 20, 8) if self.big else (2, 12, 4)
        start = self.base + offset
        count = self.reader.number(start, count_size, little=self.little)
        if not 0 < count <= _MAX_TAGS:
            raise corrupt(f"a directory of {count} tags")
        raw = self.reader.take(start + count_size, count * entry_size + field)
        entries: dict[int, Entry] = {}
        for at in range(0, count * entry_size, entry_size):
            tag, kind = self._int(raw[at : at + 2]), self._int(raw[at + 2 : at + 4])
            values = self._int(raw[at + 4 : at + 4 + field])
            inline = start + count_size + at + 4 + field
            size = _INTEGERS.get(kind, 1) * values
            where = self.base + self._int(raw[at + 4 + field : at + entry_size]) if size > field else inline
            entries.setdefault(tag, Entry(kind, values, where))
        return entries, self._int(raw[-field:])

    def values(self, entry: Entry | None, limit: int) -> tuple[int, ...] | None:
        """Read a tag's whole numbers; None where the tag is absent, of another type, or holds more than `limit`."""
        if entry is None or entry.kind not in _INTEGERS or not 0 < entry.count <= limit:
            return None
        size = _INTEGERS[entry.kind]
        raw = self.reader.take(entry.at, size * entry.count)
        return tuple(self._int(raw[at : at + size]) for at in range(0, len(raw), size))

    def value(self, entry: Entry | None, default: int) -> int:
        """Read a tag's single number."""
        values = self.values(entry, 1)
        return values[0] if values else default

    def _int(self, raw: bytes) -> int:
        return int.from_bytes(raw, _order(self.little))


def _order(little: bool) -> Literal["little", "big"]:
    return "little" if little else "big"


def exif_orientation(reader: Reader, base: int, stop: int) -> int:
    """Read the orientation, 1 to 8, from the EXIF block in `[base, stop)`; 1 where it states none, or is broken."""
    try:
        tiff = Tiff.open(reader, base)
        if not 8 <= tiff.first < stop - base:
            return 1
        entries, _ = tiff.directory(tiff.first)
        number = tiff.value(entries.get(ORIENTATION), 1)
    except Unreadable:
        return 1  # players show a picture with broken EXIF as it is coded; a cut file is told by what follows
    return number if 1 <= number <= 8 else 1
