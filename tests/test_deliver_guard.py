"""Never a packet to an address that is not public: a canary listens, and must stay alone."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from preflight.deliver.backend import GuardedBackend, NotPublic
from preflight.deliver.client import Bounds
from preflight.deliver.library import httpcore
from preflight.deliver.meter import METER, Meter
from preflight.deliver.resolver import Resolver
from preflight.facts import Cause, Hop
from tests.delivery import CLIP, cause_of, deliver, failed
from tests.servers import MediaServer, Redirect

#: Spellings of loopback. Some are refused for their form, the rest where the name becomes an address.
LOOPBACKS = [
    "127.0.0.1",
    "127.1",
    "0",
    "0.0.0.0",  # noqa: S104  (nobody binds here)
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "2130706433",
    "127.000.000.001",
    "127\u30020\u30020\u30021",
    "①②⑦.0.0.1",
    "localhost",
    "LOCALHOST",
    "ⓁⓄⒸⒶⓁⒽⓄⓈⓉ",
    "[::1]",
    "[0000::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::7f00:1]",
    "user@127.0.0.1",
    "8.8.8.8\\@127.0.0.1",
]


class Answers(Resolver):
    """A name server in our hands: one prepared answer per lookup, the last one repeated."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        super().__init__()
        self.lookups = 0
        self._prepared = answers

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:  # noqa: ARG002  (whoever is asked for)
        """Answer as prepared."""
        self.lookups += 1
        return self._prepared[min(self.lookups, len(self._prepared)) - 1]


def connect(
    resolver: Resolver,
    port: int,
    *,
    host: str = "clip.example",
    allow_private: bool = True,
    timeout: float = 2.0,
    times: int = 1,
) -> list[str]:
    """Connect through the guard; returns the addresses that answered."""

    async def run() -> list[str]:
        backend = GuardedBackend(resolver, allow_private=allow_private)
        reached: list[str] = []
        for _ in range(times):
            stream = await backend.connect_tcp(host, port, timeout)
            reached.append(stream.get_extra_info("server_addr")[0])
            await stream.aclose()
        return reached

    return asyncio.run(run())


@pytest.mark.parametrize("host", LOOPBACKS)
def test_no_spelling_of_loopback_is_opened(server: MediaServer, host: str) -> None:
    """However loopback is spelled, nothing connects, and the cause says why."""
    server.serve("clip.mp4", CLIP)
    _, delivery = deliver(f"http://{host}:{server.port}/clip.mp4", bounds=Bounds())
    assert cause_of(delivery) in {Cause.NOT_PUBLIC, Cause.INVALID_URL}
    assert (server.accepted, delivery.transfer.connections) == (0, 0)


def test_the_words_of_a_refusal(server: MediaServer) -> None:
    """The failure names host, address and kind, once and without a second attempt."""
    _, delivery = deliver(f"http://localhost:{server.port}/x", bounds=Bounds())
    assert failed(delivery).cause is Cause.NOT_PUBLIC
    assert failed(delivery).detail in {
        "localhost is 127.0.0.1, a loopback address",
        "localhost is ::1, a loopback address",
    }
    transfer = delivery.transfer
    assert (transfer.requests, transfer.connections, transfer.round_trips, transfer.bytes_received) == (0, 0, 0, 0)
    _, delivery = deliver("http://10.0.0.1/x", bounds=Bounds())
    assert failed(delivery).detail == "10.0.0.1, a private address"


@pytest.mark.parametrize(
    "target", ["http://169.254.169.254/latest", "http://[fd00:ec2::254]/", "http://100.100.100.200/"]
)
def test_a_redirect_to_a_metadata_service(server: MediaServer, target: str) -> None:
    """Every hop passes the guard; a metadata service is closed even where private addresses are open."""
    url = server.serve("go", behaviour=Redirect(target))
    _, delivery = deliver(url)
    assert (failed(delivery).cause, delivery.hops) == (Cause.NOT_PUBLIC, (Hop(url, 302),))
    assert "metadata service" in failed(delivery).detail


