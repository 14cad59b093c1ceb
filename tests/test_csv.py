"""The report as a row: which columns, what stands in them, and that no cell of a stranger's computes anything."""

from __future__ import annotations

import csv
import io
import typing
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from preflight.cli.output import write_report
from preflight.facts import Cause, Failure, Medium, NotMedia, Refusal
from preflight.render import render
from preflight.render.table import CHECK_COLUMNS, PROBE_COLUMNS, row
from preflight.report import MediaReport, Report, media_report
from preflight.report.wire import Delivery, Image, Video
from tests.reports import CLIP, DELIVERY, NOTED, PICTURE, ROTATED, SECRET, TOO_LONG, WAITING, a_case, a_report
from tests.test_cli import MEDIA, run

#: What a spreadsheet may take for a formula, and what it may skip before it.
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x","y")', "=1+1", "+1", "-1", "@A", "﹦1")
LEADS = ("", " ", "\t", "\r", "\n", "\x00", "\ufeff", "\u200b")


def _models(annotation: object) -> set[type[BaseModel]]:
    """The models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {model for part in typing.get_args(annotation) for model in _models(part)}


def _exists(start: set[type[BaseModel]], path: str) -> bool:
    """Does the dotted path lead to a field of one of the models?"""
    for name in path.split("."):
        fields = [model.model_fields[name] for model in start if name in model.model_fields]
        if not fields:
            return False
        start = {model for field in fields for model in _models(field.annotation)}
    return True


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("column", [name for name, path in CHECK_COLUMNS.items() if path])
def test_a_column_of_a_check_is_a_field_of_the_report(column: str) -> None:
    """A field that is renamed would leave its column empty for ever: none is."""
    assert _exists({Report}, CHECK_COLUMNS[column])


@pytest.mark.parametrize("column", [name for name, path in PROBE_COLUMNS.items() if path])
def test_a_column_of_a_probe_is_a_field_of_a_medium(column: str) -> None:
    """The same for what a probe tells."""
    first, _, rest = PROBE_COLUMNS[column].partition(".")
    start: set[type[BaseModel]] = {Image, Video, Delivery}
    assert _exists(start, rest) if first == "medium" else _exists({MediaReport}, f"{first}.{rest}")


def test_a_check_in_one_row() -> None:
    """Verdict, rules by severity, what they say, the bill and the facts; null is empty."""
    told = row(a_report(TOO_LONG, ROTATED, NOTED, WAITING, price=Decimal("0.07"), ignored=(ROTATED,)))
    assert list(told) == list(CHECK_COLUMNS)
    expected = {
        "verdict": "fail",
        "errors": "video-too-long",
        "warnings": "video-rotated",
        "notes": "video-not-faststart",
        "undecided": "video-too-short",
        "ignored": "video-rotated",
        "messages": "The video is 12.04 s long; orientation image takes 3 to 10 s. A player turns the video by 90°.",
        "character_orientation": "image",
        "billed_seconds": "12.04",
        "billed_at_least": "12.0",
        "cost": "0.8428",
        "cost_per_second": "0.07",
        "cost_currency": "",
        "duration_container": "12.04",
        "duration_present": "",
        "window_maximum": "10.0",
        "image_width": "768",
        "image_not_read": "",
        "video_rotation": "90",
        "video_variable_frame_rate": "false",
        "video_audio_codec": "aac",
        "video_transfer_bytes_received": "11604",
    }
    assert {name: told[name] for name in expected} == expected


def test_media_that_are_missing_or_unread() -> None:
    """A row has every column whatever was found; why a medium was not read stands in its own."""
    late = Failure(Cause.TIMEOUT, "no complete answer within 20 s")
    case = replace(a_case(video=None, delivery=replace(DELIVERY, failure=late)), image=None)
    told = row(a_report(WAITING, case=case))
    assert list(told) == list(CHECK_COLUMNS)
    assert told["verdict"] == "unknown"
    assert told["video_not_read"] == "timeout: no complete answer within 20 s"
    assert not any(value for name, value in told.items() if name.startswith("image_"))
    assert told["cost"] == told["billed_seconds"] == ""


@pytest.mark.parametrize(
    ("medium", "expected"),
    [
        (Medium("video", DELIVERY, CLIP), {"kind": "video", "duration_video": "12.0", "format": "", "codec": "h264"}),
        (Medium("image", DELIVERY, PICTURE), {"kind": "image", "format": "png", "container": "", "bit_depth": "8"}),
        (Medium("video", DELIVERY, NotMedia(Refusal.HTML, "a page")), {"kind": "", "not_read": "html: a page"}),
    ],
)
def test_a_probe_in_one_row(medium: Medium, expected: dict[str, str]) -> None:
    """Pictures, clips and what is neither share the columns."""
    told = row(media_report(medium))
    assert list(told) == list(PROBE_COLUMNS)
    assert {name: told[name] for name in expected} == expected


def test_the_table_is_read_back_as_it_was_written() -> None:
    """RFC 4180: names first, CRLF, and whatever a value holds it stays one value."""
    report = a_report(replace(TOO_LONG, message='He said "no", then\nleft; \'tis so'))
    text = render(report, "csv")
    assert text.count("\r\n") == 2
    assert text.endswith("\r\n")
    assert _read(text) == [row(report)]
    assert render(report, "csv", header=False) == text.split("\r\n", 1)[1]


def test_names_of_columns_once(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Many media make one table, in UTF-8 whatever the locale says."""
    for number, brand in enumerate(("動画", "isom")):
        report = media_report(Medium("video", DELIVERY, replace(CLIP, brand=brand)))
        write_report(report, "csv", 0, no_color=True, header=not number)
    read = _read(capsysbinary.readouterr().out.decode("utf-8"))
    assert [item["brand"] for item in read] == ["動画", "isom"]


