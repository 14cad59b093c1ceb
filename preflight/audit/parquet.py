"""Results as Parquet: the columns of the table, typed as the report's model and the carried values say.

Money is the nearest double here; JSON lines and CSV have it exact. A number that its column cannot hold is null.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow import parquet

from preflight.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from preflight.audit.journal import Kept
    from preflight.audit.results import Table

#: Rows that are held until they are written together.
_ROW_GROUP = 5000
_INT64 = range(-(2**63), 2**63)


class ParquetFile:
    """A writer of results into an open file.

    Args:
        file: where to.
        table: its columns.
        kinds: of what kinds the values of the carried columns are.
    """

    def __init__(self, file: BinaryIO, table: Table, kinds: Mapping[str, set[str]]) -> None:
        carried = {column: _carried_type(kinds[name]) for column, name in (table.carried or {}).items()}
        types = {column: _model_type(Report, path) for column, path in table.paths.items()} | carried
        types["row"] = int
        self._table = table
        self._fits = {column: _FITS[types.get(column, str)] for column in table.columns}
        self._waiting: dict[str, list[Any]] = {column: [] for column in table.columns}
        self._schema = pa.schema([pa.field(_text(column), _ARROW[types.get(column, str)]) for column in table.columns])
        self._file = parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, results: list[Kept]) -> None:
        """Take some results."""
        for kept in results:
            values = self._table.values(kept.result)
            for column, fit in self._fits.items():
                value = values[column]
                self._waiting[column].append(None if value is None else fit(value))
        if len(self._waiting["row"]) >= _ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what waits, and the file's end."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        arrays = [
            pa.array(self._waiting[column], field.type)
            for column, field in zip(self._waiting, self._schema, strict=True)
        ]
        if self._waiting["row"]:
            self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        for waiting in self._waiting.values():
            waiting.clear()


def _model_type(model: Any, path: tuple[str, ...]) -> type:
    """bool, int, float or str: what the model's field at this path holds."""
    annotation = model
    for name in path:
        owner = next(each for each in (annotation, *get_args(annotation)) if hasattr(each, "model_fields"))
        annotation = owner.model_fields[name].annotation
    held = _parts(annotation)
    return next((kind for kind in (bool, int, float) if kind in held), float if Decimal in held else str)


def _parts(annotation: Any) -> set[Any]:
    return {annotation}.union(*map(_parts, get_args(annotation)))


def _carried_type(kinds: set[str]) -> type:
    kinds = kinds - {"null"}
    if kinds == {"bool"}:
        return bool
    if kinds == {"int"}:
        return int
    return float if kinds and kinds <= {"int", "float"} else str


def _text(value: object) -> str:
    """Text as it is, half characters made visible; of anything else its JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def _whole(value: int) -> int | None:
    return value if value in _INT64 else None


_ARROW = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}
_FITS: dict[type, Callable[[Any], object]] = {bool: bool, int: _whole, float: float, str: _text}
