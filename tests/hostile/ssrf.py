"""Addresses: every collected vector through a whole check with default options, and nothing may be dialled.

`VECTORS` is the shared table (`tests/data/ssrf_vectors.csv`) with two columns of our own: `by` tells where a denied
row has to fall (its form, its address, a path that is no URL), `answers` what a name server says for its host. URL and
IP rows become `CASES`: as they stand, at a canary's port, as the answer to a lookup, among public answers, in IPv6
dress, and as the target of a redirect. The rows of kind "scenario" are in `scenarios.py` and `namespaces.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import re
import socket
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from preflight.deliver.address import Address, embedded
from preflight.deliver.url import host_of, literal_address, port_of
from preflight.facts import Cause
from tests.hostile import Score
from tests.hostile.internet import PUBLIC, Answer, Names, Told, told, wired
from tests.servers import MediaServer, Redirect

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLE = Path(__file__).parents[1] / "data" / "ssrf_vectors.csv"
VECTORS = list(csv.DictReader(_TABLE.read_text("utf-8").splitlines(keepends=True)))
HOST = "clip.example"
#: Where a denied row may fall.
_CAUSES = {
    "form": Cause.INVALID_URL,
    "address": Cause.NOT_PUBLIC,
    "path": Cause.NOT_A_FILE,
    "inline": "request-media-inline",
}
#: No port of its own, and a host that a parser could take for one: a canary's port fits behind it.
_PORTLESS = re.compile(r"(https?://(?:\[[^\]]*\]|[^:/?#\[\]]+))(?=$|[/?#])", re.DOTALL)
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Case:
    """One URL to check, what a name server says, and what has to become of it."""

    name: str
    url: str
    answers: tuple[str, ...] = (PUBLIC,)
    cause: str | None = None
    """The cause of a denied one."""
    canary: bool = False
    """Is the canary's port still to be put into the URL?"""
    redirect: bool = False
    """Does a public server send us there?"""


def cases() -> Iterator[Case]:
    """All URL and IP rows in all forms."""
    for row in VECTORS:
        cause = _CAUSES[row["by"]] if row["by"] else None
        if row["kind"] == "url":
            yield from _as_url(row["vector"], tuple(row["answers"].split()) or (PUBLIC,), cause)
        elif row["kind"] == "ip":
            yield from _as_answer(row["vector"], cause)


def _as_url(url: str, answers: tuple[str, ...], cause: str | None) -> Iterator[Case]:
    case = Case(f"{url[:60]!r}", url, answers, cause)
    yield case
    if cause is not None and _PORTLESS.match(url):
        yield replace(case, name=f"{case.name} at the canary's port", canary=True)
    if url.isascii() and url.isprintable() and cause is not Cause.NOT_A_FILE:  # what can stand in a header
        yield replace(case, name=f"redirect to {case.name}", redirect=True)


def _as_answer(address: str, cause: str | None) -> Iterator[Case]:
    host = f"[{address}]" if ":" in address else address
    literal = Case(f"http://{host}/", f"http://{host}/", cause=cause)
    yield literal
    yield replace(literal, name=f"redirect to {literal.name}", redirect=True)
    yield Case(f"name -> {address}", f"http://{HOST}/", (address,), cause)
    yield Case(f"name -> {address}, {PUBLIC}", f"http://{HOST}/", (address, PUBLIC), cause)
    yield Case(f"name -> {PUBLIC}, {address}", f"http://{HOST}/", (PUBLIC, address), cause)
    if cause is not None:
        yield Case(f"name -> {address}, canary", f"http://{HOST}/", (address,), cause, canary=True)
    if ":" not in address:
        for prefix in ("::ffff:0:0", "64:ff9b::"):
            dressed = str(IPv6Address(int(IPv6Address(prefix)) | int(IPv4Address(address))))
            yield Case(f"name -> {dressed}", f"http://{HOST}/", (dressed,), cause)


CASES = tuple(cases())


class Canary:
    """Listens on loopback, both families, at one port; `hits` counts whoever came."""

    def __enter__(self) -> Canary:
        self._sockets = [socket.create_server(("127.0.0.1", 0), backlog=64)]
        self.port: int = self._sockets[0].getsockname()[1]
        with contextlib.suppress(OSError):  # a machine without IPv6 has no ::1 to protect
            self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6, backlog=64))
        for listener in self._sockets:
            listener.settimeout(0)
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self._sockets:
            listener.close()

    @property
    def hits(self) -> int:
        """Connections since the last call."""
        hits = 0
        for listener in self._sockets:
            with contextlib.suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    hits += 1
        return hits


