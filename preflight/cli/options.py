"""The options that several commands share, and their types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, TypeVar, cast

import click

from preflight.language import say

Command = TypeVar("Command", bound=Callable[..., Any])


class _Bytes(click.ParamType[int]):
    """A number of bytes: `8388608`, `8M`, `512K` (powers of 1024)."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([1-9]\d{0,14})([KMG]?)(?:i?B)?", str(value), re.IGNORECASE)
        if not match:
            fault = say("{value!r} is not a number of bytes above zero, such as 8388608, 512K or 8M", value=value)
            self.fail(fault, param, ctx)
        power: int = " KMG".index(match[2].upper() or " ")
        return int(match[1]) * 1 << 10 * power


class _Price(click.ParamType[Decimal]):
    """Money per billed second, exact."""

    name = "money"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            price = Decimal(str(value))
        except InvalidOperation:
            price = Decimal("nan")
        if not price.is_finite() or price <= 0:
            self.fail(say("{value!r} is not an amount above zero, such as 0.07", value=value), param, ctx)
        return price


class _Seconds(click.ParamType[float]):
    """A length of time above zero, and not without end."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(say("{value!r} is not a number of seconds above zero, such as 20", value=value), param, ctx)
        return seconds


class _Profile(click.ParamType[Any]):
    """A profile by name or path; or the profile itself, where settings made one."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ARG002
        return value


BYTES = _Bytes()
SECONDS = _Seconds()
PRICE = _Price()
PROFILE = _Profile()


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in reading order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _formats(*names: str, told: str) -> Callable[[Command], Command]:
    return click.option("--format", "format_", type=click.Choice(names), default=names[0], show_default=True, help=told)


def _names(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    """`--ignore a,b --ignore c`: each name once more by itself."""
    return tuple(name for names in given for name in names.replace(",", " ").split())


#: How a request is judged.
judging_options = together(
    click.option("--profile", type=PROFILE, metavar="NAME|FILE",
                 help="Whose limits apply; see: preflight profiles."),
    click.option("--price", type=PRICE, metavar="AMOUNT", help="Money per billed second, such as 0.07."),
    click.option("--ignore", multiple=True, metavar="RULE[,RULE…]", callback=_names,
                 help="Leave a rule out; repeatable."),
)  # fmt: skip

format_option = _formats("text", "json", told="For people, or one JSON object on a line.")
check_format_option = _formats(
    "text",
    "json",
    "html",
    "csv",
    "junit",
    "github",
    "sarif",
    told="For people: text, or html (a page). For programs: json (an object on a line), csv (a row). "
    "For CI servers: junit, sarif, or github (annotations).",
)
probe_format_option = _formats(
    "text", "json", "csv", told="For people, or for programs: json (an object on a line), csv (a row)."
)
summary_format_option = _formats("text", "json", told="How the summary is told: for people, or for programs.")
color_option = click.option("--no-color", is_flag=True, help="No colours; NO_COLOR=1 does the same.")
_network_options = together(
    click.option("--allow-private", is_flag=True,
                 help="Fetch from private and loopback addresses too (development)."),
    click.option("--timeout", type=SECONDS, default=20.0, show_default=True,
                 metavar="SECONDS", help="For each medium, everything included."),
    click.option("--max-bytes", type=BYTES, metavar="BYTES", help="Received at most for each medium, such as 512K."),
    click.option("--proxy", metavar="URL", help="Fetch through this proxy; those of the environment are not used."),
    click.option("--trust-proxy", is_flag=True,
                 help="With --proxy: that proxy is known to keep private addresses out, which cannot be done here."),
)  # fmt: skip
#: Where somebody waits for one answer; where many media are on their way at once, it would only cost.
speculate_option = click.option(
    "--speculate",
    is_flag=True,
    help="Ask for a video's end beside its beginning: sooner where its index is there, for 11 KB more.",
)
_log_option = click.option(
    "--log", metavar="FILE|-", help="Add one JSON object per event to a file, or to standard error."
)
_NETWORK = ("allow_private", "timeout", "max_bytes", "speculate", "proxy", "trust_proxy")


def network_options(command: Command) -> Command:
    """How far to go for media, as one argument: `network`, the keyword arguments of `Preflight` that were given.

    `--log` goes with them: what it writes is what happens on the network, and it lasts as long as the command.
    """

    @wraps(command)
    def collected(log: str | None, **given: Any) -> Any:
        network = {name: given.pop(name, None) for name in _NETWORK}
        network = {name: value for name, value in network.items() if value is not None}
        if log is None:
            return command(network=network, **given)
        from preflight.log import log_to  # noqa: PLC0415

        with log_to(log):
            return command(network=network, **given)

    return _network_options(_log_option(cast("Command", collected)))


talk_options = together(
    click.option("-q", "--quiet", is_flag=True, help="One line only."),
    click.option("-v", "--verbose", count=True, help="Also sources, redirects and all that is not evaluated."),
    color_option,
)


def verbosity(quiet: bool, verbose: int) -> int:
    """One number for two options: -1 is quiet, 1 and above is more."""
    if quiet and verbose:
        raise click.UsageError(say("-q and -v contradict each other"))
    return -1 if quiet else verbose
