"""Guards inside HTTP clients: what fails is not sent, everything else is sent as it was, by every library."""

from __future__ import annotations

import asyncio
import copy
import gzip
import io
import json
import logging
import pickle
import threading
import traceback
from typing import TYPE_CHECKING, Any

import httpx
import httpx2
import pytest
import requests
from requests.adapters import HTTPAdapter

import preflight
from preflight import GuardCannotRead, PreflightFailed, UsageError
from tests.guarding import HEADERS, TOKEN, Provider, World, options, provider
from tests.servers import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import MediaServer

GUARDS: dict[Any, Callable[..., Any]] = {httpx: preflight.guard.httpx, httpx2: preflight.guard.httpx2}
LIBRARIES = pytest.mark.parametrize("library", GUARDS, ids=lambda library: library.__name__)


@pytest.fixture
def shop() -> Iterator[Provider]:
    """A provider."""
    with provider() as running:
        yield running


def by_client(library: Any, given: Any, guard: dict[str, Any], method: str, url: str, **what: Any) -> int:
    with library.Client(transport=GUARDS[library](given, **guard)) as client:
        return int(client.request(method, url, **what).status_code)


def by_async_client(library: Any, given: Any, guard: dict[str, Any], method: str, url: str, **what: Any) -> int:
    async def send() -> int:
        async with library.AsyncClient(transport=GUARDS[library](given, **guard)) as client:
            return int((await client.request(method, url, **what)).status_code)

    return asyncio.run(send())


def by_session(_library: Any, given: Any, guard: dict[str, Any], method: str, url: str, **what: Any) -> int:
    if "content" in what:
        what["data"] = what.pop("content")
    with requests.Session() as session:
        session.mount("http://", preflight.guard.requests(given, **guard))
        return session.request(method, url, **what).status_code


#: Every way to send: the library, how, and the transport that the guard wraps when it is given one.
WAYS: dict[str, tuple[Callable[..., int], Any, Callable[[], Any]]] = {
    "httpx": (by_client, httpx, httpx.HTTPTransport),
    "httpx async": (by_async_client, httpx, httpx.AsyncHTTPTransport),
    "httpx2": (by_client, httpx2, httpx2.HTTPTransport),
    "httpx2 async": (by_async_client, httpx2, httpx2.AsyncHTTPTransport),
    "requests": (by_session, requests, HTTPAdapter),
}


def send(way: str, method: str, url: str, guard: dict[str, Any] | None = None, inner: Any = None, **what: Any) -> int:
    """One request through a guard in a client of its own."""
    by, library, _ = WAYS[way]
    return by(library, inner, options(**(guard or {})), method, url, headers=HEADERS, **what)


@pytest.mark.parametrize("way", WAYS)
def test_what_passes_is_sent_and_what_fails_is_not(way: str, shop: Provider, server: MediaServer) -> None:
    """The one line of change: the good request arrives as it was, the bad one never does, and the report says why."""
    world = World(server)
    assert send(way, "POST", shop.url, json=world.good) == 200
    assert shop.bodies() == [world.good]
    with pytest.raises(PreflightFailed, match=r"^The verdict is fail\. video-too-long: ") as stopped:
        send(way, "POST", shop.url, json=world.bad)
    assert stopped.value.report.verdict == "fail"
    assert shop.bodies() == [world.good]


