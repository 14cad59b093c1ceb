"""What a caller may choose, checked before anything is fetched for it."""

# ruff: noqa: PLC0415  (a profile needs its schema library; whoever only fetches does not)

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, TypedDict

from preflight.deliver.source import FLIGHT_BYTES, Bounds
from preflight.errors import UsageError
from preflight.language import LANGUAGES, Language, say, spoken

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
    lang: Language | None


class AllOptions(Options, total=False):
    """The same, and the profile."""

    profile: str | Path | Profile


@dataclass(frozen=True, slots=True)
class Settings:
    """How a request is judged."""

    profile: Profile
    ignore: frozenset[str] = frozenset()
    price: Decimal | None = None
    lang: Language = "en"


@dataclass(frozen=True, slots=True)
class Terms:
    """All that a report rests on beside the request and its media: two checks under equal terms ask the same."""

    settings: Settings
    bounds: Bounds
    isolated: bool
    tail: int
    proxy: bytes | None
    """A digest: the URL of a proxy may hold a login."""


def bounds_of(options: Options) -> Bounds:
    """How far delivery may go.

    Raises:
        UsageError: a number makes no sense.
    """
    timeout, max_bytes = options.get("timeout", 20.0), options.get("max_bytes", Bounds.max_bytes)
    if not _is_number(timeout) or not 0 < timeout < math.inf:
        raise UsageError(say("timeout is a number of seconds above zero, not {value}", value=shown(timeout)))
    if not isinstance(max_bytes, int) or isinstance(max_bytes, bool) or max_bytes <= 0:
        raise UsageError(say("max_bytes is a whole number of bytes above zero, not {value}", value=shown(max_bytes)))
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
        wrong = {"wanted": "http://proxy.example:3128", "value": shown(proxy)}
        raise UsageError(say("proxy is the URL of an HTTP proxy, such as {wanted}, not {value}", **wrong))
    if not options.get("trust_proxy"):
        raise UsageError(
            say(
                "a proxy looks host names up by itself, so private addresses cannot be kept out here; "
                "if it keeps them out, say so: trust_proxy=True (--trust-proxy)"
            )
        )
    return proxy


def is_isolated(options: Options) -> bool:
    """Is the probe to run in a process of its own?

    Raises:
        UsageError: the option has another value.
    """
    isolation = options.get("isolation", "process")
    if isolation not in ("process", "none"):
        raise UsageError(say("isolation is 'process' or 'none', not {value}", value=shown(isolation)))
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

    if unknown := sorted(set(options) - set(Options.__annotations__)):
        known = ", ".join(("profile", *Options.__annotations__))
        raise UsageError(say("no such option: {names} (known: {known})", names=", ".join(unknown), known=known))
    ignore = options.get("ignore", ())
    ignored = frozenset([ignore] if isinstance(ignore, str) else ignore)
    require_known(ignored, "ignore")
    loaded = profile if isinstance(profile, Profile) else load_profile(profile)
    require_profile(loaded, profile.name if isinstance(profile, Profile) else profile)
    return Settings(loaded, ignored, _price(options.get("price")), _language(options.get("lang")))


def terms_of(settings: Settings, options: Options) -> Terms:
    """What else than the request decides a report.

    Raises:
        UsageError: an option makes no sense.
    """
    proxy = proxy_of(options)
    digest = None if proxy is None else blake2b(proxy.encode(), digest_size=16).digest()
    return Terms(settings, bounds_of(options), is_isolated(options), tail_of(options), digest)


def _language(language: Language | None) -> Language:
    """The language of the reports: the one asked for, else that of the context."""
    if language is None:
        return spoken()
    if language not in LANGUAGES:
        raise UsageError(say("lang is 'en' or 'zh', not {value}", value=shown(language)))
    return language


def _price(price: object) -> Decimal | None:
    amount = exact_amount(price)
    if amount is None and price is not None:
        wrong = {"wanted": "Decimal('0.07') or '0.07'", "value": shown(price)}
        raise UsageError(say("price is money per second above zero, such as {wanted}, not {value}", **wrong))
    return amount


def exact_amount(value: object) -> Decimal | None:
    """An amount of money above zero; None: it is none, or (a float) not an exact one."""
    if not isinstance(value, Decimal | int | str) or isinstance(value, bool):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount > 0 else None


def shown(value: object) -> str:
    """A value in a message: what was given may be a URL that slipped into the wrong place."""
    from preflight.redaction import redact_trace

    return redact_trace(repr(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
