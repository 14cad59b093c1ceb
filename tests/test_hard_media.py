"""Hard media, three ways of delivery: facts, verdict and estimate against the truth of a full decode."""

from __future__ import annotations

import io
import math
import os
import re
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest
from PIL import Image

from preflight.api import Preflight
from preflight.facts import NotMedia, Refusal, VideoFacts
from preflight.rules import RULES
from tests.feeding import feed
from tests.hard_media import ROWS, Row, truth
from tests.media import Clip, build
from tests.servers import MediaServer, NoRanges, Redirect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from preflight.report import Finding, Report

#: libav counts in microseconds; a duration of ours may differ from its own by the rounding, and by nothing more.
ROUNDING = Fraction(1, 1_000_000)
WHOLE = [row for row in ROWS if row.name != "cut-moov-at-end"]


@pytest.fixture(scope="module")
def portrait() -> bytes:
    """An image that passes beside every square clip."""
    sink = io.BytesIO()
    Image.new("RGB", (400, 400), "teal").save(sink, "PNG")
    return sink.getvalue()


@pytest.fixture(scope="module")
def preflight() -> Iterator[Preflight]:
    """A session on loopback; what is said of the way alone is left out, so that disk and network can agree."""
    about_the_way = [rule.id for rule in RULES if rule.id.startswith(("url-", "delivery-"))]
    with Preflight(allow_private=True, ignore=about_the_way) as session:
        yield session


def facts_of(row: Row) -> VideoFacts:
    outcome = feed(row.make()).outcome
    assert isinstance(outcome, VideoFacts)
    return outcome


def close(ours: Fraction | None, true: Fraction | None, within: Fraction = ROUNDING) -> bool:
    return ours is not None and true is not None and abs(ours - true) <= within


