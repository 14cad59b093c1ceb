"""What a file is, by its first bytes alone. No extension and no declared media type is ever looked at.

Signatures that name one format come first, then patterns (sound frames, transport packets), then text; what is left
is garbage. Nothing here follows an offset out of the bytes that it was given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from preflight.facts import Refusal
from preflight.probes.signatures import BRANDS, REFUSED, Kind
from preflight.probes.textual import text_kind

Family = Literal["iso", "ebml", "mpegts", "avi", "image", "refused"]


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the first bytes say.

    `format` is one of mp4 mov m4v 3gp webm matroska mpegts avi, or of jpeg png webp gif bmp tiff avif heic; None when
    refused: then `refusal` tells the class, and `detail` names it as a phrase with its article, "an HTML page".
    """

    family: Family
    format: str | None
    media_type: str | None
    refusal: Refusal | None = None
    detail: str = ""


def sniff(head: bytes, total: int | None) -> Sniffed:
    """Name the format of a file that begins with `head`; `total` is its size in bytes where that is known."""
    if not head:
        return _refused((Refusal.EMPTY, None, "an empty file"))
    for look in (_picture, _riff, _iso, _ebml, _signature, _ogg, _mpeg_audio, _transport_stream):
        if found := look(head):
            return found
    cut = total is None or total > len(head)
    if kind := text_kind(head, cut=cut):
        return _refused(kind)
    return _refused((Refusal.GARBAGE, None, "data of no known format" if head.strip(b"\0") else "zero bytes only"))


def _refused(kind: Kind) -> Sniffed:
    refusal, media_type, detail = kind
    return Sniffed("refused", None, media_type, refusal, detail)


def _signature(head: bytes) -> Sniffed | None:
    return next((_refused(kind) for offset, magic, kind in REFUSED if head.startswith(magic, offset)), None)


# ------------------------------------------------------------------------------------- still pictures

_PICTURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0\x08\0\0\0", "tiff"),  # BigTIFF
    (b"MM\0+\0\x08\0\0", "tiff"),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def _picture(head: bytes) -> Sniffed | None:
    if head.startswith(b"II*\0") and head[8:10] == b"CR":
        return _refused((Refusal.UNSUPPORTED, "image/x-canon-cr2", "a Canon raw picture"))
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Sniffed("image", "bmp", "image/bmp")
    name = next((name for magic, name in _PICTURES if head.startswith(magic)), None)
    return Sniffed("image", name, f"image/{name}") if name else None


# ---------------------------------------------------------------------------------------- containers


def _riff(head: bytes) -> Sniffed | None:
    if head[:4] not in {b"RIFF", b"RF64", b"RIFX"} or len(head) < 12:
        return None
    match head[8:12]:
        case b"WEBP":
            return Sniffed("image", "webp", "image/webp")
        case b"AVI " | b"AVIX" | b"AVI\x19":
            return Sniffed("avi", "avi", "video/x-msvideo")
        case b"WAVE":
            return _refused((Refusal.AUDIO, "audio/wav", "a WAV sound file"))
        case b"ACON":
            return _refused((Refusal.UNSUPPORTED, "application/x-navi-animation", "an animated cursor"))
        case _:
            return _refused((Refusal.UNSUPPORTED, None, "a RIFF file that is neither WebP nor AVI"))


_SEGMENT_BOXES = frozenset({b"styp", b"sidx", b"moof", b"emsg", b"prft"})
_MOVIE_BOXES = frozenset({b"moov", b"mdat", b"pnot"})
_FILLER_BOXES = frozenset({b"free", b"skip", b"wide"})


def _iso(head: bytes) -> Sniffed | None:
    """Name by the brands; QuickTime before 2001 stated none and began with the movie, its data or filler."""
    position = 0
    while position + 8 <= len(head):
        size, name = int.from_bytes(head[position : position + 4], "big"), head[position + 4 : position + 8]
        if 2 <= size < 8:
            break
        if name == b"ftyp":
            return _by_brands(head[position + 8 : position + max(size, 16)])
        if position == 0 and head[:16].isascii() and head[:16].decode().isprintable():
            break  # four letters in a text are no box
        if name in _SEGMENT_BOXES:
            return Sniffed("iso", "mp4", "video/mp4")
        if name in _MOVIE_BOXES:
            return Sniffed("iso", "mov", "video/quicktime")
        if name not in _FILLER_BOXES:
            break
        if size < 8 or position + size + 8 > len(head):  # it fills what is here: a brand may follow, none is seen
            return Sniffed("iso", "mov", "video/quicktime")
        position += size
    return None


