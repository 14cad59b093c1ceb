"""What an audit would do, told before it does: `--dry-run` reads the rows, and nothing of the network."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from preflight.audit.model import BadRow
from preflight.deliver.presigned import expiry
from preflight.deliver.url import cut, host_of, is_url, names_private_address
from preflight.language import clauses, later, say, told
from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from preflight.audit.model import Job

#: How long a job may wait before its media are fetched; profiles have their own (`url_lifetime_min`).
QUEUE = timedelta(hours=1)
_MEDIA = ("image_url", "video_url")
_MOST_HOSTS = 20
_MOST_BAD = 5
#: Hosts counted by name. A list of more hosts than this has no host that matters.
_HOSTS_BY_NAME = 200_000
_PARTS = 256

#: What an audit is expected to take is reckoned with these, as nobody has been asked yet: seconds until the facts of a
#: medium have come over the internet (a connection that stands, one or two answers), and the media that one core looks
#: at in a second (measured by `python -m tests.benchmarks.audit`: twice 200 jobs and more).
MEDIUM_SECONDS, MEDIA_PER_SECOND = 0.3, 300

#: What is counted, as one and as many.
_ROWS = (later("{count:,} row"), later("{count:,} rows"))
_REFERENCES = (later("{count:,} reference to media"), later("{count:,} references to media"))
#: What stands in the way, in the order of `Plan._doubts`.
_DOUBTS = (
    (later("{count:,} row cannot be read"), later("{count:,} rows cannot be read")),
    (later("{count:,} signed URL expired already"), later("{count:,} signed URLs expired already")),
    (later("{count:,} signed URL seem to have expired"), later("{count:,} signed URLs seem to have expired")),
    (
        later("{count:,} signed URL end within {window}{first}"),
        later("{count:,} signed URLs end within {window}{first}"),
    ),
    (
        later("{count:,} URL with a private address, which the provider cannot reach"),
        later("{count:,} URLs with a private address, which the provider cannot reach"),
    ),
    (later("{count:,} URL without a sound host"), later("{count:,} URLs without a sound host")),
    (
        later("{count:,} reference to a local file, which has to be uploaded before it is submitted"),
        later("{count:,} references to a local file, which has to be uploaded before it is submitted"),
    ),
)


class Distinct:
    """How many different strings there were, in 8 bytes for each string seen (a million jobs: 16 MB).

    Digests are sorted into parts as they come; a set is built of one part at a time.
    """

    def __init__(self) -> None:
        self._parts = [array("Q") for _ in range(_PARTS)]

    def add(self, text: str) -> None:
        """Count `text`."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self._parts[digest[0]].append(int.from_bytes(digest))

    def __len__(self) -> int:
        return sum(len(set(part)) for part in self._parts)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much an audit may do at once."""

    at_once: int
    per_host: int
    processes: int = 1

    def seconds(self, media: int, of_one_host: int) -> float:
        """What so many media take, of which so many are of the host that has most: the longest of three queues."""
        waits = max(media / self.at_once, min(of_one_host, media) / self.per_host) * MEDIUM_SECONDS
        processes = min(self.processes, self.per_host, self.at_once)  # each has turns of its own
        return max(waits, media / MEDIA_PER_SECOND / processes)


@dataclass(slots=True)
class Plan:
    """What stands in the rows, as far as their text tells."""

    rows: int = 0
    bad_rows: int = 0
    bad: list[BadRow] = field(default_factory=list)
    """The first few."""
    references: int = 0
    """Media named by the rows, repetitions included."""
    distinct: int = 0
    """Different references; each is fetched once."""
    local: int = 0
    """References to files of this machine."""
    unsound: int = 0
    """URLs without a host that anybody could be asked for."""
    private: int = 0
    """URLs whose host is an address that is not public."""
    hosts: Counter[str] = field(default_factory=Counter)
    """Host -> references."""
    elsewhere: int = 0
    """References to hosts beyond those that are counted by name."""
    expired: int = 0
    expired_unsure: int = 0
    """Signed URLs that seem to have expired, by a form that is not certain."""
    dying: int = 0
    """Signed URLs that end while the audit runs or the job waits."""
    earliest: datetime | None = None
    """When the first of the living ones ends."""
    window: timedelta = QUEUE
    seconds: float | None = None
    """What the audit is expected to take."""

    @property
    def duplicates(self) -> int:
        """References that are not fetched, because another row names the same medium."""
        return self.references - self.distinct

    def json(self) -> dict[str, object]:
        """The plan as one object for programs; fields are only ever added."""
        return {
            "schema": "preflight.plan/1",
            "rows": self.rows,
            "bad_rows": self.bad_rows,
            "bad": [{"row": bad.row, "line": bad.line, "reason": clean(told(bad.reason))} for bad in self.bad],
            "references": self.references,
            "distinct": self.distinct,
            "duplicates": self.duplicates,
            "local": self.local,
            "unsound": self.unsound,
            "private": self.private,
            "hosts": {"count": len(self.hosts), "top": dict(self._top()), "elsewhere": self.elsewhere},
            "signed": {
                "expired": self.expired,
                "expired_unsure": self.expired_unsure,
                "dying": self.dying,
                "window_seconds": self.window.total_seconds(),
                "earliest": self.earliest and self.earliest.isoformat(),
            },
            "seconds": self.seconds,
        }

    def _top(self) -> list[tuple[str, int]]:
        """The hosts with most references, in an order that does not depend on that of the rows."""
        return sorted(self.hosts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_HOSTS]

    def text(self) -> str:
        """The plan for people, some lines without the last line's end."""
        lines = [clauses(_counted(_ROWS, self.rows), _counted(_REFERENCES, self.references))]
        if self.duplicates:
            lines[0] += say(", {count:,} of them different (each is fetched once)", count=self.distinct)
        if self.seconds is not None:
            time, each = _duration(self.seconds), f"{MEDIUM_SECONDS:g}"
            lines.append(say("expected time: {time}, if a medium takes {seconds} s", time=time, seconds=each))
        lines += self._doubts()
        if self.hosts:
            words = later("hosts: {count:,} and more") if self.elsewhere else later("hosts: {count:,}")
            lines.append(say(words, count=len(self.hosts)))
            width = len(f"{self._top()[0][1]:,}")
            lines += [f"  {number:>{width},}  {clean(host)}" for host, number in self._top()]
            if rest := sum(self.hosts.values()) - sum(number for _, number in self._top()) + self.elsewhere:
                lines.append(f"  {rest:>{width},}  {say('(all others)')}")
        return "\n".join(lines)

    def _doubts(self) -> list[str]:
        signed = (self.expired, self.expired_unsure, self.dying)
        numbers = (self.bad_rows, *signed, self.private, self.unsound, self.local)
        window, first = _duration(self.window.total_seconds()), ""
        if self.earliest:
            first = say("; the first ends at {time:%Y-%m-%d %H:%M} UTC", time=self.earliest)
        doubts = zip(_DOUBTS, numbers, strict=True)
        lines = [_counted(words, number, window=window, first=first) for words, number in doubts if number]
        bad = ["  " + say("row {row} {problem}", row=bad.row, problem=clean(told(bad.told))) for bad in self.bad]
        return [*lines[:1], *bad, *lines[1:]] if bad else lines


