"""Still pictures: facts from a few bytes equal those of a full decode, whoever wrote the file."""

from __future__ import annotations

import random
import struct
import zlib
from hashlib import shake_128

import pytest
from PIL import Image

from preflight.deliver.source import FLIGHT_BYTES
from preflight.deliver.sparse import Hole, Span, SparseBytes
from preflight.facts import ImageFacts, NotMedia, Refusal
from preflight.probes import pillow
from preflight.probes.image import _DECODED_BYTES, probe_image
from preflight.probes.sniff import Sniffed, sniff
from tests.pictures import (
    SIZE,
    box,
    canvas,
    encode,
    frames,
    full_box,
    heic,
    jpeg_with_segments,
    probe_sparse,
    probe_whole,
    truth,
)

NOISY = canvas(size=(400, 300), noisy=True)


def _palette_with_transparency() -> bytes:
    return encode("PNG", picture=canvas().convert("P", palette=Image.Palette.ADAPTIVE), transparency=3)


WRITTEN: dict[str, bytes] = {
    "jpeg": encode("JPEG"),
    "jpeg-grey": encode("JPEG", "L"),
    "jpeg-cmyk": encode("JPEG", "CMYK"),
    "jpeg-progressive": encode("JPEG", picture=NOISY, progressive=True, quality=95),
    "jpeg-large": encode("JPEG", picture=NOISY, quality=95),
    "jpeg-large-profile": encode("JPEG", picture=NOISY, icc_profile=bytes(177_000)),
    "jpeg-restarts": encode("JPEG", picture=NOISY, restart_marker_rows=1),
    "png": encode("PNG"),
    "png-large": encode("PNG", picture=NOISY),
    "png-large-profile": encode("PNG", picture=NOISY, icc_profile=shake_128(b"profile").digest(60_000)),
    "png-rgba": encode("PNG", "RGBA"),
    "png-grey": encode("PNG", "L"),
    "png-grey-alpha": encode("PNG", "LA"),
    "png-bilevel": encode("PNG", "1"),
    "png-palette": encode("PNG", "P"),
    "png-palette-transparent": _palette_with_transparency(),
    "png-rgb-transparent": encode("PNG", transparency=(220, 30, 60)),
    "png-16": encode("PNG", "I;16"),
    "png-animated": encode("PNG", **frames(4)),
    "png-animated-beside": encode("PNG", **frames(4), default_image=True),
    "webp": encode("WEBP"),
    "webp-large": encode("WEBP", picture=NOISY, quality=95),
    "webp-lossless": encode("WEBP", lossless=True),
    "webp-lossless-alpha": encode("WEBP", "RGBA", lossless=True),
    "webp-alpha": encode("WEBP", "RGBA"),
    "webp-animated": encode("WEBP", **frames(4)),
    "gif": encode("GIF", "P"),
    "gif-large": encode("GIF", picture=NOISY.resize((200, 150)).convert("P")),
    "gif-animated": encode("GIF", "P", **frames(4)),
    "bmp": encode("BMP"),
    "bmp-palette": encode("BMP", "P"),
    "bmp-rgba": encode("BMP", "RGBA"),
    "bmp-large": encode("BMP", picture=NOISY),
    "tiff": encode("TIFF"),
    "tiff-grey": encode("TIFF", "L"),
    "tiff-bilevel": encode("TIFF", "1"),
    "tiff-16": encode("TIFF", "I;16"),
    "tiff-rgba": encode("TIFF", "RGBA"),
    "tiff-palette": encode("TIFF", "P"),
    "tiff-cmyk": encode("TIFF", "CMYK"),
    "tiff-deflate": encode("TIFF", picture=NOISY, compression="tiff_adobe_deflate"),
    "tiff-large": encode("TIFF", picture=NOISY),
    "tiff-big": encode("TIFF", big_tiff=True),
    "tiff-pages": encode("TIFF", **frames(3)),
    "avif": encode("AVIF"),
    "avif-large": encode("AVIF", picture=NOISY, quality=95),
    "avif-alpha": encode("AVIF", "RGBA"),
    "avif-animated": encode("AVIF", **frames(4)),
    **{f"jpeg-turned-{n}": encode("JPEG", orientation=n) for n in range(1, 9)},
    **{f"png-turned-{n}": encode("PNG", orientation=n) for n in range(1, 9)},
    **{f"webp-turned-{n}": encode("WEBP", orientation=n) for n in range(1, 9)},
    **{f"tiff-turned-{n}": encode("TIFF", orientation=n) for n in range(1, 9)},
    **{f"avif-turned-{n}": encode("AVIF", orientation=n) for n in range(1, 9)},
    "webp-large-turned": encode("WEBP", picture=NOISY, quality=95, orientation=6),
    "png-large-turned": encode("PNG", picture=NOISY, orientation=5),
}
#: Facts that cost the whole file and are left open: the frames of these two formats' animations.
UNCOUNTED = {"webp-animated", "gif-animated"}


