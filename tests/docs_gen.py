"""Writes the pages of docs/ that follow from the code: `python -m tests.docs_gen` (a test fails when they drift).

One source each: rule pages from the rules' declarations, profile pages from their TOML, the command line from its own
`--help`, the report's fields from its schema, exit codes from the enum.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from preflight.cli import group as cli
from preflight.findings import ExitCode
from preflight.profiles import LIMITS, Limit, Profile, built_in, load_profile
from preflight.render.catalogue import story
from preflight.report import media_schema, report_schema
from preflight.rules import RULES

if TYPE_CHECKING:
    from preflight.rules.model import Rule

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MARK = "<!-- Written by tests/docs_gen.py: change the code, then run python -m tests.docs_gen -->"
FAMILIES = {
    "request": "the fields of the request",
    "url": "the form of a reference, before any packet is sent",
    "delivery": "what the server does",
    "video": "the reference video",
    "image": "the reference image",
    "pair": "image and video together",
}
SCOPES = {
    "request": "the request",
    "reference": "a reference and how its bytes came",
    "video": "the video's facts",
    "image": "the image's facts",
    "pair": "the facts of both media",
}
MEANINGS = {
    ExitCode.PASS: "The verdict is `pass` or `warn`; or the command had nothing to judge and did what it was asked.",
    ExitCode.FAIL: "The verdict is `fail`; with `--strict` also `warn`.",
    ExitCode.USAGE: "The command itself is wrong: an unknown option, a request that cannot be read, no such profile. "
    "Or what it prints cannot be written (a full disk, a closed output).",
    ExitCode.UNKNOWN: "The verdict is `unknown`: something that decides could not be established. Never a pass.",
    ExitCode.CRASH: "A bug in preflight. It is not a verdict, and never looks like one.",
    ExitCode.INTERRUPTED: "Stopped by Ctrl-C.",
}


def pages() -> dict[str, str]:
    """Every generated file, by its path below docs/."""
    profiles = [load_profile(name) for name in built_in()]
    return {
        "rules/README.md": rule_index(),
        **{f"rules/{rule.id}.md": rule_page(rule, profiles) for rule in RULES},
        **{f"profiles/{profile.name}.md": profile_page(profile) for profile in profiles},
        "cli.md": command_line(),
        "exit-codes.md": exit_codes(),
        "report-schema.md": report_fields(),
        "report.schema.json": _json(report_schema()),
        "media.schema.json": _json(media_schema()),
    }


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([f"# {title}", MARK, *(part for part in parts if part)]) + "\n"


def _json(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join(map(line, (head, ("---",) * len(head), *rows)))


def _linked(source: str) -> str:
    """Angle brackets around the URLs of a source, so that every Markdown reader makes them links."""
    return re.sub(r"https?://[^\s<>]+[^\s<>.,;)]", lambda url: f"<{url[0]}>", source)


# ------------------------------------------------------------------------------------------------ rules


def rule_index() -> str:
    """All rules by family, in the order in which a report lists them."""
    intro = (
        f"{len(RULES)} rules. Each is declared once in `preflight/rules/`; `preflight explain RULE` tells the same in "
        "the terminal. Limits are the profile's, which may also change a severity ([profiles](../profiles.md)). "
        "`error` makes the verdict fail, `warning` makes it warn, `note` changes nothing."
    )
    parts = [intro]
    for family, about in FAMILIES.items():
        rows = [
            (f"[{rule.id}]({rule.id}.md)", rule.severity.value, rule.title)
            for rule in RULES
            if rule.id.startswith(f"{family}-")
        ]
        parts.append(f"## {family}: {about}\n\n" + _table(("rule", "severity", "what it finds"), rows))
    return _page("Rules", *parts)


def rule_page(rule: Rule, profiles: list[Profile]) -> str:
    """The page of one rule."""
    head = [
        ("severity", rule.severity.value),
        ("looks at", SCOPES[rule.scope]),
        ("reported for", ", ".join(rule.subjects)),
    ]
    rows = [
        (name, f"[{profile.name}](../profiles/{profile.name}.md)", _value(limit), limit.basis)
        for name in rule.limits
        for profile in profiles
        if (limit := profile.limits.get(name))
    ]
    return _page(
        rule.id,
        f"**{rule.title}**",
        _table(("", ""), head),
        *(f"## {heading}\n\n{_text(text)}" for heading, text in story(rule, profiles[0])),
        "## Limits\n\n" + _table(("limit", "profile", "value", "basis"), rows) if rows else "",
        f"## Source\n\n{_linked(rule.source)}",
        "[All rules](README.md)",
    )


def _text(told: str) -> str:
    """Text of ours as Markdown: what looks like a tag outside of code is none."""
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in re.split(r"(`[^`]*`)", told))


# --------------------------------------------------------------------------------------------- profiles

_UNITS = {"s": "s", "bytes": "bytes", "px": "px", "characters": "characters"}


def _value(limit: Limit) -> str:
    def one(value: object) -> str:
        text = f"{value:,}".replace(",", " ") if isinstance(value, int | Decimal) else str(value)
        return f"{text} {_UNITS.get(limit.unit, '')}".strip()

    match limit.value:
        case dict() as table:
            return ", ".join(f"{one(value)} for `{limit.by}` = `{key}`" for key, value in table.items())
        case tuple() as names:
            return ", ".join(names)
    return one(limit.value)


def profile_page(profile: Profile) -> str:
    """The page of one built-in profile: every limit with where it comes from."""
    limits = [
        (
            name,
            _value(limit),
            limit.basis,
            limit.severity.value if limit.severity else "",
            limit.checked.isoformat(),
            _linked(limit.source),
            limit.note,
        )
        for name in LIMITS
        if (limit := profile.limits.get(name))
    ]
    billing = profile.billing
    parts = [
        profile.title,
        f"Revision `{profile.revision}`. How to read this page and write your own profile: [profiles](../profiles.md).",
        "## Limits\n\n"
        + _table(
            ("limit", "value", "basis", "severity", "checked", "source", "note"),
            limits,
        ),
        f"## Billing\n\nRounding: `{billing.rounding}` ({billing.basis}, {billing.checked.isoformat()}, "
        f"{_linked(billing.source)}). {billing.note}".rstrip(),
    ]
    if tariff := profile.tariff:
        rows = [(price.model, price.mode, f"{price.per_second} {tariff.currency}") for price in tariff.prices]
        parts.append(
            f"## Tariff\n\n{tariff.basis}, {tariff.checked.isoformat()}, {_linked(tariff.source)}\n\n"
            + _table(("model", "mode", "per billed second"), rows)
        )
    if profile.severities:
        own = [(f"[{rule}](../rules/{rule}.md)", severity.value) for rule, severity in profile.severities.items()]
        parts.append("## Severities of its own\n\n" + _table(("rule", "severity"), own))
    return _page(f"Profile {profile.name}", *parts)


# --------------------------------------------------------------------------------------- the command line


def command_line() -> str:
    """Every command's own help."""
    parts = ["What each command says to `--help`. [Exit codes](exit-codes.md) have their own page."]
    for context in contexts(cli, "preflight"):
        level = "#" * (len(context.command_path.split()) + 1)
        text = "\n".join(line.rstrip() for line in context.get_help().splitlines())
        parts.append(f"{level} {context.command_path}\n\n```text\n{text}\n```")
    return _page("Command line", *parts)