def plan(
    jobs: Iterable[Job | BadRow], now: datetime | None = None, pace: Pace | None = None, *, queue: timedelta = QUEUE
) -> Plan:
    """Read all rows and tell what an audit of them would meet.

    Args:
        jobs: the rows, as `read_jobs` gives them.
        now: the time that signed URLs are held against, aware; None: the clock's.
        pace: how much the audit may do at once; None: no time is told.
        queue: how long a submitted job may wait. A signed URL has to outlive the audit and this.
    """
    now = now or datetime.now(UTC)
    found, distinct = Plan(), Distinct()
    ends = array("d")
    for job in jobs:
        found.rows += 1
        if isinstance(job, BadRow):
            found.bad_rows += 1
            if len(found.bad) < _MOST_BAD:
                found.bad.append(job)
            continue
        for name in _MEDIA:
            reference = job.request.get(name)
            if isinstance(reference, str) and reference.strip():
                found.references += 1
                distinct.add(reference)
                _count_reference(found, reference, now, ends)
    found.distinct = len(distinct)
    if pace is not None:
        found.seconds = pace.seconds(found.distinct, max(found.hosts.values(), default=0))
    found.window = queue + timedelta(seconds=found.seconds or 0)
    if ends:
        last = (now + found.window).timestamp()
        found.dying = sum(end < last for end in ends)
    return found


def _count_reference(found: Plan, reference: str, now: datetime, ends: array[float]) -> None:
    if not is_url(reference):
        found.local += 1
        return
    parts = cut(reference)
    site = f"{parts.scheme}://{parts.authority}"
    host = _host(site)
    if host is None:
        found.unsound += 1
        return
    found.private += _is_private(site)
    if host in found.hosts or len(found.hosts) < _HOSTS_BY_NAME:
        found.hosts[host] += 1
    else:
        found.elsewhere += 1
    end = expiry(reference, now)
    if end is None or end.instant is None:
        return
    if end.instant > now:
        ends.append(end.instant.timestamp())
        found.earliest = min(found.earliest or end.instant, end.instant)
    elif end.confidence == "high":
        found.expired += 1
    else:
        found.expired_unsure += 1


#: A URL's host is judged letter by letter; the rows of a table share few.
_host = lru_cache(10_000)(host_of)
_is_private = lru_cache(10_000)(names_private_address)


def _counted(words: tuple[str, str], count: int, **values: str) -> str:
    return say(words[count != 1], count=count, **values)


def _duration(seconds: float) -> str:
    """`3 h 20 min`, `5 min`, `40 s`: two units at most."""
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return say("{days} d {hours} h", days=days, hours=hours)
    if hours and minutes:
        return say("{hours} h {minutes} min", hours=hours, minutes=minutes)
    if hours:
        return say("{hours} h", hours=hours)
    return say("{minutes} min", minutes=minutes) if minutes else say("{seconds} s", seconds=max(1, whole))
