"""Lines for a terminal: wrapped at its width, aligned by what characters really occupy, coloured or not.

Words are never broken, and commands and URLs not even between their words, so that they can be copied. No markup is
ever interpreted: every string goes through `Text`.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

from preflight.render.phrases import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Chinese has no spaces: a line may end behind any of its characters (Japanese and Korean ones are alike in this),
#: but not before a mark that closes, nor behind one that opens.
_CHARACTERS = "\u2e80-\u2fff\u3005-\u3007\u3021-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
_CLOSING = "、。〉》」』】〕，．：；？！）］｝％"
_OPENING = "〈《「『【〔（［｛"
_EASTERN = _CHARACTERS + _CLOSING + _OPENING
#: What stays on one line, and the space after it: a short quotation in backticks with what clings to it, a path or URL,
#: a word, or a character.
_WORD = re.compile(
    rf"""
      [“‘(\[{{{_OPENING}]*
      (?: [^\s`{_EASTERN}]*`[^`]*`[^\s{_CHARACTERS}{_OPENING}]*
        | [^\s`{_EASTERN}]*/[^\s`{_CLOSING}{_OPENING}]*[{_CLOSING}]*
        | [^\s{_EASTERN}]+[{_CLOSING}]*
        | [{_EASTERN}][”’…—)\]}}{_CLOSING}]*
      ) \s*
      | \s+""",
    re.VERBOSE,
)
_PLAIN_WORD = re.compile(r"\S+\s*|\s+")


class Page:
    """Lines of a given width, in colour or not."""

    def __init__(self, width: int, *, color: bool) -> None:
        self._file = io.StringIO()
        self._width = width
        self._console = Console(
            file=self._file,
            width=width,
            force_terminal=color,
            color_system="standard" if color else None,
            no_color=not color,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
            _environ={},
        )

    def text(self) -> str:
        """All of it so far."""
        return self._file.getvalue()

    def blank(self) -> None:
        """An empty line."""
        self._file.write("\n")

    def section(self, title: str, style: str = "bold") -> None:
        """An empty line and a heading."""
        self.blank()
        self.line(Text(title, style))

    def line(self, text: Text | str, indent: int = 0, bullet: Text | None = None) -> None:
        """One paragraph, wrapped; `bullet` stands before its first line."""
        self._put(Text(" " * indent) + (bullet or Text()), text)

    def row(self, label: Text | str, value: Text | str, indent: int = 2, columns: int = 12) -> None:
        """A fact: its label in the first column, its value wrapped in the second; nothing when it is empty."""
        if value:
            name = Text(label, "dim") if isinstance(label, str) else label
            self._put(Text.assemble(" " * indent, name, " " * (columns - name.cell_len)), value)

    def advice(self, text: str, indent: int, label: str = "") -> None:
        """Prose that quotes commands in backticks: a command that ends a clause gets a line of its own."""
        columns = cell_len(label) + 2 if label else 0
        for kind, part in advice(text):
            if kind == "command":
                self.verbatim(part, indent + columns)
            else:
                self.row(label, part, indent, columns)
                label = ""

    def verbatim(self, text: Text | str, indent: int = 4) -> None:
        """One line whatever its length: the terminal may fold it, a copy of it stays whole."""
        self._console.print(Text.assemble(" " * indent, text), soft_wrap=True)

    def _put(self, head: Text, value: Text | str) -> None:
        text = Text(value) if isinstance(value, str) else value
        column = head.cell_len
        for paragraph in text.split("\n", allow_blank=True):
            for part in paragraph.divide(_breaks(paragraph.plain, max(self._width - column, 10))):
                part.rstrip()
                self._console.print(head + part, soft_wrap=True)
                head = Text(" " * column)


def wrapped(text: str, room: int) -> list[str]:
    """One paragraph as lines of at most `room` columns."""
    ends = [*_breaks(text, room), len(text)]
    return [text[start:end].rstrip() for start, end in zip([0, *ends], ends, strict=False)]


def _breaks(text: str, room: int) -> Iterator[int]:
    """Where lines of at most `room` columns begin, but for the first one."""
    filled, start = 0, 0
    for word in _words(text, room):
        occupied = cell_len(word.rstrip())
        if filled and filled + occupied > room:
            yield start
            filled = 0
        filled += cell_len(word)
        start += len(word)


def _words(text: str, room: int, pattern: re.Pattern[str] = _WORD) -> Iterator[str]:
    """The pieces that stay whole: words, short quotations, and paths and URLs of any length; else what fits."""
    for match in pattern.finditer(text):
        word = match.group()
        if cell_len(word.rstrip()) <= room:
            yield word
        elif " " in word.rstrip():
            yield from _words(word, room, _PLAIN_WORD)
        elif "://" in word or (word.isascii() and "/" in word):
            yield word
        else:
            yield from chop_cells(word, room)