@pytest.mark.parametrize("given", [False, True], ids=["its own transport", "one of the caller's"])
@pytest.mark.parametrize("way", WAYS)
def test_other_requests_pass_byte_for_byte(way: str, given: bool, shop: Provider, server: MediaServer) -> None:
    """Other methods, paths and models: the provider gets what it gets without a guard, and no medium is fetched."""
    world = World(server)
    other = {"model": "kling-v3-omni", "prompt": "…", "image_url": world.good["image_url"], "seed": 1}
    submissions: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"{shop.url}/task_1?x=%2F", {}),
        ("PUT", shop.url, {"json": world.bad}),
        ("POST", f"{shop.base}/v1/images/generations", {"json": world.bad}),
        ("POST", shop.url + "s", {"content": b"\xff\x00"}),
        ("POST", shop.url, {"content": json.dumps(other, indent=3).encode()}),
        ("POST", shop.url, {}),
    ]
    _, library, inner = WAYS[way]
    for method, url, what in submissions:
        assert send(way, method, url, inner=inner() if given else None, **what) == 200
    guarded, shop.got = shop.got, []
    for method, url, what in submissions:
        plain = library.Session() if library is requests else library.Client()
        with plain:
            renamed = {"data" if name == "content" and library is requests else name: it for name, it in what.items()}
            plain.request(method, url, headers=HEADERS, **renamed)
    assert guarded == shop.got
    assert len(guarded) == len(submissions)
    assert world.fetches == 0


@pytest.mark.parametrize("body", ["stream", "gzip", "form", "list", "broken", "deep", "multipart"])
@pytest.mark.parametrize("way", WAYS)
def test_what_cannot_be_read_is_not_sent(way: str, body: str, shop: Provider, server: MediaServer) -> None:
    """Nothing is guessed: the guard says that it cannot read, or lets it pass where it was told to."""
    text = json.dumps(World(server).bad).encode()

    def pieces() -> Any:
        if "async" not in way:
            return iter((text[:20], text[20:]))

        async def coming() -> Any:
            yield text[:20]
            yield text[20:]

        return coming()

    def submission() -> dict[str, Any]:
        bodies: dict[str, Any] = {
            "stream": lambda: {"content": pieces()},
            "gzip": lambda: {"content": gzip.compress(text)},
            "form": lambda: {"data": {"model": "kling-v3-motion-control"}},
            "list": lambda: {"content": b"[" + text + b"]"},
            "broken": lambda: {"content": text[:-1]},
            "deep": lambda: {"content": b"[" * 100_000},
            "multipart": lambda: {"files": {"video": ("clip.mp4", io.BytesIO(b"bytes"))}},
        }
        return bodies[body]()  # type: ignore[no-any-return]

    by, library, _ = WAYS[way]
    headers = {"Content-Encoding": "gzip"} if body == "gzip" else {}
    with pytest.raises(GuardCannotRead, match=r"The body is .* would let it through"):
        by(library, None, options(), "POST", shop.url, headers=headers, **submission())
    assert shop.got == []
    assert by(library, None, options(unreadable="pass"), "POST", shop.url, headers=headers, **submission()) == 200
    assert len(shop.got) == 1
    assert body != "stream" or shop.got[0][3] == text


@pytest.mark.parametrize("url", ["{base}/api/v1/videos/generations", "{base}//v1/videos/generations/?a=b"])
@pytest.mark.parametrize("way", WAYS)
def test_any_base_url(way: str, url: str, shop: Provider, server: MediaServer) -> None:
    """Resellers and gateways put something before the path; a final slash and a query change nothing."""
    with pytest.raises(PreflightFailed):
        send(way, "POST", url.format(base=shop.base), json=World(server).bad)
    assert shop.got == []


@pytest.mark.parametrize("way", WAYS)
def test_another_path(way: str, shop: Provider, server: MediaServer) -> None:
    """`path` moves the guard to where another provider submits."""
    world = World(server)
    assert send(way, "POST", shop.url, {"path": "kling/jobs"}, json=world.bad) == 200
    with pytest.raises(PreflightFailed):
        send(way, "POST", f"{shop.base}/v2/kling/jobs", {"path": "kling/jobs"}, json=world.bad)
    assert len(shop.got) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_model_or_an_orientation_makes_it_ours(way: str, shop: Provider, server: MediaServer) -> None:
    """A misspelt model is caught by the field that no other request has, and the other way round."""
    good = World(server).good
    wrong = [{**good, "model": "kling-v2.6-motion"}, {**good, "orientation": "image"}]
    del wrong[1]["character_orientation"]
    for payload in wrong:
        with pytest.raises(PreflightFailed, match="request-field"):
            send(way, "POST", shop.url, json=payload)
    assert shop.got == []


