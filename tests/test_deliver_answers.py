"""What one answer may cost, and whether the connection that brought it may serve again."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from preflight.deliver.client import Bounds, Client
from preflight.deliver.network import is_own_address
from preflight.deliver.resolver import Resolver
from preflight.deliver.sparse import Span
from preflight.facts import Cause
from tests.delivery import CLIP, LOOPBACK, cause_of, deliver, failed
from tests.servers import Behaviour, Drip, NoRanges, send_range

if TYPE_CHECKING:
    from tests.servers import Ask, MediaServer

HASTY = replace(LOOPBACK, patience=0.3, timeout=10.0)


# ------------------------------------------------------------------------------------------------ pace


@dataclass(frozen=True, slots=True)
class Late:
    """A good answer that begins late."""

    seconds: float

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.pause(self.seconds)
        send_range(ask)


@dataclass(frozen=True, slots=True)
class Stall:
    """A good answer's first bytes, and silence."""

    after: int

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.head(206, [("Content-Range", f"bytes 0-999/{ask.resource.size}"), ("Content-Length", "1000")])
        ask.content(0, self.after)
        ask.pause(60)


@dataclass(frozen=True, slots=True)
class DrippingHead:
    """A header that never ends."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        ask.raw(b"HTTP/1.1 206 Partial Content\r\nX-Long: ")
        for _ in range(500):
            ask.raw(b"x")
            ask.pause(0.02)


@pytest.mark.parametrize("behaviour", [Drip(0.02), Stall(100), Stall(0), DrippingHead()], ids=repr)
def test_an_answer_that_will_not_end_is_given_up(server: MediaServer, behaviour: Behaviour) -> None:
    """A few bytes now and then keep nobody waiting until the deadline."""
    url = server.serve("clip.mp4", CLIP, behaviour=behaviour)
    started = time.monotonic()
    _, delivery = deliver(url, bounds=HASTY)
    assert failed(delivery).detail == "the server sends too few bytes a second for the answer to end"
    assert (failed(delivery).cause, len(server.log)) == (Cause.TIMEOUT, 1)
    assert 0.3 <= time.monotonic() - started < 2.0


@pytest.mark.parametrize("behaviour", [Late(0.8), Drip(0.2, 1000)], ids=repr)
def test_patience_with_the_merely_slow(server: MediaServer, behaviour: Behaviour) -> None:
    """The time before the first byte is no pace, and a few kilobytes a second are enough."""
    url = server.serve("clip.mp4", CLIP, behaviour=behaviour)
    assert deliver(url, bounds=HASTY)[1].failure is None


def test_our_own_pauses_are_not_the_servers(server: MediaServer) -> None:
    """A stream that waits for us in the middle is not slow."""
    url = server.serve("clip.mp4", CLIP, behaviour=NoRanges())

    async def run() -> None:
        async with Client(HASTY) as client, client.source(url) as source:
            await source.fetch((Span(0, 1000),))
            await asyncio.sleep(0.8)
            await source.fetch((Span(99_000, 100_000),))
            assert source.data.read(99_000, 100_000) == CLIP[99_000:]

    asyncio.run(run())


# ------------------------------------------------------------------------------------------------ bytes


@dataclass(frozen=True, slots=True)
class Interim:
    """Interim answers without end."""

    def respond(self, ask: Ask) -> None:
        """Answer."""
        while not ask.closing.is_set():
            ask.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)


def test_interim_answers_are_paid_for(server: MediaServer) -> None:
    """What is no body counts, too: a flood of interim answers ends at the byte budget."""
    url = server.serve("clip.mp4", CLIP, behaviour=Interim())
    _, delivery = deliver(url, bounds=replace(LOOPBACK, max_bytes=100_000))
    assert cause_of(delivery) is Cause.BUDGET
    assert delivery.transfer.bytes_received < 100_000 + 256 * 1024 + 65_537


# ------------------------------------------------------------------------------------- one answer, one reader


@dataclass(frozen=True, slots=True)
class Smuggle:
    """A short answer, and behind it a whole other one that nobody has asked for yet; `late`: seconds later."""

    late: float | None = None

    def respond(self, ask: Ask) -> None:
        """Answer."""
        body = b"x" * 10
        poison = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-999/100000\r\nContent-Length: 1000\r\n\r\n"
        answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n" + body
        if self.late is None:
            ask.raw(answer + poison + b"P" * 1000)
        else:
            ask.raw(answer)
            time.sleep(self.late)
            ask.raw(poison + b"P" * 1000)
        ask.log.status = 404


@pytest.mark.parametrize("late", [None, 0.05])
def test_no_answer_reaches_another_medium(server: MediaServer, late: float | None) -> None:
    """Bytes behind an answer are never read as the next medium's: such a connection does not serve again."""
    poisoned = server.serve("poison.mp4", behaviour=Smuggle(late))
    good = server.serve("clip.mp4", CLIP)

    async def run() -> bytes:
        async with Client(LOOPBACK) as client:
            async with client.source(poisoned) as source:
                with pytest.raises(Exception, match="nothing at this URL"):
                    await source.fetch((Span(0, 1000),))
            await asyncio.sleep(0.2)
            async with client.source(good) as source:
                await source.fetch((Span(0, 1000),))
                return source.data.read(0, 1000)

    assert asyncio.run(run()) == CLIP[:1000]
    assert [entry.connection for entry in server.log] == [0, 1]


def test_a_clean_answer_keeps_its_connection(server: MediaServer) -> None:
    """The books balance for honest servers: media of one host share a connection."""
    urls = [server.serve(f"{number}.mp4", CLIP) for number in range(3)]

    async def run() -> None:
        async with Client(LOOPBACK) as client:
            for url in urls:
                async with client.source(url) as source:
                    await source.fetch((Span(0, 1000),))

    asyncio.run(run())
    assert server.accepted == 1


# ------------------------------------------------------------------------------------------------ names


def test_one_lookup_for_all_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for a name that is being looked up gets the same answer; one who leaves disturbs nobody."""
    asked: list[str] = []
    go = threading.Event()

    def slow(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        go.wait(5)
        if host == "bad.example":
            raise socket.gaierror(socket.EAI_NONAME, "no")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))]

    async def run() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        resolver = Resolver()
        waiting = [asyncio.create_task(resolver.resolve("a.example", 80)) for _ in range(5)]
        lost = [asyncio.create_task(resolver.resolve("bad.example", 80)) for _ in range(2)]
        await asyncio.sleep(0.05)
        waiting.pop(0).cancel()
        lost.pop(0).cancel()
        go.set()
        assert await asyncio.gather(*waiting) == [("192.0.2.1",)] * 4
        with pytest.raises(socket.gaierror):
            await lost[0]
        assert await resolver.resolve("a.example", 443) == ("192.0.2.1",)

    asyncio.run(run())
    assert sorted(asked) == ["a.example", "a.example", "bad.example"]


def test_this_machines_own_addresses() -> None:
    """Found without a packet, however they are spelled; nobody else's are."""
    assert is_own_address("127.0.0.1")
    assert is_own_address("::ffff:127.0.0.1")
    assert not is_own_address("192.0.2.1")
    assert not is_own_address("2001:db8::1")


def test_defaults_of_the_bounds() -> None:
    """What is promised about a slow answer."""
    assert (Bounds().slowest, Bounds().patience) == (1024.0, 5.0)
