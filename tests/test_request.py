"""Reading a request: all problems at once, whichever fields are right, and never an exception for content."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from preflight.request import FIELDS, GenerationRequest, Problem, WatermarkInfo, read_request, request_schema

GOOD: dict[str, Any] = {
    "model": "kling-v2-6-motion-control",
    "prompt": "保持人物朝向与参考图一致，完成转身和挥手动作",
    "image_url": "https://example.com/ref-image.png",
    "video_url": "https://example.com/ref-video-8s.mp4",
    "keep_original_sound": "no",
    "character_orientation": "image",
    "mode": "std",
    "watermark_info": {"enabled": True},
}
SECRET = "X-Amz-Signature=5ecre7"  # noqa: S105  (what must not be printed)


def only_problem(payload: object) -> Problem:
    (problem,) = read_request(payload).problems  # type: ignore[arg-type]
    return problem


def test_a_right_request_has_no_problems_and_every_field() -> None:
    """Each field of the page comes back as it was given."""
    read = read_request(GOOD)
    assert read.problems == ()
    assert read.payload == GOOD
    assert {name: getattr(read, name) for name in FIELDS if name != "watermark_info"} == {
        name: value for name, value in GOOD.items() if name != "watermark_info"
    }
    assert read.watermark_enabled is True


def test_absent_optional_fields_have_the_defaults_of_the_page() -> None:
    """Sound is kept and no watermark is added unless the request says otherwise."""
    optional = {"prompt", "keep_original_sound", "watermark_info"}
    read = read_request({name: value for name, value in GOOD.items() if name not in optional})
    assert read.problems == ()
    assert (read.prompt, read.keep_original_sound, read.watermark_enabled) == ("", "yes", False)


def test_everything_wrong_is_told_at_once_and_the_rest_is_kept() -> None:
    """One wrong field hides neither another wrong field nor a right one."""
    read = read_request({**GOOD, "mode": "Pro", "model": 3, "watermark_info": {"enabled": "no", "size": 1}, "fps": 30})
    assert [(problem.pointer, problem.kind) for problem in read.problems] == [
        ("/model", "type"),
        ("/mode", "value"),
        ("/watermark_info/enabled", "type"),
        ("/fps", "unknown"),
        ("/watermark_info/size", "unknown"),
    ]
    assert (read.model, read.mode, read.watermark_enabled) == (None, None, None)
    assert (read.image_url, read.character_orientation) == (GOOD["image_url"], "image")


def test_an_empty_request_misses_exactly_the_required_fields() -> None:
    """The five fields without a default are each told, with the values to choose from."""
    problems = read_request({}).problems
    required = ["/model", "/image_url", "/video_url", "/character_orientation", "/mode"]
    assert [(problem.pointer, problem.kind) for problem in problems] == [(name, "missing") for name in required]
    assert problems[-1].allowed == ("std", "pro")
    assert problems[-1].expected == 'the string "std" or "pro"'


@pytest.mark.parametrize("payload", [[GOOD], None, "text", 3, float("nan"), b"{}", Path()], ids=repr)
def test_what_is_no_object_is_one_problem(payload: object) -> None:
    """A list, a null or any other thing in a request's place is told, and no field is made up."""
    problem = only_problem(payload)
    assert (problem.pointer, problem.kind) == ("", "type")
    assert read_request(payload).keep_original_sound is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "kind", "observed", "nearest"),
    [
        ("character_orientation", "Image", "value", '"Image"', "image"),
        ("character_orientation", " video ", "value", '" video "', "video"),
        ("character_orientation", "imgae", "value", '"imgae"', "image"),
        ("character_orientation", "left", "value", '"left"', None),
        ("character_orientation", "", "value", '""', None),
        ("mode", "PRO", "value", '"PRO"', "pro"),
        ("mode", "standard", "value", '"standard"', "std"),
        ("mode", "professional", "value", '"professional"', "pro"),
        ("mode", "720p", "value", '"720p"', "std"),
        ("mode", "1080p", "value", '"1080p"', "pro"),
        ("mode", None, "type", "null", None),
        ("mode", ["std"], "type", "an array of 1", None),
        ("model", "kling-v2-6", "value", '"kling-v2-6"', "kling-v2-6-motion-control"),
        ("model", "kling-v3", "value", '"kling-v3"', "kling-v3-motion-control"),
        ("model", "kling-v2.6-motion-control", "value", '"kling-v2.6-motion-control"', "kling-v2-6-motion-control"),
        ("model", "kling", "value", '"kling"', None),
        ("keep_original_sound", True, "type", "true", "yes"),
        ("keep_original_sound", False, "type", "false", "no"),
        ("keep_original_sound", "true", "value", '"true"', "yes"),
        ("keep_original_sound", "False", "value", '"False"', "no"),
        ("keep_original_sound", 0, "type", "0", "no"),
        ("keep_original_sound", "YES", "value", '"YES"', "yes"),
        ("watermark_info", True, "type", "true", None),
        ("watermark_info", None, "type", "null", None),
        ("prompt", None, "type", "null", None),
        ("prompt", 10**400, "type", "a very large number", None),
        ("prompt", {"text": "dance"}, "type", "an object", None),
        ("prompt", "half \ud83d", "value", r'"half \ud83d"', None),
        ("image_url", None, "type", "null", None),
        ("image_url", ["https://a.example/x.png"], "type", "an array of 1", None),
        ("image_url", Path("x.png"), "type", "a Python PosixPath", None),
        ("image_url", "", "blank", '""', None),
        ("video_url", " \t\u3000", "blank", '" \\t\u3000"', None),
        ("image_url", "data:image/png;base64,AAAA", "inline", '"data:image/png;base64,AAAA"', None),
        ("image_url", " DATA:,x", "inline", '" DATA:,x"', None),
        ("video_url", "data:video/mp4;base64,AAAA", "inline", '"data:video/mp4;base64,AAAA"', None),
        ("image_url", "iVBORw0KGgo" + "A" * 400 + "==", "inline", "a string of 413 characters", None),
    ],
)
def test_a_wrong_value_is_told_with_what_was_meant(
    field: str, value: object, kind: str, observed: str, nearest: str | None
) -> None:
    """Slips, wrong case, near types and the words of other services each get their own answer."""
    read = read_request({**GOOD, field: value})
    (problem,) = read.problems
    assert (problem.pointer, problem.kind, problem.observed, problem.nearest) == (f"/{field}", kind, observed, nearest)
    assert getattr(read, field, None) is None


