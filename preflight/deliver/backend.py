"""The one place that opens sockets: every address is judged before a packet leaves, every byte is counted.

The guard sits below the HTTP library, where a name becomes an address. It looks the name up once, judges *every*
record (one that is not public denies the name: a partial answer is no partial permission) and connects to the
literal address that it judged. So neither a redirect, nor a second lookup with another answer, nor an odd spelling
of a number leads anywhere else, while host name, SNI and certificate check stay those of the URL.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from preflight.deliver.address import address_fault
from preflight.deliver.library import httpcore
from preflight.deliver.network import connect

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

#: How many addresses of one name are tried.
_TRIED = 3
#: An address that is silent for this many seconds gives way to the next one of its name, if there is one.
_PATIENCE = 5.0
#: How many lookups may be under way at once.
_LOOKUPS = 64
#: How every answer begins.
_HTTP = b"HTTP/"


@dataclass(slots=True)
class Meter:
    """What one medium has cost so far; see `facts.Transfer`."""

    requests: int = 0
    connections: int = 0
    bytes_received: int = 0
    round_trips: int = 0
    seconds: float = 0.0
    private: bool = False
    """Was an address that is not public tried, because that was allowed?"""
    unsent: bool = False
    """Is a request about to be sent? It counts when its first byte leaves."""
    ended: bool = False
    """Did the other side close the connection since `ask`?"""
    answer: bytes = b""
    """The first bytes that came since `ask`."""

    def ask(self) -> None:
        """A request is about to be sent, if a connection can be had."""
        self.unsent, self.ended, self.answer = True, False, b""

    @property
    def lost(self) -> bool:
        """Did the connection end in the middle of HTTP, rather than of something else?"""
        return self.ended and _HTTP.startswith(self.answer)

    def join(self, beside: Meter) -> None:
        """Add the cost of work that ran at the same time: its trips overlap with ours."""
        self.requests += beside.requests
        self.connections += beside.connections
        self.bytes_received += beside.bytes_received
        self.round_trips = max(self.round_trips, beside.round_trips)
        self.private |= beside.private


#: Whose work the running task does. Two media share one pool; this tells their sockets' bytes apart.
METER: ContextVar[Meter | None] = ContextVar("METER", default=None)


class NotPublic(Exception):
    """A host has an address that must not be opened. Not an error of the library: nothing may retry or translate it."""

    def __init__(self, host: str, address: str, fault: str) -> None:
        self.host, self.address, self.fault = host, address, fault
        super().__init__(f"{address} is {fault}")


class Resolver:
    """Names to addresses, on threads of its own.

    A lookup cannot be stopped, so each has a daemon thread: a stalled one delays neither other lookups (as in the
    small default pool of asyncio) nor the end of the process (which waits for the threads of a pool).
    """

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_LOOKUPS)

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Every address of a host, in the order of preference of this machine; a literal address is itself.

        Raises:
            OSError, UnicodeError: as `socket.getaddrinfo` does.
        """
        try:
            return (str(ip_address(host)),)
        except ValueError:
            pass
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

        def finish(addresses: tuple[str, ...], error: Exception | None) -> None:
            self._slots.release()
            if answer.done():
                return
            if error is None:
                answer.set_result(addresses)
            else:
                answer.set_exception(error)

        def look_up() -> None:
            outcome: tuple[tuple[str, ...], Exception | None]
            try:
                records = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                outcome = tuple(dict.fromkeys(str(record[4][0]) for record in records)), None
            except Exception as error:  # noqa: BLE001  (it belongs to the waiting task)
                outcome = (), error
            with contextlib.suppress(RuntimeError):  # the loop may end before the lookup does
                loop.call_soon_threadsafe(finish, *outcome)

        threading.Thread(target=look_up, name=f"lookup-{host}", daemon=True).start()
        return await answer


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections for the HTTP library: looks up, judges, connects to what it judged, counts."""

    def __init__(self, resolver: Resolver, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._resolver = resolver

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that answers, within `timeout` for lookup and connection together.

        `local_address` and `socket_options` are the library's, which never sets them here.

        Raises:
            NotPublic: one of the host's addresses may not be opened; no packet was sent to any.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        addresses = await self._judged(host, port, timeout)
        for position, address in enumerate(addresses, start=1):
            share = None if deadline is None else _share(deadline - time.monotonic(), len(addresses) - position)
            private = address_fault(address) is not None
            try:
                _count(round_trips=1, private=private)
                stream = await connect(address, port, share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses):
                    raise
            else:
                _count(connections=1)
                return _Counted(stream, private=private)
        raise httpcore.ConnectError("the name has no address")

    async def _judged(self, host: str, port: int, timeout: float | None) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver.resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name lookup took too long") from error
        for address in addresses:
            if fault := address_fault(address, allow_private=self._allow_private):
                raise NotPublic(host, address, fault)
        return addresses[:_TRIED]


def _share(left: float, others: int) -> float:
    """How long one address may take, when so many others still wait for their turn."""
    return min(left / (others + 1), _PATIENCE) if others else left


class _Counted(httpcore.AsyncNetworkStream):
    """A connection whose bytes are charged to the medium that reads them."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, *, private: bool) -> None:
        self._stream = stream
        self._private = private

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = await self._stream.read(max_bytes, timeout)
        if (meter := METER.get()) is not None:
            meter.bytes_received += len(data)
            meter.ended = meter.ended or not data
            meter.answer += data[: len(_HTTP) - len(meter.answer)]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if (meter := METER.get()) is not None and meter.unsent:
            meter.unsent = False
            meter.requests += 1
            meter.round_trips += 1
            meter.private |= self._private
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        _count(round_trips=1)
        try:
            encrypted = await self._stream.start_tls(ssl_context, server_hostname, timeout)
            return _Counted(encrypted, private=self._private)
        except BaseException:  # a cancelled handshake must not leave its socket open
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _count(*, connections: int = 0, round_trips: int = 0, private: bool = False) -> None:
    if (meter := METER.get()) is not None:
        meter.connections += connections
        meter.round_trips += round_trips
        meter.private |= private