def test_private_addresses_open_on_request(server: MediaServer) -> None:
    """The same URL works with `allow_private`."""
    url = server.serve("clip.mp4", CLIP)
    assert cause_of(deliver(url, bounds=Bounds())[1]) is Cause.NOT_PUBLIC
    assert server.accepted == 0
    assert deliver(url, bounds=Bounds(allow_private=True))[1].failure is None


@pytest.mark.parametrize(
    "records",
    [("127.0.0.1", "169.254.169.254"), ("127.0.0.1", "::ffff:100.100.100.200"), ("127.0.0.1", "224.0.0.1")],
)
def test_one_denied_record_denies_the_name(server: MediaServer, records: tuple[str, ...]) -> None:
    """A name with a good and a denied address is denied before any packet, in either order."""
    for order in (records, records[::-1]):
        with pytest.raises(NotPublic):
            connect(Answers(order), server.port)
    assert server.accepted == 0


def test_public_and_private_records(server: MediaServer) -> None:
    """The usual rebinding answer: one public address for the check, loopback for the connection."""
    with pytest.raises(NotPublic, match=r"127\.0\.0\.1"):
        connect(Answers(("93.184.216.34", "127.0.0.1")), server.port, allow_private=False)
    assert server.accepted == 0


def test_a_name_that_changes_its_mind(server: MediaServer) -> None:
    """Each connection looks up once, and goes to what it judged; the next one is judged anew."""
    resolver = Answers(("127.0.0.1",), ("169.254.169.254",))
    with pytest.raises(NotPublic):
        connect(resolver, server.port, times=2)
    assert (resolver.lookups, server.accepted) == (2, 1)


def test_the_next_address_is_tried(server: MediaServer) -> None:
    """A dead address costs one more attempt; both are counted as trips, one as a connection."""
    meter = Meter()
    token = METER.set(meter)
    try:
        assert connect(Answers(("127.0.0.2", "127.0.0.1")), server.port) == ["127.0.0.1"]
    finally:
        METER.reset(token)
    assert (meter.connections, meter.round_trips) == (1, 2)


def test_at_most_three_addresses_are_tried(server: MediaServer) -> None:
    """A name with many dead addresses does not keep us."""
    dead = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.1")
    with pytest.raises(httpcore.ConnectError):
        connect(Answers(dead), server.port)
    with pytest.raises(httpcore.ConnectError):
        connect(Answers(()), server.port)
    assert server.accepted == 0


def test_a_stalled_lookup_is_a_timeout(server: MediaServer) -> None:
    """The lookup has the connection's time limit; the slot and the thread are its own, and others go on."""

    class Stalled(Resolver):
        async def resolve(self, host: str, port: int) -> tuple[str, ...]:
            if host == "stalled.example":
                await asyncio.sleep(30)
            return await super().resolve("127.0.0.1", port)

    resolver = Stalled()
    with pytest.raises(httpcore.ConnectTimeout):
        connect(resolver, server.port, host="stalled.example", timeout=0.1)
    assert connect(resolver, server.port) == ["127.0.0.1"]


def test_the_resolver() -> None:
    """Real lookups: a literal needs none, a local name has an address, a broken name is the system's error."""

    async def run() -> None:
        resolver = Resolver()
        assert await resolver.resolve("::FFFF:1.2.3.4", 80) == ("::ffff:102:304",)
        assert set(await resolver.resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
        with pytest.raises(UnicodeError):
            await resolver.resolve("x" * 64 + ".example", 80)

    asyncio.run(run())


def test_a_lookup_that_outlives_its_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """An abandoned lookup ends in silence: neither the waiting task nor the closed loop is disturbed."""
    release, ended = threading.Event(), threading.Event()

    def slow(*args: object, **options: object) -> list[object]:
        release.wait(10)
        ended.set()
        return []

    async def run(*, after: bool) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await Resolver().resolve("slow.example", 80)
        if after:
            release.set()
            await asyncio.sleep(0.1)

    asyncio.run(run(after=True))
    release.clear()
    asyncio.run(run(after=False))
    release.set()
    assert ended.wait(2)


def test_the_canary_hears_connections() -> None:
    """The proof of the proof: the canary does count a connection that is made."""
    with MediaServer() as canary:
        with socket.create_connection(("127.0.0.1", canary.port)):
            pass
        assert canary.wait_closed()
        assert canary.accepted == 1
