"""A still picture's facts: its header read by the format's own reader, its end looked at, a small one decoded.

Everything follows from the bytes and the size, never from where they came, so that a file and its copy behind HTTP have
the same facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.facts import ImageFacts, NotMedia, Refusal, Unknown
from preflight.probes.still import bmp, gif, heif, jpeg, png, tiff, webp
from preflight.probes.still.reader import Picture, Reader, Unreadable

if TYPE_CHECKING:
    from preflight.deliver.sparse import SparseBytes
    from preflight.probes.sniff import Sniffed

_READERS = {
    "jpeg": jpeg.read,
    "png": png.read,
    "webp": webp.read,
    "gif": gif.read,
    "bmp": bmp.read,
    "tiff": tiff.read,
    "avif": heif.read,
    "heic": heif.read,
}
#: A file of at most this many bytes comes whole with the first request; then it is decoded, unless it is a bomb.
_DECODED_BYTES = 11_264
_DECODED_PIXELS = 16_000_000
_DECODED_FORMATS = frozenset({"jpeg", "png", "webp", "gif", "avif"})
#: How much of the file's end is looked at for the end mark, and how much when it is not there.
_TAILS = (64, 4096)


def probe_image(data: SparseBytes, sniffed: Sniffed, *, tail: bool = True) -> ImageFacts | NotMedia:
    """Measure the picture that `sniffed` names.

    `tail` False: do not ask for the file's end (where the end cannot be had); then `truncated` may stay unknown.

    Raises:
        Hole: bytes that are needed are not held.
    """
    name, media_type = sniffed.format, sniffed.media_type
    if name not in _READERS or media_type is None:
        raise ValueError("not sniffed as a picture")
    try:
        picture = _READERS[name](Reader(data))
    except Unreadable as stop:
        return NotMedia(stop.refusal, stop.detail, media_type)
    truncated = _truncated(data, picture, tail=tail)
    if truncated is not True and _is_decoded(data, name, picture):
        from preflight.probes.pillow import undecodable  # noqa: PLC0415  (heavy, and rarely needed)

        if error := undecodable(data.read(0, _DECODED_BYTES), name, _DECODED_PIXELS):
            return NotMedia(Refusal.CORRUPT, f"its pixels cannot be decoded ({error})", media_type)
    if isinstance(truncated, Unknown):
        return _facts(name, media_type, picture, None, truncated)
    return _facts(name, media_type, picture, truncated)


def _truncated(data: SparseBytes, picture: Picture, *, tail: bool) -> bool | Unknown:
    """Decide whether the file is cut: by its structure, else by its end. The only place that asks for the end.

    A picture cut in half is common and fails the job late, so its end is worth one small read on the warm connection;
    a second, wider one follows only where the first does not show the end mark.
    """
    if picture.truncated is not None:
        return picture.truncated
    if (known := next((item for item in picture.unknown if item.fact == "truncated"), None)) is not None:
        return known
    if data.total is None or picture.intact is None:
        return Unknown("truncated", "the size of the file is not known")
    if not tail:
        return Unknown("truncated", "the end of the file could not be had")
    intact = None
    for size in _TAILS:
        intact = picture.intact(data.read(max(picture.body, data.total - size), data.total))
        if intact:
            return False
    return True if intact is False else Unknown("truncated", "the file ends neither with pixels nor with an end mark")


def _is_decoded(data: SparseBytes, name: str, picture: Picture) -> bool:
    pixels = (picture.width or 0) * (picture.height or 0)
    small = data.total is not None and data.total <= _DECODED_BYTES and pixels <= _DECODED_PIXELS
    return small and name in _DECODED_FORMATS and not (name == "jpeg" and picture.bit_depth != 8)


def _facts(name: str, media_type: str, picture: Picture, truncated: bool | None, *more: Unknown) -> ImageFacts:
    width, height = picture.width, picture.height
    unknown = {item.fact: item for item in (*picture.unknown, *more)}
    if picture.orientation is None:
        width = height = None
        reason = unknown["orientation"].reason
        unknown |= {side: Unknown(side, reason) for side in ("width", "height")}
    elif picture.orientation >= 5:
        width, height = height, width
    for fact in ("color_mode", "bit_depth", "alpha"):
        if getattr(picture, fact) is None:
            unknown.setdefault(fact, Unknown(fact, "its header does not tell"))
    return ImageFacts(
        format=name,
        media_type=media_type,
        width=width,
        height=height,
        coded_width=picture.width,
        coded_height=picture.height,
        orientation=picture.orientation,
        color_mode=picture.color_mode,
        bit_depth=picture.bit_depth,
        alpha=picture.alpha,
        animated=picture.animated,
        frames=picture.frames,
        truncated=truncated,
        unknown=tuple(unknown.values()),
    )
