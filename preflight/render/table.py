"""A report as one row of a table: what a spreadsheet or a data frame can count, sort and filter.

Which columns there are, and where in the report each one comes from, is data: the documentation and an audit's table
read the same two mappings. Every row of a kind has every column.
"""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.printable import cell
from preflight.render.phrases import unread
from preflight.report import MediaReport, Report

if TYPE_CHECKING:
    from collections.abc import Sequence

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


#: Column of a check -> where its value stands in the report; "" where `row` makes it from several fields.
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

#: Column of a probe -> where its value stands in the medium; "" where `row` makes it.
PROBE_COLUMNS: dict[str, str] = {
    "kind": "",
    "not_read": "",
    **_below("", "medium", _ARRIVED),
    **_below("duration_", "medium.durations", _DURATIONS),
    **_below("", "medium", tuple(dict.fromkeys((*_VIDEO, *_IMAGE)))),
    **_below("transfer_", "medium.transfer", _TRANSFER),
    **_below("tool_", "tool", ("version", "ffmpeg", "pillow")),
}


def row(report: Report | MediaReport) -> dict[str, str]:
    """Every column's text; "" is *not established* or not there. Words that could be a formula are made plain."""
    if isinstance(report, MediaReport):
        kind = "image" if report.image else "video" if report.video else ""
        made: dict[str, object] = {"kind": kind, "not_read": unread(report.medium)}
        columns = PROBE_COLUMNS
    else:
        made = _judged(report)
        columns = CHECK_COLUMNS
    values = {name: _at(report, path) if path else made[name] for name, path in columns.items()}
    return {name: _written(value) for name, value in values.items()}


def render_csv(report: Report | MediaReport, *, header: bool) -> str:
    """The row as RFC 4180 has it, below its column names where `header` is set."""
    file = io.StringIO()
    values = row(report)
    table = csv.DictWriter(file, values)
    if header:
        table.writeheader()
    table.writerow(values)
    return file.getvalue()


def _judged(report: Report) -> dict[str, object]:
    def rules(severity: Severity) -> str:
        return " ".join(dict.fromkeys(item.rule for item in report.findings if item.severity is severity))

    return {
        "errors": rules(Severity.ERROR),
        "warnings": rules(Severity.WARNING),
        "notes": rules(Severity.NOTE),
        "undecided": " ".join(dict.fromkeys(item.rule for item in report.not_evaluated if item.decisive)),
        "ignored": " ".join(dict.fromkeys(item.rule for item in report.ignored)),
        "messages": " ".join(item.message for item in report.findings if item.severity is not Severity.NOTE),
        "image_not_read": unread(report.image) if report.image else "",
        "video_not_read": unread(report.video) if report.video else "",
    }


def _at(report: object, path: str) -> object:
    """The value at a dotted path; None where the path ends early: a cost without a price, a rotation of an image."""
    return reduce(lambda value, name: getattr(value, name, None), path.split("."), report)


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case int() | float():
            return str(value)
    return cell(str(value))
