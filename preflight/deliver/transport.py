"""A session with the HTTP library: one pool of guarded connections, and requests that carry nothing but the question.

The library's own client is left out on purpose: it keeps cookies, reads proxies from the environment, parses a
redirect's target before anybody judged it, and logs whole URLs. What the provider would meet is what we want to meet.
"""

from __future__ import annotations

import logging
import re
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from preflight import __version__
from preflight.deliver.address import address_fault
from preflight.deliver.backend import GuardedBackend, NotPublic
from preflight.deliver.exchange import KEEP_ALIVE, Direct, Proxied, Question
from preflight.deliver.library import httpcore, httpx
from preflight.deliver.meter import METER
from preflight.deliver.resolver import Resolver
from preflight.deliver.url import host_of, literal_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

    from preflight.deliver.exchange import Exchange, Head
    from preflight.deliver.source import Bounds

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

#: How many connections wait for another question, in all; fewer where that is more than a quarter of the files that
#: this process may open.
_IDLE = 256

#: URLs that the library would send as they stand: nothing to encode, to lower or to leave out. Most are.
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_HOST = rf"(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*|{_OCTET}(?:\.{_OCTET}){{3}}"
_WORDS = r"[A-Za-z0-9._~!$&()*+,;=:@/-]"
_TEXT = rf"{_WORDS}*+(?:%[0-9A-Fa-f]{{2}}{_WORDS}*+)*+"
_PLAIN = re.compile(rf"(https?)://({_HOST})(?::([1-9][0-9]{{0,4}}))?(/{_TEXT}(?:\?{_TEXT})?)")
_PORTS = {"http": 80, "https": 443}


