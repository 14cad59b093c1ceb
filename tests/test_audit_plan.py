"""What is told before an audit: the plan of all rows, and what a sample tells about the rest."""

from __future__ import annotations

import json
import math
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from itertools import count, repeat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.audit.model import BadRow, Job
from preflight.audit.plan import Distinct, Pace, plan
from preflight.audit.sample import Interval, Sampler, interval, mean_interval, student_t
from preflight.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def job(row: int, video: object, image: object = "https://i.example/a.png") -> Job:
    return Job(row, None, {"image_url": image, "video_url": video}, {})


def rows(number: int) -> Iterator[Job]:
    for row in range(1, number + 1):
        yield job(row, f"https://v.example/{row}.mp4")


def signed(minutes: float) -> str:
    """An S3 link that ends so many minutes after `NOW`."""
    at = NOW - timedelta(hours=5)
    seconds = round((NOW + timedelta(minutes=minutes) - at).total_seconds())
    return f"https://b.s3.amazonaws.com/x.mp4?X-Amz-Date={at:%Y%m%dT%H%M%SZ}&X-Amz-Expires={seconds}&X-Amz-Signature=a"


# ----------------------------------------------------------------------------------------------------- plan


def test_a_plan() -> None:
    """Rows, references, hosts, doubts: each counted once, in text and in JSON."""
    told = plan(
        [
            job(1, "https://v.example/1.mp4"),
            job(2, "https://V.example:443/1.mp4"),
            BadRow(3, 4, "has 2 cells under 3 columns", {}),
            job(4, "http://10.1.2.3/x.mp4", "./a.png"),
            job(5, signed(-1), "https:///a"),
            job(6, signed(30), signed(90)),
            job(7, None, ["https://x"]),
            job(8, "https://cdn.example/a?expires=1700000000&sig=abcdefabcdef", signed(900)),
        ],
        NOW,
        Pace(at_once=1, per_host=1),
    )  # fmt: skip
    assert (told.rows, told.bad_rows, told.references, told.distinct, told.duplicates) == (8, 1, 12, 11, 1)
    assert dict(told.hosts) == {
        "b.s3.amazonaws.com": 4, "v.example": 2, "i.example": 2, "10.1.2.3": 1, "cdn.example": 1,
    }  # fmt: skip
    assert (told.private, told.local, told.unsound) == (1, 1, 1)
    assert (told.expired, told.expired_unsure, told.dying) == (1, 1, 1)
    assert told.earliest == NOW + timedelta(minutes=30)
    assert told.seconds == pytest.approx(3.3)
    assert told.text().splitlines() == [
        "8 rows, 12 references to media, 11 of them different (each is fetched once)",
        "expected time: 3 s, if a medium takes 0.3 s",
        "1 row cannot be read",
        "  row 3 (line 4) has 2 cells under 3 columns",
        "1 signed URL expired already",
        "1 signed URL seem to have expired",
        "1 signed URL end within 1 h; the first ends at 2026-11-22 12:30 UTC",
        "1 URL with a private address, which the provider cannot reach",
        "1 URL without a sound host",
        "1 reference to a local file, which has to be uploaded before it is submitted",
        "hosts: 5",
        "  4  b.s3.amazonaws.com",
        "  2  i.example",
        "  2  v.example",
        "  1  10.1.2.3",
        "  1  cdn.example",
    ]
    as_json = json.loads(json.dumps(told.json()))
    assert as_json["signed"] == {
        "expired": 1, "expired_unsure": 1, "dying": 1, "window_seconds": pytest.approx(3603.3),
        "earliest": "2026-11-22T12:30:00+00:00",
    }  # fmt: skip
    assert as_json["hosts"]["top"] == dict(told.hosts)
    assert as_json["bad"] == [{"row": 3, "line": 4, "reason": "has 2 cells under 3 columns"}]


