"""What the aggregates of a run say in words, whatever shows them: headline, bill, transfer, hosts, lengths.

The text on a terminal, the page and the JSON of a run tell the same because they take it from here.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from preflight.facts import Kind
from preflight.findings import Verdict
from preflight.language import about, later, say, told
from preflight.render.figures import in_short, share
from preflight.render.phrases import VERDICTS, lasts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from preflight.audit.counts import Bill, HostCount, Lengths, RuleCount
    from preflight.audit.summary import Tally
    from preflight.render.phrases import Row

#: Severity of a rule (or "open"): its sign, the look of the verdict it leads to, and its heading.
SECTIONS = (
    ("error", "✗", Verdict.FAIL, later("Errors: these rows would be refused, or their jobs fail")),
    ("open", "?", Verdict.UNKNOWN, later("Undecided: nothing is known about these rows yet")),
    ("warning", "!", Verdict.WARN, later("Warnings")),
    ("note", "i", Verdict.PASS, later("Notes")),
)
KINDS: tuple[Kind, ...] = get_args(Kind)
#: Rows that would be submitted.
_READY = (Verdict.PASS, Verdict.WARN)


class Span(NamedTuple):
    """An amount that is expected, and the interval around it."""

    expected: Decimal
    at_least: Decimal
    at_most: Decimal


# ------------------------------------------------------------------------------------------------ verdict


def verdict(tally: Tally) -> Verdict:
    """The verdict of the run: that of its worst row. A run without rows is undecided."""
    order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN, Verdict.PASS)
    return next((one for one in order if tally.verdicts[one]), Verdict.UNKNOWN)


def verdict_word(one: Verdict) -> str:
    """A verdict as it stands in results, or in the reader's own word."""
    return say(VERDICTS[one]).lower()


def headline(tally: Tally, total: int | None = None) -> str:
    """How many rows would be refused. `total`: rows of the whole input, where the run may not have reached its end."""
    said = _headline(tally, counted_rows(tally.rows))
    if total is None or tally.rows >= total:
        return said
    words = {"said": said, "left": total - tally.rows, "total": total}
    return say("{said}; {left:,} of {total:,} rows are still to be audited", **words)


def _headline(tally: Tally, rows: str) -> str:
    bad, undecided, warned = (tally.verdicts[one] for one in (Verdict.FAIL, Verdict.UNKNOWN, Verdict.WARN))
    most = {"rows": rows, "count": bad or undecided or warned, "share": share(bad or undecided or warned, tally.rows)}
    if not tally.rows:
        return say("no rows")
    if bad:
        also = say(", {count:,} undecided", count=undecided) if undecided else ""
        return say("{count:,} of {rows} would be refused ({share})", **most) + also
    if undecided:
        return say("{count:,} of {rows} undecided ({share}), none would be refused", **most)
    if warned:
        return say("none of {rows} would be refused, {count:,} with a warning ({share})", **most)
    return say("the row is ready to submit") if tally.rows == 1 else say("all {rows} are ready to submit", rows=rows)


def with_share(rows: str, part: str) -> str:
    """A number of rows, and which share of all it is."""
    return say("{rows} ({share})", rows=rows, share=part)


def said_of(rule: RuleCount, example: dict[str, Any]) -> str:
    """What was found in a row, as its result says it; why a row is undecided, as the reader would."""
    message = str(example["message"])
    return told(message) if rule.severity == "open" else message


def verdicts(tally: Tally) -> list[tuple[Verdict, int, str]]:
    """Each verdict that occurs, with its rows and their share."""
    return [
        (one, tally.verdicts[one], share(tally.verdicts[one], tally.rows)) for one in Verdict if tally.verdicts[one]
    ]


def row_name(example: dict[str, object]) -> str:
    """A row as its owner knows it."""
    if example["id"] is None:
        return say("row {row}", row=example["row"])
    return say("row {row} ({id})", row=example["row"], id=example["id"])


def undecided(result: Mapping[str, Any]) -> list[tuple[str, str, str | None]]:
    """Why a row is undecided: causes that may pass, else the first rule that could not be evaluated.

    Each with its reason and the URL that it concerns.
    """
    media = [medium for kind in KINDS if (medium := result.get(kind)) is not None]
    failures = [(medium["failure"], medium["url"]) for medium in media if medium["failure"] is not None]
    passing = [(failure["cause"], failure["detail"], url) for failure, url in failures if failure["passing"]]
    if passing:
        return passing
    gaps = (item for item in result["not_evaluated"] if item["decisive"])
    return [(gap["rule"], gap["reason"], url_of(result, gap["subject"])) for gap in islice(gaps, 1)]


def url_of(result: Mapping[str, Any], subject: str) -> str | None:
    """The URL of a subject; None where it is not one medium."""
    medium = result.get(subject) if subject in KINDS else None
    return medium["url"] if medium else None


# --------------------------------------------------------------------------------------------------- bill


def seconds_of(bill: Bill) -> Span:
    """The seconds of a bill."""
    expected, at_least, at_most = (Decimal(each) / 1_000_000 for each in (bill.expected, bill.at_least, bill.at_most))
    return Span(expected, at_least, at_most)


