"""Output as its readers take it: terminals, spreadsheets, browsers, programs. Each yields what is active in a text."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import preflight.render

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
        "details|summary|figure|figcaption|svg|g|path|rect|line|circle|polygon|polyline|text|desc|button"
    )
    LINKS = re.compile(r"https?://[^\s]+|#[\w-]*")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.active: list[str] = []
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.policies: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if not self.PASSIVE.fullmatch(tag) and (tag, given) != ("script", {}):
            self.active.append(f"<{tag}>")
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
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (the parser's own signature)
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.styles.append(data)
        elif self._inside == "script":
            self.scripts.append(data)
        self.active += read_terminal(data)


#: What our own pages run; the policy of each names its digest.
_SCRIPTS = {file.read_text("utf-8") for file in (Path(preflight.render.__file__).parent / "templates").glob("*.js")}


def read_html(text: str) -> Iterator[str]:
    """A page with nothing active in it but our own script, under a policy that lets nothing else run or be loaded."""
    page = _Page()
    page.feed(text)
    page.close()
    yield from page.active
    if len(page.policies) != 1 or "default-src 'none'" not in page.policies[0] or "unsafe" in page.policies[0]:
        yield f"policy {page.policies}"
    if strange := [script for script in page.scripts if script not in _SCRIPTS]:
        yield f"scripts {strange}"
    if "evil.example" in "".join(page.styles):
        yield "a style of a stranger"


def read_log(text: str) -> Iterator[str]:
    """Lines of ASCII, each one object."""
    if not text.isascii():
        yield "not ASCII"
    for line in text.splitlines():
        yield from read_json(line)


_JUNIT = {"testsuites", "testsuite", "testcase", "failure", "error", "system-out"}


def read_junit(text: str) -> Iterator[str]:
    """A document of the elements that we write, whose texts are safe to show."""
    yield from read_terminal(text)
    for element in fromstring(text).iter():  # noqa: S314  (ours, and a document that is none shall fail)
        if element.tag not in _JUNIT:
            yield f"<{element.tag}>"
        for said in (element.text or "", element.tail or "", *element.attrib.values()):
            yield from (f"decoded: {found}" for found in read_terminal(said))


def read_github(text: str) -> Iterator[str]:
    """Lines of which each is an annotation, as the runner of GitHub Actions cuts it up."""
    yield from read_terminal(text)
    for line in text.splitlines():
        command, _, data = line.removeprefix("::").partition("::")
        name, _, properties = command.partition(" ")
        names = [item.partition("=")[0] for item in properties.split(",")]
        if not line.startswith("::") or name not in {"error", "warning", "notice"}:
            yield f"line {line[:60]!r}"
        if not set(names) <= {"file", "line", "endLine", "col", "endColumn", "title"} or len(set(names)) < len(names):
            yield f"properties {names}"
        decoded = data.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        yield from (f"decoded: {found}" for found in read_terminal(decoded))


def read_sarif(text: str) -> Iterator[str]:
    """A log whose messages hold no link, because `[words](address)` would be one."""
    yield from read_json(text)
    yield from (f"link in {said[:60]!r}" for said in re.findall(r'"text": "((?:[^"\\]|\\.)*)"', text) if "](" in said)
