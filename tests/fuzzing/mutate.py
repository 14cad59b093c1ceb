"""From a seed and a number to bytes: one file of the corpus, damaged by someone who knows its format, or by chance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Literal

from tests.fuzzing.corpus import corpus
from tests.fuzzing.shape import parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzzing.shape import Part

Way = Literal["whole", "sparse", "sizeless"]
#: A case grows no larger: what matters stands in headers, and time is better spent on more cases.
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    """One mutated file, and how it comes: at once, as the probe asks for it, or so without a stated size."""

    number: int
    origin: str
    data: bytes
    way: Way


@cache
def _names() -> tuple[str, ...]:
    return tuple(corpus())


@cache
def _shape(name: str) -> tuple[Part, ...]:
    return parts(corpus()[name])


def make(seed: int, number: int) -> Case:
    """Case `number` of a run; the same bytes whoever makes it, and whatever was made before."""
    random = Random(f"{seed}:{number}")  # noqa: S311  (reproducible is the point)
    name = random.choice(_names())
    way: Way = random.choices(("whole", "sparse", "sizeless"), (6, 3, 1))[0]
    return Case(number, name, mutated(corpus()[name], _shape(name), random), way)


def mutated(original: bytes, shape: tuple[Part, ...], random: Random) -> bytes:
    """Fields first, while every offset is right; then parts are moved; then the file is damaged blindly or cut."""
    data = bytearray(original)
    if shape:
        for _ in range(random.choice((0, 1, 1, 2, 3, 6))):
            random.choice(_FIELDS)(data, random.choice(shape), random)
        if random.random() < 0.35:
            random.choice(_MOVES)(data, shape, random)
    if not shape or random.random() < 0.35:
        for _ in range(random.choice((1, 1, 2, 4, 16))):
            random.choice(_BLIND)(data, random)
    if random.random() < 0.12:
        edge = random.choice(shape).start + random.randint(-4, 20) if shape else random.randrange(len(data) + 1)
        del data[max(edge, 0) :]
    return bytes(data[:MOST_BYTES])


# ------------------------------------------------------------------------------------- fields of a part


def _number(random: Random, width: int, old: int, length: int) -> int:
    """A number at which readers fail: around zero, around a power of two, around what is true, or a bomb's count."""
    top = 1 << 8 * width
    near = old + random.choice((-9, -8, -4, -1, 1, 4, 8, 9))
    value = random.choice((
        0, 1, 2, 7, 8, 9, 15, 16, 64, near, near, old * 2, old // 2, length, length - 8, 4096, 65535, 1_000_000,
        4_000_000, 60_000_000, top // 2 - 1, top // 2, top - 1, top - 2, random.randrange(top),
    ))  # fmt: skip
    return value % top


def _overwrite(data: bytearray, at: int, width: int, order: Literal["big", "little"], random: Random) -> None:
    if 0 <= at <= len(data) - width:
        old = int.from_bytes(data[at : at + width], order)
        data[at : at + width] = _number(random, width, old, len(data)).to_bytes(width, order)


def _size(data: bytearray, part: Part, random: Random) -> None:
    if part.coding != "vint":
        _overwrite(data, part.size_at, part.size_bytes, part.coding, random)
        return
    bits = 7 * part.size_bytes
    old = int.from_bytes(data[part.size_at : part.body], "big") % (1 << bits)
    value = random.choice(((1 << bits) - 1, _number(random, 8, old, len(data)))) % (1 << bits)
    data[part.size_at : part.body] = (1 << bits | value).to_bytes(part.size_bytes, "big")


def _name(data: bytearray, part: Part, random: Random) -> None:
    at = random.choice((part.name_at, random.randrange(part.start, part.stop + 1)))
    new = random.choice(_NAMES) if part.name_bytes == 4 else random.randbytes(part.name_bytes)
    if at + len(new) <= len(data):
        data[at : at + len(new)] = new


def _count(data: bytearray, part: Part, random: Random) -> None:
    """Versions, counts and first entries of tables stand at the beginning of a body."""
    order: Literal["big", "little"] = "little" if part.coding == "little" else "big"
    _overwrite(data, part.body + random.choice((0, 4, 4, 8, 12, 16, 20)), random.choice((4, 4, 4, 8)), order, random)


def _entry(data: bytearray, part: Part, random: Random) -> None:
    order: Literal["big", "little"] = "little" if part.coding == "little" else "big"
    width = random.choice((1, 2, 4, 8))
    _overwrite(data, random.randrange(part.body, max(part.stop, part.body + 1)), width, order, random)


