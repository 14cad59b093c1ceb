"""`preflight rules` and `preflight explain`: every rule, and the whole story of one."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from preflight.cli import options, output
from preflight.errors import UsageError
from preflight.language import say, told

if TYPE_CHECKING:
    from preflight.profiles import Profile
    from preflight.provider.refusals import Refusal
    from preflight.rules.model import Rule


@click.command()
@click.option("--profile", type=options.PROFILE, metavar="NAME|FILE",
              help="Severities as this profile has them, not as declared.")  # fmt: skip
@options.format_option
@options.color_option
def rules(profile: str | Profile | None, format_: str, no_color: bool) -> None:
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

    return [CompletionItem(rule.id, help=say(rule.title)) for rule in RULES if rule.id.startswith(incomplete)]


@click.command(
    short_help="Tell the whole story of one rule, or of an error text of the provider.",
    epilog="""\b
Examples:
  preflight explain video-too-long
  preflight explain "Video duration can not less than 3s"
  preflight explain url-expires-soon --profile kling-official
""",
)
@click.argument("words", metavar="RULE|TEXT", nargs=-1, required=True, shell_complete=_ids)
@click.option(
    "--profile", type=options.PROFILE, metavar="NAME|FILE", help="Whose limits to show; see: preflight profiles."
)
@options.format_option
@options.color_option
def explain(words: tuple[str, ...], profile: str | Profile | None, format_: str, no_color: bool) -> None:
    """Tell the whole story of one rule: what it says, why, how to fix it, on which limits it rests.

    An error text of the provider, or of its upstream, is told by the rule that knows it beforehand.
    """
    from preflight.profiles import DEFAULT
    from preflight.provider.refusals import refusal_of
    from preflight.rules import rule_by_id

    asked = " ".join(words)  # an error text comes without quotes as often as with them
    refusal = None if rule_by_id(asked) else refusal_of(asked)
    ids = refusal.rules if refusal else (asked,)
    rule = rule_by_id(ids[0]) if ids else None
    if rule is None and refusal is None:
        raise UsageError(_unknown(asked))
    limits = _load(profile or DEFAULT)
    if format_ == "json":
        known = {"refusal": asdict(refusal)} if refusal else {}
        output.write_utf8(json.dumps(_story(rule, limits) | known, ensure_ascii=False, default=sorted) + "\n")
        return
    from preflight.render.catalogue import tell_rule

    width, color = output.width(), output.use_color(no_color)
    if refusal:
        output.write(_tell_refusal(refusal, width, color=color))
    if rule:
        output.write(tell_rule(rule, limits, width=width, color=color))


def _unknown(text: str) -> str:
    from preflight.rules import RULES

    if " " in text.strip() or not text.isascii():
        return say("no rule is known for this text; preflight rules lists them all")
    meant = text.lower().replace("_", "-")
    near = get_close_matches(meant, [rule.id for rule in RULES], n=3, cutoff=0.5)
    near = near[:1] if meant in near[:1] else near
    advice = say("preflight rules lists them all")
    if near:
        advice = say("did you mean {name}?", name=say(" or ").join(near))
    return say("no rule {name!r}; {advice}", name=text, advice=advice)


def _story(rule: Rule | None, limits: Profile) -> dict[str, object]:
    from preflight.render.examples import example

    if rule is None:
        return {"id": None}
    said = example(rule, limits)
    return _declared(rule, limits) | {"example": {"message": said.message, "fix": said.fix} if said else None}


def _tell_refusal(refusal: Refusal, width: int, *, color: bool) -> str:
    """What an error text means, before the story of the rule that knows it."""
    from preflight.render.page import Page

    page = Page(width, color=color)
    page.line(told(refusal.meaning))
    page.row(say("next"), told(refusal.advice or ""))
    page.row(say("rules"), ", ".join(refusal.rules) or say("none: nothing of it can be known beforehand"))
    page.row(say("source"), refusal.source)
    if refusal.rules:
        page.blank()
    return page.text()


def _load(name: str | Profile) -> Profile:
    from preflight.profiles import load_profile
    from preflight.rules import require_profile

    if not isinstance(name, str):  # made, and so held to the rules, by the settings
        return name
    profile = load_profile(name)
    require_profile(profile, name)
    return profile


def _declared(rule: Rule, profile: Profile | None) -> dict[str, object]:
    """The declaration (texts with holes in braces); with a profile, what that makes of it."""
    names = ("id", "severity", "scope", "subjects", "title", "message", "why", "fix", "source", "limits")
    texts = {"title", "message", "why", "fix", "source"}
    declared = {name: say(getattr(rule, name)) if name in texts else getattr(rule, name) for name in names}
    if profile is None:
        return declared
    from preflight.rules import severity_under

    stated = {name: profile.limits[name].model_dump(mode="json") for name in rule.limits if name in profile.limits}
    under = {"name": profile.name, "revision": profile.revision, "severity": severity_under(profile, rule)}
    return declared | {"profile": under | {"limits": stated}}