def packet_span(data: bytes) -> Fraction:
    """Latest end minus earliest start of all packets: the duration of a file whose header states none."""
    with av.open(io.BytesIO(data), mode="r") as container:
        spans = [
            (packet.pts * packet.time_base, (packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux()
            if packet.pts is not None and packet.time_base is not None
        ]
    return max(stop for _, stop in spans) - min(start for start, _ in spans)


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_durations_are_the_decoder_s(row: Row) -> None:
    """Container as libav reads the whole file; video as its frames are shown; what is present as it decodes."""
    facts, true = facts_of(row), truth(row.make())
    expected = true.container if row.declared else packet_span(row.make())
    # Matroska counts in milliseconds: so exact, and no more, are the packets that time a file without a duration.
    assert close(facts.durations.container, expected, ROUNDING if row.declared else Fraction(1, 1000))
    if row.whole is True and row.name != "mkv-no-track-durations":
        assert close(facts.durations.video, true.video)
        assert close(facts.durations.present, true.video)
    elif row.whole is False:
        assert close(facts.durations.present, true.video)
    assert facts.truncated is ("video-truncated" in row.rules)


@pytest.mark.parametrize("row", WHOLE, ids=lambda row: row.name)
def test_the_picture_is_the_decoder_s(row: Row) -> None:
    """Displayed sides, rotation, pixel format and sound as a full decode gives them."""
    facts, true = facts_of(row), truth(row.make())
    assert (facts.width, facts.height, facts.rotation) == (true.width, true.height, true.rotation)
    assert facts.pixel_format == true.pixel_format
    assert (facts.audio is not None) is true.audio
    assert facts.audio_streams == int(true.audio)


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="this system has no such policies")
def test_making_media_leaves_the_processor_s_turns_alone() -> None:
    """An encoder that raises its caller's priority does so for the rest of the tests, and for all that they start."""
    assert build(Clip(video=Fraction(1, 5), codec="libsvtav1"))
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_no_duration_is_invented() -> None:
    """Where a Matroska file states no duration per track, the picture's is open, and says why."""
    row = next(row for row in ROWS if row.name == "mkv-no-track-durations")
    facts = facts_of(row)
    assert facts.durations.video is None
    assert "only one duration" in next(item.reason for item in facts.unknown if item.fact == "durations.video")


def test_a_lost_index_is_told() -> None:
    """A file cut before its index has no duration at all: the refusal says so."""
    row = next(row for row in ROWS if row.name == "cut-moov-at-end")
    outcome = feed(row.make()).outcome
    assert isinstance(outcome, NotMedia)
    assert outcome.refusal is Refusal.TRUNCATED


def request_for(image: str, video: str, orientation: str) -> dict[str, object]:
    return {
        "model": "kling-v2-6-motion-control",
        "prompt": "a person waves",
        "image_url": image,
        "video_url": video,
        "character_orientation": orientation,
        "mode": "std",
    }


@pytest.mark.parametrize("orientation", ["image", "video"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_verdict_is_the_same_from_disk_and_over_http(
    row: Row, orientation: str, preflight: Preflight, server: MediaServer, portrait: bytes, tmp_path: Path
) -> None:
    """Facts, findings, verdict and estimate do not depend on how the bytes came."""
    data = row.make()
    (tmp_path / "clip.bin").write_bytes(data)
    (tmp_path / "ref.png").write_bytes(portrait)
    image = server.serve("ref.png", portrait, media_type="image/png")
    clip = server.serve("clip", data, media_type=None)
    whole = server.serve("whole", data, media_type=None, behaviour=NoRanges())
    moved = server.serve("moved", behaviour=Redirect(clip))
    ways = {
        "disk": request_for(str(tmp_path / "ref.png"), str(tmp_path / "clip.bin"), orientation),
        "ranges": request_for(image, clip, orientation),
        "no ranges": request_for(image, whole, orientation),
        "redirected": request_for(image, moved, orientation),
    }
    reports = {name: preflight.check(payload) for name, payload in ways.items()}
    expected = getattr(row, orientation)
    for name, report in reports.items():
        rules = {finding.rule for finding in report.findings}
        assert report.verdict == expected, (name, rules, report.not_evaluated)
        if orientation == "image":
            assert row.rules <= rules, name
    base = reports["disk"]
    for name, report in reports.items():
        assert facts_only(report) == facts_only(base), name
        assert report.estimate == base.estimate, name
        assert unnamed(report, tmp_path) == unnamed(base, tmp_path), name


def unnamed(report: Report, folder: Path) -> list[Finding]:
    """The findings, their commands without the input's name: a file on disk is called by its own."""
    names = re.compile(rf"{re.escape(str(folder))}/\w+\.\w+|\bin\.\w+")
    return [item.model_copy(update={"fix": names.sub("INPUT", item.fix)}) for item in report.findings]


def facts_only(report: object) -> object:
    """The video's part of a report without what depends on the way it came."""
    dump = report.model_dump()["video"]  # type: ignore[attr-defined]
    for name in ("url", "final_url", "redirects", "transfer", "media_type_declared", "size_proof", "etag", "ranges",
                 "status", "local", "private", "hops"):  # fmt: skip
        dump.pop(name, None)
    return dump


@pytest.mark.parametrize("row", [row for row in WHOLE if row.declared and row.whole], ids=lambda row: row.name)
def test_the_estimate_holds_the_truth(row: Row, preflight: Preflight, portrait: bytes, tmp_path: Path) -> None:
    """Billed seconds are libav's duration of the whole file, and the interval holds the decoded seconds too."""
    (tmp_path / "clip.bin").write_bytes(row.make())
    (tmp_path / "ref.png").write_bytes(portrait)
    report = preflight.check(request_for(str(tmp_path / "ref.png"), str(tmp_path / "clip.bin"), "video"))
    true, estimate = truth(row.make()), report.estimate
    assert true.container is not None
    assert estimate.billed_seconds == pytest.approx(float(true.container), abs=1e-6)
    assert estimate.at_most == math.ceil(max(true.container, true.video))
    if row.name != "mkv-no-track-durations":
        assert estimate.at_least == math.floor(min(true.container, true.video))
    assert estimate.hold_seconds == 30
