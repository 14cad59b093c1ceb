"""A session with the HTTP library: one pool of guarded connections, and requests that carry nothing but the question.

The library's own client is left out on purpose: it keeps cookies, reads proxies from the environment, parses a
redirect's target before anybody judged it, and logs whole URLs. What the provider would meet is what we want to meet.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from preflight import __version__
from preflight.deliver.backend import METER, GuardedBackend, Resolver
from preflight.deliver.library import httpcore, httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from preflight.deliver.source import Bounds

#: A batch shares one session; this is how many connections it may hold, and for how many seconds unused.
_CONNECTIONS = 64
_KEEP_ALIVE = 15.0


class Session:
    """The connections of one client. It belongs to one event loop."""

    def __init__(self, bounds: Bounds, authorities: Path | None = None) -> None:
        _keep_logs_quiet()
        backend = GuardedBackend(Resolver(), allow_private=bounds.allow_private)
        timeout = httpx.Timeout(bounds.read_seconds, connect=bounds.connect_seconds)
        self._transport = _Transport(backend, authorities)
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
        request = httpx.Request("GET", url, headers={**self._headers, **headers}, extensions=self._extensions)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """The library's connection pool over our backend, by public interfaces only; one pool for each scheme."""

    def __init__(self, backend: GuardedBackend, authorities: Path | None) -> None:
        self._backend = backend
        self._authorities = authorities
        self._pools: dict[str, httpcore.AsyncConnectionPool] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; exceptions of the connection pool pass as they are."""
        url = request.url
        response = await self._pool(url.scheme).handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def _pool(self, scheme: str) -> httpcore.AsyncConnectionPool:
        if scheme not in self._pools:
            context = _trust(self._authorities) if scheme == "https" else None
            self._pools[scheme] = httpcore.AsyncConnectionPool(
                ssl_context=context,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_KEEP_ALIVE,
                http1=True,
                http2=False,
                retries=0,
                network_backend=self._backend,
            )
        return self._pools[scheme]

    async def aclose(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            await pool.aclose()


@cache
def _trust(authorities: Path | None) -> ssl.SSLContext:
    """Who may vouch for a host. Loading the authorities takes longer than a request: once in a process, when needed."""
    context = httpx.create_ssl_context(trust_env=False)
    if authorities is not None:
        context.load_verify_locations(authorities)
    return context


class _Body(httpx.AsyncByteStream):
    """The body of the pool's answer in the form that a client reads."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_stream().__aiter__()

    async def aclose(self) -> None:
        """Give the connection back, or close it when the body was not read to its end."""
        await self._response.aclose()


class _NotOurs(logging.Filter):
    """Passes a record unless it is about one of our own requests: the library logs headers, secrets included."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  (the task tells, not the record)
        """Is the running task somebody else's?"""
        return METER.get() is None


_NOT_OURS = _NotOurs()


def _keep_logs_quiet() -> None:
    for name in (f"{httpcore.__name__}.connection", f"{httpcore.__name__}.http11"):
        logging.getLogger(name).addFilter(_NOT_OURS)
