"""Where in the text of a request a JSON Pointer leads, for whoever has to show a line.

The pointers are those of a report: a name in them is spelt as it is printed, which may be escaped or shortened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.request.spelling import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of text: lines and columns counted from 1, in characters; `end_column` is the one behind its end."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request came from. `name`: as somebody called it, not cleaned."""

    name: str
    text: str = ""
    is_file: bool = False
    overridden: frozenset[str] = frozenset()
    """Fields whose value is not the text's own: flags gave them."""

    def place(self, pointer: str) -> Place | None:
        """Where the text holds what is at the pointer; None where it does not, or is not JSON."""
        return None if pointer.split("/")[1:2] in [[name] for name in self.overridden] else locate(self.text, pointer)


def locate(text: str, pointer: str) -> Place | None:
    """The place of the value at a JSON Pointer (RFC 6901); None if the text is not JSON.

    Where there is no such value (a field is missing), it is the opening bracket of what should hold it.
    """
    start = _skip(text, 0)
    try:
        if _skip(text, _end(text, start)) != len(text):
            return None
        for token in pointer.split("/")[1:]:
            child = _child(text, start, token.replace("~1", "/").replace("~0", "~"))
            if child is None:
                return _place(text, start, start + 1)
            start = child
        return _place(text, start, _end(text, start))
    except (ValueError, RecursionError):  # no JSON, a number of thousands of digits, brackets without end
        return None


def _child(text: str, start: int, name: str) -> int | None:
    """Where the member of that name begins, of the value that begins at `start`."""
    members = list(_members(text, start))
    exact = (at for member, at in members if member == name)
    alike = (at for member, at in members if printable(member) == name)
    return next(exact, next(alike, None))


def _members(text: str, start: int) -> Iterator[tuple[str, int]]:
    """The name of each member of an object (of an array, its number), and where its value begins."""
    opening = text[start]
    if opening not in "{[":
        return
    at, number = _skip(text, start + 1), 0
    while text[at] not in "}]":
        name = str(number)
        if opening == "{":
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + len(":"))
        yield name, at
        at = _skip(text, _end(text, at))
        at = _skip(text, at + len(",")) if text[at] == "," else at
        number += 1


def _skip(text: str, at: int) -> int:
    """The first character from here on that is no white space."""
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _end(text: str, start: int) -> int:
    """Where the value that begins here has ended."""
    end: int = _DECODER.raw_decode(text, start)[1]
    return end


def _place(text: str, start: int, end: int) -> Place:
    return Place(*_position(text, start), *_position(text, end))


def _position(text: str, at: int) -> tuple[int, int]:
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
