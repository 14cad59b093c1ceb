"""The engine of judging: identity, severity, words and source of a finding, and what is told of an open question."""

from __future__ import annotations

import gc
import re
import string
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from preflight.errors import UsageError
from preflight.facts import Cause, Failure, NotMedia, Refusal
from preflight.findings import Finding, NotEvaluated, Severity, Verdict, verdict_of
from preflight.profiles import LIMITS, Profile
from preflight.rules import RULES, judge, rule_by_id
from preflight.rules.limits import listed, plain, scalar, seconds
from tests.cases import NOW, OFFICIAL, XCOMPUTE, case, clip, exactly, found, medium, picture

if TYPE_CHECKING:
    from preflight.rules.model import Rule

PREFIXES = ("request", "url", "delivery", "video", "image", "pair")


def with_severities(**severities: str) -> Profile:
    table = {name.replace("_", "-"): Severity(value) for name, value in severities.items()}
    return XCOMPUTE.model_copy(update={"severities": table})


def without(*limits: str) -> Profile:
    return XCOMPUTE.model_copy(
        update={"limits": {name: limit for name, limit in XCOMPUTE.limits.items() if name not in limits}}
    )


def with_limit(name: str, **changes: Any) -> Profile:
    limit = XCOMPUTE.limits[name].model_copy(update=changes)
    return XCOMPUTE.model_copy(update={"limits": {**XCOMPUTE.limits, name: limit}})


# ------------------------------------------------------------------------------------------ the registry


def test_rule_ids_are_readable_unique_and_in_reading_order() -> None:
    """An id is a slug whose prefix names its family; families follow each other as a request is read."""
    ids = [rule.id for rule in RULES]
    assert len(ids) == len(set(ids)) >= 50
    families = [name.split("-")[0] for name in ids]
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", name) for name in ids)
    assert set(families) <= set(PREFIXES)
    order = [PREFIXES.index(name) for name in families]
    assert order == sorted(order)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_declaration_is_complete(rule: Rule) -> None:
    """Every text is there, is a sentence where it should be one, and asks for limits that exist."""
    assert rule.title[0].isupper()
    assert not rule.title.endswith(".")
    assert rule.why[0].isupper() or rule.why.split()[0].islower()
    assert rule.why.endswith(".")
    assert "{" not in rule.why
    assert "{" not in rule.title
    assert rule.fix == "{cure}" or rule.fix.endswith((".", "`"))
    assert rule.source
    assert rule.subjects
    assert set(rule.limits) <= set(LIMITS)
    for text in (rule.message, rule.fix):
        assert all(spec in ("", None) for _, _, spec, _ in string.Formatter().parse(text))
    assert rule_by_id(rule.id) is rule


def test_every_limit_of_the_schema_is_asked_for_by_a_rule() -> None:
    """No profile states a limit in vain."""
    assert set(LIMITS) == {name for rule in RULES for name in rule.limits}


def test_an_unknown_rule_id_is_none() -> None:
    """Looking up a rule that does not exist is no error."""
    assert rule_by_id("video-too-lovely") is None


# ------------------------------------------------------------------------------------------ one finding


def test_a_finding_takes_source_and_basis_from_the_limit() -> None:
    """What the page does not state says so, and names who does."""
    finding = found(case(clip(width=100)))["video-side-too-small"]
    assert finding.source == XCOMPUTE.limits["video_side_min"].source
    assert finding.message.endswith("The provider's page does not state this limit; the model vendor's reference does.")
    assert (finding.observed, finding.limit, finding.pointer) == (100, 340, "/video_url")
    assert "vendor's reference" not in found(case(clip(width=100), profile=OFFICIAL))["video-side-too-small"].message


def test_a_finding_without_a_limit_has_the_source_of_its_rule() -> None:
    """The rule's own source stands where no limit was broken."""
    rule, finding = rule_by_id("video-rotated"), found(case(clip(rotation=90)))["video-rotated"]
    assert rule is not None
    assert finding.source == rule.source