@LIBRARIES
def test_one_object_serves_both_colours(library: Any, shop: Provider, server: MediaServer) -> None:
    """One transport in a Client and in an AsyncClient, in one program, closed by both; and again afterwards."""
    world = World(server)
    transport = GUARDS[library](**options())

    async def program() -> None:
        async with library.AsyncClient(transport=transport) as client:
            await client.post(shop.url, json=world.good)
            with pytest.raises(PreflightFailed):
                await client.post(shop.url, json=world.bad)

    for _ in range(2):
        with library.Client(transport=transport) as client:
            client.post(shop.url, json=world.good)
            with pytest.raises(PreflightFailed):
                client.post(shop.url, json=world.bad)
        asyncio.run(program())  # a new event loop each time
    assert shop.bodies() == [world.good] * 4


@LIBRARIES
def test_a_transport_of_the_other_colour_is_wrong_usage(library: Any, shop: Provider) -> None:
    """The guard cannot turn a synchronous transport into an asynchronous one; what is no transport it refuses."""
    client = library.Client(transport=GUARDS[library](library.AsyncHTTPTransport(), **options()))
    with pytest.raises(UsageError, match="AsyncHTTPTransport is no transport for Client"):
        client.get(shop.url)
    with pytest.raises(UsageError, match="not a value of type str"):
        GUARDS[library]("http://proxy.example:3128")
    for nothing in ("", "/", None):
        with pytest.raises(UsageError, match="path is the end of a URL's path"):
            GUARDS[library](path=nothing)


@LIBRARIES
def test_answers_stream_and_timeouts_hold(library: Any, shop: Provider, server: MediaServer) -> None:
    """The answer's pieces come as they come, and the client's own timeout is the transport's."""
    world = World(server)
    with library.Client(transport=GUARDS[library](**options()), timeout=0.3) as client:
        with client.stream("POST", shop.url, json=world.good) as answer:
            assert [len(piece) for piece in answer.iter_raw()] == [14, 11]
        with pytest.raises(library.ReadTimeout):
            client.get(server.serve("silent", behaviour=Silent()))
    assert len(shop.got) == 1


def test_requests_streams_and_keeps_its_adapter(shop: Provider, server: MediaServer) -> None:
    """`stream=True`, `timeout=` and the retries of an adapter inside work as without the guard."""
    world = World(server)

    class Counting(HTTPAdapter):
        sent = closed = 0

        def send(self, request: requests.PreparedRequest, *arguments: Any, **keywords: Any) -> requests.Response:
            type(self).sent += 1
            assert keywords["timeout"] == 3
            return super().send(request, *arguments, **keywords)

        def close(self) -> None:
            type(self).closed += 1
            super().close()

    with requests.Session() as session:
        session.mount(shop.base, preflight.guard.requests(Counting(), **options()))
        with session.post(shop.url, json=world.good, stream=True, timeout=3) as answer:
            assert b"".join(answer.iter_content(4)) == b'{"code": 200, "data": []}'
        with pytest.raises(PreflightFailed):
            session.post(shop.url, json=world.bad, timeout=3)
    assert (Counting.sent, Counting.closed) == (1, 1)


def test_a_guard_is_not_pickled() -> None:
    """A session of requests can be pickled with its adapters; a copy without its guard would be none."""
    with requests.Session() as session:
        guard = preflight.guard.requests(**options())
        session.mount("https://", guard)
        for copied in (lambda: pickle.dumps(session), lambda: pickle.dumps(guard), lambda: copy.copy(guard)):
            with pytest.raises(TypeError, match="make one where it is used"):
                copied()


def test_a_text_as_body_is_read(shop: Provider, server: MediaServer) -> None:
    """requests takes the body as text too."""
    with pytest.raises(PreflightFailed):
        send("requests", "POST", shop.url, content=json.dumps(World(server).bad))
    assert shop.got == []


