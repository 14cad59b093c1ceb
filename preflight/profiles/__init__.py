"""Provider limits as dated, sourced data. A rule asks the profile; no limit stands in code.

The built-in profiles are the TOML files of this folder; a user's own file has the same form
(`preflight schema profile` prints it, docs/profiles.md explains it).
"""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from preflight.errors import ProfileInvalid
from preflight.findings import Severity

Basis = Literal["documented", "upstream", "observed", "inferred"]
Number = int | Decimal
Rounding = Literal["none", "nearest", "ceil", "floor"]
DEFAULT = "xcompute"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sourced(_Model):
    """Where a number comes from."""

    source: str = Field(min_length=1, description="A URL, or a document by name.")
    checked: date = Field(description="When somebody last read it there.")
    basis: Basis = Field(
        description="documented: the provider's own page; upstream: the model vendor's reference; "
        "observed: seen in answers; inferred: our own reading."
    )


class Limit(Sourced):
    """One limit. `by` names the request field whose value picks the number from a table."""

    value: Number | str | tuple[str, ...] | dict[str, Number]
    unit: Literal["s", "bytes", "px", "ratio", "characters", "names", "count"]
    by: Literal["character_orientation", "mode", "model"] | None = None
    severity: Severity | None = Field(default=None, description="Softens or hardens the rules that use this limit.")
    note: str = ""

    @model_validator(mode="after")
    def _table_has_a_key(self) -> Self:
        if isinstance(self.value, dict) != (self.by is not None):
            raise ValueError("a table of values needs `by`, and `by` needs a table of values")
        return self

    @property
    def number(self) -> Fraction:
        """The value of a plain numeric limit."""
        if not isinstance(self.value, int | Decimal):
            raise TypeError(f"not a plain number: {self.value!r}")
        return Fraction(self.value)

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
            return (Fraction(self.value[key]),)
        return tuple(Fraction(value) for value in self.value.values())


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
    def _limits_are_known(self) -> Self:
        if unknown := sorted(set(self.limits) - set(LIMITS)):
            raise ValueError(f"unknown limits: {', '.join(unknown)} (known: {', '.join(LIMITS)})")
        for name, limit in self.limits.items():
            if limit.unit != LIMITS[name]:
                raise ValueError(f"limits.{name}: the unit is {LIMITS[name]!r}, not {limit.unit!r}")
            kind = tuple if limit.unit == "names" else (int, Decimal, dict)
            if not isinstance(limit.value, kind):
                raise ValueError(f"limits.{name}: {limit.value!r} is not a value in {limit.unit}")  # noqa: TRY004
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


def built_in() -> tuple[str, ...]:
    """The names of the profiles that come with preflight, the default first."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.toml"))
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def load_profile(name: str | Path = DEFAULT) -> Profile:
    """A built-in profile by name, or a profile file by path.

    Raises:
        ProfileInvalid: no such profile, unreadable, or not of the profile schema; every problem is named.
    """
    text = str(name)
    is_file = isinstance(name, Path) or text.endswith(".toml") or "/" in text
    path = Path(name) if is_file else Path(__file__).parent / f"{text}.toml"
    if not is_file and text not in built_in():
        raise ProfileInvalid(f"no profile {text!r}; built in: {', '.join(built_in())}, or a path to a .toml file")
    try:
        table = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ProfileInvalid(f"profile {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileInvalid(f"profile {path}: not TOML: {error}") from error
    try:
        return Profile.model_validate(table)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, item['loc'])) or 'profile'}: {item['msg']}" for item in error.errors())
        raise ProfileInvalid(f"profile {path}: " + "; ".join(problems)) from error
