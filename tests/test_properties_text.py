"""Every reader of text, given any text: a value, None or a typed refusal; never an exception, never a raw control."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.deliver import headers, url
from preflight.deliver.presigned import expiry
from preflight.deliver.share import share_page
from preflight.deliver.sparse import Span, SparseBytes
from preflight.printable import clean, clean_lines, encodable
from preflight.redaction import redact_quoted, redact_trace, redact_urls
from preflight.request.fields import FIELDS
from preflight.request.spelling import nearest_field, nearest_value, no_counterpart, shown

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 22, tzinfo=UTC)
MANY = settings(max_examples=150, deadline=None)
#: Surrogates and unassigned characters too: what a header or a command line can hold.
any_text = st.text(st.characters(exclude_categories=()))
PIECES = (
    "http://", "https://", "s3://", "data:", "//", "@", ":", "/", "?", "#", "&", "=", ";", "[", "]", "::1", "%2f",
    "%00", "%", ".", "..", "。", "\\", "\t", "\n", "\x00", "\u202e", "\ud800", "xn--", "xn--a", "example.com",
    "127.0.0.1", "0x7f.1", "65536", "443", "X-Amz-Date", "20261122T000000Z", "X-Amz-Expires", "Expires", "9999999999",
    "se", "sig",
    "token", "eyJ0.eyJleHAiOjF9", "bytes", "*/", "-", "0", "99", " ", "Sun, 22 Nov 2026", "GMT", "+9999", "identity",
    "gzip", 'W/"', '"', "video/mp4",
)  # fmt: skip
pieces = st.sampled_from(PIECES)
texts = any_text | st.lists(pieces, max_size=14).map("".join)

READERS: tuple[Callable[[str], object], ...] = (
    headers.content_range, headers.content_length, headers.media_type, headers.strong_etag, headers.foreign_coding,
    url.is_url, url.cut, url.host_of, url.port_of, url.repaired, url.url_fault, url.redact, url.names_private_address,
    share_page, redact_urls, redact_trace, clean, clean_lines, no_counterpart,
)  # fmt: skip


def moves_nothing(text: str) -> bool:
    """Is there no control, no line break and no half of a pair in it?"""
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text)


@pytest.mark.parametrize("read", READERS, ids=lambda read: f"{read.__module__.rpartition('.')[2]}-{read.__name__}")
@MANY
@given(text=texts)
def test_any_text_has_an_answer(read: Callable[[str], object], text: str) -> None:
    """No reader raises, and what it says is said again."""
    assert read(text) == read(text)


@MANY
@given(text=texts)
def test_a_pause_is_a_time(text: str) -> None:
    """Retry-After is a number of seconds that can be waited, or nothing."""
    pause = headers.retry_after(text, NOW)
    assert pause is None or 0 <= pause <= 366 * 86400


@MANY
@given(text=texts, behind=texts)
def test_an_expiry_is_a_moment_or_nothing(text: str, behind: str) -> None:
    """No URL's parameters raise, whatever stands in them, and a moment has its zone."""
    for candidate in (text, f"https://example.com/{text}?{behind}", f"https://b.s3.amazonaws.com/k?X-Amz-Date={text}"):
        found = expiry(candidate, NOW)
        moment = getattr(found, "at", None) or getattr(found, "instant", None)
        assert moment is None or moment.tzinfo is not None


@MANY
@given(text=texts)
def test_a_sound_url_names_a_host_that_can_be_asked_for(text: str) -> None:
    """What has no fault has a host in plain ASCII and a port; what is repaired has no fault."""
    for candidate in (text, f"https://{text}", f"http://{text}/x.mp4"):
        if url.url_fault(candidate) is None:
            host, port = url.host_of(candidate), url.port_of(candidate)
            assert host is not None
            assert host.isascii()
            assert host == host.lower()
            assert port is not None
            assert 0 < port < 65536
        if (meant := url.repaired(candidate)) is not None:
            assert url.url_fault(meant) is None


@MANY
@given(text=texts)
def test_no_secret_survives_redaction(text: str) -> None:
    """A signature's value is gone, wherever in a sentence its URL stands."""
    canary = "9d1c0ffee5ecre7badc0de5ignature42"
    place = f"https://example.com/clip.mp4?X-Amz-Signature={canary}"
    for shown_text in (redact_urls(f"{text} {place} end"), redact_quoted(f"bad: {place!r}", [text, place])):
        assert canary not in shown_text


@MANY
@given(text=texts)
def test_cleaned_text_moves_nothing(text: str) -> None:
    """No control, no direction mark, no half of a pair: and any output can carry it."""
    safe = clean(text)
    assert len(safe) <= 300
    assert moves_nothing(safe)
    assert clean(safe) == safe or len(text) > 300 or "\\" in safe
    for encoding in ("utf-8", "ascii", "cp1252", "gbk"):
        encodable(safe, encoding).encode(encoding)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.binary() | st.complex_numbers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3) | st.tuples(inner),
    max_leaves=5,
)


@MANY
@given(value=values, name=any_text)
def test_any_value_is_shown_and_compared(value: Any, name: str) -> None:
    """A wrong value of any type has words for it, and a nearest right one that is right."""
    for quote in (True, False):
        assert moves_nothing(shown(value, quote=quote))
    for field in (*FIELDS, name):
        assert nearest_value(value, field, ("std", "pro")) in (None, "std", "pro", "yes", "no", "true", "false")
    assert nearest_field(name, FIELDS) in (None, *FIELDS)


@MANY
@given(
    total=st.none() | st.integers(0, 60),
    adds=st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=20)), max_size=8),
    start=st.integers(0, 70),
    size=st.none() | st.integers(0, 70),
)
def test_what_is_held_is_never_missing(
    total: int | None, adds: list[tuple[int, bytes]], start: int, size: int | None
) -> None:
    """Whatever comes in whatever order: spans are ordered and apart, the first bytes stay, and holes are holes."""
    sparse, first = SparseBytes(total), dict[int, int]()
    for at, data in adds:
        sparse.add(at, data)
        for offset, byte in enumerate(data):
            if total is None or at + offset < total:
                first.setdefault(at + offset, byte)
    held = sparse.held
    assert all(one.stop is not None and one.stop < other.start for one, other in pairwise(held))
    for hole in sparse.missing(Span(start, None if size is None else start + size)):
        reach = hole.stop if hole.stop is not None else 200
        assert not any(position in first for position in range(hole.start, reach))
    for position, byte in first.items():
        assert sparse.available(position, position + 1) == bytes([byte])
