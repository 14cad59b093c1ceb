"""What the aggregates of a run say in words, whatever shows them: headline, bill, transfer, hosts, lengths.

The text on a terminal, the page and the JSON of a run tell the same because they take it from here.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from preflight.facts import Kind
from preflight.findings import Verdict
from preflight.render.figures import in_short, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from preflight.audit.counts import Bill, HostCount, Lengths
    from preflight.audit.summary import Tally
    from preflight.render.phrases import Row

#: Severity of a rule (or "open"): its sign, the look of the verdict it leads to, and its heading.
SECTIONS = (
    ("error", "✗", Verdict.FAIL, "Errors: these rows would be refused, or their jobs fail"),
    ("open", "?", Verdict.UNKNOWN, "Undecided: nothing is known about these rows yet"),
    ("warning", "!", Verdict.WARN, "Warnings"),
    ("note", "i", Verdict.PASS, "Notes"),
)
HOST_COLUMNS = ("host", "media", "failed", "unknown", "429", "median", "p95", "received")
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


def headline(tally: Tally, total: int | None = None) -> str:
    """How many rows would be refused. `total`: rows of the whole input, where the run may not have reached its end."""
    rows, bad, undecided = tally.rows, tally.verdicts[Verdict.FAIL], tally.verdicts[Verdict.UNKNOWN]
    if not rows:
        said = "no rows"
    elif bad:
        also = f", {undecided:,} undecided" if undecided else ""
        said = f"{bad:,} of {counted_rows(rows)} would be refused ({share(bad, rows)}){also}"
    elif undecided:
        said = f"{undecided:,} of {counted_rows(rows)} undecided ({share(undecided, rows)}), none would be refused"
    elif warned := tally.verdicts[Verdict.WARN]:
        said = f"none of {counted_rows(rows)} would be refused, {warned:,} with a warning ({share(warned, rows)})"
    else:
        said = "the row is ready to submit" if rows == 1 else f"all {counted_rows(rows)} are ready to submit"
    return (
        said
        if total is None or rows >= total
        else f"{said}; {total - rows:,} of {total:,} rows are still to be audited"
    )


def verdicts(tally: Tally) -> list[tuple[Verdict, int, str]]:
    """Each verdict that occurs, with its rows and their share."""
    return [
        (one, tally.verdicts[one], share(tally.verdicts[one], tally.rows)) for one in Verdict if tally.verdicts[one]
    ]


def row_name(example: dict[str, object]) -> str:
    """A row as its owner knows it."""
    return f"row {example['row']}" + (f" ({example['id']})" if example["id"] is not None else "")


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
        ("ready", ready, tally.bill(*_READY)),
        ("undecided", tally.verdicts[Verdict.UNKNOWN], tally.bill(Verdict.UNKNOWN)),
    ):
        if not count:
            continue
        if not part.rows:
            rows.append((label, f"{counted_rows(count)}: no duration is established"))
            continue
        missing = f" ({counted_rows(count - part.rows)} without an established duration)" if part.rows < count else ""
        rows.append((label, f"{counted_rows(count)}{missing}: {_span(seconds_of(part), 's')}"))
        rows += [("", f"cost {_span(Span(*amounts), unit, 2)}") for unit, amounts in sorted(part.costs.items())]
    refused = tally.bill(Verdict.FAIL)
    if refused.rows:
        rows.append(("refused", f"{counted_rows(tally.verdicts[Verdict.FAIL])}: not counted"))
    return rows or [("ready", "no row")]


def _span(span: Span, unit: str, places: int = 1) -> str:
    unit = f" {unit}" if unit else ""
    expected, least, most = (_figure(amount, places) for amount in span)
    if least == most == expected:
        return f"{expected}{unit}"
    return f"{expected}{unit} expected, {least} to {most}{unit} possible"


def _figure(amount: Decimal, places: int) -> str:
    """With decimals; a small amount keeps its own."""
    with localcontext(rounding=ROUND_HALF_UP, prec=60):
        return f"{amount:,.{places}f}" if amount >= 1 or not amount else f"{amount.normalize():f}"


# ----------------------------------------------------------------------------------------------- transfer


def transfer(tally: Tally) -> list[Row]:
    """What fetching cost, against a download of every file."""
    if not tally.requests:
        return [("fetched", "nothing")]
    asked = f"{tally.requests:,} requests for {tally.asked:,} of {tally.media:,} media"
    rows = [("fetched", f"{in_short(tally.bytes_received)} in {asked}")]
    if tally.size_bytes:
        part = share(tally.sized_received, tally.size_bytes)
        rows.append(
            ("download", f"{in_short(tally.size_bytes)}, had whole files been fetched: {part} of it was needed")
        )
    if tally.causes:
        told = ", ".join(f"{cause} {count:,}" for cause, count in tally.causes.most_common())
        rows.append(("not had", told))
    if tally.refusals:
        rows.append(("no media", ", ".join(f"{refusal} {count:,}" for refusal, count in tally.refusals.most_common())))
    return rows


def hosts(tally: Tally, most: int) -> tuple[list[tuple[str, ...]], str]:
    """The worst hosts as cells of `HOST_COLUMNS`, and a sentence about those that are not among them."""
    ordered = tally.hosts_worst_first()
    shown, others = ordered[:most], ordered[most:]
    left = (
        f"{sum(host.media for host in others):,} media of other hosts, {sum(host.bad for host in others):,} of them bad"
    )
    return [_cells(host) for host in shown], left if others else ""


def _cells(host: HostCount) -> tuple[str, ...]:
    counts = (host.media, host.failed, host.unknown, host.limited)
    times = (host.quantile(0.5), host.quantile(0.95))
    return (
        host.name or "(all others)",
        *(f"{count:,}" for count in counts),
        *(response_time(time) for time in times),
        in_short(host.bytes_received),
    )


def response_time(seconds: float | None) -> str:
    """How long fetching took; "" where nothing was fetched."""
    return "" if seconds is None else f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


# ------------------------------------------------------------------------------------------------ lengths


def accepted(lengths: Lengths) -> str:
    """The window in words; "" where there is none."""
    low, high = lengths.window
    if low is None or high is None:
        return f"{low:g} s or more" if low is not None else f"{high:g} s or less" if high is not None else ""
    return f"{low:g} to {high:g} s"


def against_window(lengths: Lengths) -> str:
    """How many clips are too short, right, and too long."""
    if not accepted(lengths):
        return f"{lengths.inside:,} clips, not held against a window"
    return f"{lengths.below:,} too short, {lengths.inside:,} inside, {lengths.above:,} too long"


def most_common(counter: dict[str, int], most: int) -> list[tuple[str, int]]:
    """The most common words with their counts; what is left comes last, as one."""
    ordered = sorted(((word, count) for word, count in counter.items() if word), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ordered[most:]) + counter.get("", 0)
    return [*ordered[:most], *([("others", rest)] if rest else [])]


def in_words(counter: Sequence[tuple[str, int]]) -> str:
    """`mp4 9,120, mov 310`."""
    return ", ".join(f"{word} {count:,}" for word, count in counter)


def size_step(ends: Sequence[int], index: int) -> str:
    """The sizes of one step, of which `ends` are the upper ends."""
    return f"over {_even(ends[-1])}" if index >= len(ends) else f"up to {_even(ends[index])}"


def _even(number: int) -> str:
    return in_short(number).replace(".0 ", " ")


def counted_rows(number: int) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} row" if number == 1 else f"{number:,} rows"
