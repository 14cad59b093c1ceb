"""Every walk over a structure, given any bytes: an answer, a typed refusal, or a request for what is not held."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.deliver.sparse import Hole, Holes, Span, SparseBytes
from preflight.probes import codecs
from preflight.probes.boxes import Malformed, child, children, header, parts
from preflight.probes.clusters import Beat, cluster_blocks, first_times, last_ends
from preflight.probes.codecs import Bits, Details
from preflight.probes.ebml import element, elements, fields_of, uint
from preflight.probes.fragments import read_moof
from preflight.probes.isobmff import Cut
from preflight.probes.movie import Edit, Movie, parse_movie
from preflight.probes.sniff import Sniffed, sniff
from preflight.probes.still.ifd import Tiff, exif_orientation
from preflight.probes.still.items import read_items
from preflight.probes.still.reader import Reader, Unreadable
from preflight.probes.structure import Structure
from preflight.probes.textual import text_kind
from preflight.probes.timeline import apply_edits, is_variable, usual_gap
from preflight.probes.video import _WALKS
from tests.fuzzing.corpus import CLIPS
from tests.media import build, find_box
from tests.pictures import box, heic

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = settings(max_examples=80, deadline=None)
NAMES = (
    b"moov trak mdia minf stbl stsd stts ctts stsc stsz stz2 stco co64 elst edts mvex trex moof mfhd traf tfhd tfdt "
    b"trun mfra tfra mfro sidx mdat free ftyp mvhd tkhd mdhd hdlr tref chap avcC hvcC pasp colr fiel"
).split()
leaves = st.builds(box, st.sampled_from(NAMES), st.binary(max_size=60))
#: Boxes inside boxes, whose sizes hold; what stands in them does not.
trees = st.recursive(
    leaves,
    lambda inner: st.builds(lambda name, boxes: box(name, *boxes), st.sampled_from(NAMES), st.lists(inner, max_size=6)),
    max_leaves=14,
)
files = st.builds(b"".join, st.lists(trees, max_size=8))
any_bytes = st.binary(max_size=300)


def _fed(walk: Callable[[SparseBytes], Any], data: bytes, *, total: int | None, held: list[tuple[int, int]]) -> Any:
    """Run a walk as delivery does, with some islands held before; each request must name bytes that are missing."""
    sparse = SparseBytes(total)
    for start, size in held:
        sparse.add(min(start, len(data)), data[start : start + size])
    for _ in range(len(data) + 40):
        wanted: tuple[Span, ...]
        try:
            return walk(sparse)
        except Hole as hole:
            wanted = (hole.span,)
        except Holes as holes:
            wanted = holes.spans
        except (Malformed, Cut) as refusal:
            return refusal
        assert any(sparse.missing(span) for span in wanted), f"asked for what is held: {wanted}"
        for span in wanted:
            stop = len(data) if span.stop is None else min(span.stop, len(data))
            if span.stop is None or span.stop >= len(data):
                sparse.total = len(data)
            sparse.add(min(span.start, stop), data[span.start : stop])
    raise AssertionError("it never has enough")


STARTS = {
    "iso": box(b"ftyp", b"isom\0\0\0\0isom"),
    "ebml": b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
    "mpegts": b"",
    "avi": b"RIFF\xff\0\0\0AVI LIST\x40\0\0\0hdrl",
}


@pytest.mark.parametrize("family", STARTS)
@MANY
@given(
    body=any_bytes | files,
    known=st.booleans(),
    held=st.lists(st.tuples(st.integers(0, 400), st.integers(1, 200)), max_size=4),
)
def test_a_walk_ends(family: str, body: bytes, known: bool, held: list[tuple[int, int]]) -> None:
    """Any bytes behind a beginning that fits, whatever part of them is held, with their size known or not."""
    data = STARTS[family] + body
    answer = _fed(_WALKS[family], data, total=len(data) if known else None, held=held)
    assert isinstance(answer, Structure) or str(answer).isprintable()


@MANY
@given(st.lists(trees, max_size=6), st.none() | st.integers(0, 10**6))
def test_an_index_ends(inner: list[bytes], total: int | None) -> None:
    """A movie of any boxes: tracks, or Malformed; its samples are listed and located without another exception."""
    try:
        movie = parse_movie(box(b"moov", *inner), total)
    except Malformed:
        return
    assert isinstance(movie, Movie)


@MANY
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=12), st.integers(0, 3))
def test_a_damaged_index_lists_its_samples_or_refuses(where: int, new: bytes, copies: int) -> None:
    """A real index with some bytes overwritten: every question about its samples has an answer."""
    data = build(CLIPS["b-frames"])
    start, stop = find_box(data, b"moov")
    raw = bytearray(data[start:stop])
    at = 8 + where % (len(raw) - 8)
    for number in range(copies + 1):
        place = (at + 400 * number) % len(raw)
        raw[place : place + len(new)] = new[: len(raw) - place]
    try:
        movie = parse_movie(bytes(raw), len(data))
    except Malformed:
        return
    for track in movie.tracks:
        table = track.samples
        assert len(table.deltas()) == len(table)
        assert len(table.presentation()) in (0, len(table))
        assert 0 <= table.inside(len(data)) <= len(table)
        assert table.end() >= 0


@MANY
@given(st.lists(trees, max_size=4))
def test_a_fragment_ends(inner: list[bytes]) -> None:
    """Any boxes as a fragment: runs whose spans and ends agree, or Malformed."""
    data = box(b"moof", *inner)
    movie = Movie(box(b"moov", *inner), 1000, None, (), fragmented=True)
    whole = SparseBytes.whole(data)
    place = header(whole, 0)
    assert place is not None
    try:
        runs = read_moof(whole, place, movie)
    except Malformed:
        return
    assert all(len(run.spans) == len(run.ends) for run in runs)


@MANY
@given(any_bytes | files)
def test_boxes_go_forward(data: bytes) -> None:
    """Each box lies inside its parent and begins where the one before it stops."""
    try:
        found = list(children(data, 0, len(data)))
        assert set(parts(data, None)) == set()
        for item in found:
            child(data, item, b"stbl", b"stsz")
    except Malformed:
        return
    position = 0
    for item in found:
        assert item.start == position
        assert item.start < item.body
        assert item.stop <= len(data)
        position = item.stop


@MANY
@given(any_bytes)
def test_elements_go_forward(data: bytes) -> None:
    """Each EBML element begins where the one before it stops, and none reaches beyond its parent."""
    position = 0
    for found in elements(data):
        assert found.start == position < found.body
        assert found.stop is not None
        assert found.stop <= len(data)
        position = max(found.stop, found.start + 2)
    assert all(uint(value) >= 0 for value in fields_of(data).values())
    assert element(data, len(data)) is None


@MANY
@given(any_bytes, st.sampled_from(["A_OPUS", "A_AAC", "V_VP8"]), st.integers(1, 3), st.booleans())
def test_clusters_end(data: bytes, codec: str, track: int, live: bool) -> None:
    """Any bytes in a cluster: blocks and times that are numbers."""
    raw = b"\x1f\x43\xb6\x75" + (b"\xff" if live else bytes([0x80 | min(len(data), 126)])) + b"\xe7\x81\x05" + data
    beats = [Beat(track, codec, None, None, 1_000_000)]
    assert all(block.track >= 0 for block in cluster_blocks(raw))
    whole = SparseBytes.whole(raw)
    assert set(first_times(whole, 0, beats)) <= {track}
    assert set(last_ends(whole, 0, beats)) <= {track}


PARSERS = (codecs.avcc, codecs.h264_sps, codecs.hvcc, codecs.av1c, codecs.vpcc, codecs.vp9_frame, codecs.prores)
BEGINNINGS = (b"", b"\x01\x64\0\x1f\xff\xe1\x00\x40\x67\x64", b"\x67\x64\0\x1f", b"\x01", b"\x81", b"\x82\x49\x83\x42")


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@MANY
@given(st.sampled_from(BEGINNINGS), any_bytes)
def test_codec_records_end(parse: Callable[[bytes], Details], start: bytes, data: bytes) -> None:
    """Any record gives details, at worst empty ones."""
    assert isinstance(parse(start + data), Details)


@MANY
@given(any_bytes, st.lists(st.sampled_from(["u", "ue", "se"]), max_size=60))
def test_bits_end(data: bytes, reads: list[str]) -> None:
    """Reading beyond the end gives zeros, and says so."""
    bits = Bits(data)
    for kind in reads:
        value = bits.u(7) if kind == "u" else bits.ue() if kind == "ue" else bits.se()
        assert isinstance(value, int)
    codecs.mpeg4_profile(data)


@MANY
@given(any_bytes | st.just(heic()[24:]), st.integers(0, 300), st.binary(max_size=6))
def test_item_tables_end(meta: bytes, at: int, new: bytes) -> None:
    """Any `meta` box names its primary picture's properties, or is refused."""
    try:
        item = read_items(meta[:at] + new + meta[at + len(new) :])
    except Unreadable:
        return
    assert item.data_stop >= 0


