"""AVIF and HEIC: the `meta` box at the file's beginning tells everything about the primary picture.

Nothing is decoded, so a HEIC that Pillow cannot open is measured all the same. The orientation is what the properties
`irot` and `imir` say, as the EXIF number that means the same; EXIF inside a HEIF does not count, by its standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.facts import Refusal, Unknown
from preflight.probes.still.items import Item, read_items
from preflight.probes.still.reader import Picture, Unreadable, corrupt, too_complex

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.probes.still.reader import Reader

_MAX_BOXES = 32
_MAX_BOX_BYTES = 1 << 20
_SEQUENCES = frozenset({b"avis", b"hevc", b"hevx", b"heim", b"heis", b"msf1"})
_ALPHA_URNS = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_ORIENTATIONS = ((1, 4, 2), (8, 5, 7), (3, 2, 4), (6, 7, 5))
"""EXIF number by quarter turns counter-clockwise, then by mirror axis: none, 0 (top to bottom), 1 (left to right)."""


@dataclass(frozen=True, slots=True)
class _Box:
    name: bytes
    start: int
    """Where its payload begins."""
    stop: int


def read(reader: Reader) -> Picture:
    """Measure an AVIF or HEIC.

    Raises:
        Hole: more bytes are needed.
        Unreadable: the boxes do not hold, or the file ends before `meta`.
    """
    item: Item | None = None
    sequence, moov, cut, frames = False, False, False, None
    for box in _top_level(reader):
        if box.name == b"ftyp":
            payload = _payload(reader, box)
            sequence = any(payload[at : at + 4] in _SEQUENCES for at in (0, *range(8, len(payload) - 3, 4)))
        elif box.name == b"meta" and item is None:
            item = read_items(_payload(reader, box))
        elif box.name == b"moov":
            moov, frames = True, _frames(_payload(reader, box))
        cut = reader.beyond(box.stop)
        if cut or (item and not sequence):
            break
    if item is None:
        raise Unreadable(Refusal.TRUNCATED, "the file ends inside its header") if cut else corrupt("it has no header")
    truncated = True if cut else reader.lacks(item.data_stop)
    return _picture(item, truncated, animated=sequence and moov, frames=frames if sequence and moov else 1)


def _picture(item: Item, truncated: bool | None, *, animated: bool, frames: int | None) -> Picture:
    sides = item.value(b"ispe")
    if sides is None or len(sides) < 12:
        raise corrupt("its primary picture states no sides")
    width, height = int.from_bytes(sides[4:8], "big"), int.from_bytes(sides[8:12], "big")
    if not width or not height:
        raise corrupt("its header states a side of 0 pixels")
    turns, mirror = item.value(b"irot"), item.value(b"imir")
    axis = 1 + (mirror[0] & 1) if mirror else 0
    alpha = any(payload[4:].startswith(_ALPHA_URNS) for name, payload in item.all_properties if name == b"auxC")
    channels, depth = _channels(item)
    mode = {1: "L", 3: "RGB"}.get(channels or 0)
    return Picture(
        width=width,
        height=height,
        color_mode="RGBA" if alpha and mode == "RGB" else mode,
        bit_depth=depth,
        orientation=_ORIENTATIONS[turns[0] & 3 if turns else 0][axis],
        alpha=alpha,
        animated=animated,
        frames=frames,
        truncated=truncated,
        unknown=(Unknown("frames", "its picture track does not tell"),) if frames is None else (),
    )


def _channels(item: Item) -> tuple[int | None, int | None]:
    """Tell channels and bits of one channel: by `pixi`, else by the codec's own configuration."""
    if (pixi := item.value(b"pixi")) and len(pixi) >= 6:
        return pixi[4], pixi[5]
    if (av1 := item.value(b"av1C")) and len(av1) >= 3:
        depth = 8 if not av1[2] & 0x40 else 12 if av1[2] & 0x20 else 10
        return 1 if av1[2] & 0x10 else 3, depth
    if (hevc := item.value(b"hvcC")) and len(hevc) >= 18:
        return 3 if hevc[16] & 3 else 1, (hevc[17] & 7) + 8
    return None, None


# ---------------------------------------------------------------------------------------------- boxes


def _top_level(reader: Reader) -> Iterator[_Box]:
    """Walk the file's boxes, from each header to the next."""
    at = 0
    for _ in range(_MAX_BOXES):
        header = reader.upto(at, 16)
        if not header:
            return
        if len(header) < 8:
            raise Unreadable(Refusal.TRUNCATED, "the file ends inside its header")
        size, start = int.from_bytes(header[:4], "big"), at + 8
        if size == 1:
            size, start = int.from_bytes(header[8:16], "big"), at + 16
        if size == 0:  # it goes on to the end of the file
            size = (reader.total or at + _MAX_BOX_BYTES) - at
        if at + size < start:
            raise corrupt("a box shorter than its own header")
        yield _Box(header[4:8], start, at + size)
        at += size
    raise too_complex(f"more than {_MAX_BOXES} boxes beside the picture")


def _payload(reader: Reader, box: _Box) -> bytes:
    if box.stop - box.start > _MAX_BOX_BYTES:
        raise too_complex(f"a header box of {box.stop - box.start} bytes")
    return reader.take(box.start, box.stop - box.start)


def _frames(moov: bytes) -> int | None:
    """Read how many samples the first picture track counts."""
    at = moov.find(b"stsz")
    return int.from_bytes(moov[at + 12 : at + 16], "big") or None if 0 < at <= len(moov) - 16 else None
