"""One scenario table, every way in: sync, async, sync inside a running loop, and the command line agree."""

from __future__ import annotations

import asyncio
import io
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

import preflight
from preflight import GenerationRequest, Preflight, PreflightFailed, UsageError, Verdict
from tests.media import Clip, build
from tests.servers import MediaServer, NoRanges, Silent, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = Clip(width=352, height=352, fps=Fraction(10), gop=10, video=Fraction(6), audio=Fraction(6))
LONG = Clip(width=352, height=352, fps=Fraction(10), gop=10, video=Fraction(11), audio=Fraction(11))


def picture() -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (400, 400), "teal").save(sink, "PNG")
    return sink.getvalue()


class World:
    """A server with the media that the scenarios name."""

    def __init__(self, server: MediaServer) -> None:
        self.image = server.serve("ref.png", picture(), media_type="image/png")
        self.good = server.serve("good.mp4", build(GOOD))
        self.long = server.serve("long.mp4", build(LONG))
        self.endless = server.serve("chunked.mp4", build(GOOD), behaviour=NoRanges(length=False, chunked=True))
        self.gone = server.serve("gone.mp4", behaviour=Status(404))
        self.busy = server.serve("busy.mp4", behaviour=Status(503, retry_after="0"))
        self.page = server.page("page.mp4")
        self.silent = server.serve("silent.mp4", behaviour=Silent())

    def request(self, **changes: object) -> dict[str, object]:
        """A good request, changed."""
        return {
            "model": "kling-v2-6-motion-control",
            "prompt": "a person waves",
            "image_url": self.image,
            "video_url": self.good,
            "character_orientation": "image",
            "mode": "std",
        } | changes


SCENARIOS: dict[str, tuple[Callable[[World], dict[str, object]], str, str | None]] = {
    "good": (lambda world: world.request(), "warn", None),
    "too long for image": (lambda world: world.request(video_url=world.long), "fail", "video-too-long"),
    "fits video": (
        lambda world: world.request(video_url=world.long, character_orientation="video"), "warn", None,
    ),
    "wrong word": (lambda world: world.request(mode="fast"), "fail", "request-field-value"),
    "unknown field": (lambda world: world.request(durations=5), "fail", "request-field-unknown"),
    "no video": (lambda world: world.request(video_url=None), "fail", "request-field-type"),
    "gone": (lambda world: world.request(video_url=world.gone), "fail", "delivery-not-found"),
    "page": (lambda world: world.request(video_url=world.page), "fail", "delivery-html"),
    "busy": (lambda world: world.request(video_url=world.busy), "unknown", "delivery-server-error"),
    "swapped": (lambda world: world.request(image_url=world.good, video_url=world.image), "fail", "video-is-image"),
    "no length": (lambda world: world.request(video_url=world.endless), "warn", "delivery-no-ranges"),
}  # fmt: skip


