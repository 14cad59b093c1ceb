"""A verdict holds for a while: counted by the media's server, a submission after a check fetches nothing again."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import preflight
from preflight import PreflightFailed, validity
from preflight.guard import Guard
from tests.guarding import SAMPLES, World, options, provider
from tests.servers import NoRanges, Ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import MediaServer

SECRET = "kX93hfQz71Lm"  # noqa: S105  (a canary)


@pytest.fixture(autouse=True)
def _nothing_is_known() -> Iterator[None]:
    validity._KEPT.clear()
    yield
    validity._KEPT.clear()


def again(world: World, payload: Any, **policy: Any) -> int:
    """How many requests for media a guarded submission makes."""
    before = world.fetches
    with Guard(**options(**policy)) as guard:
        guard.admit(payload)
    return world.fetches - before


def signed(url: str, seconds: float) -> str:
    """An S3 URL that ends so many seconds from now."""
    start = datetime.now(UTC) - timedelta(days=1)
    return f"{url}?X-Amz-Date={start:%Y%m%dT%H%M%SZ}&X-Amz-Expires={86400 + seconds:.0f}&X-Amz-Signature={SECRET}"


def test_check_then_submit(server: MediaServer) -> None:
    """`preflight.check`, and then a client with a guard: one inspection. Later submissions need none either."""
    world = World(server)
    report = preflight.check(world.good, **options())
    fetched, seen = world.fetches, list[preflight.Report]()
    assert fetched >= 2
    with provider() as shop:
        with httpx.Client(transport=preflight.guard.httpx(**options(on_report=seen.append))) as client:
            client.post(shop.url, json=dict(reversed(world.good.items())))
            client.post(shop.url, json=world.good)
        assert shop.bodies() == [world.good] * 2
    assert world.fetches == fetched
    assert seen == [report, report]


def test_every_way_to_check_counts(server: MediaServer) -> None:
    """Sessions, coroutines, a model in place of a dict, and what a guard itself has checked."""
    world = World(server)
    asyncio.run(preflight.acheck(world.good, **options()))
    assert again(world, world.good) == 0
    model = preflight.GenerationRequest.model_validate({**world.good, "prompt": "as a model"})
    with preflight.Preflight(**options()) as checks:
        checks.check(model)
    assert again(world, {**world.good, "prompt": "as a model"}) == 0
    assert again(world, {**world.good, "prompt": "by a guard"}) > 0
    assert again(world, {**world.good, "prompt": "by a guard"}) == 0


def test_a_check_is_always_made_anew(server: MediaServer) -> None:
    """Only who asks for an earlier verdict gets one."""
    world = World(server)
    with preflight.Preflight(**options()) as checks:
        first = checks.check(world.good)
        fetched = world.fetches
        checks.check(world.good)
        assert world.fetches > fetched
        fetched = world.fetches
        assert checks.check(world.good, reuse_seconds=60) == checks.check(world.good, reuse_seconds=60)
        assert world.fetches == fetched
    assert first.verdict == "pass"


@pytest.mark.parametrize(
    "changed",
    [
        {"timeout": 6.0},
        {"ignore": ("url-private-allowed", "url-http-plain")},
        {"price": "0.07"},
        {"profile": "kling-official"},
        {"max_bytes": 7_000_000},
        {"isolation": "process"},
        {"speculate": True},
        {"lang": "zh"},
        {"reuse_seconds": 0},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_options_are_another_question(changed: dict[str, Any], server: MediaServer) -> None:
    """What was judged under other limits, prices or patience is judged anew; and `reuse_seconds=0` reuses nothing."""
    world = World(server)
    preflight.check(world.good, **options())
    assert again(world, world.good, **changed) > 0


@pytest.mark.parametrize("field", ["prompt", "mode", "keep_original_sound", "video_url"])
def test_another_request_is_another_question(field: str, server: MediaServer) -> None:
    """Every field counts."""
    world = World(server)
    preflight.check(world.good, **options())
    other = {"prompt": "she sits", "mode": "pro", "keep_original_sound": "no", "video_url": world.clip("phone-4s.mov")}
    assert again(world, {**world.good, field: other[field]}) > 0


@pytest.mark.parametrize("etag", [None, 'W/"v1"', '""', "v1"])
def test_without_a_strong_entity_tag_nothing_is_kept(etag: str | None, server: MediaServer) -> None:
    """A server that does not name the version of its file has promised nothing."""
    world = World(server, etag)
    preflight.check(world.good, **options())
    assert again(world, world.good) > 0


def test_an_announced_size_is_no_proof(server: MediaServer) -> None:
    """Without ranges, what Content-Length says is a claim."""
    world = World(server)
    headers = (("ETag", '"v1"'),)
    url = server.serve("whole.mp4", SAMPLES / "dance-8s.mp4", behaviour=NoRanges(headers=headers))
    assert preflight.check({**world.good, "video_url": url}, **options()).verdict == "pass"
    assert again(world, {**world.good, "video_url": url}) > 0


def test_local_files_are_read_again(server: MediaServer) -> None:
    """A file has no entity tag; it can change at any moment."""
    payload = {**World(server).good, "video_url": str(SAMPLES / "dance-8s.mp4")}
    preflight.check(payload, **options())
    assert validity._KEPT == {}


def test_what_failed_or_is_not_known_is_looked_at_again(server: MediaServer) -> None:
    """Whoever mends a file behind its URL submits it at once; and a file that broke since is not submitted."""
    world = World(server)
    for payload in (world.bad, world.unknown):
        preflight.check(payload, **options())
        assert validity._KEPT == {}
    server.serve("long-11s.mp4", SAMPLES / "dance-8s.mp4", behaviour=Ranges(etag='"v2"'))
    assert again(world, world.bad) > 0
    preflight.check(world.good, **options())
    server.serve("dance-8s.mp4", SAMPLES / "long-11s.mp4", behaviour=Ranges(etag='"v2"'))
    assert again(world, world.good) == 0  # the promise goes no further than the entity tag and its time
    assert preflight.check(world.good, **options()).verdict == "fail"
    with pytest.raises(PreflightFailed):
        again(world, world.good)  # a newer check takes the older verdict's place


@pytest.mark.parametrize(
    ("age", "fetches"), [(0.0, False), (1.9, False), (2.1, True), (-60.0, True)], ids=["now", "young", "old", "future"]
)
def test_after_its_time_it_is_checked_anew(age: float, fetches: bool, server: MediaServer) -> None:
    """Older than `reuse_seconds` by either clock, or from a future that the calendar was set back from."""
    world = World(server)
    preflight.check(world.good, **options())
    ((key, kept),) = validity._KEPT.items()
    now, steady = time.time(), time.monotonic()
    validity._KEPT[key] = validity._Kept(kept.report, kept.terms, now - age, steady - max(age, 0))
    assert (validity.recall(world.good, kept.terms, 2.0) is None) is fetches
    suspended = validity._Kept(kept.report, kept.terms, now - age - 3600, steady)
    validity._KEPT[key] = suspended
    assert validity.recall(world.good, kept.terms, 2.0) is None


def test_time_passes(server: MediaServer) -> None:
    """The same with a real clock."""
    world = World(server)
    preflight.check(world.good, **options())
    time.sleep(0.3)
    assert again(world, world.good, reuse_seconds=0.2) > 0
    assert again(world, world.good, reuse_seconds=30) == 0


def test_a_link_near_its_end_is_judged_again(server: MediaServer) -> None:
    """The profile wants an hour of life: when a link's last hour begins, its verdict is not taken again."""
    world = World(server)
    lasting = {**world.good, "video_url": signed(world.good["video_url"], 7200)}
    preflight.check(lasting, **options())
    assert again(world, lasting) == 0
    ending = {**world.good, "video_url": signed(world.good["video_url"], 3602)}
    assert preflight.check(ending, **options()).verdict == "pass"
    time.sleep(2.1)
    seen: list[preflight.Report] = []
    assert again(world, ending, on_report=seen.append) > 0
    assert [finding.rule for finding in seen[0].findings if finding.severity == "warning"] == ["url-expires-soon"]


