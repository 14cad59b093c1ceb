"""What is wrong with a profile file, in plain words: one line for each mistake, by the key that it stands under."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from preflight.language import about, later, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ValidationError

#: pydantic's kind of error -> what is wanted.
_WANTED = {
    "string_type": later("text in quotes"),
    "int_type": later("a whole number"),
    "dict_type": later("a table"),
    "model_type": later("a table"),
    "list_type": later("a list"),
    "tuple_type": later("a list"),
    "date_type": later("a date such as 2026-11-01, without quotes"),
    "date_parsing": later("a date such as 2026-11-01, without quotes"),
    "date_from_datetime_parsing": later("a date such as 2026-11-01, without quotes"),
    "date_from_datetime_inexact": later("a date without a time, such as 2026-11-01"),
    "decimal_parsing": later("a number"),
    "decimal_type": later("a number"),
    "finite_number": later("a number that ends"),
    "greater_than": later("a number above zero"),
}
#: Where the wanted form is one of ours: the last key of the place.
_FORMS = {
    "name": later("lower-case letters, digits and hyphens, such as my-provider"),
    "currency": later("three capital letters, such as USD"),
}
_VALUE = later("a number, a list of names, or a table of numbers, as the limit's unit asks")


def problems(error: ValidationError, known: Iterable[str]) -> str:
    """Every problem once, joined by semicolons; `known` are the keys that a profile may hold anywhere."""
    names = sorted(set(known))
    return say("; ").join(dict.fromkeys(_each(error, names)))


def _each(error: ValidationError, names: list[str]) -> Iterator[str]:
    items = error.errors(include_url=False)
    for item in items:
        place = [str(step) for step in item["loc"]]
        if item["type"] == "too_short" and any(other["loc"][:-1][: len(place)] == item["loc"] for other in items):
            continue  # the list seems short because what is in it does not hold
        if place[:1] == ["limits"] and place[2:3] == ["value"] and item["type"] != "missing":
            # One error for each form that a value may have: told once.
            yield about(".".join(place[:3]), say("wanted is {wanted}", wanted=say(_VALUE)))
        elif item["type"] == "value_error":
            said = str(item["ctx"]["error"])
            yield about(".".join(place), said) if place else said
        else:
            yield about(".".join(place) or "profile", _plain(item, place, names))


def _plain(item: Any, place: list[str], names: list[str]) -> str:
    last = place[-1] if place else ""
    match item["type"]:
        case "missing":
            return say("is missing")
        case "extra_forbidden":
            return say("no such key") + nearest(last, names)
        case "string_too_short" | "too_short":
            return say("must not be empty")
        case "literal_error" | "enum":
            choices = item["ctx"]["expected"].replace(" or ", ", ")
            return say("{value!r} is not one of {names}", value=item["input"], names=choices)
    wanted = _FORMS.get(last) or _WANTED.get(item["type"]) or item["msg"].removeprefix("Input should be ")
    return say("wanted is {wanted}, not {value!r}", wanted=say(wanted), value=item["input"])


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = get_close_matches(name, list(names), n=1)
    return say("; did you mean {name!r}?", name=near[0]) if near else ""
