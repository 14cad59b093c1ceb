"""What a check says: findings, what it could not evaluate, and the one word that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Subject = Literal["request", "image", "video", "pair"]
Scalar = str | int | float | bool | None


class Severity(StrEnum):
    """`error`: refused, or the job fails. `warning`: accepted, but result, cost or certainty suffers. `note`: FYI."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Verdict(StrEnum):
    """The answer in one word."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class ExitCode(IntEnum):
    """What a process says by its exit. A crash can never look like a verdict."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    UNKNOWN = 3
    INVALID_REQUEST = 10
    """From here on what became of a submission: the provider's answers first."""
    AUTHENTICATION = 11
    BALANCE = 12
    RATE_LIMITED = 13
    PROVIDER_ERROR = 14
    NOT_SENT = 15
    UNANSWERED = 16
    NOT_UNDERSTOOD = 17
    CRASH = 70
    INTERRUPTED = 130

    @classmethod
    def of(cls, verdict: Verdict, *, strict: bool = False) -> ExitCode:
        """The exit code of a verdict; `strict` turns a warning into a failure."""
        codes = {Verdict.FAIL: cls.FAIL, Verdict.UNKNOWN: cls.UNKNOWN, Verdict.WARN: cls.FAIL if strict else cls.PASS}
        return codes.get(verdict, cls.PASS)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a rule found. `pointer` is a JSON Pointer into the request ("" is the whole request)."""

    rule: str
    severity: Severity
    subject: Subject
    pointer: str
    message: str
    why: str
    fix: str
    source: str
    observed: Scalar = None
    limit: Scalar = None


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A rule that could not be evaluated, and why. `decisive`: it could have said "error", so the verdict waits."""

    rule: str
    subject: Subject
    reason: str
    decisive: bool


def verdict_of(findings: Iterable[Finding], not_evaluated: Iterable[NotEvaluated]) -> Verdict:
    """`fail` if any error; else `unknown` if a decisive rule had no answer; else `warn` if any warning; else `pass`."""
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return Verdict.FAIL
    if any(item.decisive for item in not_evaluated):
        return Verdict.UNKNOWN
    return Verdict.WARN if Severity.WARNING in severities else Verdict.PASS
