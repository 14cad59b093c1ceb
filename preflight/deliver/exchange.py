"""One connection, on which one question is asked after the other: directly, or through a proxy.

Directly, it is the wire and the library's parser of HTTP/1.1 (h11), with nothing between them: the locks, traces and
checked copies of the library's own connection cost more than the parser. Through a proxy it is the library's.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import h11

from preflight.deliver.connection import Counted
from preflight.deliver.library import httpcore

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from preflight.deliver.backend import GuardedBackend

#: For how many seconds a connection serves again.
KEEP_ALIVE = 15.0
#: Bytes that are read at once, and the longest head of an answer.
_PIECE = 64 * 1024
_LONGEST_HEAD = 100 * 1024

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Question:
    """A GET as it is written, and how many seconds connecting and silence may take."""

    url: httpcore.URL
    headers: Headers
    connect_timeout: float
    read_timeout: float


class Head(NamedTuple):
    """How an answer begins."""

    status: int
    headers: Headers


class Exchange(Protocol):
    """A connection: `ask`, `read` to the end or not, `finish`; and again."""

    async def ask(self, question: Question) -> Head:
        """Send a question, and read how its answer begins.

        Raises:
            httpcore.ConnectionNotAvailable: the connection cannot serve any more; nothing was sent.
        """

    async def read(self) -> bytes:
        """Return the next piece of the body; empty at its end."""

    async def finish(self, body_bytes: int) -> None:
        """Be ready for the next question if the body was read to its end, so many bytes; else be closed."""

    def can_serve(self) -> bool:
        """Is it ready, and has the other side nothing to say by itself (its end, for one)?"""

    async def aclose(self) -> None:
        """Close it."""


class Direct:
    """A connection to the host itself; opened by its first question."""

    def __init__(self, origin: httpcore.Origin, backend: GuardedBackend, trust: ssl.SSLContext | None) -> None:
        self._origin, self._backend, self._trust = origin, backend, trust
        self._stream: httpcore.AsyncNetworkStream | None = None
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
        self._read_timeout = 0.0
        self._serves_until = 0.0

    async def ask(self, question: Question) -> Head:
        """See `Exchange`."""
        self._serves_until, self._read_timeout = 0.0, question.read_timeout
        try:
            if self._stream is None:
                self._stream = await self._connect(question.connect_timeout)
            asked = h11.Request(method=b"GET", target=question.url.target, headers=question.headers)
            written = (self._http.send(asked) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
            with contextlib.suppress(httpcore.WriteError):  # whoever closes early may have answered before
                await self._stream.write(written, question.read_timeout)
            event = await self._event()
            while type(event) is h11.InformationalResponse and event.status_code != 101:
                event = await self._event()
        except BaseException:
            await self.aclose()
            raise
        return Head(event.status_code, event.headers.raw_items())

    async def _connect(self, timeout: float) -> httpcore.AsyncNetworkStream:
        host = self._origin.host.decode("ascii")
        stream = await self._backend.connect_tcp(host, self._origin.port, timeout)
        return stream if self._trust is None else await stream.start_tls(self._trust, host, timeout)

    async def _event(self) -> Any:
        """What comes next of the answer."""
        assert self._stream
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise httpcore.RemoteProtocolError(error) from error
            if event is not h11.NEED_DATA:
                return event
            data = await self._stream.read(_PIECE, self._read_timeout)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise httpcore.RemoteProtocolError("the connection ended before an answer")
            self._http.receive_data(data)

    async def read(self) -> bytes:
        """See `Exchange`."""
        event = await self._event()
        return bytes(event.data) if type(event) is h11.Data else b""

    async def finish(self, body_bytes: int) -> None:
        """See `Exchange`."""
        if self._http.our_state is self._http.their_state is h11.DONE:
            _settle(self._stream, body_bytes)
            self._http.start_next_cycle()
            self._serves_until = time.monotonic() + KEEP_ALIVE
        else:
            await self.aclose()

    def can_serve(self) -> bool:
        """See `Exchange`."""
        if self._stream is None or time.monotonic() > self._serves_until:
            return False
        return not self._stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        """See `Exchange`."""
        self._serves_until = 0.0
        if self._stream is not None:
            await self._stream.aclose()


class Proxied:
    """A connection of the library's, through a proxy."""

    def __init__(self, connection: httpcore.AsyncConnectionInterface) -> None:
        self._connection = connection
        self._response: httpcore.Response | None = None
        self._pieces: AsyncIterator[bytes] | None = None

    async def ask(self, question: Question) -> Head:
        """See `Exchange`."""
        silence = question.read_timeout
        timeouts = {"connect": question.connect_timeout, "read": silence, "write": silence}
        request = httpcore.Request("GET", question.url, headers=question.headers, extensions={"timeout": timeouts})
        self._response = response = await self._connection.handle_async_request(request)
        self._pieces = response.aiter_stream()
        return Head(response.status, response.headers)

    async def read(self) -> bytes:
        """See `Exchange`."""
        assert self._pieces
        return await anext(self._pieces, b"")

    async def finish(self, body_bytes: int) -> None:
        """See `Exchange`."""
        assert self._response
        _settle(self._response.extensions.get("network_stream"), body_bytes)
        await self._response.aclose()

    def can_serve(self) -> bool:
        """See `Exchange`."""
        return self._connection.is_available() and not self._connection.has_expired()

    async def aclose(self) -> None:
        """See `Exchange`."""
        await self._connection.aclose()


def _settle(stream: object, body_bytes: int) -> None:
    if isinstance(stream, Counted):
        stream.settle(body_bytes)
