"""`preflight rules` and `preflight explain`: every rule, and the whole story of one."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from preflight.cli import options, output
from preflight.errors import UsageError

if TYPE_CHECKING:
    from preflight.profiles import Profile
    from preflight.rules.model import Rule


@click.command()
@click.option("--profile", metavar="NAME|FILE", help="Severities as this profile has them, not as declared.")
@options.format_option
@options.color_option
def rules(profile: str | None, format_: str, no_color: bool) -> None:
    """List every rule, with its severity and its title."""
    from preflight.rules import RULES

    limits = _load(profile) if profile else None
    if format_ == "json":
        output.write_utf8(json.dumps([_declared(rule, limits) for rule in RULES], ensure_ascii=False) + "\n")
        return
    from preflight.render.catalogue import list_rules

    output.write(list_rules(RULES, limits, width=output.width(), color=output.use_color(no_color)))


def _ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    from preflight.rules import RULES

    return [CompletionItem(rule.id, help=rule.title) for rule in RULES if rule.id.startswith(incomplete)]


@click.command(
    short_help="Tell the whole story of one rule.",
    epilog="""\b
Examples:
  preflight explain video-too-long
  preflight explain url-expires-soon --profile kling-official
""",
)
@click.argument("rule_id", metavar="RULE", shell_complete=_ids)
@click.option("--profile", metavar="NAME|FILE", help="Whose limits to show; see: preflight profiles.")
@options.format_option
@options.color_option
def explain(rule_id: str, profile: str | None, format_: str, no_color: bool) -> None:
    """Tell the whole story of one rule: what it says, why, how to fix it, on which limits it rests."""
    from preflight.profiles import DEFAULT
    from preflight.rules import RULES, rule_by_id

    rule = rule_by_id(rule_id)
    if rule is None:
        meant = rule_id.lower().replace("_", "-")
        near = get_close_matches(meant, [rule.id for rule in RULES], n=3, cutoff=0.5)
        near = near[:1] if meant in near[:1] else near
        advice = f"did you mean {' or '.join(near)}?" if near else "preflight rules lists them all"
        raise UsageError(f"no rule {rule_id!r}; {advice}")
    limits = _load(profile or DEFAULT)
    if format_ == "json":
        from preflight.render.examples import example

        said = example(rule, limits)
        told = {"message": said.message, "fix": said.fix} if said else None
        output.write_utf8(json.dumps(_declared(rule, limits) | {"example": told}, ensure_ascii=False) + "\n")
        return
    from preflight.render.catalogue import tell_rule

    output.write(tell_rule(rule, limits, width=output.width(), color=output.use_color(no_color)))


def _load(name: str) -> Profile:
    from preflight.profiles import load_profile
    from preflight.rules import require_profile

    profile = load_profile(name)
    require_profile(profile, name)
    return profile


def _declared(rule: Rule, profile: Profile | None) -> dict[str, object]:
    """The declaration (texts with holes in braces); with a profile, what that makes of it."""
    names = ("id", "severity", "scope", "subjects", "title", "message", "why", "fix", "source", "limits")
    declared = {name: getattr(rule, name) for name in names}
    if profile is None:
        return declared
    from preflight.rules import severity_under

    stated = {name: profile.limits[name].model_dump(mode="json") for name in rule.limits if name in profile.limits}
    under = {"name": profile.name, "revision": profile.revision, "severity": severity_under(profile, rule)}
    return declared | {"profile": under | {"limits": stated}}
