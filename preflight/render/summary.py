"""The summary of a run: for people on a terminal, and as one JSON object for a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from preflight.findings import Verdict
from preflight.language import about as named
from preflight.language import say
from preflight.render import outline
from preflight.render.figures import share
from preflight.render.page import Page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from preflight.audit.counts import RuleCount
    from preflight.audit.summary import Tally
    from preflight.render.phrases import Row

_LOOK = {
    Verdict.PASS: ("✓", "bold green"),
    Verdict.WARN: ("!", "bold yellow"),
    Verdict.FAIL: ("✗", "bold red"),
    Verdict.UNKNOWN: ("?", "bold magenta"),
}
#: Rules of one severity that are told with their examples; the others by name and count.
_STORIES = {"error": 8, "open": 5, "warning": 5, "note": 0}
_HOSTS = 10
#: A narrower page has no room for a table: each host is a line, and its figures stand below it.
_NARROWEST_TABLE = 50
#: Columns of the hosts that are left out one by one where there is no room: the last first.
_SPARED = (7, 5, 6, 4, 1, 3)
_NARROWEST_HOST = 14


def summary_text(
    tally: Tally,
    *,
    width: int = 100,
    color: bool = False,
    verbosity: int = 0,
    total: int | None = None,
    about: Sequence[Row] = (),
    advice: Sequence[str] = (),
) -> str:
    """The summary in `width` columns, ending with a line break.

    `verbosity`: -1 the headline alone, 0, 1 every rule with its examples. `total`: rows of the input, where the run may
    not have reached its end. `about`: what else is known of the run (time, cache, a sample's interval) as labels and
    values. `advice`: what to do next; commands stand in backticks.
    """
    page = Page(width, color=color)
    symbol, style = _LOOK[outline.verdict(tally)]
    page.line(Text.assemble((symbol, style), " ", outline.headline(tally, total)))
    if verbosity < 0:
        return page.text()
    for label, value in about:
        page.row(label, value)
    counts = ((outline.verdict_word(one), f"{count:,}", part) for one, count, part in outline.verdicts(tally))
    page.row(say("verdicts"), "  ".join(f"{word} {outline.with_share(count, part)}" for word, count, part in counts))
    for severity, _, verdict, title in outline.SECTIONS:
        _rules(page, tally, severity, title, verdict, verbose=verbosity > 0)
    _hosts(page, tally, width)
    _media(page, tally)
    for title, rows in ((say("Bill"), outline.bill(tally)), (say("Transfer"), outline.transfer(tally))):
        page.section(title)
        for label, value in rows:
            page.row(label, value)
    if advice:
        page.section(say("Next"))
        for text in advice:
            page.advice(text, 2)
    return page.text()


def _rules(page: Page, tally: Tally, severity: str, title: str, verdict: Verdict, *, verbose: bool) -> None:
    rules = tally.rules_by_rows(severity)
    if not rules:
        return
    symbol, style = ("i", "bold cyan") if severity == "note" else _LOOK[verdict]
    page.section(say(title), style)
    whole = len(rules) if verbose else _STORIES[severity]
    for rule in rules[:whole]:
        _story(page, rule, tally.rows, Text(f"{symbol} ", style))
    room = max((len(f"{rule.rows:,}") for rule in rules[whole:]), default=0)
    for rule in rules[whole:]:
        page.line(Text.assemble((f"{symbol} ", style), f"{rule.rows:>{room},}  {rule.name}"), 2)


def _story(page: Page, rule: RuleCount, rows: int, bullet: Text) -> None:
    counts = outline.with_share(outline.counted_rows(rule.rows), share(rule.rows, rows))
    page.line(Text.assemble((rule.name, "bold"), f"  {counts}"), 2, bullet)
    for example in rule.examples:
        said = outline.said_of(rule, example)
        page.line(Text.assemble((named(outline.row_name(example), ""), "dim"), said), 4)
        if example["url"]:
            page.verbatim(Text(example["url"], "dim"), 6)
    page.advice(rule.fix, 4, say("fix"))


def _hosts(page: Page, tally: Tally, width: int) -> None:
    if not tally.hosts:
        return
    page.section(say("Hosts, worst first"))
    bad = sum(1 for host in tally.hosts.values() if host.bad)
    cells, others = outline.hosts(tally, min(_HOSTS, max(bad, 1)))
    if width < _NARROWEST_TABLE:
        _paragraphs(page, cells, width)
    else:
        _table(page, [outline.host_columns(), *cells], width)
    if others:
        page.line(Text(others, "dim"), 2)


def _paragraphs(page: Page, rows: list[tuple[str, ...]], width: int) -> None:
    """Each name on a line of its own, whole, and below it the figures, none of them parted from what it counts."""
    titles = outline.host_columns()[1:]
    for name, *figures in rows:
        page.verbatim(name, 2)
        parts = [f"{title} {figure}" for title, figure in zip(titles, figures, strict=True) if figure]
        for line in _filled(parts, max(width - 4, _NARROWEST_HOST)):
            page.verbatim(Text(line, "dim"), 4)


def _filled(parts: list[str], room: int) -> list[str]:
    """Lines that hold as many of the parts as there is room for."""
    comma, lines = say(", "), [""]
    for number, part in enumerate(parts, 1):
        more = part + (comma if number < len(parts) else "")
        if lines[-1] and cell_len((lines[-1] + more).rstrip()) > room:
            lines.append("")
        lines[-1] += more
    return [line.rstrip() for line in lines]


def _table(page: Page, rows: list[tuple[str, ...]], width: int) -> None:
    """Names to the left, figures to the right; columns that find no room are left out."""
    kept = list(range(len(rows[0])))
    rooms = [max(cell_len(row[column]) for row in rows) for column in kept]
    for spared in (*_SPARED, None):
        left = width - 2 - sum(rooms[column] + 2 for column in kept[1:])
        if left >= min(rooms[0], _NARROWEST_HOST) or spared is None:
            break
        kept.remove(spared)
    name_room = max(min(rooms[0], left), 1)
    for number, row in enumerate(rows):
        name = row[0] if cell_len(row[0]) <= name_room else set_cell_size(row[0], name_room - 1) + "…"
        figures = "".join(f"  {' ' * (rooms[column] - cell_len(row[column]))}{row[column]}" for column in kept[1:])
        page.verbatim(Text(set_cell_size(name, name_room) + figures, "" if number else "dim"), 2)


def _media(page: Page, tally: Tally) -> None:
    if not tally.media:
        return
    page.section(say("Media"))
    for lengths in sorted(tally.lengths.values(), key=lambda lengths: str(lengths.window)):
        page.row(outline.accepted(lengths) or say("lengths"), outline.against_window(lengths))
    for label, counter in (
        (say("videos"), tally.video_formats),
        (say("codecs"), tally.codecs),
        (say("images"), tally.image_formats),
    ):
        page.row(label, outline.in_words(outline.most_common(counter, 8)))


# --------------------------------------------------------------------------------------------------- JSON


def summary_json(tally: Tally, *, total: int | None = None) -> dict[str, Any]:
    """The summary for a machine: `preflight.summary/1`. Seconds and bytes are numbers, money decimal strings."""
    return {
        "schema": "preflight.summary/1",
        "verdict": outline.verdict(tally).value,
        "rows": tally.rows,
        "rows_total": total,
        "retryable_rows": tally.transient,
        "verdicts": {verdict.value: tally.verdicts[verdict] for verdict in Verdict},
        "rules": [
            {"rule": rule.name, "severity": rule.severity, "rows": rule.rows, "findings": rule.findings,
             "examples": rule.examples}
            for severity in ("error", "warning", "note") for rule in tally.rules_by_rows(severity)
        ],
        "undecided": [
            {"cause": cause.name, "rows": cause.rows,
             "examples": [{name: value for name, value in each.items() if name != "fix"} for each in cause.examples]}
            for cause in tally.rules_by_rows("open")
        ],
        "hosts": [
            {"host": host.name or None, "media": host.media, "failed": host.failed, "unknown": host.unknown,
             "rate_limited": host.limited, "requests": host.requests, "bytes_received": host.bytes_received,
             "seconds": {"median": _round(host.quantile(0.5)), "p95": _round(host.quantile(0.95))}}
            for host in tally.hosts_worst_first()
        ],
        "durations": [
            {"window": {"minimum": lengths.window[0], "maximum": lengths.window[1]},
             "below": lengths.below, "inside": lengths.inside, "above": lengths.above}
            for lengths in sorted(tally.lengths.values(), key=lambda lengths: str(lengths.window))
        ],
        "formats": {"image": dict(tally.image_formats.most_common()), "video": dict(tally.video_formats.most_common())},
        "codecs": dict(tally.codecs.most_common()),
        "bill": {verdict.value: _bill(tally, verdict) for verdict in Verdict},
        "transfer": {
            "media": tally.media, "fetched_media": tally.asked, "requests": tally.requests,
            "bytes_received": tally.bytes_received, "download_bytes": tally.size_bytes,
            "failures": dict(tally.causes.most_common()), "not_media": dict(tally.refusals.most_common()),
        },
    }  # fmt: skip


def _bill(tally: Tally, verdict: Verdict) -> dict[str, Any]:
    bill = tally.bill(verdict)
    seconds = outline.seconds_of(bill)
    return {
        "rows": bill.rows,
        "seconds": {name: float(value) for name, value in seconds._asdict().items()},
        "cost": [{"currency": unit or None, **_amounts(amounts)} for unit, amounts in sorted(bill.costs.items())],
    }


def _amounts(amounts: Sequence[Decimal]) -> dict[str, str]:
    return {name: f"{amount:f}" for name, amount in zip(outline.Span._fields, amounts, strict=True)}


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
