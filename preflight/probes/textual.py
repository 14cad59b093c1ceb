"""Text that arrives where a medium was meant: a web page, an error document, a playlist, a pointer file.

The text itself is never repeated: it may hold a secret. Only its kind is told.
"""

from __future__ import annotations

import codecs
import re

from preflight.facts import Refusal

_HTML_TAGS = re.compile(
    r"html|head|body|title|meta|link|script|style|base|noscript|iframe|frameset|div|span|p|a|b|br|h[1-6]|table|center"
    r"|font|form|img|main|section|article|header|nav|ul|ol|li|pre|strong|em"
)
_PLAYLIST = (Refusal.PLAYLIST, "application/vnd.apple.mpegurl", "an HLS or M3U playlist")
_STARTS = (
    ("#extm3u", _PLAYLIST),
    ("#extinf", _PLAYLIST),
    ("#ext-x-", _PLAYLIST),
    ("ffconcat version", (Refusal.PLAYLIST, "text/plain", "an ffconcat list")),
    ("[playlist]", (Refusal.PLAYLIST, "audio/x-scpls", "a PLS playlist")),
    ("[reference]", (Refusal.PLAYLIST, "video/x-ms-asf", "a Windows Media reference file")),
    ("rtsptext", (Refusal.PLAYLIST, "application/x-quicktimeplayer", "a QuickTime reference file")),
    ("version https://git-lfs.github.com/", (Refusal.LFS_POINTER, "text/plain", "a Git LFS pointer")),
    ("version https://hawser.github.com/", (Refusal.LFS_POINTER, "text/plain", "a Git LFS pointer")),
    ("%pdf-", (Refusal.PDF, "application/pdf", "a PDF document")),
)
_ROOTS = {
    "svg": (Refusal.UNSUPPORTED, "image/svg+xml", "an SVG drawing"),
    "mpd": (Refusal.PLAYLIST, "application/dash+xml", "a DASH manifest"),
    "smil": (Refusal.PLAYLIST, "application/smil+xml", "a SMIL presentation"),
    "asx": (Refusal.PLAYLIST, "video/x-ms-asf", "an ASX playlist"),
    "smoothstreamingmedia": (Refusal.PLAYLIST, "application/vnd.ms-sstr+xml", "a Smooth Streaming manifest"),
    "playlist": (Refusal.PLAYLIST, "application/xspf+xml", "an XSPF playlist"),
    "error": (Refusal.XML, "application/xml", "an XML error document, as object stores answer"),
    "rss": (Refusal.XML, "application/rss+xml", "an RSS feed"),
}
_SDP = re.compile(r"v=0\r?\n[a-z]=", re.ASCII)
_JSON = re.compile(r"\{\s*(?:[\"}]|$)|\[\s*(?:[\[{\"\]0-9-]|true|false|null|$)", re.ASCII)
_SKIPPED_MARKUP = re.compile(r"<\?(?!wpl).*?\?>|<!--.*?-->|\s+", re.ASCII | re.DOTALL)
_TAG = re.compile(r"<(?:!doctype\s+|\?)?(?:[\w.-]+:)?([a-z][\w.-]*)(?=[\s/>]|$)", re.ASCII)


def text_kind(head: bytes, *, cut: bool) -> tuple[Refusal, str | None, str] | None:
    """Name the kind of text that begins with `head`; None: it is no text. `cut`: the file goes on after `head`."""
    text = _decode(head, cut=cut)
    if text is None:
        return None
    text = text.strip("\ufeff \t\r\n\f").lower()
    if not text:
        return Refusal.TEXT, "text/plain", "white space only"
    for start, kind in _STARTS:
        if text.startswith(start):
            return kind
    if _SDP.match(text):
        return Refusal.PLAYLIST, "application/sdp", "a session description (SDP)"
    if _JSON.match(text):
        return Refusal.JSON, "application/json", "a JSON document"
    if text.startswith("<"):
        return _markup(text)
    if re.fullmatch(r"(?:https?|s3|gs|rtmps?|rtsp)://\S+", text):
        return Refusal.TEXT, "text/plain", "a text that holds a URL"
    return Refusal.TEXT, "text/plain", "plain text"


def _markup(text: str) -> tuple[Refusal, str | None, str]:
    """Tell by the doctype or the root element, after any XML declaration and comments."""
    xml, at = text.startswith("<?xml"), 0
    while skipped := _SKIPPED_MARKUP.match(text, at):
        at = skipped.end()
    tag = _TAG.match(text, at)
    root = tag[1] if tag else ""
    if _HTML_TAGS.fullmatch(root) or text.startswith("<!--", at) or (at and at == len(text) and not xml):
        return Refusal.HTML, "text/html", "an HTML page"
    return _ROOTS.get(root) or (Refusal.XML, "application/xml", "an XML document")


def _decode(head: bytes, *, cut: bool) -> str | None:
    """Read UTF-8 or UTF-16, told by a byte order mark or by the zero beside a first `<` or `{`; None: no text."""
    encoding = "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif len(head) > 1 and head[0:2].strip(b"\0") in {b"<", b"{", b"[", b"#"} and 0 in head[:2]:
        encoding = "utf-16-be" if head[0] == 0 else "utf-16-le"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=not cut)
    except UnicodeDecodeError:
        text = _legacy(head)
    return None if _CONTROL.search(text) else text


def _legacy(head: bytes) -> str:
    """Markup of an older page: what it says in its other letters does not matter, its tags are ASCII."""
    return head.decode("latin-1") if head.lstrip()[:1] in {b"<", b"{", b"[", b"#"} else "\0"


_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
