"""Writes the pages of docs/ that follow from the code: `python -m tests.docs_gen` (a test fails when they drift).

One source each: rule pages, in both languages, from the rules' declarations, profile pages from their TOML, the command
line from its own `--help`, the report's fields from its schema, exit codes from the enum.
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
from preflight.language import say, speaking, spoken
from preflight.profiles import LIMITS, Limit, Profile, built_in, load_profile
from preflight.render.catalogue import SEVERITIES, story
from preflight.render.examples import examples
from preflight.report import media_schema, report_schema
from preflight.rules import RULES
from preflight.rules.limits import BASES
from preflight.rules.model import SUBJECTS

if TYPE_CHECKING:
    from preflight.findings import Finding
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
    "failure": "a reference whose bytes could not be had",
    "refusal": "bytes that are no medium",
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
    ExitCode.INVALID_REQUEST: "`submit`: the provider refused the request; nothing was accepted.",
    ExitCode.AUTHENTICATION: "`submit`: the provider does not accept the API key; nothing was accepted.",
    ExitCode.BALANCE: "`submit`: the account's balance does not cover the job; nothing was accepted.",
    ExitCode.RATE_LIMITED: "`submit`: the provider takes no more requests for now; nothing was accepted.",
    ExitCode.PROVIDER_ERROR: "`submit`: the provider failed; the request may have been accepted.",
    ExitCode.NOT_SENT: "`submit`: the provider could not be reached; nothing was sent.",
    ExitCode.UNANSWERED: "`submit`: the request was sent and no answer came; it may have been accepted.",
    ExitCode.NOT_UNDERSTOOD: "`submit`: the answer is none that the provider's page describes; the request may have "
    "been accepted.",
    ExitCode.CRASH: "A bug in preflight. It is not a verdict, and never looks like one.",
    ExitCode.INTERRUPTED: "Stopped by Ctrl-C.",
}


OTHER = {"en": "中文", "zh": "English"}
INTRO = (
    "{count} rules. Each is declared once in `preflight/rules/`; `preflight explain RULE` tells the same in the "
    "terminal. Limits are the profile's, which may also change a severity ([profiles]({profiles})). `error` makes the "
    "verdict fail, `warning` makes it warn, `note` changes nothing."
)
#: The words of the generated pages themselves; what they tell of a rule is said by the package.
CHINESE = {
    "Rules": "规则",
    INTRO: "共 {count} 条规则，每条只在 `preflight/rules/` 中声明一次；在终端中用 `preflight --lang zh explain RULE` "
    "可以看到同样的内容。限制来自限制配置（[英文]({profiles})），它也可以改变级别。错误使结论为不通过，警告使结论为警告，"
    "提示不影响结论。",
    "rule": "规则",
    "severity": "级别",
    "what it finds": "发现什么",
    "looks at": "检查",
    "reported for": "针对",
    "limit": "限制",
    "profile": "限制配置",
    "value": "值",
    "basis": "依据",
    "Limits": "限制",
    "Source": "来源",
    "All rules": "全部规则",
    "{value} for `{name}` = `{key}`": "`{name}` = `{key}` 时为 {value}",
    FAMILIES["request"]: "请求的字段",
    FAMILIES["url"]: "引用的形式，在发出任何数据包之前",
    FAMILIES["delivery"]: "服务器的行为",
    FAMILIES["video"]: "参考视频",
    FAMILIES["image"]: "参考图片",
    FAMILIES["pair"]: "图片与视频的组合",
    SCOPES["request"]: "请求",
    SCOPES["reference"]: "一个引用，以及它的内容如何到达",
    SCOPES["failure"]: "一个引用，而它的内容无法取得",
    SCOPES["refusal"]: "不是媒体的内容",
    SCOPES["video"]: "视频的信息",
    SCOPES["image"]: "图片的信息",
    SCOPES["pair"]: "两个媒体的信息",
}


def _said(text: str, **values: object) -> str:
    said = text if spoken() == "en" else CHINESE[text]
    return said.format(**values) if values else said


def pages() -> dict[str, str]:
    """Every generated file, by its path below docs/."""
    profiles = [load_profile(name) for name in built_in()]
    with speaking("zh"):
        chinese = {f"zh/{path}": text for path, text in rule_pages(profiles, "../../", "../../rules/").items()}
    return {
        **rule_pages(profiles, "../", "../zh/rules/"),
        **chinese,
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


def rule_pages(profiles: list[Profile], docs: str, other: str) -> dict[str, str]:
    """The index and a page for each rule, in the language that is spoken.

    `docs`, `other`: the way to docs/ and to the same pages in the other language.
    """
    known = examples()
    of_each = {f"rules/{rule.id}.md": rule_page(rule, profiles, known.get(rule.id), docs, other) for rule in RULES}
    return {"rules/README.md": rule_index(docs, other)} | of_each


def rule_index(docs: str, other: str) -> str:
    """All rules by family, in the order in which a report lists them."""
    intro = _said(INTRO, count=len(RULES), profiles=f"{docs}profiles.md")
    parts = [f"{intro} [{OTHER[spoken()]}]({other}README.md)"]
    for family, about in FAMILIES.items():
        rows = [
            (f"[{rule.id}]({rule.id}.md)", say(SEVERITIES[rule.severity]), say(rule.title))
            for rule in RULES
            if rule.id.startswith(f"{family}-")
        ]
        head = (_said("rule"), _said("severity"), _said("what it finds"))
        parts.append(f"## {family}: {_said(about)}\n\n" + _table(head, rows))
    return _page(_said("Rules"), *parts)


def rule_page(rule: Rule, profiles: list[Profile], said: Finding | None, docs: str, other: str) -> str:
    """The page of one rule; `said` is what it says of an example."""
    head = [
        (_said("severity"), say(SEVERITIES[rule.severity])),
        (_said("looks at"), _said(SCOPES[rule.scope])),
        (_said("reported for"), say(", ").join(say(SUBJECTS[subject]) for subject in rule.subjects)),
    ]
    rows = [
        (name, f"[{profile.name}]({docs}profiles/{profile.name}.md)", _value(limit), say(BASES[limit.basis]))
        for name in rule.limits
        for profile in profiles
        if (limit := profile.limits.get(name))
    ]
    columns = tuple(map(_said, ("limit", "profile", "value", "basis")))
    return _page(
        rule.id,
        f"**{say(rule.title)}**",
        _table(("", ""), head),
        *(f"## {heading}\n\n{_text(text)}" for heading, text in story(rule, said)),
        f"## {_said('Limits')}\n\n{_table(columns, rows)}" if rows else "",
        f"## {_said('Source')}\n\n{_linked(say(rule.source))}",
        f"[{_said('All rules')}](README.md) · [{OTHER[spoken()]}]({other}{rule.id}.md)",
    )


def _text(told: str) -> str:
    """Text of ours as Markdown: what looks like a tag outside of code is none."""
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in re.split(r"(`[^`]*`)", told))


# --------------------------------------------------------------------------------------------- profiles

_UNITS = {"s": "s", "bytes": "bytes", "px": "px", "characters": "characters"}


def _value(limit: Limit) -> str:
    def one(value: object) -> str:
        text = f"{value:,}".replace(",", " ") if isinstance(value, int | Decimal) else str(value)
        return f"{text} {say(_UNITS.get(limit.unit, ''))}".strip()

    match limit.value:
        case dict() as table:
            said = "{value} for `{name}` = `{key}`"
            return ", ".join(_said(said, value=one(value), name=limit.by, key=key) for key, value in table.items())
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
