"""Links that look like a medium and are a page: what is behind them, and the link to the file where one is known.

The table is data (`share_pages.toml`). It only suggests: nothing is rewritten, and nothing is fetched because of it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from functools import cache
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
    fetchable: Literal["yes", "no", "depends"]
    """Could a server fetch it once the advice is followed?"""
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class _Entry:
    matches: re.Pattern[str]
    direct: str | None
    page: SharePage


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
    return page if page is None or port_of(text) in (80, 443) else replace(page, direct=None)


def _known(address: str, host: str = "", *, storage: bool = False) -> SharePage | None:
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


@cache
def _entries() -> tuple[_Entry, ...]:
    links = tomllib.loads(_FILE.read_text("utf-8"))["link"]
    return tuple(
        _Entry(
            re.compile(link["matches"]),
            link.get("direct"),
            SharePage(
                link["service"], link["kind"], link["returns"], link["advice"], None, link["becomes"], link["grade"]
            ),
        )
        for link in links
    )
