"""Name servers: what an answer may hold, when it may change, and how long it may stay away.

`ANSWERS` are single answers, each judged by a whole check with default options. `changes` are names that answer one
thing for the check and another for the connection, at each place where a new connection is made. `stalled` puts
lookups that never end beside an innocent host, with the real resolver and its threads; only the system's own lookup
is replaced. A real name server that does all this over UDP is in `namespaces.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from preflight.deliver.client import Bounds
from preflight.deliver.resolver import Resolver
from preflight.facts import Cause
from tests.hostile import Score
from tests.hostile.internet import METADATA, PUBLIC, Answer, Names, Stall, heard, session, told, wired
from tests.hostile.scenarios import CLIP
from tests.servers import Ask, Behaviour, Drop, Hangup, MediaServer, Redirect, Status, send_range

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "clip.example"
MANY = tuple(f"93.184.{number // 100}.{number % 100 + 1}" for number in range(200))
#: A new connection is tried to so many addresses at most, and as often as a range is attempted.
_TRIED, _ATTEMPTS = 3, 3
_QUICK = Bounds(connect_timeout=0.3)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer for `HOST`, and what has to become of it."""

    name: str
    answer: Answer
    cause: Cause = Cause.NOT_PUBLIC
    dialled: tuple[str, ...] = ()
    """The addresses that may be tried, in each attempt."""
    host: str = HOST


def _denied() -> Iterator[Answered]:
    for name, *answer in (
        ("loopback first", "127.0.0.1", PUBLIC),
        ("loopback last", PUBLIC, "127.0.0.1"),
        ("loopback behind the addresses that are tried", *MANY[:5], "127.0.0.1"),
        ("one private of 200", *MANY[:150], "10.0.0.1", *MANY[150:]),
        ("public, and loopback of IPv6", PUBLIC, "::1"),
        ("public, and its mapped metadata service", PUBLIC, "::ffff:169.254.169.254"),
        ("loopback, mapped", "::ffff:127.0.0.1"),
        ("loopback, mapped, in hex", "::ffff:7f00:1"),
        ("loopback, IPv4-compatible", "::127.0.0.1"),
        ("loopback, IPv4-translated", "::ffff:0:127.0.0.1"),
        ("loopback through NAT64", "64:ff9b::127.0.0.1"),
        ("private through NAT64", "64:ff9b::10.0.0.1"),
        ("metadata through NAT64", "64:ff9b::169.254.169.254"),
        ("Azure's public metadata address through NAT64", "64:ff9b::168.63.129.16"),
        ("loopback through a local NAT64 prefix", "64:ff9b:1::127.0.0.1"),
        ("loopback through 6to4", "2002:7f00:1::1"),
        ("private through Teredo", "2001:0:4136:e378:8000:63bf:f5ff:fffe"),
        ("link-local with its interface", "fe80::1%eth0"),
        ("public with an interface", "2606:4700:4700::1111%eth0"),
        ("link-local metadata of OpenStack", "fe80::a9fe:a9fe"),
        ("metadata of AWS", "fd00:ec2::254"),
        ("this host", "0.0.0.0"),  # noqa: S104  (nobody binds here)
        ("this host in IPv6", "::"),
        ("broadcast", "255.255.255.255"),
        ("multicast of IPv6", "ff02::1"),
        ("site-local", "fec0::1"),
        ("discard", "100::1"),
    ):
        yield Answered(name, tuple(answer))


ANSWERS = (
    *_denied(),
    Answered("public", (PUBLIC,), Cause.UNREACHABLE, (PUBLIC,)),
    Answered("public through NAT64", ("64:ff9b::808:808",), Cause.UNREACHABLE, ("64:ff9b::808:808",)),
    Answered("200 addresses, all dead", MANY, Cause.UNREACHABLE, MANY[:_TRIED]),
    Answered("no address", (), Cause.UNREACHABLE),
    Answered("no such name", socket.gaierror(socket.EAI_NONAME, "x"), Cause.NO_SUCH_HOST),
    Answered("a name without addresses", socket.gaierror(socket.EAI_NODATA, "x"), Cause.NO_SUCH_HOST),
    Answered("a name server that fails", socket.gaierror(socket.EAI_FAIL, "x"), Cause.DNS_FAILED),
    Answered("try again", socket.gaierror(socket.EAI_AGAIN, "x"), Cause.DNS_FAILED),
    Answered("a name that cannot be encoded", UnicodeError("label empty or too long"), Cause.INVALID_URL),
    Answered("no memory for a thread", RuntimeError("can't start new thread"), Cause.BAD_HTTP),
    Answered("an answer that is no address", ("garbage",), Cause.BAD_HTTP),
    Answered("silence", Stall(), Cause.TIMEOUT),
    Answered("an empty label", (PUBLIC,), Cause.INVALID_URL, host="a..b"),
    Answered("a label of 64 letters", (PUBLIC,), Cause.INVALID_URL, host=f"{'a' * 64}.example"),
    Answered("a name of 254 letters", (PUBLIC,), Cause.INVALID_URL, host=".".join(["a" * 49] * 5) + ".aaaa"),
    Answered("an A-label that is none", (PUBLIC,), Cause.INVALID_URL, host="xn--n3h.example"),
    Answered("circled letters", (PUBLIC,), Cause.INVALID_URL, host="ⓁⓄⒸⒶⓁⒽⓄⓈⓉ"),
)