@pytest.mark.parametrize("name", WRITTEN)
def test_facts_from_a_few_bytes_are_those_of_a_full_decode(name: str) -> None:
    """Format, displayed sides, mode, alpha and animation of everything that Pillow writes."""
    blob, facts = WRITTEN[name], probe_sparse(WRITTEN[name]).facts
    expected = truth(blob)
    assert facts.format == name.split("-", maxsplit=1)[0]
    assert facts.media_type == f"image/{facts.format}"
    assert (facts.width, facts.height) == (expected.width, expected.height)
    assert facts.alpha == expected.alpha
    assert facts.color_mode == expected.mode
    assert facts.animated == (expected.frames > 1)
    assert facts.frames == (None if name in UNCOUNTED else expected.frames)
    assert facts.truncated is False
    assert {item.fact for item in facts.unknown} == ({"frames"} if name in UNCOUNTED else set())


@pytest.mark.parametrize("name", WRITTEN)
def test_a_sparse_file_and_a_whole_one_have_the_same_facts(name: str) -> None:
    """What is held beyond the asked bytes changes nothing: the same picture from disk and over HTTP."""
    assert probe_sparse(WRITTEN[name]).outcome == probe_whole(WRITTEN[name])


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "avif"])
def test_orientation_is_told_as_the_exif_number(kind: str, number: int) -> None:
    """The coded sides keep their own names; 5 to 8 exchange the displayed ones."""
    facts = probe_sparse(WRITTEN[f"{kind}-turned-{number}"]).facts
    assert facts.orientation == number
    assert (facts.coded_width, facts.coded_height) == SIZE
    assert (facts.width, facts.height) == (SIZE if number < 5 else SIZE[::-1])


@pytest.mark.parametrize(
    ("name", "depth"),
    [("jpeg", 8), ("png", 8), ("png-16", 16), ("png-bilevel", 1), ("tiff-16", 16), ("tiff-cmyk", 8), ("avif", 8)],
)
def test_bit_depth_is_that_of_one_channel(name: str, depth: int) -> None:
    """Eight for the usual ones, sixteen for deep ones."""
    assert probe_sparse(WRITTEN[name]).facts.bit_depth == depth


# --------------------------------------------------------------------------------------- bytes and trips


@pytest.mark.parametrize("name", [name for name, blob in WRITTEN.items() if len(blob) <= FLIGHT_BYTES])
def test_a_small_file_needs_nothing_after_the_head(name: str) -> None:
    """Everything is here already."""
    assert probe_sparse(WRITTEN[name]).asked == []


@pytest.mark.parametrize(
    ("name", "trips", "most"),
    [
        ("jpeg-large", 1, 64),
        ("jpeg-progressive", 1, 64),
        ("jpeg-large-profile", 4, 4 * 2048),
        ("png-large", 1, 64),
        ("png-large-profile", 2, 2048 + 64),
        ("webp-large", 0, 0),
        ("webp-large-turned", 1, 2048),
        ("gif-large", 2, 65_536),
        ("bmp-large", 0, 0),
        ("tiff-large", 1, 2048),
        ("avif-large", 0, 0),
    ],
)
def test_a_large_file_costs_a_few_small_reads(name: str, trips: int, most: int) -> None:
    """Profiles and pixels are hopped over; only the end, or a directory there, is fetched."""
    assert len(WRITTEN[name]) > FLIGHT_BYTES
    probed = probe_sparse(WRITTEN[name])
    assert len(probed.asked) <= trips
    assert probed.fetched <= most


def test_what_counts_as_small_is_what_the_first_request_brings() -> None:
    """Otherwise decoding a small picture would cost a trip of its own."""
    assert _DECODED_BYTES <= FLIGHT_BYTES


