"""Provider limits as dated, sourced data. A rule asks the profile; no limit stands in code.

The built-in profiles are the TOML files of this folder; a user's own file has the same form
(`preflight schema profile` prints it, docs/profiles.md explains it).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from preflight.errors import ProfileInvalid
from preflight.findings import Severity
from preflight.language import about, later, say, told
from preflight.printable import clean
from preflight.profiles.words import nearest, problems
from preflight.redaction import redact_trace
from preflight.request import GenerationRequest

Basis = Literal["documented", "upstream", "observed", "inferred", "own"]
Number = int | Decimal
Rounding = Literal["none", "nearest", "ceil", "floor"]
DEFAULT = "xcompute"


@lru_cache(256)  # every job asks for the same few
def _exact(number: Number) -> Fraction:
    return Fraction(number)


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(_Model):
    """Where a number comes from."""

    source: str = Field(min_length=1, description="A URL, or a document by name.")
    checked: date = Field(description="When somebody last read it there.")
    basis: Basis = Field(
        description="documented: the provider's own page; upstream: the model vendor's reference; "
        "observed: seen in answers; inferred: preflight's own reading; own: the user's own rule."
    )


class Limit(Sourced):
    """One limit. `by` names the request field whose value picks the number from a table."""

    value: Number | str | tuple[str, ...] | dict[str, Number]
    unit: Literal["s", "bytes", "px", "ratio", "characters", "names", "count"]
    by: Literal["character_orientation", "mode", "model"] | None = None
    severity: Severity | None = Field(default=None, description="Softens or hardens the rules that use this limit.")
    note: str = ""

    @field_validator("value", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: object) -> object:
        if any(isinstance(part, bool) for part in (value.values() if isinstance(value, Mapping) else [value])):
            raise ValueError(say("not a number"))
        return value

    @model_validator(mode="after")
    def _table_has_a_key(self) -> Self:
        if isinstance(self.value, dict) != (self.by is not None):
            raise ValueError(say("a table of values needs `by`, and `by` needs a table of values"))
        if isinstance(self.value, dict) and self.by:
            choices: tuple[str, ...] = get_args(GenerationRequest.model_fields[self.by].annotation)
            lacking = [choice for choice in choices if choice not in self.value]
            if lacking or len(self.value) > len(choices):
                words = {"name": self.by, "choices": ", ".join(choices)}
                raise ValueError(say("the table has exactly one number for each {name}: {choices}", **words))
        return self

    @property
    def number(self) -> Fraction:
        """The value of a plain numeric limit."""
        if not isinstance(self.value, int | Decimal):
            raise TypeError(f"not a plain number: {self.value!r}")
        return _exact(self.value)

    @property
    def names(self) -> tuple[str, ...]:
        """The values of an enumerating limit."""
        if not isinstance(self.value, tuple):
            raise TypeError(f"not a list of names: {self.value!r}")
        return self.value

    def numbers(self, key: str | None) -> tuple[Fraction, ...]:
        """Every number that may apply: one when `key` picks it or the limit is plain, all of a table otherwise."""
        if not isinstance(self.value, dict):
            return (self.number,)
        if key in self.value:
            return (_exact(self.value[key]),)
        return tuple(map(_exact, self.value.values()))


class Price(_Model):
    """Money per billed second of one model and mode."""

    model: str
    mode: str
    per_second: Annotated[Decimal, Field(gt=0)]


class Tariff(Sourced):
    """Dated prices."""

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    prices: tuple[Price, ...] = Field(min_length=1)


class Billing(Sourced):
    """How seconds become billed seconds, as far as anybody states it."""

    rounding: Rounding
    note: str = ""


class Profile(_Model):
    """What one provider accepts, refuses and bills."""

    schema_: Literal["preflight.profile/1"] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    revision: str = Field(min_length=1)
    title: str
    limits: dict[str, Limit]
    billing: Billing
    tariff: Tariff | None = None
    severities: dict[str, Severity] = Field(default={}, description="Rule id -> severity, over the rule's own.")

    @model_validator(mode="after")
    def _limits_make_sense(self) -> Self:
        if senseless := list(_senseless(self.limits)):
            raise ValueError(say("; ").join(senseless))
        return self


#: Every limit that a rule may ask for, with its unit.
LIMITS: dict[str, str] = {
    "video_duration_min": "s",
    "video_duration_max": "s",
    "video_duration_borderline": "s",
    "video_size_max": "bytes",
    "video_size_certain": "bytes",
    "video_containers": "names",
    "video_codecs": "names",
    "video_side_min": "px",
    "video_side_max": "px",
    "image_formats": "names",
    "image_size_max": "bytes",
    "image_size_certain": "bytes",
    "image_side_min": "px",
    "image_side_max": "px",
    "image_aspect_min": "ratio",
    "image_aspect_max": "ratio",
    "pair_aspect_factor": "ratio",
    "prompt_max": "characters",
    "url_lifetime_min": "s",
}


#: Every key that may stand anywhere in a profile file.
KEYS = (
    "schema",
    *(name for model in (Profile, Limit, Billing, Tariff, Price) for name in model.model_fields if name != "schema_"),
)
#: Below, and what it must not exceed.
_ORDERED = (
    ("video_duration_min", "video_duration_max"),
    ("video_size_certain", "video_size_max"),
    ("video_side_min", "video_side_max"),
    ("image_size_certain", "image_size_max"),
    ("image_side_min", "image_side_max"),
    ("image_aspect_min", "image_aspect_max"),
)


def _senseless(limits: Mapping[str, Limit]) -> Iterator[str]:
    """What no provider can mean: names that no rule asks for, wrong units, negative numbers, empty ranges."""
    senseless = {name: problem for name, limit in limits.items() if (problem := _senseless_alone(name, limit))}
    yield from (about(f"limits.{name}", problem) for name, problem in senseless.items())
    sound = set(limits) - set(senseless)
    for low, high in _ORDERED:
        if {low, high} <= sound and max(limits[low].numbers(None)) > min(limits[high].numbers(None)):
            problem = say("larger than limits.{high}, so nothing would be accepted", high=high)
            yield about(f"limits.{low}", problem)


def unknown_limit(name: str) -> str:
    """What is wrong with a name that no rule asks for."""
    return say("no such limit") + (nearest(name, LIMITS) or say(" (known: {names})", names=", ".join(LIMITS)))


def _senseless_alone(name: str, limit: Limit) -> str | None:
    unit = LIMITS.get(name)
    if unit is None:
        return unknown_limit(name)
    if limit.unit != unit:
        return say("the unit is {unit!r}, not {given!r}", unit=unit, given=limit.unit)
    if not isinstance(limit.value, tuple if unit == "names" else (int, Decimal, dict)):
        return say("{value!r} is not a value in {unit}", value=limit.value, unit=unit)
    if isinstance(limit.value, tuple):
        is_sound = limit.names and all(limit.names)
        return None if is_sound else say("names are wanted; leave the limit out where there is none")
    least = min(limit.numbers(None))
    if least < 0:
        return say("a limit is not below zero")
    if name.endswith("_max") and not least:
        return say("a maximum is above zero; leave the limit out where there is none")
    return None


def _not_yet_read(profile: Profile) -> Iterator[str]:
    """Dates of reading that are still to come; a day is granted to time zones."""
    latest = datetime.now(UTC).date() + timedelta(days=1)
    named: dict[str, Any] = {"billing": profile.billing, "tariff": profile.tariff}
    for place, sourced in (named | {f"limits.{name}": limit for name, limit in profile.limits.items()}).items():
        if sourced and sourced.checked > latest:
            problem = say("{date} is still to come, not the day of a reading", date=sourced.checked)
            yield about(f"{place}.checked", problem)


def built_in() -> tuple[str, ...]:
    """The names of the profiles that come with preflight, the default first."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def _cleaned(value: Any) -> Any:
    """A profile file may come from a stranger, and its words are printed."""
    match value:
        case str():
            return clean(value, None)
        case list():
            return [_cleaned(item) for item in value]
        case dict():
            return {clean(name): _cleaned(item) for name, item in value.items()}
    return value


