"""What a project or a person has settled once: a file, and variables of the environment.

Weakest first: what is built in, the file, `PREFLIGHT_*`, a flag. The file is `preflight.toml`, or `[tool.preflight]` in
`pyproject.toml`; it is looked for in the working folder and upwards, and the nearest folder that has one decides.

A file may have come with somebody's repository: what opens a door (`allow_private`, a proxy) is no key of it and has to
be a flag or a variable.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from preflight.errors import UsageError
from preflight.language import LANGUAGES, about, say, told
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Kind = Literal["text", "number", "switch", "names", "table"]

#: Key -> what it holds. The names are those of the options.
KEYS: dict[str, Kind] = {
    "profile": "text",
    "ignore": "names",
    "price": "number",
    "strict": "switch",
    "timeout": "number",
    "max_bytes": "text",
    "max_billed_seconds": "number",
    "max_cost": "number",
    "lang": "text",
    "severities": "table",
    "limits": "table",
    "billing": "table",
    "tariff": "table",
}
#: What the environment may say as well.
DOORS: dict[str, Kind] = {"allow_private": "switch", "proxy": "text", "trust_proxy": "switch"}
#: Tables that change the profile that was chosen.
OVERLAY = ("severities", "limits", "billing", "tariff")
#: Variables of ours that are no settings.
_OTHERS = frozenset({"PREFLIGHT_CONFIG", "PREFLIGHT_DEBUG", "PREFLIGHT_API_KEY", "PREFLIGHT_BASE_URL"})
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value and where it was settled, as a person would look for it."""

    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Config:
    """Everything settled outside the command line."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    file: Path | None = None
    unknown_variables: tuple[str, ...] = ()
    """`PREFLIGHT_*` that mean nothing: most likely a slip."""

    @property
    def overlay(self) -> dict[str, Any]:
        """The tables that change the profile; empty: it stands as it is."""
        return {key: self.settings[key].value for key in OVERLAY if key in self.settings}


def load_config(folder: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """What holds for a command that is started in `folder` (the working folder).

    Raises:
        UsageError: a file or a variable does not hold; the line says which, and what is wanted.
    """
    file = _file(folder or _working_folder(), environ.get("PREFLIGHT_CONFIG"))
    settings = dict(_of_file(file)) if file else {}
    settings |= dict(_of_environment(environ))
    names = {f"PREFLIGHT_{key.upper()}" for key, kind in {**KEYS, **DOORS}.items() if kind != "table"} | _OTHERS
    strays = sorted(name for name in environ if name.startswith("PREFLIGHT_") and name not in names)
    return Config(settings, file, tuple(strays))


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it is gone, or closed to us
        return None


def _file(folder: Path | None, named: str | None) -> Path | None:
    """The file that decides; `PREFLIGHT_CONFIG` names one, and empty it means that none counts."""
    if named is not None:
        return Path(named) if named else None
    for place in (folder, *folder.parents) if folder else ():
        # `os.path`, because a Path raises in a folder that is closed to us.
        if os.path.isfile(own := place / "preflight.toml"):  # noqa: PTH113
            return own
        # Most name no settings of ours: nothing of theirs is parsed, nothing that is wrong with them is our matter.
        shared = place / "pyproject.toml"
        if os.path.isfile(shared) and b"tool.preflight" in _bytes(shared) and "preflight" in _tools(shared):  # noqa: PTH113
            return shared
    return None


def _tools(file: Path) -> dict[str, Any]:
    tools: Any = _read(file).get("tool")
    return tools if isinstance(tools, dict) else {}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(about(file, told(error.strerror or type(error).__name__))) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_bytes(file).decode(), parse_float=Decimal)
    except UnicodeDecodeError:
        raise UsageError(about(file, say("not UTF-8 text"))) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(about(file, say("not TOML: {error}", error=clean(str(error))))) from None


def _of_file(file: Path) -> Iterator[tuple[str, Setting]]:
    table: Any = _tools(file).get("preflight") if file.name == "pyproject.toml" else _read(file)
    if not isinstance(table, dict):
        raise UsageError(about(file, say("wanted is a table of settings")))
    for key, value in table.items():
        place = about(file, clean(key))
        if key in DOORS:
            raise UsageError(about(place, say("is no setting for a file: give it as a flag or a variable")))
        if key not in KEYS:
            near = get_close_matches(key, KEYS, n=1)
            hint = say("; did you mean {name!r}?", name=near[0]) if near else ""
            raise UsageError(about(place, say("no such setting") + hint))
        settled = _checked(key, KEYS[key], value, place)
        if key == "profile" and (settled.endswith(".toml") or "/" in settled):
            settled = str(file.parent / settled)
        yield key, Setting(settled, str(file))


def _of_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Setting]]:
    for key, kind in {**KEYS, **DOORS}.items():
        name = f"PREFLIGHT_{key.upper()}"
        text = environ.get(name, "")
        if not text or kind == "table":
            continue
        value: Any = text
        if kind == "switch":
            value = _SWITCH.get(text.lower(), text)
        elif kind == "names":
            value = text.replace(",", " ").split()
        yield key, Setting(_checked(key, kind, value, name), name)


def _checked(key: str, kind: Kind, value: Any, place: str) -> Any:
    """The value as an option would take it.

    Raises:
        UsageError: it is of another kind; what an option's own type thinks of it is that type's business.
    """
    match kind, value:
        case "text", str() if key != "lang" or value in LANGUAGES:
            return value
        case "text", int() if key == "max_bytes" and not isinstance(value, bool):
            return str(value)
        case "number", str() | int() | Decimal() if not isinstance(value, bool):
            return str(value)
        case "switch", bool():
            return value
        case "names", [*names] if all(isinstance(name, str) for name in names):
            return names
        case "table", dict():
            return value
    wanted = {
        "text": say("text in quotes"),
        "number": say("a number"),
        "switch": say("true or false"),
        "names": say("a list of rule ids"),
        "table": say("a table"),
    }[kind]
    if key == "lang":
        wanted = " | ".join(LANGUAGES)
    raise UsageError(about(place, say("wanted is {wanted}", wanted=wanted)))
