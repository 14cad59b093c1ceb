"""Pictures of every format, made at run time, and the truth about them from a full decode."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageOps

from preflight.deliver.sparse import Hole, Span, SparseBytes
from preflight.facts import ImageFacts, NotMedia
from preflight.probes.image import probe_image
from preflight.probes.sniff import sniff

HEAD = 11_264
SIZE = (90, 50)


# ------------------------------------------------------------------------------------------- builders


@cache
def canvas(mode: str = "RGB", size: tuple[int, int] = SIZE, *, noisy: bool = False) -> Image.Image:
    """A picture with structure; `noisy` ones hardly compress."""
    if noisy:
        picture = Image.merge("RGB", [Image.effect_noise(size, 90) for _ in range(3)])
    else:
        picture = Image.linear_gradient("L").resize(size).convert("RGB")
        ImageDraw.Draw(picture).rectangle((10, 10, 40, 30), fill=(220, 30, 60))
    if mode == "I;16":
        return Image.new("I;16", size, 40_000)
    if mode in {"RGBA", "LA"}:
        picture = picture.convert("RGBA")
        picture.putalpha(Image.linear_gradient("L").resize(size))
    return picture.convert(mode)


def encode(
    kind: str, mode: str = "RGB", *, orientation: int | None = None, picture: Any = None, **options: Any
) -> bytes:
    """Save a picture with Pillow; `orientation` goes into its EXIF."""
    picture = picture or canvas(mode)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def frames(count: int, size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """Save options of an animation of `count` differing pictures."""
    rest = [Image.new("RGB", size, (40 * at % 256, 20, 90)) for at in range(1, count)]
    return {"save_all": True, "append_images": rest, "duration": 100}


def box(name: bytes, *payload: bytes) -> bytes:
    """An ISO box."""
    body = b"".join(payload)
    return struct.pack(">I4s", len(body) + 8, name) + body


def full_box(name: bytes, version: int, flags: int, *payload: bytes) -> bytes:
    """An ISO box with version and flags."""
    return box(name, struct.pack(">I", version << 24 | flags), *payload)


def heic(
    sides: tuple[int, int] = (400, 300),
    *,
    turns: int | None = None,
    mirror: int | None = None,
    alpha: bool = False,
    depth: int | None = 8,
    sequence: int = 0,
    brand: bytes = b"heic",
    pixels: bytes = bytes(range(200)) * 5,
    wide: bool = False,
) -> bytes:
    """A HEIC by hand, as Pillow writes none: box structure of an iPhone picture, its pixels mere bytes."""
    decoy = full_box(b"ispe", 0, 0, struct.pack(">II", 512, 512))  # of a tile: not the primary picture's
    hvcc = box(b"hvcC", bytes([1] + [0] * 15 + [0xFD, 0xF8 | (depth or 8) - 8, 0xF8 | (depth or 8) - 8]))
    properties = [decoy, full_box(b"ispe", 0, 0, struct.pack(">II", *sides)), hvcc]
    if depth is not None:
        properties.append(full_box(b"pixi", 0, 0, bytes([3, depth, depth, depth])))
    if turns is not None:
        properties.append(box(b"irot", bytes([turns])))
    if mirror is not None:
        properties.append(box(b"imir", bytes([mirror])))
    own = range(2, len(properties) + 1)
    if alpha:
        properties.append(full_box(b"auxC", 0, 0, b"urn:mpeg:hevc:2015:auxid:1\0"))
    number, item = (">H", ">I") if wide else (">B", ">H")
    essential = 0x8000 if wide else 0x80
    associations = full_box(
        b"ipma", int(wide), int(wide), struct.pack(">I", 2), struct.pack(item, 1), b"\1", struct.pack(number, 1),
        struct.pack(item, 49), bytes([len(own)]), *(struct.pack(number, n | essential * (n > 4)) for n in own),
    )  # fmt: skip
    ftyp = box(b"ftyp", brand, b"\0\0\0\0mif1", brand)

    def meta(offset: int) -> bytes:
        iloc = full_box(b"iloc", 1, 0, b"\x44\x00", struct.pack(">HHHHHII", 1, 49, 0, 0, 1, offset, len(pixels)))
        return full_box(
            b"meta", 0, 0, full_box(b"hdlr", 0, 0, b"\0\0\0\0pict", bytes(13)),
            full_box(b"pitm", int(wide), 0, struct.pack(item, 49)), iloc,
            box(b"iprp", box(b"ipco", *properties), associations),
        )  # fmt: skip

    moov = b""
    if sequence:
        stsz = full_box(b"stsz", 0, 0, struct.pack(">II", 0, sequence))
        moov = box(b"moov", box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", stsz)))))
    return ftyp + meta(len(ftyp + meta(0)) + len(moov) + 8) + moov + box(b"mdat", pixels)


def jpeg_with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with more segments behind its first marker: (marker, payload)."""
    inserted = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in segments)
    return jpeg[:2] + inserted + jpeg[2:]


# ------------------------------------------------------------------------------- probing and the truth


@dataclass
class Probed:
    """What the probe said, and what it asked for after the head."""

    outcome: ImageFacts | NotMedia
    asked: list[Span]

    @property
    def facts(self) -> ImageFacts:
        """The outcome, where it has to be facts."""
        assert isinstance(self.outcome, ImageFacts), self.outcome
        return self.outcome

    @property
    def fetched(self) -> int:
        """Bytes asked for after the head."""
        return sum((span.stop or 0) - span.start for span in self.asked)


def probe_sparse(blob: bytes, *, total_known: bool = True, rounds: int = 600) -> Probed:
    """Feed the head, then exactly what is asked for, as delivery does."""
    data = SparseBytes(len(blob) if total_known or len(blob) <= HEAD else None)
    data.add(0, blob[:HEAD])
    sniffed = sniff(blob[:HEAD], data.total)
    assert sniffed.family == "image", sniffed
    asked: list[Span] = []
    while len(asked) < rounds:
        try:
            return Probed(probe_image(data, sniffed), asked)
        except Hole as hole:
            span = hole.span
        assert data.missing(span), f"asked for what is held: {span}"
        asked.append(span)
        if span.stop is None or span.stop >= len(blob):
            data.total = len(blob)
        data.add(span.start, blob[span.start : span.stop])
    raise AssertionError(f"no answer after {rounds} rounds: {asked[-3:]}")


def probe_whole(blob: bytes) -> ImageFacts | NotMedia:
    """Probe with every byte at hand, as from a disk."""
    return probe_image(SparseBytes.whole(blob), sniff(blob[:HEAD], len(blob)))


@dataclass
class Truth:
    """What a full decode by Pillow says."""

    width: int
    height: int
    mode: str
    alpha: bool
    frames: int


def truth(blob: bytes) -> Truth:
    """Decode, turn upright, look."""
    with Image.open(io.BytesIO(blob)) as picture:
        count = getattr(picture, "n_frames", 1)
        picture.load()
        mode, alpha = picture.mode, picture.has_transparency_data
        upright = ImageOps.exif_transpose(picture)
        return Truth(*upright.size, mode, alpha, count)