def test_the_end_is_not_asked_for_where_the_caller_cannot_have_it() -> None:
    """Without a tail the other facts stand, and truncation is unknown, not denied."""
    blob = WRITTEN["jpeg-large"]
    data = SparseBytes(len(blob))
    data.add(0, blob[:FLIGHT_BYTES])
    facts = probe_image(data, sniff(blob[:FLIGHT_BYTES], len(blob)), tail=False)
    assert isinstance(facts, ImageFacts)
    assert (facts.width, facts.truncated) == (400, None)
    assert [item.fact for item in facts.unknown] == ["truncated"]


def test_of_unknown_size_truncation_stays_unknown() -> None:
    """A server that tells no size leaves the end unproven; the sides are told all the same."""
    for name in ("jpeg-large", "png-large", "webp-large", "avif-large", "bmp-large", "tiff-deflate"):
        facts = probe_sparse(WRITTEN[name], total_known=False).facts
        assert facts.width == 400
        if facts.truncated is None:
            assert "truncated" in {item.fact for item in facts.unknown}
    assert probe_sparse(WRITTEN["jpeg-large"], total_known=False).facts.truncated is None


# ------------------------------------------------------------------------------------------- truncation


def _cuts(blob: bytes, count: int = 40) -> list[int]:
    dice = random.Random(7)  # noqa: S311  (repeatable, not secret)
    return sorted({*dice.sample(range(12, len(blob)), min(count, len(blob) - 12)), len(blob) // 2, len(blob) - 70})


WHOLE_ENOUGH = {"png": 12, "jpeg": 2, "gif": 1}
"""Bytes of the end mark: without it, or a part of it, the pixels are all there."""


@pytest.mark.parametrize("name", [name for name in WRITTEN if "turned" not in name])
def test_a_cut_picture_is_never_called_whole(name: str) -> None:
    """At many places: it is told as cut, or refused, or left unknown; and mostly told."""
    blob = WRITTEN[name]
    told = 0
    cuts = [
        cut for cut in _cuts(blob) if cut > 32 and cut < len(blob) - WHOLE_ENOUGH.get(name.split("-", maxsplit=1)[0], 0)
    ]
    for cut in cuts:
        outcome = probe_sparse(blob[:cut]).outcome
        if isinstance(outcome, ImageFacts):
            assert outcome.truncated is not False, f"cut at {cut} of {len(blob)}"
        told += isinstance(outcome, NotMedia) or outcome.truncated is True
    assert told >= 0.9 * len(cuts)


@pytest.mark.parametrize("name", ["jpeg-large", "png-large", "webp-large", "avif-large", "bmp-large", "tiff-deflate"])
def test_a_picture_cut_in_half_says_so(name: str) -> None:
    """The common accident: half an upload."""
    blob = WRITTEN[name]
    outcome = probe_sparse(blob[: len(blob) // 2]).outcome
    assert outcome.truncated if isinstance(outcome, ImageFacts) else outcome.refusal is Refusal.TRUNCATED


@pytest.mark.parametrize("name", ["jpeg-large", "png-large", "gif-large"])
@pytest.mark.parametrize("junk", [b"\0" * 40, b"\n", b"\r\n"])
def test_a_little_junk_behind_the_end_mark_is_no_damage(name: str, junk: bytes) -> None:
    """Servers and editors append padding."""
    assert probe_sparse(WRITTEN[name] + junk).facts.truncated is False


@pytest.mark.parametrize("name", ["jpeg-large", "gif-large"])
def test_padding_where_the_end_mark_must_be_is_neither_whole_nor_cut(name: str) -> None:
    """Zeros to the planned size, as an interrupted download leaves them: not established, with the reason."""
    facts = probe_sparse(WRITTEN[name][:20_000] + bytes(9_000)).facts
    assert facts.truncated is None
    assert "truncated" in {item.fact for item in facts.unknown}


@pytest.mark.parametrize("appended", [box(b"mdat", bytes(9000)) + box(b"moov", bytes(900)), bytes(9000) + b"SEFT"])
def test_a_video_behind_the_picture_is_no_damage(appended: bytes) -> None:
    """Motion photos of phones carry one behind the end mark."""
    assert probe_sparse(WRITTEN["jpeg-large"] + appended).facts.truncated is False


def test_foreign_bytes_behind_the_picture_are_not_taken_for_pixels() -> None:
    """Data that no scan can hold proves nothing about the picture."""
    assert probe_sparse(WRITTEN["jpeg-large"] + b"\xff\x01\x02" * 3000).facts.truncated is None


def test_a_picture_of_several_is_one_jpeg() -> None:
    """Phones append a second picture (MPO); the first one counts."""
    other = canvas(size=(64, 64))
    blob = encode("MPO", picture=NOISY, save_all=True, append_images=[other])
    facts = probe_sparse(blob).facts
    assert (facts.format, facts.width, facts.animated, facts.truncated) == ("jpeg", 400, False, False)


# ------------------------------------------------------------------------------------ decoding the small


def test_a_small_picture_with_damaged_pixels_is_corrupt() -> None:
    """Header and end are well; only a decoder can see it."""
    blob = bytearray(WRITTEN["png-grey"])
    at = blob.index(b"IDAT") + 4
    blob[at : at + 20] = bytes(20)
    outcome = probe_sparse(bytes(blob)).outcome
    assert isinstance(outcome, NotMedia)
    assert outcome.refusal is Refusal.CORRUPT
    assert "decoded" in outcome.detail


def test_a_picture_that_hides_its_size_from_the_header_is_not_decoded() -> None:
    """Pillow reads the last of two frame headers; what it then sees is a bomb, and is left alone."""
    blob = WRITTEN["jpeg"]
    at = blob.index(b"\xff\xc0")
    second = blob[at : at + 5] + struct.pack(">HH", 9000, 9000) + blob[at + 9 : at + 19]
    facts = probe_sparse(blob[: at + 19] + second + blob[at + 19 :]).facts
    assert (facts.width, facts.height) == SIZE


def test_a_bomb_is_measured_and_not_decoded() -> None:
    """60000 by 60000 in a few bytes: its sides are facts, its pixels are nobody's business."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    blob = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    assert (probe_sparse(blob).facts.width, probe_sparse(blob).facts.truncated) == (60_000, False)


def _chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def test_pillow_tells_its_version() -> None:
    """The report names the decoder that was asked."""
    assert pillow.version().count(".") == 2


# ------------------------------------------------------------------------------------------ jpeg, png, tiff


def test_fill_bytes_and_junk_between_jpeg_segments_are_passed_over() -> None:
    """As decoders do."""
    blob = WRITTEN["jpeg"]
    assert probe_sparse(blob[:2] + b"\xff" * 9 + b"\0\0\x07" + blob[2:]).facts.width == SIZE[0]


def test_the_first_exif_block_counts() -> None:
    """A second one, and one that is broken, change nothing."""
    blob = jpeg_with_segments(encode("JPEG", orientation=6), (0xE1, b"Exif\0\0II*\0\x08\0\0\0\xff\xff"))
    assert probe_sparse(blob).facts.orientation == 1
    blob = jpeg_with_segments(encode("JPEG", orientation=6), (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"))
    assert probe_sparse(blob).facts.orientation == 6


@pytest.mark.parametrize("number", [0, 9, 65_535])
def test_an_impossible_orientation_counts_as_none(number: int) -> None:
    """As in every viewer."""
    assert probe_sparse(encode("JPEG", orientation=number)).facts.orientation == 1


def test_a_jpeg_of_nothing_but_segments_is_refused() -> None:
    """A walk has an end."""
    blob = b"\xff\xd8" + b"\xff\xe5\x00\x02" * 2000
    outcome = probe_sparse(blob).outcome
    assert isinstance(outcome, NotMedia)
    assert outcome.refusal is Refusal.TOO_COMPLEX


@pytest.mark.parametrize(
    ("blob", "refusal"),
    [
        (b"\xff\xd8\xff\xd9" + bytes(20), Refusal.CORRUPT),
        (b"\xff\xd8\xff\xda\x00\x08" + bytes(20), Refusal.CORRUPT),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(20), Refusal.CORRUPT),
        (b"\xff\xd8\xff\xe0\xff\xf0" + bytes(20), Refusal.TRUNCATED),
        (b"\xff\xd8\xff\x00" + bytes(9000), Refusal.CORRUPT),
        (b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x10\x01\x01\x11\x00\xff\xda\x00\x08" + bytes(40), Refusal.CORRUPT),
        (WRITTEN["png"][:16] + b"\0\0\0\0" + WRITTEN["png"][20:], Refusal.CORRUPT),
        (WRITTEN["png"][:20], Refusal.TRUNCATED),
        (b"\x89PNG\r\n\x1a\n" + _chunk(b"CgBI", bytes(4)) + bytes(40), Refusal.CORRUPT),
        (WRITTEN["png"][:33] + _chunk(b"IEND", b""), Refusal.CORRUPT),
        (WRITTEN["png"][:33] + _chunk(b"tEXt", b"") * 600, Refusal.TOO_COMPLEX),
        (WRITTEN["png"][:33] + b"\xff\xff\xff\xfftEXt" + bytes(40), Refusal.CORRUPT),
        (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 9, 8, 2, 0, 0, 0)) + _chunk(b"IDAT", b""),
         Refusal.CORRUPT),
        (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 3, 2, 0, 0, 0)) + _chunk(b"IDAT", b""),
         Refusal.CORRUPT),
        (b"GIF89a" + bytes(20), Refusal.CORRUPT),
        (b"GIF89a\x09\0\x09\0\0\0\0;", Refusal.CORRUPT),
        (b"RIFF\x20\0\0\0WEBPJUNK" + bytes(30), Refusal.CORRUPT),
        (b"RIFF\x20\0\0\0WEBPVP8 \x20\0\0\0" + bytes(30), Refusal.CORRUPT),
        (b"RIFF\x20\0\0\0WEBPVP8 \x20\0\0\0\0\0\0\x9d\x01\x2a" + bytes(30), Refusal.CORRUPT),
        (b"RIFF\x20\0\0\0WEBPVP8L\x20\0\0\0" + bytes(30), Refusal.CORRUPT),
        (WRITTEN["bmp"][:18] + bytes(12) + WRITTEN["bmp"][30:], Refusal.CORRUPT),
        (b"II*\0\x08\0\0\0\0\0" + bytes(20), Refusal.CORRUPT),
        (b"II*\0\x08\0\0\0\x01\0\x00\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0" + bytes(20), Refusal.CORRUPT),
        (b"II*\0\xff\0\0\0" + bytes(20), Refusal.TRUNCATED),
        (b"\0\0\0\x10ftypheic\0\0\0\0", Refusal.CORRUPT),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x08free" * 40, Refusal.TOO_COMPLEX),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x04free", Refusal.CORRUPT),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x01free\0\0\0\0\0\0\0\0", Refusal.CORRUPT),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\x01free\xff\xff\xff\xff\0\0\0\0", Refusal.TRUNCATED),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\x70\0\0\0meta" + bytes(40), Refusal.TOO_COMPLEX),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\x07\0meta" + bytes(40), Refusal.TRUNCATED),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0\0\0meta" + bytes(4), Refusal.CORRUPT),
        (b"\0\0\0\x10ftypheic\0\0\0\0" + b"\0\0", Refusal.TRUNCATED),
        (heic().replace(b"ispe", b"isps"), Refusal.CORRUPT),
        (heic((0, 9)), Refusal.CORRUPT),
        (heic().replace(b"pitm", b"pitn"), Refusal.CORRUPT),
        (heic().replace(b"ipco", b"ipcx"), Refusal.CORRUPT),
    ],
)  # fmt: skip
def test_a_structure_that_does_not_hold_is_refused_with_its_class(blob: bytes, refusal: Refusal) -> None:
    """Cut, contradictory or excessive: each has its own word."""
    outcome = probe_sparse(blob).outcome
    assert isinstance(outcome, NotMedia), outcome
    assert outcome.refusal is refusal, outcome
    assert outcome.media_type == sniff(blob, len(blob)).media_type


def test_a_tiff_of_either_byte_order_is_read() -> None:
    """Motorola order is rare and Pillow does not write it without being told."""
    entries = [(256, 4, 640), (257, 4, 480), (258, 4, 8), (262, 4, 2), (273, 4, 200), (277, 4, 3), (279, 4, 100)]
    for mark, order in ((b"MM\0*", ">"), (b"II*\0", "<")):
        blob = mark + struct.pack(order + "IH", 8, len(entries))
        blob += b"".join(struct.pack(order + "HHII", tag, kind, 1, value) for tag, kind, value in entries)
        blob = (blob + bytes(4)).ljust(300, b"\7")
        facts = probe_sparse(blob).facts
        assert (facts.width, facts.height, facts.color_mode, facts.truncated) == (640, 480, "RGB", False)
        assert probe_sparse(blob[:299]).facts.truncated is True


def test_a_tiff_whose_pages_run_in_a_circle_is_not_counted() -> None:
    """The chain of directories is followed a little, never round."""
    blob = b"II*\0" + struct.pack("<IH", 8, 2)
    blob += struct.pack("<HHIIHHII", 256, 4, 1, 640, 257, 4, 1, 480) + struct.pack("<I", 8) + bytes(40)
    facts = probe_sparse(blob).facts
    assert (facts.width, facts.frames, facts.animated, facts.truncated) == (640, None, True, None)
    assert {"frames", "truncated"} <= {item.fact for item in facts.unknown}


def test_exif_behind_too_many_webp_chunks_leaves_the_displayed_sides_open() -> None:
    """The coded sides stand; which of them is the width on a screen is not known, and said so."""
    blob = encode("WEBP", orientation=6)
    at = blob.index(b"EXIF")
    blob = blob[:at] + b"JUNK\0\0\0\0" * 20 + blob[at:]
    facts = probe_sparse(blob[:4] + struct.pack("<I", len(blob) - 8) + blob[8:]).facts
    assert (facts.width, facts.height, facts.orientation, facts.coded_width) == (None, None, None, SIZE[0])
    assert {item.fact for item in facts.unknown} == {"width", "height", "orientation"}


def test_a_webp_that_promises_exif_and_has_none_is_upright() -> None:
    """The flag is only a promise."""
    blob = bytearray(WRITTEN["webp-alpha"])
    blob[20] |= 0x08
    assert probe_sparse(bytes(blob)).facts.orientation == 1


@pytest.mark.parametrize("height", [48, -48])
def test_old_and_upside_down_bitmaps_are_read(height: int) -> None:
    """OS/2's twelve byte header, and rows that stand from top to bottom."""
    core = b"BM" + struct.pack("<IIIIHHHH", 0, 0, 26, 12, 64, 48, 1, 24) + bytes(64 * 48 * 3)
    plain = (
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 64, height, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(64 * 48 * 3)
    )
    for blob in (core, plain):
        facts = probe_sparse(blob).facts
        assert (facts.width, facts.height, facts.color_mode, facts.truncated) == (64, 48, "RGB", False)
        assert probe_sparse(blob[:-1]).facts.truncated is True


def test_a_compressed_bitmap_tells_its_own_length() -> None:
    """Run lengths: the rows say nothing, the header's size field does."""
    blob = b"BM" + struct.pack("<IIIIiiHHIIiiII", 0, 0, 54, 40, 640, 480, 1, 8, 1, 100, 0, 0, 0, 0) + bytes(100)
    assert probe_sparse(blob).facts.truncated is False
    assert probe_sparse(blob[:-1]).facts.truncated is True


# --------------------------------------------------------------------------------------------- animation


def test_a_long_gif_is_animated_by_its_size_alone() -> None:
    """A file of more bytes than one frame can need has a second one, though it is far behind."""
    noise = [canvas(size=(300, 300), noisy=True).rotate(90 * turn).convert("P") for turn in range(6)]
    blob = encode("GIF", picture=noise[0], save_all=True, append_images=noise[1:])
    assert probe_sparse(blob).facts.animated is True


def test_a_gif_whose_first_frame_is_longer_than_the_walk_stays_open() -> None:
    """One long frame: whether another follows is not known, and said so."""
    blob = encode("GIF", picture=canvas(size=(400, 400), noisy=True).convert("P"))
    facts = probe_sparse(blob).facts
    assert len(blob) > 65_536
    assert (facts.animated, facts.frames, facts.truncated) == (None, None, False)
    assert {item.fact for item in facts.unknown} == {"animated", "frames"}


def test_a_loop_mark_does_not_make_one_frame_an_animation() -> None:
    """Ffmpeg writes it into every GIF."""
    blob = WRITTEN["gif"]
    at = blob.index(b"\x2c\0\0\0\0")
    blob = blob[:at] + b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0" + blob[at:]
    assert probe_sparse(blob).facts.animated is False


# --------------------------------------------------------------------------------------------- avif, heic


@pytest.mark.parametrize("wide", [False, True])
def test_a_heic_is_measured_without_a_decoder(wide: bool) -> None:
    """The primary picture's own sides, not those of a tile; all bytes there."""
    facts = probe_sparse(heic((4032, 3024), wide=wide)).facts
    assert facts == ImageFacts(
        "heic", "image/heic", 4032, 3024, 4032, 3024, orientation=1, color_mode="RGB", bit_depth=8, alpha=False,
        animated=False, frames=1, truncated=False,
    )  # fmt: skip


ROTATE = {0: None, 1: Image.Transpose.ROTATE_90, 2: Image.Transpose.ROTATE_180, 3: Image.Transpose.ROTATE_270}
MIRROR = {None: None, 0: Image.Transpose.FLIP_TOP_BOTTOM, 1: Image.Transpose.FLIP_LEFT_RIGHT}


@pytest.mark.parametrize("mirror", MIRROR)
@pytest.mark.parametrize("turns", ROTATE)
def test_irot_and_imir_are_told_as_the_exif_number_of_the_same_turn(turns: int, mirror: int | None) -> None:
    """Ground truth: turning a real picture by both, and by Pillow's reading of the number, gives the same pixels."""
    facts = probe_sparse(heic((40, 30), turns=turns, mirror=mirror)).facts
    source = canvas(size=(40, 30))
    expected = source
    for step in (ROTATE[turns], MIRROR[mirror]):
        expected = expected.transpose(step) if step is not None else expected
    exif = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270",
            7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip
    assert facts.orientation is not None
    name = exif.get(facts.orientation)
    turned = source.transpose(Image.Transpose[name]) if name else source
    assert turned.tobytes() == expected.tobytes()
    assert (facts.width, facts.height) == expected.size


@pytest.mark.parametrize(("depth", "expected"), [(10, 10), (None, 8)])
def test_heic_depth_comes_from_pixi_or_else_from_the_codec(depth: int | None, expected: int) -> None:
    """Old writers leave `pixi` out."""
    facts = probe_sparse(heic(depth=depth)).facts
    assert (facts.bit_depth, facts.color_mode) == (expected, "RGB")


def test_heic_alpha_and_sequence_are_told() -> None:
    """An alpha picture beside the primary one; a track of pictures behind it."""
    facts = probe_sparse(heic(alpha=True)).facts
    assert (facts.alpha, facts.color_mode) == (True, "RGBA")
    facts = probe_sparse(heic(sequence=12, brand=b"hevc")).facts
    assert (facts.animated, facts.frames, facts.truncated) == (True, 12, False)


def test_heic_pixels_behind_the_end_of_the_file_mean_a_cut() -> None:
    """One byte is enough; a sequence is judged by its last box."""
    assert probe_sparse(heic()[:-1]).facts.truncated is True
    assert probe_sparse(heic(sequence=3, brand=b"hevc")[:-1]).facts.truncated is True


def test_an_item_table_of_endless_empty_extents_is_passed_at_once() -> None:
    """65,535 extents of no bytes each, thousands of times, would be a day's work for a few kilobytes."""
    iloc = full_box(b"iloc", 0, 0, b"\0\0", struct.pack(">H", 60_000), struct.pack(">HHH", 1, 0, 65_535) * 60_000)
    sides = full_box(b"ispe", 0, 0, struct.pack(">II", 400, 300))
    ipma = full_box(b"ipma", 0, 0, struct.pack(">IHBB", 1, 1, 1, 1))
    properties = box(b"iprp", box(b"ipco", sides), ipma)
    meta = full_box(b"meta", 0, 0, full_box(b"pitm", 0, 0, b"\0\1"), iloc, properties)
    facts = probe_sparse(box(b"ftyp", b"heic\0\0\0\0") + meta).facts
    assert (facts.width, facts.color_mode) == (400, None)


# ------------------------------------------------------------------------------------------ wrong usage


def test_only_a_picture_can_be_probed_as_one() -> None:
    """Wrong usage is told at once."""
    with pytest.raises(ValueError, match="not sniffed as a picture"):
        probe_image(SparseBytes.whole(b"x"), Sniffed("iso", "mp4", "video/mp4"))


def test_a_hole_names_missing_bytes_only_inside_the_file() -> None:
    """Delivery must never be asked for what cannot be."""
    blob = WRITTEN["jpeg-large-profile"]
    data = SparseBytes(len(blob))
    data.add(0, blob[:FLIGHT_BYTES])
    with pytest.raises(Hole) as hole:
        probe_image(data, sniff(blob[:FLIGHT_BYTES], len(blob)))
    assert hole.value.span.stop is not None
    assert data.missing(hole.value.span) == (Span(hole.value.span.start, hole.value.span.stop),)