class Session:
    """The connections of one client. It belongs to one event loop."""

    def __init__(
        self,
        bounds: Bounds,
        *,
        authorities: Path | None = None,
        resolver: Resolver | None = None,
        proxy: str | None = None,
    ) -> None:
        _keep_logs_quiet()
        private = bounds.allow_private
        backend = GuardedBackend(resolver or Resolver(), allow_private=private, is_proxy=proxy is not None)
        self._connections = _Connections(backend, authorities, proxy)
        self._allow_private = private
        self._has_proxy = proxy is not None
        self._timeouts = bounds.connect_seconds, bounds.read_seconds
        self._headers = (
            (b"User-Agent", f"preflight/{__version__}".encode()),
            (b"Accept", b"*/*"),
            (b"Accept-Encoding", b"identity"),  # in a compressed answer the positions of bytes would mean nothing
        )

    async def get(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Send one GET; the body waits on the wire until it is read, and the caller closes the answer.

        Raises:
            Exception: whatever the library, the system or a hostile server makes it raise; see `failure.py`.
        """
        if self._has_proxy:  # a name is the proxy's to judge; an address is ours to refuse, whoever connects to it
            _judge_literal(url, allow_private=self._allow_private)
        target, host = target_of(url)
        more = ((name.encode("ascii"), value.encode("ascii")) for name, value in headers.items())
        told = [(b"Host", host), *self._headers, *more]
        return await self._connections.ask(Question(target, told, *self._timeouts))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._connections.aclose()


def _judge_literal(url: str, *, allow_private: bool) -> None:
    host = host_of(url) or ""
    address = literal_address(host)
    if address is not None and (fault := address_fault(address, allow_private=allow_private)):
        raise NotPublic(host, str(address), fault)


def target_of(url: str) -> tuple[httpcore.URL, bytes]:
    """What is asked, as the library needs it, and whom: the Host header."""
    plain = None if "/." in url else _PLAIN.fullmatch(url)
    if plain is None:
        parsed = httpx.URL(url)
        target = httpcore.URL(scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path)
        return target, parsed.netloc
    scheme, host, port, path = plain[1], plain[2], plain[3], plain[4]
    number = None if port is None or int(port) == _PORTS[scheme] else int(port)
    target = httpcore.URL(scheme=scheme.encode(), host=host.encode(), port=number, target=path.encode())
    return target, (host if number is None else f"{host}:{number}").encode()


_Origin = tuple[bytes, bytes, int]


@dataclass(slots=True, eq=False)
class _Place:
    """A connection of this origin."""

    origin: _Origin
    exchange: Exchange


class Answer:
    """One answer: its head is here, its body waits on the wire. `position` is how much of the body was read."""

    __slots__ = ("_connections", "_headers", "_place", "position", "status")

    def __init__(self, head: Head, place: _Place, connections: _Connections) -> None:
        self.status = head.status
        self.position = 0
        self._place: _Place | None = place
        self._connections = connections
        self._headers: dict[bytes, bytes] = {}
        for name, value in head.headers:
            known = self._headers.get(name := name.lower())
            self._headers[name] = value if known is None else known + b", " + value

    def header(self, name: bytes) -> str | None:
        """A header by its name in lower case; one that comes several times is a list."""
        value = self._headers.get(name)
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    async def read(self) -> bytes:
        """Return the next piece of the body as it came from the wire; empty at the end."""
        if self._place is None:
            return b""
        piece = await self._place.exchange.read()
        self.position += len(piece)
        if not piece:
            await self.aclose()
        return piece

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        place, self._place = self._place, None
        if place is None:
            return
        try:
            await place.exchange.finish(self.position)
        finally:
            await self._connections.give_back(place)


class _Connections:
    """The connections over our backend, and which of them serves next."""

    def __init__(self, backend: GuardedBackend, authorities: Path | None, proxy: str | None) -> None:
        self._backend = backend
        self._authorities = authorities
        self._proxy = None if proxy is None else httpx.Proxy(proxy)
        self._pools: dict[bytes, httpcore.AsyncConnectionPool] = {}
        self._most_idle = _most_idle()
        self._closed = False
        self._busy: set[_Place] = set()
        self._idle: OrderedDict[_Place, None] = OrderedDict()  # whoever has waited longest comes first
        self._idle_at: dict[_Origin, OrderedDict[_Place, None]] = {}  # the same by their origin

    async def ask(self, question: Question) -> Answer:
        """Ask; exceptions of the library pass as they are."""
        while True:
            place = await self._take(question.url.origin)
            try:
                head = await place.exchange.ask(question)
            except httpcore.ConnectionNotAvailable:
                await self._drop(place)
            except BaseException:
                await self._drop(place)
                raise
            else:
                return Answer(head, place, self)

    async def _take(self, origin: httpcore.Origin) -> _Place:
        """A connection of one's own: the one that was used last and so is warmest, or a new one."""
        name = origin.scheme, origin.host, origin.port
        while name in self._idle_at:
            place = next(reversed(self._idle_at[name]))
            self._forget(place)
            if place.exchange.can_serve():
                break
            await place.exchange.aclose()
        else:
            place = _Place(name, self._exchange(origin))
        self._busy.add(place)
        return place

    async def give_back(self, place: _Place) -> None:
        """Keep a connection for the next question, and close those that will not get any."""
        if self._closed or not place.exchange.can_serve():
            await self._drop(place)
            return
        self._busy.discard(place)
        self._idle[place] = None
        self._idle_at.setdefault(place.origin, OrderedDict())[place] = None
        while (oldest := next(iter(self._idle), None)) not in {place, None}:  # others take and give while we close
            if len(self._idle) <= self._most_idle and oldest.exchange.can_serve():
                break
            self._forget(oldest)
            await oldest.exchange.aclose()

    async def _drop(self, place: _Place) -> None:
        self._busy.discard(place)
        await place.exchange.aclose()

    def _forget(self, place: _Place) -> None:
        """An idle connection is idle no more."""
        del self._idle[place]
        places = self._idle_at[place.origin]
        del places[place]
        if not places:
            del self._idle_at[place.origin]

    def _exchange(self, origin: httpcore.Origin) -> Exchange:
        trust = _trust(self._authorities) if origin.scheme == b"https" else None
        if self._proxy is None:
            return Direct(origin, self._backend, trust)
        if origin.scheme not in self._pools:  # what makes connections through the proxy, and keeps none
            self._pools[origin.scheme] = httpcore.AsyncHTTPProxy(
                proxy_url=str(self._proxy.url),
                proxy_auth=self._proxy.raw_auth,
                ssl_context=trust,
                keepalive_expiry=KEEP_ALIVE,
                network_backend=self._backend,
            )
        return Proxied(self._pools[origin.scheme].create_connection(origin))

    async def aclose(self) -> None:
        """Close every connection."""
        self._closed = True
        for place in (*self._busy, *self._idle):
            await place.exchange.aclose()


def _most_idle() -> int:
    """How many idle connections this process can afford."""
    if resource is None:
        return _IDLE
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _IDLE if files == resource.RLIM_INFINITY else min(_IDLE, max(1, files // 4))


@cache
def _trust(authorities: Path | None) -> ssl.SSLContext:
    """Who may vouch for a host. Loading the authorities takes longer than a request: once in a process, when needed."""
    context = httpx.create_ssl_context(trust_env=False)
    if authorities is not None:
        context.load_verify_locations(authorities)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _NotOurs(logging.Filter):
    """Passes a record unless it is about one of our own requests: the library logs headers, secrets included."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  (the task tells, not the record)
        """Is the running task somebody else's?"""
        return METER.get() is None


_NOT_OURS = _NotOurs()


def _keep_logs_quiet() -> None:
    for name in ("connection", "http11", "proxy"):
        logging.getLogger(f"{httpcore.__name__}.{name}").addFilter(_NOT_OURS)
