"""What a run was started with, and what a later start would have otherwise."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from preflight import __version__
from preflight.audit.durable import new_file, reason, shown
from preflight.errors import UsageError
from preflight.language import about, later, say
from preflight.printable import clean
from preflight.redaction import redact_trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = "preflight.run/1"
#: Its name in the folder of a run: a folder that has it holds one.
MANIFEST = "manifest.json"
#: Options that change what is said of the facts, and not the facts.
_JUDGING = frozenset(("profile", "ignore", "price", "lang", "character_orientation", "mode", "model", "prompt", "id"))
_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run was started with; made by `Manifest.of`."""

    input: dict[str, Any]
    """The input's fingerprint. Its `path` is told, not compared: a file may move."""
    options: dict[str, Any]
    """What decides over the results, by the names that the user knows; redacted."""
    options_hash: str
    """SHA-256 of the options before redaction."""
    shard_rows: int
    tool: str = __version__
    schema: str = SCHEMA
    begun: str = field(default="", compare=False)
    """ISO 8601, UTC; told, not compared."""

    @classmethod
    def of(cls, *, input: dict[str, Any], options: dict[str, Any], shard_rows: int) -> Self:  # noqa: A002
        """The manifest of a run that starts now. Values are JSON's; a password that changes no result stays out."""
        hashed = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
        begun = datetime.now(UTC).isoformat()
        return cls(_redacted(input), _redacted(options), hashed, shard_rows, begun=begun)

    def changes(self, now: Manifest) -> tuple[str, ...]:
        """What `now` has otherwise, each as a part of a sentence."""
        told = [
            *_input_changes(self.input, now.input),
            *_differences("", self.options, now.options),
        ]
        if self.options_hash != now.options_hash and self.options == now.options:
            told.append(say("a part of an option that is not shown has changed"))
        for name, before, after in (
            (later("the version of preflight"), self.tool, now.tool),
            (later("the version of the run folder"), self.schema, now.schema),
            (later("the size of a shard"), self.shard_rows, now.shard_rows),
        ):
            if before != after:
                told.append(_difference(say(name), before, after))
        return tuple(told)

    def is_judged_otherwise(self, now: Manifest) -> bool:
        """Does `now` differ only in what is said of the facts? Then they need not be fetched again."""
        fetched = [
            (
                _without_path(told.input),
                {name: value for name, value in told.options.items() if name not in _JUDGING},
                (told.shard_rows, told.tool, told.schema),
            )
            for told in (self, now)
        ]
        return self.options != now.options and fetched[0] == fetched[1]


def is_begun(path: Path) -> bool:
    """Does the folder hold a run?"""
    return (path / MANIFEST).exists()


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write it into the folder of its run."""
    with new_file(path / MANIFEST, path / f"{MANIFEST}.tmp") as file:
        file.write(json.dumps(asdict(manifest), indent=2).encode() + b"\n")


def read_manifest(path: Path) -> Manifest:
    """That of the run in a folder.

    Raises:
        UsageError: there is none.
    """
    try:
        told = json.loads((path / MANIFEST).read_bytes())
        if told["schema"] == SCHEMA:
            known = {"begun": "", **told}
            return Manifest(**{item.name: known[item.name] for item in fields(Manifest)})
        cause = say("its version is another")
    except OSError as error:
        cause = reason(error)
        if isinstance(error, FileNotFoundError) and path.is_dir():
            cause = say("it has no manifest.json")
    except (ValueError, KeyError, TypeError):
        cause = say("its manifest.json is damaged")
    raise UsageError(about(say("{path} is no folder of a run", path=shown(path)), cause))


# ------------------------------------------------------------------------------------------------- changes


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redact_trace(value)
        case dict():
            return {name: _redacted(inside) for name, inside in value.items()}
        case list() | tuple():
            return [_redacted(inside) for inside in value]
    return value


def _input_changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """One part of a sentence, however many ways there are to see it."""
    if _without_path(before) == _without_path(now):
        return []
    rows = [told.get("rows") for told in (before, now)]
    if None in rows or rows[0] == rows[1]:
        return [say("the input has changed")]
    return [say("the input has changed ({before:,} rows, now {now:,})", before=rows[0], now=rows[1])]


def _without_path(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "path"}


def _differences(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys((*before, *after)):
        if before.get(name) != after.get(name):
            yield _difference(prefix + name, before.get(name), after.get(name))


def _difference(name: str, before: object, after: object) -> str:
    return say("{name} was {before} and is {after}", name=clean(name), before=_value(before), after=_value(after))


def _value(value: object) -> str:
    return say("not given") if value is None else clean(json.dumps(value, ensure_ascii=False), _LONGEST_SHOWN)
