"""Judging: every rule over the case, each with its answer: nothing wrong, a finding, or "cannot tell".

The registry is explicit and in reading order. The engine gives a rule its identity, severity, source and words; what it
cannot ask a rule, because the medium never came or is of another kind, it records as not evaluated.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from preflight.errors import ProfileInvalid, UsageError
from preflight.facts import ImageFacts, NotMedia, VideoFacts
from preflight.findings import Finding, NotEvaluated, Severity, Subject
from preflight.language import later, say, told
from preflight.redaction import redact_trace
from preflight.rules import duration, filesize, image, medium, pair, reference, request, video
from preflight.rules.medium import absence, answer
from preflight.rules.model import SUBJECTS, Breach, Case, Rule, Unestablished
from preflight.rules.naming import input_name, output_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from preflight.facts import Kind, Medium
    from preflight.profiles import Basis, Limit, Profile
    from preflight.rules.model import Scope

RULES: tuple[Rule, ...] = (
    *request.RULES,
    *reference.RULES,
    *medium.VIDEO_RULES,
    *filesize.VIDEO_RULES,
    *duration.RULES,
    *video.RULES,
    *medium.IMAGE_RULES,
    *filesize.IMAGE_RULES,
    *image.RULES,
    *pair.RULES,
)

_BY_ID = {rule.id: rule for rule in RULES}
_PLACE = {rule.id: place for place, rule in enumerate(RULES)}
_SEVERITIES = list(Severity)
_SUBJECTS: list[Subject] = ["request", "image", "video", "pair"]

#: What a reader must know of a limit that the provider's page does not state.
_BASIS: dict[Basis, str] = {
    "documented": "",
    "upstream": later(" The provider's page does not state this limit; the model vendor's reference does."),
    "observed": later(" No page states this; it was seen in the behaviour of servers."),
    "inferred": later(" No page states this; it is preflight's own reading of the evidence."),
    "own": later(" This limit is your own."),
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules said, worst first."""

    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...]
    ignored: tuple[Finding, ...] = ()
    """What rules that were to be ignored would have said."""


def rule_by_id(id: str) -> Rule | None:  # noqa: A002  (the field's own word)
    """The rule of that id, or None."""
    return _BY_ID.get(id)


def judge(case: Case, ignore: frozenset[str] = frozenset(), only: Subject | None = None) -> Judgement:
    """Run every rule; what those that `ignore` names (rule ids) find is set aside and decides nothing.

    `only`: run the rules about this one subject.

    Raises:
        UsageError: `ignore` names a rule that does not exist.
    """
    require_known(ignore, later("ignore"))
    findings: list[Finding] = []
    not_evaluated: list[NotEvaluated] = []
    for about, rules in _questions(frozenset(case.profile.limits), only):
        matter = _matter(about, case)
        if matter is None:
            continue
        if isinstance(matter, Unestablished):
            not_evaluated += (_unanswered(rule, about.subject, matter, case.profile) for rule in rules)
            continue
        for rule in rules:
            try:
                for breach in rule.check(case, *matter):
                    findings.append(_finding(rule, about.subject, breach, case))  # noqa: PERF401  (what came stays)
            except Unestablished as stop:
                not_evaluated.append(_unanswered(rule, about.subject, stop, case.profile))
    findings.sort(key=lambda item: (_SEVERITIES.index(item.severity), _SUBJECTS.index(item.subject), _PLACE[item.rule]))
    not_evaluated.sort(key=lambda item: (_PLACE[item.rule], _SUBJECTS.index(item.subject)))
    return Judgement(
        findings=tuple(item for item in findings if item.rule not in ignore),
        not_evaluated=tuple(item for item in not_evaluated if item.rule not in ignore),
        ignored=tuple(item for item in findings if item.rule in ignore),
    )


def require_known(names: Iterable[str], purpose: str) -> None:
    """Make sure that there are rules of these ids before anything is fetched for them.

    Raises:
        UsageError: some do not exist; each is named, with the nearest id.
    """
    problems = []
    for name in sorted({name for name in names if name not in _BY_ID}):
        near = get_close_matches(name.lower(), _BY_ID, n=1)
        hint = say("; did you mean {name!r}?", name=near[0]) if near else ""
        problems.append(say("no rule {name!r} to {purpose}", name=name, purpose=say(purpose)) + hint)
    if problems:
        said = say("{problems} (preflight rules lists them all)", problems=say("; ").join(problems))
        raise UsageError(redact_trace(said))


def require_profile(profile: Profile, name: object) -> None:
    """Make sure that the severities of a profile, called `name` by the caller, are those of rules that exist.

    Raises:
        ProfileInvalid: some are not.
    """
    try:
        require_known(profile.severities, later("give a severity"))
    except UsageError as error:
        said = say("profile {name}: severities: {problem}", name=name, problem=error)
        raise ProfileInvalid(redact_trace(said)) from None