@pytest.mark.parametrize("value", ["true", "false", "yes", 1, 0, None, {}])
def test_the_watermark_switch_is_a_boolean_and_nothing_else(value: object) -> None:
    """Strict: no text and no number passes for true or false."""
    problem = only_problem({**GOOD, "watermark_info": {"enabled": value}})
    assert (problem.pointer, problem.kind, problem.allowed) == ("/watermark_info/enabled", "type", ("true", "false"))
    assert problem.nearest == {"true": "true", "false": "false", "yes": "true", "1": "true", "0": "false"}.get(
        str(value)
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("imageUrl", "image_url"),
        ("IMAGE-URL", "image_url"),
        ("image_urls", "image_url"),
        ("reference_image", "image_url"),
        ("video_urls", "video_url"),
        ("vidoe_url", "video_url"),
        ("model_name", "model"),
        ("keepOriginalSound", "keep_original_sound"),
        ("keep_orginal_sound", "keep_original_sound"),
        ("characterOrientation", "character_orientation"),
        ("orientation", "character_orientation"),
        ("resolution", "mode"),
        ("watermark", "watermark_info"),
        ("seed", None),
        ("", None),
    ],
)
def test_an_unknown_field_is_told_with_the_field_that_was_meant(name: str, meant: str | None) -> None:
    """Other cases, other services' names and slips of the finger lead to the page's own name."""
    problem = only_problem({**GOOD, name: "x"})
    assert (problem.pointer, problem.kind, problem.nearest, problem.allowed) == (f"/{name}", "unknown", meant, FIELDS)


@pytest.mark.parametrize(
    ("name", "told"),
    [("duration", "measures the reference video"), ("durationSeconds", "measures"), ("input", "top level")],
)
def test_a_field_without_counterpart_is_explained(name: str, told: str) -> None:
    """Where no field here does the same, the problem says what happens instead of guessing a name."""
    problem = only_problem({**GOOD, name: 5})
    assert problem.nearest is None
    assert told in problem.expected


def test_a_slip_inside_watermark_info_is_told_there() -> None:
    """The pointer leads into the nested object, and its own names are offered."""
    problem = only_problem({**GOOD, "watermark_info": {"enable": True}})
    assert (problem.pointer, problem.nearest, problem.allowed) == ("/watermark_info/enable", "enabled", ("enabled",))


def test_pointers_are_escaped_and_hostile_names_are_harmless() -> None:
    """RFC 6901 escapes; half a surrogate pair, a control character or a number as a name hide no other problem."""
    names: list[Any] = ["a/b~c", "half \ud800", "\x1b[31m", 7, None, ("t",), "n" * 10**6]
    problems = read_request({**GOOD, "mode": "x", **dict.fromkeys(names, 1)}).problems
    pointers = [problem.pointer for problem in problems]
    assert pointers[:6] == ["/mode", "/a~1b~0c", r"/half \ud800", r"/\x1b[31m", "/7", "/null"]
    assert len(pointers) == 8
    assert max(map(len, pointers)) < 100


