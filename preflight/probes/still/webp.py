"""WebP: the RIFF header proves truncation, the first chunk tells the sides.

Three forms: lossy (`VP8 `), lossless (`VP8L`), and extended (`VP8X`), whose flags say whether an EXIF chunk follows the
pixels; only then are the chunks hopped over to find it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.facts import Unknown
from preflight.probes.still.ifd import exif_orientation
from preflight.probes.still.reader import Picture, corrupt

if TYPE_CHECKING:
    from preflight.probes.still.reader import Reader

_ANIMATION, _EXIF, _ALPHA = 0x02, 0x08, 0x10
_MAX_HOPS = 16
_FRAMES_UNKNOWN = Unknown("frames", "the frames of an animated WebP are not counted: they are spread over the file")
_ORIENTATION_UNKNOWN = Unknown("orientation", f"its EXIF lies behind more than {_MAX_HOPS} chunks")


def read(reader: Reader) -> Picture:
    """Measure a WebP.

    Raises:
        Hole: more bytes are needed.
        Unreadable: the first chunk is none of the three, or is broken.
    """
    raw = reader.take(0, 30)
    form, size = raw[12:16], int.from_bytes(raw[16:20], "little")
    truncated = reader.lacks(8 + int.from_bytes(raw[4:8], "little"))
    if form == b"VP8 " and size >= 10:
        return _lossy(raw, truncated)
    if form == b"VP8L" and size >= 5:
        return _lossless(raw, truncated)
    if form == b"VP8X" and size >= 10:
        return _extended(reader, raw, truncated)
    raise corrupt("it begins with none of WebP's three chunks")


def _lossy(raw: bytes, truncated: bool | None) -> Picture:
    if raw[20] & 1 or raw[23:26] != b"\x9d\x01\x2a":
        raise corrupt("its VP8 picture does not begin with a key frame")
    width, height = (int.from_bytes(raw[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    if not width or not height:
        raise corrupt("its header states a side of 0 pixels")
    return Picture(width, height, "RGB", 8, truncated=truncated)


def _lossless(raw: bytes, truncated: bool | None) -> Picture:
    bits = int.from_bytes(raw[21:25], "little")
    if raw[20] != 0x2F or bits >> 29:
        raise corrupt("its VP8L header is broken")
    alpha = bool(bits >> 28 & 1)
    width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return Picture(width, height, "RGBA" if alpha else "RGB", 8, alpha=alpha, truncated=truncated)


def _extended(reader: Reader, raw: bytes, truncated: bool | None) -> Picture:
    flags = raw[20]
    alpha, animated = bool(flags & _ALPHA), bool(flags & _ANIMATION)
    orientation = 1 if truncated or not flags & _EXIF else _orientation(reader)
    unknown = (_FRAMES_UNKNOWN,) * animated + (_ORIENTATION_UNKNOWN,) * (orientation is None)
    return Picture(
        width=int.from_bytes(raw[24:27], "little") + 1,
        height=int.from_bytes(raw[27:30], "little") + 1,
        color_mode="RGBA" if alpha else "RGB",
        bit_depth=8,
        orientation=orientation,
        alpha=alpha,
        animated=animated,
        frames=None if animated else 1,
        truncated=truncated,
        unknown=unknown,
    )


def _orientation(reader: Reader) -> int | None:
    """Hop to the EXIF chunk; 1 where the flag promised one that is not there, None where it is too far."""
    at = 12
    for _ in range(_MAX_HOPS):
        header = reader.upto(at, 14)
        if len(header) < 14:
            return 1
        size = int.from_bytes(header[4:8], "little")
        if header[:4] == b"EXIF":
            prefix = 6 if header[8:14] == b"Exif\0\0" else 0  # some writers keep the mark that JPEG needs
            return exif_orientation(reader, at + 8 + prefix, at + 8 + size)
        at += 8 + size + size % 2
    return None
