"""Resource bombs as bytes: small files that claim, nest or unpack to much."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from preflight.deliver.source import FLIGHT_BYTES
from preflight.probes.movie import MAX_TRACKS
from tests.hostile.disguises import element, section
from tests.media import Clip, build, find_box, patch
from tests.pictures import box, encode, full_box, heic, jpeg_with_segments

if TYPE_CHECKING:
    from collections.abc import Callable

CLIP = Clip(width=32, height=32, fps=Fraction(5), video=Fraction(3), gop=4)
ALL_ONES = b"\xff" * 4
TABLE = (b"moov", b"trak", b"mdia", b"minf", b"stbl")


@cache
def deflated(size: int) -> bytes:
    """So many zero bytes, packed by zlib to a thousandth."""
    return zlib.compress(bytes(size), 9)


# ------------------------------------------------------------------------------------------------- movies


def _u32(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)


def _stsz(uniform: int, count: int) -> Callable[[], bytes]:
    """A sample count of nothing but its claim."""

    def make() -> bytes:
        data = build(CLIP)
        start, _ = find_box(data, *TABLE, b"stsz")
        return patch(data, start + 12, _u32(uniform, count))

    return make


def _with_table(name: bytes, payload: bytes, clip: Clip = CLIP) -> bytes:
    """A clip whose table is another; the boxes around it grow."""
    data = build(clip)
    start, stop = find_box(data, *TABLE, name)
    new = box(name, payload)
    places = [find_box(data, *TABLE[:depth])[0] for depth in range(1, len(TABLE) + 1)]
    for at in places:
        (size,) = struct.unpack_from(">I", data, at)
        data = patch(data, at, _u32(size + len(new) - (stop - start)))
    return data[:start] + new + data[stop:]


def _flood(name: bytes, count: int, entry: bytes) -> Callable[[], bytes]:
    return lambda: _with_table(name, _u32(0, count) + entry * count)


def _movie(*inside: bytes) -> bytes:
    mvhd = full_box(b"mvhd", 0, 0, _u32(0, 0, 1000, 5000), bytes(80))
    return box(b"ftyp", b"isom\0\0\2\0isom") + box(b"moov", mvhd, *inside) + box(b"mdat", bytes(64))


def _trak(samples: int = 1) -> bytes:
    data = build(CLIP)
    start, stop = find_box(data, b"moov", b"trak")
    at, _ = find_box(data[start:stop], b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    return patch(data[start:stop], at + 12, _u32(1, samples))


def _nested(name: bytes, depth: int) -> bytes:
    """Boxes in boxes, made from the inside without copying them again and again."""
    return b"".join(_u32(8 * (depth - level)) + name for level in range(depth))


def _fragmented(flags: int, count: int, entry: bytes = b"") -> Callable[[], bytes]:
    """A last fragment whose run claims `count` samples."""

    def make() -> bytes:
        data = build(replace(CLIP, muxer=(("movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer"),)))
        run = full_box(b"trun", 0, flags, _u32(count), entry * count)
        head = full_box(b"tfhd", 0, 0x20000, _u32(1)) + full_box(b"tfdt", 0, 0, _u32(0))
        return data + box(b"moof", full_box(b"mfhd", 0, 0, _u32(9)), box(b"traf", head, run)) + box(b"mdat", bytes(64))

    return make


def _compressed_movie() -> bytes:
    """A compressed index (`cmov`) that unpacks to 200 MB."""
    packed = box(b"cmvd", _u32(200_000_000), deflated(200_000_000))
    return box(b"ftyp", b"qt  \0\0\2\0qt  ") + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), packed))


# -------------------------------------------------------------------------------------- the other containers


def _matroska(*inside: bytes, size: bytes = b"\x01" + b"\xff" * 7) -> bytes:
    head = element(0x1A45DFA3, element(0x4282, b"matroska"))
    return head + b"\x18\x53\x80\x67" + size + b"".join(inside)


def _ebml_tracks(count: int) -> bytes:
    return element(0x1654AE6B, *[element(0xAE, b"\xd7\x81\1\x83\x81\1\x86\x85V_VP8")] * count)


def _deep_ebml(depth: int) -> bytes:
    """SimpleTags in SimpleTags."""
    return b"".join(b"\x67\xc8" + struct.pack(">Q", 10 * (depth - level - 1) | 1 << 56) for level in range(depth))


def _packed_track() -> bytes:
    """A track whose codec data is compressed (ContentEncoding) and unpacks to 200 MB."""
    encoding = element(0x6240, element(0x5031, b"\0"), element(0x5032, b"\2"), element(0x5034, element(0x4254, b"\0")))
    entry = element(0xD7, b"\1") + element(0x83, b"\1") + element(0x86, b"V_MPEG4/ISO/AVC")
    private = element(0x63A2, deflated(200_000_000))
    return _matroska(element(0x1654AE6B, element(0xAE, entry, private, element(0x6D80, encoding))))


def _avi(entries: int) -> bytes:
    """An AVI whose index claims all that its bytes can hold, and streams without end."""
    data = build(replace(CLIP, format="avi", codec="mpeg4"))
    (size,) = struct.unpack_from("<I", data, 16)
    indx = b"indx" + struct.pack("<IHBBI4s12x", 24 + entries * 8, 2, 0, 0, 0xFFFFFFFF, b"00dc") + bytes(entries * 8)
    return data[:16] + struct.pack("<I", size + len(indx)) + data[20 : 20 + size] + indx + data[20 + size :]


def _programs() -> bytes:
    """A transport stream of thousands of programs, each with streams of its own."""
    pat = [section(0, 0, b"".join(struct.pack(">HH", n, 0xE000 | 0x20 + n) for n in range(i, i + 40)), 1)
           for i in range(1, 4000, 40)]  # fmt: skip
    streams = b"".join(b"\x1b" + struct.pack(">HH", 0xE000 | pid, 0xF000) for pid in range(0x1000, 0x1000 + 32))
    pmt = [section(0x20 + n, 2, b"\xe1\0\xf0\0" + streams, n) for n in range(1, 4000)]
    return b"".join(pat + pmt)[:380_000]


# ---------------------------------------------------------------------------------------------- pictures


def _png(sides: tuple[int, int], *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return _u32(len(payload)) + kind + payload + _u32(zlib.crc32(kind + payload))

    header = chunk(b"IHDR", _u32(*sides) + b"\x08\x02\0\0\0")
    pixels = chunk(b"IDAT", deflated(min(3 * sides[0] * sides[1] + sides[1], 48_000_000)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*item) for item in chunks) + pixels + chunk(b"IEND", b"")


def _gif(sides: tuple[int, int], frames: int) -> bytes:
    """A canvas, and frames of one pixel each that cover none of it."""
    picture = b"\x21\xf9\x04\x09\0\0\0\0\x2c\0\0\0\0\1\0\1\0\0\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", *sides, 0x80, 0, 0) + bytes(6) + picture * frames + b";"


def _tiff_loop() -> bytes:
    """A directory that is its own successor."""
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, 9) for tag in (256, 257))
    return b"II*\0" + struct.pack("<IH", 8, 2) + tags + struct.pack("<I", 8)


def _webp_loop() -> bytes:
    """Chunks of no size, thousands of them."""
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\xff\xff\xff" * 2 + (b"ANMF" + bytes(4)) * 4000
    return b"RIFF" + struct.pack("<I", len(body)) + body


BOMBS: dict[str, Callable[[], bytes]] = {
    "stsz-60-million": _stsz(0, 60_000_000),
    "stsz-constant-89-million": _stsz(1, 89_000_000),
    "stsz-all-ones": _stsz(0xFFFFFFFF, 0xFFFFFFFF),
    "stsz-2-million-held": lambda: _with_table(b"stsz", _u32(0, 0, 1_900_000) + bytes(4 * 1_900_000)),
    "stts-flood": _flood(b"stts", 500_000, _u32(1, 1)),
    "stts-one-giant-run": _flood(b"stts", 1, _u32(0xFFFFFFFF, 0xFFFFFFFF)),
    "ctts-flood": _flood(b"stts", 400_000, _u32(0, 0)),
    "stsc-flood": _flood(b"stsc", 300_000, _u32(1, 0xFFFFFFFF, 1)),
    "stco-flood": _flood(b"stco", 900_000, _u32(0)),
    "stss-flood": lambda: _movie(_trak(), box(b"stss", bytes(4 << 20))),
    "traks-3000": lambda: _movie(*[_trak()] * 3000),
    "traks-of-a-million": lambda: _movie(*[_trak(1_000_000)] * 60),
    "traks-as-allowed": lambda: _movie(*[_trak(1_000_000)] * MAX_TRACKS),
    "samples-of-a-lied-size": lambda: _movie(*[_trak(3_900_000)] * 4) + bytes(FLIGHT_BYTES),
    "boxes-nested-100000": lambda: _movie(_nested(b"udta", 100_000)),
    "boxes-nested-meta": lambda: _movie(_nested(b"trak", 50_000)),
    "boxes-of-size-zero": lambda: box(b"ftyp", b"isom\0\0\2\0") + bytes(1 << 20),
    "boxes-tiny-at-the-top": lambda: box(b"ftyp", b"isom\0\0\2\0") + box(b"free") * 400_000 + box(b"mdat", b"x"),
    "boxes-tiny-inside": lambda: _movie(box(b"free") * 500_000, _trak()),
    "box-of-2-to-the-63": lambda: box(b"ftyp", b"isom\0\0\2\0") + _u32(1) + b"moov" + b"\x7f" + b"\xff" * 7,
    "box-larger-than-all": lambda: _movie(_u32(0xFFFFFFF0) + b"trak" + _trak()[8:]),
    "trun-flood": _fragmented(0x200, 200_000, _u32(1)),
    "trun-without-entries": _fragmented(0, 0xFFFFFFFF),
    "sidx-flood": lambda: _movie(_trak(), box(b"mvex")) + full_box(b"sidx", 0, 0, bytes(18), ALL_ONES * 196_605),
    "cmov-200-mb": _compressed_movie,
    "ebml-huge-element": lambda: _matroska(b"\x15\x49\xa9\x66\x01\x7f" + b"\xff" * 6),
    "ebml-unknown-sizes": lambda: _matroska(*[b"\x18\x53\x80\x67\x01" + b"\xff" * 7] * 2000),
    "ebml-deep": lambda: _matroska(_ebml_tracks(1), element(0x1254C367, element(0x7373, _deep_ebml(100_000)))),
    "ebml-tracks": lambda: _matroska(_ebml_tracks(60_000)),
    "ebml-voids": lambda: _matroska(*[b"\xec\x80"] * 500_000),
    "ebml-cues": lambda: _matroska(element(0x1C53BB6B, *[element(0xBB, b"\xb3\x81\1")] * 100_000), element(0x1654AE6B)),
    "ebml-packed-private": _packed_track,
    "ebml-clusters": lambda: build(replace(CLIP, format="matroska", to_pipe=True)) + b"\x1f\x43\xb6\x75\x80" * 200_000,
    "avi-index": lambda: _avi(120_000),
    "avi-streams": lambda: build(replace(CLIP, format="avi", codec="mpeg4")).replace(b"\2\0\0\0", ALL_ONES, 1),
    "ts-programs": _programs,
    "ts-flood": lambda: section(0, 0, b"\0\1\xe0\x20") + (b"\x47\x1f\xff\x30\xb7" + bytes(183)) * 40_000,
    "ts-one-endless-packet": lambda: build(replace(CLIP, format="mpegts")) + (b"\x47\1\0\x10" + bytes(184)) * 30_000,
    "png-60000": lambda: _png((60_000, 60_000)),
    "png-all-ones": lambda: _png((0x7FFFFFFF, 0x7FFFFFFF)),
    "png-small-and-full": lambda: _png((3900, 3900)),
    "png-ztxt": lambda: _png((9, 9), (b"zTXt", b"x\0\0" + deflated(200_000_000))),
    "png-itxt": lambda: _png((9, 9), (b"iTXt", b"x\0\1\0\0\0" + deflated(200_000_000))),
    "png-iccp": lambda: _png((9, 9), (b"iCCP", b"x\0\0" + deflated(200_000_000))),
    "png-ztxt-within-a-flight": lambda: _png((9, 9), (b"zTXt", b"x\0\0" + deflated(10_000_000))),
    "png-frames": lambda: _png((9, 9), (b"acTL", _u32(0x7FFFFFFF, 0))),
    "png-chunks": lambda: _png((9, 9), *[(b"tEXt", b"")] * 100_000),
    "gif-canvas": lambda: _gif((10_000, 8_000), 480),
    "gif-canvas-within-limits": lambda: _gif((4_000, 4_000), 480),
    "gif-100000-frames": lambda: _gif((9, 9), 100_000),
    "gif-all-ones": lambda: _gif((65535, 65535), 1),
    "jpeg-65000-segments": lambda: jpeg_with_segments(encode("JPEG"), *[(0xE2, b"")] * 65_000),
    "jpeg-65500": lambda: _jpeg_claims(65_500, 65_500),
    "jpeg-4000-in-a-flight": lambda: _jpeg_claims(4_000, 4_000),
    "webp-all-ones": lambda: b"RIFF\x1e\0\0\0WEBPVP8L\x11\0\0\0\x2f" + b"\xff" * 17,
    "webp-empty-chunks": _webp_loop,
    "avif-all-ones": lambda: heic((0xFFFFFFFF, 0xFFFFFFFF), brand=b"avif"),
    "avif-huge": lambda: _avif_claims(30_000),
    "heic-huge": lambda: heic((60_000, 60_000)),
    "heic-extents": lambda: heic().replace(b"iloc\1\0\0\0\x44\0", b"iloc\1\0\0\0\0\0"),
    "tiff-loop": _tiff_loop,
    "tiff-many-tags": lambda: b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(12 * 65535 + 4),
    "bmp-all-ones": lambda: b"BM" + bytes(12) + struct.pack("<IiiHH", 40, 2**31 - 1, 2**31 - 1, 1, 24) + bytes(24),
}  # fmt: skip


def _jpeg_claims(width: int, height: int) -> bytes:
    data = encode("JPEG")
    at = data.index(b"\xff\xc0") + 5
    return patch(data, at, struct.pack(">HH", height, width))


def _avif_claims(side: int) -> bytes:
    data = encode("AVIF")
    return patch(data, data.index(b"ispe") + 8, _u32(side, side))


#: Bombs whose claims are believed only of a large file: the server says that it is one.
OF_A_LIED_SIZE = frozenset({"samples-of-a-lied-size", "traks-as-allowed"})