def _by_brands(payload: bytes) -> Sniffed:
    """`payload` is an `ftyp` box's: major brand, minor version, compatible brands."""
    brands = [payload[at : at + 4] for at in (0, *range(8, len(payload) - 3, 4))]
    generic = Sniffed("image", "heic", "image/heif") if brands[0] in {b"mif1", b"msf1", b"miaf"} else None
    for brand in brands if generic else brands[:1]:
        if kind := BRANDS.get(brand):
            return _refused(kind)
        if brand in {b"avif", b"avis"}:
            return Sniffed("image", "avif", "image/avif")
        if brand in {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}:
            return Sniffed("image", "heic", "image/heic")
    return generic or _movie(brands[0])


def _movie(major: bytes) -> Sniffed:
    match major[:3]:
        case b"qt ":
            return Sniffed("iso", "mov", "video/quicktime")
        case b"M4V":
            return Sniffed("iso", "m4v", "video/x-m4v")
        case b"3gp" | b"3gs" | b"3gr" | b"3ge" | b"3gg" | b"mmp":
            return Sniffed("iso", "3gp", "video/3gpp")
        case b"3g2" | b"kdd":
            return Sniffed("iso", "3gp", "video/3gpp2")
        case _:
            return Sniffed("iso", "mp4", "video/mp4")


def _ebml(head: bytes) -> Sniffed | None:
    if not head.startswith(b"\x1a\x45\xdf\xa3"):
        return None
    at = head.find(b"\x42\x82", 4, 80)  # DocType: an EBML header is some forty bytes long
    length = head[at + 2] & 0x7F if 0 < at < len(head) - 2 else 0
    doctype = head[at + 3 : at + 3 + length].rstrip(b"\0") if length else b"matroska"
    if doctype == b"webm":
        return Sniffed("ebml", "webm", "video/webm")
    if doctype == b"matroska" or b"matroska".startswith(doctype):
        return Sniffed("ebml", "matroska", "video/matroska")
    return _refused((Refusal.UNSUPPORTED, None, "an EBML file that is neither WebM nor Matroska"))


def _transport_stream(head: bytes) -> Sniffed | None:
    """Sync bytes at equal strides; a recording may begin in the middle of a packet (then more of them must agree)."""
    for stride, detail in (
        (188, ""),
        (192, "packets of 192 bytes, as from a camcorder"),
        (204, "packets of 204 bytes"),
    ):
        for offset in range(min(stride, len(head))):
            syncs = range(offset, len(head) - 3, stride)
            wanted = 3 if offset in {0, 4} else 5
            if len(syncs) >= wanted and all(_is_packet(head, at) for at in syncs[:8]):
                return Sniffed("mpegts", "mpegts", "video/mp2t", detail=detail)
    return None


def _is_packet(head: bytes, at: int) -> bool:
    return head[at] == 0x47 and head[at + 3] & 0x30 != 0  # 0: reserved adaptation field control


# --------------------------------------------------------------------------------------------- sound


def _ogg(head: bytes) -> Sniffed | None:
    if not head.startswith(b"OggS"):
        return None
    if any(mark in head[:512] for mark in (b"\x80theora", b"fishead\0", b"BBCD\0", b"OVP80")):
        return _refused((Refusal.UNSUPPORTED, "video/ogg", "an Ogg video"))
    return _refused((Refusal.AUDIO, "audio/ogg", "an Ogg sound file"))


def _mpeg_audio(head: bytes) -> Sniffed | None:
    """Tell MP3 and ADTS by the header of their first frame, where no tag stands before it.

    Layer I is left out: nobody uses it, and the byte order mark of UTF-16 looks like it.
    """
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0xF < 13:
        return _refused((Refusal.AUDIO, "audio/aac", "an AAC sound file"))
    version, layer, bitrate, rate = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2] >> 4, head[2] >> 2 & 3
    if head[1] & 0xE0 == 0xE0 and version != 1 and layer in {1, 2} and 0 < bitrate < 15 and rate != 3:
        return _refused((Refusal.AUDIO, "audio/mpeg", "an MPEG sound file (MP3)"))
    return None
