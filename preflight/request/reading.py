"""Read a request: everything that is wrong with it at once, and whichever fields are right.

Reading never stops at the first problem and never raises for content, so that the media of a request with a misspelt
`mode` are judged all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from preflight.language import say
from preflight.request.fields import ALLOWED, EXPECTED, FIELDS, WATERMARK_FIELDS, GenerationRequest, WatermarkInfo
from preflight.request.spelling import nearest_field, nearest_value, no_counterpart, printable, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

#: More unknown fields than this are counted, not named: nobody reads on, and each one is compared with every field.
_MOST_UNKNOWN = 40

Kind = Literal["nested", "missing", "unknown", "type", "value", "blank", "inline"]

#: Two of our field names in one object make it a request; one may be chance.
_ENOUGH_FIELDS = 2
_OPTIONAL = frozenset(
    name
    for model in (GenerationRequest, WatermarkInfo)
    for name, field in model.model_fields.items()
    if not field.is_required()
)

#: pydantic's word for what is wrong -> ours. Anything else is a wrong type.
_KINDS: dict[str, Kind] = {
    "missing": "missing",
    "literal_error": "value",
    "string_unicode": "value",
    "string_pattern_mismatch": "blank",
    "inline": "inline",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the request. Every text is short and safe to print; none quotes a URL."""

    pointer: str
    """JSON Pointer to the field; "" is the request itself."""
    kind: Kind
    expected: str
    """What should stand there, as a noun phrase; for an unknown field, a clause that says what to know about it."""
    observed: str
    """What stands there, in JSON form where that is short; its kind otherwise."""
    allowed: tuple[str, ...] = ()
    """The values (or, for an unknown field, the field names) to choose from."""
    nearest: str | None = None
    """The one of `allowed` that was probably meant."""
    optional: bool = False
    """May the field be left out?"""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request as given, what is wrong with it, and the fields that are right.

    A field is None where it is missing or wrong; an optional field that is absent has its default.
    """

    payload: Mapping[str, object]
    problems: tuple[Problem, ...]
    model: str | None = None
    prompt: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    keep_original_sound: str | None = None
    character_orientation: str | None = None
    mode: str | None = None
    watermark_enabled: bool | None = None
    no_row: str | None = None
    """Why the row of a table that should hold the request holds none; completes "this row …"."""


def read_request(payload: Mapping[str, object] | GenerationRequest) -> ReadRequest:
    """Read a request, field by field. Whatever is wrong with its content ends in `problems`; nothing raises."""
    if isinstance(payload, GenerationRequest):
        payload = {name: value for name, value in payload if name in payload.model_fields_set}
    if not isinstance(payload, Mapping):
        expected = say("an object with the fields of the request")
        return ReadRequest({}, (Problem("", "type", expected, shown(payload)),))

    given = payload
    wrapper, payload = _unwrapped(payload)
    fields = {name: payload[name] for name in FIELDS if name in payload}
    watermark: Mapping[Any, object] = {}
    if isinstance(about := fields.get("watermark_info"), Mapping | WatermarkInfo):
        watermark = dict(about)
        fields["watermark_info"] = {name: watermark[name] for name in WATERMARK_FIELDS if name in watermark}
        payload = {**payload, "watermark_info": watermark}

    wrong_fields = tuple(_wrong_fields(fields))
    wrong = {problem.pointer for problem in wrong_fields}

    def right(name: str) -> Any:
        return None if f"/{name}" in wrong else fields.get(name, GenerationRequest.model_fields[name].default)

    watermark_is_right = wrong.isdisjoint({"/watermark_info", "/watermark_info/enabled"})
    return ReadRequest(
        payload=given if wrapper else payload,
        problems=(
            *wrapper,
            *(_inside(problem, wrapper, given) for problem in wrong_fields),
            *_unknown_fields(payload, FIELDS, ""),
            *_unknown_fields(watermark, WATERMARK_FIELDS, "/watermark_info"),
        ),
        **{name: right(name) for name in FIELDS if name != "watermark_info"},
        watermark_enabled=bool(watermark.get("enabled", False)) if watermark_is_right else None,
    )


def _unwrapped(payload: Mapping[str, object]) -> tuple[tuple[Problem, ...], Mapping[str, object]]:
    """The fields of a request that stands one level too deep, beside those that do not, and what to say about it."""
    for name, inner in payload.items():
        if name not in FIELDS and isinstance(inner, Mapping) and len(set(inner) & set(FIELDS)) >= _ENOUGH_FIELDS:
            text = name if isinstance(name, str) else shown(name)
            pointer = f"/{printable(text).replace('~', '~0').replace('/', '~1')}"
            belongs = say("they belong to the top level of the request")
            outer = {key: value for key, value in payload.items() if key != name}
            return (Problem(pointer, "nested", belongs, shown(inner)),), {**inner, **outer}
    return (), payload


def _inside(problem: Problem, wrapper: tuple[Problem, ...], given: Mapping[str, object]) -> Problem:
    """Let the pointer to a field that stands in the wrapper lead through it."""
    if not wrapper or problem.kind == "missing" or problem.pointer.split("/")[1] in given:
        return problem
    return replace(problem, pointer=wrapper[0].pointer + problem.pointer)


def _wrong_fields(fields: Mapping[str, object]) -> Iterator[Problem]:
    """Missing and wrong values of the fields that exist, in the page's order."""
    try:
        GenerationRequest.model_validate(fields)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            yield _problem(item)


def _problem(item: ErrorDetails) -> Problem:
    name, value = str(item["loc"][-1]), item["input"]
    kind = _KINDS.get(item["type"], "type")
    allowed = ALLOWED.get(name, ())
    expected = say(EXPECTED[name]) if name in EXPECTED else _one_of(allowed)
    if item["type"] == "string_unicode":
        expected = say("text that UTF-8 can encode, without half a surrogate pair,")
    elif kind == "value" and not isinstance(value, str):
        kind = "type"
    return Problem(
        pointer="".join(f"/{part}" for part in item["loc"]),
        kind=kind,
        expected=expected,
        observed="nothing" if kind == "missing" else shown(value),
        allowed=allowed,
        nearest=None if kind == "missing" else nearest_value(value, name, allowed),
        optional=name in _OPTIONAL,
    )


def _one_of(words: tuple[str, ...]) -> str:
    return say("the string {choice}", choice=say(" or ").join(f'"{word}"' for word in words))


def _unknown_fields(given: Mapping[Any, object], known: tuple[str, ...], under: str) -> Iterator[Problem]:
    unknown = [name for name in given if name not in known]
    for name in unknown[:_MOST_UNKNOWN]:
        text = name if isinstance(name, str) else shown(name)
        note = no_counterpart(text)
        yield Problem(
            pointer=f"{under}/{printable(text).replace('~', '~0').replace('/', '~1')}",
            kind="unknown",
            expected=say("the page lists no such field") + (say("; ") + say(note) if note else ""),
            observed=shown(given[name], quote=False),
            allowed=known,
            nearest=None if note else nearest_field(text, known),
        )
    if len(unknown) > _MOST_UNKNOWN:
        count = len(unknown) - _MOST_UNKNOWN
        expected = say("{count} more fields that the page does not list", count=count)
        yield Problem(under, "unknown", expected, f"{count} more fields", known)
