"""Files built to make a walk repeat itself: thousands of tables, names and offsets that lead over the same bytes.

Each took from ten seconds to hours, or gigabytes, before the walk had its bound. Time is the processor's, so that a
busy machine is no failure.
"""

from __future__ import annotations

import struct
import sys
import time
from typing import TYPE_CHECKING

import pytest

from preflight.deliver.sparse import SparseBytes
from preflight.facts import NeedSpans, NotMedia, Refusal, VideoFacts
from preflight.probes import probe
from tests.pictures import box, full_box
from tests.test_image import WRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_SECONDS = 4.0 if sys.gettrace() is None else 12.0  # each line costs two to three times as much while it is traced

FTYP = box(b"ftyp", b"isom", bytes(4))
MVHD = full_box(b"mvhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 5000), bytes(80))
STTS = full_box(b"stts", 0, 0, struct.pack(">III", 1, 0xFFFFFFFF, 10))
STSC = full_box(b"stsc", 0, 0, struct.pack(">IIII", 1, 1, 1, 1))
STCO = full_box(b"stco", 0, 0, struct.pack(">II", 1, 40))
EMPTY = [full_box(name, 0, 0, bytes(8)) for name in (b"stts", b"stsz", b"stsc", b"stco")]
TRUN = full_box(b"trun", 0, 0, struct.pack(">I", 1))


def stsz(count: int) -> bytes:
    """So many samples of one byte each."""
    return full_box(b"stsz", 0, 0, struct.pack(">II", 1, count))


def trak(*tables: bytes, number: int = 1, edits: bytes = b"") -> bytes:
    """A track of pictures with these sample tables."""
    tkhd = full_box(b"tkhd", 0, 0, bytes(8), struct.pack(">I", number), bytes(24), struct.pack(">9i", *[65536] * 9))
    mdhd = full_box(b"mdhd", 0, 0, struct.pack(">IIII", 0, 0, 1000, 1000), bytes(4))
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(13))
    stsd = full_box(b"stsd", 0, 0, bytes(4))
    return box(b"trak", tkhd, edits, box(b"mdia", mdhd, hdlr, box(b"minf", box(b"stbl", stsd, *tables))))


def mp4(*boxes: bytes) -> bytes:
    """A file whose index comes first."""
    return FTYP + box(b"moov", MVHD, *boxes)


def moof(*truns: bytes) -> bytes:
    """A fragment of track 1."""
    traf = [full_box(b"tfhd", 0, 0, struct.pack(">I", 1)), full_box(b"tfdt", 0, 0, bytes(4)), *truns]
    return box(b"moof", full_box(b"mfhd", 0, 0, bytes(4)), box(b"traf", *traf))


FRAGMENTED = mp4(trak(*EMPTY), box(b"mvex", full_box(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 10, 1, 0))))


def chunks_again_and_again() -> bytes:
    """Runs of chunks that go back to the first one, each with no sample in it."""
    runs = b"".join(struct.pack(">III", 0xFFFFFF if odd else 1, 0, 1) for odd in (0, 1) * 8000)
    offsets = struct.pack(">II", 16_000, 90_000_000) + struct.pack(">I", 5) * 15_999
    return mp4(trak(STTS, stsz(1000), full_box(b"stsc", 0, 0, struct.pack(">I", 16_000), runs),
                    full_box(b"stco", 0, 0, offsets)))  # fmt: skip


def edits_over_everything() -> bytes:
    """Ten thousand edits of twenty thousand samples."""
    elst = full_box(b"elst", 0, 0, struct.pack(">I", 10_000), struct.pack(">Iii", 1, 5, 65536) * 10_000)
    return mp4(trak(STTS, stsz(20_000), STSC, STCO, edits=box(b"edts", elst)))


def tracks_of_a_million_samples() -> bytes:
    """Sixty tracks, each within the bound of one."""
    return mp4(*(trak(STTS, stsz(1_000_000), STSC, STCO, number=number) for number in range(1, 61)))


def runs_of_nothing() -> bytes:
    """A fragment of two kilobytes that claims ten million samples."""
    return FRAGMENTED + moof(*[full_box(b"trun", 0, 0, struct.pack(">I", 100_000))] * 100) + box(b"mdat", bytes(16))


def millions_of_boxes() -> bytes:
    """Filler as far as the eye reaches, where a fragment should be."""
    return FRAGMENTED + box(b"free") * 4_000_000


def chains_that_lead_nowhere() -> bytes:
    """Fragments that follow each other, each the beginning of a chain that breaks at the same place."""
    return FRAGMENTED + moof(TRUN) + box(b"mdat", bytes(3000)) + box(b"moof") * 60_000 + b"\0\0\0\x02none" + b"y" * 99


