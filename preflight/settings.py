"""What a caller may choose, checked before anything is fetched for it."""

# ruff: noqa: PLC0415  (a profile needs its schema library; whoever only fetches does not)

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal, TypedDict

from preflight.deliver.source import FLIGHT_BYTES, Bounds
from preflight.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from preflight.profiles import Profile


class Options(TypedDict, total=False):
    """The keyword arguments of every way in; see `AsyncPreflight` for their meaning."""

    ignore: Iterable[str]
    allow_private: bool
    timeout: float
    max_bytes: int
    price: Decimal | int | str | None
    speculate: bool
    isolation: Literal["process", "none"]
    proxy: str | None
    trust_proxy: bool


class AllOptions(Options, total=False):
    """The same, and the profile."""

    profile: str | Path | Profile


@dataclass(frozen=True, slots=True)
class Settings:
    """How a request is judged."""

    profile: Profile
    ignore: frozenset[str] = frozenset()
    price: Decimal | None = None


def bounds_of(options: Options) -> Bounds:
    """How far delivery may go.

    Raises:
        UsageError: a number makes no sense.
    """
    timeout, max_bytes = options.get("timeout", 20.0), options.get("max_bytes", Bounds.max_bytes)
    if not _is_number(timeout) or not 0 < timeout < math.inf:
        raise UsageError(f"timeout is a number of seconds above zero, not {_shown(timeout)}")
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes <= 0:
        raise UsageError(f"max_bytes is a whole number of bytes above zero, not {_shown(max_bytes)}")
    return Bounds(max_bytes=max_bytes, allow_private=bool(options.get("allow_private", False)), timeout=timeout)


def proxy_of(options: Options) -> str | None:
    """The proxy that every request goes through; None: there is none, whatever the environment says.

    Raises:
        UsageError: it is no proxy's URL, or it was not said that it is trusted.
    """
    proxy = options.get("proxy")
    if proxy is None:
        return None
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(proxy)
        is_sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except (ValueError, AttributeError):
        is_sound = False
    if not is_sound:
        raise UsageError(f"proxy is the URL of an HTTP proxy, such as http://proxy.example:3128, not {_shown(proxy)}")
    if not options.get("trust_proxy"):
        raise UsageError(
            "a proxy looks host names up by itself, so private addresses cannot be kept out here; "
            "if it keeps them out, say so: trust_proxy=True (--trust-proxy)"
        )
    return proxy


def is_isolated(options: Options) -> bool:
    """Is the probe to run in a process of its own?

    Raises:
        UsageError: the option has another value.
    """
    isolation = options.get("isolation", "process")
    if isolation not in ("process", "none"):
        raise UsageError(f"isolation is 'process' or 'none', not {_shown(isolation)}")
    return isolation == "process"


def tail_of(options: Options) -> int:
    """How many bytes of a video's end to ask for beside its beginning."""
    return FLIGHT_BYTES if options.get("speculate") else 0


def settings_of(profile: str | Path | Profile, options: Options) -> Settings:
    """The profile loaded, and every name and number made sure of.

    Raises:
        ProfileInvalid: no such profile, or one that does not hold.
        UsageError: another option makes no sense.
    """
    from preflight.profiles import Profile, load_profile
    from preflight.rules import require_known, require_profile

    ignore = options.get("ignore", ())
    ignored = frozenset([ignore] if isinstance(ignore, str) else ignore)
    require_known(ignored, "ignore")
    loaded = profile if isinstance(profile, Profile) else load_profile(profile)
    require_profile(loaded, profile.name if isinstance(profile, Profile) else profile)
    return Settings(loaded, ignored, _price(options.get("price")))


def _price(price: object) -> Decimal | None:
    if price is None:
        return None
    if isinstance(price, Decimal | int | str) and not isinstance(price, bool):
        try:
            amount = Decimal(price)
        except InvalidOperation:
            amount = Decimal(0)
        if amount.is_finite() and amount > 0:
            return amount
    raise UsageError(f"price is money per second above zero, such as Decimal('0.07') or '0.07', not {_shown(price)}")


def _shown(value: object) -> str:
    """A value in a message: what was given may be a URL that slipped into the wrong place."""
    from preflight.redaction import redact_trace

    return redact_trace(repr(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
