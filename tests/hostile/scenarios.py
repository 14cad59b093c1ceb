"""The shared table's scenario rows: what happens between two lookups, two hops, two hosts.

Each runs with default options: public addresses lead to loopback servers below the guard (`internet.wired`). What needs
a machine of its own (a real name server, our own public address) is in `namespaces.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

from preflight.deliver.client import Bounds
from preflight.facts import Cause
from tests.hostile import Score
from tests.hostile.internet import METADATA, PUBLIC, Answer, Dial, Names, Stall, Told, heard, session, told, wired
from tests.hostile.ssrf import VECTORS, Canary
from tests.servers import Hangup, MediaServer, Redirect, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    Attack = Callable[["World"], Coroutine[None, None, str | None]]

CLIP = Path(__file__).parents[2] / "sample_media" / "dance-8s-tail.mp4"
HOST = "public.example"
GOOGLE = "8.8.8.8"
#: Rows whose world is two network namespaces.
ELSEWHERE = ("self: IP of one of our own interfaces",)


@dataclass(frozen=True, slots=True)
class World:
    """Two public servers with one clip each, plain and TLS; the certificate is for `HOST` alone."""

    plain: MediaServer
    tls: MediaServer
    authorities: Path

    async def told(self, url: str, *answers: Answer, bounds: Bounds | None = None) -> Told:
        """Check a URL; `HOST` and every other name have these answers."""
        return await told(url, Names(*answers), bounds, self.authorities)


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Both servers, under the addresses `PUBLIC` and 8.8.8.8."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    with tempfile.TemporaryDirectory() as folder, MediaServer() as plain, MediaServer(tls=context) as tls:
        authorities = Path(folder) / "authority.pem"
        authority.cert_pem.write_to_path(str(authorities))
        for server in (plain, tls):
            server.serve("clip.mp4", CLIP)
        ports = {(address, port): server.port for address in (PUBLIC, GOOGLE) for port, server in _ports(plain, tls)}
        with wired(ports=ports):
            yield World(plain, tls, authorities)


def _ports(plain: MediaServer, tls: MediaServer) -> tuple[tuple[int, MediaServer], ...]:
    return (80, plain), (443, tls)


def _is(seen: Told, cause: Cause | None, *dials: Dial) -> str | None:
    """What is not as expected: the cause (None: it was fetched), and who was dialled in which order."""
    video = seen.report.video
    fetched = video is not None and video.container == "mp4"
    if seen.cause == cause and seen.dials == dials and fetched == (cause is None):
        return None
    return f"ended as {seen.cause}, dialled {list(seen.dials)}"


# --------------------------------------------------------------------------------------------- names


async def _plain(here: World) -> str | None:
    return _is(await here.told(f"http://{HOST}/clip.mp4", (PUBLIC,)), None, (PUBLIC, 80))


async def _public_and_loopback(here: World) -> str | None:
    return _is(await here.told(f"http://{HOST}/clip.mp4", ("198.51.100.1", "127.0.0.1")), Cause.NOT_PUBLIC)


async def _loopback_in_ipv6(here: World) -> str | None:
    return _is(await here.told(f"http://{HOST}/clip.mp4", (GOOGLE, "::1")), Cause.NOT_PUBLIC)


async def _rebinding(here: World) -> str | None:
    """The first connection is lost, and the second asks again: the name has moved to a metadata service by then."""
    first = _is(await here.told(f"http://{HOST}/clip.mp4", (GOOGLE,), (METADATA,)), None, (GOOGLE, 80))
    here.plain.serve("lost.mp4", CLIP, behaviour=Hangup())
    return first or _is(
        await here.told(f"http://{HOST}/lost.mp4", (GOOGLE,), (METADATA,)), Cause.NOT_PUBLIC, (GOOGLE, 80)
    )


async def _cname(here: World) -> str | None:
    """The resolver follows it; what arrives are the final addresses."""
    return _is(await here.told(f"http://{HOST}/clip.mp4", ("10.0.0.1",)), Cause.NOT_PUBLIC)


async def _stall(here: World) -> str | None:
    bounds = Bounds(connect_timeout=0.3)
    return _is(await here.told(f"http://{HOST}/clip.mp4", Stall(30), bounds=bounds), Cause.TIMEOUT)


# ----------------------------------------------------------------------------------------- redirects


def _redirected(location: str, cause: Cause | None, *, tls: bool = False) -> Attack:
    async def attack(here: World) -> str | None:
        server, scheme, port = (here.tls, "https", 443) if tls else (here.plain, "http", 80)
        server.serve("go", behaviour=Redirect(location))
        return _is(await here.told(f"{scheme}://{HOST}/go", (PUBLIC,)), cause, (PUBLIC, port))

    return attack


async def _relative(here: World) -> str | None:
    """It resolves against the name, not against the address behind it."""
    here.plain.serve("go", behaviour=Redirect("/clip.mp4"))
    before = len(here.plain.log)
    seen = await here.told(f"http://{HOST}/go", (PUBLIC,))
    hosts = {entry.headers["host"] for entry in here.plain.log[before:]}
    return _is(seen, None, (PUBLIC, 80)) or (None if hosts == {HOST} else f"Host was {hosts}")


async def _downgrade(here: World) -> str | None:
    here.tls.serve("go", behaviour=Redirect(f"http://{HOST}/clip.mp4"))
    seen = await here.told(f"https://{HOST}/go", (PUBLIC,))
    told_so = "delivery-redirect-downgrade" in seen.rules
    return _is(seen, None, (PUBLIC, 443), (PUBLIC, 80)) or (None if told_so else f"only {sorted(seen.rules)}")


async def _nothing_carried(here: World) -> str | None:
    """A cookie that the first host sets, a referrer, a credential: none of it reaches the second."""
    cookie = (("Set-Cookie", "sid=canary; Path=/"), ("Location", "http://other.example/clip.mp4"))
    here.plain.serve("go", behaviour=Status(302, headers=cookie))
    before = len(here.plain.log)
    seen = await here.told(f"http://{HOST}/go", (PUBLIC,))
    sent = {name for entry in here.plain.log[before:] for name in entry.headers}
    carried = sent & {"cookie", "authorization", "referer", "proxy-authorization"}
    return _is(seen, None, (PUBLIC, 80), (PUBLIC, 80)) or (f"carried {carried}" if carried else None)


# ------------------------------------------------------------------------------------- configuration


async def _proxies(here: World) -> str | None:
    """Proxies of the environment would look the name up themselves: they are not asked."""
    with Canary() as canary:
        named = {f"{name}_proxy": f"http://127.0.0.1:{canary.port}" for name in ("http", "https", "all")}
        named |= {name.upper(): value for name, value in named.items()}
        before = {name: os.environ.get(name) for name in named}
        os.environ |= named
        try:
            plain = await here.told(f"http://{HOST}/clip.mp4", (PUBLIC,))
            tls = await here.told(f"https://{HOST}/clip.mp4", (PUBLIC,))
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                os.environ |= {name: value} if value is not None else {}
        faults = _is(plain, None, (PUBLIC, 80)) or _is(tls, None, (PUBLIC, 443))
        return faults or (f"{canary.hits} connections to the proxy" if canary.hits else None)


async def _other_certificate(here: World) -> str | None:
    seen = await here.told("https://other.example/clip.mp4", (PUBLIC,))
    return _is(seen, Cause.TLS_WRONG_HOST, (PUBLIC, 443))


async def _one_address_two_hosts(here: World) -> str | None:
    """A connection that serves one host is warm: another host at the same address must not get it."""
    with heard() as dials:
        async with session(Names((PUBLIC,)), authorities=here.authorities) as inspector:
            first = await inspector.inspect("video", f"https://{HOST}/clip.mp4")
            second = await inspector.inspect("video", "https://other.example/clip.mp4")
            third = await inspector.inspect("video", f"https://{HOST}/clip.mp4")
    causes = [medium.delivery.failure and medium.delivery.failure.cause for medium in (first, second, third)]
    if causes != [None, Cause.TLS_WRONG_HOST, None] or dials != [(PUBLIC, 443)] * 2:
        return f"ended as {causes}, dialled {dials}"
    return None


SCENARIOS: dict[str, Attack] = {
    "dns: name -> [93.184.216.34]": _plain,
    "dns: name -> [198.51.100.1, 127.0.0.1]": _public_and_loopback,
    "dns: name -> [8.8.8.8, ::1]": _loopback_in_ipv6,
    "dns: name -> 1st lookup 8.8.8.8, 2nd 169.254.169.254": _rebinding,
    "dns: CNAME public -> internal name": _cname,
    "dns: resolver stalls 30 s": _stall,
    "redirect: https://public/ -> http://169.254.169.254/latest": _redirected(
        "http://169.254.169.254/latest", Cause.NOT_PUBLIC, tls=True
    ),
    "redirect: https://public/ -> file:///etc/passwd": _redirected("file:///etc/passwd", Cause.BAD_REDIRECT, tls=True),
    "redirect: http://public/ -> /x": _relative,
    "redirect: https -> http downgrade, public": _downgrade,
    "redirect: Location http://xn--n3h.example/": _redirected("http://xn--n3h.example/", Cause.BAD_REDIRECT),
    "redirect: Location javascript:alert(1)": _redirected("javascript:alert(1)", Cause.BAD_REDIRECT),
    "redirect: cross-origin with Authorization/Cookie": _nothing_carried,
    "env: HTTP_PROXY/ALL_PROXY set, client built without trust_env=False": _proxies,
    "tls: pinned IP, cert for another hostname": _other_certificate,
    "pool: two hosts on one IP, keep-alive": _one_address_two_hosts,
}
ROWS = tuple(row["vector"] for row in VECTORS if row["kind"] == "scenario" and row["vector"] not in ELSEWHERE)


def wrong(row: str) -> str | None:
    """Play one row; what went wrong, or None."""
    with world() as here:
        return asyncio.run(SCENARIOS[row](here))


def score() -> Score:
    """All rows that need no machine of their own."""
    misses = tuple(f"{row}: {fault}" for row in ROWS if (fault := wrong(row)))
    return Score(
        "SSRF scenarios (names, redirects, TLS, pool, proxies)",
        "all held",
        f"{len(ROWS) - len(misses)} of {len(ROWS)}; {len(ELSEWHERE)} more in network namespaces",
        misses,
    )