_NAMES = tuple(
    b"moov trak mdia minf stbl stsd stts ctts stsc stsz stz2 stco co64 elst edts mvex trex moof traf tfhd tfdt trun "
    b"mfra tfra mfro sidx mdat free ftyp avcC hvcC av1C dref url  meta iloc ipma ispe LIST movi hdrl strh strf idx1 "
    b"IHDR IDAT IEND acTL fcTL zTXt iCCP eXIf VP8X EXIF".replace(b"  ", b"_ ").split()
)
_FIELDS: tuple[Callable[[bytearray, Part, Random], None], ...] = (_size, _name, _count, _count, _entry, _entry)


# --------------------------------------------------------------------------------------- parts as a whole


def _resized(data: bytearray, part: Part, change: int) -> None:
    """Let the parts around a changed one fit it again: damage that only shows further inside."""
    for parent in part.parents:
        raw = int.from_bytes(data[parent.size_at : parent.size_at + parent.size_bytes], _order(parent))
        bits = 7 * parent.size_bytes if parent.coding == "vint" else 8 * parent.size_bytes
        value = raw % (1 << bits) + change
        if 0 <= value < (1 << bits):
            whole = raw - raw % (1 << bits) + value
            data[parent.size_at : parent.size_at + parent.size_bytes] = whole.to_bytes(
                parent.size_bytes, _order(parent)
            )


def _order(part: Part) -> Literal["big", "little"]:
    return "little" if part.coding == "little" else "big"


def _drop(data: bytearray, shape: tuple[Part, ...], random: Random) -> None:
    part = random.choice(shape)
    if random.random() < 0.6:
        _resized(data, part, part.start - part.stop)
    del data[part.start : part.stop]


def _repeat(data: bytearray, shape: tuple[Part, ...], random: Random) -> None:
    part = random.choice(shape)
    piece = bytes(data[part.start : part.stop])
    times = random.choice((1, 1, 2, 70, 5000)) if len(piece) < 200 else random.choice((1, 2, 70))
    piece *= min(times, MOST_BYTES // max(len(piece), 1))
    if random.random() < 0.6:
        _resized(data, part, len(piece))
    data[part.stop : part.stop] = piece


def _swap(data: bytearray, shape: tuple[Part, ...], random: Random) -> None:
    one, other = sorted(random.choices(shape, k=2), key=lambda part: part.start)
    if one.stop <= other.start:
        between = data[one.stop : other.start]
        data[one.start : other.stop] = data[other.start : other.stop] + between + data[one.start : one.stop]


def _graft(data: bytearray, shape: tuple[Part, ...], random: Random) -> None:
    """A part of another file in the place of one's own."""
    name = random.choice(_names())
    source, part = corpus()[name], random.choice(shape)
    donor = random.choice(_shape(name)) if _shape(name) else None
    piece = source[donor.start : donor.stop] if donor else source[: random.randrange(1, 2000)]
    if random.random() < 0.6:
        _resized(data, part, len(piece) - (part.stop - part.start))
    data[part.start : part.stop] = piece


_MOVES: tuple[Callable[[bytearray, tuple[Part, ...], Random], None], ...] = (_drop, _repeat, _swap, _graft)


# ------------------------------------------------------------------------------------------------ blindly


def _somewhere(data: bytearray, random: Random) -> int:
    """Anywhere, but mostly near the beginning or the end, where headers and indexes stand."""
    reach = random.choice((64, 400, 4096, len(data)))
    at = random.randrange(max(1, min(reach, len(data))))
    return at if random.random() < 0.75 else max(len(data) - 1 - at, 0)


def _flip(data: bytearray, random: Random) -> None:
    if data:
        data[_somewhere(data, random)] ^= 1 << random.randrange(8)


def _bytes(data: bytearray, random: Random) -> None:
    at, size = _somewhere(data, random), random.choice((1, 2, 4, 8, 64))
    data[at : at + size] = random.choice((bytes(size), b"\xff" * size, b"\x7f" * size, random.randbytes(size)))


def _any_number(data: bytearray, random: Random) -> None:
    _overwrite(data, _somewhere(data, random), random.choice((1, 2, 4, 8)), random.choice(("big", "little")), random)


def _insert(data: bytearray, random: Random) -> None:
    at = _somewhere(data, random)
    data[at:at] = random.randbytes(random.choice((1, 2, 8, 300)))


def _delete(data: bytearray, random: Random) -> None:
    at = _somewhere(data, random)
    del data[at : at + random.choice((1, 2, 8, 300))]


def _splice(data: bytearray, random: Random) -> None:
    source = corpus()[random.choice(_names())]
    start, at = random.randrange(len(source)), _somewhere(data, random)
    piece = source[start : start + random.choice((16, 400, 10_000))]
    data[at : at + random.choice((0, len(piece)))] = piece


_BLIND: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip, _flip, _bytes, _any_number, _any_number, _insert, _delete, _splice,
)  # fmt: skip
