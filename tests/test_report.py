"""The report on the wire: its fields, its numbers, and that nothing dangerous or secret is in it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from preflight.errors import PreflightFailed
from preflight.facts import Cause, Failure, Hop, Medium, NotMedia, Outcome, Refusal, Unknown, VideoFacts
from preflight.findings import ExitCode, Verdict
from preflight.printable import LONGEST, clean, clean_lines, encodable
from preflight.redaction import redact_quoted, redact_trace
from preflight.report import MediaReport, Report, media_report, media_schema, report_schema
from tests.reports import (
    CLIP,
    DELIVERY,
    NOTED,
    PICTURE,
    ROTATED,
    SECRET,
    TOO_LONG,
    VIDEO_URL,
    WAITING,
    a_case,
    a_report,
)

UNREAD = replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "no complete answer within 20 s"))
NEWS = NotMedia(Refusal.HTML, "an HTML page", "text/html")
REPORTS = {
    "pass": a_report(),
    "note": a_report(NOTED),
    "warn": a_report(ROTATED),
    "fail": a_report(TOO_LONG, ROTATED, NOTED, WAITING, price=Decimal("0.07")),
    "unknown": a_report(WAITING, ROTATED, case=a_case(video=None, delivery=UNREAD)),
    "page": a_report(case=a_case(video=NEWS, image=NEWS)),
    "swapped": a_report(case=a_case(image=CLIP, video=PICTURE)),
    "bare": a_report(case=replace(a_case(), image=None, video=None)),
}
UNSAFE = "\x1b]0;owned\x07\u202e\u2028\ud800\n"

#: DESIGN 7: what other people's scripts rest on.
PROMISED = {
    "": {"schema", "verdict", "profile", "request", "image", "video", "findings", "not_evaluated", "estimate", "tool"},
    "profile": {"name", "revision"},
    "image": {
        "url",
        "final_url",
        "media_type_declared",
        "media_type_sniffed",
        "size_bytes",
        "format",
        "width",
        "height",
    }
    | {"orientation", "transfer"},
    "image.transfer": {"requests", "connections", "bytes_received", "round_trips", "seconds"},
    "video": {"url", "container", "brand", "size_bytes", "durations", "codec", "codec_profile", "pixel_format", "width"}
    | {"height", "rotation", "frame_rate", "variable_frame_rate", "audio", "fragmented", "faststart", "truncated"},
    "video.durations": {"container", "video", "audio", "header", "present", "decoded"},
    "video.audio": {"codec", "channels", "sample_rate"},
    "findings.0": {"rule", "severity", "subject", "pointer", "message", "observed", "limit", "fix", "source"},
    "not_evaluated.0": {"rule", "reason"},
    "estimate": {"billed_seconds", "at_least", "at_most", "rounding", "hold_seconds", "cost", "assumptions"},
    "estimate.cost": {"currency", "per_second", "expected", "at_least", "at_most"},
    "tool": {"version", "ffmpeg", "pillow"},
    "timing": {"seconds"},
}


def _wire(report: Report | MediaReport) -> dict[str, Any]:
    wire: dict[str, Any] = json.loads(report.to_json())
    return wire


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from _strings(part)


@pytest.mark.parametrize("path", PROMISED)
def test_promised_fields_are_there(path: str) -> None:
    """Every field that the design promises has its name and its place."""
    part: Any = _wire(REPORTS["fail"])
    for step in filter(None, path.split(".")):
        part = part[int(step)] if step.isdigit() else part[step]
    assert PROMISED[path] <= set(part)


@pytest.mark.parametrize("name", REPORTS)
def test_report_validates_against_the_printed_schema(name: str) -> None:
    """What `--format json` prints is what `schema report` describes, whatever happened."""
    schema = report_schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not list(Draft202012Validator(schema).iter_errors(_wire(REPORTS[name])))


def test_schema_rejects_a_renamed_field() -> None:
    """The schema is no rubber stamp: a report without one of its fields does not validate."""
    wire = _wire(REPORTS["pass"])
    wire["video"]["lengths"] = wire["video"].pop("durations")
    assert list(Draft202012Validator(report_schema()).iter_errors(wire))


@pytest.mark.parametrize("name", REPORTS)
def test_report_round_trips(name: str) -> None:
    """A report read back from its JSON is the same report."""
    assert Report.model_validate_json(REPORTS[name].to_json()) == REPORTS[name]


def test_every_number_in_the_schema_names_its_unit_or_is_a_count() -> None:
    """Durations say seconds, sides pixels, sizes bytes."""
    definitions: Any = report_schema()["$defs"]
    described = {
        name: field.get("description", "")
        for part in definitions.values()
        for name, field in part.get("properties", {}).items()
    }
    for name, unit in {
        "width": "Pixels",
        "size_bytes": "bytes",
        "sample_rate": "Hz",
        "start_offset": "Seconds",
    }.items():
        assert unit in described[name]


@pytest.mark.parametrize(
    ("name", "verdict", "code", "strict"),
    [
        ("pass", "pass", ExitCode.PASS, ExitCode.PASS),
        ("note", "pass", ExitCode.PASS, ExitCode.PASS),
        ("warn", "warn", ExitCode.PASS, ExitCode.FAIL),
        ("fail", "fail", ExitCode.FAIL, ExitCode.FAIL),
        ("unknown", "unknown", ExitCode.UNKNOWN, ExitCode.UNKNOWN),
    ],
)
def test_verdict_and_exit_codes(name: str, verdict: str, code: ExitCode, strict: ExitCode) -> None:
    """The verdict follows from the findings, the exit code from the verdict."""
    report = REPORTS[name]
    assert (report.verdict, report.exit_code(), report.exit_code(strict=True)) == (verdict, code, strict)


@pytest.mark.parametrize(("name", "strict"), [("fail", False), ("unknown", False), ("warn", True)])
def test_raise_for_verdict_raises(name: str, strict: bool) -> None:
    """A request that must not be submitted raises, and the exception carries the report."""
    with pytest.raises(PreflightFailed, match="verdict") as caught:
        REPORTS[name].raise_for_verdict(strict=strict)
    assert caught.value.report is REPORTS[name]


def test_raise_for_verdict_returns_for_a_pass_and_a_warning() -> None:
    """A warning is accepted unless the caller is strict."""
    REPORTS["pass"].raise_for_verdict(strict=True)
    REPORTS["warn"].raise_for_verdict()


def test_numbers_on_the_wire() -> None:
    """Seconds are numbers of at most six decimals, ratios strings, money decimal strings, the unknown null."""
    third = replace(CLIP, durations=replace(CLIP.durations, container=Fraction(25, 3), present=None))
    wire = _wire(a_report(case=a_case(video=third), price=Decimal("0.1")))
    assert wire["video"]["durations"]["container"] == 8.333333
    assert wire["video"]["durations"]["present"] is None
    assert wire["video"]["frame_rate"] == 29.97003
    assert wire["video"]["sample_aspect_ratio"] == "4:3"
    assert wire["video"]["judged"] == "container"
    assert wire["video"]["window"] == {"minimum": 3.0, "maximum": 10.0}
    assert wire["estimate"]["billed_seconds"] == 8.333333
    assert wire["estimate"]["cost"]["per_second"] == "0.1"
    assert wire["estimate"]["cost"]["at_most"] == "1.2"


def test_window_is_open_while_the_orientation_is() -> None:
    """Without a valid orientation the upper end of the window is not established."""
    case = a_case()
    unsure = replace(case, request=replace(case.request, character_orientation=None))
    assert _wire(a_report(case=unsure))["video"]["window"] == {"minimum": 3.0, "maximum": None}


def test_not_established_is_null_with_a_reason() -> None:
    """A duration that nobody could read is null, and the report says why."""
    blind = VideoFacts("webm", "video/webm", unknown=(Unknown("durations.container", "no duration in the header"),))
    video = _wire(a_report(case=a_case(video=blind)))["video"]
    assert (video["durations"]["container"], video["judged"], video["codec"]) == (None, None, None)
    assert video["unknown"] == [{"fact": "durations.container", "reason": "no duration in the header"}]


def test_a_medium_that_never_came_says_why() -> None:
    """A failure of delivery and a thing that is no medium are data of the report."""
    failure = _wire(REPORTS["unknown"])["video"]["failure"]
    assert (failure["cause"], failure["passing"]) == ("timeout", True)
    assert _wire(REPORTS["page"])["video"]["not_media"] == {"refusal": "html", "detail": "an HTML page"}
    assert _wire(REPORTS["swapped"])["image"]["media_type_sniffed"] == "video/mp4"
    assert _wire(REPORTS["bare"])["image"] is None


@pytest.mark.parametrize(("outcome", "part"), [(CLIP, "video"), (PICTURE, "image"), (NEWS, "unread"), (None, "unread")])
def test_media_report_has_exactly_one_part(outcome: Outcome | None, part: str) -> None:
    """A probe's answer says by its bytes what it is, and validates against its own schema."""
    delivery = DELIVERY if outcome else UNREAD
    report = media_report(Medium("video", delivery, outcome))
    wire = _wire(report)
    assert [name for name in ("image", "video", "unread") if wire[name]] == [part]
    assert report.medium is getattr(report, part)
    assert not list(Draft202012Validator(media_schema()).iter_errors(wire))
    assert SECRET not in report.to_json()