@contextlib.contextmanager
def public_server() -> Iterator[MediaServer]:
    """A server that the public address of `internet.PUBLIC` leads to."""
    with MediaServer() as server, wired(ports={(PUBLIC, 80): server.port}):
        yield server


async def wrong(case: Case, canary: Canary, server: MediaServer | None = None) -> str | None:
    """Check one case; what went wrong, or None. A redirect needs the public server that sends it."""
    url = _PORTLESS.sub(rf"\1:{canary.port}", case.url, count=1) if case.canary else case.url
    wanted = _wanted(url, case.answers)
    hosts: dict[str, tuple[Answer, ...]] = {"public.example": ((PUBLIC,),)}
    if case.redirect:
        assert server is not None
        path = f"to-{CASES.index(case)}"
        server.serve(path, behaviour=Redirect(url))
        url = f"http://public.example/{path}"
    seen = await told(url, Names(case.answers, hosts=hosts))
    dials = [dial for dial in seen.dials if not (case.redirect and dial == (PUBLIC, 80))]
    if case.cause is not None:
        return _not_denied(seen, case, dials)
    if case.redirect and wanted == {(ip_address(PUBLIC), 80)}:  # the server that sent it, which has no such page
        return None if seen.cause == Cause.NOT_FOUND else f"not fetched: {seen.cause}"
    if {(embedded(ip_address(address)), port) for address, port in dials} != wanted:
        return f"dialled {dials}, not {wanted} ({seen.cause})"
    if seen.cause != Cause.UNREACHABLE or seen.report.verdict != "unknown":
        return f"ended as {seen.cause}, {seen.report.verdict}"
    return None


def _not_denied(seen: Told, case: Case, dials: list[tuple[str, int]]) -> str | None:
    cause = Cause.BAD_REDIRECT if case.redirect and case.cause != Cause.NOT_PUBLIC else case.cause
    if dials:
        return f"dialled {dials}"
    if seen.cause != cause or seen.report.verdict != "fail":
        return f"ended as {seen.cause}, {seen.report.verdict}"
    if case.cause != Cause.NOT_PUBLIC and set(seen.lookups) - {"public.example"}:
        return f"looked up {seen.lookups}"
    return None


def _wanted(url: str, answers: tuple[str, ...]) -> set[tuple[Address, int]]:
    """Where an allowed URL leads; none for a URL whose form is not sound."""
    host, port = host_of(url), port_of(url)
    if host is None or port is None:
        return set()
    literal = literal_address(host)
    return {(embedded(address), port) for address in ([literal] if literal else map(ip_address, answers))}


def faults() -> dict[str, str]:
    """Check all cases; what went wrong, by the case's name, and how many connections reached the canary."""
    with Canary() as canary:
        found = asyncio.run(_faults(canary))
        hits = canary.hits
    return {**found, "canary": f"{hits} connections reached it"} if hits else found


async def _faults(canary: Canary) -> dict[str, str]:
    """Some at once: first the cases that only dial, then those that a public server redirects."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def judged(case: Case, server: MediaServer | None = None) -> tuple[str, str | None]:
        async with turn:
            return case.name, await wrong(case, canary, server)

    judgements = await asyncio.gather(*(judged(case) for case in CASES if not case.redirect))
    with public_server() as server:
        judgements += await asyncio.gather(*(judged(case, server) for case in CASES if case.redirect))
    return {name: fault for name, fault in judgements if fault}


def score() -> Score:
    """All URL and IP rows, with what reached the canary."""
    found = faults()
    rows = sum(row["kind"] != "scenario" for row in VECTORS)
    return Score(
        "SSRF vectors with the expected answer; connections that reach a canary",
        "all; 0",
        f"{len(CASES) - len(found.keys() - {'canary'})} of {len(CASES)} cases (of {rows} URL and IP rows); "
        f"{found.get('canary', '0')}",
        tuple(f"{name}: {fault}" for name, fault in found.items()),
    )
