"""GIF: the sides stand first; whether it moves is told by a second picture.

Counting frames would mean to read the whole file, so only its first part is walked. A GIF with more bytes than any one
frame of its sides can hold is animated all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.facts import Unknown
from preflight.probes.still.reader import Picture, corrupt, is_filling

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

#: How much of the file is walked for a second picture.
_WALKED = 65_536
#: LZW's worst case: every pixel a code of 12 bits with a clear code of 12 bits before it, in blocks of 255 bytes.
_BYTES_PER_PIXEL = 3.1
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def read(reader: Reader) -> Picture:
    """Measure a GIF.

    Raises:
        Hole: more bytes are needed.
        Unreadable: it has no sides.
    """
    screen = reader.take(0, 13)
    width, height = int.from_bytes(screen[6:8], "little"), int.from_bytes(screen[8:10], "little")
    if not width or not height:
        raise corrupt("its header states a side of 0 pixels")
    colors = 3 << (screen[10] & 7) + 1 if screen[10] & 0x80 else 0
    body = 13 + colors
    walk = _Walk(reader.upto(0, _WALKED), body)
    walk.run()
    if walk.images == 0 and walk.ended:
        raise corrupt("it ends before any picture")
    animated = True if walk.images > 1 else False if walk.ended else None
    if animated is None and reader.total is not None and reader.total > _WALKED + _BYTES_PER_PIXEL * width * height:
        animated = True
    unknown = []
    if animated is None:
        unknown.append(Unknown("animated", f"the first {_WALKED} bytes hold no second picture; there may be one later"))
    if animated is not False:
        unknown.append(Unknown("frames", "the pictures of a GIF are not counted: they are spread over the file"))
    return Picture(
        width=width,
        height=height,
        color_mode="P",
        bit_depth=8,
        alpha=walk.transparent if walk.images else None,
        animated=animated,
        frames=1 if animated is False else None,
        body=body,
        intact=_intact,
        unknown=tuple(unknown),
    )


class _Walk:
    """Over the blocks in `raw` from `at` on, up to the second picture, the trailer or the end of what is here."""

    def __init__(self, raw: bytes, at: int) -> None:
        self.raw, self.at = raw, at
        self.images = 0
        self.transparent = False
        self.ended = False

    def run(self) -> None:
        while self.at < len(self.raw) and self.images < 2:
            kind = self.raw[self.at]
            if kind == _EXTENSION:
                self._extension()
            elif kind == _IMAGE:
                self._image()
            elif kind == _TRAILER:
                self.ended = True
                return
            else:
                self.at += 1  # decoders skip stray bytes between blocks

    def _extension(self) -> None:
        block = self.raw[self.at + 1 : self.at + 4]
        if self.images == 0 and block[:2] == b"\xf9\x04":
            self.transparent = bool(block[2:3] and block[2] & 1)
        self.at += 2
        self._sub_blocks()

    def _image(self) -> None:
        flags = self.raw[self.at + 9 : self.at + 10]
        self.images += bool(flags)
        self.at += 11 + (3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0)
        self._sub_blocks()

    def _sub_blocks(self) -> None:
        while self.at < len(self.raw) and (size := self.raw[self.at]):
            self.at += size + 1
        self.at += 1


def _intact(tail: bytes) -> bool | None:
    """Judge the end: the last block's terminator and the trailer; elsewhere in the tail they may be chance."""
    if tail.rstrip(b"\0\r\n").endswith(b";") and b"\0;" in tail[-64:]:
        return True
    if is_filling(tail):
        return None
    return None if b"\0;" in tail and not _is_inside_pixels(tail) else False


def _is_inside_pixels(tail: bytes) -> bool:
    """Do blocks of 255 bytes, each with its length before it, follow one another up to the end?"""
    return len(tail) >= 2048 and any(set(tail[start::256]) == {255} for start in range(256))
