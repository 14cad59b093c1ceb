"""Links that look like a medium and are a page: what is behind them, and the link to the file where one is known.

The table is data (`share_pages.toml`). It only suggests: nothing is rewritten, and nothing is fetched because of it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote

from preflight.deliver.url import LONGEST_URL, cut, host_of, port_of

if TYPE_CHECKING:
    from preflight.deliver.ends import Confidence

Kind = Literal["page", "storage", "local", "tunnel", "shortener"]
_FILE = Path(__file__).with_name("share_pages.toml")


@dataclass(frozen=True, slots=True)
class SharePage:
    """What is known of a link by its form."""

    service: str
    kind: Kind
    returns: str
    """What a fetcher gets: "a viewer page"."""
    advice: str
    """One or two sentences that repeat nothing of the link."""
    direct: str | None
    """A link to the file itself. Unredacted, and never tried by us."""
    rule: str | None
    """How such a link is made, for any link of the service: the direct one with <ID> or <PATH> for what differs."""
    fetchable: Literal["yes", "no", "depends"]
    """Could a server fetch it once the advice is followed?"""
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class _Entry:
    matches: re.Pattern[str]
    direct: str | None
    page: SharePage


@lru_cache(64)  # several rules ask about the same URL
def share_page(url: str) -> SharePage | None:
    """Tell what a link's form says of it; None: nothing known. Any text is accepted, a local path is None."""
    text = url.strip()[:LONGEST_URL]
    parts = cut(text)
    if parts.scheme not in ("http", "https"):
        return _known(f"{parts.scheme}{text[len(parts.scheme) :]}", storage=True) if parts.scheme else None
    host = host_of(text)
    if host is None:
        return None
    page = _known(f"{host.removeprefix('www.')}{parts.path or '/'}{'?' + parts.query if parts.query else ''}", host)
    # No service with a direct form listens on a port of its own; a mirror that does may serve other paths.
    return page if page is None or port_of(text) in (80, 443) else replace(page, direct=None, rule=None)


def _known(address: str, host: str = "", *, storage: bool = False) -> SharePage | None:
    if not _any().match(address):  # most links; what each of the entries would take one after the other
        return None
    for entry in _entries():
        if (entry.page.kind == "storage") is storage and (match := entry.matches.match(address)):
            return replace(entry.page, direct=_direct(entry, match.groupdict(default="") | {"host": host}))
    return None


def _direct(entry: _Entry, groups: dict[str, str]) -> str | None:
    if entry.direct is None or not groups.get("path", "-"):  # an item of several files names none of them
        return None
    return re.sub(r"\{(\w+)(?::(\w+))?\}", lambda hole: _part(groups[hole[1]], hole[2]), entry.direct)


def _part(value: str, form: str | None) -> str:
    """One group of the link as the direct form needs it: as it is, decoded, or a query with a switch set."""
    if form == "decoded":
        return unquote(value, errors="replace")
    if form in ("raw", "download"):
        kept = [
            field for field in value.split("&") if field and field.partition("=")[0] not in ("dl", "raw", "download")
        ]
        return "&".join([*kept, f"{form}=1"])
    return value


def _in_words(direct: str | None) -> str | None:
    return re.sub(r"\{(\w+)(?::(\w+))?\}", _hole, direct) if direct else None


def _hole(hole: re.Match[str]) -> str:
    """`{id}` as <ID>; a query with a switch set as that switch beside what the link brings."""
    form = f"&{hole[2]}=1" if hole[2] in ("raw", "download") else ""
    return f"<{hole[1].upper()}>{form}"


@cache
def _any() -> re.Pattern[str]:
    """What matches wherever an entry does."""
    return re.compile("|".join(re.sub(r"\?P<\w+>", "?:", entry.matches.pattern) for entry in _entries()))


@cache
def _entries() -> tuple[_Entry, ...]:
    links = tomllib.loads(_FILE.read_text("utf-8"))["link"]
    return tuple(
        _Entry(
            re.compile(link["matches"]),
            link.get("direct"),
            SharePage(
                service=link["service"],
                kind=link["kind"],
                returns=link["returns"],
                advice=link["advice"],
                direct=None,
                rule=_in_words(link.get("direct")),
                fetchable=link["becomes"],
                confidence=link["grade"],
            ),
        )
        for link in links
    )
