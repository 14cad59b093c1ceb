"""A profile with a project's own numbers laid over it: what `preflight.toml` says, as a profile like any other."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from preflight.errors import ProfileInvalid
from preflight.language import about, say
from preflight.profiles import KEYS, LIMITS, Profile, require_sense, unknown_limit
from preflight.profiles.words import problems
from preflight.redaction import redact_trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def overlaid(base: Profile, tables: Mapping[str, Any], file: Path) -> Profile:
    """`base` with the limits, severities, billing and tariff of `tables`, which stand in `file`.

    A limit may be given as its value alone (`video_size_max = 50000000`); unit and key come from `base`. Its basis is
    "own" and its source the file, unless the table says otherwise. The revision tells that something was laid over it.

    Raises:
        ProfileInvalid: what comes out is no profile; every problem is named.
    """
    origin = str(file)
    table = base.model_dump(by_alias=True)
    # A report travels: it tells the file by name, not where somebody's home is.
    stated = {"source": file.name, "checked": base.billing.checked, "basis": "own"}
    limits = _table(tables, "limits", origin)
    if unknown := [name for name in limits if name not in LIMITS]:
        raise ProfileInvalid(redact_trace(f"{origin}: limits.{unknown[0]}: {unknown_limit(unknown[0])}"))
    table["limits"] |= {name: _limit(base, name, given, stated) for name, given in limits.items()}
    for kind in ("video", "image"):
        # Below which size nobody doubts: a maximum of one's own is not in doubt.
        if f"{kind}_size_max" in limits and f"{kind}_size_certain" not in limits:
            table["limits"].pop(f"{kind}_size_certain", None)
    table["severities"] |= _table(tables, "severities", origin)
    if billing := _table(tables, "billing", origin):
        table["billing"] |= {**stated, "note": "", **billing}
    if tariff := _table(tables, "tariff", origin):
        table["tariff"] = {**stated, **tariff}
    digest = blake2b(json.dumps(tables, sort_keys=True, default=str).encode(), digest_size=4).hexdigest()
    table["revision"] = f"{base.revision}+{digest}"
    try:
        profile = Profile.model_validate(table)
    except ValidationError as error:
        raise ProfileInvalid(redact_trace(about(origin, problems(error, KEYS)))) from error
    require_sense(profile, origin)
    return profile


def _table(tables: Mapping[str, Any], name: str, origin: str) -> dict[str, Any]:
    value = tables.get(name, {})
    if not isinstance(value, dict):
        problem = say("wanted is {wanted}, not {value!r}", wanted=say("a table"), value=value)
        raise ProfileInvalid(redact_trace(about(origin, about(name, problem))))
    return value


def _limit(base: Profile, name: str, given: object, stated: Mapping[str, object]) -> dict[str, object]:
    """A whole limit from what was given of it."""
    old = base.limits.get(name)
    known: dict[str, object] = {"unit": LIMITS[name], "by": old.by if old else None}
    own: dict[str, object] = given if isinstance(given, dict) and "value" in given else {"value": given}
    if not isinstance(own["value"], dict):
        known["by"] = None
    return {**stated, **known, **own}
