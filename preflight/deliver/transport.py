"""A session with the HTTP library: one pool of guarded connections, and requests that carry nothing but the question.

The library's own client is left out on purpose: it keeps cookies, reads proxies from the environment, parses a
redirect's target before anybody judged it, and logs whole URLs. What the provider would meet is what we want to meet.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from preflight import __version__
from preflight.deliver.address import address_fault
from preflight.deliver.backend import GuardedBackend, NotPublic
from preflight.deliver.connection import Counted
from preflight.deliver.library import httpcore, httpx
from preflight.deliver.meter import METER
from preflight.deliver.resolver import Resolver
from preflight.deliver.url import host_of, literal_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from preflight.deliver.source import Bounds

#: For how many seconds a connection serves again, and of how many origins connections are kept.
_KEEP_ALIVE = 15.0
_ORIGINS = 256


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
        timeout = httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds)
        self._transport = _Transport(backend, authorities, proxy)
        self._allow_private = private
        self._has_proxy = proxy is not None
        self._extensions = {"timeout": timeout.as_dict()}
        self._headers = {
            "User-Agent": f"preflight/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",  # in a compressed answer the positions of bytes would mean nothing
        }

    async def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Send one GET; the body waits on the wire until it is read, and the caller closes the response.

        Raises:
            Exception: whatever the library, the system or a hostile server makes it raise; see `failure.py`.
        """
        if self._has_proxy:  # a name is the proxy's to judge; an address is ours to refuse, whoever connects to it
            _judge_literal(url, allow_private=self._allow_private)
        request = httpx.Request("GET", url, headers={**self._headers, **headers}, extensions=self._extensions)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


def _judge_literal(url: str, *, allow_private: bool) -> None:
    host = host_of(url) or ""
    address = literal_address(host)
    if address is not None and (fault := address_fault(address, allow_private=allow_private)):
        raise NotPublic(host, str(address), fault)


@dataclass(slots=True)
class _Place:
    """Room for one connection; who takes it says so."""

    connection: httpcore.AsyncConnectionInterface
    is_busy: bool = False


class _Transport(httpx.AsyncBaseTransport):
    """The library's connections over our backend, by public interfaces only.

    Which one serves next is decided here: the library's pool looks at each of its connections several times a request.
    """

    def __init__(self, backend: GuardedBackend, authorities: Path | None, proxy: str | None) -> None:
        self._backend = backend
        self._authorities = authorities
        self._proxy = None if proxy is None else httpx.Proxy(proxy)
        self._pools: dict[bytes, httpcore.AsyncConnectionPool] = {}
        self._origins: OrderedDict[tuple[bytes, bytes, int], list[_Place]] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; exceptions of the library pass as they are."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        asked = httpcore.Request(
            method=request.method,
            url=url,
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        while True:
            place = await self._place(url.origin)
            try:
                response = await place.connection.handle_async_request(asked)
            except httpcore.ConnectionNotAvailable:  # it is closed by now
                place.is_busy = False
            except BaseException:
                place.is_busy = False
                raise
            else:
                return httpx.Response(
                    response.status,
                    headers=response.headers,
                    stream=_Body(response, place),
                    extensions=response.extensions,
                )

    async def _place(self, origin: httpcore.Origin) -> _Place:
        """A place of one's own, the one that was opened first and so is warmest."""
        name = origin.scheme, origin.host, origin.port
        if name not in self._origins:
            await self._make_room()
            self._origins.setdefault(name, [])
        self._origins.move_to_end(name)
        places = self._origins[name]
        place = next((place for place in places if not place.is_busy), None)
        if place is None:
            place = _Place(self._pool(origin.scheme).create_connection(origin), is_busy=True)
            places.append(place)
            return place
        place.is_busy = True
        old = place.connection
        if not old.is_available() or old.has_expired():
            place.connection = self._pool(origin.scheme).create_connection(origin)
            await old.aclose()
        return place

    async def _make_room(self) -> None:
        while len(self._origins) >= _ORIGINS and (idle := self._longest_idle()):
            for place in self._origins.pop(idle):
                await place.connection.aclose()

    def _longest_idle(self) -> tuple[bytes, bytes, int] | None:
        return next((name for name, places in self._origins.items() if not any(p.is_busy for p in places)), None)

    def _pool(self, scheme: bytes) -> httpcore.AsyncConnectionPool:
        """What makes connections of a scheme, and keeps none."""
        if scheme not in self._pools:
            options: dict[str, Any] = {
                "ssl_context": _trust(self._authorities) if scheme == b"https" else None,
                "keepalive_expiry": _KEEP_ALIVE,
                "network_backend": self._backend,
            }
            if self._proxy is None:
                self._pools[scheme] = httpcore.AsyncConnectionPool(**options)
            else:
                url, auth = str(self._proxy.url), self._proxy.raw_auth
                self._pools[scheme] = httpcore.AsyncHTTPProxy(proxy_url=url, proxy_auth=auth, **options)
        return self._pools[scheme]

    async def aclose(self) -> None:
        """Close every connection."""
        for places in self._origins.values():
            for place in places:
                await place.connection.aclose()


@cache
def _trust(authorities: Path | None) -> ssl.SSLContext:
    """Who may vouch for a host. Loading the authorities takes longer than a request: once in a process, when needed."""
    context = httpx.create_ssl_context(trust_env=False)
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


class _Body(httpx.AsyncByteStream):
    """The body of the pool's answer in the form that a client reads; counted, so that the connection can be settled."""

    def __init__(self, response: httpcore.Response, place: _Place) -> None:
        self._response = response
        self._place: _Place | None = place
        self._bytes = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            self._bytes += len(chunk)
            yield chunk

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        connection = self._response.extensions.get("network_stream")
        if isinstance(connection, Counted):
            connection.settle(self._bytes)
        try:
            await self._response.aclose()
        finally:
            if self._place is not None:
                self._place.is_busy = False
                self._place = None


class _NotOurs(logging.Filter):
    """Passes a record unless it is about one of our own requests: the library logs headers, secrets included."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  (the task tells, not the record)
        """Is the running task somebody else's?"""
        return METER.get() is None


_NOT_OURS = _NotOurs()


def _keep_logs_quiet() -> None:
    for name in ("connection", "http11", "proxy"):
        logging.getLogger(f"{httpcore.__name__}.{name}").addFilter(_NOT_OURS)