def contexts(command: click.Command, name: str, above: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the context of the command and of everything below it, nested as click nests them in a real call."""
    settings = {**command.context_settings, "terminal_width": 100}
    context = click.Context(command, parent=above, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below, word
            yield from contexts(below, word, context)


def exit_codes() -> str:
    """The enum as a table."""
    rows = [(str(code.value), code.name.lower(), MEANINGS[code]) for code in ExitCode]
    return _page(
        "Exit codes",
        _table(("code", "name", "meaning"), rows),
        "In Python the same enum is `preflight.ExitCode`; `ExitCode.of(verdict)` gives the code of a verdict.",
    )


# ------------------------------------------------------------------------------------------- the report


def report_fields() -> str:
    """The JSON of a check and of a probe, object by object, from their schemas."""
    intro = (
        "What `preflight check --format json` prints for each request, and `preflight probe --format json` for each "
        "medium; the same objects in Python are `preflight.Report` and `preflight.MediaReport`. For machines: "
        "[report.schema.json](report.schema.json) and [media.schema.json](media.schema.json), which `preflight schema` "
        "prints. Within `/1` fields are only added. null means *not established*, never zero."
    )
    check: dict[str, Any] = report_schema()
    probe: dict[str, Any] = media_schema()
    objects = {"Report": check, "MediaReport": probe} | check["$defs"] | probe["$defs"]
    parts = [intro]
    for name, definition in objects.items():
        body = _fields(definition) if "properties" in definition else "One of: " + _type(definition)
        parts.append("\n\n".join(filter(None, [f"## {name}", definition.get("description"), body])))
    return _page("The report", *parts)


def _fields(definition: Mapping[str, Any]) -> str:
    properties: Mapping[str, Mapping[str, Any]] = definition.get("properties", {})
    rows = [(f"`{name}`", _type(field), field.get("description", "")) for name, field in properties.items()]
    return _table(("field", "type", "meaning"), rows)


def _type(field: Mapping[str, Any]) -> str:  # noqa: C901  (one return per form that JSON Schema has)
    match field:
        case {"$ref": str(ref)}:
            name = ref.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": list(options)} | {"oneOf": list(options)}:
            return " or ".join(_type(option) for option in options)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"enum": list(values)}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"type": "array", "items": Mapping() as items}:
            return f"list of {_type(items)}"
        case {"type": "array"}:
            return "list"
        case {"type": "object", "additionalProperties": Mapping() as items}:
            return f"object of {_type(items)}"
        case {"type": str(name)}:
            return name
        case {"type": list(names)}:
            return " or ".join(names)
        case {"allOf": [Mapping() as only]}:
            return _type(only)
    return "any"


# ----------------------------------------------------------------------------------------------- writing


def generated_files() -> set[str]:
    """The generated files that stand in docs/, by their own mark."""
    marked = {path for path in DOCS.rglob("*.md") if MARK in path.read_text("utf-8")}
    return {path.relative_to(DOCS).as_posix() for path in marked | set(DOCS.glob("*.schema.json"))}


def write() -> None:
    """Make docs/ what the code says; pages of rules that are gone go too."""
    wanted = pages()
    for name in generated_files() - set(wanted):
        (DOCS / name).unlink()
    for name, text in wanted.items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
