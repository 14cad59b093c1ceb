"""TIFF: the first directory of tags, wherever in the file it stands.

The strips' places and lengths prove whether the pixels are all there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.facts import Refusal, Unknown
from preflight.probes.still.ifd import ORIENTATION, Tiff
from preflight.probes.still.reader import Picture, Unreadable, corrupt

if TYPE_CHECKING:
    from preflight.probes.still.ifd import Entry
    from preflight.probes.still.reader import Reader

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _EXTRA = 256, 257, 258, 262, 277, 338
_PLACES = ((273, 279), (324, 325))
"""Tags of offsets and byte counts: strips, tiles."""
_MAX_PLACES = 16_384
_MAX_PAGES = 8
_MODES = {0: "L", 1: "L", 2: "RGB", 3: "P", 5: "CMYK", 6: "RGB", 8: "LAB"}


def read(reader: Reader) -> Picture:
    """Measure a TIFF by its first page.

    Raises:
        Hole: more bytes are needed.
        Unreadable: its first directory is missing or broken.
    """
    tiff = Tiff.open(reader, 0)
    tags, following = tiff.directory(tiff.first)
    width, height = tiff.value(tags.get(_WIDTH), 0), tiff.value(tags.get(_HEIGHT), 0)
    if not width or not height:
        raise corrupt("its header states a side of 0 pixels")
    bits = (tiff.values(tags.get(_BITS), 16) or (1,))[0]
    extra = tiff.values(tags.get(_EXTRA), 16) or ()
    orientation = tiff.value(tags.get(ORIENTATION), 1)
    alpha = 1 in extra or 2 in extra  # 0: a channel of no stated meaning
    pages, truncated = _walk(tiff, tags, following)
    unknown = [] if pages else [Unknown("frames", f"its chain of more than {_MAX_PAGES} pages is not followed")]
    if truncated is None:
        unknown.append(Unknown("truncated", "its directories do not tell where the pixels end"))
    return Picture(
        width=width,
        height=height,
        color_mode=_mode(tiff.value(tags.get(_PHOTOMETRIC), -1), bits, alpha=alpha),
        bit_depth=bits,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        alpha=alpha,
        animated=pages != 1,
        frames=pages,
        truncated=truncated,
        unknown=tuple(unknown),
    )


def _mode(photometric: int, bits: int, *, alpha: bool) -> str | None:
    mode = _MODES.get(photometric)
    if mode == "L":
        mode = {1: "1", 16: "I;16", 32: "I"}.get(bits, "L")
    return {"RGB": "RGBA", "L": "LA"}.get(mode or "", mode) if alpha else mode


def _walk(tiff: Tiff, tags: dict[int, Entry], following: int) -> tuple[int | None, bool | None]:
    """Count the pages (None: too many, or they run in a circle) and tell whether the pixels of one are cut off."""
    cuts, seen = [_is_cut(tiff, tags)], {tiff.first}
    while following and True not in cuts:
        if following in seen or len(seen) == _MAX_PAGES:
            return None, None
        seen.add(following)
        try:
            tags, following = tiff.directory(following)
        except Unreadable as stop:
            return None, True if stop.refusal is Refusal.TRUNCATED else None
        cuts.append(_is_cut(tiff, tags))
    truncated = True if True in cuts else None if None in cuts else False
    return None if following else len(seen), truncated


def _is_cut(tiff: Tiff, tags: dict[int, Entry]) -> bool | None:
    for offsets_tag, counts_tag in _PLACES:
        offsets = tiff.values(tags.get(offsets_tag), _MAX_PLACES)
        counts = tiff.values(tags.get(counts_tag), _MAX_PLACES)
        if offsets and counts and len(offsets) == len(counts):
            return tiff.reader.lacks(max(map(sum, zip(offsets, counts, strict=True))))
    return None