def test_the_event_loop_goes_on_during_a_check(shop: Provider, server: MediaServer) -> None:
    """While a silent server keeps a check waiting, other coroutines have their turns; and a check can be cancelled."""
    world = World(server)
    silent = {**world.good, "video_url": server.serve("silent.mp4", behaviour=Silent())}

    async def program() -> int:
        turns = 0
        async with httpx.AsyncClient(transport=preflight.guard.httpx(**options())) as client:
            task = asyncio.create_task(client.post(shop.url, json=silent))
            while not server.asked("silent.mp4"):
                await asyncio.sleep(0.005)
            for turns in range(1, 21):  # noqa: B007
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(2):
                while server.open_connections > 1:  # the check has ended too: only the image's connection is kept
                    await asyncio.sleep(0.005)
        return turns

    assert asyncio.run(program()) == 20
    assert shop.got == []


def test_the_synchronous_client_works_inside_a_running_loop(shop: Provider, server: MediaServer) -> None:
    """A notebook, or a handler that calls a synchronous SDK."""
    world = World(server)

    async def cell() -> int:
        return send("httpx", "POST", shop.url, json=world.good)

    assert asyncio.run(cell()) == 200


@pytest.mark.parametrize("way", ["httpx", "requests"])
def test_many_threads_share_one_client(way: str, shop: Provider, server: MediaServer) -> None:
    """Eight threads, one client, one guard: each submission is judged by itself."""
    world = World(server)
    client: Any = httpx.Client(transport=preflight.guard.httpx(**options())) if way == "httpx" else requests.Session()
    if way == "requests":
        client.mount("http://", preflight.guard.requests(**options()))
    stopped: list[str] = []

    def work(number: int) -> None:
        payload = {**(world.bad if number % 2 else world.good), "prompt": f"dancer {number}"}
        try:
            client.post(shop.url, json=payload)
        except PreflightFailed:
            stopped.append(payload["prompt"])

    with client:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(stopped) == [f"dancer {number}" for number in range(1, 8, 2)]
    assert sorted(body["prompt"] for body in shop.bodies()) == [f"dancer {number}" for number in range(0, 8, 2)]


@pytest.mark.parametrize("way", WAYS)
def test_the_token_appears_nowhere(
    way: str, shop: Provider, server: MediaServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in any logger's records at DEBUG, not in what is raised, not in what is printed of a guard or a report."""
    world = World(server)
    reports: list[preflight.Report] = []
    guard = {"on_report": reports.append}
    with caplog.at_level(logging.DEBUG, "preflight"), caplog.at_level(logging.DEBUG, "httpcore"):
        send(way, "POST", shop.url, guard, json=world.good)
        with pytest.raises(PreflightFailed) as stopped:
            send(way, "POST", shop.url, guard, json=world.bad)
        with pytest.raises(GuardCannotRead) as unread:
            send(way, "POST", shop.url, guard, content=b"no JSON")
    said = [caplog.text, *(str(vars(record)) for record in caplog.records), *(report.to_json() for report in reports)]
    said += ["".join(traceback.format_exception(error)) for error in (stopped.value, unread.value)]
    said += [repr(preflight.guard.httpx()), repr(preflight.guard.requests()), repr(vars(preflight.guard.Guard()))]
    assert len(reports) == 2
    assert any(record.name == "preflight" for record in caplog.records)
    assert TOKEN in str(shop.got[0][2])
    assert not any(TOKEN in text for text in said)


def test_a_bug_of_ours_is_no_permission(shop: Provider, server: MediaServer) -> None:
    """What a callback raises reaches the caller, and nothing is sent."""

    def refuse(_report: preflight.Report) -> None:
        raise LookupError("not today")

    for way in WAYS:
        with pytest.raises(LookupError, match="not today"):
            send(way, "POST", shop.url, {"on_report": refuse}, json=World(server).good)
    assert shop.got == []