def load_profile(name: str | Path = DEFAULT) -> Profile:
    """A built-in profile by name, or a profile file by path.

    Raises:
        ProfileInvalid: no such profile, unreadable, or not of the profile schema; every problem is named.
    """
    text = str(name)
    is_file = isinstance(name, Path) or text.endswith(".toml") or "/" in text
    path = Path(name) if is_file else Path(__file__).parent / f"{text}.toml"
    shown = name if is_file else path
    if not is_file and text not in built_in():
        problem = say(
            "no profile {name!r}{hint}; built in: {names}, or a path to a .toml file",
            name=text,
            hint=nearest(text.lower(), built_in()),
            names=", ".join(built_in()),
        )
        raise ProfileInvalid(redact_trace(problem))
    try:
        table = _cleaned(tomllib.loads(path.read_text("utf-8"), parse_float=Decimal))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise _invalid(shown, told(reason or later("not UTF-8 text"))) from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid(shown, say("not TOML: {error}", error=error)) from error
    try:
        profile = Profile.model_validate(table)
    except ValidationError as error:
        raise _invalid(shown, problems(error, KEYS)) from error
    if is_file:
        require_sense(profile, _called(shown))
    return profile


def _called(name: object) -> str:
    return say("profile {name}", name=name)


def _invalid(name: object, problem: str) -> ProfileInvalid:
    return ProfileInvalid(redact_trace(about(_called(name), problem)))


def require_sense(profile: Profile, name: str) -> None:
    """Make sure that a profile of a user's own says nothing that cannot be.

    Raises:
        ProfileInvalid: it claims to have been read tomorrow.
    """
    if late := list(_not_yet_read(profile)):
        raise ProfileInvalid(redact_trace(about(name, say("; ").join(late))))
