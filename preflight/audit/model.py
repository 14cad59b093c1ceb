"""The values that travel through an audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from preflight.facts import Kind


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the input: a generation request, or one medium alone."""

    row: int
    """Its number in the input, from 1."""
    id: str | None
    request: dict[str, object]
    """What the provider would be sent; for one medium alone, its URL under the field of its kind."""
    carried: dict[str, object]
    """Every other column, as it came."""
    medium: Kind | None = None
    """Only this medium is to be judged; None: the whole request."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no job."""

    row: int
    line: int | None
    """The physical line of the file where it begins, from 1; None: the format has no lines."""
    reason: str
    """Our own words; completes "this row …"."""
    carried: dict[str, object]

    @property
    def told(self) -> str:
        """`reason` with the line, as far as there is one; completes "this row …", too."""
        return self.reason if self.line is None else f"(line {self.line}) {self.reason}"


@dataclass(frozen=True, slots=True)
class Shard:
    """Neighbouring rows that are finished together: the unit that is handed to a worker, and the unit of resuming."""

    index: int
    jobs: tuple[Job | BadRow, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a worker answers for a shard that it has written."""

    index: int
    rows: int
    stats: dict[str, Any]
    """See `summary.py`."""
