"""One request as the formats for machines tell it: what there is to remark, how grave it is, and where in its file.

Beside the findings a machine is told of a verdict that is open, of what `--ignore` hid, and of a file that holds no
request: none of them may look like a pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from preflight.findings import Severity, Verdict
from preflight.language import say, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from preflight.report import Report
    from preflight.request.locate import Source

#: What stands where a rule's id would, for a remark that no rule made.
OPEN, UNREADABLE = "verdict-unknown", "request-unreadable"

_POINTERS = {"image": "/image_url", "video": "/video_url"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that was given, and its report; or, where it could not be read, why."""

    source: Source
    report: Report | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to tell of a request."""

    rule: str
    severity: Severity
    pointer: str
    message: str
    fix: str = ""
    kind: Literal["found", "open", "ignored"] = "found"

    @property
    def text(self) -> str:
        """What is wrong, and on a line below how to mend it."""
        return f"{self.message}\n{say('fix: {fix}', fix=self.fix)}" if self.fix else self.message


def remarks(checked: Checked, *, strict: bool) -> Iterator[Remark]:
    """Everything to tell of a request, worst first. `strict`: a warning is the error that it then counts as."""
    report = checked.report
    if report is None:
        yield Remark(UNREADABLE, Severity.ERROR, "", checked.unread)
        return
    if report.verdict is Verdict.UNKNOWN:
        yield from _open(report)
    for finding in report.findings:
        graver = strict and finding.severity is Severity.WARNING
        severity = Severity.ERROR if graver else finding.severity
        yield Remark(finding.rule, severity, finding.pointer, finding.message, finding.fix)
    for item in report.ignored:
        message = say("--ignore left out what this rule found.")
        yield Remark(item.rule, Severity.NOTE, _POINTERS.get(item.subject, ""), message, kind="ignored")


def _open(report: Report) -> Iterator[Remark]:
    """One remark for each reason why the verdict is open."""
    waiting = [item for item in report.not_evaluated if item.decisive]
    for reason in dict.fromkeys(item.reason for item in waiting):
        items = [item for item in waiting if item.reason == reason]
        pointers = {_POINTERS.get(item.subject, "") for item in items}
        message = say(
            "The verdict is open: {reason}. Not evaluated: {rules}.",
            reason=told(reason).removesuffix("."),
            rules=", ".join(dict.fromkeys(item.rule for item in items)),
        )
        yield Remark(OPEN, Severity.ERROR, pointers.pop() if len(pointers) == 1 else "", message, kind="open")