def bill(tally: Tally) -> list[Row]:
    """What the rows that would be submitted bill, and what the undecided ones may add."""
    ready = sum(tally.verdicts[one] for one in _READY)
    rows: list[Row] = []
    for label, count, part in (
        (say("ready"), ready, tally.bill(*_READY)),
        (say("undecided"), tally.verdicts[Verdict.UNKNOWN], tally.bill(Verdict.UNKNOWN)),
    ):
        if not count:
            continue
        if not part.rows:
            rows.append((label, say("{rows}: no duration is established", rows=counted_rows(count))))
            continue
        counted = counted_rows(count)
        if part.rows < count:
            words = {"rows": counted, "others": counted_rows(count - part.rows)}
            counted = say("{rows} ({others} without an established duration)", **words)
        rows.append((label, about(counted, _span(seconds_of(part), lasts))))
        rows += [("", _cost(Span(*amounts), unit)) for unit, amounts in sorted(part.costs.items())]
    if tally.bill(Verdict.FAIL).rows:
        counted = counted_rows(tally.verdicts[Verdict.FAIL])
        rows.append((say("refused"), say("{rows}: not counted", rows=counted)))
    return rows or [(say("ready"), say("no row"))]


def _cost(amounts: Span, currency: str) -> str:
    return say("cost {amount}", amount=_span(amounts, lambda figure: f"{figure} {currency}".rstrip(), 2))


def _span(span: Span, measured: Callable[[str], str], places: int = 1) -> str:
    """`measured`: a figure with its unit."""
    expected, least, most = (_figure(amount, places) for amount in span)
    if least == most == expected:
        return measured(expected)
    ends = {"least": least, "most": measured(most)}
    return say("{expected} expected, {least} to {most} possible", expected=measured(expected), **ends)


def _figure(amount: Decimal, places: int) -> str:
    """With decimals; a small amount keeps its own."""
    with localcontext(rounding=ROUND_HALF_UP, prec=60):
        return f"{amount:,.{places}f}" if amount >= 1 or not amount else f"{amount.normalize():f}"


# ----------------------------------------------------------------------------------------------- transfer


def transfer(tally: Tally) -> list[Row]:
    """What fetching cost, against a download of every file."""
    if not tally.requests:
        return [(say("fetched"), say("nothing"))]
    fetched = say(
        "{size} in {requests:,} requests for {asked:,} media, which rows name {media:,} times",
        size=in_short(tally.bytes_received),
        requests=tally.requests,
        asked=tally.asked,
        media=tally.media,
    )
    rows = [(say("fetched"), fetched)]
    if tally.size_bytes:
        words = {"size": in_short(tally.size_bytes), "share": share(tally.sized_received, tally.size_bytes)}
        rows.append((say("download"), say("{size}, had whole files been fetched: {share} of it was needed", **words)))
    if tally.causes:
        rows.append((say("not had"), in_words(tally.causes.most_common())))
    if tally.refusals:
        rows.append((say("no media"), in_words(tally.refusals.most_common())))
    return rows


def host_columns() -> tuple[str, ...]:
    """The titles of what `hosts` tells of each."""
    counts = (say("media"), say("errors"), say("unknown"), "429")
    return (say("host"), *counts, say("median"), "p95", say("received"))


def hosts(tally: Tally, most: int) -> tuple[list[tuple[str, ...]], str]:
    """The worst hosts as cells of `host_columns`, and a sentence about those that are not among them."""
    ordered = tally.hosts_worst_first()
    shown, others = ordered[:most], ordered[most:]
    left = {"media": sum(host.media for host in others), "bad": sum(host.bad for host in others)}
    said = say("{media:,} media of other hosts, {bad:,} of them bad", **left) if others else ""
    return [_cells(host) for host in shown], said


def host_name(host: HostCount) -> str:
    """A host as its owner knows it; the rare ones are counted as one."""
    return host.name or say("(all others)")


def _cells(host: HostCount) -> tuple[str, ...]:
    counts = (host.media, host.failed, host.unknown, host.limited)
    times = (host.quantile(0.5), host.quantile(0.95))
    return (
        host_name(host),
        *(f"{count:,}" for count in counts),
        *(response_time(time) for time in times),
        in_short(host.bytes_received),
    )


def response_time(seconds: float | None) -> str:
    """How long fetching took; "" where nothing was fetched."""
    if seconds is None:
        return ""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else lasts(f"{seconds:.1f}")


# ------------------------------------------------------------------------------------------------ lengths


def accepted(lengths: Lengths) -> str:
    """The window in words; "" where there is none."""
    low, high = lengths.window
    if low is not None and high is not None:
        return say("{low:g} to {high:g} s", low=low, high=high)
    if low is not None:
        return say("{low:g} s or more", low=low)
    return "" if high is None else say("{high:g} s or less", high=high)


def against_window(lengths: Lengths) -> str:
    """How many clips are shorter, right, and longer; how severe that is, the rules tell."""
    if not accepted(lengths):
        return say("{count:,} clips, not held against a window", count=lengths.inside)
    counts = {"below": lengths.below, "inside": lengths.inside, "above": lengths.above}
    return say("{below:,} shorter, {inside:,} inside, {above:,} longer", **counts)


def most_common(counter: dict[str, int], most: int) -> list[tuple[str, int]]:
    """The most common words with their counts; what is left comes last, as one."""
    ordered = sorted(((word, count) for word, count in counter.items() if word), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[most:]) + counter.get("", 0)
    return [*ordered[:most], *([(say("others"), rest)] if rest else [])]


def in_words(counter: Sequence[tuple[str, int]]) -> str:
    """`mp4 9,120, mov 310`."""
    return say(", ").join(f"{word} {count:,}" for word, count in counter)


def size_step(ends: Sequence[int], index: int) -> str:
    """The sizes of one step, of which `ends` are the upper ends."""
    if index >= len(ends):
        return say("over {size}", size=_even(ends[-1]))
    return say("up to {size}", size=_even(ends[index]))


def _even(number: int) -> str:
    return in_short(number).replace(".0 ", " ")


def counted_rows(number: int) -> str:
    """`1 row`, `2,000 rows`."""
    return say(later("{count:,} row") if number == 1 else later("{count:,} rows"), count=number)
