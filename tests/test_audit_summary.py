"""A run's aggregates: merged in any way they say the same, they stay small, and they tell what the rows say."""

from __future__ import annotations

import json
import statistics
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.audit import summary
from preflight.audit.counts import HostCount, Lengths
from preflight.audit.summary import Tally
from preflight.facts import Cause, Failure
from preflight.findings import Verdict
from preflight.render.summary import summary_json, summary_text
from tests.audit_lines import PORTRAIT, SECRET, bad_line, delivered, lasting, line, lines

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGE = delivered("https://cdn.example.com/p.png", PORTRAIT)
CLIP = "https://media.example.org/clips/a.mp4"
GOOD = line(0, IMAGE, delivered(CLIP, lasting(Fraction(5))))
LONG = line(0, IMAGE, delivered(CLIP, lasting(Fraction(1202, 100))))
LIMITED = line(0, IMAGE, delivered(CLIP, None, failure=Failure(Cause.RATE_LIMITED, "the server answered 429", 429)))
ROWS = list(lines(300))


def _tally(results: Iterable[dict[str, Any]]) -> Tally:
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally


def _numbered(*results: dict[str, Any]) -> list[dict[str, Any]]:
    return [result | {"row": row} for row, result in enumerate(results, 1)]


@given(st.permutations(range(len(ROWS))), st.lists(st.integers(0, len(ROWS)), max_size=6))
@settings(max_examples=15, deadline=None)
def test_merged_shards_are_the_whole(order: list[int], cuts: list[int]) -> None:
    """However the rows were dealt out, in whatever order they came, through JSON or not: the same tally."""
    ends = [0, *sorted(cuts), len(ROWS)]
    merged = Tally()
    for start, end in pairwise(ends):
        part = _tally(ROWS[number] for number in order[start:end])
        merged.merge(Tally.from_json(json.loads(json.dumps(part.to_json()))))
    assert merged.to_json() == _tally(ROWS).to_json()
    assert summary_json(merged) == summary_json(_tally(ROWS))


def test_every_row_is_counted_once() -> None:
    """Verdicts add up to the rows, a rule that fires twice in a row counts the row once, bad rows are rows."""
    tally = _tally([*ROWS, bad_line(301)])
    assert tally.rows == sum(tally.verdicts.values()) == 301
    twice = GOOD | {"row": 1, "findings": LONG["findings"] * 2}
    (rule,) = _tally([twice]).rules_by_rows("error")
    assert (rule.rows, rule.findings, len(rule.examples)) == (1, 2, 1)


def test_examples_are_the_first_rows() -> None:
    """Three of them, by row, each with its id, its address and what was said; the fix is that of the first."""
    tally = _tally(LONG | {"row": row, "id": f"job\x1b{row}"} for row in (9, 4, 7, 2, 5))
    (rule,) = tally.rules_by_rows("error")
    assert [example["row"] for example in rule.examples] == [2, 4, 5]
    assert rule.examples[0] == {
        "row": 2,
        "id": "job\\x1b2",
        "url": CLIP,
        "message": 'The video lasts 12.02 s; at most 10 s are accepted with character_orientation "image".',
        "fix": LONG["findings"][0]["fix"],
    }
    assert rule.fix == LONG["findings"][0]["fix"]


def test_what_is_undecided_and_may_be_retried() -> None:
    """A cause that may pass is named with its rows; these can be asked again."""
    tally = _tally(_numbered(GOOD, LIMITED, LIMITED))
    (cause,) = tally.rules_by_rows("open")
    assert (cause.name, cause.rows, tally.transient) == ("rate-limited", 2, 2)
    host = tally.hosts["media.example.org"]
    assert (host.media, host.failed, host.unknown, host.limited) == (3, 0, 2, 2)


def test_hosts_are_ordered_by_what_went_wrong() -> None:
    """Most bad media first; failures count at the host that a redirect led to."""
    moved = LONG["video"] | {"final_url": "https://Cdn.Example.net/x.mp4"}
    tally = _tally(_numbered(GOOD, LIMITED, LONG | {"video": moved}, LONG | {"video": moved}))
    assert [host.name for host in tally.hosts_worst_first()] == [
        "cdn.example.net",
        "media.example.org",
        "cdn.example.com",
    ]
    assert tally.hosts["cdn.example.net"].failed == 2


def test_memory_is_bounded() -> None:
    """Ten thousand hosts and picture sizes: the frequent ones are kept, nothing is lost from the sums."""
    tally = Tally()
    for row in range(1, 10_001):
        video = GOOD["video"] | {"url": f"https://host{row}.example.com/a.mp4", "width": row}
        tally.add(GOOD | {"row": row, "video": video})
        assert len(tally.hosts) <= 2 * summary.HOSTS + 2
        assert len(tally.video_resolutions) <= 2 * summary.RESOLUTIONS + 2
    written = tally.to_json()
    assert len(written["hosts"]) == summary.HOSTS + 1
    assert sum(host["media"] for host in written["hosts"]) == tally.media == 20_000
    assert sum(written["video_resolutions"].values()) == 10_000
    assert tally.hosts["cdn.example.com"].media == 10_000
    assert len(json.dumps(written)) < 400_000