@pytest.mark.parametrize(
    ("given", "rule", "words"),
    [
        (case(clip("2.99")), "video-duration-borderline", "was seen in the behaviour of servers"),
        (case(clip(codec="av1")), "video-codec-unusual", "preflight's own reading"),
    ],
)
def test_weaker_evidence_is_told(given: Any, rule: str, words: str) -> None:
    """A limit that was observed or inferred never looks like a documented one."""
    assert words in found(given)[rule].message


def test_a_finding_about_both_media_points_at_the_whole_request() -> None:
    """The pair has no field of its own."""
    finding = found(case(clip(width=1280, height=720)))["pair-aspect-mismatch"]
    assert (finding.subject, finding.pointer) == ("pair", "")


def test_the_profile_softens_and_hardens() -> None:
    """Its word on a rule goes before its word on a limit, and that before the rule's own."""
    short = clip("2.5")
    assert found(case(short))["video-too-short"].severity is Severity.ERROR
    soft = with_limit("video_duration_min", severity=Severity.NOTE)
    assert found(case(short, profile=soft))["video-too-short"].severity is Severity.NOTE
    both = soft.model_copy(update={"severities": {"video-too-short": Severity.WARNING}})
    assert found(case(short, profile=both))["video-too-short"].severity is Severity.WARNING
    hard = with_severities(video_rotated="error")
    assert found(case(clip(rotation=90), profile=hard))["video-rotated"].severity is Severity.ERROR


def test_a_limit_that_the_profile_does_not_state_is_not_judged() -> None:
    """No number, no finding; and nothing is left open for it, even where the medium never came."""
    profile = without("video_duration_min", "video_duration_max", "video_duration_borderline", "video_side_min")
    assert not set(found(case(clip(1, width=10, height=17), profile=profile))) & {
        "video-too-short",
        "video-side-too-small",
    }
    lost = medium("video", None, size_bytes=None, failure=Failure(Cause.TIMEOUT, "no answer"))
    open_rules = {item.rule for item in judge(case(video=lost, profile=profile)).not_evaluated}
    assert not open_rules & {"video-too-short", "video-too-long", "video-side-too-small"}
    assert "video-side-too-large" in open_rules


def test_without_a_slack_the_limit_is_sharp() -> None:
    """A profile that states no slack has no borderline beyond its limits."""
    profile = without("video_duration_borderline")
    assert "video-too-long" in found(case(clip("30.01"), profile=profile))
    assert "video-duration-borderline" not in found(case(clip("30.01"), profile=profile))


def test_a_maximum_may_be_one_number_for_all() -> None:
    """A profile without a table names no field in its message, and offers no other choice."""
    profile = with_limit("video_duration_max", value=15, by=None)
    finding = found(case(clip(20), orientation=None, profile=profile))["video-too-long"]
    assert "at most 15 s are accepted." in finding.message
    assert "Or set" not in finding.fix
    assert "-t 14.8 " in finding.fix


# ------------------------------------------------------------------------------------- many findings


def test_findings_are_ordered_by_severity_subject_and_rule() -> None:
    """The worst first; then the request before the image before the video before the pair."""
    bad = case(
        clip(1, width=100, rotation=90, edit_list=True, fragmented=True),
        picture(width=100, alpha=True, color_mode="RGBA"),
        mode="fast",
        model="kling",
    )
    findings = judge(bad).findings
    severities, subjects = list(Severity), ["request", "image", "video", "pair"]
    places = [rule.id for rule in RULES]
    keys = [(severities.index(f.severity), subjects.index(f.subject), places.index(f.rule)) for f in findings]
    assert all(one <= other for one, other in pairwise(keys))
    assert {f.severity for f in findings} == set(Severity)
    assert judge(bad) == judge(bad)


