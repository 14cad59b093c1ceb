"""Output as its readers take it: terminals, spreadsheets, browsers, programs. Each yields what is active in a text."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def _unseen(text: str) -> str | None:
    """The first character that a terminal obeys, or that has no picture; our own line breaks are none."""
    return next((c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}), None) or (
        next((c for c in text if c in "\u3164\u115f\uffa0"), None)
    )


def read_terminal(text: str) -> Iterator[str]:
    """What is active on a terminal, without colours."""
    if (character := _unseen(text)) is not None:
        at = text.index(character)
        yield f"U+{ord(character):04X} in {text[max(0, at - 20) : at + 20]!r}"


def read_colours(text: str, plain: str) -> Iterator[str]:
    """With colours: nothing but colour may have been added to the plain text."""
    if re.sub(r"\x1b\[[0-9;]*m", "", text) != plain:
        yield "the coloured text differs from the plain one"


def read_json(text: str) -> Iterator[str]:
    """JSON that is one object, whose strings are safe even when decoded."""
    yield from read_terminal(text)
    for string in _strings(json.loads(text)):
        yield from (f"decoded: {found}" for found in read_terminal(string))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for item in value:
                yield from _strings(item)
        case dict():
            for name, item in value.items():
                yield name
                yield from _strings(item)


def read_csv(text: str) -> Iterator[str]:
    """A table whose rows are all as long, and none of whose cells is a formula."""
    yield from read_terminal(text.replace("\r\n", "\n"))
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if len(rows) != 2 or len({len(row) for row in rows}) != 1:
        yield f"{len(rows)} rows of {sorted({len(row) for row in rows})} cells"
    for cell in (cell for row in rows for cell in row):
        first = unicodedata.normalize("NFKC", cell.lstrip())[:1]
        if first and (first in "=+-@" or cell[0] in "\t\r\n\0") and not re.fullmatch(r"-?[0-9.]+", cell):
            yield f"formula {cell[:40]!r}"


class _Page(HTMLParser):
    """What a browser would make of a page."""

    PASSIVE = re.compile(
        "html|head|meta|title|style|body|main|header|footer|section|article|nav|aside|div|p|span|h[1-4]|ul|ol|li|dl|dt|dd|"
        "table|caption|colgroup|col|thead|tbody|tr|th|td|code|pre|kbd|samp|mark|a|b|strong|em|i|small|abbr|time|br|hr|"
        "details|summary|figure|figcaption|svg|g|path|rect|line|circle|polygon|polyline|text|desc"
    )
    LINKS = re.compile(r"https?://[^\s]+|#[\w-]*")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.active: list[str] = []
        self.styles: list[str] = []
        self.policies: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.PASSIVE.fullmatch(tag):
            self.active.append(f"<{tag}>")
        given = dict(attrs)
        if tag == "meta" and (given.get("http-equiv") or "").lower() == "content-security-policy":
            self.policies.append(given.get("content") or "")
        elif tag == "meta" and given.get("http-equiv"):
            self.active.append(f"<meta http-equiv={given['http-equiv']}>")
        for name, value in attrs:
            link = name in {"href", "src", "xlink:href", "action", "data", "srcset", "poster"}
            led_astray = link and not self.LINKS.fullmatch(value or "")
            if name.startswith("on") or (name == "style" and "url" in (value or "")) or led_astray:
                self.active.append(f"{name}={value}")
            self.active += read_terminal(value or "")
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (the parser's own signature)
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style:
            self.styles.append(data)
        self.active += read_terminal(data)


def read_html(text: str) -> Iterator[str]:
    """A page with nothing active in it, under a policy that would let nothing run, and with no style but its own."""
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.active
    if len(page.policies) != 1 or "default-src 'none'" not in page.policies[0] or "unsafe" in page.policies[0]:
        yield f"policy {page.policies}"
    if "evil.example" in "".join(page.styles):
        yield "a style of a stranger"


def read_log(text: str) -> Iterator[str]:
    """Lines of ASCII, each one object."""
    if not text.isascii():
        yield "not ASCII"
    for line in text.splitlines():
        yield from read_json(line)
