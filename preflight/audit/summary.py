"""What a run found, in aggregates: they are filled row by row, merged shard by shard, and stay small for any run.

A merged tally equals the tally of all rows, in whatever order they came: sums are whole numbers (microseconds, bytes)
or decimals, and the examples of a rule are its first rows. Only where a run names more hosts (or picture sizes) than
are kept, the rare ones go into one remainder. A tally holds no secret: it is made of result lines.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, Any, Self

from preflight.audit.counts import Bill, HostCount, Lengths, RuleCount, Window, numbered, written
from preflight.facts import Cause
from preflight.render.outline import KINDS, undecided, url_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from preflight.facts import Kind
    from preflight.findings import Verdict

#: Raise it when what is counted changes: a tally of another version is no tally, the result lines tell it anew.
VERSION = 1
#: Kept when a tally is written; twice as many while it grows.
HOSTS = 1000
RESOLUTIONS = 100
#: The name of the hosts (or picture sizes) that are not kept one by one; no host is called that.
OTHER = ""

#: Causes of failure that may pass, by name; no rule is called like one.
PASSING = frozenset(cause.value for cause in Cause if cause.passing)
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#\u2026]+)", re.IGNORECASE)
_TOTALS = (
    "rows",
    "transient",
    "media",
    "asked",
    "requests",
    "bytes_received",
    "sized_received",
    "size_bytes",
)
_WORDS = (
    *("verdicts", "causes", "refusals", "codecs"),
    *("image_formats", "video_formats", "image_resolutions", "video_resolutions"),
)
_STEPS = ("image_sizes", "video_sizes")


class Tally:
    """The aggregates of some rows of a run."""

    SIZES = tuple(figure * 10**power for power in range(3, 10) for figure in (1, 2, 5))
    """Upper ends of the steps of the sizes, in bytes; what is larger than the last one is beyond."""

    def __init__(self) -> None:
        self.rows = 0
        self.transient = 0
        """Rows that are undecided for a cause that may pass: to be retried."""
        self.media = 0
        self.asked = 0
        """Media that were fetched, all or in part; not those that an earlier row had fetched already."""
        self.requests = 0
        self.bytes_received = 0
        self.sized_received = 0
        """Of `bytes_received`: those of the media whose size is known."""
        self.size_bytes = 0
        """What a download of these would have been."""
        self.verdicts: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        """Why bytes could not be had, by medium."""
        self.refusals: Counter[str] = Counter()
        """Why bytes were no medium."""
        self.codecs: Counter[str] = Counter()
        self.image_formats: Counter[str] = Counter()
        self.video_formats: Counter[str] = Counter()
        self.image_sizes: Counter[int] = Counter()
        """Media by the index of their size's upper end in `SIZES`."""
        self.video_sizes: Counter[int] = Counter()
        self.image_resolutions: Counter[str] = Counter()
        self.video_resolutions: Counter[str] = Counter()
        self.rules: dict[tuple[str, str], RuleCount] = {}
        self.open: dict[str, RuleCount] = {}
        """What leaves verdicts open: a cause of failure, or the rule that could not be evaluated."""
        self.hosts: dict[str, HostCount] = {}
        self.lengths: dict[Window, Lengths] = {}
        self.bills: dict[str, Bill] = {}

    # ------------------------------------------------------------------------------------------- filling

    def add(self, result: Mapping[str, Any]) -> None:
        """Count one result line."""
        verdict = result["verdict"]
        self.rows += 1
        self.verdicts[verdict] += 1
        wrong = set()
        for finding in result["findings"]:
            severity, subject = finding["severity"], finding["subject"]
            if severity == "error":
                wrong.add(subject)
            rule = self._rule(finding["rule"], severity)
            rule.add(result, url_of(result, subject), finding["message"], finding["fix"])
        for kind in KINDS:
            if (medium := result.get(kind)) is not None:
                self._medium(kind, medium, is_wrong=kind in wrong)
        if verdict == "unknown":
            self._undecided(result)
        self._bill(verdict).add(result["estimate"])
        self._bound()

    def _medium(self, kind: Kind, medium: Mapping[str, Any], *, is_wrong: bool) -> None:
        transfer, failure, size = medium["transfer"], medium["failure"], medium["size_bytes"]
        received, requests = transfer["bytes_received"], transfer["requests"]
        self.media += 1
        self.requests += requests
        self.bytes_received += received
        if requests:
            self.asked += 1
            if size is not None:
                self.size_bytes += size
                self.sized_received += received
        if size is not None:
            counter = self.video_sizes if kind == "video" else self.image_sizes
            counter[bisect_left(self.SIZES, size)] += 1
        if failure is not None:
            self.causes[failure["cause"]] += 1
        elif medium["not_media"] is not None:
            self.refusals[medium["not_media"]["refusal"]] += 1
        if (match := _HOST.match(medium["final_url"] or medium["url"])) is not None:
            self._host(match[1].lower(), transfer, failure, is_wrong=is_wrong)
        if kind == "video":
            self._video(medium)
        elif (shown := medium.get("format")) is not None:
            self.image_formats[shown] += 1
            self._resolution(self.image_resolutions, medium)

    def _host(
        self, name: str, transfer: Mapping[str, Any], failure: Mapping[str, Any] | None, *, is_wrong: bool
    ) -> None:
        host = self._host_named(name)
        host.media += 1
        host.failed += is_wrong
        if failure is not None and failure["passing"]:
            host.unknown += not is_wrong
            host.limited += failure["cause"] == "rate-limited"
        if transfer["requests"]:
            host.requests += transfer["requests"]
            host.bytes_received += transfer["bytes_received"]
            host.took(transfer["seconds"])

    def _video(self, video: Mapping[str, Any]) -> None:
        if (container := video.get("container")) is None:
            return
        self.video_formats[container] += 1
        if (codec := video["codec"]) is not None:
            self.codecs[codec] += 1
        self._resolution(self.video_resolutions, video)
        if (seconds := video["durations"]["container"]) is not None:
            limits = video["window"]
            window = (limits["minimum"], limits["maximum"]) if limits else (None, None)
            self._lengths(window).add(seconds)

    def _resolution(self, counter: Counter[str], medium: Mapping[str, Any]) -> None:
        if medium["width"] is not None and medium["height"] is not None:
            counter[f"{medium['width']}x{medium['height']}"] += 1

    def _undecided(self, result: Mapping[str, Any]) -> None:
        causes = undecided(result)
        for name, reason, url in causes:
            self._open(name).add(result, url, reason, "")
        self.transient += any(name in PASSING for name, _, _ in causes)

    # ------------------------------------------------------------------------------- merging and writing

    def merge(self, other: Tally) -> None:
        """Count all that another tally has counted."""
        for name in _TOTALS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in (*_WORDS, *_STEPS):
            getattr(self, name).update(getattr(other, name))
        for key, rule in other.rules.items():
            self._rule(*key).merge(rule)
        for name, cause in other.open.items():
            self._open(name).merge(cause)
        for name, host in other.hosts.items():
            self._host_named(name).merge(host)
        for window, lengths in other.lengths.items():
            self._lengths(window).merge(lengths)
        for verdict, bill in other.bills.items():
            self._bill(verdict).merge(bill)
        self._bound()

    def to_json(self) -> dict[str, Any]:
        """For `from_json`: exact, small, the same for the same rows."""
        self._bound(exactly=True)
        return {
            "v": VERSION,
            **{name: getattr(self, name) for name in _TOTALS},
            **{name: dict(sorted(getattr(self, name).items())) for name in _WORDS},
            **{name: written(getattr(self, name)) for name in _STEPS},
            "rules": [rule.to_json() for _, rule in sorted(self.rules.items())],
            "open": [cause.to_json() for _, cause in sorted(self.open.items())],
            "hosts": [host.to_json() for _, host in sorted(self.hosts.items())],
            "lengths": [self.lengths[window].to_json() for window in sorted(self.lengths, key=str)],
            "bills": {verdict: bill.to_json() for verdict, bill in sorted(self.bills.items())},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The tally that `to_json` wrote.

        Raises:
            ValueError: another version wrote this, or something else did.
        """
        if data.get("v") != VERSION:
            raise ValueError(f"not a tally of version {VERSION}")
        tally = cls()
        try:
            for name in _TOTALS:
                setattr(tally, name, int(data[name]))
            for name in _WORDS:
                setattr(tally, name, Counter(data[name]))
            for name in _STEPS:
                setattr(tally, name, numbered(data[name]))
            tally.rules = {(each["name"], each["severity"]): RuleCount.from_json(each) for each in data["rules"]}
            tally.open = {each["name"]: RuleCount.from_json(each) for each in data["open"]}
            tally.hosts = {each["name"]: HostCount.from_json(each) for each in data["hosts"]}
            lengths = [Lengths.from_json(each) for each in data["lengths"]]
            tally.lengths = {each.window: each for each in lengths}
            tally.bills = {verdict: Bill.from_json(each) for verdict, each in data["bills"].items()}
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"not a tally: {type(error).__name__}") from None
        return tally

    def _rule(self, name: str, severity: str) -> RuleCount:
        return self.rules.get((name, severity)) or self.rules.setdefault((name, severity), RuleCount(name, severity))

    def _open(self, name: str) -> RuleCount:
        return self.open.get(name) or self.open.setdefault(name, RuleCount(name, "open"))

    def _host_named(self, name: str) -> HostCount:
        return self.hosts.get(name) or self.hosts.setdefault(name, HostCount(name))

    def _lengths(self, window: Window) -> Lengths:
        return self.lengths.get(window) or self.lengths.setdefault(window, Lengths(window))

    def _bill(self, verdict: str) -> Bill:
        return self.bills.get(verdict) or self.bills.setdefault(verdict, Bill())

    def _bound(self, *, exactly: bool = False) -> None:
        """Give up what is rare, once there is too much: of what is equally rare, what comes last in the alphabet."""
        slack = 1 if exactly else 2
        if len(self.hosts) > slack * HOSTS + 1:
            known = sorted(
                (host for host in self.hosts.values() if host.name), key=lambda host: (-host.media, host.name)
            )
            other = self._host_named(OTHER)
            for host in known[HOSTS:]:
                other.merge(host)
            self.hosts = {host.name: host for host in (*known[:HOSTS], other)}
        for counter in (self.image_resolutions, self.video_resolutions):
            if len(counter) > slack * RESOLUTIONS + 1:
                rare = sorted((item for item in counter.items() if item[0]), key=lambda item: (-item[1], item[0]))
                for name, number in rare[RESOLUTIONS:]:
                    del counter[name]
                    counter[OTHER] += number

    # ------------------------------------------------------------------------------------------- reading

    def rules_by_rows(self, severity: str) -> list[RuleCount]:
        """The rules of one severity, those that concern most rows first; "open": what leaves verdicts open."""
        found = self.open.values() if severity == "open" else self.rules.values()
        return sorted((rule for rule in found if rule.severity == severity), key=lambda rule: (-rule.rows, rule.name))

    def hosts_worst_first(self) -> list[HostCount]:
        """The hosts, those with most media that failed or could not be had first; the remainder comes last."""
        return sorted(
            self.hosts.values(),
            key=lambda host: (not host.name, -host.bad, -host.bad / host.media, -host.media, host.name),
        )

    def bill(self, *verdicts: Verdict) -> Bill:
        """What the rows of these verdicts would bill together."""
        bill = Bill()
        for verdict in verdicts:
            bill.merge(self.bills.get(verdict, Bill()))
        return bill
