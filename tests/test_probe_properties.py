"""Whatever the bytes: facts, a typed refusal, or a request for bytes; never another exception, never a loop."""

from __future__ import annotations

import dataclasses
import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.deliver.sparse import Span, SparseBytes
from preflight.facts import ImageFacts, NeedSpans, NotMedia, VideoFacts
from preflight.probes import probe
from tests.feeding import feed
from tests.fuzzing.corpus import CLIPS as SEEDS
from tests.media import build

KINDS = (VideoFacts, ImageFacts, NotMedia)


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=60, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6))
def test_any_damage_ends_in_a_typed_answer(name: str, changes: list[tuple[float, bytes]]) -> None:
    """Overwritten bytes anywhere give facts or a refusal, after a bounded number of trips."""
    data = bytearray(build(SEEDS[name]))
    for where, new in changes:
        at = int(where * (len(data) - 1))
        data[at : at + len(new)] = new
    assert isinstance(feed(bytes(data)).outcome, KINDS)


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=40, deadline=None)
@given(share=st.floats(0, 1))
def test_any_prefix_ends_in_a_typed_answer(name: str, share: float) -> None:
    """A file cut anywhere gives facts or a refusal, with its size known and without."""
    data = build(SEEDS[name])
    prefix = data[: int(share * len(data))]
    assert isinstance(feed(prefix).outcome, KINDS)
    assert isinstance(feed(prefix, total=None).outcome, KINDS)


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=20, deadline=None)
@given(islands=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 3000)), max_size=8))
def test_what_was_held_before_changes_nothing(name: str, islands: list[tuple[float, int]]) -> None:
    """Spans that happen to be here already do not change a single fact."""
    data = build(SEEDS[name])
    sparse = SparseBytes(len(data))
    for where, size in islands:
        start = int(where * len(data))
        sparse.add(start, data[start : start + size])
    for _ in range(24):
        answer = probe(sparse)
        if not isinstance(answer, NeedSpans):
            break
        for span in answer.spans:
            sparse.add(span.start, data[span.start : span.stop])
    assert answer == feed(data).outcome


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_end_in_a_typed_answer(data: bytes) -> None:
    """Bytes of no origin at all."""
    assert isinstance(feed(data).outcome, KINDS)


@pytest.mark.parametrize("name", SEEDS)
def test_the_middle_is_never_read(name: str) -> None:
    """A sparse read says what a read of the whole file says."""
    data = build(SEEDS[name])
    assert feed(data).outcome == probe(SparseBytes.whole(data))


def test_a_span_asks_for_bytes_that_exist() -> None:
    """A request for bytes names half-open spans inside the file."""
    data = build(SEEDS["mp4"])
    answer = probe(SparseBytes(len(data)))
    assert isinstance(answer, NeedSpans)
    assert answer.spans == (Span(0, min(len(data), 11264)),)


def test_a_large_first_frame_hides_nothing_from_one_way_of_delivery() -> None:
    """A live recording whose sound begins behind the first flight: sparse and whole reads still agree."""
    clip = dataclasses.replace(
        SEEDS["webm-live"], width=640, height=480, codec_options=(("b", "20M"), ("qmin", "1"), ("qmax", "4"))
    )
    data = build(clip)
    assert feed(data).outcome == probe(SparseBytes.whole(data))


@pytest.mark.parametrize("seconds", [1e300, 1e12, -1e300])
def test_an_unbelievable_duration_is_none(seconds: float) -> None:
    """Matroska's header may state 10^308 seconds: the frames tell how long it is, and a report can say it."""
    data = bytearray(build(SEEDS["mkv"]))
    plain = probe(SparseBytes.whole(bytes(data)))
    at = data.index(b"\x44\x89\x88") + 3
    data[at : at + 8] = struct.pack(">d", seconds)
    told = probe(SparseBytes.whole(bytes(data)))
    assert isinstance(told, VideoFacts)
    assert isinstance(plain, VideoFacts)
    assert (told.durations.header, told.durations.video) == (None, plain.durations.video)
    assert told.durations.container is not None
    assert plain.durations.container is not None
    assert abs(told.durations.container - plain.durations.container) < Fraction(1, 10)


def test_an_unbelievable_sample_rate_is_none() -> None:
    """A frame of sound at 10^-300 samples a second would last longer than any report can say."""
    data = bytearray(build(SEEDS["webm-live"]))
    at = data.index(b"\xb5\x88") + 2
    data[at : at + 8] = struct.pack(">d", 1e-300)
    told = probe(SparseBytes.whole(bytes(data)))
    assert isinstance(told, VideoFacts)
    assert told.durations.container is None or told.durations.container < 100
