"""The rules about the request itself: what each says, of which field, with which way out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from preflight.findings import Severity
from preflight.profiles import Profile, load_profile
from preflight.request import ReadRequest, read_request
from preflight.rules import judge
from preflight.rules.model import Case
from preflight.rules.request import RULES

if TYPE_CHECKING:
    from preflight.findings import Finding, NotEvaluated

GOOD: dict[str, Any] = {
    "model": "kling-v3-motion-control",
    "prompt": "The person waves and turns round.",
    "image_url": "https://example.com/who.png",
    "video_url": "https://example.com/how.mp4",
    "character_orientation": "video",
    "mode": "pro",
}
OURS = {rule.id for rule in RULES}


def judged(payload: object, profile: Profile | None = None) -> tuple[list[Finding], list[NotEvaluated]]:
    """What our rules say of a request whose media were not looked at."""
    request = read_request(payload)  # type: ignore[arg-type]
    case = Case(request, None, None, profile or load_profile(), datetime(2026, 1, 1, tzinfo=UTC))
    judgement = judge(case)
    return (
        [finding for finding in judgement.findings if finding.rule in OURS],
        [item for item in judgement.not_evaluated if item.rule in OURS],
    )


BREACHES: list[tuple[str, dict[str, Any], str, str]] = [
    # rule, what is other than good, pointer, message
    (
        "request-nested",
        {**dict.fromkeys(GOOD, ...), "input": GOOD},
        "/input",
        "The fields stand inside input; they belong to the top level of the request.",
    ),
    ("request-field-missing", {"mode": ...}, "/mode", 'mode is missing; the string "std" or "pro" is needed.'),
    (
        "request-field-missing",
        {"image_url": ...},
        "/image_url",
        "image_url is missing; one string with the URL of the reference image is needed.",
    ),
    (
        "request-field-unknown",
        {"imageUrl": "x"},
        "/imageUrl",
        "imageUrl: the page lists no such field; most likely image_url is meant.",
    ),
    (
        "request-field-unknown",
        {"duration": 5},
        "/duration",
        (
            "duration: the page lists no such field; "
            "the provider measures the reference video itself and bills what it measures."
        ),
    ),
    (
        "request-field-unknown",
        {"watermark_info": {"on/off": True}},
        "/watermark_info/on~1off",
        "watermark_info.on/off: the page lists no such field.",
    ),
    (
        "request-field-type",
        {"keep_original_sound": True},
        "/keep_original_sound",
        'keep_original_sound is true; the string "yes" or "no" is needed; most likely yes is meant.',
    ),
    ("request-field-type", {"prompt": None}, "/prompt", "prompt is null; a string is needed."),
    (
        "request-field-type",
        {"watermark_info": {"enabled": "x{y}"}},
        "/watermark_info/enabled",
        'watermark_info.enabled is "x{y}"; true or false without quotes is needed.',
    ),
    (
        "request-field-value",
        {"character_orientation": "Image"},
        "/character_orientation",
        'character_orientation is "Image"; the string "image" or "video" is needed; most likely image is meant.',
    ),
    (
        "request-url-blank",
        {"video_url": " "},
        "/video_url",
        'video_url is " "; one string with the URL of the reference video is needed.',
    ),
    (
        "request-media-inline",
        {"image_url": "data:image/png;base64,AAAA"},
        "/image_url",
        "image_url holds the medium itself, as a data: URI or in base64; a link is needed.",
    ),
    (
        "request-media-same",
        {"image_url": "https://example.com/how.mp4 "},
        "/video_url",
        "image_url and video_url are the same; one file cannot be the image and the video.",
    ),
    ("request-prompt-missing", {"prompt": ...}, "/prompt", "The request has no prompt."),
    ("request-prompt-missing", {"prompt": "\n\u3000"}, "/prompt", "The request has no prompt."),
    (
        "request-prompt-too-long",
        {"prompt": "动" * 2501},
        "/prompt",
        (
            "The prompt has 2501 characters; at most 2500 are accepted. "
            "The provider's page does not state this limit; the model vendor's reference does."
        ),
    ),
]


@pytest.mark.parametrize(("rule", "change", "pointer", "message"), BREACHES)
def test_each_breach_is_one_finding(rule: str, change: dict[str, Any], pointer: str, message: str) -> None:
    """One thing wrong is one finding, with its pointer, its sentence and a fix that has no gap left to fill."""
    payload = {name: value for name, value in {**GOOD, **change}.items() if value is not ...}
    (finding,), _ = judged(payload)
    assert (finding.rule, finding.pointer, finding.message) == (rule, pointer, message)
    assert finding.subject == "request"
    assert finding.severity is (Severity.NOTE if rule == "request-prompt-missing" else Severity.ERROR)
    assert "{" not in finding.fix


def test_every_rule_of_the_family_has_a_breach_and_a_source() -> None:
    """No rule is declared without a row above, and none speaks without a title, a reason and a source."""
    assert {rule for rule, *_ in BREACHES} | {"request-row"} == OURS  # (that one stands in no request: see below)
    assert all(rule.id.startswith("request-") and rule.title and rule.why and rule.source for rule in RULES)
    assert len(OURS) == len(RULES)


def test_a_right_request_has_nothing_to_find() -> None:
    """No finding and nothing left unevaluated, at the longest prompt that is allowed."""
    assert judged(GOOD) == ([], [])
    assert judged({**GOOD, "prompt": "x" * 2500}) == ([], [])


def test_all_findings_come_at_once() -> None:
    """A request with everything wrong is told everything, in the page's order within a rule."""
    findings, _ = judged({"mode": "Std", "prompt": "", "image_url": "", "video_url": "data:,", "fps": 1})
    assert [(finding.rule, finding.pointer) for finding in findings] == [
        ("request-field-missing", "/model"),
        ("request-field-missing", "/character_orientation"),
        ("request-field-unknown", "/fps"),
        ("request-field-value", "/mode"),
        ("request-url-blank", "/image_url"),
        ("request-media-inline", "/video_url"),
        ("request-prompt-missing", "/prompt"),
    ]


