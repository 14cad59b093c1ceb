"""The sparse byte map: any order of arrival gives the same file, and what is missing is exactly what is not held."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver.source import coalesce
from preflight.deliver.sparse import Hole, Span, SparseBytes

if TYPE_CHECKING:
    from random import Random

FILE = bytes(range(200))
spans = st.tuples(st.integers(0, 220), st.integers(0, 220)).map(lambda ends: Span(min(ends), max(ends)))
open_spans = st.integers(0, 220).map(lambda start: Span(start, None))


def fill(pieces: list[Span], total: int | None = len(FILE)) -> SparseBytes:
    data = SparseBytes(total)
    for piece in pieces:
        data.add(piece.start, FILE[piece.start : piece.stop])
    return data


def positions(found: tuple[Span, ...], end: int) -> set[int]:
    return {at for span in found for at in range(span.start, end if span.stop is None else span.stop)}


@given(st.randoms(use_true_random=False), st.integers(1, 50))
def test_any_order_and_any_chunking_equals_the_file(random: Random, size: int) -> None:
    """Pieces in any order, of any size, make the whole file, held as one span."""
    pieces = [Span(at, min(at + size, len(FILE))) for at in range(0, len(FILE), size)]
    random.shuffle(pieces)
    data = fill(pieces)
    assert data.read(0, len(FILE)) == FILE
    assert data.complete
    assert data.held == (Span(0, len(FILE)),)
    assert len(data) == len(FILE)


@given(st.lists(spans), spans | open_spans, st.sampled_from([None, 0, 150, len(FILE)]))
def test_missing_is_the_complement_of_held(pieces: list[Span], asked: Span, total: int | None) -> None:
    """Within the file, a byte is either held or missing, never both and never neither."""
    data = fill(pieces, total)
    end = 230 if total is None else total
    wanted = set(range(asked.start, end if asked.stop is None else min(asked.stop, end)))
    assert positions(data.missing(asked), end) == wanted - positions(data.held, end)


@given(st.lists(spans))
def test_held_spans_are_ordered_and_never_touch(pieces: list[Span]) -> None:
    """The map keeps its own order: neighbours are merged."""
    held = fill(pieces).held
    assert all((left.stop or 0) < right.start for left, right in pairwise(held))


@given(st.lists(spans), spans)
def test_a_read_gives_the_file_or_names_the_hole(pieces: list[Span], asked: Span) -> None:
    """A read is the file's own bytes, or a Hole; `available` is the part before the hole."""
    data = fill(pieces)
    expected = FILE[asked.start : asked.stop]
    if data.missing(asked):
        with pytest.raises(Hole) as caught:
            data.read(asked.start, asked.stop or 0)
        assert caught.value.span == Span(asked.start, min(asked.stop or 0, len(FILE)))
    else:
        assert data.read(asked.start, asked.stop or 0) == expected
    before = data.available(asked.start, asked.stop or 0)
    assert expected.startswith(before)
    rest = asked.start + len(before)
    assert rest >= min(asked.stop or 0, len(FILE)) or data.missing(Span(rest, rest + 1))


def test_what_came_first_stays() -> None:
    """A second answer about the same bytes cannot change what a probe has already seen."""
    data = SparseBytes(4)
    data.add(1, b"bc")
    data.add(0, b"XXXX")
    assert data.read(0, 4) == b"XbcX"


def test_nothing_held_means_everything_missing() -> None:
    """An empty map of a file of unknown size misses even an open span; an empty span misses nothing."""
    assert SparseBytes().missing(Span(5, None)) == (Span(5, None),)
    assert SparseBytes(10).missing(Span(0, 0)) == ()
    assert SparseBytes(0).missing(Span(0, None)) == ()


@pytest.mark.parametrize("ends", [(-1, 5), (5, 4)])
def test_a_span_runs_forward(ends: tuple[int, int]) -> None:
    """A span before the file, or one that ends before it starts, is a bug of the caller."""
    with pytest.raises(ValueError, match="not a span"):
        Span(*ends)


@given(st.lists(spans | open_spans), st.integers(0, 20))
def test_coalesced_spans_cover_the_same_bytes(asked: list[Span], close: int) -> None:
    """Joining spans loses no byte, adds only short gaps, and leaves no two spans that ought to be one."""
    joined = coalesce(asked, close)
    before, after = positions(tuple(asked), 230), positions(joined, 230)
    assert before <= after
    added = "".join("+" if at in after - before else " " for at in range(230)).split()
    assert all(len(gap) < max(close, 1) for gap in added)
    gaps = [right.start - (left.stop or 0) for left, right in pairwise(joined)]
    assert all(gap >= close for gap in gaps)