def stable(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what time and traffic decide."""
    report = json.loads(json.dumps(report))
    report.pop("timing")
    for medium in ("image", "video"):
        if report[medium]:
            report[medium].pop("transfer")
    return report


def as_wire(report: preflight.Report) -> dict[str, Any]:
    return stable(json.loads(report.to_json()))


def by_command(payload: dict[str, object]) -> tuple[dict[str, Any], int]:
    done = subprocess.run(
        [sys.executable, "-m", "preflight", "check", "-", "--format", "json", "--allow-private"],
        input=json.dumps(payload),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return stable(json.loads(done.stdout)), done.returncode


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_way_in_says_the_same(name: str, server: MediaServer) -> None:
    """Sync, async, sync inside a running loop, a model instead of a dict, and the command line: one report."""
    make, verdict, rule = SCENARIOS[name]
    payload = make(World(server))

    async def inside_a_loop() -> preflight.Report:
        return preflight.check(payload, allow_private=True)

    reports = {
        "sync": as_wire(preflight.check(payload, allow_private=True)),
        "async": as_wire(asyncio.run(preflight.acheck(payload, allow_private=True))),
        "sync in a loop": as_wire(asyncio.run(inside_a_loop())),
    }
    reports["command"], code = by_command(payload)
    for way, report in reports.items():
        assert report == reports["sync"], way
    assert reports["sync"]["verdict"] == verdict
    assert rule is None or rule in {finding["rule"] for finding in reports["sync"]["findings"]}
    assert code == {"pass": 0, "warn": 0, "fail": 1, "unknown": 3}[verdict]


def test_a_model_is_as_good_as_a_dict(server: MediaServer) -> None:
    """A pydantic request gives the report of its dict."""
    payload = World(server).request()
    model = GenerationRequest.model_validate(payload)
    with Preflight(allow_private=True) as session:
        first, second = session.check(payload), session.check(model)
    assert first.verdict == second.verdict
    assert first.findings == second.findings


def test_a_session_keeps_its_connection(server: MediaServer) -> None:
    """Ten checks of the same host do not need twenty connections."""
    payload = World(server).request()
    with Preflight(allow_private=True) as session:
        for _ in range(10):
            session.check(payload)
    assert server.accepted <= 2


def test_two_media_travel_at_once(server: MediaServer) -> None:
    """A silent video does not keep the image waiting: both are asked for before either is answered."""
    world = World(server)
    report = preflight.check(world.request(video_url=world.silent), allow_private=True, timeout=1.5)
    assert report.verdict == Verdict.UNKNOWN
    assert report.image is not None
    assert report.image.format == "png"
    assert {entry.path for entry in server.log} >= {"/ref.png", "/silent.mp4"}
    assert report.timing.seconds < 2.5


def test_a_stream_without_length_is_read_to_its_end_for_its_size(server: MediaServer) -> None:
    """Where no header tells the size, the stream's end proves it, and truncation with it."""
    facts = preflight.probe(World(server).endless, allow_private=True)
    assert facts.medium.size_bytes == len(build(GOOD))
    assert facts.video is not None
    assert facts.video.truncated is False


def test_a_stream_beyond_the_budget_keeps_its_facts(server: MediaServer) -> None:
    """A faststart clip longer than the budget keeps its durations; its size stays open, and so does the verdict."""
    world = World(server)
    clip = build(Clip(**{**GOOD.__dict__, "muxer": (("movflags", "faststart"),), "by_name": True}))
    url = server.serve("big.mp4", clip + bytes(400_000), behaviour=NoRanges(length=False, chunked=True))
    report = preflight.check(world.request(video_url=url), allow_private=True, max_bytes=100_000)
    assert report.verdict == Verdict.UNKNOWN
    assert report.video is not None
    assert report.video.durations.container == pytest.approx(6)
    assert report.video.size_bytes is None


def test_the_verdict_can_be_raised(server: MediaServer) -> None:
    """raise_for_verdict raises on a failure, carries the report, and names the reason."""
    world = World(server)
    report = preflight.check(world.request(video_url=world.long), allow_private=True)
    with pytest.raises(PreflightFailed, match="11") as caught:
        report.raise_for_verdict()
    assert caught.value.report is report
    preflight.check(world.request(), allow_private=True).raise_for_verdict()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"timeout": 0}, "above zero"),
        ({"max_bytes": -1}, "above zero"),
        ({"price": Decimal(0)}, "above zero"),
        ({"profile": "nobody"}, "no profile 'nobody'"),
    ],
)
def test_wrong_usage_is_one_clear_line(options: dict[str, Any], match: str) -> None:
    """A wrong argument raises UsageError with what and where."""
    with pytest.raises(UsageError, match=match):
        preflight.check({}, **options)


def test_a_closed_session_says_how_to_use_it() -> None:
    """Calling a session outside its with block is told, not hung."""
    with pytest.raises(UsageError, match="context manager"):
        Preflight().check({})


def test_closing_a_session_ends_the_check_that_runs(server: MediaServer) -> None:
    """Its caller, in another thread, gets an error of ours; later calls are told that it is closed."""
    session = Preflight(allow_private=True, timeout=30.0)
    url = server.serve("silent.mp4", behaviour=Silent())
    with ThreadPoolExecutor(1) as threads:
        with session:
            waiting = threads.submit(session.probe, url)
            while not server.asked("silent.mp4") and not waiting.done():
                time.sleep(0.01)
        with pytest.raises(UsageError, match="was closed while a check was running"):
            waiting.result(5)
    with pytest.raises(UsageError, match="has ended"):
        session.probe(url)


def test_a_local_file_is_judged_like_its_upload(server: MediaServer, tmp_path: Path) -> None:
    """Paths instead of URLs: the same findings about the media, and the URL rules named as not evaluated."""
    world = World(server)
    (tmp_path / "clip.mp4").write_bytes(build(GOOD))
    (tmp_path / "ref.png").write_bytes(picture())
    local = preflight.check(world.request(image_url=str(tmp_path / "ref.png"), video_url=str(tmp_path / "clip.mp4")))
    assert local.verdict == Verdict.PASS
    assert any(item.rule == "url-form" for item in local.not_evaluated)


def test_the_public_names_are_those_that_are_typed() -> None:
    """`__all__`, the lazy table and the imports for type checkers name the same things, and all exist."""
    assert set(preflight.__all__) == set(preflight._HOME_OF) | {"__version__"}
    for name in preflight.__all__:
        assert getattr(preflight, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        preflight.nothing  # noqa: B018
