"""The internet as a test wants it, in one process and without a packet outside loopback.

Names are answered by `Names`. Who dials is heard by an audit hook: the interpreter itself tells every connection that
any code in this process begins, before its first packet, and the hook lets none leave loopback. Where a public server
has to answer, `wired` lets its address lead to a loopback port, above the socket and below the guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preflight.deliver import backend
from preflight.deliver.client import Bounds, Client
from preflight.deliver.library import httpcore
from preflight.deliver.network import SocketStream, connect
from preflight.deliver.resolver import Resolver
from preflight.inspection import Inspector
from preflight.pipeline import run
from preflight.probes import probe
from preflight.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from preflight.deliver.sparse import SparseBytes
    from preflight.facts import NeedSpans, Outcome
    from preflight.report import Report

PUBLIC = "93.184.216.34"
METADATA = "169.254.169.254"
Dial = tuple[str, int]
_IMAGE = Path(__file__).parents[2] / "sample_media" / "portrait.jpg"

_DIALS: ContextVar[list[Dial] | None] = ContextVar("DIALS", default=None)
_deaf = True


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Note a TCP connection that is about to begin, and end it here unless it stays on loopback."""
    if event != "socket.connect" or (dials := _DIALS.get()) is None:
        return
    plain, where = arguments
    if plain.type & socket.SOCK_STREAM and isinstance(where, tuple):
        dials.append((where[0], where[1]))
        if not ip_address(where[0]).is_loopback:
            raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


@contextlib.contextmanager
def heard() -> Iterator[list[Dial]]:
    """Every TCP connection that this task and its children begin, as (address, port)."""
    global _deaf  # noqa: PLW0603  (an audit hook stays for ever: one is enough)
    if _deaf:
        sys.addaudithook(_hear)
        _deaf = False
    dials: list[Dial] = []
    token = _DIALS.set(dials)
    try:
        yield dials
    finally:
        _DIALS.reset(token)


@contextlib.contextmanager
def wired(*, ports: Mapping[Dial, int]) -> Iterator[None]:
    """Let public addresses lead to loopback ports; every other one has no route."""

    async def dial(address: str, port: int, timeout: float | None) -> SocketStream:
        if (dials := _DIALS.get()) is not None:
            dials.append((address, port))
        if (address, port) not in ports:
            raise httpcore.ConnectError from OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))
        token = _DIALS.set(None)  # it is heard already, under the address that was meant
        try:
            return await connect("127.0.0.1", ports[address, port], timeout)
        finally:
            _DIALS.reset(token)

    setattr(backend, "connect", dial)  # noqa: B010  (a name that the module imports, not one that it offers)
    try:
        yield
    finally:
        setattr(backend, "connect", connect)  # noqa: B010


@dataclass(frozen=True, slots=True)
class Stall:
    """A name server that takes its time."""

    seconds: float = 30.0


Answer = tuple[str, ...] | Exception | Stall


class Names(Resolver):
    """A name server in our hands: prepared answers for each lookup of a name, the last one repeated.

    `otherwise` are the answers for every name that `hosts` does not hold.
    """

    def __init__(self, *otherwise: Answer, hosts: Mapping[str, tuple[Answer, ...]] | None = None) -> None:
        super().__init__()
        self._hosts = hosts or {}
        self._otherwise = otherwise or ((PUBLIC,),)
        self.lookups: list[str] = []

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:  # noqa: ARG002  (one answer for all ports)
        """Answer as prepared; a literal address is itself."""
        with contextlib.suppress(ValueError):
            return (str(ip_address(host)),)
        name = host.lower().removesuffix(".")
        self.lookups.append(name)
        answers = self._hosts.get(name, self._otherwise)
        answer = answers[min(self.lookups.count(name), len(answers)) - 1]
        if isinstance(answer, Stall):
            await asyncio.sleep(answer.seconds)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(frozen=True, slots=True)
class Told:
    """What a whole check said of one medium, and what it did for that."""

    report: Report
    dials: tuple[Dial, ...]
    lookups: tuple[str, ...]

    @property
    def cause(self) -> str | None:
        """Why the video could not be had: the failure's cause, or the rule by which its URL was never asked for."""
        if (video := self.report.video) is None:
            return next(finding.rule for finding in self.report.findings if finding.pointer == "/video_url")
        return video.failure.cause if video.failure else None

    @property
    def rules(self) -> frozenset[str]:
        """The findings."""
        return frozenset(finding.rule for finding in self.report.findings)


@contextlib.asynccontextmanager
async def session(
    names: Resolver, bounds: Bounds | None = None, authorities: Path | None = None
) -> AsyncIterator[Inspector]:
    """What inspects, with our name server instead of the machine's; everything else by default."""
    bounds = bounds or Bounds()
    async with Client(bounds, authorities=authorities, resolver=names) as client:
        yield Inspector(client, _probe, bounds.timeout)


async def told(reference: str, names: Names, bounds: Bounds | None = None, authorities: Path | None = None) -> Told:
    """Check a request whose video is at `reference`; its image lies here, so that every lookup is the video's."""
    request = {
        "model": "kling-v2-6-motion-control",
        "prompt": "she dances",
        "image_url": str(_IMAGE),
        "video_url": reference,
        "character_orientation": "image",
        "mode": "std",
    }
    with heard() as dials:
        async with session(names, bounds, authorities) as inspector:
            report = await run(request, inspector, settings_of("xcompute", {}))
        return Told(report, tuple(dials), tuple(names.lookups))


async def _probe(data: SparseBytes) -> Outcome | NeedSpans:
    return await asyncio.to_thread(probe, data)