def test_a_row_that_is_no_request() -> None:
    """An audit's row without a job is one error, and nothing else is said about it."""
    nothing = ReadRequest({}, (), no_row="has 1 cell under 4 columns")
    case = Case(nothing, None, None, load_profile(), datetime(2026, 1, 1, tzinfo=UTC))
    (finding,) = judge(case, only="request").findings
    assert (finding.rule, finding.pointer) == ("request-row", "")
    assert finding.message == "This row has 1 cell under 4 columns, so there is no request to judge."


def test_what_is_no_object_is_one_error() -> None:
    """A list in the request's place is told once, without a list of all the fields that it lacks."""
    (finding,), _ = judged([GOOD])
    assert (finding.rule, finding.pointer) == ("request-field-type", "")
    assert finding.message == "The request is an array of 1; an object with the fields of the request is needed."


def test_the_prompt_limit_is_the_profile_s() -> None:
    """Without a limit the rule is silent; with another number it is that number that counts."""
    profile = load_profile()
    long = {**GOOD, "prompt": "x" * 5000}
    without = profile.model_copy(
        update={"limits": {name: limit for name, limit in profile.limits.items() if name != "prompt_max"}}
    )
    assert judged(long, without) == ([], [])
    limit = profile.limits["prompt_max"].model_copy(update={"value": 4999, "severity": Severity.WARNING})
    other = profile.model_copy(update={"limits": {**profile.limits, "prompt_max": limit}})
    (finding,), _ = judged(long, other)
    assert (finding.limit, finding.observed, finding.severity) == (4999, 5000, Severity.WARNING)
    assert finding.source == limit.source


def test_the_length_of_a_prompt_that_is_no_text_is_not_established() -> None:
    """Unknown is never a pass: the rule says that it could not look."""
    _, (item,) = judged({**GOOD, "prompt": 7})
    assert (item.rule, item.reason) == ("request-prompt-too-long", "the prompt is not a string")


def test_values_of_a_stranger_cannot_break_a_sentence() -> None:
    """Braces and control characters in names and values stay what they are, visible and harmless."""
    findings, _ = judged({**GOOD, "mode": "{limit}\x1b[2J", "{subject}": 1})
    messages = [finding.message for finding in findings]
    assert messages[0].startswith("{subject}: the page lists no such field")
    assert messages[1].startswith(r'mode is "{limit}\u001b[2J"')


@pytest.mark.parametrize("wrapper", ["input", "data", "payload", "body"])
def test_a_wrapped_request_is_told_first_and_once(wrapper: str) -> None:
    """One finding about the wrapper; the fields inside are read, and wrong ones are found where they stand."""
    findings, _ = judged({wrapper: GOOD})
    assert [(item.rule, item.pointer) for item in findings] == [("request-nested", f"/{wrapper}")]
    inner = {name: value for name, value in GOOD.items() if name != "model"} | {"mode": "fast"}
    findings, _ = judged({"model": "kling-v3-motion-control", wrapper: inner})
    assert [(item.rule, item.pointer) for item in findings] == [
        ("request-nested", f"/{wrapper}"),
        ("request-field-value", f"/{wrapper}/mode"),
    ]


def test_only_an_optional_field_may_be_left_out() -> None:
    """A required one has to be given."""
    [required] = judged(GOOD | {"model": 5})[0]
    [optional] = judged(GOOD | {"prompt": 5})[0]
    assert ("leave it out" in required.fix, "leave it out" in optional.fix) == (False, True)
