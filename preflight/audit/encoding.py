"""How the text of a file is encoded: as its first bytes say, else as the user says, else as UTF-8.

What is neither marked nor named is held against UTF-8 before a row is read. Most of its text does not fit: it is in
another encoding, and all of it would come out wrong, so it is refused as a whole. Some of it does not fit: rows are
damaged, and each of them is told.
"""

from __future__ import annotations

import codecs
import io
import re
from difflib import get_close_matches
from encodings.aliases import aliases
from typing import TYPE_CHECKING, BinaryIO

from preflight.errors import RequestUnreadable, UsageError
from preflight.language import about, say
from preflight.request.spelling import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

UTF8 = "utf-8"
#: The name of the error handler under which every byte can be read: one that is none of the encoding becomes U+DC00
#: and its value, which no text holds.
ESCAPED = "preflight.escaped"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: So much of a file is held against UTF-8, in bytes, and so much of it at once.
_HELD = 64 << 20
_PIECE = 16 << 10
_ENOUGH_LINES = 100
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(ESCAPED, _escape)


def read_encoding(name: str) -> str:
    """The encoding of this name, as Python spells it.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    if _is_text(name):
        return codecs.lookup(name).name
    known = filter(_is_text, (*aliases, *aliases.values()))
    nearest = get_close_matches(name.lower().replace("-", "_"), known, n=1)
    problem = say("no encoding of text, such as gb18030, cp1252 or utf-16-le")
    if nearest:
        problem = say("no encoding of text; did you mean {name}?", name=nearest[0].replace("_", "-"))
    raise UsageError(about(f"--encoding {printable(name)}", problem))


def _is_text(name: str) -> bool:
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=name)
    except (LookupError, ValueError):  # there is none, it is one of bytes (base64), or no name at all
        return False
    return True


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark at the start of a file tells."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def encoding_of(file: BinaryIO, told: str | None) -> str:
    """How to read a file, which is left at its start. A mark counts more than what was `told`.

    Raises:
        RequestUnreadable: nothing tells, and it is not UTF-8.
    """
    head = file.read(4)
    file.seek(0)
    known = marked(head) or told
    if known is not None:
        return known
    if b"\0" in head[:2] and any(head[:2]):
        order = "be" if head[0] == 0 else "le"
        option = f"--encoding utf-16-{order}"
        raise RequestUnreadable(say("UTF-16 without a byte order mark, it seems; say so: {option}", option=option))
    if fault := _misfit(file):
        raise RequestUnreadable(fault)
    return UTF8


def _misfit(file: BinaryIO) -> str | None:
    """What is to be said of a file most of whose text is not UTF-8; None: it is, or there is no more than ASCII."""
    fitting, others, first = 0, 0, None
    evidence: list[bytes] = []
    for number, line in _lines(file):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            others += 1
            first = first or (number, line[error.start])
            if len(evidence) < _ENOUGH_LINES:
                evidence.append(line)
        else:
            fitting += 1
    file.seek(0)
    if first is None or fitting >= others:
        return None
    seems, name = _likely(b"\n".join(evidence))
    return say(
        "line {line:,} is not UTF-8 (byte 0x{byte:02X}); the file seems to be {seems}: say so with --encoding {name}, "
        "or save it as UTF-8",
        line=first[0],
        byte=first[1],
        seems=seems,
        name=name,
    )


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that hold more than ASCII, with their numbers, in flat memory: a very long one comes in pieces."""
    before = 0
    while file.tell() < _HELD and (piece := file.read(_PIECE) + file.readline(_PIECE)):
        whole = codecs.utf_8_decode(piece, "replace", False)[1]
        if 0 < whole < len(piece):  # its last character goes on
            file.seek(whole - len(piece), io.SEEK_CUR)
            piece = piece[:whole]
        lines = piece.splitlines()
        if not piece.isascii():
            yield from ((before + number, line) for number, line in enumerate(lines, 1) if not line.isascii())
        before += len(lines) if piece.endswith((b"\n", b"\r")) else len(lines) - 1


def _likely(text: bytes) -> tuple[str, str]:
    """The encoding that this most likely is: two bytes make a Chinese character, and one makes an accented letter."""
    runs = [len(run) for run in _BEYOND_ASCII.findall(text)]
    pairs = sum(length for length in runs if length > 1)
    return ("GB18030 (GBK)", "gb18030") if pairs > runs.count(1) else ("Windows-1252 (Latin-1)", "cp1252")
