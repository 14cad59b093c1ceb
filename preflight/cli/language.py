"""The language of a command: `--lang` before or behind its name, `PREFLIGHT_LANG`, a setting, the locale, else English.

What programs read does not change with a locale: a format for programs, and the results of an audit, are in English
unless somebody has asked for another language in so many words.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from preflight.cli.help import Context
from preflight.language import LANGUAGES, catalogue, speak

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preflight.language import Language

Commands = TypeVar("Commands", bound=click.Group)
#: Where a command finds what was asked for, before its name as well.
_ASKED = "preflight.lang"
_FOR_PEOPLE = ("text", "html")
#: Characters of a command's line in the help of all: it is wrapped where there is little room, never cut.
_WHOLE = 1000
_HELP = "The language of what is told. Default: PREFLIGHT_LANG, else the locale; for programs: else English."


def _option(callback: Callable[[click.Context, click.Parameter, Any], None], **more: Any) -> click.Option:
    language = click.Choice(LANGUAGES)
    return click.Option(["--lang"], type=language, expose_value=False, callback=callback, help=_HELP, **more)


def with_language(command: click.Command) -> click.Command:
    """The command, and the commands below it, with `--lang`: the last option, so that the format is known to it."""
    if all(option.name != "lang" for option in command.params):
        command.params.append(_option(_choose, envvar="PREFLIGHT_LANG"))
        command.context_class = Context
        command.short_help = command.get_short_help_str(_WHOLE)
        for below in command.commands.values() if isinstance(command, click.Group) else ():
            with_language(below)
    return command


def before_commands(group: Commands) -> Commands:
    """The group with `--lang` (`preflight --lang zh check …`): read first, it also holds for mistakes in the rest."""
    group.params.append(_option(_choose_before, is_eager=True))
    group.context_class = Context
    return group


def _choose_before(context: click.Context, _: click.Parameter, value: Language | None) -> None:
    context.meta[_ASKED] = value
    if value:
        _speak(value)
    else:
        speak_first()


def _choose(context: click.Context, option: click.Parameter, value: Language | None) -> None:
    is_nearest = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
    if is_nearest or not context.meta.get(_ASKED):
        context.meta[_ASKED] = value
    _speak(asked_for(context) or (of_locale(os.environ) if _is_for_people(context) else "en"))


def asked_for(context: click.Context) -> Language | None:
    """The language that somebody has asked for in so many words; None: nobody has."""
    language: Language | None = context.meta.get(_ASKED)
    return language


def _is_for_people(context: click.Context) -> bool:
    return context.params.get("format_", "text") in _FOR_PEOPLE


def speak_first() -> None:
    """The language until the command line is read: for its own mistakes, and for help."""
    _speak(of_variable(os.environ) or of_locale(os.environ))


def _speak(language: Language) -> None:
    """Its catalogue is read now: what is said when somebody presses Ctrl-C has no time to."""
    speak(language)
    if language != "en":
        catalogue(language)


def of_variable(environ: Mapping[str, str]) -> Language | None:
    """What PREFLIGHT_LANG says, if it is a language; that it is none, the command's own option tells."""
    return next((language for language in LANGUAGES if language == environ.get("PREFLIGHT_LANG")), None)


def of_locale(environ: Mapping[str, str]) -> Language:
    """The language of the first variable that says one, as the C library reads them."""
    locale = next(filter(None, map(environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if locale.lower().partition("_")[0].partition(".")[0] == "zh" else "en"
