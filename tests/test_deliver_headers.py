"""Headers that decide something: a value, or None; never an exception, whatever the text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver import headers
from preflight.deliver.headers import ContentRange
from preflight.deliver.sparse import Span

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
near = st.text(alphabet="bytes 0123456789-/*,;=\x00é٣", max_size=40)
sizes = st.integers(0, 10**18 - 2)


@given(st.text() | near | st.none())
def test_any_text_is_a_value_or_none(text: str | None) -> None:
    """No header text raises, and no result leaves its own type."""
    found = headers.content_range(text)
    assert found is None or found.span is None or found.total is None or (found.span.stop or 0) <= found.total
    pause = headers.retry_after(text, NOW)
    assert pause is None or 0 <= pause <= 366 * 86400
    length = headers.content_length(text)
    assert length is None or length >= 0
    assert (headers.foreign_coding(text) or "").isprintable()
    assert "/" in (headers.media_type(text) or "/")
    assert headers.strong_etag(text) in {None, text}


@given(sizes, sizes, sizes)
def test_content_range_round_trip(a: int, b: int, c: int) -> None:
    """A true Content-Range gives back its span and size."""
    first, last, total = sorted((a, b, c))
    total += 1
    text = f"bytes {first}-{last}/{total}"
    assert headers.content_range(text) == ContentRange(Span(first, last + 1), total)
    assert headers.content_range(f"Bytes {first}-{last}/*") == ContentRange(Span(first, last + 1), None)
    assert headers.content_range(f"bytes */{total}") == ContentRange(None, total)


@pytest.mark.parametrize(
    "text",
    [
        "bytes 5-4/10",
        "bytes 0-10/10",
        "bytes */*",
        "bytes 0-9",
        "items 0-9/10",
        "bytes=0-9/10",
        "bytes -1-9/10",
        "bytes 0-9/10, 20-29/40",
        f"bytes 0-9/{'9' * 5000}",
    ],
)
def test_content_range_that_cannot_be_true(text: str | None) -> None:
    """Backwards, beyond the end, open on both sides, another unit, absurdly long: nothing is believed."""
    assert headers.content_range(text) is None


@given(st.integers(0, 10_000_000))
def test_retry_after_seconds_and_date_agree(seconds: int) -> None:
    """The two forms of Retry-After mean the same."""
    assert headers.retry_after(str(seconds), NOW) == seconds
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert headers.retry_after(date, NOW) == seconds


def test_retry_after_bounds() -> None:
    """A past date is no pause; an absurd number is cut to a year; half a date is nothing."""
    assert headers.retry_after("Sun, 01 Mar 2020 12:00:00 GMT", NOW) == 0
    assert headers.retry_after("999999999999", NOW) == 365 * 86400
    assert headers.retry_after("Sun, 01 Mar 2026 12:00:10", NOW) == 10
    assert headers.retry_after("tomorrow", NOW) is None
    assert headers.retry_after("-5", NOW) is None


def test_small_headers() -> None:
    """The rest, by example."""
    assert headers.media_type(' Video/MP4; codecs="avc1"') == "video/mp4"
    assert headers.media_type("video\x1b/mp4") is None
    assert headers.strong_etag('"abc"') == '"abc"'
    assert headers.strong_etag('W/"abc"') is None
    assert headers.foreign_coding("identity") is None
    assert headers.foreign_coding("GZip") == "gzip"
    assert headers.foreign_coding("\x1b[2J") == "unreadable"
