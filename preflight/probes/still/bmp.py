"""BMP: everything is in the header, even how long the file must be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.probes.still.reader import Picture, corrupt

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

_PLAIN = frozenset({0, 3, 6})
"""Compressions that are none: rows of pixels, with or without masks for their channels."""


def read(reader: Reader) -> Picture:
    """Measure a BMP.

    Raises:
        Hole: more bytes are needed.
        Unreadable: its header states no sides.
    """
    raw = reader.take(0, 26)
    pixels, header = int.from_bytes(raw[10:14], "little"), int.from_bytes(raw[14:18], "little")
    if header < 40:
        compression, packed = 0, 0
        width, height = int.from_bytes(raw[18:20], "little"), int.from_bytes(raw[20:22], "little")
        bits = int.from_bytes(raw[24:26], "little")
    else:
        raw = reader.take(0, 54)
        width, height = (int.from_bytes(raw[at : at + 4], "little", signed=True) for at in (18, 22))
        bits, compression, packed = (
            int.from_bytes(raw[at:stop], "little") for at, stop in ((28, 30), (30, 34), (34, 38))
        )
    if width <= 0 or not height or bits not in {0, 1, 2, 4, 8, 16, 24, 32, 64}:
        raise corrupt("its header states impossible sides or colours")
    height = abs(height)  # below 0: the rows stand from top to bottom
    size = (width * bits + 31) // 32 * 4 * height if compression in _PLAIN else packed
    alpha = header >= 56 and bits == 32 and compression in {3, 6} and reader.number(66, 4) != 0
    return Picture(
        width=width,
        height=height,
        color_mode="P" if bits <= 8 else "RGBA" if alpha else "RGB",
        bit_depth=min(bits, 8) or None,
        alpha=alpha,
        truncated=reader.lacks(pixels + size),
    )
