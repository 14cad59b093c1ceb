"""What preflight raises: wrong usage only.

    PreflightError
    |- UsageError            the call itself is wrong; the message says what and where
    |  |- RequestUnreadable  the request is not JSON, not a curl command, not an object
    |  '- ProfileInvalid     no such profile, or a profile file that does not hold
    '- PreflightFailed       raised by `Report.raise_for_verdict`; carries the report

A bad medium or a bad server is never an exception: it is a finding of the report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


class PreflightFailed(PreflightError):
    """The verdict is one that the caller does not accept; `report` says why."""

    def __init__(self, report: Report) -> None:
        self.report = report
        for severity in ("error", "warning"):
            if told := [f"{found.rule}: {found.message}" for found in report.findings if found.severity == severity]:
                break
        else:
            told = list(dict.fromkeys(item.reason for item in report.not_evaluated if item.decisive))
        super().__init__(f"verdict {report.verdict}: " + " ".join(told))