def test_a_flood_of_unknown_fields_is_counted() -> None:
    """A hundred thousand unknown fields end in a handful of problems, the last of which says how many more."""
    problems = read_request({**GOOD, **{f"field_{number}": 1 for number in range(100_000)}}).problems
    assert len(problems) == 41
    assert problems[-1].observed == "99960 more fields"


def test_no_problem_quotes_a_secret() -> None:
    """Wherever a signed URL or a key stands by mistake, no text of any problem repeats it."""
    url = f"https://bucket.example/x.mp4?{SECRET}"
    payload = {
        **dict.fromkeys(FIELDS, url),
        "image_url": [url],
        "prompt": {"text": url},
        "watermark_info": {"enabled": url, "logo": url},
        "imageUrl": url,
        "api_key": "sk-5ecre7",
        "token": SECRET,
    }
    assert len(read_request(payload).problems) > 8
    assert "5ecre7" not in repr(read_request(payload).problems)


def test_a_model_and_any_mapping_are_read_like_a_dict() -> None:
    """The typed form, a read-only mapping and a subclass of str give the same reading as plain JSON."""

    class Mode(StrEnum):
        STD = "std"

    typed = GenerationRequest(**{**GOOD, "watermark_info": WatermarkInfo(enabled=True)})
    frozen = MappingProxyType({**GOOD, "mode": Mode.STD, "watermark_info": MappingProxyType({"enabled": True})})
    for payload in (typed, frozen, {**GOOD, "watermark_info": WatermarkInfo(enabled=True)}):
        read = read_request(payload)
        assert read.problems == ()
        assert json.loads(json.dumps(dict(read.payload))) == GOOD


def test_the_model_gives_only_what_was_set() -> None:
    """A typed request with defaults is submitted, and reported, without the fields that were left out."""
    given_fields = {name: GOOD[name] for name in ("model", "image_url", "video_url", "character_orientation", "mode")}
    assert read_request(GenerationRequest(**given_fields)).payload == given_fields


def test_the_model_is_strict_and_frozen() -> None:
    """The typed form refuses what the reading calls a problem, and cannot be changed afterwards."""
    for wrong in ({"mode": "Pro"}, {"fps": 1}, {"image_url": "data:,x"}, {"watermark_info": {"enabled": 1}}):
        with pytest.raises(ValidationError):
            GenerationRequest(**{**GOOD, **wrong})
    with pytest.raises(ValidationError):
        GenerationRequest(**GOOD).mode = "pro"


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_depth_and_length_are_only_problems() -> None:
    """A value nested a hundred thousand deep or ten million characters long is told in a few words."""
    deep = nested(100_000)
    for problem in read_request({**dict.fromkeys(FIELDS, deep), "model": "m" * 10**7, "x": deep}).problems:
        assert len(problem.observed) < 60


# ----------------------------------------------------------------------------------------- properties

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=()))
words = st.sampled_from(["image", "video", "std", "yes", "no", "kling-v3-motion-control", "data:,x", " ", "a.mp4"])
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["enabled", "x"]) | st.text(), inner),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {}, optional={name: st.just(value) | words | anything for name, value in GOOD.items()}
) | st.builds(lambda one, other: {**one, **other}, st.just(GOOD), st.dictionaries(st.text(), anything, max_size=3))


@given(anything | requests)
def test_any_json_value_is_read(payload: Any) -> None:
    """Whatever JSON can hold is read without an exception, and every text of it can be printed."""
    for problem in read_request(payload).problems:
        printed = json.dumps([problem.pointer, problem.expected, problem.observed, problem.nearest], ensure_ascii=False)
        printed.encode()
        assert problem.nearest is None or problem.nearest in problem.allowed
        assert len(printed) < 400


@given(requests)
def test_the_schema_and_the_reading_agree(payload: dict[str, Any]) -> None:
    """What the printed schema accepts has no problems, and what it refuses has one."""
    try:
        json.dumps(payload, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # no JSON text can hold it, so no schema can judge it
    accepted = jsonschema.Draft202012Validator(request_schema()).is_valid(payload)
    assert accepted == (read_request(payload).problems == ())


def test_the_schema_teaches() -> None:
    """Every property says what it is for, required and default are the page's, and nothing else is allowed."""
    schema: Any = request_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(item["description"] for item in schema["properties"].values())
    assert schema["required"] == ["model", "image_url", "video_url", "character_orientation", "mode"]
    assert schema["properties"]["keep_original_sound"]["default"] == "yes"
    assert schema["properties"]["mode"]["enum"] == ["std", "pro"]
    assert schema["additionalProperties"] is False
