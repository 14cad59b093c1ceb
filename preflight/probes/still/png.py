"""PNG: walk the chunks up to the first pixels.

Animation (`acTL`), transparency (`tRNS`) and orientation (`eXIf`) stand before `IDAT`; an `eXIf` behind the pixels is
not looked for, as browsers do not.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from preflight.probes.still.ifd import exif_orientation
from preflight.probes.still.reader import Picture, corrupt, is_filling, too_complex

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

_MAX_CHUNKS = 512
_END = b"IEND\xaeB`\x82"
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GREY_ALPHA: (8, 16), _RGBA: (8, 16)}
_MODES = {_GREY: "L", _RGB: "RGB", _PALETTE: "P", _GREY_ALPHA: "LA", _RGBA: "RGBA"}


def read(reader: Reader) -> Picture:
    """Measure a PNG.

    Raises:
        Hole: more bytes are needed.
        Unreadable: the chunks do not hold.
    """
    header = _header(reader)
    chunks, at = {b"IHDR": (16, 13)}, 33
    for _ in range(_MAX_CHUNKS):
        size, name = reader.number(at, 4), reader.take(at + 4, 4)
        if size > 0x7FFF_FFFF or not name.isalpha():
            raise corrupt("a chunk without a proper name or length")
        if name in {b"IDAT", b"IEND"}:
            break
        chunks.setdefault(name, (at + 8, size))
        at += size + 12
    else:
        raise too_complex(f"more than {_MAX_CHUNKS} chunks before the picture")
    if name == b"IEND":
        raise corrupt("it ends before any pixels")
    return _picture(reader, header, chunks, body=at, stop=at + size + 12 + 12)


def _header(reader: Reader) -> bytes:
    raw = reader.take(8, 25)
    if raw[:8] != b"\0\0\0\x0dIHDR":
        raise corrupt("it does not begin with its header chunk")
    if zlib.crc32(raw[4:21]) != int.from_bytes(raw[21:], "big"):
        raise corrupt("its header's checksum is wrong")
    return raw[8:21]


def _picture(reader: Reader, header: bytes, chunks: dict[bytes, tuple[int, int]], body: int, stop: int) -> Picture:
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, color = header[8], header[9]
    if not (0 < width < 2**31 and 0 < height < 2**31 and depth in _DEPTHS.get(color, ())):
        raise corrupt("its header states impossible sides or colours")
    frames = reader.number(chunks[b"acTL"][0], 4) if b"acTL" in chunks else 0
    if frames and b"fcTL" not in chunks:
        frames += 1  # the first picture is no part of the animation, but is one more
    start, size = chunks.get(b"eXIf", (0, 0))
    return Picture(
        width=width,
        height=height,
        color_mode=_mode(color, depth),
        bit_depth=depth,
        orientation=exif_orientation(reader, start, start + size) if size else 1,
        alpha=color in {_GREY_ALPHA, _RGBA} or b"tRNS" in chunks,
        animated=frames > 1,
        frames=max(frames, 1),
        truncated=True if reader.beyond(stop) else None,
        body=body,
        intact=_intact,
    )


def _mode(color: int, depth: int) -> str:
    """Name the mode as Pillow opens it."""
    exceptions = {(_GREY, 1): "1", (_GREY, 16): "I;16", (_GREY_ALPHA, 16): "RGBA"}
    return exceptions.get((color, depth), _MODES[color])


def _intact(tail: bytes) -> bool | None:
    """Judge the end: the end chunk, with or without something after it."""
    if _END in tail:
        return True
    return None if is_filling(tail) else False