def test_no_secret_is_kept(server: MediaServer) -> None:
    """Requests are digests, reports are redacted, a proxy's login is a digest."""
    world = World(server)
    payload = {**world.good, "video_url": signed(world.good["video_url"], 7200)}
    preflight.check(payload, **options())
    assert SECRET not in repr(validity._KEPT)
    ((_, kept),) = validity._KEPT.items()
    with preflight.Preflight(proxy=f"http://user:{SECRET}@127.0.0.1:1", trust_proxy=True) as checks:
        assert SECRET not in repr(checks._inner._terms)
        assert checks._inner._terms.proxy
    assert kept.report.video is not None


def test_the_memory_is_bounded(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest goes first."""
    monkeypatch.setattr(validity, "MOST_REPORTS", 3)
    world = World(server)
    with preflight.Preflight(**options()) as checks:
        for number in range(5):
            checks.check({**world.good, "prompt": str(number)})
    assert len(validity._KEPT) == 3
    assert [again(world, {**world.good, "prompt": str(number)}) > 0 for number in (4, 3, 2, 1)] == [False] * 3 + [True]


def test_a_request_that_json_cannot_carry(server: MediaServer) -> None:
    """It is judged like any other, and not kept."""
    odd: dict[str, Any] = {**World(server).good, "prompt": object()}
    assert preflight.check(odd, **options()).verdict == "fail"
    looped: dict[str, Any] = {**World(server).good}
    looped["watermark_info"] = {"enabled": False, "loop": looped}
    assert preflight.check(looped, **options()).verdict == "fail"
    assert validity._KEPT == {}