def test_ignored_rules_leave_no_trace() -> None:
    """Neither as a finding nor as an open question."""
    assert "video-too-short" not in found(case(clip(1)), ignore=frozenset({"video-too-short"}))
    gone = frozenset({"video-truncated"})
    assert judge(case(clip(truncated=None)), gone).not_evaluated == ()


def test_ignoring_what_does_not_exist_is_wrong_usage() -> None:
    """One line names it, with the nearest id where one is near."""
    with pytest.raises(UsageError, match="no rule 'video-to-long' to ignore; did you mean 'video-too-long'"):
        judge(case(), frozenset({"video-to-long"}))
    with pytest.raises(UsageError, match=r"no rule 'zzz' to ignore \("):
        judge(case(), frozenset({"zzz"}))


# --------------------------------------------------------------------------------------- open questions


def test_a_medium_that_was_not_named_leaves_its_rules_open() -> None:
    """Each rule about it, once, with one short reason; the request rule has the error."""
    given = case()
    judgement = judge(replace(given, video=None))
    reasons = {item.reason for item in judgement.not_evaluated if item.subject == "video"}
    assert reasons == {"the request names no video"}
    pairs = [item for item in judgement.not_evaluated if item.subject == "pair"]
    assert [(item.rule, item.reason) for item in pairs] == [("pair-aspect-mismatch", "the request names no video")]
    asked = [item.rule for item in judgement.not_evaluated]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize("cause", [cause for cause in Cause if cause.passing])
def test_a_passing_failure_leaves_the_verdict_unknown(cause: Cause) -> None:
    """What may be ours alone, or may pass, is never a verdict about the provider."""
    lost = medium("video", None, size_bytes=None, failure=Failure(cause, "it went wrong"))
    judgement = judge(case(video=lost))
    assert verdict_of(judgement.findings, judgement.not_evaluated) is Verdict.UNKNOWN
    too_long = next(item for item in judgement.not_evaluated if item.rule == "video-too-long")
    assert too_long == NotEvaluated("video-too-long", "video", f"the video was not delivered ({cause.value})", True)


@pytest.mark.parametrize("cause", [cause for cause in Cause if not cause.passing])
def test_any_other_failure_fails(cause: Cause) -> None:
    """What the provider meets just the same is an error, and about that medium."""
    failure = Failure(cause, "it went wrong", status=418)
    lost = medium("image", None, size_bytes=None, failure=failure, local=cause is Cause.NOT_A_FILE)
    judgement = judge(case(image=lost))
    assert verdict_of(judgement.findings, judgement.not_evaluated) is Verdict.FAIL
    assert {item.subject for item in judgement.findings} == {"image"}


def test_rules_that_only_warn_decide_nothing() -> None:
    """Decisive is what could have been an error under this very profile."""
    lost = medium("video", None, size_bytes=None, failure=Failure(Cause.TIMEOUT, "no answer"))

    def decisive(profile: Profile) -> dict[str, bool]:
        judgement = judge(case(video=lost, profile=profile))
        return {item.rule: item.decisive for item in judgement.not_evaluated if item.subject == "video"}

    usual = decisive(XCOMPUTE)
    assert usual["video-too-long"]
    assert not usual["video-rotated"]
    assert not usual["video-container"]
    assert decisive(OFFICIAL)["video-container"]
    assert decisive(with_severities(video_rotated="error"))["video-rotated"]
    assert not decisive(with_severities(video_too_long="warning"))["video-too-long"]


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (NotMedia(Refusal.HTML, "a web page"), "the video could not be opened (html)"),
        (picture(), "the file is an image, not a video"),
    ],
)
def test_a_file_of_another_kind_says_why_nothing_was_judged(outcome: Any, reason: str) -> None:
    """The root cause, in the same few words for every rule."""
    reasons = {item.rule: item.reason for item in judge(case(video=outcome)).not_evaluated}
    assert reasons["video-too-long"] == reasons["video-rotated"] == reasons["pair-aspect-mismatch"] == reason