def test_same_facts_same_report() -> None:
    """Two checks of the same bytes differ in timing and transfer alone."""
    slow = replace(DELIVERY, transfer=replace(DELIVERY.transfer, requests=7, seconds=3.0))
    first, second = _wire(a_report(TOO_LONG)), _wire(a_report(TOO_LONG, case=a_case(delivery=slow), seconds=9.0))
    assert first != second
    for wire in (first, second):
        del wire["timing"], wire["video"]["transfer"]
    assert json.dumps(first) == json.dumps(second)


# -------------------------------------------------------------------------------------- hostile strings


def test_no_secret_of_a_reference_is_in_the_report() -> None:
    """A signature stands in the request, in every hop, in messages that quote them: never in the report."""
    other = f"https://user:{SECRET}@cdn.example.net/a.mp4?token={SECRET}#{SECRET}"
    delivery = replace(DELIVERY, final_url=VIDEO_URL + "&part=2", hops=(Hop(VIDEO_URL, 302),))
    quoting = replace(
        TOO_LONG,
        message=f"{VIDEO_URL} redirects to https://cdn.example.net/a.mp4?token={SECRET}",
        observed=VIDEO_URL,
        why=f"because of {VIDEO_URL}",
        fix=f"Sign {VIDEO_URL} again: `curl '{VIDEO_URL}'`.",
    )
    reason = replace(WAITING, reason=f"no answer from {other}")
    assert SECRET not in a_report(quoting, reason, case=a_case(delivery=delivery)).to_json()


