"""`--help` in the reader's language: click lays it out, and every text of it is looked up in the catalogues.

English is left to click alone. A help text is told paragraph by paragraph; of a list of examples, what stands beside
the commands.
"""

# ruff: noqa: PLC0415  (whoever does not ask for help pays for no page)

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import click

from preflight.language import say, spoken, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: What click puts before a paragraph whose lines are to stay as they are.
_AS_IT_IS = "\b\n"
#: Between a command and what is said of it.
_GAP = re.compile(r"(\s{2,})")


class _Formatter(click.HelpFormatter):
    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        super().write_usage(prog, args, prefix or say("Usage: "))

    def write_heading(self, heading: str) -> None:
        self.write(" " * self.current_indent + say("{heading}:", heading=say(heading)) + "\n")

    def write_text(self, text: str) -> None:
        if spoken() != "en":
            room = self.width - self.current_indent
            text = "\n\n".join(_AS_IT_IS + "\n".join(_lines(part, room)) for part in text.split("\n\n"))
        super().write_text(text)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        rows = list(rows)
        if spoken() != "en":
            column = min(max(len(name) for name, _ in rows), col_max) + col_spacing
            room = max(self.width - column - 2, 10)
            rows = [(name, _AS_IT_IS + "\n".join(_wrapped(_of_option(text), room))) for name, text in rows]
        super().write_dl(rows, col_max, col_spacing)


class Context(click.Context):
    """Click's, with help in the reader's language."""

    formatter_class = _Formatter


def texts(command: click.Command) -> Iterator[str]:
    """Every text of a command's help that is looked up."""
    for text in (command.short_help, command.help, command.epilog):
        for paragraph in inspect.cleandoc(text or "").split("\n\n"):
            yield from _listed(paragraph) if _is_list(paragraph) else (_joined(paragraph),)
    yield from (option.help for option in command.params if isinstance(option, click.Option) and option.help)


def _is_list(paragraph: str) -> bool:
    """Is it a heading with examples below it?"""
    return paragraph.startswith(_AS_IT_IS) and "\n  " in paragraph


def _joined(paragraph: str) -> str:
    return " ".join(paragraph.removeprefix("\b").split())


def _listed(paragraph: str) -> Iterator[str]:
    """The heading, and what is said of each example."""
    heading, *examples = paragraph.removeprefix(_AS_IT_IS).splitlines()
    yield heading
    for example in examples:
        yield from _GAP.split(example.strip())[2::2]


def _lines(paragraph: str, room: int) -> list[str]:
    if not _is_list(paragraph):
        return _wrapped(say(_joined(paragraph)), room)
    heading, *examples = paragraph.removeprefix(_AS_IT_IS).splitlines()
    return [say(heading), *("".join(map(say, _GAP.split(example))) for example in examples)]


def _of_option(text: str) -> str:
    """What an option does, and what click says behind that: its default, its range."""
    said, bracket, rest = text.removesuffix("]").rpartition("  [")
    if not bracket:
        return say(text)
    return f"{say(said)}  [{'; '.join(map(told, rest.split('; ')))}]"


def _wrapped(text: str, room: int) -> list[str]:
    from preflight.render.page import wrapped

    return wrapped(text, room)
