"""What goes out on a connection and what comes back, where the quick ways must be the library's own."""

from __future__ import annotations

import asyncio
import errno
import resource
import string
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight import __version__
from preflight.deliver import exchange
from preflight.deliver.client import Bounds, Client, Undelivered
from preflight.deliver.failure import failure_of
from preflight.deliver.resolver import Resolver
from preflight.deliver.sparse import Span
from preflight.deliver.transport import Session, target_of
from preflight.deliver.url import url_fault
from preflight.facts import Cause
from tests.delivery import CLIP, LOOPBACK, cause_of, deliver
from tests.servers import MediaServer, NoRanges, Raw

if TYPE_CHECKING:
    from collections.abc import Iterator

URLS = (
    "https://example.com/clip.mp4",
    "http://example.com:80/clip.mp4",
    "https://example.com:443/a?b",
    "https://example.com:8443/clip.mp4?X-Amz-Signature=0a1b%2Fc%3D&x=1+2",
    "http://127.0.0.1:37851/0/portrait.jpg",
    "http://127.0.0.1:00080/x",
    "https://EXAMPLE.com/Clip.mp4",
    "https://example.com./clip.mp4",
    "https://example.com",
    "https://example.com?a=b",
    "https://example.com/#part",
    "https://example.com/a/./b/../clip.mp4",
    "https://example.com/.hidden/clip.mp4",
    "https://example.com/%7euser/100%/clip.mp4",
    "https://example.com/ä/ß.mp4?q=ö",
    "https://bücher.example/clip.mp4",
    "https://xn--bcher-kva.example/clip.mp4",
    "http://[2001:db8::1]:8080/clip.mp4",
    "https://a-b.example/a|b/{c}/`d`/[e]/f^g\\h.mp4?a={b}&c=[d]|e`f'g",
    "https://1.2.3.4.example/it's(1).mp4",
    "https://example.com//double//slash.mp4??a=/b?c",
)


def theirs(url: str) -> tuple[bytes, bytes, int | None, bytes, bytes]:
    """What the library makes of a URL."""
    parsed = httpx.URL(url)
    return parsed.raw_scheme, parsed.raw_host, parsed.port, parsed.raw_path, parsed.netloc


def ours(url: str) -> tuple[bytes, bytes, int | None, bytes, bytes]:
    """The same of ours."""
    target, host = target_of(url)
    return target.scheme, target.host, target.port, target.target, host


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_asked_for_as_the_library_would(url: str) -> None:
    """Port, host and path as they are to be written, whether the URL is plain or not."""
    assert ours(url) == theirs(url)


