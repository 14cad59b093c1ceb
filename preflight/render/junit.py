"""Checks as a JUnit report: one suite, a test case for each request, which every CI server can show and compare.

A request is one case, not one for each rule: its name stays the same from run to run, and what CI servers show of a
case is its first failure, so that one failure tells everything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from preflight.findings import Severity, Verdict
from preflight.printable import clean
from preflight.render.checked import Remark, remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from preflight.render.checked import Checked

#: What XML 1.0 has no way to write, not even as a reference.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(checks: Iterable[Checked], *, strict: bool) -> str:
    """One document. A failed verdict is a failure; an open one, and a file that holds no request, is an error."""
    cases = [_case(checked, strict=strict) for checked in checks]
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "skipped": "0",
        "time": f"{sum(float(case.attrib['time']) for case in cases):.3f}",
    }
    root = Element("testsuites", {"name": "preflight", **totals})
    SubElement(root, "testsuite", {"name": "preflight check", **totals}).extend(cases)
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _case(checked: Checked, *, strict: bool) -> Element:
    name, report = _xml(clean(checked.source.name, None)), checked.report
    seconds = report.timing.seconds if report else 0.0
    case = Element("testcase", {"classname": "preflight check", "name": name, "time": f"{seconds:.3f}"})
    if checked.source.is_file:
        case.set("file", name)
    told = list(remarks(checked, strict=strict))
    if grave := [remark for remark in told if remark.severity is Severity.ERROR]:
        failed = report is not None and report.verdict is not Verdict.UNKNOWN
        about = {"type": grave[0].rule, "message": _xml(grave[0].message)}
        SubElement(case, "failure" if failed else "error", about).text = _told(grave)
    if rest := [remark for remark in told if remark not in grave]:
        SubElement(case, "system-out").text = _told(rest)
    return case


def _told(told: Sequence[Remark]) -> str:
    return _xml("\n\n".join(f"{f'{item.severity} {item.rule} {item.pointer}'.rstrip()}\n{item.text}" for item in told))


def _xml(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