def test_lengths_stand_on_the_right_side_of_their_limits() -> None:
    """Both ends belong to the window, in the counts as in the steps that are drawn."""
    lengths = Lengths((3.0, 10.0))
    for seconds in (2.9, 3.0, 3.1, 9.9, 10.0, 10.02, 5000.0):
        lengths.add(seconds)
    assert (lengths.below, lengths.inside, lengths.above) == (1, 4, 2)
    assert sum(count for step, count in lengths.steps.items() if 12 < step <= 40) == lengths.inside
    assert lengths.steps[Lengths.LAST] == 1


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_right_to_a_tenth(times: list[float], share: float) -> None:
    """The steps of the response times are fine enough to be told."""
    host = HostCount("x")
    for time in times:
        host.took(time)
    exact = sorted(times)[max(0, -(-len(times) * round(share * 100) // 100) - 1)]
    told = host.quantile(share)
    assert told is not None
    assert told == pytest.approx(exact, rel=0.1)


def test_the_bill_is_that_of_the_rows() -> None:
    """Seconds and money of each verdict are exact sums, and the squares give the spread."""
    tally = _tally(ROWS)
    ready = [row for row in ROWS if row["verdict"] in ("pass", "warn")]
    bill = tally.bill(Verdict.PASS, Verdict.WARN)
    expected = [row["estimate"]["billed_seconds"] for row in ready]
    assert bill.rows == len(ready)
    assert bill.expected / 1_000_000 == pytest.approx(sum(expected))
    assert bill.costs[""][0] == sum(Decimal(row["estimate"]["cost"]["expected"]) for row in ready)
    mean = bill.expected / bill.rows
    assert (bill.squares / bill.rows - mean**2) / 1e12 == pytest.approx(statistics.pvariance(expected))


def test_a_medium_that_cost_nothing_is_not_set_against_a_download() -> None:
    """Of rows that share a medium, the first one fetched it: bytes and download count once."""
    free = GOOD["video"] | {"transfer": dict.fromkeys(GOOD["video"]["transfer"], 0)}
    tally = _tally(_numbered(GOOD, GOOD | {"video": free}))
    assert (tally.media, tally.asked) == (4, 3)
    assert tally.size_bytes == 3 * 1_234_567
    assert tally.sized_received == tally.bytes_received == 3 * 11_604


@pytest.mark.parametrize("data", [{}, {"v": 0}, {"v": 1}, Tally().to_json() | {"rules": [{"name": "x"}]}])
def test_what_is_no_tally_is_refused(data: dict[str, Any]) -> None:
    """A stats file of another version is made anew from its lines."""
    with pytest.raises(ValueError, match="not a tally"):
        Tally.from_json(data)


# ---------------------------------------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("rows", "total", "told"),
    [
        ([], None, "? no rows"),
        ([GOOD], None, "✓ the row is ready to submit"),
        ([GOOD] * 3, 3, "✓ all 3 rows are ready to submit"),
        ([GOOD, LIMITED], None, "? 1 of 2 rows undecided (50.0 %), none would be refused"),
        ([GOOD, LONG, LIMITED], None, "✗ 1 of 3 rows would be refused (33.3 %), 1 undecided"),
        ([GOOD], 5, "✓ the row is ready to submit; 4 of 5 rows are still to be audited"),
    ],
)
def test_the_headline(rows: list[dict[str, Any]], total: int | None, told: str) -> None:
    """The worst first, and that a run has not ended."""
    assert summary_text(_tally(_numbered(*rows)), verbosity=-1, total=total) == told + "\n"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_summary_says_it_all(width: int) -> None:
    """Rules with examples and fix, hosts, bill, transfer and what to do next, at any width, without a secret."""
    text = summary_text(
        _tally(ROWS),
        width=width,
        about=[("took", "12 s")],
        advice=["Again: `preflight audit jobs.csv --retry-failed=transient`."],
    )
    words = " ".join(text.split())
    for told in (
        "video-too-long",
        "row 21 (job-0000021): There is nothing at the video URL (status 404).",
        "ffmpeg -i in.mp4 -t 9.8",
        "rate-limited",
        "media.example.org",
        "undecided",
        "3 to 10 s",
        "had whole files been fetched",
        "took 12 s",
        "preflight audit jobs.csv --retry-failed=transient",
    ):
        assert told in words
    assert SECRET not in text
    assert "\x1b" not in text
    table = text.partition("worst first\n")[2].partition("\n\n")[0]
    assert all(len(row) <= width for row in table.splitlines())


def test_colour_is_for_terminals() -> None:
    """Asked for, it is there; the words are the same."""
    plain, coloured = (summary_text(_tally(ROWS), color=color) for color in (False, True))
    assert "\x1b[" in coloured
    assert "\x1b" not in plain


def test_the_summary_for_machines() -> None:
    """Plain JSON: money as strings, null where nothing is known, and no secret."""
    told = summary_json(_tally(ROWS), total=300)
    text = json.dumps(told, allow_nan=False)
    assert told["schema"] == "preflight.summary/1"
    assert told["verdict"] == "fail"
    assert sum(told["verdicts"].values()) == told["rows"] == told["rows_total"] == 300
    assert isinstance(told["bill"]["pass"]["cost"][0]["expected"], str)
    assert SECRET not in text
