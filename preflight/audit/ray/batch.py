"""`Check`: the rows of somebody else's pipeline, batch by batch, with what was found in columns beside theirs."""

# ruff: noqa: PLC0415  (a batch comes from a library that is loaded then)

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from preflight.api import Preflight
from preflight.audit.columns import Columns, Record
from preflight.audit.conduct import IMPLIED
from preflight.audit.model import BadRow
from preflight.errors import UsageError
from preflight.language import say, speaking
from preflight.pipeline import conclude
from preflight.request import ReadRequest
from preflight.settings import Options, settings_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from preflight.profiles import Profile
    from preflight.report import Report


class Found(NamedTuple):
    """The columns that are added, under `preflight_` and these names."""

    verdict: list[str]
    rules: list[list[str]]
    """What was found in a row, each rule once, in the order of the report."""
    billed_seconds: list[float | None]
    report: list[str]
    """The report as JSON."""


class Check:
    """Checks every row of a batch; made for Ray Data's `map_batches`.

        ds.map_batches(Check, fn_constructor_kwargs={"profile": "xcompute"}, compute=ActorPoolStrategy(size=2))

    A row is a request: its fields stand in columns of their names, or of other usual ones, as in a table for
    `preflight audit`. All columns are kept, and those of `Found` are added. Connections stay warm from one batch to
    the next. Whatever is wrong with a row, its media or their servers is in its report.

    Args:
        profile: as for `preflight.Preflight`.
        mapping: field of the request -> column, where the column's name does not tell.
        defaults: fields of the request for rows that do not say.
        at_once: rows under way at once, in each worker that has such an object.
        **options: as for `preflight.Preflight`.

    Raises:
        UsageError: an argument makes no sense; when called: no column stands for a field, or several may.
    """

    def __init__(
        self,
        profile: str | Path | Profile = "xcompute",
        *,
        mapping: Mapping[str, str] | None = None,
        defaults: Mapping[str, object] | None = None,
        at_once: int = 8,
        **options: Unpack[Options],
    ) -> None:
        self._columns = Columns(None, mapping, defaults, implied=IMPLIED)
        self._settings = settings_of(profile, options)
        self._threads = ThreadPoolExecutor(at_once, "check")
        self._preflight = Preflight(profile, **options)
        self._preflight.__enter__()

    def __call__(self, batch: Any) -> Any:
        """The same batch (a dictionary of numpy arrays, a pandas frame, an Arrow table) with the columns of `Found`."""
        match type(batch).__module__.partition(".")[0]:
            case "builtins" if isinstance(batch, dict):
                return _with_arrays(batch, self._found(tuple(batch), batch))
            case "pandas":
                names = tuple(name for name in batch.columns if isinstance(name, str))
                return _with_series(batch, self._found(names, batch))
            case "pyarrow":
                return _with_arrow(batch, self._found(tuple(batch.column_names), batch))
        wrong = say(
            "a batch is a dictionary of arrays, a pandas frame or an Arrow table, not {kind!r}", kind=type(batch)
        )
        raise UsageError(wrong)

    def close(self) -> None:
        """Close connections and end what probes; a pipeline that ends its processes need not."""
        self._preflight.__exit__()
        self._threads.shutdown()

    def _found(self, names: tuple[str, ...], batch: Any) -> Found:
        self._columns.require(names)
        fields = self._columns.layout(names).fields
        asked = tuple(names[place] for _, place in fields)
        rows = zip(*(_values(batch[name]) for name in asked), strict=True)
        reports = list(self._threads.map(lambda cells: self._check(asked, cells), rows))
        return Found(
            [report.verdict.value for report in reports],
            [list(dict.fromkeys(finding.rule for finding in report.findings)) for report in reports],
            [report.estimate.billed_seconds for report in reports],
            [report.model_dump_json() for report in reports],
        )

    def _check(self, names: tuple[str, ...], cells: tuple[object, ...]) -> Report:
        job = self._columns.read(1, Record(None, names, cells), "table")
        if isinstance(job, BadRow):
            nothing = ReadRequest({}, (), no_row=job.reason)
            with speaking(self._settings.lang):
                return conclude(nothing, None, None, self._settings, started=time.monotonic(), only="request")
        return self._preflight.check(job.request)


def _values(column: Any) -> list[object]:
    """A column's values as Python has them; what is missing, in whatever way, is None."""
    if hasattr(column, "to_pylist"):
        return list(column.to_pylist())
    values: list[object] = column.tolist()
    missing = column.isna().tolist() if hasattr(column, "isna") else [value != value for value in values]  # noqa: PLR0124
    return [None if gone is True else value for value, gone in zip(values, missing, strict=True)]


def _named(found: Found) -> dict[str, list[Any]]:
    return {f"preflight_{name}": values for name, values in found._asdict().items()}


def _with_arrays(batch: dict[str, Any], found: Found) -> dict[str, Any]:
    import numpy as np

    def array(values: list[Any]) -> Any:
        made = np.empty(len(values), dtype=object)
        for place, value in enumerate(values):  # all at once, lists of one length would become a second dimension
            made[place] = value
        return made

    added = {name: array(values) for name, values in _named(found).items()}
    return batch | added | {"preflight_billed_seconds": np.array(found.billed_seconds, dtype=np.float64)}


def _with_series(batch: Any, found: Found) -> Any:
    import pandas as pd  # type: ignore[import-untyped]

    added = {name: pd.Series(values, batch.index, dtype=object) for name, values in _named(found).items()}
    seconds = pd.Series(found.billed_seconds, batch.index, dtype="float64")
    return batch.assign(**added | {"preflight_billed_seconds": seconds})


def _with_arrow(batch: Any, found: Found) -> Any:
    import pyarrow as pa  # type: ignore[import-untyped]

    types = Found(pa.string(), pa.list_(pa.string()), pa.float64(), pa.string())
    for (name, values), kind in zip(_named(found).items(), types, strict=True):
        if name in batch.column_names:
            batch = batch.drop_columns([name])
        batch = batch.append_column(name, pa.array(values, kind))
    return batch
