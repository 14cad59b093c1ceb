"""Make a string that somebody else chose safe to print.

Brands, media types, ETags, file names and field names come from strangers, and a report is read by terminals, log
collectors and people. So everything that could move a cursor, end a line or turn the reading direction becomes a
visible escape before it enters a report; a renderer never meets the raw form.
"""

from __future__ import annotations

import re
import unicodedata

#: Controls (C0, DEL, C1), line and paragraph separators, bidirectional marks and overrides, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: What our own sentences use beyond ASCII, for an output that cannot show it.
_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "→": "->", "’": "'"}
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Longest untrusted value that a report carries, in characters.
LONGEST = 300


def clean(text: str, longest: int | None = LONGEST) -> str:
    r"""`text` in NFC on one line, unsafe characters as `\x1b` or `\u202e`, cut with an ellipsis at `longest`."""
    safe = _UNSAFE.sub(_escape, unicodedata.normalize("NFC", text))
    return safe if longest is None or len(safe) <= longest else f"{safe[: longest - 1]}…"


def clean_lines(text: str) -> str:
    """The same for our own text of several lines: the line breaks stay, nothing is cut."""
    return "\n".join(clean(line, None) for line in text.split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def encodable(text: str, encoding: str) -> str:
    """`text` as `encoding` can carry it: as it is, or with plain stand-ins and escapes for what it lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return encodable(text, "ascii")
    return text