def test_no_secret_of_a_quoted_url_is_in_the_request() -> None:
    """Whoever pastes a signed URL into the prompt, or names a field after one, does not find it in the report."""
    case = a_case()
    case = replace(case, request=replace(case.request, prompt=f"As in {VIDEO_URL}, please.\nThanks"))
    report = a_report(replace(TOO_LONG, pointer=f"/{VIDEO_URL.replace('/', '~1')}"), case=case)
    assert SECRET not in report.to_json()
    assert report.request.prompt is not None
    assert report.request.prompt.startswith("As in https://bucket.s3.amazonaws.com/clip.mp4?")


def test_what_was_ignored_is_in_the_report() -> None:
    """Ignored findings are named and decide nothing."""
    report = a_report(ROTATED, ignored=(TOO_LONG,))
    assert report.verdict is Verdict.WARN
    assert _wire(report)["ignored"] == [{"rule": "video-too-long", "severity": "error", "subject": "video"}]


@pytest.mark.parametrize(
    "message",
    [
        f"no file '{VIDEO_URL}'",
        f'{{"video_url":"{VIDEO_URL}"}}: no such file',
        f"a: {VIDEO_URL.replace('/', chr(92) + '/')}",
        f"--price={VIDEO_URL}",
        f"example.com/clip.mp4?token={SECRET}",
        f"bad value https://example.com/a'b?sig='{SECRET}",
    ],
)
def test_a_message_about_words_of_a_command_keeps_no_secret(message: str) -> None:
    """Quoted, in JSON, without a scheme, with quotes of its own: the query's values are gone."""
    words = [VIDEO_URL, f"--price={VIDEO_URL}", f"https://example.com/a'b?sig='{SECRET}"]
    assert SECRET not in redact_quoted(message, words)


