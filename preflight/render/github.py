"""Checks as workflow commands of GitHub Actions: each remark becomes an annotation of a line in the request's file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.printable import clean
from preflight.render.checked import remarks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.render.checked import Checked, Remark
    from preflight.request.locate import Source

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def render_github(checks: Iterable[Checked], *, strict: bool) -> str:
    """A command on a line for each remark; nothing for a request about which there is nothing to remark."""
    commands = (_command(checked.source, remark) for checked in checks for remark in remarks(checked, strict=strict))
    return "".join(f"{command}\n" for command in commands)


def _command(source: Source, remark: Remark) -> str:
    properties: dict[str, object] = {"title": remark.rule}
    if source.is_file:
        properties = {"file": clean(source.name, None), **_lines(source, remark.pointer), **properties}
    told = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{_COMMANDS[remark.severity]} {told}::{_data(remark.text)}"


def _lines(source: Source, pointer: str) -> dict[str, int]:
    place = source.place(pointer)
    if place is None:
        return {"line": 1}
    if place.line != place.end_line:  # columns mean something within one line only
        return {"line": place.line, "endLine": place.end_line}
    return {"line": place.line, "col": place.column, "endColumn": place.end_column}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