def test_a_local_file_has_the_verdict_of_its_url() -> None:
    """Rules about URLs are not evaluated for it, decide nothing, and everything else is the same."""
    remote = judge(case(medium("video", clip(rotation=90)), medium("image", picture())))
    local = judge(case(medium("video", clip(rotation=90), local=True), medium("image", picture(), local=True)))
    assert [replace(item, fix="") for item in local.findings] == [replace(item, fix="") for item in remote.findings]
    assert {"/media/ref.mp4" in item.fix for item in local.findings if "ffmpeg" in item.fix} == {True}
    assert not any(item.decisive for item in local.not_evaluated)
    assert {item.rule for item in local.not_evaluated} >= {rule.id for rule in RULES if rule.id.startswith("url-")}
    assert {item.reason for item in local.not_evaluated if item.rule.startswith("url-")} <= {
        "a local file: it has no URL yet"
    }
    assert verdict_of(local.findings, local.not_evaluated) is Verdict.WARN


# ---------------------------------------------------------------------------------------- the verdict


def finding(severity: Severity) -> Finding:
    return Finding("video-rotated", severity, "video", "", "m", "w", "f", "s")


def gap(*, decisive: bool) -> NotEvaluated:
    return NotEvaluated("video-too-long", "video", "no answer", decisive)


@pytest.mark.parametrize(
    ("severities", "gaps", "verdict"),
    [
        ([], [], Verdict.PASS),
        ([Severity.NOTE], [], Verdict.PASS),
        ([Severity.WARNING], [], Verdict.WARN),
        ([Severity.ERROR], [], Verdict.FAIL),
        ([], [False], Verdict.PASS),
        ([], [True], Verdict.UNKNOWN),
        ([Severity.WARNING], [True], Verdict.UNKNOWN),
        ([Severity.ERROR, Severity.WARNING], [True], Verdict.FAIL),
        ([Severity.NOTE, Severity.WARNING], [False], Verdict.WARN),
    ],
)
def test_the_verdict(severities: list[Severity], gaps: list[bool], verdict: Verdict) -> None:
    """An error fails; then an open question decides; then a warning warns; a note changes nothing."""
    assert verdict_of(map(finding, severities), [gap(decisive=item) for item in gaps]) is verdict


# ------------------------------------------------------------------------------------------- the words


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [
        ("10", None, "10.00"),
        ("10.02", "10", "10.02"),
        ("10.021", None, "10.021"),
        ("8.0213", None, "8.021"),
        ("10.0004", "10", "10.0004"),
        ("9.99999", "10", "9.99999"),
        ("0", None, "0.00"),
    ],
)
def test_seconds_are_said_so_that_they_can_be_compared(value: str, beside: str | None, text: str) -> None:
    """Two or three places, and more only where fewer would hide which is larger."""
    assert seconds(exactly(value), beside=exactly(beside) if beside else None) == text


def test_numbers_and_lists_are_said_as_people_write_them() -> None:
    """No trailing zeros, no fractions, an "or" before the last name."""
    assert [plain(exactly(item)) for item in ("10", "0.4", "2.5", "104857600")] == ["10", "0.4", "2.5", "104857600"]
    assert listed(("mp4",)) == "mp4"
    assert listed(("mp4", "mov", "m4v")) == "mp4, mov or m4v"
    assert scalar(exactly("10")) == 10
    assert isinstance(scalar(exactly("10")), int)
    assert scalar(exactly(1) / 3) == 0.333333


def test_the_only_clock_is_the_case() -> None:
    """The same case an hour later is judged by the time that it carries."""
    assert case().now == NOW


def test_judging_leaves_no_garbage() -> None:
    """Neither an answer nor a question that nobody can answer keeps itself alive: an audit judges millions."""
    given = [case(image=None), case(clip(codec=None)), case()]
    for each in given:
        judge(each)
    gc.collect()
    gc.disable()
    try:
        for each in given:
            judge(each)
        assert gc.collect() == 0
    finally:
        gc.enable()
