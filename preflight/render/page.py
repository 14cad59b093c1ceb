"""Lines for a terminal: wrapped at its width, aligned by what characters really occupy, coloured or not.

Commands and URLs are never broken, so that they can be copied. No markup is ever interpreted: every string goes
through `Text`.
"""

from __future__ import annotations

import io
import re
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

#: `ffmpeg -i …` before a full stop, a comma, a semicolon or the end.
_COMMAND = re.compile(r"\s*`([a-z][\w.-]* [^`]+)`(?:[.;,]\s*|\s*$)")


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

    def row(self, label: str, value: Text | str, indent: int = 2, columns: int = 12) -> None:
        """A fact: its label in the first column, its value wrapped in the second; nothing when it is empty."""
        if value:
            self._put(Text.assemble(" " * indent, (label, "dim"), " " * (columns - cell_len(label))), value)

    def advice(self, text: str, indent: int, label: str = "") -> None:
        """Prose that quotes commands in backticks: a command that ends a clause gets a line of its own."""
        columns = len(label) + 2 if label else 0
        for number, part in enumerate(_COMMAND.split(text)):
            if number % 2:
                self.verbatim(part, indent + columns)
            elif part:
                self.row(label, part, indent, columns)
                label = ""

    def verbatim(self, text: str, indent: int = 4) -> None:
        """One line whatever its length: the terminal may fold it, a copy of it stays whole."""
        self._console.print(Text(" " * indent + text), soft_wrap=True)

    def _put(self, head: Text, value: Text | str) -> None:
        text = Text(value) if isinstance(value, str) else value
        column = head.cell_len
        overflow: Literal["ignore", "fold"] = "ignore" if "://" in text.plain else "fold"
        for part in text.wrap(self._console, max(self._width - column, 10), overflow=overflow):
            part.rstrip()
            self._console.print(head + part, soft_wrap=True)
            head = Text(" " * column)
