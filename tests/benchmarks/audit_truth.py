"""What a reader is shown: the page of a large run, and what a sample tells about all rows."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from preflight.audit.model import Job
from preflight.audit.sample import Sampler, interval, mean_interval
from tests.benchmarks.audit_figure import Figure
from tests.benchmarks.audit_page import measure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.benchmarks.audit_ground import Ground

_TRIALS = 1000
_ROWS = 20_000


def report(ground: Ground, size: float) -> Iterator[Figure]:
    """See `audit_page.py`."""
    rows = int(100_000 * size)
    found = measure(rows)
    seconds, page = float(str(found["load_seconds_worst"])), int(str(found["page_bytes"]))
    spoken, asked = found["console"], found["requests_leaving"]
    yield Figure(
        f"HTML report of {rows:,} rows in headless Chromium",
        f"{found['load_seconds_median']} s (worst {seconds} s), {page / 1e6:.2f} MB",
        "< 2 s, < 5 MB, no console error, no request leaving",
        seconds < 2 and page < 5_000_000 and not spoken and not asked,
        f"console {spoken}, requests {asked}",
    )


def sample(ground: Ground, size: float) -> Iterator[Figure]:
    """How often the truth lies in what `--sample` says, over many seeds."""
    chance = random.Random(5)  # noqa: S311  (reproducible, no secret)
    rows = [Job(number, None, {}, {}) for number in range(1, _ROWS + 1)]
    for share, how in ((0.07, "2%"), (0.005, "2%"), (0.3, "200")):
        refused = [chance.random() < share for _ in rows]
        billed = [0.0 if refused[number] else chance.choice((4, 5, 5, 8, 10, 10, 29)) for number in range(_ROWS)]
        held_share = held_bill = 0
        for seed in range(_TRIALS):
            taken = [job.row - 1 for job in Sampler(how, seed).take(rows)]
            seconds = [billed[number] for number in taken]
            found = interval(sum(refused[number] for number in taken), len(taken), _ROWS)
            mean = mean_interval(len(taken), sum(seconds), sum(value * value for value in seconds), _ROWS)
            assert found is not None
            assert mean is not None
            held_share += found.low <= sum(refused) / _ROWS <= found.high
            held_bill += mean.low <= sum(billed) / _ROWS <= mean.high
        yield Figure(
            f"`--sample {how}` of {_ROWS:,} rows, {sum(refused) / _ROWS:.1%} of them refused: the truth is inside",
            f"{held_share} (share) and {held_bill} (billed seconds) of {_TRIALS}",
            "≥ 93 of 100",
            min(held_share, held_bill) >= 0.93 * _TRIALS,
        )
