"""What is built in, for people: the rules, one rule's whole story, the profiles and where their numbers come from."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import set_cell_size
from rich.text import Text

from preflight.findings import Severity
from preflight.language import about, later, say, told
from preflight.render.examples import example
from preflight.render.page import Page
from preflight.rules import severity_under
from preflight.rules.limits import BASES
from preflight.rules.model import SUBJECTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.findings import Finding
    from preflight.profiles import Limit, Profile, Sourced
    from preflight.rules.model import Rule

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
SEVERITIES = {Severity.ERROR: later("error"), Severity.WARNING: later("warning"), Severity.NOTE: later("note")}
_WIDE = 80
_ARTICLES = {Severity.ERROR: later("an error"), Severity.WARNING: later("a warning"), Severity.NOTE: later("a note")}
_UNITS = {"s": "s", "px": "px", "bytes": later("bytes"), "characters": later("characters")}


def list_rules(rules: Sequence[Rule], profile: Profile | None = None, *, width: int, color: bool) -> str:
    """Every rule, by family, in reading order; severities as declared, or as `profile` has them."""
    page = Page(width, color=color)
    column = max(len(rule.id) for rule in rules) + 2
    if profile:
        names = {"name": profile.name, "revision": profile.revision}
        page.line(say("Severities under profile {name} {revision}; off: it states no such limit.", **names))
        page.blank()
    for number, (family, members) in enumerate(groupby(rules, key=lambda rule: rule.id.partition("-")[0])):
        if number:
            page.blank()
        page.line(Text(family, "bold"))
        for rule in members:
            severity = severity_under(profile, rule) if profile else rule.severity
            word = set_cell_size(say(SEVERITIES[severity]) if severity else say("off"), 9)
            name = Text.assemble((word, "dim"), (rule.id, STYLES[severity] if severity else "dim"))
            if width >= _WIDE:
                page.row(name, say(rule.title), 2, 9 + column)
            else:
                page.line(name, 2)
                page.line(say(rule.title), 4)
    return page.text()


def tell_rule(rule: Rule, profile: Profile, *, width: int, color: bool) -> str:
    """One rule's declaration, and the limits that it asks of `profile`."""
    page = Page(width, color=color)
    severity = severity_under(profile, rule) or rule.severity
    about = say(
        "{severity}{changed}, about the {subjects}",
        severity=say(SEVERITIES[severity]),
        changed="" if severity is rule.severity else say(" ({word} as declared)", word=say(SEVERITIES[rule.severity])),
        subjects=say(" or the ").join(say(SUBJECTS[subject]) for subject in rule.subjects),
    )
    page.line(Text.assemble((rule.id, STYLES[severity]), "  ", (about, "dim")))
    page.line(say(rule.title))
    for title, text in story(rule, example(rule, profile)):
        page.section(title)
        page.advice(text, 2)
    page.section(say("Where it comes from"))
    page.line(say(rule.source), 2)
    if rule.limits:
        page.section(say("Limits (profile {name} {revision})", name=profile.name, revision=profile.revision))
    for name in rule.limits:
        limit = profile.limits.get(name)
        page.line(f"{name}: {_value(limit) if limit else say('none stated, so it is not judged')}", 2)
        if limit:
            _origin(page, limit)
    return page.text()


def story(rule: Rule, said: Finding | None) -> tuple[tuple[str, str], ...]:
    """Heading and text of what a rule says, why, and how to fix it; `said` is what it says of an example."""
    # A rule without an example only ever says that it cannot tell: its texts name a file at most.
    name = "in.png" if rule.subjects == ("image",) else "in.mp4"
    declared = (say(rule.message), say(rule.fix).replace("{file}", name))
    message, fix = (said.message, said.fix) if said else declared
    return (
        (say("It says") if message == say(rule.message) else say("It says, for example"), message),
        (say("Why it matters"), say(rule.why)),
        (say("How to fix it") if not said or fix == say(rule.fix) else say("How to fix it, in this example"), fix),
    )


def list_profiles(profiles: Sequence[Profile], *, width: int, color: bool) -> str:
    """The profiles in one line each."""
    page = Page(width, color=color)
    for profile in profiles:
        page.row(profile.name, f"{told(profile.title)} ({profile.revision})", 0, 16)
    return page.text()


def tell_profile(profile: Profile, *, width: int, color: bool) -> str:
    """Every number of a profile, with its source, date and basis."""
    page = Page(width, color=color)
    page.line(Text.assemble((profile.name, "bold"), f"  {told(profile.title)} ({profile.revision})"))
    page.section(say("Limits"))
    for name, limit in profile.limits.items():
        page.line(Text.assemble((name, "bold"), f"  {_value(limit)}"), 2)
        _origin(page, limit)
    page.section(say("Billing"))
    page.line(say("rounding {how}", how=profile.billing.rounding), 2)
    _origin(page, profile.billing)
    if profile.tariff:
        page.section(say("Prices"))
        for price in profile.tariff.prices:
            amount = say("{amount} {currency} per second", amount=price.per_second, currency=profile.tariff.currency)
            page.line(f"{price.model}, {price.mode}: {amount}", 2)
        _origin(page, profile.tariff)
    if profile.severities:
        page.section(say("Severities of its own"))
        for rule, severity in profile.severities.items():
            page.line(f"{rule}: {say(SEVERITIES[severity])}", 2)
    return page.text()


def _value(limit: Limit) -> str:
    unit = f" {say(_UNITS[limit.unit])}" if limit.unit in _UNITS else ""
    severity = ""
    if limit.severity:
        severity = say("  (what breaks it is {severity})", severity=say(_ARTICLES[limit.severity]))
    if isinstance(limit.value, dict):
        return ", ".join(f"{key} {number:,}{unit}" for key, number in limit.value.items()) + severity
    if isinstance(limit.value, tuple):
        return ", ".join(limit.value) + severity
    return (limit.value if isinstance(limit.value, str) else f"{limit.value:,}") + unit + severity


def _origin(page: Page, sourced: Sourced) -> None:
    origin = {"basis": say(BASES[sourced.basis]), "date": sourced.checked, "source": told(sourced.source)}
    said = say("{basis}, read on {date}: {source}", **origin)
    if sourced.basis == "own":  # nobody read it anywhere
        said = about(origin["basis"], sourced.source)
    page.line(Text(said, "dim"), 4)
    if note := getattr(sourced, "note", ""):
        page.line(Text(told(note), "dim"), 4)
