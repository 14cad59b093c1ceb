"""`preflight config`: what is settled outside the command line, and where."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import options, output
from preflight.language import say, spoken

if TYPE_CHECKING:
    from preflight.config import Config, Setting


@click.group(short_help="Tell which settings hold, and where each comes from.")
def config() -> None:
    """Settings of a project (preflight.toml, or [tool.preflight] in pyproject.toml) and of the environment."""


@config.command(
    epilog="""\b
Weakest first: what is built in, the file, PREFLIGHT_* variables, flags. The file is looked for in this folder and
upwards; PREFLIGHT_CONFIG names another one, and empty it means none.
"""
)
@options.format_option
@options.color_option
def show(format_: str, no_color: bool) -> None:
    """Tell each setting, its value and where it was settled."""
    from preflight.cli.check import check
    from preflight.cli.settled import defaults
    from preflight.cli.submit import submit
    from preflight.config import load_config

    found = load_config()
    for command in (check, submit):  # what they would refuse is refused here
        defaults(click.get_current_context(), command)
    if format_ == "json":
        output.write_utf8(json.dumps(_told(found), ensure_ascii=False, default=str) + "\n")
        return
    output.write(_table(found, output.width(), color=output.use_color(no_color)))
    for name in found.unknown_variables:
        output.say(say("preflight: {name} is no setting; see: preflight config show --help", name=name))


def _told(found: Config) -> dict[str, Any]:
    return {
        "file": found.file and str(found.file),
        "settings": {key: {"value": _shown(key, item), "from": item.origin} for key, item in found.settings.items()},
        "api_key": bool(os.environ.get("PREFLIGHT_API_KEY")),
        "unknown_variables": list(found.unknown_variables),
    }


def _table(found: Config, width: int, *, color: bool) -> str:
    from preflight.config import DOORS, KEYS
    from preflight.render.page import Page

    page = Page(width, color=color)
    rows = {key: found.settings.get(key) for key in (*KEYS, *DOORS)}
    columns = max(map(len, rows)) + 2
    for key, item in rows.items():
        value = _shown(key, item) if item else _built_in().get(key)
        page.row(key, _row(value, item.origin if item else say("built in")), 0, columns)
    if os.environ.get("PREFLIGHT_API_KEY"):
        page.row("api_key", say("set, and never shown"), 0, columns)
    return page.text()


def _row(value: Any, origin: str) -> str:
    return say("{value}  (from: {origin})", value=_written(value), origin=origin)


def _built_in() -> dict[str, Any]:
    from preflight.deliver.source import Bounds
    from preflight.profiles import DEFAULT

    return {"profile": DEFAULT, "timeout": f"{Bounds.timeout:g}", "max_bytes": Bounds.max_bytes, "lang": spoken()}


def _shown(key: str, item: Setting) -> Any:
    """A proxy's URL may carry a password."""
    from preflight.deliver.url import redact

    return redact(str(item.value)) if key == "proxy" else item.value


def _written(value: Any) -> str:
    from preflight.printable import clean

    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case dict() | list():
            return clean(json.dumps(value, ensure_ascii=False, default=str))
    return clean(str(value))
