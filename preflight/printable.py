"""Make a string that somebody else chose safe to print.

Brands, media types, ETags, file names and field names come from strangers, and a report is read by terminals, log
collectors and people. So everything that could move a cursor, end a line or turn the reading direction becomes a
visible escape before it enters a report; a renderer never meets the raw form.
"""

from __future__ import annotations

import re
import unicodedata

#: Controls (C0, DEL, C1), line and paragraph separators, lone surrogates, and whatever has no picture of its own
#: (Unicode's Default_Ignorable_Code_Point, which holds every bidirectional mark; emoji keep their variation selectors).
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"
    "\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
#: What a spreadsheet takes for the beginning of a formula, whatever its width.
_FORMULA = ("=", "+", "-", "@")
_BEHIND_SEPARATOR = re.compile(r"([;|\t][\s\"']*)(?=[=+\-@＝＋－＠])")
#: What our own sentences use beyond ASCII, for an output that cannot show it.
_PLAIN = str.maketrans(
    {"✓": "+", "✗": "x", "–": "-", "—": "-", "…": "...", "×": "x", "≤": "<=", "≥": ">=", "→": "->", "’": "'"}
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

#: Longest untrusted value that a report carries, in characters.
LONGEST = 300


def clean(text: str, longest: int | None = LONGEST) -> str:
    r"""`text` in NFC on one line, unsafe characters as `\x1b` or `\u202e`, cut with an ellipsis at `longest`."""
    is_plain = text.isascii() and text.isprintable()  # most of all text, and quickly known
    safe = text if is_plain else _UNSAFE.sub(_escape, unicodedata.normalize("NFC", text))
    return safe if longest is None or len(safe) <= longest else f"{safe[: longest - 1]}…"


def clean_lines(text: str) -> str:
    """The same for our own text of several lines: the line breaks stay, nothing is cut."""
    if text.isascii() and text.isprintable():  # one line
        return text
    return "\n".join(clean(line, None) for line in text.split("\n"))


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    escape = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(character, escape)


def cell(text: str) -> str:
    """`text` cleaned, as a spreadsheet shows it rather than computes it: an apostrophe stands before a formula.

    Also behind a semicolon, a bar or a tab: where the comma is for decimals, a spreadsheet may begin a cell there.
    """
    safe = _BEHIND_SEPARATOR.sub(r"\1'", clean(text, None))
    return f"'{safe}" if unicodedata.normalize("NFKC", safe.lstrip())[:1] in _FORMULA else safe


def encodable(text: str, encoding: str) -> str:
    """`text` as `encoding` can carry it: as it is, or with plain stand-ins and escapes for what it lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:
        return encodable(text, "ascii")
    return text