def _applies(rule: Rule, limits: Collection[str]) -> bool:
    """A rule about limits has nothing to say where the profile states none of them."""
    return not rule.limits or any(name in limits for name in rule.limits)


# ---------------------------------------------------------------------------------- what a rule looks at


class _NoUrl(Unestablished):
    """A rule about URLs met a local file: nothing to look at, and nothing that the verdict waits for."""


class _About(NamedTuple):
    """What rules look at; the same for many of them."""

    scope: Scope
    subject: Subject
    is_url: bool


@lru_cache(16)  # asked for every request; there are as many answers as profiles
def _questions(limits: frozenset[str], only: Subject | None) -> tuple[tuple[_About, tuple[Rule, ...]], ...]:
    """Every rule that has something to say under a profile with these limits, by what about."""
    questions: dict[_About, list[Rule]] = {}
    for rule in RULES:
        for subject in rule.subjects:
            if _applies(rule, limits) and only in (None, subject):
                questions.setdefault(_About(rule.scope, subject, rule.id.startswith("url-")), []).append(rule)
    return tuple((about, tuple(rules)) for about, rules in questions.items())


def _matter(about: _About, case: Case) -> tuple[object, ...] | Unestablished | None:
    """What the checks are called with, beside the case; why that is not known; or None: there is nothing to look at."""
    try:
        match about.scope:
            case "request":
                return ()
            case "reference":
                return (_named(about, case),)
            case "failure":
                return (medium,) if (medium := _named(about, case)).delivery.failure else None
            case "refusal":
                return (medium,) if isinstance(answer(medium := _named(about, case)), NotMedia) else None
            case "image":
                return (_opened(case.image, "image"),)
            case "video":
                return (_opened(case.video, "video"),)
            case "pair":
                return (_opened(case.image, "image"), _opened(case.video, "video"))
    except Unestablished as none:
        return none


def _named(about: _About, case: Case) -> Medium:
    found = case.image if about.subject == "image" else case.video
    if found is None:
        raise Unestablished(absence(found, "image" if about.subject == "image" else "video") or "")
    if found.delivery.local and about.is_url:
        raise _NoUrl(say("a local file: it has no URL yet"))
    return found


def _opened(found: Medium | None, kind: Kind) -> VideoFacts | ImageFacts:
    if found is not None and isinstance(found.outcome, VideoFacts if kind == "video" else ImageFacts):
        return found.outcome
    raise Unestablished(absence(found, kind) or "")


# --------------------------------------------------------------------------------- what its answer becomes


def _finding(rule: Rule, subject: Subject, breach: Breach, case: Case) -> Finding:
    named = _file_names(rule, subject, case)
    more = {word: text.replace("{file}", named["file"]) if named else text for word, text in breach.values.items()}
    about = {"subject": say(SUBJECTS[subject]), "observed": breach.observed, "limit": breach.limit}
    values = {**about, **named, **more}
    words = {name: value for name, value in values.items() if value is not None}
    message = say(rule.message, **words) + (say(_BASIS[breach.by.basis]) if breach.by else "")
    default_pointer = f"/{subject}_url" if subject in ("image", "video") else ""
    return Finding(
        rule=rule.id,
        severity=_severity(rule, breach.by, case.profile),
        subject=subject,
        pointer=default_pointer if breach.pointer is None else breach.pointer,
        message=message,
        why=say(rule.why),
        fix=say(rule.fix, **words),
        source=told(breach.by.source) if breach.by else say(rule.source),
        observed=breach.observed,
        limit=breach.limit,
    )


def _unanswered(rule: Rule, subject: Subject, stop: Unestablished, profile: Profile) -> NotEvaluated:
    decisive = _decisive(rule, profile) and not isinstance(stop, _NoUrl)
    return NotEvaluated(rule.id, subject, stop.reason, decisive)


def _file_names(rule: Rule, subject: Subject, case: Case) -> dict[str, str]:
    """What commands in the words of a rule call the file that it speaks of (of a pair: the video)."""
    if rule.scope == "request":
        return {}
    medium = case.image if subject == "image" else case.video
    return {"file": input_name(medium), "out": output_name(medium)}


def _severity(rule: Rule, by: Limit | None, profile: Profile) -> Severity:
    """The profile's word on the rule goes before its word on the limit, and that before the rule's own."""
    return profile.severities.get(rule.id) or (by.severity if by else None) or rule.severity


def severity_under(profile: Profile, rule: Rule) -> Severity | None:
    """The worst that the rule can say under this profile; None where the profile leaves it nothing to say."""
    if not _applies(rule, profile.limits):
        return None
    limits: list[Limit | None] = [profile.limits[name] for name in rule.limits if name in profile.limits]
    return min((_severity(rule, by, profile) for by in limits or [None]), key=_SEVERITIES.index)


def _decisive(rule: Rule, profile: Profile) -> bool:
    """Could the rule, under this profile, have said "error"?"""
    return severity_under(profile, rule) is Severity.ERROR
