"""The options that several commands share, and their types."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class _Bytes(click.ParamType[int]):
    """A number of bytes: `8388608`, `8M`, `512K` (powers of 1024)."""

    name = "bytes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"([1-9]\d{0,14})([KMG]?)(?:i?B)?", str(value), re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is not a number of bytes above zero, such as 8388608, 512K or 8M", param, ctx)
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
            self.fail(f"{value!r} is not an amount above zero, such as 0.07", param, ctx)
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
            self.fail(f"{value!r} is not a number of seconds above zero, such as 20", param, ctx)
        return seconds


BYTES = _Bytes()
SECONDS = _Seconds()
PRICE = _Price()


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator, in reading order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


format_option = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="For people, or one JSON object on a line.",
)  # fmt: skip
color_option = click.option("--no-color", is_flag=True, help="No colours; NO_COLOR=1 does the same.")
network_options = together(
    click.option("--allow-private", is_flag=True,
                 help="Fetch from private and loopback addresses too (development)."),
    click.option("--timeout", type=SECONDS, default=20.0, show_default=True,
                 metavar="SECONDS", help="For each medium, everything included."),
    click.option("--max-bytes", type=BYTES, metavar="BYTES", help="Received at most for each medium, such as 512K."),
    click.option("--speculate", is_flag=True,
                 help="Ask for a video's end beside its beginning: sooner where its index is there, for 11 KB more."),
)  # fmt: skip
talk_options = together(
    click.option("-q", "--quiet", is_flag=True, help="One line only."),
    click.option("-v", "--verbose", count=True, help="Also sources, redirects and all that is not evaluated."),
    color_option,
)


def verbosity(quiet: bool, verbose: int) -> int:
    """One number for two options: -1 is quiet, 1 and above is more."""
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other")
    return -1 if quiet else verbose