def test_a_link_has_to_outlive_the_audit_too() -> None:
    """A link of two hours is fine for a short audit, and dies in a long one."""
    slow = Pace(at_once=1, per_host=1)
    assert plan([job(1, signed(120)), *rows(100)], NOW, slow).dying == 0
    assert plan([job(1, signed(120)), *rows(12_000)], NOW, slow).dying == 1


@pytest.mark.parametrize(
    ("pace", "media", "of_one_host", "seconds"),
    [
        (Pace(64, 8), 6400, 100, 30),
        (Pace(64, 8), 6400, 6400, 240),
        (Pace(1024, 256), 30_000, 300, 100),
        (Pace(1024, 256, processes=4), 30_000, 300, 25),
        (Pace(64, 8), 0, 0, 0),
    ],
    ids=["turns in all", "turns of a host", "one core", "several cores", "nothing"],
)
def test_the_longest_queue_is_what_an_audit_takes(pace: Pace, media: int, of_one_host: int, seconds: float) -> None:
    assert pace.seconds(media, of_one_host) == pytest.approx(seconds)


def test_no_rows_and_no_pace() -> None:
    assert plan([], NOW).text() == "0 rows, 0 references to media"
    assert plan(rows(1), NOW).json()["seconds"] is None


def test_hosts_beyond_the_first() -> None:
    """The twenty with most references, and a line for the rest."""
    told = plan((job(n, f"https://h{n % 30}.example/{n}") for n in range(1, 100)), NOW)
    assert told.text().splitlines()[-1] == "  33  (all others)"
    assert len(told.text().splitlines()) == 23


def test_nothing_of_a_stranger_reaches_the_terminal() -> None:
    """Neither a signature nor an escape."""
    told = plan([job(1, "https://evil\x1b[2J.example/a?sig=SECRET"), job(2, f"{signed(5)}SECRET")], NOW)
    for text in (told.text(), json.dumps(told.json())):
        assert "SECRET" not in text
        assert "\x1b" not in text


@given(words=st.lists(st.text(max_size=3), max_size=60))
@settings(deadline=None)
def test_distinct_counts_like_a_set(words: list[str]) -> None:
    counted = Distinct()
    for word in words:
        counted.add(word)
    assert len(counted) == len(set(words))


def test_a_plan_is_small() -> None:
    """8 bytes for a reference: all else of a plan is bounded."""
    tracemalloc.start()
    counted = Distinct()
    for number in range(50_000):
        counted.add(str(number))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(counted) == 50_000
    assert held < 700_000


# --------------------------------------------------------------------------------------------------- sample


@pytest.mark.parametrize("size", ["0%", "101%", "", "half", "-3", "0", "1.5", "2 rows", "٣"])
def test_no_size(size: str) -> None:
    with pytest.raises(UsageError, match="--sample"):
        Sampler(size)


@pytest.mark.parametrize("size", ["10%", "0.5 %", "500", "100%", "99999"])
def test_a_sample(size: str) -> None:
    """In order, each row once, the same for the same seed, another for another."""
    sampler = Sampler(size, seed=7)
    taken = [item.row for item in sampler.take(rows(5000))]
    assert sampler.population == 5000
    assert taken == sorted(set(taken))
    assert taken == [item.row for item in Sampler(size, seed=7).take(rows(5000))]
    if size in ("100%", "99999"):
        assert len(taken) == 5000
        return
    assert taken != [item.row for item in Sampler(size, seed=8).take(rows(5000))]
    expected = {"10%": 500, "0.5 %": 25, "500": 500}[size]
    assert abs(len(taken) - expected) <= (0 if size == "500" else 4 * math.sqrt(expected))


@pytest.mark.parametrize("size", ["20%", "20"])
def test_every_row_has_the_same_chance(size: str) -> None:
    """Over many seeds each of 100 rows is in a fifth of the samples, the first and the last as well."""
    times = dict.fromkeys(range(1, 101), 0)
    for seed in range(1500):
        for item in Sampler(size, seed).take(rows(100)):
            times[item.row] += 1
    assert all(220 < often < 380 for often in times.values())  # 300, and five standard deviations


