"""Checks as a SARIF 2.1.0 log (OASIS), for whatever shows findings beside the lines that they are about.

Section numbers are those of the standard.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from preflight import __version__
from preflight.language import say
from preflight.render.checked import OPEN, UNREADABLE, remarks
from preflight.rules import rule_by_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from preflight.render.checked import Checked, Remark
    from preflight.request.locate import Place, Source

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def render_sarif(checks: Sequence[Checked], *, strict: bool) -> str:
    """One log with one run, on one line; of the rules, those that its results name."""
    told = [(checked.source, remark) for checked in checks for remark in remarks(checked, strict=strict)]
    rules = list(dict.fromkeys(remark.rule for _, remark in told))
    run = {
        "tool": {
            "driver": {"name": "preflight", "version": __version__, "rules": [_descriptor(rule) for rule in rules]}
        },
        "invocations": [{"executionSuccessful": all(checked.report for checked in checks)}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(source, remark, rules.index(remark.rule)) for source, remark in told],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False) + "\n"


def _descriptor(name: str) -> dict[str, Any]:
    """What a rule says of itself (3.49); the two remarks that no rule makes have a title of their own."""
    rule = rule_by_id(name)
    if rule is None:
        titles = {OPEN: say("The verdict is open"), UNREADABLE: say("The file cannot be read as a request")}
        return {"id": name, "shortDescription": _message(titles.get(name, name))}
    why = say(rule.why)
    story = say("The whole story: preflight explain {rule}", rule=name)
    return {
        "id": name,
        "shortDescription": _message(say(rule.title)),
        "fullDescription": _message(why),
        "help": _message(f"{why}\n\n{story}\n\n{say(rule.source)}"),
        "defaultConfiguration": {"level": rule.severity.value},
        "properties": {"tags": [name.partition("-")[0]]},
    }


def _result(source: Source, remark: Remark, index: int) -> dict[str, Any]:
    is_open = remark.kind == "open"
    result: dict[str, Any] = {
        "ruleId": remark.rule,
        "ruleIndex": index,
        "kind": "open" if is_open else "fail",
        "level": "none" if is_open else remark.severity.value,  # what is no failure has no level (3.27.10)
        "message": _message(remark.text),
        "locations": [_location(source, remark.pointer)],
        "partialFingerprints": {"ruleAtPointer/v1": _fingerprint(source, remark)},
    }
    if remark.kind == "ignored":
        result["suppressions"] = [{"kind": "external", "justification": "--ignore"}]
    return result


def _message(text: str) -> dict[str, str]:
    """Plain text. `[words](address)` would be a link in it (3.11.6): nobody but us puts one into our messages."""
    return {"text": text.replace("](", "] (")}


def _location(source: Source, pointer: str) -> dict[str, Any]:
    location: dict[str, Any] = (
        {"logicalLocations": [{"fullyQualifiedName": pointer, "kind": "value"}]} if pointer else {}
    )
    if source.is_file:
        place = source.place(pointer)
        region = {"startLine": 1} if place is None else _region(place)
        location["physicalLocation"] = {"artifactLocation": _artifact(source.name), "region": region}
    return location


def _region(place: Place) -> dict[str, int]:
    return {
        "startLine": place.line,
        "startColumn": place.column,
        "endLine": place.end_line,
        "endColumn": place.end_column,
    }


def _artifact(name: str) -> dict[str, str]:
    """The file's address: relative to wherever the command ran, unless it was named from the root (3.4)."""
    path = PurePath(name)
    if path.is_absolute():
        return {"uri": path.as_uri()}
    return {"uri": quote(os.fsencode(path.as_posix())), "uriBaseId": "%SRCROOT%"}


def _fingerprint(source: Source, remark: Remark) -> str:
    """Stays the same while lines move: which rule, where in which request."""
    return sha256("\0".join((source.name, remark.rule, remark.pointer)).encode("utf-8", "surrogateescape")).hexdigest()
