"""When links die: each known form to the second, and garbage that must neither raise nor be called dead."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime

from preflight.deliver.presigned import expiry
from tests.hostile import Score
from tests.test_presigned import EXAMPLES, FIELDS, NOW, as_text

GARBAGE = 20_000
_PIECES = (
    "X-Amz-Date", "X-Amz-Expires", "Expires", "Signature", "Policy", "se", "sig", "e", "token", "auth_key", "hdnts",
    "q-sign-time", "oe", "ex", "_upt", "t", "sign", "=", "&", "&", "?", "%", "%00", "20260101T000000Z", "1700000000",
    "9" * 400, "-1", "1e9", "eyJ", ".", "~", ";", "/", "\x00", "é", "𝟙", "0x7fffffff",
)  # fmt: skip


def garbage(number: int) -> str:
    """A URL of no sense, always the same for a number."""
    chance = random.Random(number)  # noqa: S311  (repeatable on purpose)
    pieces = (*_PIECES, *string.printable)
    return "https://x.example/c.mp4?" + "".join(chance.choice(pieces) for _ in range(chance.randrange(40)))


def score() -> Score:
    """Every example of the table, then the garbage."""
    misses = []
    for row in EXAMPLES:
        end = expiry(row["url"], NOW)
        if {name: as_text(getattr(end, name)) if end else "" for name in FIELDS} != {
            name: row[name] for name in FIELDS
        }:
            misses.append(f"row {row['row']}: {row['scheme']}")
    early = datetime(2001, 1, 1, tzinfo=UTC)
    for number in range(GARBAGE):
        try:
            end = expiry(garbage(number), NOW)
        except Exception as error:  # noqa: BLE001  (whatever it raises is the miss)
            misses.append(f"garbage {number} raises {type(error).__name__}")
            continue
        if end and end.instant and end.instant < early:
            misses.append(f"garbage {number} is called dead since {end.instant}")
    exact = len(EXAMPLES) - sum(miss.startswith("row") for miss in misses)
    return Score(
        "expiry instants of presigned URLs",
        "exact for every form; garbage never raises and is never called dead by accident",
        f"{exact} of {len(EXAMPLES)} links of {len({row['row'] for row in EXAMPLES})} forms; "
        f"{GARBAGE:,} pieces of garbage",
        tuple(misses),
    )