def test_a_share_streams() -> None:
    """The first row of the sample comes before the last row of the input."""
    assert next(Sampler("50%").take(map(job, count(1), repeat(""))))


# ------------------------------------------------------------------------------------------------ intervals


def test_intervals_of_all_and_of_none() -> None:
    """All rows leave no doubt, no row leaves nothing to tell, and one row tells next to nothing."""
    assert interval(3, 10, 10) == Interval(0.3, 0.3, 0.3)
    assert mean_interval(10, 50, 300, 10) == Interval(5, 5, 5)
    assert interval(0, 0, 10) is None
    assert mean_interval(0, 0, 0, 10) is None
    one = interval(1, 1, 1000)
    assert one
    assert one.low < 0.1
    assert one.high == 1
    assert Interval(1, 0.5, 2).times(10) == Interval(10, 5, 20)


def test_a_sample_of_half_is_worth_more() -> None:
    """Drawn from 2,000 rows, 1,000 leave the doubt of 2,000 drawn from a population without end."""
    half, endless = interval(300, 1000, 2000), interval(600, 2000, 10**12)
    assert half
    assert endless
    assert half.high - half.low == pytest.approx(endless.high - endless.low, rel=0.01)
    mean, many = mean_interval(1000, 5000, 50_000, 2000), mean_interval(2000, 10_000, 100_000, 10**12)
    assert mean
    assert many
    assert mean.high - mean.low == pytest.approx(many.high - many.low, rel=0.02)


def test_wilson_as_published() -> None:
    """Newcombe 1998, table I, method 4: 81 of 263, and 0 of 20, in a population without end."""
    for successes, size, low, high in ((81, 263, 0.2535, 0.3682), (15, 148, 0.0598, 0.1644), (0, 20, 0.0, 0.2005)):
        found = interval(successes, size, 10**12)
        assert found
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(
    ("freedom", "value"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (5, 2.5706), (10, 2.2281), (30, 2.0423), (1000, 1.9623)],
)
def test_student_t(freedom: int, value: float) -> None:
    assert student_t(freedom) == pytest.approx(value, abs=5e-3)


@given(data=st.data(), population=st.integers(1, 10**7))
def test_an_interval_holds_its_estimate(data: st.DataObject, population: int) -> None:
    """And stays within what is possible, given what was seen."""
    sampled = data.draw(st.integers(1, population))
    successes = data.draw(st.integers(0, sampled))
    found = interval(successes, sampled, population)
    assert found
    assert 0 <= successes / population <= found.low <= found.estimate <= found.high <= 1
    assert found.high <= 1 - (sampled - successes) / population + 1e-12


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("size", ["2%", "100"])
def test_the_share_is_held(share: float, size: str) -> None:
    """95 % means 95 %: in at least 94 of 100 of many seeded samples of 2,000 rows the truth is inside."""
    refused, held, trials = round(2000 * share), 0, 300
    truth = refused / 2000
    every = list(rows(2000))
    for seed in range(trials):
        sample = [item.row for item in Sampler(size, seed).take(every)]
        found = interval(sum(row <= refused for row in sample), len(sample), 2000)
        held += found is not None and found.low <= truth <= found.high
    assert held >= 0.94 * trials


@pytest.mark.parametrize("share_billed", [1.0, 0.95, 0.3, 0.05])
@pytest.mark.parametrize("sampled", [10, 40, 200])
def test_the_bill_is_held(share_billed: float, sampled: int) -> None:
    """So are billed seconds, where few rows are billed or few are not, and in a small sample."""
    chance = random.Random(1)  # noqa: S311
    seconds = [chance.uniform(3, 30) if chance.random() < share_billed else 0 for _ in range(2000)]
    truth, held, trials = sum(seconds) / 2000, 0, 600
    for _ in range(trials):
        sample = chance.sample(seconds, sampled)
        found = mean_interval(sampled, sum(sample), sum(value * value for value in sample), 2000)
        held += found is not None and found.low <= truth <= found.high
    assert held >= 0.93 * trials