def test_documentation_urls_survive() -> None:
    """Redaction spares our own sources."""
    source = "https://kling.ai/document-api/api/video/3-0-omni/motion-control"
    assert a_report(replace(TOO_LONG, source=source)).findings[0].source == source


@given(st.text() | st.just(UNSAFE))
def test_no_string_of_a_stranger_can_steer_a_terminal(text: str) -> None:
    """Brands, codecs, headers, pointers, prompts: no control, separator or bidi character reaches the report."""
    clip = replace(CLIP, brand=text, brands=(text,), codec=text, pixel_format=text, unknown=(Unknown("frames", text),))
    delivery = replace(DELIVERY, media_type_declared=text, etag=text, final_url=f"https://example.com/{text}")
    case = a_case(video=clip, delivery=delivery)
    case = replace(case, request=replace(case.request, prompt=text))
    quoting = replace(TOO_LONG, message=text, pointer=f"/{text}", observed=text)
    for found in _strings(_wire(a_report(quoting, replace(WAITING, reason=text), case=case))):
        assert all(unicodedata.category(sign) not in ("Cc", "Cs", "Zl", "Zp") or sign == "\n" for sign in found)
        assert not set(found) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@given(st.text())
def test_clean_is_one_safe_short_line_and_stable(text: str) -> None:
    """`clean` gives one line of bounded length, and cleaning twice changes nothing."""
    safe = clean(text)
    assert len(safe) <= LONGEST
    assert safe.splitlines() in ([], [safe])
    assert clean(safe) == safe
    safe.encode()


def test_clean_shows_what_was_there() -> None:
    """An escape is visible, not dropped; our own line breaks stay where they are wanted."""
    assert clean("a\x1b[2J\u202eb\n") == "a\\x1b[2J\\u202eb\\n"
    assert clean("x" * 400) == "x" * (LONGEST - 1) + "…"
    assert clean_lines("one\ntwo\r") == "one\ntwo\\r"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["utf-8", "ascii", "gbk", "latin-1", "none"]))
def test_encodable_text_can_be_encoded(text: str, encoding: str) -> None:
    """Whatever the output's encoding is, the text fits; where it fitted, it is unchanged."""
    shown = encodable(text, encoding)
    shown.encode("ascii" if encoding == "none" else encoding)
    if encoding == "utf-8":
        assert shown == text


def test_encodable_keeps_our_signs_readable() -> None:
    """Signs of ours become plain ones where the output has none."""
    assert encodable("✗ 3–10 s … 参", "ascii") == "x 3-10 s ... \\u53c2"


def test_a_trace_keeps_no_query_value() -> None:
    """Text of other libraries may hold a query without its URL."""
    told = redact_trace(f"GET /clip.mp4?X-Amz-Signature={SECRET}&b=2 of https://u:{SECRET}@h.example/?k={SECRET}")
    assert SECRET not in told
    assert "X-Amz-Signature=" in told


def test_unknown_verdict_is_not_a_pass() -> None:
    """A decisive rule without an answer keeps the verdict open, warnings or not."""
    assert REPORTS["unknown"].verdict is Verdict.UNKNOWN
