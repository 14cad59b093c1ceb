"""A report as one row of a table: what a spreadsheet or a data frame can count, sort and filter.

Which columns there are, and where in the report each one comes from, is data: the documentation and an audit's table
read the same two mappings. Every row of a kind has every column.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from preflight.printable import cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from preflight.report import MediaReport, Report

# fmt: off
_ARRIVED = ("url", "final_url", "status", "media_type_declared", "media_type_sniffed", "size_bytes", "size_proof")
_PICTURE = ("width", "height", "coded_width", "coded_height")
_IMAGE = ("format", *_PICTURE, "orientation", "color_mode", "bit_depth", "alpha", "animated", "frames", "truncated")
_VIDEO = ("container", "brand", "codec", "codec_profile", "pixel_format", "bit_depth", *_PICTURE, "rotation",
          "frame_rate", "variable_frame_rate", "frames", "audio_streams", "audio.codec", "audio.channels",
          "audio.sample_rate", "fragmented", "faststart", "edit_list", "truncated", "encrypted", "start_offset")
# fmt: on
_DURATIONS = ("container", "video", "audio", "header", "present", "decoded")
_TRANSFER = ("requests", "connections", "bytes_received", "round_trips", "seconds")


def _below(prefix: str, home: str, names: Sequence[str]) -> dict[str, str]:
    """Columns `prefix…` for the fields of `home`."""
    return {prefix + name.replace(".", "_"): f"{home}.{name}" for name in names}


#: Column of a check -> where its value stands in the report; "" where it is made from several fields.
CHECK_COLUMNS: dict[str, str] = {
    "verdict": "verdict",
    **dict.fromkeys(("errors", "warnings", "notes", "undecided", "ignored", "messages"), ""),
    **_below("", "request", ("model", "mode", "character_orientation")),
    "billed_seconds": "estimate.billed_seconds",
    **_below("billed_", "estimate", ("at_least", "at_most")),
    **_below("", "estimate", ("rounding", "hold_seconds")),
    "cost": "estimate.cost.expected",
    **_below("cost_", "estimate.cost", ("at_least", "at_most", "per_second", "currency")),
    **_below("duration_", "video.durations", _DURATIONS),
    **_below("window_", "video.window", ("minimum", "maximum")),
    "image_not_read": "",
    **_below("image_", "image", (*_ARRIVED, *_IMAGE)),
    **_below("image_transfer_", "image.transfer", _TRANSFER),
    "video_not_read": "",
    **_below("video_", "video", (*_ARRIVED, *_VIDEO)),
    **_below("video_transfer_", "video.transfer", _TRANSFER),
    **_below("profile_", "profile", ("name", "revision")),
    **_below("tool_", "tool", ("version", "ffmpeg", "pillow")),
    "timing_seconds": "timing.seconds",
}

#: Column of a probe -> where its value stands in the medium; "" where it is made.
PROBE_COLUMNS: dict[str, str] = {
    "kind": "",
    "not_read": "",
    **_below("", "medium", _ARRIVED),
    **_below("duration_", "medium.durations", _DURATIONS),
    **_below("", "medium", tuple(dict.fromkeys((*_VIDEO, *_IMAGE)))),
    **_below("transfer_", "medium.transfer", _TRANSFER),
    **_below("tool_", "tool", ("version", "ffmpeg", "pillow")),
}


def _paths(columns: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(path.split(".")) for name, path in columns.items() if path}


#: The columns that are one value of the report each -> the names that lead there.
CHECK_PATHS = _paths(CHECK_COLUMNS)
_PROBE_PATHS = _paths(PROBE_COLUMNS)


def row(report: Report | MediaReport) -> dict[str, str]:
    """Every column's text; "" is *not established* or not there. Words that could be a formula are made plain."""
    told = report.model_dump(mode="json")
    if "verdict" in told:
        columns, values = CHECK_COLUMNS, check_values(told)
    else:
        columns, values = PROBE_COLUMNS, _probe_values(told)
    return {name: as_cell(values[name]) for name in columns}


def check_values(report: Mapping[str, Any]) -> dict[str, Any]:
    """Every column's value, from a check's report as JSON has it; None: not established, or not there."""
    found = report["findings"]

    def rules(severity: str) -> str:
        return _words(item["rule"] for item in found if item["severity"] == severity)

    return {
        "errors": rules("error"),
        "warnings": rules("warning"),
        "notes": rules("note"),
        "undecided": _words(item["rule"] for item in report["not_evaluated"] if item["decisive"]),
        "ignored": _words(item["rule"] for item in report["ignored"]),
        "messages": " ".join(item["message"] for item in found if item["severity"] != "note"),
        "image_not_read": _not_read(report["image"]),
        "video_not_read": _not_read(report["video"]),
        **{name: _at(report, path) for name, path in CHECK_PATHS.items()},
    }


def _probe_values(report: Mapping[str, Any]) -> dict[str, Any]:
    kind = next((name for name in ("image", "video") if report[name]), "")
    told = {"medium": report[kind or "unread"], "tool": report["tool"]}
    made = {"kind": kind, "not_read": _not_read(told["medium"])}
    return made | {name: _at(told, path) for name, path in _PROBE_PATHS.items()}


def as_cell(value: object) -> str:
    """A value as text that a spreadsheet shows rather than computes."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case str():
            return cell(value)
    return cell(json.dumps(value, ensure_ascii=False))


def render_csv(report: Report | MediaReport, *, header: bool) -> str:
    """The row as RFC 4180 has it, below its column names where `header` is set."""
    file = io.StringIO()
    values = row(report)
    table = csv.DictWriter(file, values)
    if header:
        table.writeheader()
    table.writerow(values)
    return file.getvalue()


def _at(value: Any, path: Sequence[str]) -> Any:
    """The value at the end of a path; None where that ends early: a cost without a price, a rotation of an image."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _words(words: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(words))


def _not_read(medium: Mapping[str, Any] | None) -> str:
    """Why a medium could not be read; "" if it was, or if there is none."""
    if medium and (failure := medium["failure"]):
        return f"{failure['cause']}: {failure['detail']}"
    refused = medium and medium["not_media"]
    return f"{refused['refusal']}: {refused['detail']}" if refused else ""