@MANY
@given(st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"]), any_bytes)
def test_directories_end(start: bytes, data: bytes) -> None:
    """Any TIFF block has an orientation from 1 to 8, and a directory or a refusal."""
    reader = Reader(SparseBytes.whole(start + data))
    assert 1 <= exif_orientation(reader, 0, len(start + data)) <= 8
    try:
        tiff = Tiff.open(reader, 0)
        tags, _ = tiff.directory(tiff.first)
        for entry in tags.values():
            tiff.values(entry, 16)
    except Unreadable:
        return


@MANY
@given(any_bytes | st.text().map(str.encode) | st.text().map(lambda text: text.encode("utf-16")), st.booleans())
def test_first_bytes_are_named(head: bytes, known: bool) -> None:
    """A family with a format, or a refusal with a phrase that can be printed."""
    found = sniff(head, len(head) if known else None)
    assert isinstance(found, Sniffed)
    assert (found.refusal is None) == (found.format is not None)
    assert found.detail.isprintable()
    kind = text_kind(head, cut=not known)
    assert kind is None or kind[2]


ticks = st.integers(-(2**31), 2**33)


@MANY
@given(
    st.lists(st.tuples(ticks, st.integers(0, 2**32)), min_size=1, max_size=12),
    st.lists(st.builds(Edit, st.integers(0, 2**64), st.integers(-(2**63), 2**63)), max_size=5),
    st.integers(1, 2**32),
    st.integers(0, 2**32),
)
def test_edits_end(samples: list[tuple[int, int]], edits: list[Edit], scale: int, movie_scale: int) -> None:
    """Any edit list over any samples shows a stretch of time that does not run backwards, or nothing."""
    starts = [start for start, _ in samples]
    line = apply_edits(starts, [start + lasts for start, lasts in samples], tuple(edits), scale, movie_scale)
    assert line is None or line.duration >= 0
    assert usual_gap(starts) >= 0
    assert is_variable(starts) in (None, True, False)


def test_a_box_of_sixteen_bytes_header_goes_forward() -> None:
    """A wide size that is smaller than its own header would stand still."""
    data = struct.pack(">I4sQ", 1, b"free", 8)
    with pytest.raises(Malformed):
        list(children(data, 0, len(data)))
    with pytest.raises(Malformed):
        header(SparseBytes.whole(data), 0)
