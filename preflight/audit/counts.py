"""The counts that a tally is made of. Each of them can be merged with another one, and written down exactly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from math import ceil, log2
from typing import TYPE_CHECKING, Any, ClassVar, Self

from preflight.printable import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Rows that are shown for each rule.
EXAMPLES = 3
MICRO = 1_000_000

#: Four steps of the response times to a doubling: a quantile is right to a tenth.
_FINENESS = 4
_QUICKEST = 0.0001

#: The durations that are accepted, both ends included; None: this end is not stated.
Window = tuple[float | None, float | None]


@dataclass(slots=True)
class RuleCount:
    """One rule at one severity, or one cause that leaves verdicts open."""

    name: str
    severity: str
    """error, warning or note; "open" for a cause."""
    rows: int = 0
    findings: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)
    """The first rows: row, id, url (redacted; null where the request itself is meant), message and fix."""
    last_row: int | None = None
    """The row that was counted last, by which a second finding in it is known."""

    @property
    def fix(self) -> str:
        """What mends the first example, whose file it may name."""
        return str(self.examples[0]["fix"]) if self.examples else ""

    def add(self, result: Mapping[str, Any], url: str | None, message: str, fix: str) -> None:
        """Count one finding of a row."""
        self.findings += 1
        row = result["row"]
        if row == self.last_row:
            return
        self.last_row = row
        self.rows += 1
        if len(self.examples) < EXAMPLES or row < self.examples[-1]["row"]:
            name = None if result.get("id") is None else clean(str(result["id"]))
            self._keep([*self.examples, {"row": row, "id": name, "url": url, "message": message, "fix": fix}])

    def merge(self, other: RuleCount) -> None:
        """Count what another tally has counted."""
        self.rows += other.rows
        self.findings += other.findings
        self._keep([*self.examples, *other.examples])

    def _keep(self, examples: list[dict[str, Any]]) -> None:
        self.examples = sorted(examples, key=lambda example: int(example["row"]))[:EXAMPLES]

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        told = {"name": self.name, "severity": self.severity, "rows": self.rows, "findings": self.findings}
        return {**told, "examples": self.examples}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**data)


@dataclass(slots=True)
class HostCount:
    """What became of the media of one host; media that an earlier row had fetched count, but cost nothing."""

    name: str
    media: int = 0
    failed: int = 0
    """Media with an error."""
    unknown: int = 0
    """Media that could not be had for a cause that may pass."""
    limited: int = 0
    """Of these: the host said that it is asked too much."""
    requests: int = 0
    bytes_received: int = 0
    seconds: Counter[int] = field(default_factory=Counter)
    """Media by the time that fetching took, in steps that grow."""

    def merge(self, other: HostCount) -> None:
        """Count what another tally has counted."""
        self.media += other.media
        self.failed += other.failed
        self.unknown += other.unknown
        self.limited += other.limited
        self.requests += other.requests
        self.bytes_received += other.bytes_received
        self.seconds.update(other.seconds)

    @property
    def bad(self) -> int:
        """Media that failed or could not be had."""
        return self.failed + self.unknown

    def quantile(self, share: float) -> float | None:
        """The time in seconds within which this share of the fetched media came; None: nothing was fetched."""
        wanted = share * self.seconds.total()
        for step in sorted(self.seconds):
            wanted -= self.seconds[step]
            if wanted <= 0:
                return float(2 ** ((step - 0.5) / _FINENESS))
        return None

    def took(self, seconds: float) -> None:
        """Note how long fetching one medium took."""
        self.seconds[ceil(log2(max(seconds, _QUICKEST)) * _FINENESS)] += 1

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return {name: getattr(self, name) for name in self.__slots__} | {"seconds": written(self.seconds)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        return cls(**data | {"seconds": numbered(data["seconds"])})


@dataclass(slots=True)
class Lengths:
    """The durations that were held against one window."""

    STEP: ClassVar = 0.25
    """Seconds of one step."""
    LAST: ClassVar = 240
    """The last step: what is longer stands in it, too."""

    window: Window
    below: int = 0
    inside: int = 0
    above: int = 0
    steps: Counter[int] = field(default_factory=Counter)
    """Clips by length: step n holds what is above `(n - 1) * STEP` and at most `n * STEP`. A clip that is as long as
    the window's lower end, which belongs to the window, stands in the step above."""

    def add(self, seconds: float) -> None:
        """Count one clip."""
        low, high = self.window
        is_short, is_long = low is not None and seconds < low, high is not None and seconds > high
        self.below += is_short
        self.above += is_long
        self.inside += not (is_short or is_long)
        self.steps[min(ceil(seconds / self.STEP) + (seconds == low), self.LAST)] += 1

    def merge(self, other: Lengths) -> None:
        """Count what another tally has counted."""
        self.below += other.below
        self.inside += other.inside
        self.above += other.above
        self.steps.update(other.steps)

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        return {name: getattr(self, name) for name in self.__slots__} | {"steps": written(self.steps)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        low, high = data["window"]
        return cls(**data | {"window": (low, high), "steps": numbered(data["steps"])})


@dataclass(slots=True)
class Bill:
    """What rows of one verdict would bill; seconds are whole microseconds here."""

    rows: int = 0
    """With an established duration."""
    expected: int = 0
    at_least: int = 0
    at_most: int = 0
    squares: int = 0
    """Of the expected seconds of each row, for an interval around their mean."""
    costs: dict[str, list[Decimal]] = field(default_factory=dict)
    """Currency ("" for a bare price): expected, at least, at most."""

    def add(self, estimate: Mapping[str, Any]) -> None:
        """Count one row's estimate."""
        if estimate["billed_seconds"] is None:
            return
        expected = round(estimate["billed_seconds"] * MICRO)
        self.rows += 1
        self.expected += expected
        self.squares += expected * expected
        self.at_least += round(estimate["at_least"] * MICRO)
        self.at_most += round(estimate["at_most"] * MICRO)
        cost = estimate["cost"]
        if cost is not None and cost["expected"] is not None:
            amounts = [Decimal(cost[name]) for name in ("expected", "at_least", "at_most")]
            self._pay(cost["currency"] or "", amounts)

    def merge(self, other: Bill) -> None:
        """Count what another tally has counted."""
        self.rows += other.rows
        self.expected += other.expected
        self.at_least += other.at_least
        self.at_most += other.at_most
        self.squares += other.squares
        for currency, amounts in other.costs.items():
            self._pay(currency, amounts)

    def _pay(self, currency: str, amounts: list[Decimal]) -> None:
        paid = self.costs.get(currency)
        self.costs[currency] = amounts if paid is None else [a + b for a, b in zip(paid, amounts, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """For `from_json`."""
        costs = {currency: [f"{amount:f}" for amount in amounts] for currency, amounts in self.costs.items()}
        return {name: getattr(self, name) for name in self.__slots__} | {"costs": costs}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` wrote."""
        costs = {currency: [Decimal(amount) for amount in amounts] for currency, amounts in data["costs"].items()}
        return cls(**data | {"costs": costs})


def written(counter: Counter[int]) -> dict[str, int]:
    """A counter as JSON has it, in order."""
    return {str(step): counter[step] for step in sorted(counter)}


def numbered(data: Mapping[str, int]) -> Counter[int]:
    """The counter that `written` wrote."""
    return Counter({int(step): count for step, count in data.items()})
