"""What is built in, for people: the rules, one rule's whole story, the profiles and where their numbers come from."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text

from preflight.findings import Severity
from preflight.render.examples import example
from preflight.render.page import Page
from preflight.rules import severity_under

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.profiles import Limit, Profile, Sourced
    from preflight.rules.model import Rule

STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}
_WIDE = 80
_ARTICLES = {Severity.ERROR: "an error", Severity.WARNING: "a warning", Severity.NOTE: "a note"}


def list_rules(rules: Sequence[Rule], profile: Profile | None = None, *, width: int, color: bool) -> str:
    """Every rule, by family, in reading order; severities as declared, or as `profile` has them."""
    page = Page(width, color=color)
    column = max(len(rule.id) for rule in rules) + 2
    if profile:
        page.line(f"Severities under profile {profile.name} {profile.revision}; off: it states no such limit.")
        page.blank()
    for number, (family, members) in enumerate(groupby(rules, key=lambda rule: rule.id.partition("-")[0])):
        if number:
            page.blank()
        page.line(Text(family, "bold"))
        for rule in members:
            severity = severity_under(profile, rule) if profile else rule.severity
            name = Text.assemble((f"{severity or 'off':<9}", "dim"), (rule.id, STYLES[severity] if severity else "dim"))
            if width >= _WIDE:
                page.row(name, rule.title, 2, 9 + column)
            else:
                page.line(name, 2)
                page.line(rule.title, 4)
    return page.text()


def tell_rule(rule: Rule, profile: Profile, *, width: int, color: bool) -> str:
    """One rule's declaration, and the limits that it asks of `profile`."""
    page = Page(width, color=color)
    severity = severity_under(profile, rule) or rule.severity
    changed = f" ({rule.severity} as declared)" if severity is not rule.severity else ""
    about = f"{severity}{changed}, about the {' or the '.join(rule.subjects)}"
    page.line(Text.assemble((rule.id, STYLES[severity]), "  ", (about, "dim")))
    page.line(rule.title)
    for title, text in story(rule, profile):
        page.section(title)
        page.advice(text, 2)
    page.section("Where it comes from")
    page.line(rule.source, 2)
    if rule.limits:
        page.section(f"Limits (profile {profile.name} {profile.revision})")
    for name in rule.limits:
        limit = profile.limits.get(name)
        page.line(f"{name}: {_value(limit)}" if limit else f"{name}: none stated, so it is not judged", 2)
        if limit:
            _origin(page, limit)
    return page.text()


def story(rule: Rule, profile: Profile) -> tuple[tuple[str, str], ...]:
    """Heading and text of what a rule says, why, and how to fix it: of an example where texts depend on the case."""
    said = example(rule, profile)
    # A rule without an example only ever says that it cannot tell: its texts name a file at most.
    name = "in.png" if rule.subjects == ("image",) else "in.mp4"
    message, fix = (said.message, said.fix) if said else (rule.message, rule.fix.replace("{file}", name))
    return (
        ("It says" if message == rule.message else "It says, for example", message),
        ("Why it matters", rule.why),
        ("How to fix it" if not said or fix == rule.fix else "How to fix it, in this example", fix),
    )


def list_profiles(profiles: Sequence[Profile], *, width: int, color: bool) -> str:
    """The profiles in one line each."""
    page = Page(width, color=color)
    for profile in profiles:
        page.row(profile.name, f"{profile.title} ({profile.revision})", 0, 16)
    return page.text()


def tell_profile(profile: Profile, *, width: int, color: bool) -> str:
    """Every number of a profile, with its source, date and basis."""
    page = Page(width, color=color)
    page.line(Text.assemble((profile.name, "bold"), f"  {profile.title} ({profile.revision})"))
    page.section("Limits")
    for name, limit in profile.limits.items():
        page.line(Text.assemble((name, "bold"), f"  {_value(limit)}"), 2)
        _origin(page, limit)
    page.section("Billing")
    page.line(f"rounding {profile.billing.rounding}", 2)
    _origin(page, profile.billing)
    if profile.tariff:
        page.section("Prices")
        for price in profile.tariff.prices:
            page.line(f"{price.model}, {price.mode}: {price.per_second} {profile.tariff.currency} per second", 2)
        _origin(page, profile.tariff)
    if profile.severities:
        page.section("Severities of its own")
        for rule, severity in profile.severities.items():
            page.line(f"{rule}: {severity}", 2)
    return page.text()


def _value(limit: Limit) -> str:
    unit = "" if limit.unit in ("names", "ratio", "count") else f" {limit.unit}"
    severity = f"  (what breaks it is {_ARTICLES[limit.severity]})" if limit.severity else ""
    if isinstance(limit.value, dict):
        return ", ".join(f"{key} {number:,}{unit}" for key, number in limit.value.items()) + severity
    if isinstance(limit.value, tuple):
        return ", ".join(limit.value) + severity
    return (limit.value if isinstance(limit.value, str) else f"{limit.value:,}") + unit + severity


def _origin(page: Page, sourced: Sourced) -> None:
    page.line(Text(f"{sourced.basis}, read on {sourced.checked}: {sourced.source}", "dim"), 4)
    if note := getattr(sourced, "note", ""):
        page.line(Text(note, "dim"), 4)
