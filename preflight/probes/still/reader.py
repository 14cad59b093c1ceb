"""What the header readers share: bounded reads from a sparse file, and the picture that they describe.

A reader asks for the few bytes that it needs; where they are not held, `Hole` names them and the reader is run again
later from its beginning. So a reader keeps no state, and each of its loops is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.deliver.sparse import Hole, Span
from preflight.facts import Refusal, Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from preflight.deliver.sparse import SparseBytes

#: Bytes asked for at least, when something is missing: what follows a header field is mostly the next one.
WINDOW = 2048


class Unreadable(Exception):
    """The structure does not hold; `refusal` is TRUNCATED, CORRUPT or TOO_COMPLEX, `detail` a plain phrase."""

    def __init__(self, refusal: Refusal, detail: str) -> None:
        self.refusal = refusal
        self.detail = detail
        super().__init__(detail)


def corrupt(detail: str) -> Unreadable:
    """Make the exception for a structure that contradicts itself."""
    return Unreadable(Refusal.CORRUPT, detail)


def too_complex(detail: str) -> Unreadable:
    """Make the exception for a structure that claims more than a real picture holds."""
    return Unreadable(Refusal.TOO_COMPLEX, detail)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as its header codes it: sides before the orientation is applied, in pixels.

    `truncated` is what the structure alone proves. Where it is None, `intact` judges the file's last bytes, none of
    them before `body`, where the pixels begin: True whole, False cut, None cannot tell.
    """

    width: int | None
    height: int | None
    color_mode: str | None
    bit_depth: int | None
    orientation: int | None = 1
    alpha: bool | None = False
    animated: bool | None = False
    frames: int | None = 1
    truncated: bool | None = None
    body: int = 0
    intact: Callable[[bytes], bool | None] | None = None
    unknown: tuple[Unknown, ...] = ()


@dataclass(frozen=True, slots=True)
class Reader:
    """Exact reads from a sparse file."""

    data: SparseBytes

    @property
    def total(self) -> int | None:
        """The size of the file in bytes, where it is known."""
        return self.data.total

    def take(self, start: int, size: int) -> bytes:
        """Read exactly `size` bytes at `start`.

        Raises:
            Hole: they are not held.
            Unreadable: the file ends before.
        """
        if self.beyond(start + size):
            raise Unreadable(Refusal.TRUNCATED, "the file ends inside its header")
        return self.upto(start, size)

    def upto(self, start: int, size: int) -> bytes:
        """Read `size` bytes at `start`, fewer where the file ends.

        Raises:
            Hole: they are not held.
        """
        try:
            return self.data.read(start, start + size)
        except Hole as hole:
            stop = start + max(size, WINDOW)
            raise Hole(Span(start, stop if self.total is None else min(stop, self.total))) from hole

    def number(self, start: int, size: int, *, little: bool = False) -> int:
        """Read an unsigned number of `size` bytes."""
        return int.from_bytes(self.take(start, size), "little" if little else "big")

    def beyond(self, stop: int) -> bool:
        """Does `stop` lie behind the file's end, as far as that is known?"""
        return self.total is not None and stop > self.total

    def lacks(self, stop: int) -> bool | None:
        """Tell whether a file that has to reach `stop` is cut; None while its size is not known."""
        return None if self.total is None else stop > self.total


def is_filling(tail: bytes) -> bool:
    """Is this end of a file padding or text, and so neither pixels nor the picture's end mark?"""
    text = tail.isascii() and all(byte >= 0x20 or byte in b"\t\r\n" for byte in tail)
    return len(tail) >= 16 and (text or len(set(tail)) == 1)