_LETTERS = string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%{}|^`\\äß"


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(["http://", "https://"]),
    st.text("ab1-.", min_size=1, max_size=12) | st.sampled_from(["1.2.3.4", "1.2.3.04", "256.1.1.1", "[::1]", "A.b"]),
    st.sampled_from(["", ":80", ":443", ":8080", ":0", ":65536", ":"]),
    st.text(_LETTERS, max_size=30).map(lambda text: f"/{text}")
    | st.sampled_from(["", "?a", "/%2e%2E/x", "/a/..", "/.."]),
)
def test_any_url_is_asked_for_as_the_library_would(scheme: str, host: str, port: str, rest: str) -> None:
    """Of all texts that are let through to the wire."""
    url = f"{scheme}{host}{port}{rest}"
    if url_fault(url) is not None:
        return
    try:
        wanted = theirs(url)
    except httpx.InvalidURL:
        with pytest.raises(httpx.InvalidURL):
            ours(url)
    else:
        assert ours(url) == wanted


def test_a_request_says_who_asks_and_for_what_and_no_more(server: MediaServer) -> None:
    """The same headers on a fresh connection and on a warm one."""
    deliver(server.serve("clip.mp4", CLIP), [(0, 10)], [(50, 60)])
    always = {
        "host": server.log[0].headers["host"],
        "user-agent": f"preflight/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
    }
    first, second = (entry.headers for entry in server.log)
    assert first == always | {"range": "bytes=0-9"}
    assert second == always | {"range": "bytes=50-59"}


def _answer(*headers: str) -> bytes:
    return "\r\n".join(("HTTP/1.1 206 Partial Content", "Content-Length: 4", *headers, "", "abcd")).encode("latin-1")


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        (("Content-Range: bytes 0-3/4",), None),
        (("CONTENT-RANGE: bytes 0-3/4", 'ETag: "\xe9"'), None),
        (("Content-Range: bytes 0-3/4", "content-range: bytes 0-3/4"), Cause.BAD_HTTP),
        (("Content-Range: bytes 0-3/4", "Content-Length: 5"), Cause.BAD_HTTP),
    ],
)
def test_a_header_that_comes_twice_is_no_header(
    server: MediaServer, headers: tuple[str, ...], cause: Cause | None
) -> None:
    """Which of the two would count? Letters that are not UTF-8 are read all the same."""
    data, delivery = deliver(server.serve("clip.mp4", b"abcd", behaviour=Raw(_answer(*headers))), [(0, 4)])
    assert cause_of(delivery) is cause
    assert (len(data), delivery.etag) == ((4, '"\xe9"' if len(headers) > 1 else None) if cause is None else (0, None))


def test_a_body_that_is_left_ends_its_connection(server: MediaServer) -> None:
    """What still comes of it would be read as the next answer."""
    long = server.serve("long.mp4", CLIP * 20, behaviour=NoRanges())
    clip = server.serve("clip.mp4", CLIP)

    async def ask() -> None:
        async with Client(LOOPBACK) as client:
            for url in (clip, long, clip, clip):
                async with client.source(url) as source:
                    await source.fetch((Span(0, 10),))
                    assert source.data.read(0, 10) == CLIP[:10]

    asyncio.run(ask())
    assert [entry.connection for entry in server.log] == [0, 0, 1, 1]


class _Here(Resolver):
    """Every name leads to this machine."""

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:  # noqa: ARG002
        """The loopback address."""
        return ("127.0.0.1",)


@contextmanager
def files(most: int) -> Iterator[None]:
    """This process can open no file whose number would be `most` or more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def fetch(client: Client, url: str) -> None:
    async with client.source(url) as source:
        await source.fetch((Span(0, 10),))


async def left_open(server: MediaServer, most: int) -> int:
    """How many connections the server has, once no more than `most` are left (or two seconds have passed)."""
    end = time.monotonic() + 2
    while server.open_connections > most and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return server.open_connections


def test_idle_connections_are_few(server: MediaServer) -> None:
    """However many hosts there are, a process that may open 256 files keeps 64 connections: those used last."""
    url = server.serve("clip.mp4", CLIP)

    async def run() -> None:
        async with Client(Bounds(allow_private=True, attempts=1), resolver=_Here()) as client:
            for number in range(100):
                await fetch(client, url.replace("127.0.0.1", f"h{number}.example"))
            assert await left_open(server, 64) == 64
            for number in range(36, 100):
                await fetch(client, url.replace("127.0.0.1", f"h{number}.example"))
            assert server.accepted == 100
            await fetch(client, url.replace("127.0.0.1", "h0.example"))
            assert server.accepted == 101

    with files(256):
        asyncio.run(run())
    assert server.wait_closed()


def test_an_expired_connection_is_closed(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its host is never asked again."""
    monkeypatch.setattr(exchange, "KEEP_ALIVE", 0.05)
    url = server.serve("clip.mp4", CLIP)

    async def run() -> None:
        async with Client(LOOPBACK, resolver=_Here()) as client:
            await fetch(client, url.replace("127.0.0.1", "a.example"))
            await asyncio.sleep(0.1)
            await fetch(client, url)
            assert await left_open(server, 1) == 1

    asyncio.run(run())


def test_connections_that_end_while_others_are_taken(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives a connection back closes old ones; another one may take it meanwhile, and nobody is charged."""
    monkeypatch.setattr(exchange, "KEEP_ALIVE", 0.02)
    url = server.serve("clip.mp4", CLIP)

    async def run() -> None:
        session = Session(LOOPBACK)

        async def ask(often: int) -> None:
            for number in range(often):
                answer = await session.get(url, {"Range": "bytes=0-9"})
                while await answer.read():
                    pass
                await asyncio.sleep(0.03 if number % 3 == 0 else 0)

        async with asyncio.TaskGroup() as group:
            for number in range(24):
                group.create_task(ask(60 + number))
        await session.aclose()

    asyncio.run(run())


def test_no_more_files_can_be_opened(server: MediaServer) -> None:
    """It is told as what it is, it may pass, and it does."""
    url = server.serve("clip.mp4", CLIP)

    async def run() -> None:
        async with Client(Bounds(allow_private=True, attempts=1), resolver=_Here()) as client:
            await fetch(client, url)
            with files(0), pytest.raises(Undelivered) as stop:
                await fetch(client, url.replace("127.0.0.1", "a.example"))
            assert stop.value.failure.cause is Cause.MACHINE
            assert stop.value.failure.cause.passing
            assert "too many files and connections are open" in stop.value.failure.detail
            await fetch(client, url.replace("127.0.0.1", "a.example"))

    asyncio.run(run())


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EBUSY])
def test_a_full_machine_has_several_words_for_it(number: int) -> None:
    """The process or the whole machine is full; and the lookup of a name could not read its files."""
    assert failure_of(OSError(number, "")).cause is Cause.MACHINE


def test_a_cancelled_wait_leaves_no_place_taken(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever step a request is cancelled that had to replace a connection, nothing is counted as busy."""
    monkeypatch.setattr(exchange, "KEEP_ALIVE", 0.01)
    url = server.serve("clip.mp4", CLIP)

    async def run() -> None:
        session = Session(LOOPBACK)
        for steps in range(12):
            answer = await session.get(url, {"Range": "bytes=0-9"})
            while await answer.read():
                pass
            await asyncio.sleep(0.02)
            asking = asyncio.create_task(session.get(url, {"Range": "bytes=0-9"}))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking})
            if not asking.cancelled():
                await asking.result().aclose()
            assert not session._connections._busy
        await session.aclose()

    asyncio.run(run())
