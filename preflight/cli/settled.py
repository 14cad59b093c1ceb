"""What is settled outside the command line becomes the defaults of a command's options."""

# ruff: noqa: PLC0415  (a folder without settings costs no import)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from preflight.config import load_config
from preflight.errors import UsageError
from preflight.language import about

if TYPE_CHECKING:
    from preflight.config import Config


def defaults(context: click.Context, command: click.Command) -> dict[str, Any]:
    """Option -> what it is where the command line does not say.

    Raises:
        UsageError: a setting does not hold; the line tells where it stands.
    """
    config = load_config()
    options = {option.name: option for option in command.params if option.name}
    settled = {name: item for name, item in config.settings.items() if name in options}
    for name, item in settled.items():
        try:
            options[name].type_cast_value(context, item.value)
            _require(name, item.value)
        except click.BadParameter as error:
            raise UsageError(about(item.origin, about(name, error.message))) from None
        except UsageError as error:
            raise UsageError(about(item.origin, about(name, str(error)))) from None
    values = {name: item.value for name, item in settled.items()}
    if config.overlay and "profile" in options:
        values["profile"] = _laid_over(config, values.get("profile"))
    return values


def _require(name: str, value: Any) -> None:
    """Make sure that what a setting names is there, while it is known which setting it was.

    Raises:
        UsageError: it is not.
    """
    if name == "ignore":
        from preflight.rules import require_known

        require_known(value, name)
    elif name == "profile":
        from preflight.profiles import load_profile

        load_profile(value)


def _laid_over(config: Config, name: str | None) -> object:
    """The profile of the settings, with their limits. One that is named by a flag stands as it is."""
    from preflight.profiles import DEFAULT, load_profile
    from preflight.profiles.overlay import overlaid
    from preflight.rules import require_profile

    assert config.file is not None
    profile = overlaid(load_profile(name or DEFAULT), config.overlay, config.file)
    require_profile(profile, config.file)
    return profile