def _strange(text: str) -> tuple[Report, MediaReport]:
    """A check and a probe with this text wherever a stranger can put one."""
    facts: dict[str, Any] = dict.fromkeys(("brand", "codec", "codec_profile", "pixel_format", "codec_tag"), text)
    delivery = replace(DELIVERY, reference=text, local=True, final_url=text, media_type_declared=text, etag=text)
    case = a_case(video=replace(CLIP, **facts), image=replace(PICTURE, color_mode=text), delivery=delivery)
    report = a_report(replace(TOO_LONG, message=text), replace(WAITING, reason=text), case=case)
    return report, media_report(Medium("video", delivery, replace(CLIP, **facts)))


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula(formula: str, lead: str) -> None:
    """A cell that a stranger wrote is shown, not computed."""
    for report in _strange(lead + formula):
        cells = [value.lstrip() for value in row(report).values()]
        assert len([value for value in cells if formula[1:] in value]) >= 5
        assert [value for value in cells if value and value[0] in "=+-@=+-@﹦"] == []


def test_our_own_numbers_stay_numbers() -> None:
    """A negative number is no formula."""
    report = a_report(case=a_case(video=replace(CLIP, start_offset=Fraction(-1, 2))))
    assert row(report)["video_start_offset"] == "-0.5"


@settings(deadline=None)  # the machine may be busy; what is tested is what stands there
@given(st.text())
def test_any_text_stays_in_its_cell(text: str) -> None:
    """Whatever strangers write: the table keeps its shape, holds no control character and can be encoded."""
    for report in _strange(text):
        written = render(report, "csv")
        assert _read(written) == [row(report)]
        assert not set(written) & set("\x00\x07\x08\t\x1b\x9b\u202e\u2066\u2028\ufeff")
        written.encode()


def test_no_secret_in_a_table() -> None:
    """The signature of a presigned URL is in no cell."""
    delivery = replace(DELIVERY, final_url=f"{DELIVERY.reference}&x=1")
    report = a_report(replace(TOO_LONG, message=f"see {DELIVERY.reference}"), case=a_case(delivery=delivery))
    assert SECRET not in render(report, "csv")
    assert SECRET not in render(media_report(Medium("video", delivery, CLIP)), "csv")


def test_a_table_from_the_command_line() -> None:
    """`check` prints a row, `probe` a table of all that it was given, each with the names of its columns once."""
    clips = [f"{MEDIA}/{name}" for name in ("dance-8s.mp4", "portrait.jpg", "manifest.toml")]
    probed = run("probe", *clips, "--format", "csv")
    assert [item["url"] for item in _read(probed.stdout)] == clips
    assert [item["kind"] for item in _read(probed.stdout)] == ["video", "image", ""]
    checked = run("check", "--image", clips[1], "--video", clips[0], "--orientation", "image", "--format", "csv")
    assert [item["verdict"] for item in _read(checked.stdout)] == ["pass"]
    assert checked.stderr == probed.stderr == ""
