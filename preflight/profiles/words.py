"""What is wrong with a profile file, in plain words: one line for each mistake, by the key that it stands under."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic import ValidationError

#: pydantic's kind of error -> what is wanted.
_WANTED = {
    "string_type": "text in quotes",
    "int_type": "a whole number",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list",
    "tuple_type": "a list",
    "date_type": "a date such as 2026-11-01, without quotes",
    "date_parsing": "a date such as 2026-11-01, without quotes",
    "date_from_datetime_parsing": "a date such as 2026-11-01, without quotes",
    "date_from_datetime_inexact": "a date without a time, such as 2026-11-01",
    "decimal_parsing": "a number",
    "decimal_type": "a number",
    "finite_number": "a number that ends",
    "greater_than": "a number above zero",
}
#: Where the wanted form is one of ours: the last key of the place.
_FORMS = {
    "name": "lower-case letters, digits and hyphens, such as my-provider",
    "currency": "three capital letters, such as USD",
}
_VALUE = "a number, a list of names, or a table of numbers, as the limit's unit asks"


def told(error: ValidationError, known: Iterable[str]) -> str:
    """Every problem once, joined by semicolons; `known` are the keys that a profile may hold anywhere."""
    names = sorted(set(known))
    return "; ".join(dict.fromkeys(_each(error, names)))


def _each(error: ValidationError, names: list[str]) -> Iterator[str]:
    items = error.errors(include_url=False)
    for item in items:
        place = [str(step) for step in item["loc"]]
        if item["type"] == "too_short" and any(other["loc"][:-1][: len(place)] == item["loc"] for other in items):
            continue  # the list seems short because what is in it does not hold
        if place[:1] == ["limits"] and place[2:3] == ["value"] and item["type"] != "missing":
            # One error for each form that a value may have: told once.
            yield f"{'.'.join(place[:3])}: wanted is {_VALUE}"
        elif item["type"] == "value_error":
            said = str(item["ctx"]["error"])
            yield f"{'.'.join(place)}: {said}" if place else said
        else:
            yield f"{'.'.join(place) or 'profile'}: {_plain(item, place, names)}"


def _plain(item: Any, place: list[str], names: list[str]) -> str:
    last = place[-1] if place else ""
    match item["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return f"no such key{nearest(last, names)}"
        case "string_too_short" | "too_short":
            return "must not be empty"
        case "literal_error" | "enum":
            return f"{item['input']!r} is not one of {item['ctx']['expected'].replace(' or ', ', ')}"
    wanted = _FORMS.get(last) or _WANTED.get(item["type"]) or item["msg"].removeprefix("Input should be ")
    return f"wanted is {wanted}, not {item['input']!r}"


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    near = get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
