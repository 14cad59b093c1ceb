"""A random sample of the rows, and what it tells about all of them.

A row is in the sample or not by a hash of the seed and its number: the same rows on every machine, in every shard and
after every interruption.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heappush, heappushpop
from typing import TYPE_CHECKING

from preflight.errors import UsageError
from preflight.language import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from preflight.audit.model import BadRow, Job

#: The quantile of the normal distribution for 95 %, both sides.
_Z = 1.959963984540054
_RANGE = 1 << 64
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")
_NUMBER = re.compile(r"[1-9]\d{0,8}")


class Sampler:
    """Chooses rows at random: each with the same chance (`2%`), or exactly so many (`500`).

    Args:
        size: `2%` or `500`.
        seed: the same seed chooses the same rows.

    Raises:
        UsageError: `size` is neither.
    """

    def __init__(self, size: str, seed: int = 0) -> None:
        self.population = 0
        """Rows that were there to choose from; all of them once `take` has ended."""
        self._seed = str(seed).encode()
        share, number = _PERCENT.fullmatch(size.strip()), _NUMBER.fullmatch(size.strip())
        self._share = float(share[1]) / 100 if share else None
        self._number = int(number[0]) if number else 0
        if number is None and not 0 < (self._share or 0) <= 1:
            raise UsageError(
                say("--sample {size}: neither a share such as 2% nor a number of rows such as 500", size=size)
            )

    def take(self, jobs: Iterable[Job | BadRow]) -> Iterator[Job | BadRow]:
        """The rows of the sample, in order. A share streams; a number of rows is held, and comes after the last row."""
        if self._share is None:
            yield from self._so_many(jobs)
            return
        below = round(self._share * _RANGE)
        for job in jobs:
            self.population += 1
            if self._ticket(job.row) < below:
                yield job

    def _so_many(self, jobs: Iterable[Job | BadRow]) -> Iterator[Job | BadRow]:
        """Those with the lowest tickets: every set of so many rows is as likely as any other."""
        chosen: list[tuple[int, int, Job | BadRow]] = []  # the highest ticket first; no two rows share a number
        for job in jobs:
            self.population += 1
            entry = (-self._ticket(job.row), -job.row, job)
            if len(chosen) < self._number:
                heappush(chosen, entry)
            elif entry > chosen[0]:
                heappushpop(chosen, entry)
        yield from sorted((job for _, _, job in chosen), key=lambda job: job.row)

    def _ticket(self, row: int) -> int:
        return int.from_bytes(blake2b(b"%d" % row, key=self._seed, digest_size=8).digest())


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate, and the bounds between which the truth lies in at least 95 of 100 samples."""

    estimate: float
    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """The same for a sum: the mean of so many."""
        return Interval(self.estimate * factor, self.low * factor, self.high * factor)


def interval(successes: int, sampled: int, population: int) -> Interval | None:
    """The share of all rows that a sample tells; None for an empty sample.

    Wilson's score interval with continuity correction (Newcombe 1998, method 4), for a sample without replacement: the
    sample counts as larger, the more of the population it holds, and the whole population leaves no doubt. What was
    seen bounds it as well: the refused rows of the sample are refused, and the accepted ones are not.
    """
    if not sampled:
        return None
    share = successes / sampled
    if sampled >= population:
        return Interval(share, share, share)
    size = sampled * (population - 1) / (population - sampled)
    z2, spread = _Z * _Z, 4 * share * (1 - share) * size
    middle, scale = 2 * size * share + z2, 2 * (size + z2)
    low = middle - _Z * math.sqrt(max(0.0, z2 - 1 / size + spread + (4 * share - 2))) - 1
    high = middle + _Z * math.sqrt(max(0.0, z2 - 1 / size + spread - (4 * share - 2))) + 1
    low = max(low / scale if successes else 0.0, successes / population)
    high = min(high / scale if successes < sampled else 1.0, 1 - (sampled - successes) / population)
    return Interval(share, min(low, share), max(high, share))


def mean_interval(
    sampled: int, total: float, squares: float, population: int, *, most: float = 30.0
) -> Interval | None:
    """The mean of all rows that a sample tells by its sum and the sum of its squares; None for an empty sample.

    Student's t interval for a sample without replacement, after two imagined rows: one of 0 and one of `most`, the
    longest that is billed. They matter in a small sample that happens to hold no row of a rare kind, where the plain
    interval is far too sure of itself (tests measure both). Where a row without a bill counts as zero, the mean times
    `population` is the bill of all.
    """
    if not sampled:
        return None
    mean = total / sampled
    if sampled >= population:
        return Interval(mean, mean, mean)
    size = sampled + 2
    middle = (total + most) / size
    variance = max(0.0, squares + most * most - (total + most) * middle) / (size - 1)
    margin = student_t(size - 1) * math.sqrt(variance / size * (population - sampled) / (population - 1))
    return Interval(mean, max(0.0, min(mean, middle - margin)), max(mean, middle + margin))


def student_t(freedom: int) -> float:
    """The 97.5 % quantile of Student's t distribution: exact for 1 and 2, Cornish-Fisher's expansion above."""
    if freedom < 3:
        return (12.706204736, 4.302652730)[freedom - 1]
    z, n = _Z, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * n**4)
    )