def an_index_of_many_tracks() -> bytes:
    """A random access index with a hundred thousand tracks, each with its own last fragment."""
    tfra = b"".join(full_box(b"tfra", 0, 0, struct.pack(">IIIII3x", n, 0, 1, 0, 20_000 + n)) for n in range(100_000))
    mfra = box(b"mfra", tfra, full_box(b"mfro", 0, 0, struct.pack(">I", len(tfra) + 24)))
    return FRAGMENTED + moof(TRUN) + box(b"mdat", bytes(400_000)) + mfra


def ebml(number: int, *body: bytes) -> bytes:
    """An EBML element with a size of eight bytes."""
    name, raw = number.to_bytes((number.bit_length() + 7) // 8, "big"), b"".join(body)
    return name + (len(raw) | 1 << 56).to_bytes(8, "big") + raw


HEAD = ebml(0x1A45DFA3, ebml(0x4282, b"webm")) + b"\x18\x53\x80\x67\x01" + b"\xff" * 7
TRACK = ebml(0xAE, ebml(0xD7, b"\1"), ebml(0x73C5, b"\1"), ebml(0x83, b"\1"), ebml(0x86, b"V_VP8"))
CLUSTER = b"\x1f\x43\xb6\x75\xff\xe7\x81\0"


def clusters_inside_frames() -> bytes:
    """Frames that hold the name of a cluster: from each of them, the rest of the file is clusters again."""
    return (
        HEAD + ebml(0x1654AE6B, TRACK) + CLUSTER + b"\xec\x85\x1f\x43\xb6\x75\xff\xe7\x81\0\xa3\x85\x81\0\0\0x" * 3800
    )


def a_tail_of_crumbs() -> bytes:
    """Megabytes of frames of six bytes, none of them a picture."""
    return HEAD + ebml(0x1654AE6B, TRACK) + (CLUSTER + b"\xa3\x84\x82\0\0\0" * 9000) * 160


def hundreds_of_thousands_of_tracks() -> bytes:
    """A header element full of empty tracks."""
    return HEAD + ebml(0x1654AE6B, b"\xae\x80" * 500_000, TRACK) + CLUSTER


def megabytes_of_tags() -> bytes:
    """Header elements full of empty tags."""
    return HEAD + ebml(0x1654AE6B, TRACK) + ebml(0x1254C367, b"\x73\x73\x80" * 340_000) * 9 + CLUSTER


def junk_before_every_marker() -> bytes:
    """A picture whose every segment hides behind four kilobytes of zeros."""
    jpeg = WRITTEN["jpeg"]
    return jpeg[:2] + (b"\xff\xe2\0\x02" + bytes(4094)) * 510 + jpeg[2:]


BOMBS = (
    chunks_again_and_again, edits_over_everything, tracks_of_a_million_samples, runs_of_nothing, millions_of_boxes,
    chains_that_lead_nowhere, clusters_inside_frames, a_tail_of_crumbs,
    hundreds_of_thousands_of_tracks, megabytes_of_tags, junk_before_every_marker,
)  # fmt: skip
#: Those that are not slow but large, or slow only over a network, are told by their refusal.
REFUSED = {
    tracks_of_a_million_samples: Refusal.TOO_COMPLEX,
    edits_over_everything: Refusal.TOO_COMPLEX,
    hundreds_of_thousands_of_tracks: Refusal.TOO_COMPLEX,
    megabytes_of_tags: Refusal.TOO_COMPLEX,
    a_tail_of_crumbs: Refusal.TOO_COMPLEX,
    junk_before_every_marker: Refusal.CORRUPT,
}


@pytest.mark.parametrize("make", BOMBS, ids=lambda make: make.__name__)
def test_no_file_makes_a_walk_repeat_itself(make: Callable[[], bytes]) -> None:
    """An answer within seconds, in this very process."""
    data = SparseBytes.whole(make())
    began = time.process_time()
    answer = probe(data)
    assert time.process_time() - began < MOST_SECONDS
    assert isinstance(answer, VideoFacts | NotMedia)
    if refusal := REFUSED.get(make):
        assert isinstance(answer, NotMedia)
        assert answer.refusal is refusal


def test_an_index_of_many_tracks_asks_for_few_of_them() -> None:
    """A hundred thousand last fragments would be as many requests."""
    data = an_index_of_many_tracks()
    sparse = SparseBytes(len(data))
    sparse.add(0, data[:11_264])
    sparse.add(len(data) - 3_600_000, data[-3_600_000:])
    answer = probe(sparse)
    assert isinstance(answer, NeedSpans)
    assert 1 < len(answer.spans) <= 64
