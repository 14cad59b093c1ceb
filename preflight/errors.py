"""What preflight raises: wrong usage only.

    PreflightError
    |- UsageError            the call itself is wrong; the message says what and where
    |  |- RequestUnreadable  the request is not JSON, not a curl command, not an object
    |  |- ProfileInvalid     no such profile, or a profile file that does not hold
    |  '- GuardCannotRead    a guard cannot see what is about to be submitted
    '- PreflightFailed       raised by `Report.raise_for_verdict` and by guards; carries the report

A bad medium or a bad server is never an exception: it is a finding of the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from preflight.language import about, say

if TYPE_CHECKING:
    from preflight.report import Report


class PreflightError(Exception):
    """Base of everything that preflight raises on purpose."""


class UsageError(PreflightError):
    """The caller asked for something that cannot be done; one line that says what and where."""


class RequestUnreadable(UsageError):
    """The text or object given as a request cannot be read as one."""


class ProfileInvalid(UsageError):
    """A profile does not exist, or its file breaks the profile schema."""


class GuardCannotRead(UsageError):
    """A guard stands before a submission that it cannot read without consuming it; nothing was sent."""


class PreflightFailed(PreflightError):
    """The caller does not accept the report; `objection` says in a sentence why, where it is not the verdict alone."""

    def __init__(self, report: Report, objection: str | None = None) -> None:
        self.report = report
        self.objection = objection
        for severity in ("error", "warning"):
            if told := [about(found.rule, found.message) for found in report.findings if found.severity == severity]:
                break
        else:
            told = list(dict.fromkeys(item.reason for item in report.not_evaluated if item.decisive))
        super().__init__(" ".join([objection or say("verdict {verdict}:", verdict=report.verdict), *told]))

    def __reduce__(self) -> tuple[type[PreflightFailed], tuple[Report, str | None]]:
        return type(self), (self.report, self.objection)  # a queue of jobs pickles what its workers raise
