"""The few response headers that decide something, read strictly: a value, or None for whatever is not one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from preflight.deliver.sparse import Span

_DIGITS = r"[0-9]{1,18}"  # sizes up to an exabyte; longer numbers are nonsense, or an attack on int()
_CONTENT_RANGE = re.compile(rf"bytes +(?:({_DIGITS})-({_DIGITS})|\*)/({_DIGITS}|\*)", re.IGNORECASE)
_NUMBER = re.compile(_DIGITS)
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,127}"  # noqa: S105  (HTTP's word for a word)
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}")
_CODINGS = re.compile(rf"{_TOKEN}(?: *, *{_TOKEN})*")
_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]*"')

#: Longest pause that a server is believed to mean, in seconds.
_YEAR = 365 * 86400.0


@dataclass(frozen=True, slots=True)
class ContentRange:
    """`bytes 0-99/200`: which part came, of how many bytes. No span: the range lies outside (`bytes */200`)."""

    span: Span | None
    total: int | None


def content_range(text: str | None) -> ContentRange | None:
    """What a Content-Range says; None where it says nothing that can be true."""
    match = _CONTENT_RANGE.fullmatch(text.strip()) if text else None
    if match is None:
        return None
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return None if total is None else ContentRange(None, total)
    if int(last) < int(first) or (total is not None and int(last) >= total):
        return None
    return ContentRange(Span(int(first), int(last) + 1), total)


def content_length(text: str | None) -> int | None:
    """A body's size in bytes."""
    return int(text) if text and _NUMBER.fullmatch(text.strip()) else None


def retry_after(text: str | None, now: datetime) -> float | None:
    """The pause that a server asks for, in seconds from `now`; a date in the past is no pause."""
    if text is None:
        return None
    if _NUMBER.fullmatch(text.strip()):
        return min(float(text), _YEAR)
    try:
        moment = parsedate_to_datetime(text)
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    except (ValueError, TypeError, IndexError, OverflowError):  # how the standard library refuses a date
        return None
    return min(max(pause.total_seconds(), 0.0), _YEAR)


def media_type(text: str | None) -> str | None:
    """`video/mp4` of `Video/MP4; codecs="avc1"`."""
    essence = (text or "").partition(";")[0].strip().lower()
    return essence if _MEDIA_TYPE.fullmatch(essence) else None


def strong_etag(text: str | None) -> str | None:
    """The entity tag when it promises the same bytes, so that it may stand in an If-Range."""
    return text if text and _STRONG_ETAG.fullmatch(text) else None


def foreign_coding(text: str | None) -> str | None:
    """The content coding of a body that does not come as it is; a word that is safe to print."""
    if text is None or text.strip().lower() in {"", "identity"}:
        return None
    return text.strip().lower() if _CODINGS.fullmatch(text.strip()) else "unreadable"