def wrong_answer(case: Answered) -> str | None:
    """Check a URL whose host has this answer; what went wrong, or None."""
    bounds = _QUICK if isinstance(case.answer, Stall) else None
    seen = asyncio.run(told(f"http://{case.host}/clip.mp4", Names(case.answer), bounds))
    dials = tuple((address, 80) for address in case.dialled) * _ATTEMPTS
    if seen.cause != case.cause or seen.dials != dials:
        return f"ended as {seen.cause}, dialled {list(seen.dials)}"
    return None


# ------------------------------------------------------------------------------------------ rebinding


@dataclass(frozen=True, slots=True)
class Change:
    """A name that is public at first, and moves to a metadata service before the next connection is made."""

    name: str
    behaviour: Behaviour
    """Why there is a next connection."""


class _Closing:
    """A good range, and then the end of the connection."""

    def respond(self, ask: Ask) -> None:
        """Answer and go."""
        send_range(ask, headers=[("Connection", "close")])
        ask.hang_up()


CHANGES = (
    Change("before the second attempt", Hangup(times=1)),
    Change("after a reset", Hangup(times=1, reset=True)),
    Change("after a busy server hung up", Status(503, times=1, headers=(("Connection", "close"),))),
    Change("between two parts of a range", Drop(after=100)),
    Change("between two ranges", _Closing()),
    Change("at a redirect to itself", Status(302, headers=(("Location", "/clip.mp4?again"), ("Connection", "close")))),
    Change("at a redirect to its other spelling", Redirect("http://CLIP.example./clip.mp4")),
)


def wrong_change(change: Change) -> str | None:
    """Fetch through the change; what went wrong, or None."""
    with MediaServer() as server, wired(ports={(PUBLIC, 80): server.port}), heard() as dials:
        server.serve("clip.mp4", CLIP, behaviour=change.behaviour)
        names = Names((PUBLIC,), (METADATA,))
        cause = asyncio.run(_inspected(f"http://{HOST}/clip.mp4", names))
    held = cause is Cause.NOT_PUBLIC and dials == [(PUBLIC, 80)]
    return None if held else f"ended as {cause}, dialled {dials}"


async def _inspected(url: str, names: Resolver, bounds: Bounds | None = None) -> Cause | None:
    async with session(names, bounds) as inspector:
        medium = await inspector.inspect("video", url)
    return medium.delivery.failure.cause if medium.delivery.failure else None


# ------------------------------------------------------------------------------------------- stalling

STALLED = (8, 64, 200)
#: How long an innocent host may wait for its turn.
INNOCENT_SECONDS = 1.0


@contextlib.contextmanager
def _system_lookup() -> Iterator[None]:
    """The system's lookup stalls for every name but `HOST`."""
    real, release = socket.getaddrinfo, threading.Event()

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        if host != HOST:
            release.wait(60)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 0))]

    setattr(socket, "getaddrinfo", look_up)  # noqa: B010  (the one thing in this process that is not ours)
    try:
        yield
    finally:
        release.set()
        setattr(socket, "getaddrinfo", real)  # noqa: B010


def stalled(lookups: int) -> tuple[float, Cause | None]:
    """Inspect `lookups` hosts whose names stall and then an innocent one: its seconds, and what became of it."""

    async def run() -> tuple[float, Cause | None]:
        async with session(Resolver(), Bounds(connect_timeout=2.0, timeout=4.0)) as inspector:
            hostile = [
                asyncio.create_task(inspector.inspect("video", f"http://stalled-{number}.example/clip.mp4"))
                for number in range(lookups)
            ]
            await asyncio.sleep(0.2)
            started = time.monotonic()
            medium = await inspector.inspect("video", f"http://{HOST}/clip.mp4")
            seconds = time.monotonic() - started
            for task in hostile:
                task.cancel()
            await asyncio.gather(*hostile, return_exceptions=True)
        return seconds, medium.delivery.failure.cause if medium.delivery.failure else None

    with MediaServer() as server, wired(ports={(PUBLIC, 80): server.port}), _system_lookup():
        server.serve("clip.mp4", CLIP)
        return asyncio.run(run())


def wrong_stall(lookups: int) -> str | None:
    """What became of the innocent host, if it was not served in time."""
    seconds, cause = stalled(lookups)
    return None if cause is None and seconds < INNOCENT_SECONDS else f"{seconds:.1f} s, {cause}"


def score() -> Score:
    """All of it."""
    faults = [
        *((case.name, wrong_answer(case)) for case in ANSWERS),
        *((change.name, wrong_change(change)) for change in CHANGES),
        *((f"beside {lookups} stalled lookups", wrong_stall(lookups)) for lookups in STALLED),
    ]
    misses = tuple(f"{name}: {fault}" for name, fault in faults if fault)
    return Score(
        "name servers (mixed records, IPv6 forms, rebinding, stalls beside an innocent host)",
        "all held",
        f"{len(faults) - len(misses)} of {len(faults)}",
        misses,
    )
