"""A run as a page: one file with the aggregates of any number of rows, and the worst of these rows.

The rules of the page of a check hold here, too (`html.py`): nothing is loaded, what strangers wrote is text, and of all
styles and scripts only ours apply, known by their hashes. The script sorts and filters tables; it holds no data, and
without it everything can still be read.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from functools import cache
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from preflight import __version__
from preflight.findings import Verdict
from preflight.language import later, say, tag, told
from preflight.printable import clean
from preflight.render import outline
from preflight.render.figures import in_short, share
from preflight.render.histogram import Histogram, histogram, percent
from preflight.render.html import page

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from jinja2 import Template

    from preflight.audit.counts import HostCount, RuleCount
    from preflight.audit.summary import Tally
    from preflight.render.phrases import Row

#: Rows on the page, and the bytes that they may take together.
ROWS = 2000
BYTES = 3_500_000
#: Which rows: the first of these, then the second, as far as there is room.
_TOLD = {
    Verdict.FAIL: later("{count:,} failed"),
    Verdict.UNKNOWN: later("{count:,} undecided"),
    Verdict.WARN: later("{count:,} with a warning"),
}
_HOSTS = 200
_COUNTS = 12
#: What one row may show: findings, and characters of each text.
_SAID = 4
_LONGEST = 300
#: Rules whose examples are unfolded from the start, by severity.
_OPENED = {"error": 3, "open": 1, "warning": 1, "note": 0}
_SYMBOLS = {Verdict.PASS: "✓", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}


class _Stretch(NamedTuple):
    """One verdict in the drawing of all."""

    verdict: str
    word: str
    rows: str
    share: str
    start: str
    length: str


class _Rule(NamedTuple):
    name: str
    rows: str
    share: str
    length: str
    fix: str
    examples: list[dict[str, Any]]


class _Section(NamedTuple):
    look: str
    sign: str
    title: str
    opened: int
    rules: list[_Rule]


class _Count(NamedTuple):
    name: str
    number: str
    length: str


class _Listed(NamedTuple):
    """One row that failed, is undecided or has a warning."""

    number: int
    id: str
    verdict: str
    word: str
    rules: list[str]
    said: list[str]
    urls: list[str]


def render_audit(
    tally: Tally,
    results: Iterable[Mapping[str, Any]] = (),
    about: Iterable[Row] = (),
    *,
    total: int | None = None,
) -> str:
    """The page of a run.

    Args:
        tally: the aggregates of all its rows.
        results: its result lines, in any order; no more are taken than are needed to find those that are shown.
        about: what else is known of the run (input, time, profile, a sample's interval) as labels and values.
        total: rows of the input, where the run may not have reached its end.
    """
    template, style, script = _parts()
    rows = _rows(results, tally)
    hosts = tally.hosts_worst_first()
    verdict = outline.verdict(tally)
    return template.render(
        language=tag(),
        policy=_policy(style, script if rows or hosts else ""),
        style=style,
        script=script if rows or hosts else "",
        version=__version__,
        verdict=verdict,
        symbol=_SYMBOLS[verdict],
        headline=outline.headline(tally, total),
        verdicts=_verdicts(tally),
        sections=_sections(tally),
        bill=outline.bill(tally),
        transfer=outline.transfer(tally),
        histograms=_histograms(tally),
        counted=_counted(tally),
        host_columns=outline.host_columns(),
        hosts=[(outline.host_name(host), _figures(host)) for host in hosts[:_HOSTS]],
        other_hosts=outline.hosts(tally, _HOSTS)[1],
        rows=rows,
        rows_told=_told(Counter(row.verdict for row in rows), tally),
        about=[(clean(label), clean(value)) for label, value in about],
    )


@cache
def _parts() -> tuple[Template, str, str]:
    """The template, its style and its script, read once."""
    template, style = page()
    environment = template.environment
    assert environment.loader is not None
    read = environment.loader.get_source
    return (
        environment.get_template("audit.html"),
        style + read(environment, "audit.css")[0],
        read(environment, "audit.js")[0],
    )


def _policy(style: str, script: str) -> str:
    """As for the page of a check; and of all scripts, none but ours."""
    scripts = f"script-src {_digest(script)}; " if script else ""
    return f"default-src 'none'; style-src {_digest(style)}; {scripts}base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# --------------------------------------------------------------------------------------------- aggregates


def _verdicts(tally: Tally) -> list[_Stretch]:
    stretches, done = [], 0
    for verdict, count, part in outline.verdicts(tally):
        start, length = percent(done, tally.rows), percent(count, tally.rows)
        stretches.append(_Stretch(verdict, outline.verdict_word(verdict), f"{count:,}", part, start, length))
        done += count
    return stretches


def _sections(tally: Tally) -> list[_Section]:
    sections = []
    for severity, sign, _, title in outline.SECTIONS:
        if rules := tally.rules_by_rows(severity):
            counted = [_rule(rule, tally.rows) for rule in rules]
            sections.append(_Section(severity, sign, say(title), _OPENED[severity], counted))
    return sections


def _rule(rule: RuleCount, rows: int) -> _Rule:
    examples = [
        {
            "name": outline.row_name(each),
            "message": _cut(outline.said_of(rule, each)),
            "url": each["url"] and _cut(each["url"]),
        }
        for each in rule.examples
    ]
    counted = outline.counted_rows(rule.rows)
    return _Rule(rule.name, counted, share(rule.rows, rows), percent(rule.rows, rows), rule.fix, examples)


def _histograms(tally: Tally) -> list[Histogram]:
    return [histogram(tally.lengths[window]) for window in sorted(tally.lengths, key=str)]


def _counted(tally: Tally) -> list[tuple[str, list[_Count]]]:
    """What the media are, each kind of answer with its counts."""
    words = (
        (say("Video containers"), tally.video_formats),
        (say("Video codecs"), tally.codecs),
        (say("Video pictures"), tally.video_resolutions),
        (say("Image formats"), tally.image_formats),
        (say("Image pictures"), tally.image_resolutions),
    )
    counted = [(title, _counts(outline.most_common(counter, _COUNTS))) for title, counter in words]
    counted += [
        (title, _counts([(outline.size_step(tally.SIZES, step), counter[step]) for step in sorted(counter)]))
        for title, counter in ((say("Video sizes"), tally.video_sizes), (say("Image sizes"), tally.image_sizes))
    ]
    return [(title, counts) for title, counts in counted if counts]


def _counts(counts: Sequence[tuple[str, int]]) -> list[_Count]:
    most = max((number for _, number in counts), default=1)
    return [_Count(name, f"{number:,}", percent(number, most)) for name, number in counts]


def _figures(host: HostCount) -> list[tuple[str, float | str]]:
    """The cells of a host after its name: what is shown, and what it is sorted by."""
    median, p95 = host.quantile(0.5), host.quantile(0.95)
    return [
        *((f"{count:,}", count) for count in (host.media, host.failed, host.unknown, host.limited)),
        *((outline.response_time(time), "" if time is None else f"{time:.6f}") for time in (median, p95)),
        (in_short(host.bytes_received), host.bytes_received),
    ]


# --------------------------------------------------------------------------------------------------- rows


def _rows(results: Iterable[Mapping[str, Any]], tally: Tally) -> list[_Listed]:
    """As many rows as the page has room for; none of them takes the room of a worse one."""
    wanted, room = {}, ROWS
    for verdict in _TOLD:
        wanted[verdict.value] = min(tally.verdicts[verdict], room)
        room -= wanted[verdict.value]
    found: dict[str, list[_Listed]] = {verdict: [] for verdict in wanted}
    for result in results:
        verdict = result["verdict"]
        if wanted.get(verdict):
            wanted[verdict] -= 1
            found[verdict].append(_listed(result))
            if not any(wanted.values()):
                break
    return list(_that_fit(chain.from_iterable(found.values())))


def _that_fit(rows: Iterable[_Listed]) -> Iterator[_Listed]:
    room = BYTES
    for row in rows:
        texts = (row.id, row.word, *row.rules, *row.said, *row.urls)
        room -= 200 + sum(len(escape(text).encode()) for text in texts)
        if room < 0:
            return
        yield row


def _listed(result: Mapping[str, Any]) -> _Listed:
    name = "" if result.get("id") is None else clean(str(result["id"]))
    severity = "warning" if result["verdict"] == Verdict.WARN else "error"
    findings = [finding for finding in result["findings"] if finding["severity"] == severity]
    if findings:
        reasons = [(finding["rule"], finding["message"]) for finding in findings]
        subjects = {finding["subject"] for finding in findings}
    else:
        causes = outline.undecided(result)
        reasons = [(rule, told(reason)) for rule, reason, _ in causes]
        subjects = {kind for kind in outline.KINDS for _, _, url in causes if url == outline.url_of(result, kind)}
    # What is wrong with one medium names that one; what is wrong with both of them, or their request, names both.
    kinds = [kind for kind in outline.KINDS if subjects - {"image", "video"} or kind in subjects]
    urls = [_cut(url) for kind in kinds if (url := outline.url_of(result, kind)) is not None]
    said = list(dict.fromkeys(_cut(message) for _, message in reasons[:_SAID]))
    if len(reasons) > _SAID:
        said.append(say("and {count} more", count=len(reasons) - _SAID))
    word, rules = outline.verdict_word(Verdict(result["verdict"])), list(dict.fromkeys(rule for rule, _ in reasons))
    return _Listed(result["row"], name, result["verdict"], word, rules, said, urls)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _told(shown: Counter[str], tally: Tally) -> str:
    missing = {words: tally.verdicts[verdict] - shown[verdict] for verdict, words in _TOLD.items()}
    if not (left := sum(missing.values())):
        return say("All of them, the worst first.")
    words = later(
        "{shown:,} of {all:,}, the worst first. {left:,} rows are not on this page ({parts}); the results of the run "
        "hold all of them."
    )
    if left == 1:
        words = later(
            "{shown:,} of {all:,}, the worst first. {left:,} row is not on this page ({parts}); the results of the run "
            "hold all of them."
        )
    parts = say(", ").join(say(each, count=count) for each, count in missing.items() if count)
    return say(words, shown=shown.total(), all=shown.total() + left, left=left, parts=parts)
